"""Factors as people write them: 1/24 = 1/(N·H·W), √C, 1 − p."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import combinations
from math import prod

import numpy as np

from ..context import CheckContext

AXES = {3: "NTC", 4: "NCHW", 5: "NCDHW"}
"""The letters of the axes, by their number."""


def written(c: float) -> str:
    """Return a number as a fraction or a root if it is one, else with six digits."""
    for mark, value in (("", abs(c)), ("√", c * c)):
        fraction = Fraction(value).limit_denominator(10_000)
        n, d = fraction.numerator, fraction.denominator
        if not n or (min(n, d) > 1 and max(n, d) > 12) or abs(float(fraction) / value - 1) > 1e-6:
            continue
        sign = "-" if c < 0 else ""
        if not mark:
            return f"{sign}{n}" if d == 1 else f"{sign}{n}/{d}"
        if min(n, d) == 1:
            return f"{sign}√{n}" if d == 1 else f"{sign}1/√{d}"
    return f"{c:.6g}"


def factor_name(context: CheckContext, name: str, c: float) -> str:
    """Return the name of a factor in terms of sizes and numbers of the layer; "" if it has none."""
    known = [(label, value) for label, value in _known(context, name) if value not in (0.0, 1.0)]
    for label, value in known:
        if abs(c / value - 1) < 2e-5:
            return label
        if abs(c * value - 1) < 2e-5:
            short, _, rest = label.partition(",")
            return f"1/{_factor(short)}" + (f", {rest.strip()}" if rest else "")
    for label, value in known:
        short = _factor(label.partition(",")[0])
        if value > 0 and abs(c * c / value - 1) < 2e-5:
            return f"√{short}"
        if value > 0 and abs(c * c * value - 1) < 2e-5:
            return f"1/√{short}"
    return ""


def _factor(label: str) -> str:
    return f"({label})" if " " in label or "·" in label else label


def _known(context: CheckContext, name: str) -> Iterator[tuple[str, float]]:
    """Yield the sizes and numbers of a layer with their names, the simplest first."""
    is_independent = context.rows is not None and name not in context.rows.unlike  # a row gives the same in any batch, so N is not in it
    arrays = [*(x for x in context.twin.inputs if isinstance(x, np.ndarray)), *context.ys]
    for a in arrays:
        if a.ndim >= 1 and not is_independent:
            yield "N, the batch size", a.shape[0]
        if a.ndim >= 2:
            yield "C, the number of classes or features", a.shape[1 if a.ndim > 3 else -1]
            yield ("N·C, the number of elements" if a.ndim == 2 else f"{a.size}, the number of elements"), a.size
    yield from (("2", 2.0), ("3", 3.0), ("4", 4.0))
    for a in arrays:
        letters = AXES.get(a.ndim, "")
        for n in range(1, len(letters)):
            for axes in combinations(range(a.ndim), n):
                if not (is_independent and 0 in axes):
                    yield "·".join(letters[axis] for axis in axes), prod(a.shape[axis] for axis in axes)
    for a in [*arrays, *context.twin.slots.values()]:
        yield from ((f"{n}, the length of an axis", n) for n in a.shape)
        yield f"{a.size}, the number of elements", a.size
    for key, value in context.numbers_held.items():
        if value not in (0.0, 1.0):
            yield from ((key, value), (f"1 − {key}", 1 - value), (f"{key}²", value**2), (f"(1 − {key})²", (1 - value) ** 2))
