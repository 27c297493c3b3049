"""A connection on an asyncio loop: bytes go to the core as they come, and wake the tasks whose answers they hold."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterable, Mapping
from typing import Any, cast

from .address import Address, UnixAddress
from .core import Core, Exchange, Limits
from .errors import ClosedError, ConnectError, IoError, TimeoutError


class AsyncConnection(asyncio.Protocol):
    """Belongs to one loop. It ends once: by `close`, or when `alive` has become false."""

    def __init__(self, limits: Limits) -> None:
        self._core = Core(limits)
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._waiting: dict[Exchange, asyncio.Future[None]] = {}
        self._writable = asyncio.Event()  # the transport wants more

    @classmethod
    async def open(cls, address: Address, timeout: float | None, limits: Limits,
                   context: ssl.SSLContext | None = None) -> AsyncConnection:
        """ConnectError: nobody answers at the address."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(timeout):
                if isinstance(address, UnixAddress):
                    return (await loop.create_unix_connection(lambda: cls(limits), address.path))[1]
                secured = (context or ssl.create_default_context()) if address.tls else None
                return (await loop.create_connection(lambda: cls(limits), address.host, address.port, ssl=secured))[1]
        except OSError as failure:
            raise ConnectError(f"cannot connect to {address}: {failure.strerror or failure or 'no answer'}") from None

    def alive(self) -> bool:
        return self._core.closed is None

    async def request(self, method: str, params: Mapping[str, Any]) -> Exchange:
        """Sends a request, as soon as those before it are on their way."""
        await self._writable.wait()
        exchange = self._core.request(method, params)
        self._send()
        return exchange

    async def wait(self, exchange: Exchange, timeout: float | None) -> None:
        """Until a text has come for the request, or it is done. TimeoutError after `timeout` seconds. Whoever stops waiting, for that
        or for being cancelled, cancels the request."""
        if exchange.texts or exchange.done:
            return
        news = self._waiting[exchange] = self._loop.create_future()
        try:
            async with asyncio.timeout(timeout):
                await news
        except asyncio.TimeoutError:
            self.abandon(exchange)
            raise TimeoutError(f"{exchange.method}: nothing was heard for {timeout:g} s") from None
        except asyncio.CancelledError:
            self.abandon(exchange)
            raise
        finally:
            del self._waiting[exchange]

    def abandon(self, exchange: Exchange) -> None:
        """Cancels a request for which nobody waits any more."""
        self._core.abandon(exchange)
        self._send()
        self._wake([exchange])

    def abandon_soon(self, exchange: Exchange) -> None:
        """The same for finalizers, which may run in any thread."""
        if not (exchange.done or exchange.abandoned or self._loop.is_closed()):
            self._loop.call_soon_threadsafe(self.abandon, exchange)

    def close(self) -> None:
        """Requests under way fail with ClosedError."""
        self._wake(self._core.fail(ClosedError("this client was closed")))

    def _send(self) -> None:
        if self._core.outgoing and self._transport is not None:
            self._transport.write(bytes(self._core.outgoing))
            self._core.outgoing.clear()

    def _wake(self, exchanges: Iterable[Exchange]) -> None:
        for exchange in exchanges:
            news = self._waiting.get(exchange)
            if news is not None and not news.done():
                news.set_result(None)
        if self._core.closed is not None and self._transport is not None:
            self._transport.close()
            self._writable.set()

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._writable.set()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def data_received(self, data: bytes) -> None:
        self._wake(self._core.receive(data))

    def eof_received(self) -> None:
        self._wake(self._core.receive_end())

    def connection_lost(self, failure: Exception | None) -> None:
        if failure is None or isinstance(failure, ConnectionError):
            self._wake(self._core.receive_end())
        else:
            self._wake(self._core.fail(IoError(f"talking to the daemon failed: {failure}")))
        self._writable.set()
