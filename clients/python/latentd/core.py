"""The protocol without input and output: bytes that came go in, bytes to send and answers come out.

Both clients stand on this. It keeps the requests under way, gives each its id, and matches responses and `token` notifications to
them. It knows no socket, no thread and no loop: whoever owns a `Core` calls it from one place at a time.

    core = Core()
    exchange = core.request("ping", {})
    ...                                  # send core.outgoing and clear it
    core.receive(data)                   # returns [exchange] when there is news of it
    exchange.result()                    # {"pong": True}

What the peer sends is bounded before it is parsed (`Limits`, the scanner), and checked for being the protocol. A peer that breaks it
ends the connection: every request under way fails, and `closed` says why."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgpack

from .errors import ClosedError, Error, InvalidUtf8Error, MalformedError, TooLargeError, error_of
from .scanner import Scanner

REQUEST = 0
IDS = 1 << 32


@dataclass(frozen=True)
class Limits:
    """What one request may have, and what is taken from a peer."""
    request_bytes: int = 1 << 20
    reply_bytes: int = 8 << 20
    reply_objects: int = 1 << 20
    depth: int = 16
    stream_bytes: int = 16 << 20
    """Of all notifications of one request together; twice the greatest answer."""


class Exchange:
    """A request, and what has come for it."""

    def __init__(self, id: int, method: str) -> None:
        self.id, self.method = id, method
        self.texts: deque[str] = deque()
        """Of `token` notifications, to be taken from the left."""
        self.done = False
        """The response is there, or there will be none. No text comes after it."""
        self.abandoned = False
        """Nobody waits any more."""
        self._received_bytes = 0
        self._value: Any = None
        self._error: Error | None = None

    def result(self) -> Any:
        """The result of the response, when done; or raises its error."""
        assert self.done
        if self._error is not None:
            raise self._error
        return self._value

    def finish(self, value: Any, error: Error | None) -> None:
        self._value, self._error, self.done = value, error, True

    def take_text(self, text: str, bytes: int, limit: int) -> None:
        self._received_bytes += bytes
        if self._received_bytes > limit:
            raise TooLargeError(f"more than {limit} bytes for one request")
        if not self.abandoned:
            self.texts.append(text)


class Core:
    """One connection's state."""

    def __init__(self, limits: Limits = Limits()) -> None:
        self.limits = limits
        self.outgoing = bytearray()
        """To be sent, in order. The owner removes what it has sent."""
        self.closed: Error | None = None
        """Why nothing more can be asked here."""
        self._scanner = Scanner(limits.reply_bytes, limits.reply_objects, limits.depth)
        self._incoming = bytearray()
        self._under_way: dict[int, Exchange] = {}
        self._next_id = 1

    @property
    def idle(self) -> bool:
        """No request is under way."""
        return not self._under_way

    def request(self, method: str, params: Mapping[str, Any]) -> Exchange:
        """Begins a request; its bytes are in `outgoing`. TooLargeError, InvalidUtf8Error: it cannot be sent, and nothing was begun.
        ClosedError: the connection has ended."""
        if self.closed is not None:
            raise ClosedError(self.closed.message)
        while self._next_id in self._under_way:
            self._next_id = (self._next_id + 1) % IDS
        exchange = Exchange(self._next_id, method)
        try:
            data: bytes = msgpack.packb([REQUEST, exchange.id, method, [dict(params)] if params else []])
        except UnicodeEncodeError as failure:
            raise InvalidUtf8Error(f"{method}: a text is not valid Unicode: {failure.reason}") from None
        if len(data) > self.limits.request_bytes:
            raise TooLargeError(f"{method}: the request has {len(data)} bytes; the limit is {self.limits.request_bytes}")
        self.outgoing += data
        self._under_way[exchange.id] = exchange
        self._next_id = (self._next_id + 1) % IDS
        return exchange

    def abandon(self, exchange: Exchange) -> None:
        """Nobody waits for this answer any more: asks the daemon to cancel it, and passes over whatever still comes for it."""
        if exchange.done or exchange.abandoned:
            return
        exchange.abandoned = True
        exchange.texts.clear()
        if self.closed is None:
            self.request("cancel", {"id": exchange.id}).abandoned = True

    def receive(self, data: bytes) -> list[Exchange]:
        """Takes what the peer has sent, in pieces of any size. Returns the exchanges for which there is news."""
        if self.closed is not None:
            return []
        self._incoming += data
        news: dict[int, Exchange] = {}
        try:
            while self.closed is None and (end := self._scanner.scan(self._incoming)) is not None:
                frame = bytes(memoryview(self._incoming)[:end])
                del self._incoming[:end]
                news.update((exchange.id, exchange) for exchange in self._take(frame))
        except (MalformedError, TooLargeError) as failure:
            broken = MalformedError(f"the peer sent what latentd never sends ({failure.message}); is it latentd?")
            news.update((exchange.id, exchange) for exchange in self.fail(broken))
        return [exchange for exchange in news.values() if not exchange.abandoned]

    def receive_end(self) -> list[Exchange]:
        """The peer has closed the connection. Returns the exchanges that fail by it."""
        return self.fail(ClosedError("the daemon closed the connection" + (" in the middle of a reply" if self._incoming else "")))

    def fail(self, error: Error) -> list[Exchange]:
        """Ends the connection for a reason. Returns the exchanges that fail by it; each gets an exception of its own."""
        if self.closed is not None:
            return []
        self.closed = error
        self.outgoing.clear()
        self._incoming.clear()
        failed = list(self._under_way.values())
        self._under_way.clear()
        for exchange in failed:
            exchange.finish(None, error_of(error.code, error.name, error.message))
        return failed

    def _take(self, frame: bytes) -> list[Exchange]:
        match _unpack(frame):
            case [1, int() as id, error, result]:
                failure = None if error is None else _read_error(error)
                exchange = self._under_way.pop(id, None)
                if exchange is None:
                    raise MalformedError(f"a response to request {id}, which was not made")
                exchange.finish(result, failure)
                return [exchange]
            case [1, None, error, None]:  # the daemon could not read what we sent, and closes
                return self.fail(_read_error(error))
            case [2, "token", [{"id": int() as id, "text": str() as text}]]:
                streaming = self._under_way.get(id)
                if streaming is None:
                    raise MalformedError(f"a token of request {id}, which was not made")
                streaming.take_text(text, len(frame), self.limits.stream_bytes)
                return [streaming]
            case [2, "token", _]:
                raise MalformedError("a token without id and text")
            case [2, "progress", [{"id": int() as id}]]:
                working = self._under_way.get(id)
                return [] if working is None else [working]  # it is heard of
            case [2, str(), [_]]:
                return []  # of a later protocol
        raise MalformedError("an object that is no response and no notification")


def _unpack(frame: bytes) -> Any:
    """An object that the scanner has passed."""
    try:
        return msgpack.unpackb(frame, raw=False, strict_map_key=True)
    except UnicodeDecodeError:
        raise MalformedError("text that is not UTF-8") from None
    except (ValueError, TypeError, msgpack.UnpackException) as failure:
        raise MalformedError(str(failure)) from None


def _read_error(error: Any) -> Error:
    match error:
        case {"code": int() as code, "name": str() as name, "message": str() as message}:
            return error_of(code, name, message)
    raise MalformedError("an error without code, name and message")
