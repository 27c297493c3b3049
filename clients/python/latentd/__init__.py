"""Client of latentd, a persistent latent-cache server.

    import latentd

    with latentd.Client() as client:
        for text in client.generate("Explain photosynthesis.", stream=True):
            print(text, end="", flush=True)

`Client` waits, `AsyncClient` is for asyncio. Both raise the subclasses of `Error` in latentd.errors, which are importable from here as
well, and return the dataclasses of latentd.results, latentd.stats and latentd.explanation."""

from .async_client import AsyncClient, AsyncStream
from .client import Client, Stream
from .core import Limits
from .errors import (AddressInUseError, BadConfigError, BadModelError, BadParameterError, BadStoreError, BusyError, CancelledError,
                     ClosedError, ConnectError, ContextExceededError, CorruptError, DeniedError, Error, FullError, InternalError,
                     InvalidUtf8Error, IoError, MalformedError, NotFoundError, OutOfMemoryError, ShuttingDownError,
                     StoreFormatError, TimeoutError, TooLargeError, UnknownMethodError, UnknownModelError)
from .explanation import Explanation
from .latents import Latent, Latents
from .methods import GenerateOptions, Segment, answer, document, stored, user
from .packs import Imported, ImportedDocument
from .results import (Document, DocumentChange, DocumentList, DocumentPart, DocumentRefinement, DocumentVersion, Encoding,
                      Generation, Hello, Info, Model, Namespace, Near, Neighbour, Neighbourhood, Operations, Page, Put, Receipt,
                      Record, Score, SegmentScore, Span, StoreInfo, Timings, Usage, Verified)
from .stats import Counters, NamespaceCounters, NamespaceStats, RemoteNode, RemoteTier, Stats

__version__ = "0.1.0"

__all__ = [
    "AddressInUseError", "AsyncClient", "AsyncStream", "BadConfigError", "BadModelError", "BadParameterError",
    "BadStoreError", "BusyError", "CancelledError", "Client", "ClosedError", "ConnectError",
    "ContextExceededError", "CorruptError", "Counters", "DeniedError", "Document", "DocumentChange", "DocumentList",
    "DocumentPart", "DocumentRefinement", "DocumentVersion", "Encoding", "Error", "Explanation",
    "FullError", "GenerateOptions", "Generation", "Hello", "Imported", "ImportedDocument", "Info",
    "InternalError", "InvalidUtf8Error", "IoError", "Latent", "Latents", "Limits",
    "MalformedError", "Model", "Namespace", "NamespaceCounters", "NamespaceStats", "Near",
    "Neighbour", "Neighbourhood", "NotFoundError", "Operations", "OutOfMemoryError", "Page",
    "Put", "Receipt", "Record", "RemoteNode", "RemoteTier", "Score", "Segment", "SegmentScore",
    "ShuttingDownError", "Span", "Stats", "StoreFormatError", "StoreInfo", "Stream",
    "TimeoutError", "Timings", "TooLargeError", "UnknownMethodError", "UnknownModelError", "Usage",
    "Verified", "answer", "document", "stored", "user",
]
