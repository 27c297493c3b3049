"""Every configuration, all the way: a few steps of training on a small corpus, the model file, and the daemon serving it."""

import json
import lzma
import random

import pytest
import torch
from islet import export, training
from islet.config import MODEL_FOLDER, load_config
from islet.corpus import CORPORA
from islet.daemon import Daemon, segments_of
from islet.models import build

CONFIGURATIONS = sorted(path.stem for path in (MODEL_FOLDER / "configs").glob("*.toml") if path.stem != "ablations")
STEPS = 3
EXAMPLE = [("<|user|>", "What is said of it?"), ("<|answer|>", "Nothing that anybody would know.")]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Corpora of made-up words, enough of them for the largest vocabulary."""
    folder, chance = tmp_path_factory.mktemp("corpora"), random.Random(1)
    words = ["".join(chance.choice("bcdfghklmnprstvw") + chance.choice("aeiou") for _ in range(chance.randint(1, 5)))
             for _ in range(12000)]

    def text(length):
        return " ".join(chance.choice(words) + chance.choice(["", "", "", "", ",", ".", "\n"]) for _ in range(length))

    for corpus in CORPORA:
        for middle in ("", ".valid"):
            ending = "jsonl" if corpus in ("qa", "instruct") else "txt"
            with lzma.open(folder / f"{corpus}{middle}.{ending}.xz", "wt", encoding="utf-8") as file:
                for _ in range(60):
                    if corpus == "qa":
                        file.write(json.dumps(dict(context=text(200), question=text(10), answer=text(5))) + "\n")
                    elif corpus == "instruct":
                        file.write(json.dumps(dict(prompt=text(20), response=text(80))) + "\n")
                    else:
                        file.write(text(400) + "\n<|endoftext|>\n")
    return folder


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory):
    """model/run of these tests; tokenizers are made once for all of them."""
    return tmp_path_factory.mktemp("model")


def small(name):
    """The configuration with short training: one row a step, from chance where it goes on from a file of another vocabulary."""
    config = load_config(name)
    changes = {"train.batch": 1, "train.at_once": 1, "train.tokens": STEPS * config.model.context, "train.start": "", "train.encoder": ""}
    return load_config(name, changes)


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_trains_resumes_exports_and_is_served(name, data, run_folder, monkeypatch):
    monkeypatch.setattr(training, "MODEL_FOLDER", run_folder)
    monkeypatch.setattr(export, "MODEL_FOLDER", run_folder)
    monkeypatch.setattr(training, "VALIDATION_TOKENS", load_config(name).model.context)
    config = small(name)
    folder = run_folder / "run" / config.model.name
    run = training.Run(config, data, folder).train()
    assert run.seen == config.train.tokens
    assert 0 < run.history[-1]["train"] < 20
    assert training.Run(config, data, folder).seen == run.seen

    file = run_folder / f"{name}.gguf"
    export.export_model(config, file)
    with Daemon([file]) as daemon:
        by_daemon = daemon.call("score", {"segments": segments_of(EXAMPLE)})
    assert by_daemon["tokens"] > 5
    assert 1 < by_daemon["nats"] / by_daemon["tokens"] < 20


def nats_of_example(file):
    with Daemon([file]) as daemon:
        return daemon.call("score", {"segments": segments_of(EXAMPLE)})["nats"]


@pytest.mark.parametrize("name", ["islet-8-s", "tokenwise-s"])
def test_q8_0_takes_half_the_bytes_and_says_nearly_the_same(name, run_folder):
    config = small(name)
    torch.manual_seed(1)
    model = build(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.01)  # nothing is zero any more
    tokenizer = export.load_tokenizer(run_folder / "run" / f"tokens-{config.vocabulary}" / "tokenizer.model")
    whole, packed = run_folder / "whole.gguf", run_folder / "packed.gguf"
    export.write_model(whole, config, model, tokenizer)
    export.write_model(packed, config, model, tokenizer, "q8_0")
    assert packed.stat().st_size < 0.65 * whole.stat().st_size  # rows of 920 numbers stay as they were
    assert nats_of_example(packed) == pytest.approx(nats_of_example(whole), rel=0.01)
    for name, tensor in export.stored_tensors(packed).items():
        error = (tensor - export.stored_tensors(whole)[name]).abs().max() if tensor.dim() == 2 else 0
        assert error <= tensor.abs().max() / 254 + 1e-3, name


@pytest.mark.parametrize("name", ["islet-8-s", "tokenwise-s"])
def test_training_goes_on_from_a_model_file(name, run_folder):
    config = small(name)
    model = build(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.01)
    tokenizer = export.load_tokenizer(run_folder / "run" / f"tokens-{config.vocabulary}" / "tokenizer.model")
    export.write_model(run_folder / "start.gguf", config, model, tokenizer)
    again = build(config)
    export.start_from(again, run_folder / "start.gguf")
    for (name, one), other in zip(model.named_parameters(), again.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4, msg=name)
