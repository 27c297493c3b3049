"""The form of a row: what was measured, on both sides, and whether it is what was aimed at."""

from dataclasses import asdict, dataclass, field
from statistics import median

LESS, MORE = "less", "more"  # what is better


@dataclass(frozen=True)
class Kind:
    """What a row is about. `least`: the ratio aimed at; `most`: the figure of ours that is aimed at, also set by the row
    itself where it follows from what is measured. With neither the row only reports."""
    what: str
    unit: str
    better: str
    peer: str | None = None
    least: float | None = None
    most: float | None = None


KINDS = {
    "ttft_warm": Kind("time to first token: document asked about before, new question, all latents cached", "ms", LESS,
                      "llama.cpp prefill", least=50),
    "ttft_warm_restart": Kind("the same, as the first request after a restart", "ms", LESS, "llama.cpp prefill", least=50),
    "ttft_repeat": Kind("time to first token: the same prompt again", "ms", LESS, "llama.cpp, saved state loaded from disk", least=2),
    "ttft_shuffle": Kind("time to first token: 8 cached documents in a new order", "ms", LESS, "llama.cpp prefill", least=50),
    "ttft_cold": Kind("time to first token: nothing cached", "ms", LESS, "llama.cpp prefill", least=2),
    "growth": Kind("time to first token of the longest prompt, warm, over that of one a sixteenth as long", "times", LESS, most=1.5),
    "encode_mfu": Kind("operations a second while encoding, one thread", "GFLOP/s", MORE, "OpenBLAS sgemm", least=0.75),
    "decode_1": Kind("tokens a second, 1 stream", "tokens/s", MORE, "llama.cpp", least=2),
    "decode_32": Kind("tokens a second of 32 streams together", "tokens/s", MORE, "llama.cpp, 32 sequences in a batch", least=8),
    "energy": Kind("operations of a warm request", "M", LESS, "the token-level model, cold"),
    "edit": Kind("operations to serve a document after a one-word edit, against serving it cold", "%", LESS, most=3),
    "bytes_per_token": Kind("bytes on disk for a prompt's token", "bytes", LESS, "llama.cpp saved state", least=60),
    "lookup": Kind("spans a second through the store, records of 2 KiB", "1,000/s", MORE, "mdb_get + copy", least=0.8),
    "scale": Kind("lookups a second in the largest store", "1,000/s", MORE, "the smallest store", least=0.5),
    "hit_rate": Kind("hit rate on a Zipf trace, budget 10 % of the data", "%", MORE, "LRU with room for 10 % of the spans", least=1.05),
    "share": Kind("latents a second for another process, batches of 128", "1,000/s", MORE, "Redis, pipelined MGET", least=1.5),
    "clients": Kind("256 connections repeating warm prompts: p99 over p50 of the response time", "times", LESS, most=5),
    "memory": Kind("resident set, idle (aim: weights + 32 MiB)", "MiB", LESS, "llama.cpp in Node.js, two contexts"),
    "memory_connection": Kind("resident set for an idle connection, of 256", "KiB", LESS, most=64),
}


@dataclass
class Row:
    id: str
    what: str
    unit: str
    ours: float
    peer_name: str | None
    peer: float | None
    ratio: float | None  # above 1: ours is better
    target: str
    met: bool | None     # None: nothing was aimed at, or the peer is missing, or `note` says why it does not count
    note: str = ""
    repetitions: int = 1
    details: dict = field(default_factory=dict)

    def as_map(self):
        return asdict(self)

    @property
    def verdict(self):
        if self.met is not None:
            return "met" if self.met else "missed"
        return "reported" if self.target == "reported" else "not counted"


def middle(samples):
    """The median; of a side that is missing, nothing."""
    present = [sample for sample in samples if sample is not None]
    return median(present) if present else None


def measured(id, ours, peer=(), note="", most=None, counts=True, **details):
    """A row of its samples. `counts` is false where the run was too small for the target, which `note` then says."""
    kind = KINDS[id]
    our_middle, peer_middle = middle(ours), middle(peer)
    ratio = None
    if peer_middle is not None:
        ratio = peer_middle / our_middle if kind.better == LESS else our_middle / peer_middle
    most = kind.most if most is None else most
    target, met = "reported", None
    if kind.least is not None:
        target = f"≥ {kind.least:g}"
        met = None if ratio is None else ratio >= kind.least
    elif most is not None:
        target = f"≤ {most:.4g} {kind.unit}"
        met = our_middle <= most
    if kind.peer and peer_middle is None:
        met = None  # half of a row is not a row, also where the aim is a limit
    return Row(id, kind.what, kind.unit, our_middle, kind.peer, peer_middle, ratio, target, met if counts else None, note,
               len(ours), {**details, "ours_samples": list(ours), "peer_samples": list(peer)})
