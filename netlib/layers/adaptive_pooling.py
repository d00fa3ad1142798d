"""Adaptive pooling: a given number of windows, whatever the size of the image."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..arrays import Array, ArrayLike, Shape
from ..layer import Layer
from .images import as_images
from .per_axis import as_per_axis
from .rules import Shapes, format_per_axis, format_shape
from .windows import add_at_winners


class AdaptivePooling(Layer):
    """The base class: `output_size` windows along each axis.

    Window i of m along an axis of length n goes from ⌊i n / m⌋ to ⌈(i + 1) n / m⌉, so that windows
    may overlap by one.
    """

    axes: int

    def __init__(self, output_size: int | Shape) -> None:
        self.output_size = output_size
        self._sizes = as_per_axis(output_size, self.axes, "output_size", type(self).__name__)

    @property
    def _within(self) -> Shape:
        """The axes after the channels."""
        return tuple(range(2, 2 + self.axes))

    def _windows(self, lengths: Shape) -> Iterator[tuple[Any, Any]]:
        """Yield, for each position, its index in y and the index of its window in x."""
        for position in np.ndindex(self._sizes):
            axes = zip(position, lengths, self._sizes, strict=True)
            yield (..., *position), (..., *(slice(i * n // m, -(-(i + 1) * n // m)) for i, n, m in axes))


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
    """The mean under each window: (N, C, H, W) to (N, C, output_size). See `AdaptiveAvgPool1d`.

    >>> AdaptiveAvgPool2d((1, 2)).forward(np.arange(6.0).reshape(1, 1, 2, 3))
    array([[[[2., 3.]]]])
    """

    kernel_name = "adaptive_avg_pool2d"
    axes = 2


class AdaptiveAvgPool3d(_AdaptiveAvgPool):
    """The mean under each window: (N, C, D, H, W) to (N, C, output_size). See `AdaptiveAvgPool1d`.

    >>> AdaptiveAvgPool3d((2, 1, 1)).forward(np.arange(8.0).reshape(1, 1, 2, 2, 2)).ravel()
    array([1.5, 5.5])
    """

    kernel_name = "adaptive_avg_pool3d"
    axes = 3


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
    """The largest number under each window: (N, C, H, W) to (N, C, output_size).

    See `AdaptiveMaxPool1d`.

    >>> AdaptiveMaxPool2d((1, 2)).forward(np.arange(6.0).reshape(1, 1, 2, 3))
    array([[[[4., 5.]]]])
    """

    kernel_name = "adaptive_max_pool2d"
    axes = 2


class AdaptiveMaxPool3d(_AdaptiveMaxPool):
    """The largest number under each window: (N, C, D, H, W) to (N, C, output_size).

    See `AdaptiveMaxPool1d`.

    >>> AdaptiveMaxPool3d((2, 1, 1)).forward(np.arange(8.0).reshape(1, 1, 2, 2, 2)).ravel()
    array([3., 7.])
    """

    kernel_name = "adaptive_max_pool3d"
    axes = 3
