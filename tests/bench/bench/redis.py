"""Redis as a peer: a server of the benchmark's own on a Unix socket, without persistence."""

import shutil
import socket
import subprocess
import time

from .peer import Missing


class Redis:
    """Serves while the `with` block runs."""

    def __init__(self, folder):
        self.program = shutil.which("redis-server")
        if not self.program:
            raise Missing("Redis: not installed (deploy/install-packages bench)")
        self.socket = str(folder / "redis-socket")
        self.folder = folder

    def __enter__(self):
        self.process = subprocess.Popen(
            [self.program, "--port", "0", "--unixsocket", self.socket, "--save", "", "--appendonly", "no", "--dir", self.folder],
            stdout=subprocess.DEVNULL)
        for _ in range(100):
            try:
                self.connect().close()
                return self
            except OSError:
                time.sleep(0.1)
        self.__exit__()
        raise OSError("redis-server did not start")

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(30)

    def connect(self):
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(self.socket)
        return connection

    @staticmethod
    def version():
        program = shutil.which("redis-server")
        return subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout.split()[2][2:] if program else None


def command(*words):
    """A command as Redis reads it (RESP)."""
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in words)


def array_bytes(values):
    """The bytes of the answer that holds these values."""
    return b"*%d\r\n" % len(values) + b"".join(b"$%d\r\n%b\r\n" % (len(value), value) for value in values)
