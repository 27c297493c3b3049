"""What the method `stats` returns, with the protocol's own names. proto/PROTOCOL.md says more of each."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Counters:
    """What the daemon counts; 0 of what it does not know yet."""
    span_lookups: int = 0
    span_hits: int = 0
    span_misses: int = 0
    hit_rate: float = 0.0
    hits_memory: int = 0
    hits_disk: int = 0
    hits_remote: int = 0
    singleflight_joined: int = 0
    misses_new: int = 0
    misses_evicted: int = 0
    misses_corrupt: int = 0
    misses_expired: int = 0
    misses_encoder: int = 0
    spans_encoded: int = 0
    spans_unstored: int = 0
    encode_seconds: float = 0.0
    seconds_avoided: float = 0.0
    """Encoding that hits have saved: hits times what a span took on the average over the store's lifetime."""
    spans_restored: int = 0
    refined_spans: int = 0
    documents_refined: int = 0
    remote_refused: int = 0
    hits_verified: int = 0
    hits_wrong: int = 0
    evictions: int = 0
    requests: int = 0
    requests_failed: int = 0
    prompt_tokens: int = 0
    prompt_tokens_cached: int = 0
    completion_tokens: int = 0
    operations: int = 0
    uptime_s: float = 0.0


@dataclass(frozen=True)
class RemoteNode:
    """A node of it."""
    address: str
    state: str
    """Of its circuit breaker: "closed" (in use), "half_open" or "open"."""
    slots: int
    outstanding: int
    """Answers that it owes."""
    found: int
    absent: int
    failures: int


@dataclass(frozen=True)
class RemoteTier:
    """What the daemon knows of the fleet's Redis Cluster, and has asked of it since its start."""
    nodes: int = 0
    nodes_down: int = 0
    slots_served: int = 0
    """16,384 when all is well."""
    fetches: int = 0
    spans_asked: int = 0
    spans_found: int = 0
    spans_absent: int = 0
    spans_held: int = 0
    """Another daemon was encoding them."""
    spans_unanswered: int = 0
    deadlines: int = 0
    pipelines: int = 0
    """Batches of requests to one node, each one round trip."""
    moved: int = 0
    asked_elsewhere: int = 0
    cluster_down: int = 0
    breaker_openings: int = 0
    written: int = 0
    write_failures: int = 0
    dropped: int = 0
    waiting: int = 0
    by_node: tuple[RemoteNode, ...] = ()


@dataclass(frozen=True)
class NamespaceCounters:
    """What is counted for each namespace."""
    hits_memory: int = 0
    hits_disk: int = 0
    hits_joined: int = 0
    hits_remote: int = 0
    misses_new: int = 0
    misses_evicted: int = 0
    misses_corrupt: int = 0
    misses_expired: int = 0
    misses_encoder: int = 0
    evicted: int = 0
    refused: int = 0
    """Not stored, because its quota had no room that could be made."""
    seconds_avoided: float = 0.0


@dataclass(frozen=True)
class NamespaceStats(NamespaceCounters):
    """What a namespace has, and what was counted for it since the daemon's start."""
    name: str = ""
    entries: int = 0
    bytes: int = 0
    quota_bytes: int = 0
    lifetime: NamespaceCounters = NamespaceCounters()


@dataclass(frozen=True)
class Stats(Counters):
    """Counters since the daemon's start, what is now, and counters over the life of the store."""
    store_entries: int = 0
    store_bytes: int = 0
    store_budget_bytes: int = 0
    store_in_memory: int = 0
    store_waiting: int = 0
    store_pinned: int = 0
    store_pinned_bytes: int = 0
    store_corrupt: int = 0
    store_write_failures: int = 0
    connections: int = 0
    running: int = 0
    ttft_p50_ms: float | None = None
    ttft_p99_ms: float | None = None
    remote: RemoteTier | None = None
    lifetime: Counters = Counters()
    namespaces: tuple[NamespaceStats, ...] = ()
