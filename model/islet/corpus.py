"""Corpora: read the xz files, train the tokenizer on them, and keep their tokens as arrays.

An example is a list of segments, each starting with a control token that says what it is:
    document:     <|doc|> text </s>
    instruction:  <|user|> prompt   <|answer|> response </s>
    question:     <|doc|> context   <|user|> question   <|answer|> answer </s>
The same control tokens stand in the model file as its prompt format, and the daemon applies them."""

import json
import lzma
import sys
from pathlib import Path

import numpy as np
import sentencepiece

DOCUMENT, USER, ANSWER = "<|doc|>", "<|user|>", "<|answer|>"
CORPORA = ("stories", "books", "wiki", "textbook", "qa", "instruct")
SEPARATOR = "<|endoftext|>"


def read_examples(data, corpus, part):
    """Yields the examples of one corpus as lists of (control token, text). part: 'train' or 'valid'."""
    middle = "" if part == "train" else ".valid"
    ending = "jsonl" if corpus in ("qa", "instruct") else "txt"
    path = Path(data) / f"{corpus}{middle}.{ending}.xz"
    with lzma.open(path, "rt", encoding="utf-8") as file:
        if ending == "txt":
            for text in file.read().split(f"\n{SEPARATOR}\n"):
                text = text.removesuffix(SEPARATOR).strip("\n")
                if text:
                    yield [(DOCUMENT, text)]
            return
        for line in file:
            entry = json.loads(line)
            if corpus == "qa":
                yield [(DOCUMENT, entry["context"]), (USER, entry["question"]), (ANSWER, entry["answer"])]
            else:
                yield [(USER, entry["prompt"]), (ANSWER, entry["response"])]


def train_tokenizer(data, vocabulary, folder):
    """BPE with byte fallback; newline and paragraph break are tokens of their own."""
    text = Path(folder) / "tokenizer-text.txt"
    with open(text, "w", encoding="utf-8") as file:
        for corpus in CORPORA:
            for example in read_examples(data, corpus, "train"):
                for _, part in example:
                    file.write(part + "\n")
    sentencepiece.SentencePieceTrainer.train(
        input=str(text), model_prefix=str(Path(folder) / "tokenizer"), model_type="bpe", vocab_size=vocabulary,
        byte_fallback=True, character_coverage=1.0, normalization_rule_name="identity", add_dummy_prefix=False,
        remove_extra_whitespaces=False, split_digits=True, user_defined_symbols=["\n", "\n\n"],
        control_symbols=[DOCUMENT, USER, ANSWER], bos_id=1, eos_id=2, unk_id=0, pad_id=-1,
        input_sentence_size=400_000, shuffle_input_sentence=True, max_sentence_length=100_000, num_threads=2,
        minloglevel=1)
    text.unlink()


def load_tokenizer(path):
    return sentencepiece.SentencePieceProcessor(model_file=str(path))


def encode_example(tokenizer, example):
    """A list of token lists, one a segment; the last segment ends in the end token."""
    segments = [[tokenizer.piece_to_id(control)] + tokenizer.encode(text) for control, text in example]
    segments[-1].append(tokenizer.eos_id())
    return segments


def tokenize_corpora(data, tokenizer, folder):
    """Writes FOLDER/{corpus}.{part}.npz: tokens (uint16), segment lengths, segments per example."""
    for corpus in CORPORA:
        for part in ("train", "valid"):
            path = Path(folder) / f"{corpus}.{part}.npz"
            if path.exists():
                continue
            tokens, lengths, segments, size = [], [], [], 0
            for example in read_examples(data, corpus, part):
                encoded = encode_example(tokenizer, example)
                size += sum(len(text.encode()) for _, text in example)
                segments.append(len(encoded))
                for segment in encoded:
                    lengths.append(len(segment))
                    tokens.append(np.array(segment, dtype=np.uint16))
            tokens = np.concatenate(tokens)
            np.savez(path, tokens=tokens, lengths=np.array(lengths), segments=np.array(segments))
            print(f"{corpus}.{part}: {len(segments):,} examples, {len(tokens):,} tokens, "
                  f"{size / len(tokens):.2f} bytes per token", file=sys.stderr)


def prepare(data, vocabulary, folder):
    """Tokenizer and token arrays under FOLDER, made once; returns the tokenizer."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "tokenizer.model").exists():
        print("training the tokenizer", file=sys.stderr)
        train_tokenizer(data, vocabulary, folder)
    tokenizer = load_tokenizer(folder / "tokenizer.model")
    tokenize_corpora(data, tokenizer, folder)
    return tokenizer
