"""Axes as NumPy has them, checked."""

from __future__ import annotations

from numpy.lib.array_utils import normalize_axis_tuple

from ..arrays import Array, Shape, as_count
from ..errors import ShapeError


def as_axis(axis: object, where: object) -> int:
    """Return `axis` as an int; NumPy's arrays have at most 64.

    >>> as_axis(-1, "Softmax")
    -1
    """
    return as_count(axis, "axis", where, least=-64)


def require_axis(x: Array, axis: int, where: object) -> None:
    """Refuse an `axis` that `x` lacks, or one without elements, along which nothing can be a maximum."""
    if not -x.ndim <= axis < x.ndim:
        raise ShapeError(f"got x of shape {x.shape}, which has no axis {axis}", where=where)
    if x.shape[axis] == 0:
        raise ShapeError(f"got x of shape {x.shape}, with nothing along axis {axis}", where=where)


def as_axes(x: Array, axis: int | Shape | None, where: object) -> Shape:
    """Return the numbers of the axes of `x` that `axis` names: one, several, or all (None)."""
    if axis is None:
        return tuple(range(x.ndim))
    try:
        return normalize_axis_tuple(axis, x.ndim)
    except (ValueError, TypeError) as error:
        raise ShapeError(f"got x of shape {x.shape} and axis {axis!r}: {error}", where=where) from None


def kept(shape: Shape, axes: Shape) -> Shape:
    """Return `shape` after a reduction over `axes` with ``keepdims=True``.

    >>> kept((2, 3), (0,))
    (1, 3)
    """
    return tuple(1 if i in axes else n for i, n in enumerate(shape))
