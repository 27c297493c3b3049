"""What all rows share: the programs and models under test, peers that are there, fresh texts, repetitions, progress."""

import itertools
import os
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

from . import machine, texts
from .daemon import Daemon
from .llama import Llama
from .peer import Missing

ROOT = Path(__file__).resolve().parents[3]
DOCUMENT_TOKENS = 2048  # where the model's context allows it
ROOM = 64               # tokens for the question, control tokens and the first token of the answer
CAUTION = 0.97          # texts are made by words, so a document may be a little longer than was asked for


class Workbench:
    """Use it as `with Workbench(...) as bench`; at the end everything it started and wrote is gone."""

    def __init__(self, model, peer_model, quick, repetitions):
        self.model, self.peer_model, self.quick, self.repetitions = model, peer_model, quick, repetitions
        self.build = Path(os.environ.get("LATENTD_BUILD", ROOT / "build")).resolve()
        self.program = self.build / "daemon" / "latentd"
        self.missing = {}  # peer: why it is not there
        self._llama = None
        self._numbers = itertools.count(1)
        self._place = ""

    def __enter__(self):
        if not self.program.exists():
            raise OSError(f"{self.program} is not there: build it first, with deploy/quickstart or ninja -C build")
        self._temporary = tempfile.TemporaryDirectory(prefix="latentd-bench-")
        try:
            self._look_at_model()
        except BaseException:
            self._temporary.cleanup()
            raise
        return self

    def __exit__(self, *_):
        if self._llama:
            self._llama.close()
        self._temporary.cleanup()
        self._show("")

    def _look_at_model(self):
        with self.daemon() as daemon, daemon.connect() as connection:
            self.info = connection.call("info")
            [self.model_info] = connection.call("models")["models"]
            words = 400
            usage = connection.call("encode", {"text": texts.text_of_words(words, "sample")})["usage"]
        self.tokens_per_word = usage["prompt_tokens"] / words
        self.tokens_per_span = usage["prompt_tokens"] / usage["prompt_spans"]
        self.document_tokens = self.fitting_tokens(DOCUMENT_TOKENS)

    def fitting_tokens(self, wanted):
        """Tokens of a document of about so many, or as many as fit the model's context with a question and an answer."""
        return int(CAUTION * (min(wanted + ROOM, self.model_info["context_tokens"]) - ROOM))

    # --- sides ---

    def folder(self):
        """A new empty one, for as long as the workbench stands."""
        folder = Path(self._temporary.name) / str(next(self._numbers))
        folder.mkdir()
        return folder

    def daemon(self, *arguments, models=None):
        return Daemon(self.program, self.folder(), models or [self.model], arguments)

    def llama(self, action):
        """action(llama.cpp), or None if it is not there."""
        if "llama.cpp" in self.missing:
            return None
        try:
            if not self._llama:
                self._llama = Llama(self.peer_model, self.model_info["context_tokens"], machine.cores())
                self._llama.prefill(self.document_tokens)  # its first work allocates; nobody measures that
        except Missing as reason:
            self.missing["llama.cpp"] = str(reason)
            return None
        return action(self._llama)

    def llama_threads(self):
        return self._llama.threads() if self._llama else {}

    @contextmanager
    def peer(self, name, make):
        """The peer that make() makes, running; or None."""
        try:
            peer = make()
        except Missing as reason:
            self.missing[name] = str(reason)
            yield None
            return
        with peer:
            yield peer

    # --- texts ---

    def text(self, tokens):
        """About so many tokens that nobody has seen."""
        return texts.text_of_words(max(1, round(tokens / self.tokens_per_word)), next(self._numbers))

    def document(self, share=1.0):
        return self.text(share * self.document_tokens)

    def question(self):
        return texts.question(next(self._numbers))

    # --- repetitions ---

    def repeat(self, what=""):
        """0, 1, ...: as often as everything is measured."""
        for n in range(self.repetitions):
            self.progress(f"{what} {n + 1} of {self.repetitions}".strip())
            yield n

    def begin(self, place):
        self._place = place
        self.progress("")

    def progress(self, what):
        self._show(f"{self._place}  {what}")

    @staticmethod
    def _show(line):
        """One line on a terminal that is written over and over; nothing for anybody else."""
        if sys.stderr.isatty():
            print(f"\r\x1b[K{line}", end="", file=sys.stderr, flush=True)
