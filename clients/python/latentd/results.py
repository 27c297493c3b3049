"""What the daemon's methods return, with the protocol's own names. proto/PROTOCOL.md says more of each."""

from __future__ import annotations

from dataclasses import dataclass

from .reading import inline


@dataclass(frozen=True)
class Span:
    """A span of a prompt: a few words that have one latent."""
    text: str
    """What its tokens say; control tokens by their names, U+FFFD where the span cuts a character in two."""
    tokens: int
    key: str
    """64 hexadecimal digits."""
    tier: str | None = None
    """Where its latent was found: "memory", "disk", "remote" (another daemon had encoded it) or "joined" (another request was
    just encoding it). None of a miss."""
    miss: str | None = None
    """Why it had to be encoded: "new", "evicted", "corrupt" or "expired". None of a hit."""
    latent: bytes | None = None
    """Of `encode` with `latents="spans"`: its numbers, float32, as `array("f", span.latent)` or `numpy.frombuffer` reads them."""

    @property
    def hit(self) -> bool:
        return self.miss is None


@dataclass(frozen=True)
class Usage:
    """Counts; 0 where a method has no such thing."""
    prompt_tokens: int = 0
    prompt_spans: int = 0
    span_hits: int = 0
    span_misses: int = 0
    restored_spans: int = 0
    """Of the prompt: mixed before, for a prompt that began alike."""
    refined_spans: int = 0
    """Of the others: of documents, whose refinement was stored."""
    completion_tokens: int = 0
    completion_spans: int = 0


@dataclass(frozen=True)
class Timings:
    """Milliseconds; 0 of stages that did not run."""
    ttft_ms: float = 0.0
    """To the first token."""
    tokenize_ms: float = 0.0
    lookup_ms: float = 0.0
    encode_ms: float = 0.0
    refine_ms: float = 0.0
    mix_ms: float = 0.0
    decode_ms: float = 0.0
    total_ms: float = 0.0


@dataclass(frozen=True)
class Operations:
    """Floating-point operations by stage; 0 of stages that did not run."""
    encode: int = 0
    refine: int = 0
    mix: int = 0
    decode: int = 0


@dataclass(frozen=True)
class Receipt:
    """What a request cost, and what was reused."""
    usage: Usage
    timings: Timings
    ops: Operations
    spans: tuple[Span, ...]
    """Of the prompt, in order."""


@dataclass(frozen=True)
class Generation:
    """An answer."""
    text: str
    finish_reason: str
    """"stop" (the model ended, or a stop text came) or "length" (max_tokens, or the context is full)."""
    model: str
    receipt: Receipt = inline()
    ops_saved: Operations = Operations()
    """What stored refinement made unnecessary."""


@dataclass(frozen=True)
class Encoding:
    """The spans of a text, which are now in the cache."""
    model: str
    dimension: int
    """Numbers in one latent."""
    receipt: Receipt = inline()
    mean: bytes | None = None
    """With `latents`: the mean of the spans' latents, float32."""


@dataclass(frozen=True)
class SegmentScore:
    """How well the model predicts one segment."""
    role: str
    bytes: int
    tokens: int
    nats: float
    """The sum of -ln p over all tokens."""
    bits_per_byte: float


@dataclass(frozen=True)
class Score:
    """How well the model predicts a text, or segments together."""
    model: str
    bytes: int
    tokens: int
    nats: float
    """The sum of -ln p over all tokens."""
    bits_per_byte: float
    pieces: int
    segments: tuple[SegmentScore, ...]
    timings: Timings
    ops: Operations


@dataclass(frozen=True)
class Neighbour:
    """A cached span that is near."""
    cosine: float
    """Of the latents less the mean of all: 1 for the same span."""
    text: str
    tokens: int
    key: str


@dataclass(frozen=True)
class Neighbourhood:
    """A span of the text, and the cached spans that are nearest to it, the nearest first."""
    text: str
    tokens: int
    key: str
    nearest: tuple[Neighbour, ...]


@dataclass(frozen=True)
class NearTimings:
    """Milliseconds."""
    tokenize_ms: float = 0.0
    encode_ms: float = 0.0
    scan_ms: float = 0.0
    total_ms: float = 0.0


@dataclass(frozen=True)
class Near:
    """What is near a text."""
    model: str
    dimension: int
    scanned: int
    """Records that were looked at: all."""
    timings: NearTimings
    spans: tuple[Neighbourhood, ...]


@dataclass(frozen=True)
class Put:
    """What became of latents that were given."""
    model: str
    keys: tuple[str, ...]
    """The span keys, 64 hexadecimal digits each, as the daemon made them from the tokens."""
    outcomes: tuple[str, ...]
    """For each latent "stored", "known" or "refused"."""


@dataclass(frozen=True)
class StoreInfo:
    path: str
    bytes: int
    budget_bytes: int
    durability: str
    latent_type: str
    """How latents are stored: "i8" or "f16"."""


@dataclass(frozen=True)
class Info:
    """The daemon that answers."""
    version: str
    protocol: int
    pid: int
    uptime_s: float
    store: StoreInfo
    socket: str
    listen: str | None
    http: str | None
    compute_kernel: str
    """"avx512", "avx2" or "plain"."""
    threads: int
    limits: dict[str, int]
    default_model: str


@dataclass(frozen=True)
class Model:
    """A model that is served."""
    name: str
    architecture: str
    parameters: int
    file_bytes: int
    width: int
    context_tokens: int
    """Of prompt and answer together."""
    trained_tokens: int
    """As many as it saw together in training; beyond, it does less well."""
    vocabulary: int
    span_minimum: int
    span_maximum: int
    encoder_fingerprint: str | None
    """Models of the same share their latents; None of a token-level model, which makes none."""
    refiner_fingerprint: str | None
    """Models of the same, and of the same encoder's, share refined latents."""
    default: bool


@dataclass(frozen=True)
class Namespace:
    """Who meets only his own latents."""
    name: str
    quota_bytes: int
    """0: none."""
    ttl_s: int
    """0: its latents never expire."""
    entries: int = 0
    bytes: int = 0
    created: bool = False
    """By this `namespace_put`."""


@dataclass(frozen=True)
class Record:
    """A stored latent. What is None but for `expires_in_s` is not known: of a record that is not sound, all behind `sound`."""
    key: str
    bytes: int
    pinned: bool
    sound: bool
    text: str | None = None
    model: str | None = None
    tokens: int | None = None
    type: str | None = None
    namespace: str | None = None
    age_s: int | None = None
    expires_in_s: int | None = None
    """None: never."""


@dataclass(frozen=True)
class Page:
    """Part of what is stored."""
    records: tuple[Record, ...]
    cursor: str | None
    """Where the next page begins; None is the end."""


@dataclass(frozen=True)
class Verified:
    """What a check of all records has found and done."""
    checked: int
    sound: int
    damaged: int
    compared: int
    mismatched: int
    unknown: int
    healed: int
    removed: int


@dataclass(frozen=True)
class DocumentChange:
    """What putting a document changed."""
    name: str
    version: int
    unchanged: bool
    """The text was that of the newest version: there is no new one."""
    model: str
    bytes: int
    tokens: int
    spans: int
    kept: int
    """Spans that the version before has, too."""
    encoded: int
    """Spans that the cache did not have."""
    dropped: int
    """Spans of the version before that this one has no more."""
    timings: Timings
    ops: Operations


@dataclass(frozen=True)
class Document:
    """A document, with its newest version. Of one that is damaged on disk only the name is known."""
    name: str
    damaged: bool
    version: int = 0
    created_ms: int = 0
    """Since 1970."""
    bytes: int = 0
    tokens: int = 0
    spans: int = 0
    encoder_fingerprint: str | None = None


@dataclass(frozen=True)
class DocumentList:
    documents: tuple[Document, ...]
    more: bool
    """There are others behind the last."""


@dataclass(frozen=True)
class DocumentVersion:
    """A version of a document, as it was put."""
    version: int
    created_ms: int
    """Since 1970."""
    bytes: int
    tokens: int
    spans: int
    encoder_fingerprint: str
    kept: int
    encoded: int
    dropped: int


@dataclass(frozen=True)
class DocumentPart:
    """A part of a version of a document, with its text."""
    name: str
    version: int
    created_ms: int
    """Since 1970."""
    bytes: int
    tokens: int
    spans: int
    """Of the whole version, as are bytes and tokens."""
    encoder_fingerprint: str
    part: int
    parts: int
    text: str
    spans_of_part: tuple[Span, ...]


@dataclass(frozen=True)
class DocumentRefinement:
    """What refining a document did."""
    name: str
    version: int
    model: str
    spans: int
    known: int
    """Of these, refined before."""
    refined: int
    encoded: int
    """Spans whose latents had gone."""
    timings: Timings
    ops: Operations


@dataclass(frozen=True)
class Hello:
    """Who answers, and who the asker is to him."""
    server: str
    version: str
    protocol: int
    identity: str
    namespace: str | None
    """In which all of its requests are; None: it may choose."""
    roles: tuple[str, ...]
