"""What reductions share: the shape of a gradient before reduction, and its rule."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import Array, Shape
from .axes import keepdims_shape
from .rules import format_axes, format_shape


def keep_axes(y: Array, shape: Shape, axes: Shape) -> Array:
    """Return `y`, an array of `shape` reduced over `axes`, with these axes of length 1.

    >>> keep_axes(np.ones(3), (2, 3), (0,)).shape
    (1, 3)
    """
    return y.reshape(keepdims_shape(shape, axes))


def wide_type(x: Array) -> np.dtype[Any]:
    """Return the type in which to sum `x`: at least float32, since the largest float16 is 65,504.

    >>> wide_type(np.ones(1, np.float16)), wide_type(np.ones(1))
    (dtype('float32'), dtype('float64'))
    """
    return np.promote_types(x.dtype, np.float32)


def along(axis: int | Shape | None) -> str:
    """Return the option of a function that reduces `axis`, for a rule.

    >>> along(0), along(None)
    ('[axis=0]', '')
    """
    return "" if axis is None else f"[axis={format_axes(np.atleast_1d(axis).tolist())}]"


def spread_gradient(axis: int | Shape | None, shape: Shape) -> str:
    """Return dy spread over the reduced `axis` of an array of `shape`, for a rule.

    >>> spread_gradient(0, (2, 3))
    '(dy, spread to 2×3 along axis 0)'
    """
    axes = "" if axis is None else f" along axis {format_axes(np.atleast_1d(axis).tolist())}"
    return f"(dy, spread to {format_shape(shape)}{axes})"
