"""Rows on computing: encoding, decoding, and the operations of a request."""

import time
from pathlib import Path

from . import machine, programs
from .daemon import ask, expect_warm, prompt_of
from .prompting import cached_question, length_note
from .rows import measured

# The products of one encoder layer of width 256: query, key, value and output; gate and up; down.
ENCODER_SHAPES = [(256, 256)] * 4 + [(704, 256)] * 2 + [(256, 704)]
ANSWER_TOKENS = 64  # of a stream whose decoding is measured
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

def say_together(connection, document, questions):
    """Tokens a second of all answers together, from the first token that any of them says to the end of the last. When
    the first token was said is the daemon's word, since a client that is late to hear it would shorten the time."""
    began, said, first = time.perf_counter(), 0, []
    ids = {connection.send("generate", {"segments": prompt_of([document], question), "max_tokens": ANSWER_TOKENS, "temperature": 0,
                                        "repetition_penalty": 1, "format": "text"}) for question in questions}
    while ids:
        message = connection.receive()
        if message is None or (message[0] == 1 and message[2] is not None):
            raise OSError(f"generate: {message and message[2]}")
        if message[0] == 1:
            ids.remove(message[1])
            first.append(message[3]["timings"]["ttft_ms"] / 1000)
            said += message[3]["usage"]["completion_tokens"]
    taken = time.perf_counter() - began - min(first)
    if said < ANSWER_TOKENS * len(questions) / 2:
        raise OSError(f"{len(questions)} answers ended after {said} tokens: too few to measure decoding")
    return (said - 1) / taken


def decode_rates(bench, streams):
    """Samples of ours and of llama.cpp, and the tokens of the prompt. Every answer is a new one, so its spans are encoded."""
    ours, peer = [], []
    document = bench.text(bench.document_tokens - ANSWER_TOKENS)
    with bench.daemon() as daemon, daemon.connect() as connection:
        tokens = ask(connection, [document], bench.question()).prompt_tokens
        for _ in bench.repeat():
            ours.append(say_together(connection, document, [cached_question(connection, bench) for _ in range(streams)]))
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
    return sum(answer.result["ops"].values())


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
