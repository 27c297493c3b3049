"""Scoring a text: bits per byte, the same whatever else goes on, and for files of any length."""

import json
import math

import pytest

from conftest import ROOT, generate, run_ctl
from latentd import Error

LLAMA = ROOT / "tests" / "vectors" / "tiny-llama.gguf"
TEXT = "The King had a wife with golden hair. She fell ill, and sent for the King.\n\nHe promised her this."


@pytest.fixture
def both(make_daemon):
    return make_daemon(arguments=["--model", LLAMA])


@pytest.mark.parametrize("model", ["tiny", "tiny-llama"])
def test_a_random_model_is_about_as_good_as_guessing(both, model):
    with both.connect() as connection:
        score = connection.call("score", {"text": TEXT, "model": model})
    assert score["bytes"] == len(TEXT.encode()) and score["pieces"] == 1 and score["model"] == model
    assert score["bits_per_byte"] == pytest.approx(score["nats"] / math.log(2) / score["bytes"])
    assert 0.5 * math.log(384) < score["nats"] / score["tokens"] < 3 * math.log(384)


def test_the_second_time_hits_and_says_the_same(both):
    with both.connect() as connection:
        cold = connection.call("score", {"text": TEXT * 20})
        encoded = connection.call("stats")["spans_encoded"]
        warm = connection.call("score", {"text": TEXT * 20})
        assert connection.call("stats")["spans_encoded"] == encoded
    assert cold["ops"]["encode"] > 0 and warm["ops"]["encode"] == 0
    assert warm["nats"] == cold["nats"] and warm["tokens"] == cold["tokens"]


@pytest.mark.parametrize("model", ["tiny", "tiny-llama"])
def test_long_texts_are_scored_in_pieces(both, model):
    with both.connect() as connection:
        context = next(entry for entry in connection.call("models")["models"] if entry["name"] == model)["trained_tokens"]
        long = connection.call("score", {"text": "Once upon a time there was a king. " * 80, "model": model})
        assert long["pieces"] == math.ceil(long["tokens"] / (context - 1)) > 1
        assert generate(connection, "The King", model=model)["usage"]["completion_tokens"] > 0


def test_generation_beside_it_is_not_held_up_to_its_end(both):
    with both.connect_wire() as wire:
        scoring = wire.send("score", {"text": TEXT * 2000})
        generating = wire.send("generate", {"prompt": "The King", "max_tokens": 3})
        answered = []
        while len(answered) < 2:
            message = wire.receive()
            if message[0] == 1:
                assert message[2] is None
                answered.append(message[1])
        assert answered == [generating, scoring]


@pytest.mark.parametrize("model", ["tiny", "tiny-llama"])
def test_segments_are_scored_together(both, model):
    segments = [{"role": "document", "text": "The King had a wife with golden hair."},
                {"role": "user", "text": "What kind of hair?"}, {"role": "answer", "text": "golden hair"}]
    with both.connect() as connection:
        score = connection.call("score", {"segments": segments, "model": model})
        alone = connection.call("score", {"segments": segments[:1], "model": model})
        as_text = connection.call("score", {"text": segments[0]["text"], "model": model})
    assert [part["role"] for part in score["segments"]] == ["document", "user", "answer"]
    assert [part["bytes"] for part in score["segments"]] == [len(segment["text"]) for segment in segments]
    for key in ("bytes", "tokens", "nats"):
        assert score[key] == pytest.approx(sum(part[key] for part in score["segments"]))
    assert score["segments"][0]["nats"] == alone["nats"] == as_text["nats"], "what follows changes nothing"


def test_command_scores_files_longer_than_a_request(both, tmp_path):
    file = tmp_path / "long.txt"
    file.write_text("".join(f"Line {number} says that the King had a wife.\n" for number in range(14000)))
    assert file.stat().st_size > 512 << 10
    run = run_ctl("score", "--json", file, socket=both.socket)
    assert run.returncode == 0, run.stderr
    score = json.loads(run.stdout)
    assert score["bytes"] == file.stat().st_size and score["tokens"] > 0
    with both.connect() as connection:
        start = connection.call("score", {"text": file.read_text()[:100000]})
    assert score["bits_per_byte"] == pytest.approx(start["bits_per_byte"], rel=0.05)
    human = run_ctl("score", "--model", "tiny-llama", "-", socket=both.socket, input=TEXT)
    assert human.returncode == 0 and "bits per byte under tiny-llama" in human.stdout


def test_bad_input(both, tmp_path):
    with both.connect() as connection:
        for parameters, named in (({}, "text"), ({"text": ""}, "text"), ({"text": "x", "prompt": "y"}, "prompt"),
                                  ({"text": "x", "segments": []}, "both"),
                                  ({"segments": [{"role": "judge", "text": "x"}]}, "answer")):
            with pytest.raises(Error) as failure:
                connection.call("score", parameters)
            assert failure.value.name == "bad_parameter" and named in failure.value.message
        with pytest.raises(Error) as failure:
            connection.call("score", {"text": "x", "model": "nobody"})
        assert failure.value.name == "unknown_model"
        with pytest.raises(Error) as failure:
            connection.call("score", {"segments": [{"role": "document", "text": "word " * 400}]})
        assert failure.value.name == "context_exceeded"
    missing = run_ctl("score", tmp_path / "missing.txt", socket=both.socket)
    assert missing.returncode == 1 and "missing.txt: No such file" in missing.stderr
    empty = run_ctl("score", "-", socket=both.socket, input="")
    assert empty.returncode == 1 and "empty" in empty.stderr
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe\x00")
    refused = run_ctl("score", binary, socket=both.socket)
    assert refused.returncode == 1 and "UTF-8" in refused.stderr
