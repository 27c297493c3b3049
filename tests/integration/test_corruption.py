"""Bits flipped in the closed store: it is refused with the reason, or serves what is right and encodes anew what is not. Never a wrong latent,
never a crash. Few seeds here; `tests/run crash` has 1,000."""

import os
import random
import shutil
import signal
import subprocess
import sys

from conftest import ROOT, TINY, generate, run_daemon, wait_until

sys.path.append(str(ROOT / "tests" / "crash"))
from load import Copy, put, text, wait_until_written  # noqa: E402

SEEDS = int(os.environ.get("LATENTD_CRASH_FLIPS", 30))
PAGE, MIB = 4096, 1 << 20
PROMPT = "Why did the King's daughter go to the sea?"


def used(store):
    """The file without the hole at its end."""
    data = (store / "data.mdb").read_bytes().rstrip(b"\0")
    return data + bytes(-len(data) % PAGE)


def write(store, data):
    with open(store / "data.mdb", "wb") as file:
        file.write(data)
        file.truncate(2 * 64 * MIB)


def flip(data, generator):
    """Some bits of one page: anywhere, or where heads and pointers stand."""
    damaged, page = bytearray(data), generator.randrange(len(data) // PAGE) * PAGE
    for _ in range(generator.choice((1, 1, 8))):
        damaged[page + generator.randrange(generator.choice((64, PAGE)))] ^= 1 << generator.randrange(8)
    return damaged


def serve_and_stop(daemon, copy, texts, answer):
    """Everything that was stored, asked for, and more put; all that the daemon says must be right."""
    with daemon.connect() as connection:
        healthy = copy.compare(connection, list(copy.latents))
        for words in texts:
            connection.call("encode", {"text": words})
        assert copy.compare(connection, list(copy.latents)) == len(copy.latents), "not encoded anew"
        assert generate(connection, PROMPT)["text"] == answer
        for document in connection.call("doc.list")["documents"]:
            assert document["damaged"] or document["name"] in copy.documents
        for name, words in copy.documents.items():
            try:
                assert connection.call("doc.get", {"name": name})["text"] == words
            except Exception as error:
                assert getattr(error, "name", None) in ("corrupt", "not_found"), error
        put(connection, random.Random(1), 500)
        wait_until_written(connection)
    assert daemon.stop() == 0, daemon.log.read_text()
    return healthy


def test_flipped_bits(make_daemon):
    daemon, copy, generator = make_daemon(arguments=("--budget", "16M", "--threads", "1")), Copy(), random.Random(1)
    texts = [text(generator, 40) for _ in range(60)]
    with daemon.connect() as connection:
        for words in texts:
            spans = connection.call("encode", {"text": words})["spans"]
            reply = connection.call("latent.get", {"keys": [span["key"] for span in spans]})
            copy.add({span["key"]: latent for span, latent in zip(spans, zip(reply["scales"], reply["latents"]))})
        for number in range(5):
            copy.documents[f"d{number}"] = text(generator, 300)
            connection.call("doc.put", {"name": f"d{number}", "text": copy.documents[f"d{number}"]})
        answer = generate(connection, PROMPT)["text"]
        wait_until_written(connection)
    assert daemon.stop() == 0
    data, refused, healed = used(daemon.store), 0, 0
    for seed in range(10 * SEEDS):
        if seed >= SEEDS and refused and healed:
            break  # few flips may happen to be all of one kind
        shutil.rmtree(daemon.store)
        daemon.store.mkdir()
        write(daemon.store, flip(data, random.Random(seed)))
        daemon.log.unlink()
        try:
            daemon.start()
        except AssertionError:
            assert daemon.wait() == 1, f"seed {seed}: {daemon.log.read_text()}"
            assert "data.mdb" in daemon.log.read_text(), f"seed {seed}"
            refused += 1
        else:
            healed += serve_and_stop(daemon, copy, texts, answer) < len(copy.latents)
    print(f"\n{seed} flips in {len(data) // PAGE} pages: {refused} refused, {healed} healed")
    assert refused > 0 and healed > 0


def test_the_message_says_what_is_damaged(make_daemon):
    daemon = make_daemon(arguments=("--budget", "16M"))
    with daemon.connect() as connection:
        connection.call("encode", {"text": text(random.Random(1), 100)})
        wait_until_written(connection)
    daemon.stop()
    data = bytearray(used(daemon.store))
    for page in range(2, len(data) // PAGE):
        data[page * PAGE + 12] ^= 0x40  # where the free room begins
    write(daemon.store, data)
    run = run_daemon(["--store", daemon.store, "--socket", daemon.socket, "--model", TINY])
    assert run.returncode == 1 and "is damaged (page " in run.stderr and "encoded again" in run.stderr
