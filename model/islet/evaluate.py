"""What a model is worth, measured through the daemon: bits per byte of every validation file, answers to questions over a
passage, names recalled from far back, what reuse costs and saves, and samples. Models named together are measured on the same
texts, and the first is what the others are compared with."""

import collections
import json
import re
import sys

import numpy as np
from latentd import ContextExceededError

from . import agreement, reuse, samples
from .corpus import CORPORA, read_examples
from .daemon import Daemon, segments_of

QUESTIONS = 200
DISTANCES = (100, 500, 900)  # tokens between a name and the question for it
TRIALS = 50
NAMES = ("Alice", "Robert", "Martha", "Edward", "Helen", "George", "Rose", "Henry", "Emma", "Peter")


def show_progress(text):
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def score_corpus(daemon, model, data, corpus):
    """Sums over all examples of a validation file. Examples longer than the context are left out and counted."""
    sums = collections.Counter()
    for number, example in enumerate(read_examples(data, corpus, "valid")):
        text = {"text": example[0][1]} if len(example) == 1 else {"segments": segments_of(example)}
        try:
            score = daemon.call("score", {"model": model, **text})
        except ContextExceededError:
            sums["left_out"] += 1
            continue
        sums.update(bytes=score["bytes"], tokens=score["tokens"], nats=score["nats"])
        if len(example) > 1:
            answer = score["segments"][-1]
            sums.update(answer_bytes=answer["bytes"], answer_nats=answer["nats"])
        show_progress(f"{model}: {corpus}, {number + 1} examples")
    result = {"bytes": sums["bytes"], "tokens": sums["tokens"], "left_out": sums["left_out"],
              "bits_per_byte": bits(sums["nats"], sums["bytes"])}
    if sums["answer_bytes"]:
        result["answer_bits_per_byte"] = bits(sums["answer_nats"], sums["answer_bytes"])
    return result


def bits(nats, count):
    return nats / np.log(2) / count


def words(text):
    return re.findall(r"\w+", text.lower())


def f1(answer, expected):
    """Of the words of both, as SQuAD counts (arXiv 1606.05250)."""
    found, wanted = collections.Counter(words(answer)), collections.Counter(words(expected))
    shared = sum((found & wanted).values())
    return 2 * shared / (sum(found.values()) + sum(wanted.values())) if shared else 0.0


def answer(daemon, model, document, question):
    reply = daemon.call("generate", {
        "model": model, "temperature": 0, "max_tokens": 48, "stream": False,
        "segments": [{"role": "document", "text": document}, {"role": "user", "text": question}]})
    return reply["text"]


def answer_questions(daemon, model, data):
    """Mean F1 of greedy answers to the first questions of the validation file, all over passages beyond any window."""
    scores = []
    for (_, passage), (_, question), (_, expected) in read_examples(data, "qa", "valid"):
        if len(scores) == QUESTIONS:
            break
        try:
            scores.append(f1(answer(daemon, model, passage, question), expected))
        except ContextExceededError:
            pass
        show_progress(f"{model}: questions, {len(scores)} of {QUESTIONS}")
    return {"questions": len(scores), "f1": float(np.mean(scores))}


def filler(daemon, model, data, tokens):
    """Validation prose of at most so many tokens, and nearly as many, that holds none of the names."""
    for (_, text), in read_examples(data, "textbook", "valid"):
        chosen, length = [], 0
        for sentence in re.split(r"(?<=\.) ", text):
            if any(name in sentence for name in NAMES):
                continue
            length += daemon.call("score", {"model": model, "text": sentence})["tokens"]
            if length > tokens:
                return " ".join(chosen)
            chosen.append(sentence)
    raise ValueError(f"no validation document has {tokens} tokens")


def recall_names(daemon, model, data):
    """How often the name that a document began with is given when asked for, by distance: five orders of the prose between for each of ten
    names. Chance is one in ten or less."""
    result = {}
    for distance in DISTANCES:
        sentences = filler(daemon, model, data, distance).split(". ")
        right = 0
        for trial in range(TRIALS):
            name = NAMES[trial % len(NAMES)]
            start = trial // len(NAMES)
            turned = ". ".join(sentences[start:] + sentences[:start])
            document = f"The name of the child in this story is {name}. {turned}"
            reply = answer(daemon, model, document, "What is the name of the child in this story?")
            right += name.lower() in words(reply)
            show_progress(f"{model}: names, {distance} tokens back, {trial + 1} of {TRIALS}")
        result[str(distance)] = right / TRIALS
    return result


def evaluate(models, data):
    with Daemon(models) as daemon:
        names = [entry["name"] for entry in daemon.call("models")["models"]]
        results = {name: {
            "bits_per_byte": {corpus: score_corpus(daemon, name, data, corpus) for corpus in CORPORA},
            "questions": answer_questions(daemon, name, data),
            "names": recall_names(daemon, name, data),
            "reuse": reuse.measure(daemon, name, data),
            "samples": samples.answers(daemon, name),
            "operations": reuse.operations(file, data),
            "agreement": agreement.agreement(daemon, name, file, data),
        } for name, file in zip(names, models)}
    show_progress("")
    return results


def print_tables(results):
    names = list(results)
    print("| bits per byte | " + " | ".join(names) + " |\n|---|" + "---|" * len(names))
    for corpus in CORPORA:
        cells = [f"{results[name]['bits_per_byte'][corpus]['bits_per_byte']:.4f}" for name in names]
        print(f"| {corpus} | " + " | ".join(cells) + " |")
    means = [np.mean([entry["bits_per_byte"] for entry in results[name]["bits_per_byte"].values()]) for name in names]
    print("| mean of the files | " + " | ".join(f"{mean:.4f}" for mean in means) + " |")
    for name, mean in list(zip(names, means))[1:]:
        print(f"\n{name} against {names[0]}: {100 * (mean / means[0] - 1):+.1f} % in the mean")
    print("\n| answers | " + " | ".join(names) + " |\n|---|" + "---|" * len(names))
    print("| F1 over passages | " + " | ".join(f"{results[name]['questions']['f1']:.3f}" for name in names) + " |")
    for distance in DISTANCES:
        cells = [f"{results[name]['names'][str(distance)]:.2f}" for name in names]
        print(f"| name given back, {distance} tokens | " + " | ".join(cells) + " |")
    agreement.print_agreement({name: results[name]["agreement"] for name in names})
    reuse.print_reuse(results)
    samples.print_samples({name: results[name]["samples"] for name in names})


def run(models, data, output):
    results = evaluate(models, data)
    print_tables(results)
    if output:
        with open(output, "w") as file:
            json.dump(results, file, indent=1)
            file.write("\n")
