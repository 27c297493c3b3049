"""Rows on the store: its size, its speed at any size, what it keeps."""

from . import programs
from .rows import measured, middle

DIMENSION_OF_2_KIB = 1964  # numbers in a latent whose record, header, tokens and checksum included, has 2,048 bytes
PERCENT = 10


def bytes_per_token(bench):
    """All files of a store after many documents, over their tokens: what LMDB costs is included."""
    documents = 20 if bench.quick else 400
    tokens = 0
    with bench.daemon() as daemon:
        with daemon.connect() as connection:
            for n in range(documents):
                bench.progress(f"document {n + 1} of {documents}")
                tokens += connection.call("encode", {"text": bench.document()})["usage"]["prompt_tokens"]
        daemon.stop()
        ours = sum(512 * file.stat().st_blocks for file in daemon.store.iterdir()) / tokens
    peer = bench.llama(lambda llama: llama.save(bench.document_tokens) / bench.document_tokens)
    return [measured("bytes_per_token", [ours], [peer], f"{tokens:,} tokens stored")]


def beside_lmdb(result, pattern):
    """How fast the store was asked by a pattern, in thousands a second, and how many times as fast as LMDB."""
    ours, lmdb = middle(result[f"store_{pattern}"]), middle(result[f"lmdb_{pattern}"])
    return f"{ours / 1000:,.0f}, {ours / lmdb:.1f} times LMDB"


def lookup(bench):
    spans, lookups = (5_000, 50_000) if bench.quick else (100_000, 1_000_000)
    result = programs.lookup(bench.build, bench.folder() / "store", spans, DIMENSION_OF_2_KIB, lookups, bench.repetitions)
    return [measured("lookup", [rate / 1000 for rate in result["store"]], [rate / 1000 for rate in result["lmdb"]],
                     f"{spans:,} spans, {result['record_bytes']:,} bytes each, asked for at random; documents in their order: "
                     f"{beside_lmdb(result, 'documents')}; a few again and again, from memory: {beside_lmdb(result, 'hot')}", **result)]


def scale(bench):
    """The store at each size, asked for documents as a prompt asks; then a daemon starts on it."""
    sizes = [10**4, 10**6] if bench.quick else [10**4, 10**6, 10**7]
    rates, details = {}, {}
    for spans in sizes:
        bench.progress(f"{spans:,} spans")
        daemon = bench.daemon("--budget", "64G")
        result = programs.lookup(bench.build, daemon.store, spans, bench.model_info["width"], 200_000, bench.repetitions)
        rates[spans] = [rate / 1000 for rate in result["store_documents"]]
        details[f"spans_{spans}"] = {
            **result, "bytes_per_span": sum(512 * file.stat().st_blocks for file in daemon.store.iterdir()) / spans,
            "start_seconds": daemon.start()}
        daemon.stop()
        for file in daemon.store.iterdir():  # at once: the next size may need the room
            file.unlink()
    smallest, largest = details[f"spans_{sizes[0]}"], details[f"spans_{sizes[-1]}"]
    at_random = middle(largest["store"]) / middle(smallest["store"])
    note = f"{sizes[-1]:,} spans against {sizes[0]:,}, documents in their order, {beside_lmdb(largest, 'documents')}; single spans " \
           f"at random: {at_random:.2f} of the smallest (LMDB {middle(largest['lmdb']) / middle(smallest['lmdb']):.2f}); " \
           f"{largest['bytes_per_span']:.0f} bytes a span, daemon ready after {1000 * largest['start_seconds']:.0f} ms"
    if bench.quick:
        note += "; the target is for 10,000,000, which a quick run leaves out"
    return [measured("scale", rates[sizes[-1]], rates[sizes[0]], note, counts=not bench.quick, **details)]


def hit_rates(bench, percent):
    """What the store and LRU, twice, make of a trace: `ours`, `lru`, `lru_with_as_many` in per cent of requests; and the counts."""
    requests = 200_000 if bench.quick else 5_000_000  # a dozen for each of its spans, so that most are not first ones
    result = programs.hit_rate(bench.build, bench.folder(), bench.model_info["width"], percent, requests)
    rates = {name: 100 * result[count] / requests
             for name, count in (("ours", "hits"), ("lru", "lru_hits"), ("lru_with_as_many", "lru_hits_with_as_many"))}
    return rates, result


def hit_rate(bench):
    """One run: eviction decides alike each time, but for where groups of the writer end."""
    rates, counts = hit_rates(bench, PERCENT)
    note = f"{counts['requests']:,} requests for {counts['distinct']:,} spans; LRU with as many spans as ours held " \
           f"({counts['held']:,} of {counts['lru_room']:,}): {rates['lru_with_as_many']:.1f} %"
    return [measured("hit_rate", [rates["ours"]], [rates["lru"]], note, **counts)]
