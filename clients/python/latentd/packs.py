"""What came of a pack that was handed over."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ImportedDocument:
    """A document of a pack."""
    name: str
    version: int
    unchanged: bool
    """Its text was that of the newest version: there is no new one."""


@dataclass(frozen=True)
class Imported:
    """What was taken of a pack."""
    records: int
    expired: int
    """Whose time is over; they were not taken."""
    model: str
    documents: tuple[ImportedDocument, ...] = ()
