"""Pooling: the largest number or the mean under a window, over one, two or three axes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..arrays import Array, ArrayLike, Shape
from ..errors import InvalidValueError, ShapeError
from ..layer import Layer
from .images import as_images
from .rules import Shapes, format_options, format_per_axis, format_shape, format_widths
from .windows import Windows, add_at_winners, as_pads, as_per_axis, kernel_windows


class Pooling(Layer):
    """The base class: a window at each position, on each channel for itself.

    By default the stride is `kernel_size`, so that windows do not overlap. With `ceil_mode`, a last
    window may reach beyond the end.
    """

    axes = 0

    def __init__(self, kernel_size: int | Shape, stride: int | Shape | None, padding: Any, dilation: int | Shape,
                 ceil_mode: bool) -> None:  # fmt: skip
        where = type(self).__name__
        self.kernel_size, self.stride, self.padding, self.dilation = kernel_size, stride, padding, dilation
        self.ceil_mode = ceil_mode
        self._kernel = as_per_axis(kernel_size, self.axes, "kernel_size", where)
        self._strides = self._kernel if stride is None else as_per_axis(stride, self.axes, "stride", where)
        self._dilations = as_per_axis(dilation, self.axes, "dilation", where)
        self._pads = as_pads(padding, self.axes, where)
        if any(max(pad) >= k for pad, k in zip(self._pads or (), self._kernel, strict=bool(self._pads))):
            message = f"padding is {padding!r}, expected less than the kernel_size {kernel_size!r}"
            raise InvalidValueError(message, where=where, hint="A window would lie outside the image.")

    def windows(self, lengths: Shape) -> Windows:
        """Return the windows on images of these lengths."""
        windows = kernel_windows(lengths, self._kernel, self._strides, self._dilations, self._pads, self, self.ceil_mode)
        has_gaps = max(self._dilations) > 1  # else a window, which is wider than the border, covers a pixel
        if has_gaps and not windows.counts(with_border=False).all():
            message = f"a window of {self.kernel_size!r} with dilation {self.dilation!r} covers no pixel of {lengths}"
            raise ShapeError(message, where=self, hint="Reduce the dilation or the padding.")
        return windows

    def _options(self, windows: Windows, count_border: bool = False, **more: str) -> str:
        """Return the options of pooling in rules. What does not count lies outside the border."""
        axes = zip(windows.lengths, windows.pads, windows.spans, windows.positions, self._strides, strict=True)
        overhang = [(0, max((p - 1) * s + span - (a + n + b), 0)) for n, (a, b), span, p, s in axes]
        everything = [(a, b + beyond) for (a, b), (_, beyond) in zip(windows.pads, overhang, strict=True)]
        return format_options(
            kernel=format_per_axis(self._kernel),
            stride=format_per_axis(self._strides),
            border=format_widths(windows.pads) if count_border else "0",
            outside=format_widths(overhang if count_border else everything),
            dilation=format_per_axis(self._dilations),
            **more,
        )


class _MaxPool(Pooling):
    def __init__(self, kernel_size: int | Shape, stride: int | Shape | None = None, padding: Any = 0,
                 dilation: int | Shape = 1, ceil_mode: bool = False) -> None:  # fmt: skip
        super().__init__(kernel_size, stride, padding, dilation, ceil_mode)

    def forward(self, x: ArrayLike) -> Array:
        """Return y, of shape (N, C, positions)."""
        x = as_images(x, self, axes=self.axes)
        windows, n = self.windows(x.shape[2:]), math.prod(x.shape[2:])
        numbers = self._by_place(windows.gather(x, border=-np.inf))
        pixels = self._by_place(windows.gather(np.arange(n).reshape(1, 1, *x.shape[2:]), border=n))
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

    def _by_place(self, patches: Array) -> Array:
        """Return patches with one axis for all places in the kernel."""
        return patches.reshape(len(patches), math.prod(self._kernel), *patches.shape[1 + self.axes :])


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


class MaxPool1d(_MaxPool):
    """y is the largest number under each window, for each channel: (N, C, L) to (N, C, positions).

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
    >>> pool.forward([[[[1.0, 2.0, 0.0, 0.0], [4.0, 3.0, 0.0, 9.0]]]])
    array([[[[4., 9.]]]])
    >>> pool.backward([[[[1.0, 2.0]]]])
    array([[[[0., 0., 0., 0.],
             [1., 0., 0., 2.]]]])
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


class AvgPool1d(_AvgPool):
    """y is the mean of the numbers under each window: (N, C, L) to (N, C, positions).

    Zeros in the border count, unless `count_include_pad` is False. What a window covers beyond the
    border never counts. Each of the n numbers under a window gets ∂L/∂y / n.

    >>> pool = AvgPool1d(2, stride=1)
    >>> pool.forward([[[1.0, 3.0, 5.0]]]), pool.backward([[[2.0, 4.0]]])
    (array([[[2., 4.]]]), array([[[1., 3., 2.]]]))
    """

    kernel_name = "avg_pool1d"
    axes = 1


class AvgPool2d(_AvgPool):
    """The mean under each window: (N, C, H, W) to (N, C, positions). See `AvgPool1d`.

    >>> AvgPool2d(2, padding=1).forward(np.full((1, 1, 2, 2), 4.0))
    array([[[[1., 1.],
             [1., 1.]]]])
    >>> AvgPool2d(2, padding=1, count_include_pad=False).forward(np.full((1, 1, 2, 2), 4.0))
    array([[[[4., 4.],
             [4., 4.]]]])
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
