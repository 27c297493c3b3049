"""Rows on the time to the first token, from sending a prompt. llama.cpp gets a prompt of exactly as many tokens, and is
called in its own process, so it has no socket to cross."""

import random

from .daemon import ask, expect_warm
from .rows import measured

DOCUMENTS = 8
GROWTH_TOKENS = 512, 8192
MILLISECONDS = 1000


def ready(connection, bench):
    """The engine's first work makes its scratch memory; nobody measures that."""
    ask(connection, [bench.text(100)], bench.question())


def cached_question(connection, bench):
    """A question that was never asked, whose latents are in the store."""
    question = bench.question()
    connection.call("encode", {"text": question})
    return question


def prefill(bench, answer, seed):
    """Milliseconds that llama.cpp takes for a prompt as long as the answered one."""
    seconds = bench.llama(lambda llama: llama.prefill(answer.prompt_tokens, seed))
    return None if seconds is None else MILLISECONDS * seconds


def length_note(answer):
    return f"prompt of {answer.prompt_tokens:,} tokens"


def ttft_warm(bench):
    return [warm(bench), warm_restart(bench)]


def warm(bench):
    ours, peer = [], []
    document = bench.document()
    with bench.daemon() as daemon, daemon.connect() as connection:
        ask(connection, [document], bench.question())
        for n in bench.repeat():
            answer = expect_warm(ask(connection, [document], cached_question(connection, bench)))
            ours.append(MILLISECONDS * answer.first_seconds)
            peer.append(prefill(bench, answer, n))
    return measured("ttft_warm", ours, peer, length_note(answer), restored_spans=answer.result.receipt.usage.restored_spans,
                    prompt_spans=answer.result.receipt.usage.prompt_spans)


def warm_restart(bench):
    ours, peer = [], []
    document = bench.document()
    with bench.daemon() as daemon:
        with daemon.connect() as connection:
            ask(connection, [document], bench.question())
            questions = [cached_question(connection, bench) for _ in range(bench.repetitions)]
        for n in bench.repeat("restart"):
            daemon.restart()
            with daemon.connect() as connection:
                answer = expect_warm(ask(connection, [document], questions[n]))
            ours.append(MILLISECONDS * answer.first_seconds)
            peer.append(prefill(bench, answer, n))
    return measured("ttft_warm_restart", ours, peer, length_note(answer))


def ttft_repeat(bench):
    ours, peer = [], []
    document, question = bench.document(), bench.question()
    with bench.daemon() as daemon, daemon.connect() as connection:
        answer = ask(connection, [document], question)
        bench.llama(lambda llama: llama.save(answer.prompt_tokens))
        for _ in bench.repeat():
            answer = expect_warm(ask(connection, [document], question))
            ours.append(MILLISECONDS * answer.first_seconds)
            seconds = bench.llama(lambda llama: llama.restore(answer.prompt_tokens))
            peer.append(None if seconds is None else MILLISECONDS * seconds)
    return [measured("ttft_repeat", ours, peer, length_note(answer))]


def ttft_shuffle(bench):
    ours, peer = [], []
    documents = [bench.document(1 / DOCUMENTS) for _ in range(DOCUMENTS)]
    order = random.Random(3)
    with bench.daemon() as daemon, daemon.connect() as connection:
        ask(connection, documents, bench.question())
        for n in bench.repeat():
            documents = documents[1:] + documents[:1]  # another one stands first, so nothing begins as it did
            first, *others = documents
            order.shuffle(others)
            answer = expect_warm(ask(connection, [first, *others], cached_question(connection, bench)))
            ours.append(MILLISECONDS * answer.first_seconds)
            peer.append(prefill(bench, answer, n))
    return [measured("ttft_shuffle", ours, peer, length_note(answer), restored_spans=answer.result.receipt.usage.restored_spans)]


def ttft_cold(bench):
    ours, peer = [], []
    with bench.daemon() as daemon, daemon.connect() as connection:
        ready(connection, bench)
        for n in bench.repeat():
            answer = ask(connection, [bench.document()], bench.question())
            ours.append(MILLISECONDS * answer.first_seconds)
            peer.append(prefill(bench, answer, n))
    return [measured("ttft_cold", ours, peer, length_note(answer))]


def growth(bench):
    short, long = (bench.text(bench.fitting_tokens(tokens)) for tokens in GROWTH_TOKENS)
    ratios, times = [], {"short_ms": [], "long_ms": []}
    with bench.daemon() as daemon, daemon.connect() as connection:
        for document in (short, long):
            ask(connection, [document], bench.question())
        for _ in bench.repeat():
            of_short = expect_warm(ask(connection, [short], cached_question(connection, bench)))
            of_long = expect_warm(ask(connection, [long], cached_question(connection, bench)))
            times["short_ms"].append(MILLISECONDS * of_short.first_seconds)
            times["long_ms"].append(MILLISECONDS * of_long.first_seconds)
            ratios.append(of_long.first_seconds / of_short.first_seconds)
    return [measured("growth", ratios, note=f"{of_long.prompt_tokens:,} tokens over {of_short.prompt_tokens:,}", **times)]
