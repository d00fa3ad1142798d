"""Images as the kernels take them: channels last in memory, with the sizes of windows on them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...arrays import Array, Shape


class Geometry:
    """The windows of a layer on images of some shape, (N, C, …).

    Attributes
    ----------
    table : ndarray
        Rows of three: kernel, stride, dilation, border before, and positions.
    images : tuple of int
        The shape of the images with the channels last, and with three axes between.
    positions : tuple of int
        The number of positions along each of the layer's own axes.
    rows : tuple of int
        The shape of the output without its channels: (N, number of positions).
    """

    def __init__(self, layer: Any, shape: Shape) -> None:
        windows = layer.windows(shape[2:])
        missing = 3 - layer.axes
        before = tuple(pair[0] for pair in windows.pads)
        rows = [windows.kernel, windows.stride, windows.dilation, before, windows.positions]
        fillers = [1, 1, 1, 0, 1]
        self.table = np.array([(filler,) * missing + row for filler, row in zip(fillers, rows, strict=True)], np.int64)
        self.images = shape[0], *(1,) * missing, *shape[2:], shape[1]
        self.positions = windows.positions
        self.rows = shape[0], math.prod(self.positions)


class Results:
    """The arrays that an operation writes, with the channels last in memory or in C order.

    Parameters
    ----------
    memory : ndarray or None
        The array for every result. By default, each is a new one.
    shape : tuple of int
        The shape with the channels first: (N, C, …).
    dtype : dtype
    has_channels_last : bool
    """

    def __init__(self, memory: Array | None, shape: Shape, dtype: np.dtype[Any], has_channels_last: bool = True) -> None:
        self._memory, self._dtype, self._has_channels_last = memory, dtype, has_channels_last
        self._shape = (shape[0], *shape[2:], shape[1]) if has_channels_last else shape
        self._fixed = None if memory is None else self.order(memory)

    def order(self, x: Array) -> Array:
        """Return `x` in its memory layout, in C order. If it has another layout, copy it."""
        return channels_last(x) if self._has_channels_last else np.ascontiguousarray(x)

    def begin(self) -> Array:
        """Return the array to write into, in its memory layout."""
        return np.empty(self._shape, self._dtype) if self._fixed is None else self._fixed

    def finish(self, written: Array) -> Array:
        """Return the result, with the channels first."""
        result = channels_first(written) if self._has_channels_last else written
        if self._memory is None:
            return result
        if not np.may_share_memory(written, self._memory):
            self._memory[...] = result
        return self._memory


def channels_last(x: Array) -> Array:
    """Return images (N, C, …) as (N, …, C) in C order. If they are in another layout, copy them."""
    return np.ascontiguousarray(x.transpose(0, *range(2, x.ndim), 1))


def channels_first(x: Array) -> Array:
    """Return a view (N, C, …) of images (N, …, C)."""
    return x.transpose(0, x.ndim - 1, *range(1, x.ndim - 1))


def has_windows(layer: Any, shape: Shape) -> bool:
    """Return whether the layer has windows on images of this shape, and there is a sample."""
    if len(shape) != layer.axes + 2 or 0 in shape:
        return False
    try:
        layer.windows(shape[2:])
    except ValueError:
        return False
    return True
