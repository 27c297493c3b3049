"""Near: the cached spans that are most like a text, found by looking at all of them."""

import json
import math

import pytest
from conftest import ROOT, SHIPPED, TINY, generate, run_ctl
from latentd import Error

LLAMA = ROOT / "tests" / "vectors" / "tiny-llama.gguf"
TEXT = ("The King had golden hair. He said: no one else! The sea is cold and deep. Ships sail on it, far from the land. "
        "A fox ran over the hill, and nobody saw it again.")


def stored(connection, model=None):
    """Every span of TEXT by its key, with its latent as numbers."""
    of = {"model": model} if model else {}
    spans = {span["key"]: span for span in connection.call("encode", {"text": TEXT, **of})["spans"]}
    reply = connection.call("latent.get", {"keys": list(spans), **of})
    latents = [[scale * (byte - 256 if byte > 127 else byte) for byte in latent]
               for latent, scale in zip(reply["latents"], reply["scales"])]
    return {key: (span["text"], latent) for (key, span), latent in zip(spans.items(), latents)}


def product(a, b):
    return sum(x * y for x, y in zip(a, b))


def expected(latents, query):
    """All keys with their cosines, less the mean of all, nearest first."""
    mean = [sum(column) / len(latents) for column in zip(*(latent for _, latent in latents.values()))]

    def cosine(latent):
        a, b = ([x - m for x, m in zip(of, mean)] for of in (latent, query))
        return product(a, b) / math.sqrt(product(a, a) * product(b, b))

    return sorted(((cosine(latent), key) for key, (_, latent) in latents.items()), reverse=True)


@pytest.mark.parametrize("model", [TINY, SHIPPED], ids=lambda path: path.stem)
def test_finds_what_an_exhaustive_search_finds(make_daemon, model):
    with make_daemon(model=model).connect() as connection:
        latents = stored(connection)
        for key, (text, latent) in latents.items():
            reply = connection.call("near", {"text": text, "k": 5})
            assert reply["scanned"] == len(latents)
            found = reply["spans"][0]["nearest"]
            assert found[0]["text"] == text and found[0]["cosine"] == 1
            for place, (cosine, _) in zip(found, expected(latents, latent)):
                assert abs(place["cosine"] - cosine) < 1e-4
            assert len(found) == min(5, len(latents)) and found == sorted(found, key=lambda place: -place["cosine"])


def test_each_span_of_the_text_is_looked_for(connection):
    latents = stored(connection)
    reply = connection.call("near", {"text": "The King had golden hair. The sea is cold and deep."})
    assert "".join(span["text"] for span in reply["spans"]) == "The King had golden hair. The sea is cold and deep."
    assert len(reply["spans"]) > 1
    for span in reply["spans"]:
        assert len(span["nearest"]) == min(10, len(latents))
        assert all(place["key"] in latents and place["text"] == latents[place["key"]][0] for place in span["nearest"])


def test_leaves_no_trace(daemon):
    with daemon.connect() as connection:
        stored(connection)
        before = connection.call("stats")
        connection.call("near", {"text": "Something that nobody has ever said."})
        after = connection.call("stats")
    same = ("span_lookups", "span_hits", "span_misses", "spans_encoded", "store_entries", "prompt_tokens")
    assert {name: before[name] for name in same} == {name: after[name] for name in same}


def test_what_was_put_a_moment_ago_is_found(connection):
    for text in ("One more span.", "And another one."):
        connection.call("encode", {"text": text})
        assert connection.call("near", {"text": text, "k": 1})["spans"][0]["nearest"][0]["cosine"] == 1


def test_an_empty_store_has_nothing_near(connection):
    reply = connection.call("near", {"text": "Hello."})
    assert reply["scanned"] == 0 and all(span["nearest"] == [] for span in reply["spans"])


def test_latents_of_another_encoder_are_passed_over(make_daemon):
    with make_daemon(arguments=["--model", SHIPPED]).connect() as connection:
        of_tiny = stored(connection, "tiny")
        of_shipped = stored(connection, "islet-8-s")
        reply = connection.call("near", {"text": "The King", "k": 100, "model": "islet-8-s"})
        assert reply["scanned"] == len(of_tiny) + len(of_shipped)
        assert {place["key"] for place in reply["spans"][0]["nearest"]} == set(of_shipped)


def test_stores_of_16_bit_latents_are_searched_as_well(make_daemon):
    with make_daemon(arguments=["--latent-type", "f16"]).connect() as connection:
        connection.call("encode", {"text": TEXT})
        found = connection.call("near", {"text": "The King had golden hair.", "k": 3})["spans"][0]["nearest"]
        assert found[0]["cosine"] == 1 and found[1]["cosine"] < 1


def test_survives_a_restart(daemon):
    with daemon.connect() as connection:
        before = connection.call("encode", {"text": TEXT}) and connection.call("near", {"text": "A fox"})["spans"]
    daemon.restart()
    with daemon.connect() as connection:
        assert connection.call("near", {"text": "A fox"})["spans"] == before


def test_searches_and_prompts_at_once(daemon):
    with daemon.connect() as connection, daemon.connect_wire() as wire:
        stored(connection)
        alone = generate(connection, "Why?")["text"]
        ids = [wire.send("near", {"text": "The King had golden hair."}) for _ in range(20)]
        assert generate(connection, "Why?")["text"] == alone
        replies = [wire.receive() for _ in ids]
    assert sorted(reply[1] for reply in replies) == ids
    assert {reply[3]["spans"][0]["nearest"][0]["text"] for reply in replies} == {"The King had golden hair."}


def test_shutdown_finishes_searches(daemon):
    with daemon.connect() as connection:
        stored(connection)
    with daemon.connect_wire() as wire:
        ids = [wire.send("near", {"text": "The King"}) for _ in range(5)]
        wire.send("shutdown")
        replies = [wire.receive() for _ in range(6)]
    assert {reply[1] for reply in replies if reply[2] is None} >= set(ids)
    assert daemon.wait() == 0


@pytest.mark.parametrize("parameters, name, word", [
    ({}, "bad_parameter", "text"),
    ({"text": ""}, "bad_parameter", "text"),
    ({"text": "x", "k": 0}, "bad_parameter", "k"),
    ({"text": "x", "k": 101}, "bad_parameter", "100"),
    ({"text": "x", "n": 1}, "bad_parameter", "\"n\""),
    ({"text": "A word. " * 100}, "bad_parameter", "64"),
    ({"text": "x", "model": "tiny-llama"}, "bad_parameter", "islet"),
    ({"text": "x", "model": "nobody"}, "unknown_model", "nobody"),
], ids=str)
def test_bad_input_says_what_is_wrong(make_daemon, parameters, name, word):
    with make_daemon(arguments=["--model", LLAMA]).connect() as connection:
        with pytest.raises(Error) as failure:
            connection.call("near", parameters)
        assert failure.value.name == name and word in failure.value.message


def test_command(daemon):
    with daemon.connect() as connection:
        stored(connection)
    run = run_ctl("near", "-k", "2", "The King had golden hair.", socket=daemon.socket)
    assert run.returncode == 0 and "1.0000" in run.stdout and "looked at" in run.stderr and "\x1b" not in run.stdout
    run = run_ctl("--json", "near", "--nearest", "1", "-", socket=daemon.socket, input="The King had golden hair.")
    assert len(json.loads(run.stdout)["spans"][0]["nearest"]) == 1
    assert run_ctl("near", "-k", "many", "x", socket=daemon.socket).returncode == 2
    assert run_ctl("near", "", socket=daemon.socket).returncode == 1
