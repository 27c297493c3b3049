"""What HTTP does with clients that are broken, slow, gone, or too many; and how it ends."""

import json
import re
import signal
import socket
import time

import pytest

from conftest import BUILD, SHIPPED, wait_until

LONG = {"prompt": "The King had a wife.", "temperature": 0, "repetition_penalty": 1, "max_tokens": 4000, "stream": True}  # it goes round in circles


def raw(daemon, data, timeout=60):
    client = socket.create_connection(("127.0.0.1", daemon.port), timeout=timeout)
    client.sendall(data)
    return client


def read_all(client):
    data = b""
    while more := client.recv(1 << 16):
        data += more
    return data


def request(body, path="/v1/completions", **headers):
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"Host": "localhost", "Content-Type": "application/json", "Content-Length": len(body), **headers}
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items() if value is not None)
    return f"POST {path} HTTP/1.1\r\n{lines}\r\n".encode() + body


def assert_alive(daemon):
    with daemon.web() as web:
        assert web.complete("The King.", max_tokens=2).status == 200


# --- requests that are none ---

@pytest.mark.parametrize("body, status, says", [
    (b"", 400, "not JSON"), (b"{", 400, "not JSON"), (b"[]", 400, "must be a JSON object"), (b'"x"', 400, "JSON"),
    (b'{"prompt": "x", "prompt": "y"}', 400, "duplicate"), (b'{"prompt": "\xff"}', 400, "decode byte 0xff"),
    (b'{"prompt": "\\ud800"}', 400, "not JSON"), (b'{"a":' * 17 + b"1" + b"}" * 17, 413, "nesting of 16"),
    (b'{"a": 1e999}', 400, "not JSON"), (b"\x94\x00\x01", 400, "not JSON"),
])
def test_bad_bodies(web_daemon, body, status, says):
    with web_daemon.web() as web:
        reply = web.post("/v1/completions", body, **{"Content-Type": "application/json"})
        assert reply.status == status and says in reply.error["message"]
        assert web.complete("The King.").status == 200, "the connection lives on"


def test_json_of_many_values_is_refused_before_it_is_built(web_daemon):
    with web_daemon.web() as web:
        reply = web.post("/v1/completions", {"prompt": [1] * 70_000})
        assert reply.status == 413 and "65536 values" in reply.error["message"]
        assert web.complete("1, " * 70).status == 200, "what stands in a text is no value"


def test_paths_methods_and_types(web_daemon):
    with web_daemon.web() as web:
        assert web.get("/nothing").status == 404
        assert web.get("/v1/completions").status == 405
        assert web.post("/healthz", {}).status == 405
        web.send("OPTIONS", "/v1/completions")
        reply = web.receive()
        assert reply.status == 405 and "Access-Control-Allow-Origin" not in reply.headers
        for kind in ("text/plain", "application/x-www-form-urlencoded", "application/jsonx"):
            assert web.post("/v1/completions", b'{"prompt": "x"}', **{"Content-Type": kind}).status == 415
        assert web.post("/v1/completions", b'{"prompt": "x"}',
                        **{"Content-Type": "application/json; charset=utf-8"}).status == 200


def test_failed_requests_are_counted(web_daemon):
    before = web_daemon.stats()
    with web_daemon.web() as web:
        web.complete("The King.")
        web.complete("The King.", n=2)
        web.complete("The King.", model="none")
    after = web_daemon.stats()
    assert after["requests"] - before["requests"] == 3 + 1, "three over HTTP, and the call that asks"
    assert after["requests_failed"] - before["requests_failed"] == 2


NO_HTTP = [
    b"\x94\x00\x01\xa4ping\x90", b"\x00" * 4096, b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\r\n\r\n\r\n", b"POST " + b"a" * 100_000,
    b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 20_000 + b"\r\n", b"POST /v1/completions HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
    b"POST /v1/completions HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n",
    b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
]


@pytest.mark.parametrize("number", range(len(NO_HTTP)))
def test_bytes_that_are_not_http(web_daemon, number):
    data = NO_HTTP[number]
    with raw(web_daemon, b"", timeout=0.2) as client:
        try:
            client.sendall(data)
            answer = read_all(client)
        except (ConnectionError, socket.timeout):  # or it waits for the rest of a line
            answer = b""
    assert b"200 OK" not in answer
    assert_alive(web_daemon)


def test_large_prompts_and_too_large_bodies(web_daemon):
    escaped = b'{"input": "' + b"\\u0061" * (512 << 10) + b'"}'
    with web_daemon.web() as web:
        reply = web.post("/v1/embeddings", escaped, **{"Content-Type": "application/json"})
        assert reply.status == 200, "as many characters as fit a prompt, however they are written"
        reply = web.post("/v1/embeddings", {"input": "a" * ((512 << 10) + 1)})
        assert reply.status == 413 and "524288" in reply.error["message"]
        reply = web.post("/v1/embeddings", {"input": "a" * (4 << 20)})
        assert reply.status == 413 and "4194304" in reply.error["message"]
    chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    head = request(b"", **{"Content-Length": None, "Transfer-Encoding": "chunked", "Connection": "close"})
    with raw(web_daemon, head + 80 * chunk + b"0\r\n\r\n") as client:
        assert b" 413 " in read_all(client).split(b"\r\n")[0]
    assert_alive(web_daemon)


def test_bytes_may_come_one_at_a_time(web_daemon):
    data = request({"prompt": "The King.", "max_tokens": 2}, Connection="close")
    with raw(web_daemon, b"") as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in data:
            client.sendall(bytes([byte]))
        assert b" 200 OK" in read_all(client)


def test_pipelined_requests_are_answered_in_order(web_daemon):
    data = b"".join(request({"prompt": f"Number {n}.", "max_tokens": n}) for n in (1, 2, 3))
    with raw(web_daemon, data + request({"prompt": "The end.", "max_tokens": 4}, Connection="close")) as client:
        answer = read_all(client)
    assert [answer.count(f'"completion_tokens":{n},'.encode()) for n in (1, 2, 3, 4)] == [1, 1, 1, 1]
    assert answer.index(b'"completion_tokens":1') < answer.index(b'"completion_tokens":4')


# --- clients that are slow or gone ---

@pytest.fixture
def talkative(make_web_daemon):
    """Its answers are long enough to be caught running."""
    return make_web_daemon(model=SHIPPED)


def running(daemon):
    return daemon.stats()["running"]


def test_client_that_goes_away_cancels_its_stream(talkative):
    client = raw(talkative, request(LONG))
    assert wait_until(lambda: running(talkative) == 1)
    assert client.recv(4096).startswith(b"HTTP/1.1 200 OK")
    client.close()
    assert wait_until(lambda: running(talkative) == 0)
    stats = talkative.stats()
    assert stats["requests_failed"] == 1 and stats["completion_tokens"] == 0, "it was cancelled, not completed"


def test_client_that_goes_away_cancels_what_it_waits_for(talkative):
    """No byte of a reply has been sent, and none would be before the end."""
    client = raw(talkative, request({**LONG, "stream": False}))
    assert wait_until(lambda: running(talkative) == 1)
    client.close()
    assert wait_until(lambda: running(talkative) == 0)
    stats = talkative.stats()
    assert stats["requests_failed"] == 1 and stats["completion_tokens"] == 0


@pytest.mark.skipif(BUILD.name == "build-tsan", reason="so slow that the connection stands still for longer than it may")
def test_reader_that_stops_pauses_its_job_and_others_go_on(talkative):
    """Its stream is larger than what sockets and the daemon keep for it; nothing of it is lost."""
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.settimeout(60)
        client.connect(("127.0.0.1", talkative.port))
        client.sendall(request(LONG))
        with talkative.web() as web:
            others = 0
            while others < 3 * LONG["max_tokens"]:
                others += web.complete("The sea is", max_tokens=1000, repetition_penalty=1).json["usage"]["completion_tokens"]
        assert running(talkative) == 1, "three times as much was answered to others meanwhile, and it is not done"
        data = b""
        while not data.endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n"):
            data += client.recv(1 << 16)
    data = re.sub(rb"\r\n[0-9A-Fa-f]+\r\n", b"", data)  # where a chunk ends, which may be within a word
    assert data.count(b'"finish_reason":null') + 1 == data.count(b"\ndata: {") > 900
    assert wait_until(lambda: running(talkative) == 0)


def test_an_incomplete_request_is_closed_after_its_time(web_daemon):
    """Also if a byte comes now and then, which is what keeps servers busy that look at pauses only."""
    begun = raw(web_daemon, request({"prompt": "x" * 1000})[:-500])
    begun.settimeout(0.5)
    for _ in range(60):
        try:
            begun.sendall(b"x")
            if begun.recv(1) == b"":
                break
        except socket.timeout:
            continue
        except ConnectionError:
            break
    else:
        pytest.fail("the connection is open after 30 seconds")
    assert_alive(web_daemon)


def test_many_half_open_connections(web_daemon):
    clients = [raw(web_daemon, b"POST /v1/completions HT") for _ in range(300)]
    assert_alive(web_daemon)
    for client in clients:
        client.close()
    assert_alive(web_daemon)


# --- the end ---

def test_stop_lets_streams_finish(talkative):
    with talkative.web() as web, talkative.web() as idle:
        idle.get("/healthz")
        web.send("POST", "/v1/completions", json.dumps({**LONG, "max_tokens": 200}), **{"Content-Type": "application/json"})
        assert wait_until(lambda: running(talkative) == 1)
        talkative.process.send_signal(signal.SIGTERM)
        events = web.receive().events
        assert events[-1] == "[DONE]" and events[-2]["choices"][0]["finish_reason"] in ("length", "stop")
    assert talkative.wait() == 0


def test_second_signal_ends_streams_with_an_error(talkative):
    with talkative.web() as web:
        web.send("POST", "/v1/completions", json.dumps(LONG), **{"Content-Type": "application/json"})
        response = web.connection.getresponse()
        assert response.readline().startswith(b"data: ")
        talkative.process.send_signal(signal.SIGTERM)
        time.sleep(0.02)
        talkative.process.send_signal(signal.SIGTERM)
        rest = response.read().decode()
    last = rest.rstrip("\n").split("\n\n")[-1]
    assert "shutting_down" in last or last == "data: [DONE]"
    assert talkative.wait() == 0


def test_no_new_work_while_stopping(talkative):
    with talkative.web() as web, talkative.web() as other, talkative.connect() as connection:
        other.get("/readyz")
        web.send("POST", "/v1/completions", json.dumps(LONG), **{"Content-Type": "application/json"})
        assert wait_until(lambda: running(talkative) == 1)
        connection.call("shutdown")
        ready = other.get("/readyz")
        assert ready.status == 503 and ready.json == {"status": "stopping"} and ready.headers["Connection"].lower() == "close"
        web.receive()
    assert talkative.wait() == 0


@pytest.mark.parametrize("arguments, named", [
    (["--http", "0.0.0.0:7000"], "--tokens"), (["--http", "127.0.0.1"], "--http"), (["--http", "name:80"], "IP address"),
    (["--http", "127.0.0.1:0"], "HOST:PORT"), (["--http", ""], "empty"),
])
def test_bad_settings(tmp_path, arguments, named):
    from test_bad_input import start
    run = start(tmp_path, *arguments)
    assert run.returncode == 2 and named in run.stderr


def test_address_in_use(web_daemon, tmp_path):
    from test_bad_input import start
    run = start(tmp_path, "--http", f"127.0.0.1:{web_daemon.port}")
    assert run.returncode == 1 and "in use" in run.stderr
