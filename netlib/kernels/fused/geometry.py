"""The sizes of windows on images, as kernels of one, two and three axes take them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...arrays import Shape


class Geometry:
    """The windows of a layer on images of some shape, (N, C, …).

    Attributes
    ----------
    shape : tuple of int
        The shape of the images with three axes after (N, C).
    table : ndarray
        Rows of three: kernel, stride, dilation, border before, and positions.
    positions : tuple of int
        The number of positions along each of the three axes.
    output : tuple of int
        The same along the layer's own axes.
    """

    def __init__(self, layer: Any, shape: Shape) -> None:
        windows = layer.windows(shape[2:])
        missing = 3 - layer.axes
        before = tuple(pair[0] for pair in windows.pads)
        rows = [windows.kernel, windows.stride, windows.dilation, before, windows.positions]
        fillers = [1, 1, 1, 0, 1]
        self.table = np.array([(filler,) * missing + row for filler, row in zip(fillers, rows, strict=True)], np.int64)
        self.shape = (*shape[:2], *(1,) * missing, *shape[2:])
        self.positions = tuple(self.table[4].tolist())
        self.output = windows.positions
        self.n_positions = math.prod(self.positions)
        self.n_rows = shape[1] * math.prod(windows.kernel)


def has_windows(layer: Any, x: Any) -> bool:
    """Return whether `x` is an image on which the layer has windows, and at least one sample."""
    shape = x.shape
    if len(shape) != layer.axes + 2 or 0 in shape:
        return False
    try:
        return 0 not in layer.windows(shape[2:]).positions
    except ValueError:
        return False
