"""Both clients and a peer that closes, keeps silent, does not read, or says what latentd never says. The peer is played here, because no
daemon does these things on request."""

import asyncio
import gc
import os
import threading
import time

import latentd
import msgpack
import pytest
from latentd import AsyncClient, Client

PATIENCE = 30  # seconds; only what hangs needs them


def requests(connection):
    """The requests that come over a connection, until the client closes."""
    unpacker = msgpack.Unpacker(raw=False)
    while data := connection.recv(1 << 16):
        unpacker.feed(data)
        yield from unpacker


def pong(id):
    return msgpack.packb([1, id, None, {"pong": True}])


def token(id, text):
    return msgpack.packb([2, "token", [{"id": id, "text": text}]])


def answer_pings(connection):
    for _, id, method, _ in requests(connection):
        if method == "ping":
            connection.sendall(pong(id))


class Blocking:
    """The two clients under one face, so that each test is run with both."""

    def __init__(self, address, **options):
        self.address, self.options = address, options

    def ping(self):
        with Client(self.address, **self.options) as client:
            return client.ping()

    def stream(self):
        """Texts that came, and the error that ended them."""
        texts = []
        with Client(self.address, **self.options) as client:
            try:
                for text in client.generate("x", stream=True):
                    texts.append(text)
            except latentd.Error as error:
                return texts, error
        return texts, None

    def pings_of_one_client(self, between):
        with Client(self.address, **self.options) as client:
            assert client.ping()
            between()
            return client.ping()

    def timeout_and_ping(self):
        with Client(self.address, **self.options) as client:
            with pytest.raises(latentd.TimeoutError, match="encode: nothing was heard for 0.2 s"):
                client.encode("x")
            return client.ping()

    def early_end(self):
        with Client(self.address, **self.options) as client:
            for _ in client.generate("x", stream=True):
                break
            with client.generate("x", stream=True) as stream:
                assert next(stream) == "a"
            assert list(stream) == []
            with pytest.raises(latentd.ClosedError, match="before its answer was complete"):
                stream.result()
            return client.ping()


class Asynchronous:
    def __init__(self, address, **options):
        self.address, self.options = address, options

    def run(self, task):
        async def with_client():
            async with AsyncClient(self.address, **self.options) as client:
                return await asyncio.wait_for(task(client), PATIENCE)
        return asyncio.run(with_client())

    def ping(self):
        return self.run(lambda client: client.ping())

    def stream(self):
        async def task(client):
            texts = []
            try:
                async for text in client.generate("x", stream=True):
                    texts.append(text)
            except latentd.Error as error:
                return texts, error
            return texts, None
        return self.run(task)

    def pings_of_one_client(self, between):
        async def task(client):
            assert await client.ping()
            await asyncio.to_thread(between)
            await asyncio.sleep(0)
            return await client.ping()
        return self.run(task)

    def timeout_and_ping(self):
        async def task(client):
            with pytest.raises(latentd.TimeoutError, match="encode: nothing was heard for 0.2 s"):
                await client.encode("x")
            return await client.ping()
        return self.run(task)

    def early_end(self):
        async def task(client):
            async for _ in client.generate("x", stream=True):
                break
            async with client.generate("x", stream=True) as stream:
                assert await anext(stream) == "a"
                waiting = asyncio.create_task(collect(stream))
                await asyncio.sleep(0.05)
            assert await waiting in ([], ["b"]) and await collect(stream) == []
            with pytest.raises(latentd.ClosedError, match="before its answer was complete"):
                await stream.result()
            return await client.ping()
        return self.run(task)


async def collect(stream):
    return [text async for text in stream]


@pytest.fixture(params=[Blocking, Asynchronous], ids=["blocking", "asyncio"])
def client_of(request):
    return request.param


def test_nobody_there(client_of, tmp_path):
    with pytest.raises(latentd.ConnectError, match=f"cannot connect to {tmp_path}/nobody: No such file"):
        client_of(tmp_path / "nobody").ping()


def test_bytes_may_come_one_at_a_time(client_of, make_peer):
    def serve(connection):
        for _, id, _, _ in requests(connection):
            for byte in pong(id):
                connection.sendall(bytes([byte]))

    assert client_of(make_peer(serve).address).ping() is True


def test_a_peer_that_closes_in_mid_stream(client_of, make_peer):
    def serve(connection):
        for _, id, _, _ in requests(connection):
            connection.sendall(token(id, "one") + token(id, "two") + token(id, "never complete")[:-4])
            return

    texts, error = client_of(make_peer(serve).address).stream()
    assert texts == ["one", "two"]
    assert type(error) is latentd.ClosedError and "in the middle of a reply" in error.message


@pytest.mark.parametrize("data", [b"\xc1", b"\xdd\xff\xff\xff\xff", b"HTTP/1.1 400 Bad Request\r\n\r\n", pong(999)],
                         ids=["reserved byte", "huge array", "HTTP", "unknown id"])
def test_a_peer_that_does_not_speak_the_protocol(client_of, make_peer, data):
    def serve(connection):
        for _ in requests(connection):
            connection.sendall(data)

    with pytest.raises(latentd.MalformedError, match="is it latentd"):
        client_of(make_peer(serve).address).ping()


def test_a_result_of_another_type(client_of, make_peer):
    def serve(connection):
        for _, id, _, _ in requests(connection):
            connection.sendall(msgpack.packb([1, id, None, {"pong": "yes"}]))

    with pytest.raises(latentd.MalformedError, match="pong is no bool"):
        client_of(make_peer(serve).address).ping()


def test_an_error_without_id_and_the_end(client_of, make_peer):
    def serve(connection):
        for _ in requests(connection):
            connection.sendall(msgpack.packb([1, None, {"code": -4, "name": "too_large", "message": "too deep"}, None]))
            return

    with pytest.raises(latentd.TooLargeError, match="too deep"):
        client_of(make_peer(serve).address).ping()


def test_a_silent_peer_is_not_waited_for(client_of, make_peer):
    """The request is cancelled, and the connection goes on."""
    seen = []

    def serve(connection):
        for _, id, method, params in requests(connection):
            seen.append((method, params))
            if method == "ping":
                connection.sendall(pong(id))

    peer = make_peer(serve)
    assert client_of(peer.address, timeout=0.2).timeout_and_ping() is True
    assert [method for method, _ in seen] == ["encode", "cancel", "ping"] and seen[1][1] == [{"id": 1}]
    assert peer.connections == 1


def test_an_iterator_that_is_left_early_cancels(client_of, make_peer):
    seen = []

    def serve(connection):
        for _, id, method, params in requests(connection):
            seen.append((method, params))
            if method == "generate":
                connection.sendall(token(id, "a") + token(id, "b"))
            if method == "cancel":
                cancelled = params[0]["id"]
                connection.sendall(token(cancelled, "c") + msgpack.packb([1, id, None, {"cancelled": True}])
                                   + msgpack.packb([1, cancelled, {"code": -17, "name": "cancelled", "message": "was"}, None]))
            if method == "ping":
                connection.sendall(pong(id))

    assert client_of(make_peer(serve).address).early_end() is True
    assert sorted(method for method, _ in seen) == ["cancel", "cancel", "generate", "generate", "ping"]
    assert ("cancel", [{"id": 1}]) in seen


def test_connects_again_after_the_peer_has_closed(client_of, make_peer):
    closed = threading.Event()

    def serve(connection):
        for _, id, _, _ in requests(connection):
            connection.sendall(pong(id))
            if peer.connections == 1:
                connection.close()
                closed.set()
                return

    peer = make_peer(serve)
    assert client_of(peer.address).pings_of_one_client(lambda: closed.wait(PATIENCE)) is True
    assert peer.connections == 2


def test_a_forgotten_client_leaves_no_descriptor_open(make_peer):
    def descriptors():
        return len(os.listdir("/proc/self/fd"))

    peer = make_peer(answer_pings)
    before = descriptors()
    for _ in range(20):
        assert Client(peer.address).ping()
    gc.collect()
    for _ in range(100 * PATIENCE):  # the peer's own ends close in its thread
        if descriptors() == before:
            break
        time.sleep(0.01)
    assert descriptors() == before and peer.connections == 20


def test_a_peer_that_takes_nothing(make_peer):
    """What cannot even be sent in time ends the connection: there is no use in asking for more."""
    let_go = threading.Event()
    peer = make_peer(lambda connection: let_go.wait(PATIENCE) and None)
    with Client(peer.address, timeout=0.2) as client:
        with pytest.raises(latentd.TimeoutError):
            client.encode("x" * 1_000_000)
        let_go.set()
        peer.serve = answer_pings
        assert client.ping() and peer.connections == 2


def test_a_peer_that_reads_only_when_it_is_read_from(make_peer):
    """As the daemon does: its answers must be taken while a request waits to be sent."""
    flood = 400 * token(1, "x" * 10_000)

    def serve(connection):
        for number, (_, id, method, _) in enumerate(requests(connection)):
            if method == "generate":
                connection.sendall(flood)  # blocks until it is taken
            else:
                connection.sendall(pong(id) if method == "ping" else msgpack.packb([1, id, None, "taken"]))

    with Client(make_peer(serve).address, timeout=PATIENCE) as client:
        stream = client.generate("x", stream=True)
        assert client.call("encode", text="y" * 1_000_000) == "taken"
        assert sum(len(next(stream)) for _ in range(400)) == 4_000_000


def test_threads_share_a_connection_and_get_their_own_answers(make_peer):
    """Answers come in an order of the peer's choice."""
    def serve(connection):
        waiting = []
        for _, id, _, params in requests(connection):
            waiting.append(msgpack.packb([1, id, None, params[0]["number"]]))
            if len(waiting) == 8:
                connection.sendall(b"".join(reversed(waiting)))
                waiting.clear()

    peer, wrong = make_peer(serve), []

    def ask(client, thread):
        for number in range(50):
            if client.call("echo", number=[thread, number]) != [thread, number]:
                wrong.append((thread, number))

    with Client(peer.address, timeout=PATIENCE) as client:
        threads = [threading.Thread(target=ask, args=(client, thread)) for thread in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
    assert not wrong and peer.connections == 1 and not any(thread.is_alive() for thread in threads)


def test_closing_wakes_those_who_wait(make_peer):
    asked, errors = threading.Event(), []

    def serve(connection):
        for number, _ in enumerate(requests(connection), 1):
            if number == 3:
                asked.set()

    def ask(client):
        with pytest.raises(latentd.ClosedError) as failure:
            client.ping()
        errors.append(failure.value.message)

    client = Client(make_peer(serve).address, timeout=PATIENCE)
    threads = [threading.Thread(target=ask, args=(client,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    assert asked.wait(PATIENCE)
    client.close()
    for thread in threads:
        thread.join(PATIENCE)
    assert errors == ["this client was closed"] * 3
    with pytest.raises(latentd.ClosedError, match="this client was closed"):
        client.ping()
