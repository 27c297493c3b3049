"""Addresses, as latentctl writes and finds them."""

import os

import pytest
from latentd import BadParameterError, Client
from latentd.address import TcpAddress, UnixAddress, parse_address, usual_address


@pytest.mark.parametrize("text, address", [
    ("/run/latentd.sock", UnixAddress("/run/latentd.sock")), ("unix:here", UnixAddress("here")), ("here", UnixAddress("here")),
    ("tcp://localhost:7000", TcpAddress("localhost", 7000)), ("tcp://[::1]:7000", TcpAddress("::1", 7000)),
    ("tls://localhost:7000", TcpAddress("localhost", 7000, tls=True)),
    ("x" * 107, UnixAddress("x" * 107)),
])
def test_addresses(text, address):
    assert parse_address(text) == address
    assert parse_address(str(address)) == address


def test_paths_are_addresses(tmp_path):
    assert Client(tmp_path / "socket").address == UnixAddress(f"{tmp_path}/socket")


@pytest.mark.parametrize("text, named", [
    ("", "has 0"), ("unix:", "has 0"), ("x" * 108, "has 108"), ("é" * 54, "has 108"), ("tcp://localhost", "tcp://HOST:PORT"), ("tls://localhost", "tls://HOST:PORT"),
    ("tcp://:7000", "tcp://HOST:PORT"), ("tcp://localhost:", "tcp://HOST:PORT"), ("tcp://localhost:many", "tcp://HOST:PORT"),
    ("tcp://localhost:70000", "tcp://HOST:PORT"), ("tcp://localhost:0", "tcp://HOST:PORT"), ("tcp://" + "x" * 256 + ":1", "tcp://HOST:PORT"),
])
def test_what_is_no_address(text, named):
    with pytest.raises(BadParameterError, match=named):
        Client(text)


def test_the_usual_address(tmp_path):
    systems, own = tmp_path / "systems", tmp_path / "latentd.sock"
    systems.touch()
    assert usual_address({"XDG_RUNTIME_DIR": str(tmp_path)}, str(systems)) == str(systems)
    own.touch()
    assert usual_address({"XDG_RUNTIME_DIR": str(tmp_path)}, str(systems)) == str(own)
    assert usual_address({"LATENTD_SOCKET": "tcp://[::1]:1", "XDG_RUNTIME_DIR": "/run/user/1"}) == "tcp://[::1]:1"
    assert usual_address({"LATENTD_SOCKET": "", "XDG_RUNTIME_DIR": "/run/user/1"}) == "/run/user/1/latentd.sock"
    assert usual_address({"XDG_RUNTIME_DIR": ""}) == f"/tmp/latentd-{os.getuid()}/latentd.sock"
