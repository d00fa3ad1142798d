"""Rows of a batch that backward mixes, though forward keeps them apart."""

from __future__ import annotations

from ...arrays import Array
from ..case import Case


def mixed_rows(case: Case, name: str, yours: Array, wrong: Array) -> bool:
    """Report dout of one row that reaches other rows."""
    if case.rows is None or name not in case.rows.mixed:
        return False
    cause = "dout of one row reaches other rows of it, though forward keeps the rows of a batch apart"
    case.find("wrong-axis", name, cause, case.line(name))
    return True


def look_at_rows(case: Case, name: str) -> None:
    """Report rows that do not fare alone as in the batch, where only some elements were looked at and none of these is wrong."""
    n, total = case.report.covered[name]
    if n == total or case.rows is None or mixed_rows(case, name, case.numeric(name), case.numeric(name)):
        return
    if name in case.rows.unlike:
        cause = "a row of a batch gives another gradient than the same row alone, though forward keeps the rows of a batch apart"
        case.find("wrong-formula", name, cause, "check a smaller layer of the same kind: then every element is compared")
