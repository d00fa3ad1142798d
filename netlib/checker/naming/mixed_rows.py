"""Rows of a batch that backward mixes, although forward does not."""

from __future__ import annotations

from ...arrays import Array
from ..context import CheckContext


def find_mixed_rows(context: CheckContext, name: str, yours: Array, wrong: Array) -> bool:
    """Report gradients of a row that depend on dout of another."""
    if context.rows is None or name not in context.rows.mixed:
        return False
    cause = "dout of one row reaches other rows of it, though forward keeps the rows of a batch apart"
    context.find("wrong-axis", name, cause, context.line(name))
    return True


def check_rows(context: CheckContext, name: str) -> None:
    """Report rows that backward mixes, or treats differently alone, in a sampled gradient."""
    n, total = context.report.covered[name]
    if n == total or context.rows is None or find_mixed_rows(context, name, context.numeric(name), context.numeric(name)):
        return
    if name in context.rows.unlike:
        cause = "a row in a batch has another gradient than the same row alone, though forward keeps the rows of a batch apart"
        context.find("wrong-formula", name, cause, "check a smaller layer of the same kind: then every element is compared")
