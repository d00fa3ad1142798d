"""Rows of a batch that backward mixes, though forward keeps them apart."""

from __future__ import annotations

from ...arrays import Array
from ..context import CheckContext


def mixed_rows(context: CheckContext, name: str, yours: Array, wrong: Array) -> bool:
    """Report dout of one row that reaches other rows."""
    if context.rows is None or name not in context.rows.mixed:
        return False
    cause = "dout of one row reaches other rows of it, though forward keeps the rows of a batch apart"
    context.find("wrong-axis", name, cause, context.line(name))
    return True


def look_at_rows(context: CheckContext, name: str) -> None:
    """Report rows that do not fare alone as in the batch, where only some elements were looked at and none of these is wrong."""
    n, total = context.report.covered[name]
    if n == total or context.rows is None or mixed_rows(context, name, context.numeric(name), context.numeric(name)):
        return
    if name in context.rows.unlike:
        cause = "a row of a batch gives another gradient than the same row alone, though forward keeps the rows of a batch apart"
        context.find("wrong-formula", name, cause, "check a smaller layer of the same kind: then every element is compared")
