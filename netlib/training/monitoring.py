"""The column of the history that a callback watches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from ..errors import InvalidValueError, MissingError

if TYPE_CHECKING:
    from .history import History

Mode = Literal["min", "max"]
"""Whether lower or higher values of the column are better."""


def as_mode(mode: Mode, where: str) -> Mode:
    """Return `mode`, or raise if it is unknown.

    >>> as_mode("min", "EarlyStopping")
    'min'
    """
    if mode not in ("min", "max"):
        raise InvalidValueError(f"mode is {mode!r}, expected 'min' or 'max'", where=where)
    return mode


def require_column(column: str, history: History, where: object) -> None:
    """Raise if the history has no such column."""
    if column not in history:
        hint = "Pass validation to fit." if column.startswith("val_") else ""
        columns = ", ".join(history.columns)
        raise MissingError(f"there is no column {column!r}, only: {columns}", where=where, hint=hint)
