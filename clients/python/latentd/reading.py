"""Reads the maps of the protocol into dataclasses, by the dataclasses' own types.

A key that the dataclass does not have is passed over, for a later daemon may send more; one that is missing takes its default, and
is a MalformedError if there is none, as is a value of another type. A field made with `inline()` is read from the keys of the
map itself."""

from __future__ import annotations

import dataclasses
import functools
import types
import typing
from collections.abc import Callable
from typing import Any, TypeVar

from .errors import MalformedError

T = TypeVar("T")
Reader = Callable[[Any], Any]
_MISSING = object()


class _Misfit(Exception):
    """Where in the map, and what is wrong there."""

    def __init__(self, problem: str, *path: str) -> None:
        self.problem, self.path = problem, path

    def under(self, step: str) -> _Misfit:
        return _Misfit(self.problem, step, *self.path)


def inline() -> Any:
    return dataclasses.field(metadata={"inline": True})


def read(kind: type[T], value: Any, *path: str) -> T:
    """`value`, or what stands at a path of keys in it, as the type `kind`. MalformedError names the place that does not fit."""
    try:
        for step in path:
            if not isinstance(value, dict) or step not in value:
                raise _Misfit("is missing")
            value = value[step]
        return typing.cast(T, _reader_of(typing.cast(Any, kind))(value))
    except _Misfit as misfit:
        place = ".".join([*path, *misfit.path]) or "it"
        raise MalformedError(f"the daemon's answer does not fit: {place} {misfit.problem}") from None


@functools.cache
def _reader_of(kind: Any) -> Reader:
    if dataclasses.is_dataclass(kind):
        return _dataclass_reader(kind)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        inner = _reader_of(next(argument for argument in arguments if argument is not type(None)))
        return lambda value: None if value is None else inner(value)
    if origin is tuple:
        return _tuple_reader(_reader_of(arguments[0]))
    if origin is dict:
        return _dict_reader(_reader_of(arguments[1]))
    if kind is float:
        return _number
    return _plain_reader(kind)


def _plain_reader(kind: type) -> Reader:
    def plain(value: Any) -> Any:
        if type(value) is not kind:
            raise _Misfit(f"is no {kind.__name__}")
        return value
    return plain


def _number(value: Any) -> float:
    if type(value) not in (int, float):
        raise _Misfit("is no number")
    return float(value)


def _tuple_reader(inner: Reader) -> Reader:
    def items(value: Any) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise _Misfit("is no array")
        try:
            return tuple([inner(item) for item in value])
        except _Misfit as misfit:
            raise misfit.under("[]") from None
    return items


def _dict_reader(inner: Reader) -> Reader:
    def mapping(value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise _Misfit("is no map")
        return {key: inner(item) for key, item in value.items()}
    return mapping


def _dataclass_reader(kind: Any) -> Reader:
    hints = typing.get_type_hints(kind)
    fields = [(field.name, _reader_of(hints[field.name]), "inline" in field.metadata,
               field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING)
              for field in dataclasses.fields(kind) if field.init]

    def record(value: Any) -> Any:
        if not isinstance(value, dict):
            raise _Misfit("is no map")
        arguments = {}
        for name, reader, inlined, required in fields:
            if inlined:
                arguments[name] = reader(value)
                continue
            found = value.get(name, _MISSING)
            if found is _MISSING:
                if required:
                    raise _Misfit("is missing", name)
                continue
            try:
                arguments[name] = reader(found)
            except _Misfit as misfit:
                raise misfit.under(name) from None
        return kind(**arguments)
    return record
