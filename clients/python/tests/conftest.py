"""Tests of the client alone: no daemon, and where a peer is needed, one that says exactly what the test wants."""

import re
import socket
import sys
import threading
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "clients" / "python"))


@pytest.fixture(scope="session")
def vectors():
    """The messages of proto/PROTOCOL.md, by name."""
    block = re.search(r"```vectors\n(.*?)```", (ROOT / "proto" / "PROTOCOL.md").read_text(), re.DOTALL)[1]
    return {name: bytes.fromhex(data) for name, data in (line.split() for line in block.splitlines())}


class Peer:
    """Listens on a Unix socket; each connection is handed to `serve`, in a thread."""

    def __init__(self, path, serve):
        self.address, self.connections = str(path), 0
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.address)
        self.listener.listen()
        self.serve = serve
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        while True:
            connection, _ = self.listener.accept()
            with connection:
                self.connections += 1
                if self.serve(connection) == "end":
                    return

    def stop(self):
        self.serve = lambda connection: "end"
        with socket.socket(socket.AF_UNIX) as last:
            last.connect(self.address)
            self.thread.join()
        self.listener.close()


@pytest.fixture
def make_peer(tmp_path):
    """make_peer(serve): a peer that calls serve(connection) for each connection, and closes it when that returns."""
    made = []

    def make(serve):
        made.append(Peer(tmp_path / f"peer-{len(made)}", serve))
        return made[-1]

    yield make
    for peer in made:
        peer.stop()
