"""Rows on computing: encoding, decoding, and the operations of a request."""

import time
from dataclasses import astuple
from pathlib import Path

from . import machine, programs
from .daemon import ask, expect_warm, prompt_of
from .prompting import cached_question, length_note
from .rows import measured

# The products of one encoder layer of width 256: query, key, value and output; gate and up; down.
ENCODER_SHAPES = [(256, 256)] * 4 + [(704, 256)] * 2 + [(256, 704)]
ANSWER_TOKENS = 64   # of a stream whose decoding is measured
ASKED_TOGETHER = 32  # questions, while looking for such as have long answers
TRIES = 32           # as many questions may be asked for one that is wanted
RAPL = Path("/sys/class/powercap/intel-rapl:0/energy_uj")


def sgemm_rate(bench):
    """Of one encoder layer's products, each as fast as OpenBLAS has it here."""
    rates = programs.sgemm_rates(bench.build, machine.field("/proc/cpuinfo", "flags").split())
    operations = {shape: 2 * shape[0] * shape[1] for shape in ENCODER_SHAPES}
    return sum(operations[shape] for shape in ENCODER_SHAPES) / sum(operations[shape] / rates[shape] for shape in ENCODER_SHAPES)


def encode_mfu(bench):
    ours = []
    tokens = 4 * bench.document_tokens
    peer = [sgemm_rate(bench) / 1e9]
    with bench.daemon("--threads", 1) as daemon, daemon.connect() as connection:
        connection.call("encode", {"text": bench.text(tokens)})
        for _ in bench.repeat():
            result = connection.call("encode", {"text": bench.text(tokens)})
            ours.append(result["ops"]["encode"] / (result["timings"]["encode_ms"] / 1000) / 1e9)
    return [measured("encode_mfu", ours, peer, f"{result['usage']['span_misses']:,} spans at once")]


# --- decoding ---

def say_together(wire, document, questions):
    """Sends all questions at once; their receipts, in order."""
    ids = [wire.send("generate", {"segments": prompt_of([document], question), "max_tokens": ANSWER_TOKENS, "temperature": 0,
                                  "repetition_penalty": 1, "format": "text", "stream": False}) for question in questions]
    receipts = {}
    while len(receipts) < len(ids):
        message = wire.receive()
        if message is None or message[2] is not None:
            raise OSError(f"generate: {message and message[2]}")
        receipts[message[1]] = message[3]
    return [receipts[id] for id in ids]


def is_full(receipt):
    return receipt["usage"]["completion_tokens"] == ANSWER_TOKENS


def lasting_questions(bench, document, count):
    """Questions whose answers the model does not end early, since a stream that is over leaves the others with less to
    share. Found by another daemon: to the one that is measured their answers will be new."""
    found = []
    with bench.daemon() as scout, scout.connect_wire() as wire:
        for tried in range(0, TRIES * count, ASKED_TOGETHER):
            bench.progress(f"looking for long answers: {len(found)} of {count}")
            questions = [bench.question() for _ in range(ASKED_TOGETHER)]
            found += [question for question, receipt in zip(questions, say_together(wire, document, questions)) if is_full(receipt)]
            if len(found) >= count:
                return found[:count]
    raise OSError(f"of {tried + ASKED_TOGETHER} answers only {len(found)} have {ANSWER_TOKENS} tokens: too few to measure decoding")


def decoding_rate(connection, wire, document, questions):
    """Tokens a second of all answers together, from the first token that any of them says to the end of the last. When
    the first token was said is the daemon's word, since a client that is late to hear it would shorten the time."""
    for question in questions:
        connection.call("encode", {"text": question})
    began = time.perf_counter()
    receipts = say_together(wire, document, questions)
    taken = time.perf_counter() - began - min(receipt["timings"]["ttft_ms"] for receipt in receipts) / 1000
    if not all(map(is_full, receipts)):
        raise OSError("an answer was shorter than the same one before")
    return (ANSWER_TOKENS * len(questions) - 1) / taken


def decode_rates(bench, streams):
    """Samples of ours and of llama.cpp, and the tokens of the prompt. Every answer is a new one, so its spans are encoded."""
    ours, peer = [], []
    document = bench.text(bench.document_tokens - ANSWER_TOKENS)
    questions = lasting_questions(bench, document, streams * bench.repetitions)
    with bench.daemon() as daemon, daemon.connect() as connection, daemon.connect_wire() as wire:
        tokens = ask(connection, [document], bench.question()).prompt_tokens
        for n in bench.repeat():
            ours.append(decoding_rate(connection, wire, document, questions[n * streams:(n + 1) * streams]))
            peer.append(bench.llama(lambda llama: llama.decode(tokens, streams, ANSWER_TOKENS)))
    return ours, peer, tokens


def decode(bench, id, streams):
    ours, peer, tokens = decode_rates(bench, streams)
    return [measured(id, ours, peer, f"{ANSWER_TOKENS} tokens each, behind a prompt of {tokens:,}")]


def decode_1(bench):
    return decode(bench, "decode_1", 1)


def decode_32(bench):
    return decode(bench, "decode_32", 32)


# --- energy ---

def joules():
    """Of the processor since some time in the past; None where the machine does not tell."""
    try:
        return int(RAPL.read_text()) / 1e6
    except OSError:
        return None


def operations(answer):
    return sum(astuple(answer.result.receipt.ops))


def joules_of(bench, action):
    """Of one action, over as many as are measured."""
    before = joules()
    for _ in bench.repeat():
        action()
    after = joules()
    return None if before is None or after is None else (after - before) / bench.repetitions


def energy(bench):
    """Operations are counted, so one request of each kind is enough; joules need more."""
    document, question = bench.document(), bench.question()
    models = [bench.model] + ([bench.peer_model] if bench.peer_model.exists() else [])
    with bench.daemon(models=models) as daemon, daemon.connect() as connection:
        cold = ask(connection, [document], question)
        warm = expect_warm(ask(connection, [document], cached_question(connection, bench)))
        details = {"cold_operations": operations(cold), "warm_operations": operations(warm),
                   "cold_joules": joules_of(bench, lambda: ask(connection, [bench.document()], bench.question())),
                   "warm_joules": joules_of(bench, lambda: ask(connection, [document], question))}
        peer = []
        if len(models) > 1:
            [name] = [model["name"] for model in connection.call("models")["models"] if not model["default"]]
            tokenwise = ask(connection, [document], question, model=name)
            peer = [operations(tokenwise) / 1e6]
            details["peer_joules"] = joules_of(bench, lambda: ask(connection, [document], question, model=name))
        else:
            bench.missing["the token-level model"] = f"there is no {bench.peer_model.name}"
    told = "joules as in the JSON" if details["warm_joules"] is not None else "RAPL is not readable here"
    return [measured("energy", [operations(warm) / 1e6], peer,
                     f"{length_note(warm)}; cold {operations(cold) / 1e6:,.0f} M; {told}", **details)]
