"""Comparing the arrays of a model with those to be loaded into it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from .arrays import as_array
from .errors import NetlibError
from .parameter import Buffer, Parameter

Held = Mapping[str, Parameter | Buffer]


def state_problems(held: Held, given: Mapping[str, Any]) -> dict[str, str]:
    """Return, by path, why `given` does not fit: missing, unexpected, and unsuitable arrays.

    Examples
    --------
    >>> weight = Parameter(np.ones((2, 3)))
    >>> state_problems({"weight": weight}, {"weight": np.ones((3, 2))})
    {'weight': 'has shape (3, 2), expected (2, 3): is it transposed?'}
    """
    unexpected: dict[Any, list[str]] = {}
    for path, array in given.items():
        if path not in held:
            unexpected.setdefault(_shape_of(array), []).append(path)
    problems = {path: _missing(path, unexpected.get(each.shape, [])) for path, each in held.items() if path not in given}
    for path, array in given.items():
        problem = _problem(held[path], array) if path in held else "is unexpected"
        if problem:
            problems[path] = problem
    return problems


def list_problems(problems: Mapping[str, str], given: Mapping[str, Any]) -> str:
    """Return all problems as one text, and which of the other arrays in `given` hold NaN."""
    listed = [f"{path!r} {problem}" for path, problem in problems.items()]
    listed += [f"{path!r} holds NaN" for path, array in given.items() if path not in problems and np.isnan(array).any()]
    return "; ".join(listed)


def _problem(target: Parameter | Buffer, given: Any) -> str:
    try:
        array = as_array(given)
    except NetlibError as error:
        return error.message
    if array.shape != target.shape:
        question = ": is it transposed?" if array.ndim == 2 and array.shape[::-1] == target.shape else ""
        return f"has shape {array.shape}, expected {target.shape}{question}"
    if not np.can_cast(array.dtype, target.dtype, "same_kind"):
        return f"has type {array.dtype}, expected {target.dtype}"
    return ""


def _shape_of(array: Any) -> tuple[int, ...] | None:
    try:
        return as_array(array).shape
    except NetlibError:
        return None


def _missing(path: str, alike: Sequence[str]) -> str:
    """Return that `path` is missing, and which of the `alike` may be it under another name."""
    end = path.rpartition(".")[2]
    same_end = [name for name in alike if str(name).rpartition(".")[2] == end]
    for names in (same_end, alike):
        if len(names) == 1:
            return f"is missing (or is it {names[0]!r}?)"
    return "is missing"
