"""The n-th allocation fails, n = 1, 2, … until a request comes through without: every request is answered whole, with what was asked for or with
an error, or its connection is closed between two messages; and the daemon goes on."""

import itertools
import json
import re
import socket

import http.client
import msgpack
import pytest
from conftest import BUILD, ROOT, TINY, Daemon, WebDaemon

FAILING = BUILD / "tests" / "crash" / "latentd_failing"
CASE = json.loads((ROOT / "tests/vectors/tiny.json").read_text())["cases"][0]
TRIES_MAX = 3000  # allocations of one request: more would be a finding of its own


class Failing:
    """Mixed into a daemon: one whose allocations can be told to fail."""

    def __init__(self, folder, **options):
        self.orders_path = str(folder / "orders")
        super().__init__(folder, environment={"LATENTD_FAIL_SOCKET": self.orders_path}, **options)

    def command(self):
        return [FAILING, *super().command()[1:]]

    def start(self):
        super().start()
        self.orders = socket.socket(socket.AF_UNIX)
        self.orders.connect(self.orders_path)
        self.order_lines = self.orders.makefile("rw")
        return self

    def order(self, number):
        """Lets that allocation from now on fail; returns how many were left until the one that was to fail before."""
        self.order_lines.write(f"{number}\n")
        self.order_lines.flush()
        return int(self.order_lines.readline())

    def fail_at(self, number):
        """Whether the allocation that was to fail before did so."""
        return self.order(number) == 0

    def stop(self, *arguments):
        self.orders.close()
        return super().stop(*arguments)


class FailingDaemon(Failing, Daemon):
    pass


class FailingWebDaemon(Failing, WebDaemon):
    pass


def text(number):
    return f"The King had {number} daughters, and {number} sons. Who was the youngest of them?"


def latent_put(connection, number):
    model = connection.call("models")["models"][0]
    numbers = [(1 if (number >> bit) & 1 else -1) * 100 for bit in range(model["width"])]
    return {"encoder": model["encoder_fingerprint"], "type": "i8", "dimension": model["width"], "scales": [0.01],
            "tokens": [CASE["tokens"][:CASE["span_ends"][0]]], "latents": [bytes(x & 255 for x in numbers)]}


def encoded(connection, number):
    connection.call("encode", {"text": text(number)})
    return text(number)


def pack(connection):
    encoded(connection, 1)
    connection.call("export.begin")
    return connection.call("export.read", {"offset": 0})["data"]


# What has to come before a request, on its own connection.
BEFORE = {"export.read": lambda c: ("export.begin", {}), "import.end": lambda c: ("import.write", {"offset": 0, "data": pack(c)})}
REQUESTS = {
    "hello": lambda c, n: {"version": 1, "client": "test"},
    "ping": lambda c, n: {},
    "generate": lambda c, n: {"prompt": text(n), "temperature": 0, "max_tokens": 6, "stop": ["zzz"]},
    "encode": lambda c, n: {"text": text(n), "latents": "spans"},
    "score": lambda c, n: {"text": text(n)},
    "explain": lambda c, n: {"prompt": "What?", "max_tokens": 1},
    "near": lambda c, n: {"text": text(n)},
    "latent.get": lambda c, n: {"keys": [f"{n:064x}"] + [span["key"] for span in c.call("encode", {"text": text(1)})["spans"]]},
    "latent.put": latent_put,
    "namespace.put": lambda c, n: {"name": f"n{n}"},
    "namespace.list": lambda c, n: {},
    "namespace.remove": lambda c, n: {"name": c.call("namespace.put", {"name": f"n{n}"})["name"]},
    "pin": lambda c, n: {"text": encoded(c, n)},
    "unpin": lambda c, n: {"text": encoded(c, n)},
    "evict": lambda c, n: {"text": encoded(c, n)},
    "flush": lambda c, n: {"all": bool(encoded(c, n))},
    "scan": lambda c, n: {"count": len(encoded(c, n)) and 10},
    "verify": lambda c, n: {"reencode": bool(encoded(c, n))},
    "backup": lambda c, n: {"path": f"{c.call('info')['store']['path']}-{n}"},
    "export.begin": lambda c, n: {"namespace": encoded(c, 1) and "public"},
    "export.read": lambda c, n: {"offset": 0},
    "import.write": lambda c, n: {"offset": 0, "data": bytes(1000)},
    "import.end": lambda c, n: {},
    "doc.put": lambda c, n: {"name": "daughters", "text": text(n)},
    "doc.get": lambda c, n: {"name": c.call("doc.put", {"name": "sons", "text": text(1)})["name"]},
    "doc.list": lambda c, n: {},
    "doc.history": lambda c, n: {"name": c.call("doc.put", {"name": "sons", "text": text(n)})["name"]},
    "doc.remove": lambda c, n: {"name": c.call("doc.put", {"name": "sons", "text": text(n)})["name"]},
    "doc.refine": lambda c, n: {"name": c.call("doc.put", {"name": "sons", "text": text(n)})["name"]},
    "stats": lambda c, n: {},
    "info": lambda c, n: {},
    "models": lambda c, n: {},
    "cancel": lambda c, n: {"id": 7},
}


def test_every_method_is_here():
    roles = re.search(r"^## Roles$(.*?)^## ", (ROOT / "proto/PROTOCOL.md").read_text(), re.MULTILINE | re.DOTALL)[1]
    assert set(re.findall(r"^\| `([a-z.]+)`", roles, re.MULTILINE)) == set(REQUESTS) | {"shutdown"}


class Peer:
    """A connection that sees every byte."""

    def __init__(self, daemon):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(60)
        self.socket.connect(daemon.socket)
        self.unpacker, self.received = msgpack.Unpacker(raw=False, max_buffer_size=1 << 25), 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def ask(self, method, params):
        """The error's name, None for a result, "closed" for a connection that was closed between two messages."""
        try:
            self.socket.sendall(msgpack.packb([0, 7, method, [params]]))
            while data := self.socket.recv(1 << 16):
                self.unpacker.feed(data)
                self.received += len(data)
                for message in self.unpacker:
                    if message[0] == 1:
                        assert message[1] in (7, None) and (message[2] is None) != (message[3] is None)
                        return message[2] and message[2]["name"]
        except (ConnectionResetError, BrokenPipeError):
            pass
        assert self.unpacker.tell() == self.received, "half a message"
        return "closed"


@pytest.mark.parametrize("method", REQUESTS)
def test_every_method(make_daemon, method):
    daemon = make_daemon(kind=FailingDaemon, arguments=("--threads", "1"))
    outcomes, failed = [], True
    with daemon.connect() as control:
        while failed and len(outcomes) < TRIES_MAX:
            number = len(outcomes) + 1
            params = REQUESTS[method](control, number)
            with Peer(daemon) as peer:
                before = BEFORE.get(method, lambda c: ("ping", {}))(control)
                assert peer.ask(*before) is None
                daemon.fail_at(number)
                outcomes.append(peer.ask(method, params))
                failed = daemon.fail_at(0)
            assert outcomes[-1] in (None, "out_of_memory", "closed"), number
            assert control.call("ping") == {"pong": True}
        assert not failed and outcomes[-1] is None
        assert len(outcomes) > 1 and outcomes[0] is not None, "nothing failed"
        assert control.call("stats")["running"] == 0


def test_an_answer_allocates_nothing_between_its_spans(make_daemon):
    """One more token takes one more allocation only where it closes a span, whose latent is looked up."""
    daemon, far = make_daemon(kind=FailingDaemon, arguments=("--threads", "1")), 1 << 40

    def answer(connection, tokens):
        daemon.order(far)
        usage = connection.call("generate", {"prompt": text(1), "max_tokens": tokens, "temperature": 0, "stream": False})["usage"]
        return far - daemon.order(0), usage["completion_spans"]

    with daemon.connect() as connection:
        for tokens in range(1, 24):
            answer(connection, tokens)  # what is kept of a prompt is there now
        counted = [min(answer(connection, tokens) for _ in range(3)) for tokens in range(1, 24)]  # the writer's are counted, too
    between = [more - less for (less, spans), (more, same) in itertools.pairwise(counted) if spans == same]
    assert len(between) > 15 and set(between) == {0}, counted


def test_connections_wait_for_memory(make_daemon):
    """And those behind them, too."""
    daemon = make_daemon(kind=FailingDaemon)
    daemon.fail_at(1)
    with daemon.connect() as first, daemon.connect() as second:
        assert first.call("ping") == second.call("ping") == {"pong": True}
    assert daemon.fail_at(0)


def test_shutdown(make_daemon):
    """Whatever fails, the daemon stops when it is told to, or says that it does not."""
    for number in itertools.count(1):
        daemon = make_daemon(kind=FailingDaemon, arguments=("--threads", "1"))
        with Peer(daemon) as peer:
            assert peer.ask("ping", {}) is None
            daemon.fail_at(number)
            if peer.ask("shutdown", {}) is None:
                break
        daemon.fail_at(0)
        assert daemon.stop() == 0
    assert daemon.wait() == 0 and number > 1


WEB = {
    "completion": ("POST", "/v1/completions", lambda n: {"prompt": text(n), "temperature": 0, "max_tokens": 6}),
    "stream": ("POST", "/v1/completions", lambda n: {"prompt": text(n), "temperature": 0, "max_tokens": 6, "stream": True}),
    "chat": ("POST", "/v1/chat/completions", lambda n: {"messages": [{"role": "user", "content": text(n)}], "max_tokens": 6}),
    "embeddings": ("POST", "/v1/embeddings", lambda n: {"input": [text(n), "and more"], "model": "tiny"}),
    "models": ("GET", "/v1/models", lambda n: None),
    "metrics": ("GET", "/metrics", lambda n: None),
}


@pytest.mark.parametrize("name", WEB)
def test_http(make_daemon, name):
    method, path, body = WEB[name]
    daemon = make_daemon(kind=FailingWebDaemon, arguments=("--threads", "1"))
    for number in range(1, TRIES_MAX):
        daemon.fail_at(number)
        with daemon.web() as web:
            try:
                web.send(method, path, body(number))
                reply = web.receive()
                assert reply.status in (200, 500, 503), reply.body
                if reply.status != 200:
                    assert reply.error["message"]
                elif name == "stream":
                    assert reply.events[-1] == "[DONE]" or "error" in reply.events[-1]
            except (http.client.IncompleteRead, http.client.RemoteDisconnected, ConnectionResetError):
                reply = None  # closed; a stream that breaks off lacks its last chunk, so nobody takes it for whole
        failed = daemon.fail_at(0)
        with daemon.web() as web:
            assert web.get("/healthz").status == 200
        if not failed:
            break
    assert not failed and reply and reply.status == 200 and number > 1
