"""A daemon for measurements: the shipped program on the shipped files, with a store of its own that is thrown away."""

import os
import socket
import subprocess
import tempfile
from pathlib import Path

import msgpack

from .config import MODEL_FOLDER
from .corpus import ANSWER, DOCUMENT

ROLES = {DOCUMENT: "document", ANSWER: "answer"}
PROGRAM = MODEL_FOLDER.parent / "build" / "daemon" / "latentd"


class Daemon:
    """Serves the model files while the `with` block runs; call(method, parameters) asks it. options: more of the program's."""

    def __init__(self, models, *options):
        self.models, self.options = models, options

    def __enter__(self):
        if not PROGRAM.exists():
            raise OSError(f"{PROGRAM} is not there: build it first, with deploy/quickstart or ninja -C build")
        self.folder = tempfile.TemporaryDirectory(prefix="latentd-evaluate-")
        path = str(Path(self.folder.name) / "socket")
        arguments = [argument for model in self.models for argument in ("--model", str(model))]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("LATENTD_")}
        self.process = subprocess.Popen(
            [PROGRAM, "--store", str(Path(self.folder.name) / "store"), "--socket", path, *arguments, *self.options],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
        if not self.process.stdout.readline().startswith("latentd ready"):
            raise OSError(self.process.stderr.read().strip())
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.unpacker = msgpack.Unpacker(raw=False, max_buffer_size=1 << 25)
        return self

    def __exit__(self, *_):
        self.socket.close()
        self.process.terminate()
        self.process.wait(60)
        self.folder.cleanup()

    def call(self, method, parameters=None):
        self.socket.sendall(msgpack.packb([0, 1, method, [parameters or {}]]))
        while True:
            for message in self.unpacker:
                if message[0] == 1 and message[2] is not None:
                    raise DaemonRefused(message[2]["name"], message[2]["message"])
                if message[0] == 1:
                    return message[3]
            data = self.socket.recv(1 << 16)
            if not data:
                raise OSError("the daemon closed the connection")
            self.unpacker.feed(data)


def segments_of(example):
    """An example of a corpus as the daemon takes it."""
    return [{"role": ROLES.get(control, "user"), "text": text} for control, text in example]


class DaemonRefused(ValueError):
    def __init__(self, name, message):
        super().__init__(message)
        self.name = name
