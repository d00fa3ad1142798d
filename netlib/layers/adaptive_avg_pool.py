"""The mean under each of a given number of windows, over one, two or three axes."""

from __future__ import annotations

import math

import numpy as np

from ..arrays import Array, ArrayLike, Shape
from .adaptive_pooling import AdaptivePooling
from .images import as_images
from .rules import Shapes, format_per_axis, format_shape


class _AdaptiveAvgPool(AdaptivePooling):
    def forward(self, x: ArrayLike) -> Array:
        """Return y, of shape (N, C, output_size)."""
        x = as_images(x, self, axes=self.axes)
        y = np.empty((*x.shape[:2], *self._sizes), x.dtype)
        for position, pixels in self._windows(x.shape[2:]):
            y[position] = x[pixels].mean(axis=self._within)
        return self.remember(y, x.shape)

    def backward(self, dout: ArrayLike) -> Array:
        """Return ∂L/∂x."""
        dout, shape = self.recall(dout)
        dx = np.zeros(shape, dout.dtype)
        for position, pixels in self._windows(shape[2:]):
            under = dx[pixels]
            under += np.expand_dims(dout[position], self._within) / dout.dtype.type(math.prod(under.shape[2:]))
        return dx

    def rule(self, inputs: Shapes, output: Shape) -> str:
        """Return the means, and their transpose."""
        windows, to = format_per_axis(self._sizes), format_shape(inputs[0][2:])
        return f"y = avgpool[windows={windows}](x); dx = avgpool_transpose[windows={windows}, to={to}](dy)"


class AdaptiveAvgPool1d(_AdaptiveAvgPool):
    """The mean under each window: (N, C, L) to (N, C, output_size).

    Window i of m along an axis of length n goes from ⌊i n / m⌋ to ⌈(i + 1) n / m⌉. Each of the k
    numbers under a window gets ∂L/∂y / k.

    >>> pool = AdaptiveAvgPool1d(2)
    >>> pool.forward([[[1.0, 3.0, 5.0]]]), pool.backward([[[2.0, 4.0]]])
    (array([[[2., 4.]]]), array([[[1., 3., 2.]]]))
    """

    kernel_name = "adaptive_avg_pool1d"
    axes = 1


class AdaptiveAvgPool2d(_AdaptiveAvgPool):
    """`AdaptiveAvgPool1d` over two axes: (N, C, H, W) to (N, C, output_size).

    >>> AdaptiveAvgPool2d((1, 2)).forward(np.arange(6.0).reshape(1, 1, 2, 3))
    array([[[[2., 3.]]]])
    """

    kernel_name = "adaptive_avg_pool2d"
    axes = 2


class AdaptiveAvgPool3d(_AdaptiveAvgPool):
    """`AdaptiveAvgPool1d` over three axes: (N, C, D, H, W) to (N, C, output_size).

    >>> AdaptiveAvgPool3d((2, 1, 1)).forward(np.arange(8.0).reshape(1, 1, 2, 2, 2)).ravel()
    array([1.5, 5.5])
    """

    kernel_name = "adaptive_avg_pool3d"
    axes = 3
