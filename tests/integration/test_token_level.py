"""A token-level model served beside a latent one: the same requests, no spans."""

import pytest

from conftest import ROOT, generate
from latentd import Error

LLAMA = ROOT / "tests" / "vectors" / "tiny-llama.gguf"


@pytest.fixture
def both(make_daemon):
    with make_daemon(arguments=["--model", LLAMA]).connect() as connection:
        yield connection


def test_generates_without_spans(both):
    first = generate(both, "The King had a wife.", model="tiny-llama", max_tokens=12)
    again = generate(both, "The King had a wife.", model="tiny-llama", max_tokens=12)
    assert first["model"] == "tiny-llama" and first["text"] == again["text"]
    assert first["usage"]["prompt_tokens"] > 0 and first["usage"]["prompt_spans"] == 0 and first["spans"] == []
    assert first["ops"]["decode"] > 0
    assert first["ops"]["encode"] == first["ops"]["refine"] == first["ops"]["mix"] == 0


def test_a_longer_prompt_costs_more_in_every_repetition(both):
    short = generate(both, "The King.", model="tiny-llama", max_tokens=1)
    long = generate(both, "The King had a wife with golden hair. " * 4, model="tiny-llama", max_tokens=1)
    again = generate(both, "The King had a wife with golden hair. " * 4, model="tiny-llama", max_tokens=1)
    assert long["ops"] == again["ops"] and long["ops"]["decode"] > 2 * short["ops"]["decode"]


def test_context_is_kept_to(both):
    with pytest.raises(Error) as failure:
        generate(both, "word " * 400, model="tiny-llama")
    assert failure.value.name == "context_exceeded" and "320" in failure.value.message


def test_makes_no_latents(both):
    assert [model["architecture"] for model in both.call("models")["models"]] == ["islet", "llama"]
    assert both.call("models")["models"][1]["encoder_fingerprint"] is None
    for method, parameters in (("encode", {"text": "x"}), ("latent.get", {"keys": ["00" * 32]})):
        with pytest.raises(Error) as failure:
            both.call(method, {"model": "tiny-llama", **parameters})
        assert failure.value.name == "bad_parameter" and "no encoder" in failure.value.message
