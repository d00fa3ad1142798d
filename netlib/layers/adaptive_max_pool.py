"""The largest number under each of a given number of windows, over one, two or three axes."""

from __future__ import annotations

import math

import numpy as np

from ..arrays import Array, ArrayLike, Shape
from .adaptive_pooling import AdaptivePooling
from .images import as_images
from .rules import Shapes, format_per_axis
from .windows import add_at_winners


class _AdaptiveMaxPool(AdaptivePooling):
    def forward(self, x: ArrayLike) -> Array:
        """Return y, of shape (N, C, output_size)."""
        x = as_images(x, self, axes=self.axes)
        y = np.empty((*x.shape[:2], *self._sizes), x.dtype)
        winners = np.empty(y.shape, np.intp)
        numbers = np.arange(math.prod(x.shape[2:])).reshape(x.shape[2:])
        for position, pixels in self._windows(x.shape[2:]):
            under = numbers[pixels].ravel()
            candidates = x[pixels].reshape(*x.shape[:2], under.size)
            place = candidates.argmax(axis=2, keepdims=True)
            y[position] = np.take_along_axis(candidates, place, axis=2)[..., 0]
            winners[position] = under[place[..., 0]]
        return self.remember(y, winners, x.shape)

    def backward(self, dout: ArrayLike) -> Array:
        """Return ∂L/∂x."""
        dout, winners, shape = self.recall(dout)
        return add_at_winners(dout, winners, shape)

    def rule(self, inputs: Shapes, output: Shape) -> str:
        """Return the largest numbers; dy goes to where they were."""
        windows = format_per_axis(self._sizes)
        return f"y = maxpool[windows={windows}](x); dx = to_winners[windows={windows}](dy, x)"


class AdaptiveMaxPool1d(_AdaptiveMaxPool):
    """The largest number under each window: (N, C, L) to (N, C, output_size).

    Window i of m along an axis of length n goes from ⌊i n / m⌋ to ⌈(i + 1) n / m⌉. ∂L/∂x is ∂L/∂y
    at the largest number, the first of equals, and 0 elsewhere. Where windows overlap, the
    gradients add up.

    >>> pool = AdaptiveMaxPool1d(2)
    >>> pool.forward([[[1.0, 5.0, 3.0]]]), pool.backward([[[2.0, 4.0]]])
    (array([[[5., 5.]]]), array([[[0., 6., 0.]]]))
    """

    kernel_name = "adaptive_max_pool1d"
    axes = 1


class AdaptiveMaxPool2d(_AdaptiveMaxPool):
    """`AdaptiveMaxPool1d` over two axes: (N, C, H, W) to (N, C, output_size).

    >>> AdaptiveMaxPool2d((1, 2)).forward(np.arange(6.0).reshape(1, 1, 2, 3))
    array([[[[4., 5.]]]])
    """

    kernel_name = "adaptive_max_pool2d"
    axes = 2


class AdaptiveMaxPool3d(_AdaptiveMaxPool):
    """`AdaptiveMaxPool1d` over three axes: (N, C, D, H, W) to (N, C, output_size).

    >>> AdaptiveMaxPool3d((2, 1, 1)).forward(np.arange(8.0).reshape(1, 1, 2, 2, 2)).ravel()
    array([3., 7.])
    """

    kernel_name = "adaptive_max_pool3d"
    axes = 3
