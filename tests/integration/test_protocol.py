"""The protocol, method by method, as proto/PROTOCOL.md has it."""

import os
import socket

import msgpack
import pytest
from conftest import TINY, generate, wait_until
from latentd import CancelledError, Client, Error

TEXT = "The King had golden hair. He said: no one else!"


def test_hello(connection):
    assert connection.call("hello", {"version": 1, "client": "tests"}) == {
        "server": "latentd", "version": "0.1.0", "protocol": 1, "identity": f"user {os.getuid()}", "namespace": None,
        "roles": ["read", "generate", "write", "admin"]}
    with pytest.raises(Error, match="version"):
        connection.call("hello", {"version": 2})


@pytest.mark.parametrize("params", [[], [{}], {}])
def test_params_may_be_empty_an_array_or_a_map(wire, params):
    wire.send_bytes(msgpack.packb([0, 9, "ping", params]))
    assert wire.receive() == [1, 9, None, {"pong": True}]


def test_generate_streams_what_it_returns(wire):
    id = wire.send("generate", {"prompt": TEXT, "max_tokens": 30, "temperature": 1})
    tokens = []
    while (message := wire.receive())[0] == 2:
        assert message[1] == "token" and message[2][0]["id"] == id
        tokens.append(message[2][0]["text"])
    assert message[:3] == [1, id, None]
    reply = message[3]
    assert len(tokens) > 1 and "".join(tokens) == reply["text"]
    assert reply["finish_reason"] in ("stop", "length")
    assert set(reply["usage"]) == {"prompt_tokens", "prompt_spans", "span_hits", "span_misses", "restored_spans",
                                   "refined_spans", "completion_tokens", "completion_spans"}
    assert set(reply["timings"]) == {"ttft_ms", "tokenize_ms", "lookup_ms", "encode_ms", "refine_ms", "mix_ms", "decode_ms",
                                     "total_ms"}
    assert set(reply["ops"]) == {"encode", "refine", "mix", "decode"}
    assert all(count > 0 for count in reply["ops"].values())
    assert sum(span["tokens"] for span in reply["spans"]) == reply["usage"]["prompt_tokens"]
    assert len(reply["spans"]) == reply["usage"]["prompt_spans"]
    assert reply["spans"][0]["text"] == "<|user|>" and reply["spans"][-1]["text"] == "<|answer|>"
    assert "".join(span["text"] for span in reply["spans"][1:-1]) == TEXT


def test_generate_without_streaming_sends_no_tokens(wire):
    id = wire.send("generate", {"prompt": TEXT, "max_tokens": 9, "stream": False})
    kind, answered, error, reply = wire.receive()
    assert (kind, answered, error) == (1, id, None) and reply["text"]


def test_text_format_continues_a_document(connection):
    reply = connection.call("generate", {"prompt": TEXT, "format": "text", "max_tokens": 3})
    assert [span["text"] for span in reply["spans"]][0] == "<|doc|>"
    assert all(span["text"] != "<|answer|>" for span in reply["spans"])


def test_stop_text_ends_the_answer_in_front_of_it(connection):
    whole = generate(connection, TEXT, max_tokens=40)["text"]
    stop = whole[10:13]
    stream = connection.generate(TEXT, stream=True, max_tokens=40, temperature=0, stop=[stop])
    assert "".join(stream) == whole[:whole.index(stop)] == stream.result().text
    assert stream.result().finish_reason == "stop"


def test_length_and_context_end_an_answer(connection):
    reply = generate(connection, TEXT, max_tokens=7)
    assert reply["finish_reason"] == "length" and reply["usage"]["completion_tokens"] == 7
    context = connection.call("models")["models"][0]["context_tokens"]
    reply = generate(connection, TEXT, max_tokens=60000)
    if reply["finish_reason"] == "length":
        assert reply["usage"]["prompt_tokens"] + reply["usage"]["completion_tokens"] == context


def test_stats_add_up(daemon):
    with daemon.connect() as connection:
        connection.call("encode", {"text": TEXT})
        connection.call("encode", {"text": TEXT})
        stats = connection.call("stats")
    for counters in (stats, stats["lifetime"]):
        assert counters["span_lookups"] == counters["span_hits"] + counters["span_misses"] > 0
        assert counters["hit_rate"] == pytest.approx(counters["span_hits"] / counters["span_lookups"])
    for name in ("store_entries", "store_bytes", "evictions", "singleflight_joined", "requests", "uptime_s"):
        assert stats[name] >= 0
    assert stats["spans_encoded"] == stats["store_entries"]
    assert stats["hits_memory"] + stats["hits_disk"] + stats["hits_remote"] + stats["singleflight_joined"] == stats["span_hits"]


def test_info_and_models(daemon):
    with daemon.connect() as connection:
        info, models = connection.call("info"), connection.call("models")["models"]
    assert info["pid"] == daemon.process.pid and info["socket"] == daemon.socket and info["protocol"] == 1
    assert info["store"]["path"] == str(daemon.store)
    assert [model["name"] for model in models] == ["tiny"] and models[0]["default"]
    assert models[0]["file_bytes"] == TINY.stat().st_size and len(models[0]["encoder_fingerprint"]) == 64


def test_cancel(connection):
    stream = connection.generate(TEXT, stream=True, max_tokens=60000, temperature=2)
    assert next(stream)
    assert connection.call("cancel", {"id": stream.id})["cancelled"] in (True, False)
    assert connection.call("cancel", {"id": 12345}) == {"cancelled": False}


def test_cancelled_request_answers_cancelled(connection):
    """Two hundred requests wait behind each other, so the last is there to be cancelled."""
    streams = [connection.generate(f"{TEXT} {n}", stream=True, max_tokens=200, temperature=1) for n in range(200)]
    assert connection.cancel(streams[-1].id) is True
    with pytest.raises(CancelledError):
        streams[-1].result()
    assert streams[0].result().text


def test_client_that_vanishes_is_forgotten(daemon):
    with daemon.connect() as connection:
        streams = [connection.generate(TEXT, stream=True, max_tokens=200, temperature=2) for _ in range(20)]
        assert next(streams[0])
    with daemon.connect() as connection:
        assert wait_until(lambda: connection.call("stats")["running"] == 0)
        assert wait_until(lambda: connection.call("stats")["connections"] == 1)


def test_bytes_may_come_one_at_a_time(wire):
    for byte in msgpack.packb([0, 3, "encode", [{"text": TEXT}]]):
        wire.send_bytes(bytes([byte]))
    error, result = wire.response(3)
    assert error is None and result["usage"]["prompt_spans"] == 2 + 1


def test_tcp(make_daemon):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    daemon = make_daemon(arguments=["--listen", f"127.0.0.1:{port}"])
    assert f"tcp://127.0.0.1:{port}" in daemon.ready
    with Client(f"tcp://127.0.0.1:{port}") as remote, daemon.connect() as local:
        remote.call("encode", {"text": TEXT})
        assert local.call("encode", {"text": TEXT})["usage"]["span_misses"] == 0


def test_slow_reader_pauses_and_others_go_on(daemon):
    """A client that asks for much and reads nothing; its replies are bounded, and another client is served meanwhile."""
    with daemon.connect_wire() as slow, daemon.connect() as other:
        for number in range(200):
            slow.send("encode", {"text": f"{number} is a number. " * 400})
        for _ in range(20):
            assert other.call("ping") == {"pong": True}
        for number in range(200):
            error, result = slow.response(number + 1)
            assert error is None and result["usage"]["prompt_spans"] > 100
