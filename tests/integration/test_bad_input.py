"""Bad input gets a clear error, and the daemon lives."""

import os
import shutil
import socket

import lmdb
import msgpack
import pytest
from conftest import TINY, generate, run_daemon
from latentd import Error

FRAME_LIMIT = 1 << 20


def assert_alive(daemon):
    with daemon.connect() as connection:
        assert connection.call("ping") == {"pong": True}


@pytest.mark.parametrize("data, name", [
    (b"\xc1", "malformed"),                                      # the one byte that MessagePack never uses
    (b"\xdd\xff\xff\xff\xff", "too_large"),                      # an array of 2^32-1
    (b"\x91" * 17 + b"\xc0", "too_large"),                       # nested too deeply
    (b"\xc6" + (1 << 31).to_bytes(4, "big"), "too_large"),       # binary of 2 GiB
    (b"\x94\x00\x01\xda\xff\xff" + b"x" * 65535 + b"\xdb" + (FRAME_LIMIT).to_bytes(4, "big"), "too_large"),
], ids=["reserved byte", "huge array", "deep nesting", "huge binary", "huge frame"])
def test_unreadable_bytes_close_the_connection(daemon, data, name):
    with daemon.connect_wire() as wire:
        wire.send_bytes(data)
        kind, id, error, result = wire.receive()
        assert (kind, id, result) == (1, None, None) and error["name"] == name
        assert wire.receive() is None
    assert_alive(daemon)


@pytest.mark.parametrize("message", [
    "hello", 7, None, [], [0, 1, "ping"], [0, 1, "ping", [], 5], [3, 1, "ping", []], [0, "one", "ping", []], [0, -1, "ping", []],
    [0, 1 << 32, "ping", []], [0, 1, 5, []], [0, 1, "ping", 5], [0, 1, "ping", [1]], [0, 1, "ping", [{}, {}]],
    [0, 1, "ping", [{1: 2}]], [2, "ping", []],
], ids=str)
def test_messages_that_are_no_requests_are_answered(wire, message):
    wire.send_bytes(msgpack.packb(message))
    kind, _, error, result = wire.receive()
    assert kind == 1 and result is None
    assert error["name"] in ("malformed", "bad_parameter") and error["message"]
    assert wire.response(wire.send("ping")) == (None, {"pong": True}), "the connection lives on"


def test_http_on_the_port_is_told_what_is_spoken_here(daemon):
    with daemon.connect_wire() as wire:
        wire.send_bytes(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert "request" in wire.receive()[2]["message"]
    assert_alive(daemon)


BAD_PARAMETERS = [
    ("nonsense", {}, "unknown_method", "nonsense"),
    ("generate", {"prompt": "a", "temprature": 1}, "bad_parameter", "temprature"),
    ("generate", {}, "bad_parameter", "prompt"),
    ("generate", {"prompt": ""}, "bad_parameter", "prompt"),
    ("generate", {"prompt": 5}, "bad_parameter", "prompt"),
    ("generate", {"prompt": "a", "segments": []}, "bad_parameter", "segments"),
    ("generate", {"segments": []}, "bad_parameter", "segments"),
    ("generate", {"segments": [{"role": "king", "text": "a"}]}, "bad_parameter", "role"),
    ("generate", {"segments": [{"role": "user", "text": ""}]}, "bad_parameter", "text"),
    ("generate", {"segments": [{"role": "user", "txt": "a"}]}, "bad_parameter", "txt"),
    ("generate", {"prompt": "a", "max_tokens": 0}, "bad_parameter", "max_tokens"),
    ("generate", {"prompt": "a", "max_tokens": -1}, "bad_parameter", "max_tokens"),
    ("generate", {"prompt": "a", "max_tokens": "many"}, "bad_parameter", "max_tokens"),
    ("generate", {"prompt": "a", "temperature": -0.1}, "bad_parameter", "temperature"),
    ("generate", {"prompt": "a", "temperature": float("nan")}, "bad_parameter", "temperature"),
    ("generate", {"prompt": "a", "temperature": float("inf")}, "bad_parameter", "temperature"),
    ("generate", {"prompt": "a", "top_p": 0}, "bad_parameter", "top_p"),
    ("generate", {"prompt": "a", "top_k": 1 << 20}, "bad_parameter", "top_k"),
    ("generate", {"prompt": "a", "stop": "x"}, "bad_parameter", "stop"),
    ("generate", {"prompt": "a", "stop": [""]}, "bad_parameter", "stop"),
    ("generate", {"prompt": "a", "stream": "yes"}, "bad_parameter", "stream"),
    ("generate", {"prompt": "a", "format": "poem"}, "bad_parameter", "format"),
    ("generate", {"prompt": "a", "model": "nobody"}, "unknown_model", "nobody"),
    ("encode", {"text": ""}, "bad_parameter", "text"),
    ("encode", {"text": b"abc"}, "bad_parameter", "text"),
    ("latent.get", {"keys": []}, "bad_parameter", "keys"),
    ("latent.get", {"keys": ["xyz"]}, "bad_parameter", "keys"),
    ("latent.get", {"keys": [b"short"]}, "bad_parameter", "keys"),
    ("latent.get", {"keys": ["00" * 32] * 1025}, "bad_parameter", "keys"),
    ("cancel", {}, "bad_parameter", "id"),
    ("ping", {"loud": True}, "bad_parameter", "loud"),
    ("stats", {"all": True}, "bad_parameter", "all"),
]


@pytest.mark.parametrize("method, params, name, named", BAD_PARAMETERS, ids=lambda value: str(value)[:40])
def test_bad_parameters_are_named(connection, method, params, name, named):
    with pytest.raises(Error) as caught:
        connection.call(method, params)
    assert caught.value.name == name
    assert named in caught.value.message
    assert connection.call("ping") == {"pong": True}


@pytest.mark.parametrize("text", [b"\xff", b"abc\xc3", b"\xed\xa0\x80", b"\xc0\xaf", b"\xf4\x90\x80\x80"], ids=bytes.hex)
def test_invalid_utf8(wire, text):
    prompt = bytes([0xa0 | len(text)]) + text
    wire.send_bytes(b"\x94\x00\x05\xa8generate\x91\x81\xa6prompt" + prompt)
    error, _ = wire.response(5)
    assert error["name"] == "invalid_utf8" and "UTF-8" in error["message"]


def test_prompt_longer_than_the_context_is_refused_with_the_limit(connection):
    context = connection.call("models")["models"][0]["context_tokens"]
    with pytest.raises(Error) as caught:
        generate(connection, "word " * 2 * context)
    assert caught.value.name == "context_exceeded" and str(context) in caught.value.message


# --- start-up ---

def start(tmp_path, *arguments, model=TINY, store="store", environment=None):
    run = run_daemon(["--store", tmp_path / store, "--socket", tmp_path / "socket", "--model", model, *arguments],
                     environment)
    assert run.returncode != 0 and run.stdout == ""
    return run


def test_model_file_is_missing(tmp_path):
    run = start(tmp_path, model=tmp_path / "no.gguf")
    assert run.returncode == 1 and "no.gguf" in run.stderr and "No such file" in run.stderr


@pytest.mark.parametrize("damage", [
    lambda data: b"", lambda data: b"GGUF", lambda data: data[:1000], lambda data: data[:-1000], lambda data: b"XXXX" + data[4:],
    lambda data: data.replace(b"islet.decoder.window", b"islet.decoder.widnow"),
    lambda data: data[:8] + b"\xff" * 16 + data[24:],
], ids=["empty", "magic only", "half a header", "tensors cut off", "wrong magic", "key missing", "absurd counts"])
def test_model_file_is_damaged(tmp_path, damage):
    model = tmp_path / "damaged.gguf"
    model.write_bytes(damage(TINY.read_bytes()))
    run = start(tmp_path, model=model)
    assert run.returncode == 1 and "damaged.gguf" in run.stderr


def test_two_models_of_one_name(tmp_path):
    copy = tmp_path / "copy.gguf"
    shutil.copy(TINY, copy)
    run = start(tmp_path, "--model", copy)
    assert run.returncode == 1 and "'tiny'" in run.stderr


@pytest.mark.parametrize("format", [1, 99])
def test_store_of_another_format(make_daemon, format):
    daemon = make_daemon()
    assert daemon.stop() == 0
    environment = lmdb.open(str(daemon.store), max_dbs=8)
    with environment.begin(write=True, db=environment.open_db(b"meta")) as transaction:
        keys = [bytes(key) for key, _ in transaction.cursor()]
        assert keys
        for key in keys:
            transaction.put(key, format.to_bytes(4, "little"))
    environment.close()
    run = run_daemon(["--store", daemon.store, "--socket", daemon.socket, "--model", TINY])
    assert run.returncode == 1 and f"has format {format};" in run.stderr and str(daemon.store) in run.stderr


def test_store_that_somebody_else_made(tmp_path):
    environment = lmdb.open(str(tmp_path / "foreign"))
    with environment.begin(write=True) as transaction:
        transaction.put(b"mine", b"yours")
    environment.close()
    run = start(tmp_path, store="foreign")
    assert run.returncode == 1 and "foreign" in run.stderr


def test_store_file_is_garbage_or_truncated(tmp_path, make_daemon):
    (tmp_path / "garbage").mkdir()
    (tmp_path / "garbage" / "data.mdb").write_bytes(b"not a database" * 1000)
    assert "garbage" in start(tmp_path, store="garbage").stderr
    daemon = make_daemon()
    with daemon.connect() as connection:
        connection.call("encode", {"text": " ".join(f"Sentence number {n}." for n in range(300))})
    assert daemon.stop() == 0
    data = daemon.store / "data.mdb"
    os.truncate(data, 4 * 4096)  # of the file's length most is a hole
    run = run_daemon(["--store", daemon.store, "--socket", daemon.socket, "--model", TINY])
    assert run.returncode == 1 and "truncated" in run.stderr


def test_store_in_use(tmp_path, daemon):
    run = run_daemon(["--store", daemon.store, "--socket", tmp_path / "other", "--model", TINY])
    assert run.returncode == 1 and str(daemon.process.pid) in run.stderr
    assert_alive(daemon)


def test_socket_in_use(tmp_path, daemon):
    run = run_daemon(["--store", tmp_path / "other", "--socket", daemon.socket, "--model", TINY])
    assert run.returncode == 1 and daemon.socket in run.stderr and "another" in run.stderr
    assert_alive(daemon)


def test_socket_path_is_a_file(tmp_path):
    (tmp_path / "socket").write_text("precious")
    run = start(tmp_path)
    assert run.returncode == 1 and "not a socket" in run.stderr
    assert (tmp_path / "socket").read_text() == "precious"


def test_left_over_socket_is_replaced(make_daemon, tmp_path):
    folder = tmp_path / "daemon-0"
    folder.mkdir()
    with socket.socket(socket.AF_UNIX) as left_over:
        left_over.bind(str(folder / "socket"))
    folder.joinpath("socket").rename(tmp_path / "keep")
    folder.rmdir()
    from conftest import Daemon
    folder.mkdir()
    (tmp_path / "keep").rename(folder / "socket")
    daemon = Daemon(folder).start()
    assert_alive(daemon)
    assert daemon.stop() == 0


@pytest.mark.parametrize("arguments, environment, named", [
    (["--nonsense"], {}, "--nonsense"), (["--budget"], {}, "--budget"), (["--budget", "much"], {}, "--budget"),
    (["--budget", "1K"], {}, "--budget"), (["--durability", "some"], {}, "--durability"), (["--threads", "-1"], {}, "--threads"),
    (["--latent-type", "f64"], {}, "--latent-type"), (["--listen", "0.0.0.0:7000"], {}, "loopback"), (["--listen", "127.0.0.1"], {}, "--listen"),
    (["stray"], {}, "stray"), (["--log-level", "loud"], {}, "--log-level"), ([], {"LATENTD_BUDGET": "x"}, "LATENTD_BUDGET"),
    (["--config", "/no/such/file"], {}, "/no/such/file"),
])
def test_bad_settings(tmp_path, arguments, environment, named):
    run = start(tmp_path, *arguments, environment=environment)
    assert run.returncode == 2 and named in run.stderr


def test_no_model():
    run = run_daemon([])
    assert run.returncode == 2 and "--model" in run.stderr
