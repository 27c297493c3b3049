"""Explain: what is counted is what a real prompt costs, and showing it disturbs nothing."""

import json
import re

import pytest
from conftest import ROOT, generate, run_ctl
from latentd import Error

LLAMA = ROOT / "tests" / "vectors" / "tiny-llama.gguf"
PROMPT = "The King had golden hair. He said: no one else!"
DOCUMENT = "The sea is cold and deep. Ships sail on it, far from the land."
STAGES = ("encode", "refine", "mix", "decode")
LONG = "The old man walked to the market, and there he sold his horse for a bag of beans. " * 60


@pytest.fixture
def both(make_daemon):
    with make_daemon(arguments=["--model", LLAMA]).connect() as connection:
        yield connection


def ops(run, part):
    return {stage["stage"]: stage["operations"] for stage in run[part] if stage["stage"] in STAGES}


def whole(run):
    """Operations of prompt and answer together, as the receipt of generate has them."""
    prompt, answer = ops(run, "prompt"), ops(run, "answer")
    return {stage: prompt.get(stage, 0) + answer.get(stage, 0) for stage in STAGES}


def stage(run, name, part="prompt"):
    return next(stage for stage in run[part] if stage["stage"] == name)


def segments(*texts):
    return [{"role": "document", "text": text} for text in texts[:-1]] + [{"role": "user", "text": texts[-1]}]


# --- counts ---

@pytest.mark.parametrize("prompt", [{"prompt": PROMPT}, {"prompt": "Hi"}, {"segments": segments(DOCUMENT, PROMPT)},
                                    {"segments": segments(DOCUMENT * 4, DOCUMENT, PROMPT)}], ids=len)
def test_counts_are_those_that_the_kernels_report_of_the_prompt(make_daemon, prompt):
    explained = {}
    with make_daemon(arguments=["--states", "0"]).connect() as connection:
        for tokens in (1, 32):
            explained[tokens] = connection.call("explain", {**prompt, "max_tokens": tokens})
    with make_daemon(arguments=["--states", "0"]).connect() as connection:  # nothing mixed before: warm as explain means it
        cold, warm, first_long, long = [
            connection.call("generate", {**prompt, "temperature": 0, "max_tokens": tokens, "stream": False}) for tokens in (1, 1, 32, 32)]
    assert ops(explained[1]["runs"]["cold"], "prompt") == cold["ops"] and cold["ops"]["encode"] > 0
    assert ops(explained[1]["runs"]["warm"], "prompt") == warm["ops"] and warm["ops"]["encode"] == 0
    assert whole(explained[32]["runs"]["warm"]) == long["ops"]
    assert explained[32]["answer"]["text"] == first_long["text"] == long["text"] and explained[32]["answer"]["same"]
    assert explained[1]["runs"]["cold"]["operations"] == sum(cold["ops"].values())


def test_token_level_counts_are_those_of_the_token_level_model(both):
    run = both.call("explain", {"prompt": PROMPT})["runs"]["token_level"]
    reply = generate(both, PROMPT, model="tiny-llama", max_tokens=32)
    assert run["model"] == "tiny-llama" and run["measured"] and run["reason"] is None
    assert sum(whole(run).values()) == reply["ops"]["decode"]
    assert run["answer_tokens"] in (reply["usage"]["completion_tokens"], reply["usage"]["completion_tokens"] - 1)
    tokens = reply["usage"]["prompt_tokens"]
    assert stage(run, "decode")["matrix"] == {"queries": tokens, "keys": tokens, "entries": tokens ** 2}
    assert stage(run, "decode")["mlp_calls_per_layer"] == tokens and run["first_token_ms"] > 0


def test_stages_of_a_prompt(connection):
    reply = connection.call("explain", {"segments": segments(DOCUMENT, PROMPT)})
    cold, warm = reply["runs"]["cold"], reply["runs"]["warm"]
    lengths = [span["tokens"] for span in reply["spans"]]
    tokens, spans = sum(lengths), len(lengths)
    assert "".join(span["text"] for span in reply["spans"]) == f"<|doc|>{DOCUMENT}<|user|>{PROMPT}<|answer|>"
    assert [token["text"] for token in reply["tokens"]][0] == "<|doc|>" and len(reply["tokens"]) == tokens
    assert stage(cold, "tokenize")["objects"] == tokens and stage(cold, "lookup")["objects"] == spans
    assert stage(cold, "encode")["objects"] == tokens
    assert stage(cold, "encode")["matrix"]["entries"] == sum(length ** 2 for length in lengths)
    assert stage(cold, "mix")["matrix"] == {"queries": spans, "keys": spans, "entries": spans ** 2}
    places = [i for i, span in enumerate(reply["spans"]) if span["text"] in ("<|doc|>", "<|user|>", "<|answer|>")]
    sizes = [end - start for start, end in zip(places, [*places[1:], spans])]
    assert stage(cold, "refine")["matrix"]["entries"] == sum(size ** 2 for size in sizes)
    assert stage(warm, "encode")["objects"] == stage(warm, "encode")["operations"] == 0
    assert stage(warm, "lookup")["bytes"] > 0 and warm["spans_found"] == spans and cold["spans_found"] == 0
    assert {name: stage(warm, name)["operations"] for name in STAGES[1:]} == {
        name: stage(cold, name)["operations"] for name in STAGES[1:]}


def test_without_a_token_level_model_its_column_is_counted_and_says_so(connection):
    run = connection.call("explain", {"prompt": PROMPT})["runs"]["token_level"]
    assert run["measured"] is False and run["model"] is None and "no token-level model" in run["reason"]
    assert run["first_token_ms"] is None and run["token_ms"] is None
    assert all(stage["ms"] is None for stage in run["prompt"] + run["answer"])
    assert run["operations"] > 0 and abs(run["parameters"] / 100_000 - 1) < 0.05


def test_a_prompt_that_is_too_long_for_the_token_level_model_is_counted(both):
    run = both.call("explain", {"prompt": "word " * 74})["runs"]["token_level"]
    assert run["measured"] is False and "context" in run["reason"] and run["first_token_ms"] is None


def test_a_token_level_model_with_another_vocabulary_is_not_compared_with(make_daemon):
    with make_daemon(model=ROOT / "model" / "islet-8-s.gguf", arguments=["--model", LLAMA]).connect() as connection:
        run = connection.call("explain", {"prompt": PROMPT})["runs"]["token_level"]
    assert run["measured"] is False and "with this vocabulary" in run["reason"]


def test_projection_is_counted(connection):
    rows = connection.call("explain", {"prompt": PROMPT})["projection"]
    assert [(row["cut"], row["span_tokens"], row["objects"], row["matrix_entries"]) for row in rows] == [
        ("token_level", 0, 2048, 2048 ** 2), ("fixed", 8, 256, 256 ** 2), ("fixed", 32, 64, 64 ** 2)]
    assert all(row["measured"] is False and row["warm_ms"] is None for row in rows)
    assert rows[0]["warm_operations"] > rows[1]["warm_operations"] > rows[2]["warm_operations"]


def test_projection_is_run(both):
    rows = both.call("explain", {"prompt": PROMPT, "measure": LONG})["projection"]
    at_2048, at_context = rows[:4], rows[4:]
    assert [(row["cut"], row["span_tokens"], row["measured"]) for row in at_2048] == [
        ("token_level", 0, False), ("fixed", 8, True), ("fixed", 32, False), ("content", 0, True)]
    assert [(row["tokens"], row["measured"]) for row in at_context] == [(320, True), (320, True), (320, False), (320, True)]
    assert at_context[0]["model"] == "tiny-llama" and at_context[1]["model"] == "tiny"
    assert all((row["cold_ms"] is not None and row["cold_ms"] >= row["warm_ms"] > 0) == row["measured"] for row in rows)


# --- nothing is disturbed ---

def test_explain_is_counted_as_one_prompt(daemon):
    with daemon.connect() as connection:
        first = connection.call("explain", {"prompt": PROMPT})
        once = connection.call("stats")
        again = connection.call("explain", {"prompt": PROMPT})
        twice = connection.call("stats")
    spans = first["usage"]["prompt_spans"] + first["usage"]["completion_spans"]
    assert once["span_lookups"] == spans and once["spans_encoded"] == once["span_misses"] == once["store_entries"]
    assert twice["span_lookups"] == 2 * spans and twice["spans_encoded"] == once["spans_encoded"]
    assert twice["store_entries"] == once["store_entries"]
    assert once["prompt_tokens"] == first["usage"]["prompt_tokens"] and twice["prompt_tokens"] == 2 * once["prompt_tokens"]
    assert all("miss" in span for span in first["spans"]) and all("tier" in span for span in again["spans"])
    assert again["usage"]["restored_spans"] == again["usage"]["prompt_spans"]
    assert first["runs"]["cold"]["operations"] == again["runs"]["cold"]["operations"], "cold is cold with a full cache, too"
    assert first["kept"]["latents"] == once["store_entries"]


def test_explain_measures_without_a_trace(daemon):
    with daemon.connect() as connection:
        connection.call("explain", {"prompt": PROMPT})
        before = connection.call("stats")
        connection.call("explain", {"prompt": PROMPT, "measure": LONG})
        after = connection.call("stats")
    assert after["store_entries"] == before["store_entries"] and after["spans_encoded"] == before["spans_encoded"]


def test_others_are_served_meanwhile(daemon):
    with daemon.connect_wire() as wire, daemon.connect() as other:
        alone = generate(other, DOCUMENT)["text"]
        explaining = [wire.send("explain", {"prompt": f"{PROMPT} {n}", "measure": LONG}) for n in range(3)]
        assert generate(other, DOCUMENT)["text"] == alone
        replies = [wire.receive() for _ in explaining]
    assert sorted(reply[1] for reply in replies) == explaining and all(reply[3]["answer"]["same"] for reply in replies)


def test_cancel(wire):
    id = wire.send("explain", {"segments": segments(DOCUMENT * 2, PROMPT), "max_tokens": 200, "measure": LONG})
    cancelling = wire.send("cancel", {"id": id})
    messages = {message[1]: message for message in (wire.receive(), wire.receive())}
    assert messages[cancelling][3] == {"cancelled": True} and messages[id][2]["name"] == "cancelled"
    assert wire.response(wire.send("stats"))[1]["running"] == 0


def test_shutdown_answers_it(daemon):
    with daemon.connect_wire() as wire:
        id = wire.send("explain", {"prompt": PROMPT})
        wire.send("shutdown")
        error, result = wire.response(id)
    assert error is None and result["answer"]["same"]
    assert daemon.wait() == 0


# --- bad input ---

@pytest.mark.parametrize("parameters, name, word", [
    ({}, "bad_parameter", "exactly one of prompt and segments"),
    ({"prompt": ""}, "bad_parameter", "prompt"),
    ({"prompt": "x", "segments": segments("x")}, "bad_parameter", "exactly one"),
    ({"prompt": "x", "temperature": 0}, "bad_parameter", "temperature"),
    ({"prompt": "x", "max_tokens": 0}, "bad_parameter", "max_tokens"),
    ({"prompt": "x", "max_tokens": 257}, "bad_parameter", "256"),
    ({"prompt": "x", "measure": True}, "bad_parameter", "measure"),
    ({"prompt": "x", "measure": "Too short."}, "bad_parameter", "2080"),
    ({"prompt": "x", "model": "tiny-llama"}, "bad_parameter", "islet"),
    ({"prompt": "x", "model": "nobody"}, "unknown_model", "nobody"),
    ({"prompt": "word " * 400}, "context_exceeded", "tokens"),
], ids=str)
def test_bad_input_says_what_is_wrong(both, parameters, name, word):
    with pytest.raises(Error) as failure:
        both.call("explain", parameters)
    assert failure.value.name == name and word in failure.value.message
    assert both.call("ping") == {"pong": True}


# --- latentctl ---

def page(daemon, *arguments, input=None):
    run = run_ctl("explain", *arguments, socket=daemon.socket, input=input)
    assert run.returncode == 0, run.stderr
    return run.stdout


@pytest.mark.parametrize("arguments", [[PROMPT], ["Hi"], ["--measure", PROMPT], ["\x1b[31m\u009b\n\t\"quoted\" é 漢字"]], ids=len)
def test_page_fits_100_columns_and_has_no_escapes(make_daemon, arguments):
    text = page(make_daemon(arguments=["--model", LLAMA]), *arguments)
    assert max(len(line) for line in text.splitlines()) <= 100
    assert "\x1b" not in text and "\u009b" not in text and not re.search(r"[ \t]$", text, re.MULTILINE)
    for word in ("1 TOKENS", "2 SPANS", "3 TO THE FIRST TOKEN", "4 EACH FURTHER TOKEN", "5 WHAT STAYS", "6 AT 2,048 TOKENS",
                 "2,048² = 4,194,304", "256² = 65,536", "64² = 4,096"):
        assert word in text


def test_page_of_a_long_prompt_is_short(make_daemon, tmp_path):
    (tmp_path / "long.txt").write_text(LONG[:3000])
    daemon = make_daemon(model=ROOT / "model" / "islet-8-s.gguf")
    text = page(daemon, "--file", tmp_path / "long.txt", "-", input="Who sold the horse?\n")
    assert "more spans …" in text and "more\n" in text and len(text.splitlines()) < 110
    assert max(len(line) for line in text.splitlines()) <= 100
    assert "counted, not run" in text
    assert "All " in page(daemon, "--file", tmp_path / "long.txt", "Who sold the horse?")


def test_json_is_one_object(daemon):
    run = run_ctl("--json", "explain", "--measure", PROMPT, socket=daemon.socket)
    assert run.returncode == 0 and len(run.stdout.splitlines()) == 1
    reply = json.loads(run.stdout)
    assert set(reply) == {"model", "tokens", "spans", "usage", "answer", "rounds", "runs", "kept", "projection"}
    assert reply["projection"][1]["measured"]


def test_failures_of_the_command(daemon, tmp_path):
    run = run_ctl("--json", "explain", "", socket=daemon.socket)
    assert run.returncode == 1 and json.loads(run.stdout)["name"] == "bad_parameter"
    (tmp_path / "bad.txt").write_bytes(b"\xff\xfe")
    run = run_ctl("explain", "--file", tmp_path / "bad.txt", "Why?", socket=daemon.socket)
    assert run.returncode == 1 and "UTF-8" in run.stderr
    assert run_ctl("explain", "--file", tmp_path / "missing", "Why?", socket=daemon.socket).returncode == 1
    assert run_ctl("generate", "--measure", "Why?", socket=daemon.socket).returncode == 2
