"""Long arrays in blocks, so that intermediate results take little memory."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..arrays import Array

LENGTH = 65_536
"""Elements of a block: a few such arrays fit into the cache of a processor."""
LARGE = 1_000_000
"""Elements above which a check saves passes."""


def slices(size: int) -> Iterator[slice]:
    """Yield the slices of an array of this size that make up its blocks."""
    return (slice(start, start + LENGTH) for start in range(0, size, LENGTH))


def blocks(*arrays: Array) -> Iterator[tuple[Array, ...]]:
    """Yield the flat blocks of arrays of the same size."""
    flat = [a.reshape(-1) for a in arrays]
    return (tuple(a[part] for a in flat) for part in slices(flat[0].size))


def largest_finite(a: Array) -> float:
    """Return the largest finite absolute value, or 0 if there is none."""
    size = largest(a)
    return size if np.isfinite(size) else max(float(np.abs(part[np.isfinite(part)]).max(initial=0)) for (part,) in blocks(a))


def max_apart(a: Array, b: Array) -> float:
    """Return the largest absolute difference of two arrays of one shape, as in `largest`."""
    return float(np.max([largest(x - y) for x, y in blocks(a, b)], initial=0.0))


def largest(a: Array) -> float:
    """Return the largest absolute value, 0 for an empty array, NaN if there is one."""
    return float(np.maximum(abs(float(a.max(initial=0))), abs(float(a.min(initial=0)))))
