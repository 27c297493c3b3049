"""The errors of latentd, one class for each of the protocol's list, and no others.

The base class is `Error`. A program decides by class (or by `name`, which is the same on the wire and in every client), a person
reads `message`. Most come from the daemon; `ConnectError`, `ClosedError`, `TimeoutError` and `IoError` arise on this side, and
`MalformedError` and `TooLargeError` on either. The tests compare this file with proto/error.h."""

from __future__ import annotations

import builtins
from typing import ClassVar


class Error(Exception):
    """What went wrong. Of this class itself are only errors of a later daemon, whose name this client does not know."""

    code: int = 0
    name: str = "unknown"
    default: ClassVar[str] = "an unknown error"

    def __init_subclass__(cls, code: int, name: str, message: str) -> None:
        cls.code, cls.name, cls.default = code, name, message
        cls.__doc__ = f"`{name}`, code {code}: {message}."
        CLASSES[name] = cls

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or self.default)
        self.message: str = message or self.default


CLASSES: dict[str, type[Error]] = {}
"""The class of each name on the wire."""


class OutOfMemoryError(Error, code=-1, name="out_of_memory", message="out of memory"):
    pass


class IoError(Error, OSError, code=-2, name="io", message="input or output failed"):
    pass


class MalformedError(Error, code=-3, name="malformed", message="not a valid MessagePack-RPC message"):
    pass


class TooLargeError(Error, code=-4, name="too_large", message="larger than the limit"):
    pass


class UnknownMethodError(Error, code=-5, name="unknown_method", message="unknown method"):
    pass


class BadParameterError(Error, ValueError, code=-6, name="bad_parameter",
                        message="a parameter is unknown, missing, of the wrong type or out of range"):
    pass


class ContextExceededError(Error, code=-7, name="context_exceeded", message="the prompt is longer than the model's context"):
    pass


class InvalidUtf8Error(Error, ValueError, code=-8, name="invalid_utf8", message="text is not valid UTF-8"):
    pass


class BadModelError(Error, code=-9, name="bad_model", message="the model file is missing, damaged or of another kind"):
    pass


class UnknownModelError(Error, code=-10, name="unknown_model", message="no such model"):
    pass


class BadStoreError(Error, code=-11, name="bad_store", message="the store cannot be used"):
    pass


class StoreFormatError(Error, code=-12, name="store_format", message="the store was made for another format"):
    pass


class NotFoundError(Error, LookupError, code=-13, name="not_found", message="not found"):
    pass


class CorruptError(Error, code=-14, name="corrupt", message="a record failed its check"):
    pass


class FullError(Error, code=-15, name="full", message="no room left"):
    pass


class BusyError(Error, code=-16, name="busy", message="too much work is waiting; try again later"):
    pass


class CancelledError(Error, code=-17, name="cancelled", message="the request was cancelled"):
    pass


class ShuttingDownError(Error, code=-18, name="shutting_down", message="the daemon is stopping"):
    pass


class ConnectError(Error, ConnectionError, code=-19, name="connect", message="cannot connect"):
    pass


class ClosedError(Error, ConnectionError, code=-20, name="closed", message="the connection was closed"):
    pass


class AddressInUseError(Error, code=-21, name="address_in_use", message="the socket is in use"):
    pass


class BadConfigError(Error, code=-22, name="bad_config",
                     message="a flag, environment variable or config line is wrong"):
    pass


class TimeoutError(Error, builtins.TimeoutError, code=-23, name="timeout", message="not done in time"):
    pass


class InternalError(Error, code=-24, name="internal", message="an internal error"):
    pass


class DeniedError(Error, PermissionError, code=-25, name="denied", message="not allowed"):
    pass


def error_of(code: int, name: str, message: str) -> Error:
    """The exception for an error of the wire; of the base class, with this code and name, if the name is not in the list."""
    error = CLASSES.get(name, Error)(message)
    error.code, error.name = code, name
    return error
