"""What latentd exists for: encode once, reuse from anywhere, for ever."""

import signal
import time

import pytest

from conftest import SECOND, SHIPPED, TINY, generate, run_ctl

import json

PROMPT = "Explain why leaves change color in autumn, focusing on chlorophyll breakdown and environmental triggers."
DOCUMENT = ("The King had a wife with golden hair. She was so beautiful, that no one was like her! It happened that she fell "
            "ill: she sent for the King. He promised her this, and she closed her eyes.")


def generate_by_command(daemon, prompt, *options):
    """From a client process of its own."""
    run = run_ctl("generate", "--json", "--temperature", "0", "--max-tokens", "24", *options, prompt, socket=daemon.socket)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout.splitlines()[-1])


def assert_cold(reply):
    assert reply["usage"]["span_misses"] > 0
    assert reply["ops"]["encode"] > 0


def assert_warm(reply, cold):
    assert reply["usage"]["span_hits"] == reply["usage"]["prompt_spans"] == cold["usage"]["prompt_spans"]
    assert reply["usage"]["span_misses"] == 0
    assert reply["ops"]["encode"] == 0
    assert all("tier" in span and "miss" not in span for span in reply["spans"])
    assert reply["text"] == cold["text"]


def test_second_time_from_another_process(make_daemon):
    daemon = make_daemon(model=SHIPPED)
    cold = generate_by_command(daemon, PROMPT)
    assert_cold(cold)
    assert_warm(generate_by_command(daemon, PROMPT), cold)


def test_after_restart(make_daemon):
    daemon = make_daemon(model=SHIPPED)
    cold = generate_by_command(daemon, PROMPT)
    daemon.restart()
    warm = generate_by_command(daemon, PROMPT)
    assert_warm(warm, cold)
    assert {span["tier"] for span in warm["spans"]} == {"disk"}


def test_what_is_asked_for_often_is_kept_in_memory(make_daemon):
    """After it was read from disk twice; an empty --memory never does it."""
    for memory, expected in (("16M", "memory"), ("0", "disk")):
        daemon = make_daemon(arguments=("--memory", memory))
        with daemon.connect() as connection:
            connection.call("encode", {"text": DOCUMENT})
        daemon.restart()
        with daemon.connect() as connection:
            for tier in ("disk", "disk", expected, expected):
                reply = connection.call("encode", {"text": DOCUMENT})
                assert {span["tier"] for span in reply["spans"]} == {tier}
            stats = connection.call("stats")
        assert (stats["store_in_memory"] > 0) == (memory != "0")


def test_after_kill_one_second_after_the_reply(make_daemon):
    daemon = make_daemon(model=SHIPPED)
    cold = generate_by_command(daemon, PROMPT)
    time.sleep(1)
    daemon.restart(signal.SIGKILL)
    assert_warm(generate_by_command(daemon, PROMPT), cold)


@pytest.mark.parametrize("type", ["i8", "f16"])
def test_warm_equals_cold_for_many_prompts(make_daemon, type):
    """A fresh latent is rounded as a stored one is. No states: all is mixed again, from what was stored."""
    prompts = [f"{PROMPT} Number {number}: what falls, and why?" for number in range(20)]
    with make_daemon(arguments=("--latent-type", type, "--states", "0")).connect() as connection:
        cold = [generate(connection, prompt)["text"] for prompt in prompts]
        assert [generate(connection, prompt)["text"] for prompt in prompts] == cold


def test_another_latent_type_encodes_anew(make_daemon):
    """Answers never depend on what an earlier daemon stored."""
    daemon = make_daemon(arguments=("--latent-type", "f16"))
    with daemon.connect() as connection:
        assert_cold(generate(connection, PROMPT))
    daemon.arguments = ["--latent-type", "i8"]
    daemon.restart()
    with daemon.connect() as connection:
        cold = generate(connection, PROMPT)
        assert_cold(cold)
        assert_warm(generate(connection, PROMPT), cold)


def test_answer_is_the_same_with_a_seed_and_differs_with_another(connection):
    def text(seed):
        return generate(connection, PROMPT, temperature=1, seed=seed)["text"]

    assert text(5) == text(5)
    assert text(5) != text(6)


def test_document_hits_at_another_place(connection):
    first = connection.call("generate", {"segments": [{"role": "document", "text": DOCUMENT},
                                                      {"role": "user", "text": "Who fell ill?"}], "max_tokens": 1})
    assert first["usage"]["span_hits"] == 0
    keys = [span["key"] for span in first["spans"]]
    second = connection.call("generate", {"segments": [{"role": "document", "text": "Another text comes first, now."},
                                                       {"role": "user", "text": "What came first?"},
                                                       {"role": "document", "text": DOCUMENT}], "max_tokens": 1})
    hits = {span["key"] for span in second["spans"] if "tier" in span}
    content = [span["key"] for span in first["spans"] if not span["text"].startswith("<|")]
    assert set(content) - {keys[-1]} & hits
    spans_of_document = connection.call("encode", {"text": DOCUMENT})["spans"]
    assert all("tier" in span for span in spans_of_document)
    assert {span["key"] for span in spans_of_document} <= hits


def test_document_pasted_as_a_paragraph_hits(connection):
    alone = connection.call("encode", {"text": DOCUMENT})
    assert alone["usage"]["span_misses"] == alone["usage"]["prompt_spans"]
    pasted = connection.call("encode", {"text": f"Please read this.\n\n{DOCUMENT}\n\nWhat happened then?"})
    hits = {span["key"] for span in pasted["spans"] if "tier" in span}
    assert {span["key"] for span in alone["spans"]} <= hits


def test_a_repeated_span_is_encoded_once(connection):
    reply = connection.call("encode", {"text": "The same words again. " * 6})
    outcomes = [span.get("tier") or span.get("miss") for span in reply["spans"]]
    distinct = {span["key"] for span in reply["spans"]}
    assert outcomes.count("new") == len(distinct) < len(outcomes)
    assert outcomes.count("joined") == len(outcomes) - len(distinct)


def test_one_word_edit_keeps_most_spans(connection):
    text = " ".join(f"In the year {year}, the King built a bridge, and the people were glad." for year in range(30))
    before = connection.call("encode", {"text": text})
    after = connection.call("encode", {"text": text.replace("year 15, the King", "year 15, the Queen")})
    assert before["usage"]["prompt_spans"] > 60
    assert 1 <= after["usage"]["span_misses"] <= 8


def test_two_models_with_one_encoder_share(make_daemon, tmp_path):
    """The fingerprint covers what makes latents, not the name or the other parts of a model."""
    twin = tmp_path / "twin.gguf"
    data = bytearray(SHIPPED.read_bytes())
    name = data.index(b"islet-8-s")
    data[name:name + 9] = b"islet-8-t"
    twin.write_bytes(data)
    daemon = make_daemon(model=SHIPPED, arguments=["--model", twin])
    with daemon.connect() as connection:
        cold = generate(connection, PROMPT)
        warm = generate(connection, PROMPT, model="islet-8-t")
        assert warm["model"] == "islet-8-t"
        assert_warm(warm, cold)


def test_small_budget_evicts_and_says_so(make_daemon):
    daemon = make_daemon(model=SHIPPED, arguments=["--budget", "16M"])
    with daemon.connect() as connection:
        first = connection.call("encode", {"text": "A first sentence, which will have to go."})
        for batch in range(200):
            text = " ".join(f"{batch * 500 + number} is a number." for number in range(500))
            connection.call("encode", {"text": text})
            if connection.call("stats")["evictions"]:
                break
        else:
            pytest.fail("nothing was evicted")
        again = connection.call("encode", {"text": "A first sentence, which will have to go."})
        stats = connection.call("stats")
    assert first["usage"]["span_hits"] == 0
    assert {span["miss"] for span in again["spans"] if "miss" in span} == {"evicted"}
    assert stats["store_bytes"] <= stats["store_budget_bytes"] == 16 << 20
    assert stats["store_write_failures"] == 0


def test_another_model_with_the_same_encoder_hits(make_daemon):
    daemon = make_daemon(model=SHIPPED, arguments=("--model", SECOND))
    request = {"segments": [{"role": "document", "text": DOCUMENT}, {"role": "user", "text": PROMPT}],
               "temperature": 0, "max_tokens": 1}
    with daemon.connect() as connection:
        names = [model["name"] for model in connection.call("models")["models"]]
        assert_cold(connection.call("generate", {**request, "model": names[0]}))
        reply = connection.call("generate", {**request, "model": names[1]})
    assert reply["usage"]["span_hits"] == reply["usage"]["prompt_spans"]
    assert reply["ops"]["encode"] == 0
    assert reply["usage"]["restored_spans"] == 0, "latents are shared, what a model makes of them is not"


def test_a_model_with_another_encoder_misses(make_daemon):
    daemon = make_daemon(model=SHIPPED, arguments=("--model", TINY))
    with daemon.connect() as connection:
        names = [model["name"] for model in connection.call("models")["models"]]
        for name in names:
            assert_cold(connection.call("generate", {"prompt": PROMPT, "model": name, "max_tokens": 1}))


def test_a_span_of_another_encoder_is_no_new_one(make_daemon, tmp_path):
    """Also after a restart without the other model: the store remembers whose latents it has."""
    twin = tmp_path / "twin.gguf"  # queries and keys of the encoder's first layer have changed places
    query, key, data = b"encoder.blk.0.attn_q.weight", b"encoder.blk.0.attn_k.weight", TINY.read_bytes()
    assert data.count(query) == data.count(key) == data.count(b"tiny") == 1
    twin.write_bytes(data.replace(query, b"?" * len(key)).replace(key, query).replace(b"?" * len(key), key).replace(b"tiny", b"twin"))
    daemon = make_daemon()
    with daemon.connect() as connection:
        connection.call("encode", {"text": DOCUMENT})
    daemon.model = twin
    daemon.restart()
    with daemon.connect() as connection:
        reply = connection.call("encode", {"text": DOCUMENT + " And then?"})
        assert {span.get("miss") for span in reply["spans"][:-2]} == {"encoder"} and reply["spans"][-1]["miss"] == "new"
        assert connection.call("stats")["misses_encoder"] >= len(reply["spans"]) - 2
        again = connection.call("encode", {"text": DOCUMENT})
        assert again["usage"]["span_misses"] == 0
