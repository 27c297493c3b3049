"""Load for a daemon that is killed under it: writers of new texts and documents, readers of old ones, and a copy of everything that was
acknowledged, to compare with afterwards.

A document is acknowledged by the response to doc.put. The latents of other texts are once the daemon, asked after its answer, says that no
record waits to be written: then the group that has them is committed and synced. What latentd says of a latent never changes, so the
first copy is the right one."""

import json
import random
import struct
import subprocess
import threading
import time

WORDS = ["".join(random.Random(number).choices("abcdefghijklmnopqrstuvwxyz", k=3 + number % 7)) for number in range(4000)]
BATCH = 1024  # keys of one latent.get


class Copy:
    """Latents by key, as (scale, payload), and texts of documents by name."""

    def __init__(self):
        self.latents, self.youngest, self.documents = {}, [], {}
        self.mutex = threading.Lock()

    def add(self, latents):
        with self.mutex:
            for key, latent in latents.items():
                assert self.latents.setdefault(key, latent) == latent, f"two latents for {key}"
            self.youngest.extend(latents)

    def sample(self, count, generator):
        with self.mutex:
            keys = list(self.latents)
        return generator.sample(keys, min(count, len(keys)))

    def write(self, path, keys=None):
        """In the form that check_store reads."""
        with open(path, "wb") as file:
            for key in self.latents if keys is None else keys:
                scale, payload = self.latents[key]
                file.write(bytes.fromhex(key) + struct.pack("<fI", scale, len(payload)) + payload)

    def compare_documents(self, connection, names):
        for name in names:
            assert connection.call("doc.get", {"name": name})["text"] == self.documents[name], f"{name} is another text"

    def compare(self, connection, keys):
        """How many of the keys the daemon has; what it has must be right."""
        found = 0
        for first in range(0, len(keys), BATCH):
            batch = keys[first:first + BATCH]
            for key, latent in zip(batch, read(connection, batch)):
                assert latent is None or latent == self.latents[key], f"a wrong latent for {key}"
                found += latent is not None
        return found


def read(connection, keys):
    reply = connection.call("latent.get", {"keys": keys})
    return [None if payload is None else (scale, payload) for scale, payload in zip(reply["scales"], reply["latents"])]


def text(generator, words=40):
    return " ".join(generator.choices(WORDS, k=words)) + "."


def put(connection, generator, words=40):
    """Has a new text encoded; its latents, not acknowledged yet."""
    keys = list({span["key"] for span in connection.call("encode", {"text": text(generator, words)})["spans"]})
    return {key: latent for key, latent in zip(keys, read(connection, keys)) if latent}


def is_written(connection):
    stats = connection.call("stats")
    assert stats["store_write_failures"] == 0
    return stats["store_waiting"] == 0


def wait_until_written(connection):
    while not is_written(connection):
        time.sleep(0.002)


class Load:
    """Threads that use a daemon until it is gone. Whatever else goes wrong is raised by `join`."""

    def __init__(self, daemon, copy, answers, seed, tasks=("write", "write_document", "read")):
        self.copy, self.answers, self.wrong, self.requests = copy, answers, [], 0
        work = [(getattr(self, task), f"{seed} {task}") for task in tasks]
        self.threads = [threading.Thread(target=self.run, args=(daemon, *task)) for task in work]
        for thread in self.threads:
            thread.start()

    def run(self, daemon, task, seed):
        try:
            with daemon.connect() as connection:
                while True:
                    task(connection, random.Random(f"{seed} {self.requests}"))
                    self.requests += 1
        except Exception as error:  # of the client when the daemon is killed; all others are findings
            if getattr(error, "name", "") not in ("closed", "connect"):
                self.wrong.append(error)

    def write(self, connection, generator):
        latents = put(connection, generator)
        wait_until_written(connection)
        self.copy.add(latents)

    def write_document(self, connection, generator):
        name, words = f"document {generator.random()}", text(generator)
        reply = connection.call("doc.put", {"name": name, "text": words})
        assert reply["bytes"] == len(words)
        self.copy.documents[name] = words

    def read(self, connection, generator):
        keys = self.copy.sample(64, generator)
        if keys:
            self.copy.compare(connection, keys)
        prompt = generator.choice(list(self.answers))
        answer = connection.call("generate", {"prompt": prompt, "temperature": 0, "max_tokens": 8, "stream": False})["text"]
        assert answer == self.answers[prompt], f"another answer to {prompt}"

    def join(self):
        for thread in self.threads:
            thread.join()
        if self.wrong:
            raise self.wrong[0]


def check_store(program, store, budget, expected):
    """Opens a closed store and looks at everything; counts, or the reason why it was refused."""
    run = subprocess.run([program, store, str(budget), expected], capture_output=True, text=True, timeout=300)
    if run.returncode == 3:
        return {"refused": run.stderr.strip()}
    assert run.returncode in (0, 1), f"check_store ended with {run.returncode}: {run.stderr}"
    return json.loads(run.stdout)
