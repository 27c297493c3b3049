"""A connected socket that several threads share.

Any thread sends its own request. One of those that wait, whichever comes first, reads for all of them: it gives the lock back while
it polls, then hands out what came and wakes the others; when its own answer is there, another takes over. So there is no thread
behind the scenes, and one that is alone goes straight from its request to its answer. What the socket does not take at once is sent
by the same turn that reads, for a daemon whose answers are left unread reads no requests either."""

from __future__ import annotations

import math
import select
import socket
import ssl
import threading
import time
from collections import deque
from collections.abc import Mapping
from typing import Any

from .address import Address, UnixAddress
from .core import Core, Exchange, Limits
from .errors import ClosedError, ConnectError, IoError, TimeoutError

RECEIVE_BYTES = 1 << 16


WOULD_BLOCK = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


def _connect(address: Address, timeout: float | None, context: ssl.SSLContext | None) -> socket.socket:
    try:
        if isinstance(address, UnixAddress):
            connected = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                connected.settimeout(timeout)
                connected.connect(address.path)
            except BaseException:
                connected.close()
                raise
        else:
            connected = socket.create_connection((address.host, address.port), timeout)
            # Requests are small and whole; waiting for more to send with them only delays the first token.
            connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if address.tls:
                connected = (context or ssl.create_default_context()).wrap_socket(connected, server_hostname=address.host)
    except OSError as failure:
        raise ConnectError(f"cannot connect to {address}: {getattr(failure, 'verify_message', '') or failure.strerror or failure}") from None
    connected.setblocking(False)
    return connected


class Connection:
    """Safe to use from any number of threads. It ends once: by `close`, by being forgotten, or when `alive` has become false."""

    def __init__(self, address: Address, timeout: float | None, limits: Limits,
                 context: ssl.SSLContext | None = None) -> None:
        self._socket = _connect(address, timeout, context)
        self._core = Core(limits)
        self._woken, self._waker = socket.socketpair()  # a byte ends a poll
        self._waker.setblocking(False)
        # Not reentrant: `abandon` may be called by a finalizer, in a thread that holds the lock.
        self._turn = threading.Condition(threading.Lock())
        self._polling = False
        self._to_abandon: deque[Exchange] = deque()

    def alive(self) -> bool:
        """Whether requests can be made. Notices a daemon that has closed the connection meanwhile."""
        with self._turn:
            if not self._polling and self._core.closed is None:
                self._poll(0)
            return self._core.closed is None

    def request(self, method: str, params: Mapping[str, Any], timeout: float | None) -> Exchange:
        """Sends a request."""
        end = _end_of(timeout)
        with self._turn:
            self._abandon_all()
            exchange = self._core.request(method, params)
            self._send()
            while self._core.outgoing:
                self._take_turn(end, exchange, timeout)
            return exchange

    def wait(self, exchange: Exchange, timeout: float | None) -> None:
        """Until a text has come for the request, or it is done. TimeoutError after `timeout` seconds: the request is cancelled, and
        the connection can be used on, unless it took nothing either."""
        end = _end_of(timeout)
        with self._turn:
            while not (exchange.texts or exchange.done):
                self._take_turn(end, exchange, timeout)

    def abandon(self, exchange: Exchange) -> None:
        """Cancels a request for which nobody waits any more. Does not block; may be called by a finalizer."""
        if exchange.done or exchange.abandoned:
            return
        self._to_abandon.append(exchange)
        if self._turn.acquire(blocking=False):  # else whoever has it will see to it, at its next turn
            try:
                self._abandon_all()
            finally:
                self._turn.release()

    def __del__(self) -> None:
        if hasattr(self, "_to_abandon"):  # else it was never connected
            self._close_sockets()

    def close(self) -> None:
        """Requests under way fail with ClosedError."""
        with self._turn:
            self._core.fail(ClosedError("this client was closed"))
            self._end()
            self._turn.notify_all()

    # What follows is called with the lock held.

    def _take_turn(self, end: float | None, exchange: Exchange, timeout: float | None) -> None:
        """Reads and writes for all who wait, or waits while another thread does."""
        self._abandon_all()
        left = None if end is None else end - time.monotonic()
        if left is not None and left <= 0:
            error = TimeoutError(f"{exchange.method}: nothing was heard for {timeout:g} s")
            if self._core.outgoing:  # nor taken: no use in asking for more
                self._core.fail(error)
                self._end()
            self._core.abandon(exchange)
            self._send()
            raise error
        if self._polling:
            self._turn.wait(left)
        else:
            self._poll(left)

    def _poll(self, seconds: float | None) -> None:
        poll = select.poll()
        poll.register(self._socket, select.POLLIN | (select.POLLOUT if self._core.outgoing else 0))
        poll.register(self._woken, select.POLLIN)
        self._polling = True
        self._turn.release()
        try:
            ready = dict(poll.poll(None if seconds is None else max(0, math.ceil(1000 * seconds))))
        finally:
            self._turn.acquire()
            self._polling = False
            self._turn.notify_all()
        if self._woken.fileno() in ready:
            self._woken.recv(RECEIVE_BYTES)
        if ready.get(self._socket.fileno(), 0) & ~select.POLLOUT:
            self._receive()
        self._send()
        self._end()

    def _receive(self) -> None:
        try:
            data = self._socket.recv(RECEIVE_BYTES)
            while data and isinstance(self._socket, ssl.SSLSocket) and self._socket.pending():
                data += self._socket.recv(RECEIVE_BYTES)  # what is decrypted already, no poll tells of
        except WOULD_BLOCK:
            return
        except ConnectionResetError:
            data = b""
        except OSError as failure:
            self._core.fail(IoError(f"reading from the daemon failed: {failure.strerror}"))
            return
        if data:
            self._core.receive(data)
        else:
            self._core.receive_end()

    def _send(self) -> None:
        """As much as the socket takes; a thread that is polling is told of the rest."""
        outgoing = self._core.outgoing
        try:
            while outgoing:
                del outgoing[:self._socket.send(outgoing)]
        except WOULD_BLOCK:
            if self._polling:
                self._wake()
        except (BrokenPipeError, ConnectionResetError):
            outgoing.clear()  # what the daemon said before it closed, and that it closed, is still to be read
        except OSError as failure:
            self._core.fail(IoError(f"writing to the daemon failed: {failure.strerror}"))

    def _abandon_all(self) -> None:
        while self._to_abandon:
            self._core.abandon(self._to_abandon.popleft())
        self._send()

    def _end(self) -> None:
        """Closes the sockets of a connection that has ended, when no thread polls them."""
        if self._core.closed is not None and self._polling:
            self._wake()
        elif self._core.closed is not None:
            self._close_sockets()

    def _wake(self) -> None:
        try:
            self._waker.send(b"\0")
        except BlockingIOError:
            pass  # full of bytes that wake it

    def _close_sockets(self) -> None:
        for each in (self._socket, self._woken, self._waker):
            each.close()


def _end_of(timeout: float | None) -> float | None:
    return None if timeout is None else time.monotonic() + timeout
