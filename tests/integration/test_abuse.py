"""Clients that are broken, slow, gone, or far too many: memory and descriptors stay bounded and come back, and others are served."""

import contextlib
import multiprocessing
import os
import resource
import signal
import socket
import threading
import time

import msgpack
import pytest
from conftest import generate, wait_until

REQUESTS = int(os.environ.get("LATENTD_ABUSE_REQUESTS", 100_000))
MIB = 1 << 20
NEVER_READERS = 6
BOUND = (NEVER_READERS * 17 + 32) * MIB  # the write queue of each may hold 16 MiB, and a reply; besides, what a daemon takes anyhow
HALF = b"\x94\x00\x01\xa8generate\x91\x81\xa6prompt\xda\x10\x00half of"


def resident(daemon):
    with open(f"/proc/{daemon.process.pid}/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


def descriptors(daemon):
    return len(os.listdir(f"/proc/{daemon.process.pid}/fd"))


def open_raw(daemon, data=b""):
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(60)
    assert wait_until(lambda: client.connect_ex(daemon.socket) == 0)  # EAGAIN while too many wait to be accepted
    if data:
        client.sendall(data)
    return client


def is_quiet(daemon, connections=1):
    stats = daemon.stats()
    return stats["running"] == 0 and stats["connections"] == connections


def ping_until_told(daemon, orders):
    """Another process, so that what it measures is the daemon's doing: p99 of its pings before and after the first order."""
    times = [[], []]
    with daemon.connect() as connection:
        for phase in times:
            while not orders.poll():
                began = time.perf_counter()
                assert connection.call("ping") == {"pong": True}
                phase.append(time.perf_counter() - began)
            orders.recv()
    orders.send([1e3 * sorted(phase)[len(phase) * 99 // 100] for phase in times])


@contextlib.contextmanager
def healthy_client(daemon, name):
    """Another client, at work all the while. The slowest of its answers are told, before the abuse and during it."""
    orders, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(target=ping_until_told, args=(daemon, theirs))
    process.start()
    theirs.close()
    time.sleep(0.2)
    orders.send("abuse begins")
    yield
    orders.send("abuse is over")
    before, during = orders.recv()  # fails if the client did
    process.join()
    assert process.exitcode == 0
    print(f"\n{name}: p99 of a ping {before:.2f} ms before, {during:.2f} ms during")


def test_one_byte_at_a_time(daemon):
    frame = msgpack.packb([0, 1, "generate", [{"prompt": "Who?", "max_tokens": 2, "stream": False}]])
    with healthy_client(daemon, "1-byte writers"):
        clients = [open_raw(daemon) for _ in range(20)]
        for byte in frame:
            for client in clients:
                client.sendall(bytes([byte]))
        for client in clients:
            assert msgpack.unpackb(client.recv(1 << 16), raw=False)[2] is None
            client.close()
    assert wait_until(lambda: is_quiet(daemon))


def test_clients_that_never_read(daemon):
    """Each asks for far more than it may leave unread."""
    with daemon.connect() as connection:
        keys = [span["key"] for span in connection.call("encode", {"text": "The sea is cold. " * 60})["spans"]]
    request = msgpack.packb([0, 1, "latent.get", [{"keys": (keys * 1024)[:1024]}]])
    before, files = resident(daemon), descriptors(daemon)
    with healthy_client(daemon, "never-readers"):
        clients = [open_raw(daemon) for _ in range(NEVER_READERS)]
        for client in clients:
            client.settimeout(0.3)
            with contextlib.suppress(TimeoutError, BrokenPipeError, ConnectionResetError):
                for _ in range(2000):
                    client.sendall(request)
        most = resident(daemon) - before
        for client in clients:
            client.close()
    assert most < BOUND
    assert wait_until(lambda: is_quiet(daemon)) and wait_until(lambda: descriptors(daemon) <= files)
    print(f"{NEVER_READERS} never-readers: {most / MIB:.1f} MiB more, bound {BOUND / MIB:.0f}")


@pytest.fixture
def many_files():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 4096:
        pytest.skip(f"only {hard} descriptors are allowed here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (4096, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_thousand_half_open_connections(many_files, daemon):
    before, files = resident(daemon), descriptors(daemon)
    with healthy_client(daemon, "1,000 half-open connections"):
        clients = [open_raw(daemon, HALF) for _ in range(1000)]
        assert wait_until(lambda: daemon.stats()["connections"] > 1000)
        most = resident(daemon) - before
        with daemon.connect() as connection:
            assert generate(connection, "Who?", max_tokens=2)["text"]
        for client in clients:
            client.close()
    assert most < 1000 * 128 * 1024, "a connection takes a read buffer of 64 KiB, twice while it grows"
    assert wait_until(lambda: is_quiet(daemon)) and descriptors(daemon) <= files + 1
    print(f"1,000 half-open connections: {most / MIB:.1f} MiB more")


def test_descriptors_run_out(daemon):
    """Who is connected is served; who comes too late is turned away, not kept waiting; later all is well again."""
    with daemon.connect() as connection:
        assert connection.call("ping")
        limit = descriptors(daemon) + 20
        resource.prlimit(daemon.process.pid, resource.RLIMIT_NOFILE, (limit, limit))
        clients = [open_raw(daemon) for _ in range(60)]
        refused = 0
        for client in clients:
            client.settimeout(5)
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                client.sendall(msgpack.packb([0, 1, "ping", []]))
            try:
                refused += client.recv(100) == b""
            except ConnectionResetError:
                refused += 1
        assert 30 <= refused < 60
        assert generate(connection, "Who?", max_tokens=2)["text"]
        for client in clients:
            client.close()
        assert wait_until(lambda: connection.call("stats")["connections"] == 1)
    with daemon.connect() as connection:
        assert connection.call("ping") == {"pong": True}


@pytest.mark.parametrize("data", [
    b"\xdb\x80\x00\x00\x00", b"\xdb\xff\xff\xff\xff", b"\xc6\xff\xff\xff\xff", b"\xdf\xff\xff\xff\xff", b"\x94\x00\x01\xa4ping\xdd\x80\x00\x00\x00",
    b"\x91" * 33, b"\x94\x00\x01\xa4ping" + b"\x81\xa1a" * 33,
], ids=["text 2^31", "text 2^32-1", "binary 2^32-1", "map 2^32-1", "array 2^31 in params", "depth 33", "maps 33 deep"])
def test_absurd_lengths(daemon, data):
    before = resident(daemon)
    client = open_raw(daemon, data)
    error = msgpack.unpackb(client.recv(1 << 16), raw=False)[2]
    assert error["name"] == "too_large" and client.recv(1) == b""
    client.close()
    assert resident(daemon) - before < MIB


def test_empty_things(wire):
    for params in ([], {}, [{}]):
        for method in ("generate", "encode", "latent.get", ""):
            wire.send_bytes(msgpack.packb([0, 1, method, params]))
            assert wire.receive()[2]["name"] in ("bad_parameter", "unknown_method")


def test_very_many_tiny_requests(daemon):
    """On one connection, without waiting for answers."""
    with healthy_client(daemon, f"{REQUESTS:,} pings"):
        client, batch = open_raw(daemon), 2000
        data = b"".join(msgpack.packb([0, number, "ping", []]) for number in range(batch))
        unpacker = msgpack.Unpacker(raw=False)
        client.sendall(data)
        before, sent, ids = resident(daemon), batch, []
        while len(ids) < REQUESTS:
            if sent < REQUESTS and len(ids) > sent - batch:  # one batch is under way, and another is sent
                client.sendall(data)
                sent += batch
            unpacker.feed(client.recv(1 << 20))
            ids += [message[1] for message in unpacker]
        assert ids == list(range(batch)) * (REQUESTS // batch)
        client.close()
    assert resident(daemon) - before < 8 * MIB
    assert wait_until(lambda: is_quiet(daemon))
    assert daemon.stats()["requests"] >= REQUESTS


def test_messages_on_the_http_port(web_daemon):
    with socket.create_connection(("127.0.0.1", web_daemon.port), timeout=60) as client:
        client.sendall(msgpack.packb([0, 1, "ping", []]) * 100 + b"\r\n\r\n")
        assert client.recv(1 << 16)[:12] in (b"HTTP/1.1 400", b"HTTP/1.0 400", b"")
    with web_daemon.web() as web:
        assert web.get("/healthz").status == 200


def test_clients_that_leave_in_mid_stream(daemon):
    request = msgpack.packb([0, 1, "generate", [{"prompt": "Tell me of the sea.", "max_tokens": 100, "temperature": 0}]])
    files = descriptors(daemon)
    with healthy_client(daemon, "disconnects"):
        for _ in range(50):
            client = open_raw(daemon, request)
            assert client.recv(10)
            client.close()
    assert wait_until(lambda: is_quiet(daemon)) and wait_until(lambda: descriptors(daemon) <= files)


def test_requests_while_it_stops(daemon):
    """Each is answered, refused by name, or finds the connection closed; nothing hangs, nothing crashes."""
    outcomes = []

    def ask():
        try:
            with daemon.connect() as connection:
                while True:
                    generate(connection, "Who?", max_tokens=2)
        except Exception as error:
            outcomes.append(getattr(error, "name", repr(error)))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    time.sleep(0.2)
    daemon.process.send_signal(signal.SIGTERM)
    assert daemon.wait() == 0
    for thread in threads:
        thread.join()
    assert len(outcomes) == 8 and set(outcomes) <= {"shutting_down", "closed", "connect", "cancelled"}
