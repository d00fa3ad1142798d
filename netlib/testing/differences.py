"""Results of a layer by name, and how two of them differ, in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from ..arrays import Array

Results: TypeAlias = dict[str, Array]


def with_names(what: str, arrays: Sequence[Any]) -> list[tuple[str, Any]]:
    """Return each array with its name: `what`, with an index if there are several.

    None, the gradient of an input that has none, is left out.
    """
    names = [what] if len(arrays) == 1 else [f"{what}[{i}]" for i in range(len(arrays))]
    return [(name, array) for name, array in zip(names, arrays, strict=True) if array is not None]


def copies_by_name(what: str, arrays: Sequence[Any]) -> Results:
    """Return copies of the arrays, by name."""
    return {name: np.array(array) for name, array in with_names(what, arrays)}


def find_difference(got: Results, expected: Results) -> str:
    """Return where two results differ by more than rounding, in words; empty where they agree.

    If numbers cancel, as in the gradient of a key's bias in attention, the rounding errors are
    those of the larger numbers that it was computed from.
    """
    largest = max((_largest(b) for b in expected.values()), default=0.0)
    for name, b in expected.items():
        a = got[name]
        if a.shape != b.shape:
            return f"{name} has shape {a.shape} instead of {b.shape}"
        floats = [x.dtype for x in (a, b) if x.dtype.kind == "f"]
        eps = max((float(np.finfo(dtype).eps) for dtype in floats), default=0.0)
        tolerance = eps**0.75
        same = np.isclose(a, b, rtol=tolerance, atol=tolerance * _largest(b) + 10 * eps * largest, equal_nan=True)
        if not same.all():
            index = tuple(int(i) for i in np.argwhere(~same)[0])
            return f"{name}{list(index) if index else ''} is {a[index]:.6g} instead of {b[index]:.6g}"
    return ""


def _largest(x: Array) -> float:
    return float(np.abs(x[np.isfinite(x)]).max(initial=0))
