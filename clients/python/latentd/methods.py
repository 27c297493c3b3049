"""The daemon's methods, once for both clients: what each takes, sends and returns.

A function here makes a `Call`; `Client` and `AsyncClient` make a method of it. To add one: a dataclass in results.py, a function
here, and its name in client.py and async_client.py."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypedDict, TypeVar

from .explanation import Explanation
from .latents import Latent, Latents, read_latents
from .packs import Imported
from .reading import read
from .results import (DocumentChange, DocumentList, DocumentPart, DocumentRefinement, DocumentVersion, Encoding, Generation, Hello,
                      Info, Model, Namespace, Near, Page, Put, Score, Verified)
from .stats import Stats

T = TypeVar("T")
PROTOCOL = 1


@dataclass(frozen=True)
class Call(Generic[T]):
    """A request, and how its result is read."""
    method: str
    params: Mapping[str, Any]
    read: Callable[[Any], T]


class Segment(TypedDict, total=False):
    """A part of a prompt; `document`, `stored`, `user` and `answer` make them."""
    role: str
    text: str
    doc: str
    version: int


def document(text: str) -> Segment:
    """A text to know about."""
    return {"role": "document", "text": text}


def stored(name: str, version: int | None = None) -> Segment:
    """A document that the daemon keeps, in its newest version or another; for `generate` only."""
    return {"doc": name} if version is None else {"doc": name, "version": version}


def user(text: str) -> Segment:
    """What is asked."""
    return {"role": "user", "text": text}


def answer(text: str) -> Segment:
    """What was answered; for `score` only."""
    return {"role": "answer", "text": text}


class GenerateOptions(TypedDict, total=False):
    """Options of `generate`; the daemon chooses those that are not given (the default is in parentheses)."""
    segments: Sequence[Segment]  # documents, then a question; instead of a prompt
    model: str                   # as `models` lists it (the default model)
    format: str                  # "chat": answer the segments; "text": continue the last one ("chat")
    max_tokens: int              # (128)
    temperature: float           # 0 takes the likeliest token always (0.7)
    top_k: int                   # 0 is no limit (40)
    top_p: float                 # (0.95)
    repetition_penalty: float    # 1 is none (1.2)
    seed: int                    # the same request with the same seed gives the same answer (0)
    stop: Sequence[str]          # the answer ends before the first of these texts (none)
    namespace: str               # only what was stored in it is found ("public")
    ttl_s: int                   # seconds after which what is stored expires; 0 is never (the namespace's)


def chosen(**params: Any) -> dict[str, Any]:
    """What the caller chose; the rest is the daemon's to choose."""
    return {name: value for name, value in params.items() if value is not None}


def as_is(value: Any) -> Any:
    return value


def into(kind: type[T], *path: str) -> Callable[[Any], T]:
    """Reads a result, or what stands at a path of keys in it, as `kind`."""
    return lambda value: read(kind, value, *path)


def generic(method: str, params: Mapping[str, Any]) -> Call[Any]:
    return Call(method, params, as_is)


def generate(prompt: str | None, stream: bool, options: Mapping[str, Any]) -> Call[Generation]:
    return Call("generate", chosen(prompt=prompt, stream=stream, **options), into(Generation))


def encode(text: str, *, model: str | None = None, latents: str | None = None, namespace: str | None = None,
           ttl_s: int | None = None) -> Call[Encoding]:
    """Has the spans of a text in the cache: encodes those that it lacks. `latents`: "mean" to get their mean with the receipt, or
    "spans" to get each as well."""
    return Call("encode", chosen(text=text, model=model, latents=latents, namespace=namespace, ttl_s=ttl_s), into(Encoding))


def score(text: str | None = None, *, segments: Sequence[Segment] | None = None, model: str | None = None,
          namespace: str | None = None, ttl_s: int | None = None) -> Call[Score]:
    """How well a model predicts a text (of any length, in pieces of the model's context), or segments together."""
    return Call("score", chosen(text=text, segments=segments, model=model, namespace=namespace, ttl_s=ttl_s), into(Score))


def explain(prompt: str | None = None, *, segments: Sequence[Segment] | None = None, model: str | None = None,
            max_tokens: int | None = None, measure: str | None = None, namespace: str | None = None) -> Call[Explanation]:
    """Asks a prompt, and runs it again with nothing cached, with everything cached and by a token-level model, to show what each
    stage costs. `measure` is a text of 2,080 tokens or more to run long prompts with, too."""
    return Call("explain", chosen(prompt=prompt, segments=segments, model=model, max_tokens=max_tokens, measure=measure,
                                  namespace=namespace),
                into(Explanation))


def near(text: str, *, k: int | None = None, model: str | None = None, namespace: str | None = None) -> Call[Near]:
    """The cached spans that are nearest to each span of a text, at most `k` (10) for each. Stores nothing."""
    return Call("near", chosen(text=text, k=k, model=model, namespace=namespace), into(Near))


def latent_get(keys: Sequence[str | bytes], *, model: str | None = None, namespace: str | None = None) -> Call[Latents]:
    """Latents out of the cache, by the keys of their spans: 64 hexadecimal digits or 32 bytes each. Computes none."""
    return Call("latent.get", chosen(keys=list(keys), model=model, namespace=namespace), read_latents)


def namespace_put(name: str, *, quota_bytes: int | None = None, ttl_s: int | None = None) -> Call[Namespace]:
    """Makes a namespace, or changes those of its settings that are given."""
    return Call("namespace.put", chosen(name=name, quota_bytes=quota_bytes, ttl_s=ttl_s), into(Namespace))


def namespace_list() -> Call[tuple[Namespace, ...]]:
    """All namespaces, with what they have."""
    return Call("namespace.list", {}, into(tuple[Namespace, ...], "namespaces"))


def namespace_remove(name: str) -> Call[int]:
    """Removes a namespace with all that it has stored. Returns how many latents that were."""
    return Call("namespace.remove", {"name": name}, into(int, "removed"))


def _latents(method: str, keys: Sequence[str | bytes] | None, **params: Any) -> Call[dict[str, int]]:
    return Call(method, chosen(keys=None if keys is None else list(keys), **params), into(dict[str, int]))


def pin(text: str | None = None, *, keys: Sequence[str | bytes] | None = None, model: str | None = None,
        namespace: str | None = None) -> Call[dict[str, int]]:
    """Keeps the latents of a text's spans, or those under keys, from being evicted. Returns counts: `pinned`, `already`, `missing`."""
    return _latents("pin", keys, text=text, model=model, namespace=namespace)


def unpin(text: str | None = None, *, keys: Sequence[str | bytes] | None = None, model: str | None = None,
          namespace: str | None = None) -> Call[dict[str, int]]:
    """Lets latents be evicted again. Returns counts: `unpinned`, `not_pinned`."""
    return _latents("unpin", keys, text=text, model=model, namespace=namespace)


def evict(text: str | None = None, *, keys: Sequence[str | bytes] | None = None, share: float | None = None,
          model: str | None = None, namespace: str | None = None) -> Call[dict[str, int]]:
    """Makes latents go: of a text, under keys, or a share (above 0 to 1) of all. Returns counts: `evicted` and, but for a share,
    `pinned` and `missing`."""
    return _latents("evict", keys, text=text, share=share, model=model, namespace=namespace)


def flush(namespace: str | None = None, *, all: bool | None = None) -> Call[int]:
    """Removes all latents of a namespace, or with `all` of all, pinned or not. Returns how many."""
    return Call("flush", chosen(namespace=namespace, all=all), into(int, "removed"))


def scan(cursor: str | None = None, *, count: int | None = None, namespace: str | None = None) -> Call[Page]:
    """A page of stored latents. The next one begins at `page.cursor`; None there is the end."""
    return Call("scan", chosen(cursor=cursor, count=count, namespace=namespace), into(Page))


def verify(*, reencode: bool | None = None, namespace: str | None = None) -> Call[Verified]:
    """Checks every record and mends what fails; with `reencode` each latent is encoded again and compared."""
    return Call("verify", chosen(reencode=reencode, namespace=namespace), into(Verified))


def export_begin(*, docs: Sequence[str] | None = None, model: str | None = None, namespace: str | None = None) -> Call[dict[str, int]]:
    """Makes a pack of a namespace's latents, or of documents with theirs, to be read with `export_read` on the same connection.
    Returns counts: `records`, `bytes`, `skipped`, `documents`, `missing`, and its `size`."""
    return Call("export.begin", chosen(docs=None if docs is None else list(docs), model=model, namespace=namespace), into(dict[str, int]))


def export_read(offset: int) -> Call[bytes]:
    """The piece of the pack that begins there, of 512 KiB at most; empty at the end."""
    return Call("export.read", {"offset": offset}, into(bytes, "data"))


def import_write(offset: int, data: bytes) -> Call[int]:
    """Hands over the piece of a pack that begins there, in order from 0, of 512 KiB at most. Returns how much has come."""
    return Call("import.write", {"offset": offset, "data": data}, into(int, "received"))


def import_end(*, namespace: str | None = None, ttl_s: int | None = None) -> Call[Imported]:
    """Takes the pack that was handed over on the same connection into a namespace, all of it or nothing."""
    return Call("import.end", chosen(namespace=namespace, ttl_s=ttl_s), into(Imported))


def backup(path: str) -> Call[int]:
    """Copies the store into a new or empty folder on the daemon's machine. Returns the bytes of the copy."""
    return Call("backup", {"path": path}, into(int, "bytes"))


def doc_put(name: str, text: str, *, model: str | None = None, namespace: str | None = None) -> Call[DocumentChange]:
    """Stores a text as the newest version of a document; it is on the daemon's disk on return. A text of more than 512 KiB goes in
    pieces, with `call`; see doc.put in proto/PROTOCOL.md."""
    return Call("doc.put", chosen(name=name, text=text, model=model, namespace=namespace), into(DocumentChange))


def doc_get(name: str, *, version: int | None = None, part: int | None = None, model: str | None = None,
            namespace: str | None = None) -> Call[DocumentPart]:
    """A part of a document's text (the first), with its spans; `parts` says how many there are."""
    return Call("doc.get", chosen(name=name, version=version, part=part, model=model, namespace=namespace), into(DocumentPart))


def doc_list(*, after: str | None = None, limit: int | None = None, namespace: str | None = None) -> Call[DocumentList]:
    """Documents by name, those behind `after`."""
    return Call("doc.list", chosen(after=after, limit=limit, namespace=namespace), into(DocumentList))


def doc_history(name: str, *, namespace: str | None = None) -> Call[tuple[DocumentVersion, ...]]:
    """The versions of a document that are kept, the newest first."""
    return Call("doc.history", chosen(name=name, namespace=namespace), into(tuple[DocumentVersion, ...], "versions"))


def doc_remove(name: str, *, namespace: str | None = None) -> Call[int]:
    """Removes a document with its history; how many versions there were."""
    return Call("doc.remove", chosen(name=name, namespace=namespace), into(int, "versions"))


def doc_refine(name: str, *, version: int | None = None, model: str | None = None, namespace: str | None = None) -> Call[DocumentRefinement]:
    """Stores what the model's refiner makes of a document, so that prompts need not."""
    return Call("doc.refine", chosen(name=name, version=version, model=model, namespace=namespace), into(DocumentRefinement))


def latent_put(tokens: Sequence[Sequence[int]], latents: Sequence[Latent], *, encoder: str | bytes,
               model: str | None = None, namespace: str | None = None, ttl_s: int | None = None) -> Call[Put]:
    """Gives the daemon latents that the encoder with this fingerprint made, of one type and dimension; `tokens` are those of each
    latent's span. The protocol says what is trusted."""
    first = latents[0] if latents else None
    return Call("latent.put", chosen(
        tokens=[list(span) for span in tokens], latents=[latent.data for latent in latents], encoder=encoder, model=model,
        namespace=namespace, ttl_s=ttl_s,
        type=first and first.type, dimension=None if first is None else len(first),
        scales=[latent.scale for latent in latents] if first is not None and first.type == "i8" else None), into(Put))


def stats() -> Call[Stats]:
    """The daemon's counters."""
    return Call("stats", {}, into(Stats))


def info() -> Call[Info]:
    """What the daemon is, and how it is set up."""
    return Call("info", {}, into(Info))


def models() -> Call[tuple[Model, ...]]:
    """The models that are served."""
    return Call("models", {}, into(tuple[Model, ...], "models"))


def hello(client: str | None = None, *, version: int = PROTOCOL, token: str | None = None) -> Call[Hello]:
    """Tells who is speaking and which protocol is wanted, and who the daemon takes it for. Optional; a client presents its token by
    itself when it connects."""
    return Call("hello", chosen(version=version, client=client, token=token), into(Hello))


def ping() -> Call[bool]:
    """True, if the daemon is there."""
    return Call("ping", {}, into(bool, "pong"))


def cancel(id: int) -> Call[bool]:
    """Cancels a request of this connection, by its id (`stream.id`); it then ends with CancelledError. False if it is not under
    way."""
    return Call("cancel", {"id": id}, into(bool, "cancelled"))


def shutdown() -> Call[bool]:
    """Asks the daemon to finish what it has begun and to stop. It answers before it does."""
    return Call("shutdown", {}, into(bool, "stopping"))
