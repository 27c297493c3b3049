"""What the plots show: each figure a function of one thing. A curve maps a name to a list of [x, y]."""

from .computing import decode_rates
from .daemon import ask
from .prompting import MILLISECONDS, cached_question, ready
from .rows import middle
from .storing import hit_rates

LENGTHS = [1 / 16, 1 / 8, 1 / 4, 1 / 2, 1]  # shares of the longest document
STREAMS = [1, 2, 4, 8, 16, 32]
PERCENTS = [5, 10, 20, 40]
TIMES = 8  # that one prompt is sent


def add(curves, name, x, samples):
    """A side that is missing adds nothing."""
    y = middle(samples)
    if y is not None:
        curves.setdefault(name, []).append([x, y])


def milliseconds(bench, action):
    seconds = bench.llama(action)
    return None if seconds is None else MILLISECONDS * seconds


def ttft_by_length(bench):
    """Milliseconds to the first token, against tokens of the prompt."""
    curves = {}
    for share in LENGTHS:
        cold, warm, repeated, prefill, restored = [], [], [], [], []
        with bench.daemon() as daemon, daemon.connect() as connection:
            ready(connection, bench)
            for _ in bench.repeat(f"document of {share:g}"):
                document, question = bench.document(share), cached_question(connection, bench)
                answer = ask(connection, [document], bench.question())
                cold.append(MILLISECONDS * answer.first_seconds)
                warm.append(MILLISECONDS * ask(connection, [document], question).first_seconds)
                repeated.append(MILLISECONDS * ask(connection, [document], question).first_seconds)
                tokens = answer.prompt_tokens
                prefill.append(milliseconds(bench, lambda llama: llama.prefill(tokens)))
                bench.llama(lambda llama: llama.save(tokens))
                restored.append(milliseconds(bench, lambda llama: llama.restore(tokens)))
        for name, samples in (("latentd, nothing cached", cold), ("latentd, new question", warm),
                              ("latentd, same prompt again", repeated), ("llama.cpp, prefill", prefill),
                              ("llama.cpp, saved state", restored)):
            add(curves, name, tokens, samples)
    return curves


def nth_repetition(bench):
    """Milliseconds to the first token of one prompt, against how often it was sent. llama.cpp reads it the first time and
    then loads its saved state, as the best that it can do across processes; or it reads it each time."""
    ours, prefill, restored = {n: [] for n in range(1, TIMES + 1)}, [], []
    with bench.daemon() as daemon, daemon.connect() as connection:
        ready(connection, bench)
        for seed in bench.repeat():
            document, question = bench.document(), bench.question()
            for n in ours:
                answer = ask(connection, [document], question)
                ours[n].append(MILLISECONDS * answer.first_seconds)
            tokens = answer.prompt_tokens
            prefill.append(milliseconds(bench, lambda llama: llama.prefill(tokens, seed)))
            bench.llama(lambda llama: llama.save(tokens, seed))
            restored.append(milliseconds(bench, lambda llama: llama.restore(tokens, seed)))
    curves = {}
    for n, samples in ours.items():
        add(curves, "latentd", n, samples)
        add(curves, "llama.cpp, prefill each time", n, prefill)
        add(curves, "llama.cpp, saved state", n, prefill if n == 1 else restored)
    return curves


def decode_by_streams(bench):
    """Tokens a second of all streams together, against streams."""
    curves = {}
    for streams in [1, 4] if bench.quick else STREAMS:
        ours, peer, _ = decode_rates(bench, streams)
        add(curves, "latentd", streams, ours)
        add(curves, "llama.cpp, one batch", streams, peer)
    return curves


def hit_rate_by_budget(bench):
    """Per cent of requests, against the budget in per cent of the data."""
    curves = {}
    for percent in PERCENTS:
        bench.progress(f"budget {percent} %")
        rates, _ = hit_rates(bench, percent)
        add(curves, "latentd (S3-FIFO)", percent, [rates["ours"]])
        add(curves, "LRU, as many spans as ours held", percent, [rates["lru_with_as_many"]])
        add(curves, "LRU, that share of the spans", percent, [rates["lru"]])
    return curves


CURVES = {"ttft-by-length": ttft_by_length, "nth-repetition": nth_repetition, "decode-by-streams": decode_by_streams,
          "hit-rate-by-budget": hit_rate_by_budget}
