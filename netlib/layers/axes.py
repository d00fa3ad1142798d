"""Axes as NumPy has them, checked."""

from ..arrays import Array, Shape
from ..errors import InvalidTypeError, ShapeError


def refuse_axis(x: Array, axis: int, where: object) -> None:
    """Refuse an `axis` that `x` lacks, or one without elements, along which nothing can be a maximum."""
    if isinstance(axis, bool) or not hasattr(axis, "__index__"):
        raise InvalidTypeError(f"axis is {axis!r}, wanted a whole number", where=where)
    if not -x.ndim <= axis < x.ndim:
        raise ShapeError(f"got x of shape {x.shape}, which has no axis {axis}", where=where)
    if x.shape[axis] == 0:
        raise ShapeError(f"got x of shape {x.shape}, with nothing along axis {axis}", where=where)


def kept(shape: Shape, axis: int | Shape | None) -> Shape:
    """Return `shape` after a reduction over `axis` with ``keepdims=True``.

    >>> kept((2, 3), 0), kept((2, 3), None)
    ((1, 3), (1, 1))
    """
    axes = range(len(shape)) if axis is None else {a % len(shape) for a in ((axis,) if isinstance(axis, int) else axis)}
    return tuple(1 if i in axes else n for i, n in enumerate(shape))
