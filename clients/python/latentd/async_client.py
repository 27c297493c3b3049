"""The client for asyncio; any number of its tasks may ask at once.

    async with AsyncClient() as client:
        one, other = await asyncio.gather(client.encode(first), client.encode(second))"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from ssl import SSLContext
from types import TracebackType
from typing import Any, Concatenate, Literal, ParamSpec, TypeVar, Unpack, overload

from . import methods
from .address import parse_address, usual_address, usual_token
from .async_connection import AsyncConnection
from .client import DEFAULT_TIMEOUT
from .core import Exchange, Limits
from .documented import documented
from .errors import ClosedError
from .methods import Call, GenerateOptions
from .results import Generation

P = ParamSpec("P")
T = TypeVar("T")


class AsyncStream(AsyncIterator[str]):
    """The texts of an answer, as they come; the request is sent when the first is asked for. Closed early, by `aclose`, by leaving its
    `async with` block or by being forgotten, it cancels the request. Belongs to one task at a time."""

    def __init__(self, client: AsyncClient, call: Call[Generation]) -> None:
        self._client, self._call = client, call
        self._connection: AsyncConnection | None = None
        self._exchange: Exchange | None = None
        self._closed = False

    @property
    def id(self) -> int | None:
        """Of the request, for `AsyncClient.cancel`; None before it is sent."""
        return None if self._exchange is None else self._exchange.id

    async def __anext__(self) -> str:
        if self._exchange is None and not self._closed:
            self._connection = await self._client._open()
            self._exchange = await self._connection.request(self._call.method, self._call.params)
        exchange, connection = self._exchange, self._connection
        while exchange is not None and connection is not None and not (self._closed or exchange.abandoned):
            if exchange.texts:
                return exchange.texts.popleft()
            if exchange.done:
                exchange.result()
                break
            await connection.wait(exchange, self._client.timeout)
        raise StopAsyncIteration

    async def result(self) -> Generation:
        """The whole answer with its receipt, once it is complete; texts that were not taken yet are passed over."""
        async for _ in self:
            pass
        if self._exchange is None or self._exchange.abandoned or not self._exchange.done:
            raise ClosedError("the stream was closed before its answer was complete")
        return self._call.read(self._exchange.result())

    async def aclose(self) -> None:
        """Cancels the request if it is not done. Does not wait for the daemon."""
        self._closed = True
        if self._connection is not None and self._exchange is not None:
            self._connection.abandon(self._exchange)

    async def __aenter__(self) -> AsyncStream:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.aclose()

    def __del__(self) -> None:
        if self._connection is not None and self._exchange is not None:
            self._connection.abandon_soon(self._exchange)


def _method(build: Callable[P, Call[T]]) -> Callable[Concatenate[AsyncClient, P], Coroutine[Any, Any, T]]:
    async def method(self: AsyncClient, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._perform(build(*args, **kwargs))
    return documented(method, build)


class AsyncClient:
    """A daemon, to be asked from the tasks of one loop; they share one connection. Address, timeout, token, ssl and connecting are as for Client;
    a task that is cancelled cancels its request."""

    def __init__(self, address: str | os.PathLike[str] | None = None, *, timeout: float | None = DEFAULT_TIMEOUT,
                 token: str | None = None, ssl: SSLContext | None = None, limits: Limits = Limits()) -> None:
        self.address = parse_address(usual_address() if address is None else address)
        self.timeout = timeout
        self._token = usual_token() if token is None else token
        self._ssl = ssl
        self._limits = limits
        self._connection: AsyncConnection | None = None
        self._closed = False
        self._opening = asyncio.Lock()

    @overload
    def generate(self, prompt: str | None = None, *, stream: Literal[False] = False,
                 **options: Unpack[GenerateOptions]) -> Coroutine[Any, Any, Generation]: ...

    @overload
    def generate(self, prompt: str | None = None, *, stream: Literal[True], **options: Unpack[GenerateOptions]) -> AsyncStream: ...

    def generate(self, prompt: str | None = None, *, stream: bool = False,
                 **options: Any) -> Coroutine[Any, Any, Generation] | AsyncStream:
        """Answers a prompt, or `segments`; GenerateOptions lists the options. To be awaited; with `stream` it is an asynchronous
        iterator over the texts of the answer as they come."""
        call = methods.generate(prompt, stream, options)
        return AsyncStream(self, call) if stream else self._perform(call)

    async def call(self, method: str, params: Mapping[str, Any] | None = None, /, **more: Any) -> Any:
        """Any method of the protocol, with its parameters as a map or by their names; returns what the daemon sends. `token`
        notifications are passed over."""
        return await self._perform(methods.generic(method, {**(params or {}), **more}))

    encode = _method(methods.encode)
    score = _method(methods.score)
    explain = _method(methods.explain)
    near = _method(methods.near)
    latent_get = _method(methods.latent_get)
    doc_put = _method(methods.doc_put)
    doc_get = _method(methods.doc_get)
    doc_list = _method(methods.doc_list)
    doc_history = _method(methods.doc_history)
    doc_remove = _method(methods.doc_remove)
    doc_refine = _method(methods.doc_refine)
    latent_put = _method(methods.latent_put)
    namespace_put = _method(methods.namespace_put)
    namespace_list = _method(methods.namespace_list)
    namespace_remove = _method(methods.namespace_remove)
    pin = _method(methods.pin)
    unpin = _method(methods.unpin)
    evict = _method(methods.evict)
    flush = _method(methods.flush)
    scan = _method(methods.scan)
    verify = _method(methods.verify)
    backup = _method(methods.backup)
    export_begin = _method(methods.export_begin)
    export_read = _method(methods.export_read)
    import_write = _method(methods.import_write)
    import_end = _method(methods.import_end)
    stats = _method(methods.stats)
    info = _method(methods.info)
    models = _method(methods.models)
    hello = _method(methods.hello)
    ping = _method(methods.ping)
    cancel = _method(methods.cancel)
    shutdown = _method(methods.shutdown)

    async def aclose(self) -> None:
        """Closes the connection for good; requests under way fail with ClosedError."""
        self._closed = True
        if self._connection is not None:
            self._connection.close()

    async def __aenter__(self) -> AsyncClient:
        await self._open()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return f"latentd.AsyncClient({str(self.address)!r})"

    async def _open(self) -> AsyncConnection:
        async with self._opening:
            if self._closed:
                raise ClosedError("this client was closed")
            if self._connection is None or not self._connection.alive():
                self._connection = await self._connect()
            return self._connection

    async def _connect(self) -> AsyncConnection:
        connection = await AsyncConnection.open(self.address, self.timeout, self._limits, self._ssl)
        if self._token is not None:
            call = methods.hello(token=self._token)
            try:
                exchange = await connection.request(call.method, call.params)
                await connection.wait(exchange, self.timeout)
                exchange.result()
            except BaseException:
                connection.close()
                raise
        return connection

    async def _perform(self, call: Call[T]) -> T:
        connection = await self._open()
        exchange = await connection.request(call.method, call.params)
        while not exchange.done:
            exchange.texts.clear()
            await connection.wait(exchange, self.timeout)
        return call.read(exchange.result())
