"""Piecewise linear operations, such as masks, with slopes swapped or one slope everywhere."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ....arrays import Array
from ...equality import fits_into
from ..trace import Operation
from .variant import Take, Variant, Whole, by_source, movement, moving_operands

NEAR = 8
"""How many operations a joint mask may span."""
FAR = 1e6
"""How many times larger than its operand a result may be before it counts as cut off."""
LARGEST = {"max", "min", "amax", "amin"}
INVERTED, UNMASKED = "stops what it should pass, and passes what it should stop", "passes everything"


def masks(operation: Operation, k: int, move: Array) -> Iterator[tuple[str, str, Take]]:
    """Yield an inverted or a missing mask: slopes swapped, or one slope everywhere."""

    def plain(v: Array) -> Array:
        return movement(operation, k, v)

    there = plain(move)
    if operation.name in LARGEST and there.shape != move.shape:
        how = {key: value for key, value in operation.options.items() if key in ("axis", "keepdims")}
        yield "missing-mask", UNMASKED, lambda v: np.asarray(np.sum(v, **how))
        yield "inverted-mask", INVERTED, lambda v: np.asarray(np.sum(v, **how) - plain(v))
    if fits_into(move.shape, there.shape):
        yield from _two_slopes(there / move)


def _two_slopes(slopes: Array) -> Iterator[tuple[str, str, Take]]:
    """Yield wrong masks for slopes of two kinds; NaN where nothing moves."""
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


def other_pieces(operation: Operation, k: int, move: Array) -> Iterator[tuple[str, str, Whole]]:
    """Yield a piecewise linear result with one piece everywhere, or with two exchanged."""
    u, r = operation.operands[k], operation.result
    if u.size < 2 or not fits_into(u.shape, r.shape):
        return
    slopes = movement(operation, k, move) / move
    slopes[~(np.abs(r) <= FAR * (1 + np.abs(u).max()))] = np.nan  # as where a large number is taken off
    pieces = []
    for slope in _distinct(slopes):
        here = np.abs(slopes - slope) <= 1e-6 * max(1.0, abs(slope))
        level = (r - slope * u)[here]
        if np.ptp(level) <= 1e-9 * max(1.0, float(np.abs(level).max())) and not here.all():
            pieces.append((here, slope, float(level.mean())))
    for _, slope, level in pieces:
        if slope:
            yield "missing-mask", UNMASKED, lambda now, slope=slope, level=level: np.broadcast_to(slope * now[k] + level, r.shape)  # type: ignore[misc]
    if len(pieces) == 2:
        (here, slope, level), (_, other, base) = pieces
        yield "inverted-mask", INVERTED, lambda now: np.where(here, other * now[k] + base, slope * now[k] + level)


def _distinct(slopes: Array) -> list[float]:
    """Return the distinct slopes, if there are one or two."""
    known = slopes[np.isfinite(slopes)]
    if not known.size:
        return []
    low, high = float(known.min()), float(known.max())
    allowed = 1e-6 * max(1.0, abs(low), abs(high))
    if (np.minimum(known - low, high - known) > allowed).any():
        return []
    if high - low <= allowed:
        return [low]
    return [low, high] if abs(high + low) > allowed else []  # of an absolute value it is the sign


def joint_masks(base: list[Operation], above: list[Operation]) -> Iterator[Variant]:
    """Yield wrong masks of several operations, such as np.where(x > 0, x, 0.1 * x)."""
    moving = moving_operands(base, above)
    for number, (operation, there) in enumerate(zip(base, above, strict=True)):
        if not isinstance(operation.result, np.ndarray) or operation.result.dtype.kind != "f":
            continue
        for place, u in moving:
            if number - NEAR <= place[0] < number and u.shape == operation.result.shape:
                slopes = (there.result - operation.result) / (above[place[0]].operands[place[1]] - u)
                for mistake, what, take in _two_slopes(slopes):
                    yield Variant(mistake, f"{operation.text} {what}", {number: by_source(operation.result, place, u, take)})
