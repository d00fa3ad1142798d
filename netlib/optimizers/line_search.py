"""The search along a line for a step that satisfies the strong Wolfe conditions."""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite, sqrt
from typing import NamedTuple

from ..arrays import Array

DECREASE, CURVATURE = 1e-4, 0.9
"""The constants c1 and c2 of the conditions, as recommended for quasi-Newton methods."""

MOST_EVALUATIONS = 25
NARROWEST = 1e-3
"""The search ends when its interval is narrower than this share of its larger end."""


class Point(NamedTuple):
    """A point on the line: its step, and the value, slope, and gradient of the function there."""

    step: float
    value: float
    slope: float
    gradient: Array


def search(at: Callable[[float], Point], start: Point, step: float) -> Point:
    """Return a point with a lower value and a flatter slope, or `start` if none was found.

    The conditions are ``value ≤ start.value + c1·step·start.slope`` and
    ``|slope| ≤ c2·|start.slope|``. Nocedal and Wright, "Numerical Optimization", 2006, Algorithms
    3.5 and 3.6 in one loop: `low` is the best point so far, and the minimum lies between it and
    `high`, which is None while the search still goes outwards. A value that is not finite counts
    as too high. If the conditions cannot be met, for example because of rounding, the result is
    `low`.

    Examples
    --------
    >>> import numpy as np
    >>> def at(a):
    ...     return Point(a, (a - 3) ** 2, 2 * (a - 3), np.array([2 * (a - 3)]))
    >>> search(at, at(0.0), 1.0).step
    1.0
    >>> search(at, at(0.0), 100.0).step
    3.0
    """
    low = previous = start
    high: Point | None = None
    for _ in range(MOST_EVALUATIONS):
        point = at(step)
        finite = isfinite(point.value) and isfinite(point.slope)
        if not finite or point.value > start.value + DECREASE * step * start.slope or (low is not start and point.value >= low.value):
            high = point
        elif abs(point.slope) <= -CURVATURE * start.slope:
            return point
        else:
            if point.slope * (1 if high is None else high.step - low.step) >= 0:
                high = low
            previous, low = low, point
        if high is None:
            step = _outwards(previous, low)
        elif abs(high.step - low.step) <= NARROWEST * max(high.step, low.step):
            break
        else:
            step = _between(low, high)
    return low


def _outwards(previous: Point, low: Point) -> float:
    """Return the minimum of the cubic beyond `low`, 1.1 to 4 times as far as it is from before."""
    width = low.step - previous.step
    step = _minimum_of_cubic(previous, low)
    nearest, farthest = low.step + 1.1 * width, low.step + 4 * width
    return farthest if step is None or step <= low.step else min(max(step, nearest), farthest)


def _between(low: Point, high: Point) -> float:
    """Return the minimum of the cubic, at least a tenth of the interval from both ends."""
    left, right = sorted((low.step, high.step))
    step = _minimum_of_cubic(low, high)
    margin = 0.1 * (right - left)
    return (left + right) / 2 if step is None else min(max(step, left + margin), right - margin)


def _minimum_of_cubic(a: Point, b: Point) -> float | None:
    """Return the minimum of the cubic through both points with their slopes; Eq. (3.59)."""
    d1 = a.slope + b.slope - 3 * (a.value - b.value) / (a.step - b.step)
    square = d1 * d1 - a.slope * b.slope
    if not isfinite(square) or square < 0:
        return None
    d2 = sqrt(square) if b.step > a.step else -sqrt(square)
    divisor = b.slope - a.slope + 2 * d2
    return b.step - (b.step - a.step) * (b.slope + d2 - d1) / divisor if divisor else None
