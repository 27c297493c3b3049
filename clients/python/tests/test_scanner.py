"""The scanner finds the same ends as msgpack, whatever the encoding, and refuses what is announced."""

import msgpack
import pytest
from hypothesis import given, settings, strategies
from latentd.core import Core
from latentd.errors import MalformedError, TooLargeError
from latentd.scanner import Scanner

VALUES = strategies.recursive(
    strategies.none() | strategies.booleans() | strategies.integers(-1 << 63, (1 << 64) - 1) | strategies.floats()
    | strategies.text(max_size=40) | strategies.binary(max_size=40)
    | strategies.builds(msgpack.ExtType, strategies.integers(0, 127), strategies.binary(max_size=40)),
    lambda inner: strategies.lists(inner, max_size=17) | strategies.dictionaries(strategies.text(max_size=5), inner, max_size=17),
    max_leaves=15)


def new_scanner(bytes_max=1 << 20, objects_max=1 << 16, depth_max=16):
    return Scanner(bytes_max, objects_max, depth_max)


@given(strategies.lists(VALUES, min_size=1, max_size=4))
@settings(deadline=None)
def test_finds_the_ends_of_objects(values):
    packed = [msgpack.packb(value) for value in values]
    data, scanner = bytearray(b"".join(packed)), new_scanner()
    for expected in packed:
        assert scanner.scan(data) == len(expected)
        del data[:len(expected)]
    assert scanner.scan(data) is None


@given(VALUES)
@settings(deadline=None)
def test_bytes_may_come_one_at_a_time(value):
    packed, data, scanner = msgpack.packb(value), bytearray(), new_scanner()
    for byte in packed[:-1]:
        data.append(byte)
        assert scanner.scan(data) is None
    data.append(packed[-1])
    assert scanner.scan(data) == len(packed)


@pytest.mark.parametrize("data", [
    b"\xcc\x01", b"\xcd\x00\x01", b"\xce\x00\x00\x00\x01", b"\xcf" + b"\0" * 7 + b"\x01", b"\xd0\x01", b"\xd1\x00\x01",
    b"\xd2\x00\x00\x00\x01", b"\xd3" + b"\0" * 7 + b"\x01", b"\xca" + b"\0" * 4, b"\xd9\x01x", b"\xda\x00\x01x", b"\xdb\x00\x00\x00\x01x",
    b"\xc4\x01x", b"\xc5\x00\x01x", b"\xc6\x00\x00\x00\x01x", b"\xdc\x00\x01\xc0", b"\xdd\x00\x00\x00\x01\xc0",
    b"\xde\x00\x01\xc0\xc0", b"\xdf\x00\x00\x00\x01\xc0\xc0", b"\xc7\x01\x05x", b"\xc8\x00\x01\x05x", b"\xc9\x00\x00\x00\x01\x05x",
    b"\xd4\x05x", b"\xd5\x05xx", b"\xd6\x05xxxx", b"\xd7\x05" + b"x" * 8, b"\xd8\x05" + b"x" * 16, b"\x90", b"\x80", b"\xa0",
], ids=bytes.hex)
def test_every_encoding_that_messagepack_allows(data):
    assert new_scanner().scan(bytearray(data + b"\xc0")) == len(data)
    assert new_scanner().scan(bytearray(data[:-1])) is None


@pytest.mark.parametrize("data, error", [
    (b"\xdd\xff\xff\xff\xff", TooLargeError), (b"\xdf\x80\x00\x00\x00", TooLargeError), (b"\xdb\x00\x10\x00\x00", TooLargeError),
    (b"\xdd\x00\x01\x00\x00", TooLargeError), (b"\x9f" * 17, TooLargeError), (b"\xc1", MalformedError), (b"\x91\xc1", MalformedError),
], ids=lambda value: value.hex() if isinstance(value, bytes) else None)
def test_refuses_what_is_announced(data, error):
    with pytest.raises(error):
        new_scanner().scan(bytearray(data))


def test_the_limits_themselves_are_allowed():
    assert new_scanner(bytes_max=10).scan(bytearray(b"\xa9" + b"x" * 9)) == 10
    assert new_scanner(objects_max=10).scan(bytearray(b"\x99" + b"\xc0" * 9)) == 10
    assert new_scanner(depth_max=10).scan(bytearray(b"\x91" * 9 + b"\x90")) == 10
    for limit, data in (("bytes_max", b"\xaa" + b"x" * 10), ("objects_max", b"\x9a" + b"\xc0" * 10), ("depth_max", b"\x91" * 10 + b"\x90")):
        with pytest.raises(TooLargeError):
            new_scanner(**{limit: 10}).scan(bytearray(data))


def test_a_count_in_front_of_a_closed_container_is_still_counted_down():
    data = bytearray(msgpack.packb([[], {}, [[], [1]], {"a": []}, "x"]))
    assert new_scanner().scan(data) == len(data)


@given(strategies.lists(strategies.binary(max_size=40) | VALUES.map(msgpack.packb)
                        | strategies.tuples(strategies.integers(0, 3), strategies.integers(0, 3), VALUES, VALUES).map(msgpack.packb)))
@settings(deadline=None)
def test_no_bytes_break_the_core(pieces):
    """Whatever a peer sends, requests get an answer or fail; nothing else is raised."""
    core = Core()
    exchanges = [core.request("ping", {}) for _ in range(3)]
    for piece in pieces:
        core.receive(piece)
    core.receive_end()
    assert all(exchange.done for exchange in exchanges) and core.idle
