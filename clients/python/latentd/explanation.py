"""What `explain` returns: one prompt cold, warm and by a token-level model, stage by stage. proto/PROTOCOL.md says more of each."""

from __future__ import annotations

from dataclasses import dataclass

from .results import Span, Usage


@dataclass(frozen=True)
class ExplainedModel:
    """The model that was asked."""
    name: str
    parameters: int
    width: int
    heads: int
    window: int
    context_tokens: int
    trained_tokens: int
    vocabulary: int
    span_minimum: int
    span_maximum: int


@dataclass(frozen=True)
class Token:
    id: int
    text: str


@dataclass(frozen=True)
class Matrix:
    """An attention matrix, of one head in one layer."""
    queries: int
    keys: int
    """The most that a query sees."""
    entries: int
    """Where small matrices stand side by side, those of all of them."""


@dataclass(frozen=True)
class Stage:
    """What one stage did."""
    stage: str
    """"tokenize", "lookup", "encode", "refine", "mix" or "decode"."""
    objects: int
    """Tokens or latents that went through it."""
    layers: int
    mlp_calls_per_layer: int
    matrix: Matrix
    operations: int
    bytes: int
    ms: float | None
    """None if it was counted and not run."""


@dataclass(frozen=True)
class Run:
    """One way of running the prompt."""
    model: str | None
    measured: bool
    reason: str | None
    """Why it was not measured."""
    parameters: int
    spans_found: int
    first_token_ms: float | None
    operations: int
    """To the first token, as are the bytes."""
    bytes: int
    prompt: tuple[Stage, ...]
    answer_tokens: int
    token_ms: float | None
    """The mean of these."""
    answer: tuple[Stage, ...]


@dataclass(frozen=True)
class Runs:
    cold: Run
    warm: Run
    token_level: Run


@dataclass(frozen=True)
class ExplainedAnswer:
    """How the prompt was answered when it was asked."""
    text: str
    finish_reason: str
    tokens: int
    spans: int
    first_token_ms: float
    same: bool
    """Whether cold and warm gave the same text."""


@dataclass(frozen=True)
class Kept:
    """What stays of prompt and answer; and the keys and values of a token-level model, for comparison."""
    latents: int
    latent_bytes: int
    state_spans: int
    state_bytes: int
    token_states: int
    token_state_bytes: int


@dataclass(frozen=True)
class Projection:
    """What a long prompt costs in one cut."""
    cut: str
    """"token_level", "fixed" (into spans of `span_tokens`) or "content" (as the model cuts)."""
    model: str | None
    measured: bool
    tokens: int
    span_tokens: int
    objects: int
    matrix_entries: int
    cold_operations: int
    cold_bytes: int
    cold_ms: float | None
    warm_operations: int
    warm_bytes: int
    warm_ms: float | None
    token_operations: int
    token_bytes: int
    token_ms: float | None


@dataclass(frozen=True)
class Explanation:
    """One prompt, explained."""
    model: ExplainedModel
    tokens: tuple[Token, ...]
    spans: tuple[Span, ...]
    usage: Usage
    answer: ExplainedAnswer
    rounds: int
    runs: Runs
    kept: Kept
    projection: tuple[Projection, ...]
