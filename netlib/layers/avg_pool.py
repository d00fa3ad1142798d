"""The mean of the numbers under each window, over one, two or three axes."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import Array, ArrayLike, Shape
from .images import as_images
from .pooling import Pooling
from .rules import Shapes, format_shape


class _AvgPool(Pooling):
    def __init__(self, kernel_size: int | Shape, stride: int | Shape | None = None, padding: Any = 0,
                 ceil_mode: bool = False, count_include_pad: bool = True) -> None:  # fmt: skip
        super().__init__(kernel_size, stride, padding, 1, ceil_mode)
        self.count_include_pad = count_include_pad

    def forward(self, x: ArrayLike) -> Array:
        """Return y, of shape (N, C, positions)."""
        x = as_images(x, self, axes=self.axes)
        windows = self.windows(x.shape[2:])
        counts = windows.counts(self.count_include_pad).astype(x.dtype)
        y: Array = windows.gather(x).sum(axis=windows.within) / counts
        return self.remember(y, counts, windows)

    def backward(self, dout: ArrayLike) -> Array:
        """Return ∂L/∂x."""
        dout, counts, windows = self.recall(dout)
        share = np.expand_dims(dout / counts, windows.within)
        dx: Array = windows.scatter(np.broadcast_to(share, (len(share), *self._kernel, *dout.shape[1:])))
        return dx

    def rule(self, inputs: Shapes, output: Shape) -> str:
        """Return the means, and their transpose."""
        windows, to = self.windows(inputs[0][2:]), format_shape(inputs[0][2:])
        options, transposed = self._options(windows, self.count_include_pad), self._options(windows, self.count_include_pad, to=to)
        return f"y = avgpool{options}(x); dx = avgpool_transpose{transposed}(dy)"


class AvgPool1d(_AvgPool):
    """The mean of the numbers under each window: (N, C, L) to (N, C, positions).

    Zeros in the border count, unless `count_include_pad` is False. Positions beyond the border
    never count. Each of the n numbers under a window gets ∂L/∂y / n.

    >>> pool = AvgPool1d(2, stride=1)
    >>> pool.forward([[[1.0, 3.0, 5.0]]]), pool.backward([[[2.0, 4.0]]])
    (array([[[2., 4.]]]), array([[[1., 3., 2.]]]))
    """

    kernel_name = "avg_pool1d"
    axes = 1


class AvgPool2d(_AvgPool):
    """The mean under each window: (N, C, H, W) to (N, C, positions). See `AvgPool1d`.

    >>> AvgPool2d(2, padding=1).forward(np.full((1, 1, 2, 2), 4.0)).tolist()
    [[[[1.0, 1.0], [1.0, 1.0]]]]
    >>> inside = AvgPool2d(2, padding=1, count_include_pad=False)
    >>> inside.forward(np.full((1, 1, 2, 2), 4.0)).tolist()
    [[[[4.0, 4.0], [4.0, 4.0]]]]
    """

    kernel_name = "avg_pool2d"
    axes = 2


class AvgPool3d(_AvgPool):
    """The mean under each window: (N, C, D, H, W) to (N, C, positions). See `AvgPool1d`.

    >>> AvgPool3d(2).forward(np.arange(8.0).reshape(1, 1, 2, 2, 2)).ravel()
    array([3.5])
    """

    kernel_name = "avg_pool3d"
    axes = 3
