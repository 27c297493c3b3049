"""A daemon for measurements: the shipped program on the shipped files, with a store of its own that is thrown away."""

import os
import subprocess
import tempfile
from pathlib import Path

from latentd import Client

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
        self.client = Client(path)
        return self

    def __exit__(self, *_):
        self.client.close()
        self.process.terminate()
        self.process.wait(60)
        self.folder.cleanup()

    def call(self, method, parameters=None):
        return self.client.call(method, parameters)


def segments_of(example):
    """An example of a corpus as the daemon takes it."""
    return [{"role": ROLES.get(control, "user"), "text": text} for control, text in example]
