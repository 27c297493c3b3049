"""The protocol, byte for byte: requests as proto/PROTOCOL.md has them, answers in pieces of any size."""

import re

import msgpack
import pytest
from conftest import ROOT
from latentd.core import Core, Limits
from latentd.errors import BadParameterError, ClosedError, Error, InvalidUtf8Error, MalformedError, TooLargeError


def response(id, result=None, error=None):
    return msgpack.packb([1, id, error, result])


def token(id, text):
    return msgpack.packb([2, "token", [{"id": id, "text": text}]])


def sent(core):
    """What was to be sent, as objects."""
    unpacker = msgpack.Unpacker(raw=False)
    unpacker.feed(core.outgoing)
    core.outgoing.clear()
    return list(unpacker)


@pytest.mark.parametrize("name, id, method, params", [
    ("hello", 1, "hello", {"version": 1, "client": "vectors"}),
    ("ping", 2, "ping", {}),
    ("generate-prompt", 3, "generate", {"prompt": "Hi.", "max_tokens": 16, "temperature": 0}),
    ("generate-segments", 4, "generate",
     {"segments": [{"role": "document", "text": "The sea is cold."}, {"role": "user", "text": "Is it?"}], "top_p": 0.5,
      "stop": ["\n"], "stream": False, "seed": 18446744073709551615}),
    ("encode", 5, "encode", {"text": "naïve"}),
    ("latent-get", 6, "latent.get", {"keys": [bytes(range(32)), bytes(range(32)).hex()]}),
])
def test_requests_are_the_vectors_of_the_protocol(vectors, name, id, method, params):
    core = Core()
    for _ in range(id - 1):
        core.request("ping", {})
    core.outgoing.clear()
    assert core.request(method, params).id == id
    assert bytes(core.outgoing) == vectors[name]


@pytest.mark.parametrize("piece", [1, 2, 7, 1 << 20])
def test_answers_of_the_protocol_are_understood_in_pieces_of_any_size(vectors, piece):
    core = Core()
    core.request("info", {})
    ping, bad, answer = (core.request(method, {}) for method in ("ping", "generate", "generate"))
    data = vectors["token"] + vectors["pong"] + vectors["token"] + vectors["error"] + response(4, {"text": "No, éNo, é"})
    news = []
    for start in range(0, len(data), piece):
        news += core.receive(data[start:start + piece])
    if piece == 1:
        assert news == [answer, ping, answer, bad, answer]
    assert ping.result() == {"pong": True}
    with pytest.raises(BadParameterError, match='unknown parameter "colour"') as failure:
        bad.result()
    assert (failure.value.code, failure.value.name) == (-6, "bad_parameter")
    assert list(answer.texts) == ["No, é", "No, é"] and answer.result() == {"text": "No, éNo, é"}
    assert core.closed is None and not core.idle


def test_responses_come_in_any_order():
    core = Core()
    exchanges = [core.request("encode", {"text": str(number)}) for number in range(5)]
    assert [message[1] for message in sent(core)] == [exchange.id for exchange in exchanges] == [1, 2, 3, 4, 5]
    for exchange in reversed(exchanges):
        assert core.receive(response(exchange.id, exchange.id * 10)) == [exchange]
    assert [exchange.result() for exchange in exchanges] == [10, 20, 30, 40, 50]
    assert core.idle


def test_ids_begin_again_and_pass_over_those_under_way():
    core = Core()
    first = core.request("ping", {})
    core._next_id = (1 << 32) - 1
    assert [core.request("ping", {}).id for _ in range(3)] == [(1 << 32) - 1, 0, 2]
    assert first.id == 1 and not core.receive(response(1)) == []
    assert all(0 <= message[1] < 1 << 32 for message in sent(core))


def test_an_abandoned_request_is_cancelled_and_what_still_comes_is_passed_over():
    core = Core()
    exchange = core.request("generate", {"prompt": "x"})
    core.receive(token(exchange.id, "a"))
    sent(core)
    core.abandon(exchange)
    core.abandon(exchange)
    assert sent(core) == [[0, 2, "cancel", [{"id": 1}]]]
    assert not exchange.texts
    assert core.receive(token(1, "b") + response(2, {"cancelled": True}) + response(1, error={
        "code": -17, "name": "cancelled", "message": "the request was cancelled"})) == []
    assert core.idle and core.closed is None


def test_a_request_that_is_done_is_not_cancelled():
    core = Core()
    exchange = core.request("ping", {})
    core.receive(response(1, {"pong": True}))
    sent(core)
    core.abandon(exchange)
    assert sent(core) == []


def test_what_later_daemons_send_is_passed_over():
    core = Core()
    exchange = core.request("ping", {})
    assert core.receive(msgpack.packb([2, "rumour", [{"id": 1, "done": 0.5}]])) == []
    assert core.receive(response(1, error={"code": -99, "name": "on_strike", "message": "not today", "until": 9})) == [exchange]
    with pytest.raises(Error, match="not today") as failure:
        exchange.result()
    assert type(failure.value) is Error and (failure.value.code, failure.value.name) == (-99, "on_strike")


def test_progress_is_being_heard_of():
    core = Core()
    exchange = core.request("verify", {})
    assert core.receive(msgpack.packb([2, "progress", [{"id": 1, "done": 5, "total": 10}]])) == [exchange] and not exchange.done
    assert core.receive(msgpack.packb([2, "progress", [{"id": 7, "done": 5, "total": 10}]])) == []


@pytest.mark.parametrize("data, problem", [
    (b"\xc1", "c1"),
    (b"HTTP/1.1 400 Bad Request\r\n", "no response"),
    (msgpack.packb([]), "no response"),
    (msgpack.packb([0, 1, "ping", []]), "no response"),
    (msgpack.packb([1, 1, None]), "no response"),
    (msgpack.packb([1, "1", None, {}]), "no response"),
    (msgpack.packb([1, None, None, {}]), "no response"),
    (msgpack.packb({"pong": True}), "no response"),
    (response(7), "request 7, which was not made"),
    (response(1, error="no"), "an error without"),
    (response(1, error={"code": -1, "name": "io"}), "an error without"),
    (msgpack.packb([1, None, "no", None]), "an error without"),
    (token(7, "x"), "request 7, which was not made"),
    (token(1, 5), "a token without"),
    (msgpack.packb([2, "token", ["x"]]), "a token without"),
    (msgpack.packb([2, "token", []]), "a token without"),
    (b"\x94\x01\x01\xc0\xa1\xff", "UTF-8"),
    (b"\x94\x01\x01\xc0\x81\x90\x01", "not allowed"),
    (b"\xdd\xff\xff\xff\xff", "more than 8388608 bytes"),
    (b"\xdd\x00\x20\x00\x00", "more than 1048576 objects"),
    (b"\xc6\x80\x00\x00\x00", "more than 8388608 bytes"),
    (b"\x91" * 17, "deeper than 16"),
], ids=lambda value: value[:12].hex() if isinstance(value, bytes) else None)
def test_a_peer_that_breaks_the_protocol_ends_the_connection(data, problem):
    core = Core()
    exchanges = [core.request("ping", {}), core.request("ping", {})]
    assert core.receive(data)[-2:] == exchanges
    for exchange in exchanges:
        with pytest.raises(MalformedError, match="is it latentd") as failure:
            exchange.result()
        assert problem in failure.value.message
    assert core.receive(response(1)) == []
    with pytest.raises(ClosedError, match="is it latentd"):
        core.request("ping", {})


def test_what_came_before_broken_bytes_counts():
    core = Core()
    good, bad = core.request("ping", {}), core.request("ping", {})
    assert core.receive(response(1, "yes") + b"\xc1") == [good, bad]
    assert good.result() == "yes"


def test_an_error_without_id_is_everybodys(vectors):
    core = Core()
    exchange = core.request("ping", {})
    assert core.receive(vectors["error-without-id"] + b"\xc1 and whatever follows") == [exchange]
    with pytest.raises(MalformedError, match="^not a valid MessagePack-RPC message$"):
        exchange.result()


def test_the_end_of_the_connection_fails_what_is_under_way():
    core = Core()
    exchange = core.request("generate", {"prompt": "x"})
    core.receive(token(1, "a") + response(1, "never complete")[:-3])
    assert core.receive_end() == [exchange] and core.receive_end() == []
    assert list(exchange.texts) == ["a"]
    with pytest.raises(ClosedError, match="in the middle of a reply"):
        exchange.result()


def test_each_exchange_raises_an_exception_of_its_own():
    core = Core()
    exchanges = [core.request("ping", {}) for _ in range(2)]
    core.receive_end()
    failures = []
    for exchange in exchanges:
        with pytest.raises(ClosedError) as failure:
            exchange.result()
        failures.append(failure.value)
    assert failures[0] is not failures[1]


def test_requests_that_cannot_be_sent_leave_nothing_behind():
    core = Core(Limits(request_bytes=100))
    with pytest.raises(TooLargeError, match="encode.*the limit is 100"):
        core.request("encode", {"text": "x" * 100})
    with pytest.raises(InvalidUtf8Error, match="encode"):
        core.request("encode", {"text": "\ud800"})
    with pytest.raises(TypeError):
        core.request("encode", {"text": object()})
    assert core.idle and not core.outgoing
    assert core.request("ping", {}).id == 1


@pytest.mark.parametrize("field, name", [("request_bytes", "FRAME_BYTES_MAX"), ("reply_bytes", "REPLY_BYTES_MAX"),
                                         ("reply_objects", "REPLY_ELEMENTS_MAX"), ("depth", "FRAME_DEPTH_MAX")])
def test_the_limits_are_those_of_the_protocol(field, name):
    [number] = re.findall(rf"#define LT_{name} (\(?[\du< ]+\)?)", (ROOT / "proto" / "limits.h").read_text())
    base, _, shift = number.strip("() ").replace("u", "").partition("<<")
    assert getattr(Limits(), field) == int(base) << int(shift or 0)


def test_notifications_of_one_request_are_bounded():
    core = Core(Limits(stream_bytes=1000))
    exchange = core.request("generate", {"prompt": "x"})
    other = core.request("ping", {})
    for _ in range(1000):
        if core.closed is None:
            core.receive(token(exchange.id, "again"))
    assert 0 < len(exchange.texts) < 50
    with pytest.raises(MalformedError, match="more than 1000 bytes for one request"):
        other.result()
