"""Pooling: the largest or the mean number under a window, over one, two or three axes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..arrays import Array, ArrayLike, Shape
from ..errors import InvalidValueError
from ..layer import Layer
from .windows import Windows, as_padding, as_per_axis, as_pixels, channels_first, kernel_windows


class Pooling(Layer):
    """The base class: a window for each position, without weights.

    The stride is that of the window if it is not given, so that windows do not overlap. With
    `ceil_mode`, a last window may hang over the end.
    """

    axes = 0

    def __init__(self, kernel_size: int | Shape, stride: int | Shape | None = None, padding: Any = 0,
                 dilation: int | Shape = 1, ceil_mode: bool = False) -> None:  # fmt: skip
        where = type(self).__name__
        self.kernel_size, self.stride, self.padding, self.dilation = kernel_size, stride, padding, dilation
        self.ceil_mode = ceil_mode
        self._kernel = as_per_axis(kernel_size, self.axes, "kernel_size", where)
        self._strides = self._kernel if stride is None else as_per_axis(stride, self.axes, "stride", where)
        self._dilations = as_per_axis(dilation, self.axes, "dilation", where)
        self._pads = as_padding(padding, self.axes, where)
        if any(max(pad) >= k for pad, k in zip(self._pads or (), self._kernel, strict=bool(self._pads))):
            raise InvalidValueError(f"padding is {padding!r}, so that windows of {kernel_size!r} may lie in it", where=where)

    def windows(self, lengths: Shape) -> Windows:
        """Return the windows of images with these lengths."""
        return kernel_windows(lengths, self._kernel, self._strides, self._dilations, self._pads, self, self.ceil_mode)


class MaxPooling(Pooling):
    """y is the largest number under each window, for each channel.

    ∂L/∂x is ∂L/∂y at the largest number, the first of equals, and 0 at the others. Where windows
    overlap, the gradients add up. NaN counts as the largest, so it is not lost.
    """

    def forward(self, x: ArrayLike) -> Array:
        """Return y, of shape (N, C, \\*positions)."""
        image = as_pixels(x, self.axes, self)
        windows = self.windows(image.shape[1:-1])
        pixels = windows.gather(np.arange(math.prod(windows.lengths)).reshape(1, *windows.lengths, 1))
        numbers = self._by_place(windows.gather(image, border=-np.inf))
        place = numbers.argmax(axis=-2)[..., None, :]
        y = np.take_along_axis(numbers, place, axis=-2)[..., 0, :]
        winners = np.take_along_axis(self._by_place(pixels), place, axis=-2)[..., 0, :]
        return self.remember(channels_first(y), channels_first(winners), np.shape(x))

    def backward(self, dout: ArrayLike) -> Array:
        """Return ∂L/∂x."""
        dout, winners, shape = self.recall(dout)
        dx = np.zeros((*shape[:2], math.prod(shape[2:])), dout.dtype)
        n, c, _ = np.ogrid[: shape[0], : shape[1], :1]
        np.add.at(dx, (n, c, winners.reshape(*shape[:2], -1)), dout.reshape(*shape[:2], -1))
        return dx.reshape(shape)

    def _by_place(self, patches: Array) -> Array:
        """Return patches (N, \\*positions, \\*kernel, C) with one axis for the places in the kernel."""
        return patches.reshape(*patches.shape[: 1 + self.axes], math.prod(self._kernel), patches.shape[-1])


class AvgPooling(Pooling):
    """y is the mean of the numbers under each window, for each channel.

    Zeros in the border count, unless `count_include_pad` is False; what a window with `ceil_mode`
    covers beyond the border never counts. Every number under a window of n gets ∂L/∂y / n.
    """

    def __init__(self, kernel_size: int | Shape, stride: int | Shape | None = None, padding: Any = 0,
                 ceil_mode: bool = False, count_include_pad: bool = True) -> None:  # fmt: skip
        super().__init__(kernel_size, stride, padding, 1, ceil_mode)
        self.count_include_pad = count_include_pad

    def forward(self, x: ArrayLike) -> Array:
        """Return y, of shape (N, C, \\*positions)."""
        image = as_pixels(x, self.axes, self)
        windows = self.windows(image.shape[1:-1])
        within = tuple(range(1 + self.axes, 1 + 2 * self.axes))
        counts = windows.counts(self.count_include_pad).astype(image.dtype)[..., None]
        y = windows.gather(image).sum(axis=within) / counts
        return self.remember(channels_first(y), counts, windows)

    def backward(self, dout: ArrayLike) -> Array:
        """Return ∂L/∂x."""
        dout, counts, windows = self.recall(dout)
        share = np.moveaxis(dout, 1, -1) / counts
        spread = share.reshape(*share.shape[:-1], *(1,) * self.axes, share.shape[-1])
        return channels_first(windows.scatter(np.broadcast_to(spread, (*share.shape[:-1], *self._kernel, share.shape[-1]))))


class MaxPool1d(MaxPooling):
    kernel_name = "max_pool1d"
    axes = 1


class MaxPool2d(MaxPooling):
    kernel_name = "max_pool2d"
    axes = 2


class MaxPool3d(MaxPooling):
    kernel_name = "max_pool3d"
    axes = 3


class AvgPool1d(AvgPooling):
    kernel_name = "avg_pool1d"
    axes = 1


class AvgPool2d(AvgPooling):
    kernel_name = "avg_pool2d"
    axes = 2


class AvgPool3d(AvgPooling):
    kernel_name = "avg_pool3d"
    axes = 3
