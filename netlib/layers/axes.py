"""The checks of axis arguments."""

from __future__ import annotations

from numpy.lib.array_utils import normalize_axis_tuple

from ..arrays import Array, Shape, as_count
from ..errors import ShapeError


def as_axis(axis: object, where: object) -> int:
    """Return `axis` as an int. NumPy's arrays have at most 64 axes.

    >>> as_axis(-1, "Softmax")
    -1
    """
    return as_count(axis, "axis", where, least=-64)


def require_axis(x: Array, axis: int, where: object) -> None:
    """Raise if `x` has no such `axis`, or if the axis is empty and so has no maximum."""
    if not -x.ndim <= axis < x.ndim:
        raise ShapeError(f"got x of shape {x.shape}, which has no axis {axis}", where=where)
    if x.shape[axis] == 0:
        raise ShapeError(f"got x of shape {x.shape}, whose axis {axis} is empty", where=where)


def as_axes(x: Array, axis: int | Shape | None, where: object) -> Shape:
    """Return `axis`, which may be one, several or all axes (None) of `x`, as a tuple of ints."""
    if axis is None:
        return tuple(range(x.ndim))
    try:
        return normalize_axis_tuple(axis, x.ndim)
    except (ValueError, TypeError) as error:
        raise ShapeError(f"got x of shape {x.shape} and axis {axis!r}: {error}", where=where) from None


def keepdims_shape(shape: Shape, axes: Shape) -> Shape:
    """Return the shape after a reduction of `shape` over `axes` with ``keepdims=True``.

    >>> keepdims_shape((2, 3), (0,))
    (1, 3)
    """
    return tuple(1 if i in axes else n for i, n in enumerate(shape))
