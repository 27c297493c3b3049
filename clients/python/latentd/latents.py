"""Latents as the cache keeps them, and as numbers."""

from __future__ import annotations

import struct
import typing
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .errors import MalformedError
from .reading import read

if TYPE_CHECKING:
    import numpy
    import numpy.typing

ITEM_BYTES = {"f16": 2, "i8": 1}


@dataclass(frozen=True)
class Latent:
    """One span's vector. `numpy.asarray(latent)` and `latent.numpy()` give an array, `latent.floats()` does without NumPy."""
    type: str
    """"f16": half precision, little-endian. "i8": signed bytes, each to be multiplied by `scale`."""
    data: bytes
    """As it is stored."""
    scale: float = 1.0

    def __len__(self) -> int:
        return len(self.data) // ITEM_BYTES[self.type]

    def __iter__(self) -> Iterator[float]:
        return iter(self.floats())

    def floats(self) -> array[float]:
        """Its numbers, as an array of C floats."""
        if self.type == "f16":
            return array("f", struct.unpack(f"<{len(self)}e", self.data))
        return array("f", [number * self.scale for number in memoryview(self.data).cast("b")])

    def numpy(self) -> numpy.typing.NDArray[numpy.float32]:
        """Its numbers, as a new array of shape (dimension,), float32. Needs NumPy."""
        import numpy
        if self.type == "f16":
            return numpy.frombuffer(self.data, "<f2").astype(numpy.float32)
        return numpy.frombuffer(self.data, numpy.int8).astype(numpy.float32) * numpy.float32(self.scale)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        if copy is False:
            raise ValueError("the numbers of a latent are converted, so its array is always a copy")
        return self.numpy() if dtype is None else self.numpy().astype(dtype)


@dataclass(frozen=True)
class Latents(Sequence["Latent | None"]):
    """For each key that was asked for, in order, its latent, or None if it is not stored."""
    model: str
    dimension: int
    """Numbers in one latent."""
    type: str
    items: tuple[Latent | None, ...]

    def __len__(self) -> int:
        return len(self.items)

    @typing.overload
    def __getitem__(self, index: int) -> Latent | None: ...

    @typing.overload
    def __getitem__(self, index: slice) -> tuple[Latent | None, ...]: ...

    def __getitem__(self, index: int | slice) -> Latent | None | tuple[Latent | None, ...]:
        return self.items[index]


@dataclass(frozen=True)
class _Wire:
    """The result of `latent.get`."""
    model: str
    dimension: int
    type: str
    latents: tuple[bytes | None, ...]
    scales: tuple[float | None, ...] | None = None


def read_latents(value: Any) -> Latents:
    """The result of `latent.get` as Latents. MalformedError: it does not fit, or its type is unknown."""
    wire = read(_Wire, value)
    if wire.type not in ITEM_BYTES:
        raise MalformedError(f'latents of the type "{wire.type:.20}", which this client does not know')
    scales = wire.scales if wire.scales is not None else (1.0,) * len(wire.latents)
    if len(scales) != len(wire.latents) or (wire.type == "i8" and wire.scales is None):
        raise MalformedError(f"{len(wire.latents)} latents with {len(wire.scales or ())} scales")
    items = []
    for data, scale in zip(wire.latents, scales):
        if data is not None and len(data) != wire.dimension * ITEM_BYTES[wire.type]:
            raise MalformedError(f"a latent of {len(data)} bytes where {wire.dimension} numbers of {wire.type} were announced")
        items.append(None if data is None else Latent(wire.type, data, 1.0 if scale is None else scale))
    return Latents(wire.model, wire.dimension, wire.type, tuple(items))
