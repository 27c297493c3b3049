"""The client for programs that wait for their answers.

    with Client() as client:
        print(client.generate("Explain photosynthesis.").text)"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping
from ssl import SSLContext
from types import TracebackType
from typing import Any, Concatenate, Literal, ParamSpec, TypeVar, Unpack, overload

from . import methods
from .address import parse_address, usual_address, usual_token
from .connection import Connection
from .core import Exchange, Limits
from .documented import documented
from .errors import ClosedError
from .methods import Call, GenerateOptions
from .results import Generation

P = ParamSpec("P")
T = TypeVar("T")
DEFAULT_TIMEOUT = 300.0


class Stream(Iterator[str]):
    """The texts of an answer, as they come. Closed early, by `close`, by leaving its `with` block or by being forgotten, it cancels
    the request. Belongs to one thread at a time; `close` may be called from any."""

    def __init__(self, connection: Connection, exchange: Exchange, call: Call[Generation], timeout: float | None) -> None:
        self._connection, self._exchange, self._call, self._timeout = connection, exchange, call, timeout
        self._closed = False

    @property
    def id(self) -> int:
        """Of the request, for `Client.cancel`."""
        return self._exchange.id

    def __next__(self) -> str:
        exchange = self._exchange
        while not (self._closed or exchange.abandoned):
            done = exchange.done  # looked at first: no text comes after it
            if exchange.texts:
                return exchange.texts.popleft()
            if done:
                exchange.result()
                break
            self._connection.wait(exchange, self._timeout)
        raise StopIteration

    def result(self) -> Generation:
        """The whole answer with its receipt, once it is complete; texts that were not taken yet are passed over."""
        for _ in self:
            pass
        if self._exchange.abandoned or not self._exchange.done:
            raise ClosedError("the stream was closed before its answer was complete")
        return self._call.read(self._exchange.result())

    def close(self) -> None:
        """Cancels the request if it is not done. Does not wait."""
        self._closed = True
        self._connection.abandon(self._exchange)

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()


def _method(build: Callable[P, Call[T]]) -> Callable[Concatenate[Client, P], T]:
    def method(self: Client, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self._perform(build(*args, **kwargs))
    return documented(method, build)


class Client:
    """A daemon, to be asked from any number of threads; they share one connection, and each gets its own answers.

    `address` is a path, unix:PATH, tcp://HOST:PORT or tls://HOST:PORT; without it the client looks where latentctl does ($LATENTD_SOCKET first). The
    connection is opened when it is first needed, and again after it was closed, for example by a restart of the daemon; requests that
    were under way then fail with ClosedError. `timeout` is how many seconds nothing may be heard of a request before it is cancelled
    and fails with TimeoutError; None waits for ever. `token` is what `latentctl token new` made, for a daemon that asks for one; without
    it $LATENTD_TOKEN, if that is set. `ssl` is for tls://, where the system's authorities are not those that count. Not to be used in a process forked off meanwhile."""

    def __init__(self, address: str | os.PathLike[str] | None = None, *, timeout: float | None = DEFAULT_TIMEOUT,
                 token: str | None = None, ssl: SSLContext | None = None, limits: Limits = Limits()) -> None:
        self.address = parse_address(usual_address() if address is None else address)
        self.timeout = timeout
        self._token = usual_token() if token is None else token
        self._ssl = ssl
        self._limits = limits
        self._connection: Connection | None = None
        self._closed = False
        self._opening = threading.Lock()

    @overload
    def generate(self, prompt: str | None = None, *, stream: Literal[False] = False,
                 **options: Unpack[GenerateOptions]) -> Generation: ...

    @overload
    def generate(self, prompt: str | None = None, *, stream: Literal[True], **options: Unpack[GenerateOptions]) -> Stream: ...

    def generate(self, prompt: str | None = None, *, stream: bool = False, **options: Any) -> Generation | Stream:
        """Answers a prompt, or `segments`; GenerateOptions lists the options. With `stream` it returns at once, with an iterator over
        the texts of the answer as they come."""
        call = methods.generate(prompt, stream, options)
        if not stream:
            return self._perform(call)
        connection = self._open()
        return Stream(connection, connection.request(call.method, call.params, self.timeout), call, self.timeout)

    def call(self, method: str, params: Mapping[str, Any] | None = None, /, **more: Any) -> Any:
        """Any method of the protocol, with its parameters as a map or by their names; returns what the daemon sends. `token`
        notifications are passed over."""
        return self._perform(methods.generic(method, {**(params or {}), **more}))

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

    def close(self) -> None:
        """Closes the connection for good; requests under way fail with ClosedError."""
        with self._opening:
            self._closed = True
            if self._connection is not None:
                self._connection.close()

    def __enter__(self) -> Client:
        self._open()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"latentd.Client({str(self.address)!r})"

    def _open(self) -> Connection:
        with self._opening:
            if self._closed:
                raise ClosedError("this client was closed")
            if self._connection is None or not self._connection.alive():
                self._connection = self._connect()
            return self._connection

    def _connect(self) -> Connection:
        connection = Connection(self.address, self.timeout, self._limits, self._ssl)
        if self._token is not None:
            call = methods.hello(token=self._token)
            try:
                exchange = connection.request(call.method, call.params, self.timeout)
                connection.wait(exchange, self.timeout)
                exchange.result()
            except BaseException:
                connection.close()
                raise
        return connection

    def _perform(self, call: Call[T]) -> T:
        connection = self._open()
        exchange = connection.request(call.method, call.params, self.timeout)
        try:
            while not exchange.done:
                exchange.texts.clear()
                connection.wait(exchange, self.timeout)
        finally:
            connection.abandon(exchange)
        return call.read(exchange.result())
