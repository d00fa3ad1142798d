"""Slopes of two kinds, such as 0 and 1, exchanged, or one of them everywhere."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ...arrays import Array
from ..expressions import fits_into
from ..tracing import Operation
from .taking import Take, Variant, by_source, moved, moving_operands

NEAR = 8
"""Operations within which masks are made together."""
LARGEST = {"max", "min", "amax", "amin"}
INVERTED, UNMASKED = "stops what it should pass, and passes what it should stop", "passes everything"


def masks(operation: Operation, k: int, move: Array) -> Iterator[tuple[str, str, Take]]:
    """Slopes of two kinds, such as 0 and 1, exchanged, or one of them everywhere."""

    def plain(v: Array) -> Array:
        return moved(operation, k, v)

    there = plain(move)
    if operation.name in LARGEST and there.shape != move.shape:
        how = {key: value for key, value in operation.options.items() if key in ("axis", "keepdims")}
        yield "missing-mask", UNMASKED, lambda v: np.asarray(np.sum(v, **how))
        yield "inverted-mask", INVERTED, lambda v: np.asarray(np.sum(v, **how) - plain(v))
    if fits_into(move.shape, there.shape):
        yield from _two_slopes(there / move)


def _two_slopes(slopes: Array) -> Iterator[tuple[str, str, Take]]:
    """Yield what could be taken for these slopes, if they are of two kinds; NaN stands where nothing moves."""
    known = slopes[np.isfinite(slopes)]
    low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 0.0)
    allowed = 1e-6 * max(abs(low), abs(high))
    if min(high - low, abs(high + low)) <= 1e3 * allowed or (np.minimum(known - low, high - known) > allowed).any():
        return
    plain = np.where(np.isfinite(slopes), slopes, low)
    yield "inverted-mask", INVERTED, lambda v: np.asarray((low + high - plain) * v)
    for slope in dict.fromkeys((low, high, 1.0)):
        if slope:
            yield "missing-mask", f"{UNMASKED}{'' if slope == 1 else f', {slope:.4g} times'}", lambda v, slope=slope: slope * v + 0 * plain  # type: ignore[misc]


def masks_together(base: list[Operation], above: list[Operation]) -> Iterator[Variant]:
    """Slopes of two kinds that several operations make together, such as those of np.where(x > 0, x, 0.1 * x)."""
    moving = moving_operands(base, above)
    for number, (operation, there) in enumerate(zip(base, above, strict=True)):
        if not isinstance(operation.result, np.ndarray) or operation.result.dtype.kind != "f":
            continue
        for place, u in moving:
            if number - NEAR <= place[0] < number and u.shape == operation.result.shape:
                slopes = (there.result - operation.result) / (above[place[0]].operands[place[1]] - u)
                for mistake, what, take in _two_slopes(slopes):
                    yield Variant(mistake, f"{operation.text} {what}", {number: by_source(operation.result, place, u, take)})
