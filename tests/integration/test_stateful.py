"""Random sequences of requests, stops and kills, against a model of what must hold: latents never change, documents are what was put last, what
was acknowledged outlives everything, and counters add up."""

import os
import signal
import tempfile
from pathlib import Path

from conftest import Daemon, generate
from hypothesis import HealthCheck, settings
from hypothesis import strategies as some
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from latentd import Error

EXAMPLES, STEPS = int(os.environ.get("LATENTD_STATEFUL_EXAMPLES", 20)), 25
TEXTS = some.text(some.sampled_from("ab .\n!éß\U0001f600"), min_size=1, max_size=60) | some.sampled_from(
    ["The King had golden hair.", "The King had golden hair. He said: no!", "Who? " * 30])
NAMES = some.sampled_from(["a", "b", "c"])


class DaemonMachine(RuleBasedStateMachine):
    @initialize()
    def start(self):
        self.folder = tempfile.TemporaryDirectory()
        self.daemon = Daemon(Path(self.folder.name), arguments=("--budget", "16M", "--threads", "1")).start()
        self.connection = self.daemon.connect()
        self.latents, self.documents, self.answers, self.lifetime = {}, {}, {}, 0

    def teardown(self):
        self.connection.close()
        assert self.daemon.stop() == 0
        self.folder.cleanup()

    def check_latents(self, keys):
        reply = self.connection.call("latent.get", {"keys": keys})
        for key, latent in zip(keys, zip(reply["latents"], reply["scales"])):
            assert latent[0] is None or self.latents.setdefault(key, latent) == latent

    @rule(text=TEXTS)
    def encode(self, text):
        reply = self.connection.call("encode", {"text": text})
        usage = reply["usage"]
        assert "".join(span["text"] for span in reply["spans"]).replace("\ufffd", "") in text or "\ufffd" in str(reply["spans"])
        assert usage["span_hits"] + usage["span_misses"] == usage["prompt_spans"] == len(reply["spans"])
        self.check_latents([span["key"] for span in reply["spans"]])

    @rule(text=TEXTS)
    def generate(self, text):
        answer = generate(self.connection, text, max_tokens=4)["text"]
        assert self.answers.setdefault(text, answer) == answer

    @rule(name=NAMES, text=TEXTS)
    def put_document(self, name, text):
        reply = self.connection.call("doc.put", {"name": name, "text": text})
        assert reply["unchanged"] == (self.documents.get(name) == text)
        self.documents[name] = text

    @rule(name=NAMES)
    def get_document(self, name):
        try:
            assert self.connection.call("doc.get", {"name": name})["text"] == self.documents[name]
        except Error as error:
            assert error.name == "not_found" and name not in self.documents

    @rule(name=NAMES)
    def remove_document(self, name):
        try:
            self.connection.call("doc.remove", {"name": name})
            del self.documents[name]
        except Error as error:
            assert error.name == "not_found" and name not in self.documents

    @rule(how=some.sampled_from([signal.SIGTERM, signal.SIGKILL, signal.SIGINT]))
    def restart(self, how):
        self.connection.close()
        self.daemon.restart(how)
        self.connection = self.daemon.connect()
        self.lifetime = 0 if how == signal.SIGKILL else self.lifetime  # the last second of counters may be lost
        if self.latents:
            self.check_latents(list(self.latents)[:1024])

    @rule(method=some.sampled_from(["generate", "encode", "latent.get", "doc.put", "nonsense"]),
          params=some.dictionaries(some.sampled_from(["prompt", "text", "keys", "name", "x"]), some.none() | some.integers() | some.binary()))
    def ask_nonsense(self, method, params):
        try:
            self.connection.call(method, params)
            raise AssertionError("nonsense was taken")
        except Error as error:
            assert error.name in ("bad_parameter", "unknown_method") and error.message

    @invariant()
    def counters_add_up(self):
        stats = self.connection.call("stats")
        assert stats["span_lookups"] == stats["span_hits"] + stats["span_misses"]
        assert stats["span_hits"] == stats["hits_memory"] + stats["hits_disk"] + stats["singleflight_joined"]
        assert stats["running"] == stats["store_corrupt"] == stats["store_write_failures"] == 0 and stats["connections"] == 1
        assert stats["lifetime"]["span_lookups"] >= self.lifetime
        self.lifetime = stats["lifetime"]["span_lookups"]

    @invariant()
    def documents_are_those_that_were_put(self):
        documents = self.connection.call("doc.list")["documents"]
        assert [document["name"] for document in documents] == sorted(self.documents)
        assert not any(document["damaged"] for document in documents)


DaemonMachine.TestCase.settings = settings(max_examples=EXAMPLES, stateful_step_count=STEPS, deadline=None, derandomize=True, database=None,
                                           suppress_health_check=list(HealthCheck))
TestDaemon = DaemonMachine.TestCase
