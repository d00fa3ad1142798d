"""The largest number under each window, over one, two or three axes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..arrays import Array, ArrayLike, Shape
from .images import as_images
from .pooling import Pooling
from .rules import Shapes
from .windows import add_at_winners


class _MaxPool(Pooling):
    def __init__(self, kernel_size: int | Shape, stride: int | Shape | None = None, padding: Any = 0,
                 dilation: int | Shape = 1, ceil_mode: bool = False) -> None:  # fmt: skip
        super().__init__(kernel_size, stride, padding, dilation, ceil_mode)

    def forward(self, x: ArrayLike) -> Array:
        """Return y, of shape (N, C, positions)."""
        x = as_images(x, self, axes=self.axes)
        windows, n = self.windows(x.shape[2:]), math.prod(x.shape[2:])
        numbers = windows.gather_flat(x, border=-np.inf)
        pixels = windows.gather_flat(np.arange(n).reshape(1, 1, *x.shape[2:]), border=n)
        place = numbers.argmax(axis=1, keepdims=True)
        y = np.take_along_axis(numbers, place, axis=1)[:, 0]
        winners = np.take_along_axis(pixels, place, axis=1)[:, 0]
        first = pixels.min(axis=1)  # wins if all pixels under the window are −∞, as the border is
        return self.remember(y, np.where(winners < n, winners, first), x.shape)

    def backward(self, dout: ArrayLike) -> Array:
        """Return ∂L/∂x."""
        dout, winners, shape = self.recall(dout)
        return add_at_winners(dout, winners, shape)

    def rule(self, inputs: Shapes, output: Shape) -> str:
        """Return the largest numbers; dy goes to where they were."""
        options = self._options(self.windows(inputs[0][2:]))
        return f"y = maxpool{options}(x); dx = to_winners{options}(dy, x)"


class MaxPool1d(_MaxPool):
    """The largest number under each window, for each channel: (N, C, L) to (N, C, positions).

    ∂L/∂x is ∂L/∂y at the largest number, the first of equals, and 0 elsewhere. Where windows
    overlap, the gradients add up. NaN counts as the largest, so that it is not lost.

    >>> pool = MaxPool1d(3, stride=2)
    >>> pool.forward([[[1.0, 2.0, 5.0, 0.0, 5.0]]]), pool.backward([[[1.0, 10.0]]])
    (array([[[5., 5.]]]), array([[[ 0.,  0., 11.,  0.,  0.]]]))
    """

    kernel_name = "max_pool1d"
    axes = 1


class MaxPool2d(_MaxPool):
    """The largest number under each window: (N, C, H, W) to (N, C, positions). See `MaxPool1d`.

    >>> pool = MaxPool2d(2)
    >>> pool.forward([[[[1.0, 2.0], [4.0, 3.0]]]]), pool.backward([[[[5.0]]]]).tolist()
    (array([[[[4.]]]]), [[[[0.0, 0.0], [5.0, 0.0]]]])
    """

    kernel_name = "max_pool2d"
    axes = 2


class MaxPool3d(_MaxPool):
    """The largest number under each window: (N, C, D, H, W) to (N, C, positions). See `MaxPool1d`.

    >>> MaxPool3d((1, 2, 2)).forward(np.arange(8.0).reshape(1, 1, 2, 2, 2)).ravel()
    array([3., 7.])
    """

    kernel_name = "max_pool3d"
    axes = 3
