"""A latentd of the benchmark's own, on a store and a socket that are thrown away, and how it is asked."""

import os
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from latentd import Client, Generation, document, user
from wire import Connection

PATIENCE = 120  # seconds; only a daemon that hangs needs them


class Daemon:
    """Serves while the `with` block runs. `arguments` are further ones of latentd."""

    def __init__(self, program, folder, models, arguments=()):
        self.program, self.models, self.arguments = program, models, list(arguments)
        self.store, self.socket = Path(folder) / "store", str(Path(folder) / "socket")
        self.log = Path(folder) / "log"

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def start(self):
        """Returns the seconds until it was ready."""
        models = [argument for model in self.models for argument in ("--model", str(model))]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("LATENTD_")}
        began = time.perf_counter()
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [self.program, "--store", self.store, "--socket", self.socket, *models, *map(str, self.arguments)],
                stdout=subprocess.PIPE, stderr=log, text=True, env=environment)
        if not self.process.stdout.readline().startswith("latentd ready"):
            raise OSError(f"latentd did not start: {self.log.read_text().strip()}")
        return time.perf_counter() - began

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(PATIENCE)
        self.process.stdout.close()
        if status != 0:
            raise OSError(f"latentd ended with status {status}: {self.log.read_text().strip()}")

    def restart(self):
        self.stop()
        return self.start()

    def connect(self):
        return Client(self.socket, timeout=PATIENCE)

    def connect_wire(self):
        return Connection(self.socket, timeout=PATIENCE)

    def resident_bytes(self, which="VmRSS"):
        """VmRSS: now; VmHWM: the most there ever was."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith(f"{which}:"):
                return 1024 * int(line.split()[1])
        raise OSError(f"/proc says nothing of {which}")


@dataclass
class Answer:
    """A receipt, with the times as this client saw them, from sending."""
    result: Generation
    first_seconds: float  # to the first token
    last_seconds: float   # to the result

    @property
    def prompt_tokens(self):
        return self.result.receipt.usage.prompt_tokens


def prompt_of(documents, question):
    return [*map(document, documents), user(question)]


def ask(connection, documents, question, max_tokens=1, **options):
    """Documents and a question; the likeliest answer."""
    began, first = time.perf_counter(), None
    stream = connection.generate(segments=prompt_of(documents, question), stream=True, max_tokens=max_tokens, temperature=0,
                                 repetition_penalty=1, **options)
    for _ in stream:
        if first is None:
            first = time.perf_counter() - began
    last = time.perf_counter() - began
    return Answer(stream.result(), last if first is None else first, last)


def expect_warm(answer):
    """A row that says `cached` must not measure an encoder."""
    receipt = answer.result.receipt
    if receipt.usage.span_misses or receipt.ops.encode:
        raise OSError(f"a warm prompt had {receipt.usage.span_misses} misses")
    return answer
