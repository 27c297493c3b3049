"""The load: one thread for each kind of client, each at work until the end. What is known to be right is compared every time; whatever
else goes wrong is kept as a failure. A client may be told `busy`, and tries again."""

import itertools
import random
import socket
import threading
import time

import msgpack

WORDS = ["".join(random.Random(number).choices("abcdefghijklmnopqrstuvwxyz", k=3 + number % 7)) for number in range(4000)]
SENTENCES = ["Photosynthesis is the process by which plants make sugar.", "Chlorophyll is a green pigment in leaves.",
             "In autumn, the days become shorter and colder.", "The King had a wife with golden hair.",
             "Cells divide, and each of them has a nucleus.", "Stars are made of hydrogen and helium."]
KNOWN = [f"{first} {second} Why?" for first, second in itertools.permutations(SENTENCES, 2)][:12]
DOCUMENT = " ".join(SENTENCES * 4)
GREEDY = {"temperature": 0, "max_tokens": 12, "stream": False}
LIFETIME = 32  # requests of a connection before it is made anew


def words(generator, count):
    return " ".join(generator.choices(WORDS, k=count)) + "."


def ask(connection, prompt, **options):
    return connection.call("generate", {"prompt": prompt, **GREEDY, **options})


def ask_document(connection, name, question="What is it about?"):
    segments = [{"doc": name}, {"role": "user", "text": question}]
    return connection.call("generate", {"segments": segments, **GREEDY})["text"]


class Known:
    """What the daemon said at the start, which must never change."""

    def __init__(self, connection):
        self.answers = {prompt: ask(connection, prompt)["text"] for prompt in KNOWN}
        connection.call("doc.put", {"name": "steady", "text": DOCUMENT})
        self.about = ask_document(connection, "steady")
        self.keys = sorted({span["key"] for span in connection.call("encode", {"text": DOCUMENT})["spans"]})
        self.latents = self.read(connection)

    def read(self, connection):
        reply = connection.call("latent.get", {"keys": self.keys})
        return list(zip(reply["scales"], reply["latents"]))


class Load:
    def __init__(self, daemon, known):
        self.daemon, self.known = daemon, known
        self.ending, self.failures, self.mutex = threading.Event(), [], threading.Lock()
        self.counts = {}
        kinds = (self.warm, self.warm, self.cold, self.documents, self.cancels, self.disconnects, self.latents, self.http, self.admin)
        self.threads = [threading.Thread(target=self.run, args=(kind, number)) for number, kind in enumerate(kinds)]

    def count(self, name, amount=1):
        with self.mutex:
            self.counts[name] = self.counts.get(name, 0) + amount

    def must(self, right, what):
        if not right:
            raise AssertionError(what)

    def run(self, kind, number):
        generator = random.Random(number)
        while not self.ending.is_set():
            try:
                kind(generator)
            except Exception as error:
                if getattr(error, "name", None) == "busy":
                    self.count("busy")
                    time.sleep(0.2)
                else:
                    with self.mutex:
                        self.failures.append(f"{kind.__name__}: {error!r}")
                    time.sleep(1)  # once is enough to fail, and the log should stay readable
            self.count(kind.__name__)

    # Each does a few requests on a connection of its own.

    def warm(self, generator):
        with self.daemon.connect() as connection:
            for prompt in generator.choices(KNOWN, k=LIFETIME):
                reply = ask(connection, prompt)
                self.must(reply["text"] == self.known.answers[prompt], f"another answer to {prompt!r}: {reply['text']!r}")
                if self.ending.is_set():
                    return

    def cold(self, generator):
        with self.daemon.connect() as connection:
            for _ in range(4):
                text = words(generator, generator.randrange(10, 200))
                first, second = ask(connection, text, max_tokens=4), ask(connection, text, max_tokens=4)
                self.must(first["text"] == second["text"], "cold and warm differ")
                connection.call("encode", {"text": words(generator, 400)})

    def documents(self, generator):
        name = f"d{generator.randrange(20)}"
        with self.daemon.connect() as connection:
            text = words(generator, generator.randrange(50, 500))
            connection.call("doc.put", {"name": name, "text": text})
            connection.call("doc.put", {"name": name, "text": text + " " + words(generator, 30)})
            self.must(connection.call("doc.get", {"name": name})["text"].startswith(text), f"{name} is another text")
            first = ask_document(connection, name)
            connection.call("doc.refine", {"name": name})
            self.must(ask_document(connection, name) == first, "refined and not refined differ")
            self.must(ask_document(connection, "steady") == self.known.about, "another answer about the steady document")
            connection.call("doc.remove", {"name": name})

    def cancels(self, generator):
        with self.daemon.connect_wire() as wire:
            for _ in range(8):
                id = wire.send("generate", {"prompt": words(generator, 20), "max_tokens": 2000, "stream": True})
                time.sleep(generator.random() * 0.05)
                wire.send("cancel", {"id": id})
                error, _ = wire.response(id)
                self.must(error is None or error["name"] in ("cancelled", "busy"), f"cancelled, and told {error}")

    def disconnects(self, generator):
        request = msgpack.packb([0, 1, "generate", [{"prompt": words(generator, 20), "max_tokens": 2000}]])
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(60)
            client.connect(self.daemon.socket)
            client.sendall(request[:generator.randrange(1, len(request) + 1)])
            if generator.random() < 0.5:
                time.sleep(0.05)

    def latents(self, generator):
        with self.daemon.connect() as connection:
            for _ in range(LIFETIME):
                found = self.known.read(connection)
                self.must(all(now in (was, (None, None)) for now, was in zip(found, self.known.latents)), "another latent")
            time.sleep(0.05)

    def http(self, generator):
        with self.daemon.web() as web:
            prompt = words(generator, 12)
            texts = {web.complete(prompt, max_tokens=8).json["choices"][0]["text"] for _ in range(3)}
            self.must(len(texts) == 1, f"several answers over HTTP: {texts}")
            self.must(web.get("/metrics").status == web.get("/healthz").status == 200, "no metrics")
            self.must(web.post("/v1/completions", {"prompt": 7}).status == 400, "a bad body is taken")
            web.send("POST", "/v1/completions", {"prompt": prompt, "max_tokens": 500, "stream": True})  # and goes away

    def admin(self, generator):
        with self.daemon.connect() as connection:
            space = f"guest{generator.randrange(4)}"
            connection.call("namespace.put", {"name": space, "quota_bytes": 200_000, "ttl_s": 60})
            text = words(generator, 200)
            connection.call("encode", {"text": text, "namespace": space})
            connection.call("pin", {"text": text, "namespace": space})
            connection.call("unpin", {"text": text, "namespace": space})
            connection.call("scan", {"count": 100})
            connection.call("evict", {"share": 0.5, "namespace": space})
            connection.call("near", {"text": SENTENCES[0], "k": 3})
            connection.call("namespace.remove", {"name": space})
            self.must(connection.call("verify")["damaged"] == 0, "damaged records")
            for method in ("stats", "info", "models", "ping", "doc.list"):
                connection.call(method)
        time.sleep(0.5)

    # --- all of them ---

    def begin(self):
        for thread in self.threads:
            thread.start()

    def end(self):
        self.ending.set()
        for thread in self.threads:
            thread.join()
