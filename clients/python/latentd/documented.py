"""Methods made from functions, for people who ask `help`: they keep the function's name, text and signature."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])


def documented(method: F, build: Callable[..., Any]) -> F:
    """Gives `method` the name, text and parameters of `build`, which makes its calls, behind `self`."""
    signature = inspect.signature(build)
    itself = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)
    result = str(signature.return_annotation).removeprefix("Call[").removesuffix("]")
    method.__name__ = build.__name__
    method.__doc__ = build.__doc__
    setattr(method, "__signature__", signature.replace(parameters=[itself, *signature.parameters.values()], return_annotation=result))
    return method
