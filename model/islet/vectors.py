"""Test vectors: what PyTorch computes for given texts, for the C tests to compare with.

The reference here walks span by span with the training model's own modules but none of its batching or chunked windows: one
row, one example, dense masks. It is the plain reading of the architecture, and the C code must agree with it.

tests/vectors holds: tiny.gguf, a small random model; NAME.json with cases, and NAME.latents.f32, NAME.logits.f32 beside it;
tiny-llama.* is a token-level model, whose cases have no spans."""

import dataclasses
import json

import numpy as np
import torch

from .config import MODEL_FOLDER, load_config
from .corpus import ANSWER, DOCUMENT, USER, load_tokenizer
from .export import as_stored, start_from, write_model
from .model import Islet
from .models import build
from .spans import cut, token_classes
from .tokenwise import Tokenwise

VECTORS = MODEL_FOLDER.parent / "tests" / "vectors"
WALKTHROUGH = ("Explain why leaves change color in autumn, focusing on chlorophyll breakdown and environmental "
               "triggers.")
CASES = [
    dict(segments=[(USER, WALKTHROUGH), (ANSWER, "")],
         continuation="Leaves are green, because of chlorophyll. In autumn it breaks down, and other pigments show."),
    dict(segments=[(DOCUMENT, "The King had a wife with golden hair.\n\nHe said: \"Make no one queen!\" Then she died."),
                   (USER, "What kind of hair did the wife have?"), (ANSWER, "")], continuation="golden hair"),
    dict(segments=[(DOCUMENT, "Once upon a time, there was a little car named Beep. Beep loved to go fast and play in the "
                              "sun. " * 6)], continuation="One day, Beep was driving in the park when he saw a big tree"),
]
TEXTS = ["", "a", "Hello, world!", " leading and  double   spaces ", "line\nline\n\nparagraph\n\n\nthree", "tabs\tand\r\n",
         "3.14159 2048 x 64", "naive cafe", "na\u00efve caf\u00e9 \u2014 \u4f60\u597d \U0001f642", "<|user|> </s> <0x41>",
         "don't \"quote\" (this): ok; yes?", WALKTHROUGH, "z" * 50, "\n", "\n\n\n\n"]


def tiny_config(vocabulary):
    base = load_config("islet-8-s")
    shape = dataclasses.replace(base.model, name="tiny", width=32, heads=2, feed_forward=48, mixer_layers=2, window=8, recall=24,
                                context=256, accepts=320)
    return dataclasses.replace(base, vocabulary=vocabulary, model=shape)


def randomise(model):
    """Random everywhere, so that no path is hidden behind a zero."""
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            parameter.copy_(1 + 0.2 * noise if name.endswith("gain") else noise * parameter.shape[-1] ** -0.5)


class Case:
    """One prompt and a continuation, cut as the daemon cuts them."""

    def __init__(self, case, config, tokenizer, classes):
        self.segments = case["segments"]
        pieces = [[tokenizer.piece_to_id(control)] + tokenizer.encode(text) for control, text in self.segments]
        self.prompt = sum(pieces, [])
        self.lengths = [len(piece) for piece in pieces]
        self.continuation = tokenizer.encode(case["continuation"])
        self.ends, start = [], 0
        for piece in pieces:
            self.ends += [start + end for end in cut(piece, classes, config.span.minimum, config.span.maximum)]
            start += len(piece)
        self.prompt_spans = len(self.ends)
        # The continuation belongs to the last segment, which its control token has closed; what it leaves open stays open.
        reach = cut(self.continuation, classes, config.span.minimum, config.span.maximum)
        if reach and not self._closes(self.continuation[reach[-2] if len(reach) > 1 else 0:], classes, config):
            reach.pop()
        self.ends += [len(self.prompt) + end for end in reach]

    @staticmethod
    def _closes(span, classes, config):
        return len(span) >= config.span.maximum or classes[span[-1]] >= 2 \
            or (classes[span[-1]] == 1 and len(span) >= config.span.minimum)


def reference(model, config, case):
    """Latents [spans, D] before rounding, and logits [1 + continuation, V]."""
    tokens = torch.tensor(case.prompt + case.continuation)[None]
    window, length = config.model.window, tokens.shape[1]
    padded = -(-length // window) * window
    starts = [0] + case.ends[:-1]
    slots = torch.zeros(1, len(case.ends), config.span.maximum, dtype=torch.long)
    lengths = torch.zeros(1, len(case.ends), dtype=torch.long)
    for s, (start, end) in enumerate(zip(starts, case.ends)):
        slots[0, s, :end - start] = tokens[0, start:end]
        lengths[0, s] = end - start
    segment_ends = np.cumsum(case.lengths)
    segment = torch.tensor([[min(int(np.searchsorted(segment_ends, start, side="right")), len(segment_ends) - 1)
                             for start in starts]])
    closed = torch.tensor([[sum(end <= t + 1 for end in case.ends) for t in range(padded)]])
    with torch.no_grad():
        raw = model.encode(slots, lengths)
        z = raw.half().float()
        r = model.refine(z, segment)
        one = torch.zeros(1, len(case.ends), dtype=torch.long)
        h = model.mix(r, one)
        row = torch.zeros(1, padded, dtype=torch.long)
        row[:, :length] = tokens
        logits = model.decode(row, torch.zeros_like(row), closed, z, h, one)
    return raw[0].numpy(), logits[0, len(case.prompt) - 1:length].numpy()


def write_vectors(name, model_file, model, config, tokenizer, positions=None):
    """positions: keep only the first so many of each case's continuation (logits are large)."""
    classes = token_classes(tokenizer)
    cases, latents, logits = [], [], []
    for entry in CASES:
        case = Case(entry, config, tokenizer, classes)
        if positions is not None:
            entry = dict(entry, continuation=tokenizer.decode(case.continuation[:positions]))
            case = Case(entry, config, tokenizer, classes)
        z, output = reference(model, config, case)
        cases.append(dict(
            segments=[dict(control=control, text=text) for control, text in case.segments], tokens=case.prompt,
            segment_lengths=case.lengths, prompt_spans=case.prompt_spans, span_ends=case.ends,
            continuation=case.continuation,
            latents=dict(file=f"{name}.latents.f32", offset=sum(x.size for x in latents), count=len(z)),
            logits=dict(file=f"{name}.logits.f32", offset=sum(x.size for x in logits), positions=len(output))))
        latents.append(z)
        logits.append(output)
    write_floats(f"{name}.latents.f32", latents)
    write_floats(f"{name}.logits.f32", logits)
    write_json(f"{name}.json", model_file, cases)
    write_json(f"{name}.tokenizer.json", model_file,
               [dict(text=text, tokens=tokenizer.encode(text)) for text in TEXTS])


def write_floats(name, arrays):
    np.concatenate([x.ravel() for x in arrays]).astype("<f4").tofile(VECTORS / name)


def write_json(name, model_file, cases):
    with open(VECTORS / name, "w") as file:
        json.dump(dict(model=model_file, cases=cases), file, indent=1)
        file.write("\n")


def write_llama_vectors(name, model_file, model, tokenizer, positions=None):
    """Logits of the cases' continuations by a token-level model, of the first `positions` tokens if that is given."""
    cases, logits = [], []
    for case in CASES:
        prompt = sum(([tokenizer.piece_to_id(control)] + tokenizer.encode(text) for control, text in case["segments"]), [])
        continuation = tokenizer.encode(case["continuation"])[:positions and positions - 1]
        tokens = torch.tensor(prompt + continuation)[None]
        with torch.no_grad():
            output = model.logits(tokens, torch.zeros_like(tokens))[0, len(prompt) - 1:].numpy()
        cases.append(dict(tokens=prompt, continuation=continuation, logits=dict(
            file=f"{name}.logits.f32", offset=sum(x.size for x in logits), positions=len(output))))
        logits.append(output)
    write_floats(f"{name}.logits.f32", logits)
    write_json(f"{name}.json", model_file, cases)


def write_tiny_llama(tokenizer):
    """Random, too. Its width is a power of four, so that folding sqrt(D) into the input table rounds nothing."""
    base = load_config("tokenwise-s")
    shape = dataclasses.replace(base.model, name="tiny-llama", width=64, heads=4, feed_forward=80, layers=2, context=256, accepts=320)
    config = dataclasses.replace(base, vocabulary=tokenizer.get_piece_size(), model=shape)
    model = Tokenwise(config)
    randomise(model)
    write_model(VECTORS / "tiny-llama.gguf", config, model, tokenizer)
    write_llama_vectors("tiny-llama", "tests/vectors/tiny-llama.gguf", as_stored(model), tokenizer)


def write_tiny():
    """A random model with a vocabulary of its own, trained on the cases' text, so that it stays small."""
    import sentencepiece
    folder = MODEL_FOLDER / "run" / "tiny"
    folder.mkdir(parents=True, exist_ok=True)
    text = folder / "text.txt"
    lines = [part for case in CASES for _, part in case["segments"]] + [case["continuation"] for case in CASES]
    text.write_text("\n".join(lines))
    sentencepiece.SentencePieceTrainer.train(
        input=str(text), model_prefix=str(folder / "tokenizer"), model_type="bpe", vocab_size=384, byte_fallback=True,
        character_coverage=1.0, normalization_rule_name="identity", add_dummy_prefix=False,
        remove_extra_whitespaces=False, split_digits=True, user_defined_symbols=["\n", "\n\n"],
        control_symbols=[DOCUMENT, USER, ANSWER], bos_id=1, eos_id=2, unk_id=0, pad_id=-1, minloglevel=2)
    tokenizer = load_tokenizer(folder / "tokenizer.model")
    config = tiny_config(tokenizer.get_piece_size())
    model = Islet(config)
    randomise(model)
    write_model(VECTORS / "tiny.gguf", config, model, tokenizer)
    write_vectors("tiny", "tests/vectors/tiny.gguf", as_stored(model), config, tokenizer)
    write_tiny_llama(tokenizer)


def write_shipped(name):
    config = load_config(name)
    model, tokenizer = build(config), load_tokenizer(MODEL_FOLDER / "run" / f"tokens-{config.vocabulary}" / "tokenizer.model")
    start_from(model, MODEL_FOLDER / f"{name}.gguf")
    if isinstance(model, Tokenwise):
        write_llama_vectors(name, f"model/{name}.gguf", as_stored(model), tokenizer, positions=8)
    else:
        write_vectors("shipped", f"model/{name}.gguf", as_stored(model), config, tokenizer, positions=8)
