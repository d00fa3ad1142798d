"""The two functions that catch any exception: around a layer's own code, and around tracing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from .report import TRACING_FAILED, GradientReport

T = TypeVar("T")


class UserCodeError(Exception):
    """The exception of a layer's own forward or backward, in `error`."""

    def __init__(self, error: Exception) -> None:
        super().__init__(describe(error))
        self.error = error


def call_user_code(function: Callable[..., Any], *args: Any) -> Any:
    """Return the result of a layer's own code; raise `UserCodeError` for any exception."""
    try:
        return function(*args)
    except Exception as error:
        raise UserCodeError(error) from error


def attempt(report: GradientReport, where: str, action: Callable[[], T], default: T) -> T:
    """Return the result of `action`; if it fails, note that and return `default`.

    Use it for code that only finds a better name for a mistake, and that depends on the interpreter
    or on NumPy's internals. A failure there must neither change the verdict nor be silent.
    """
    try:
        return action()
    except Exception as error:
        report.note(TRACING_FAILED, where, f"{describe(error)}; mistakes may have a vaguer name")
        return default


def describe(error: Exception | None) -> str:
    """Return an error in words."""
    return f"{type(error).__name__} ({error})"
