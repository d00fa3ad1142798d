"""What max pooling and average pooling share: a window at each position."""

from __future__ import annotations

from typing import Any

from ..arrays import Shape
from ..errors import InvalidValueError, ShapeError
from ..layer import Layer
from .per_axis import as_pads, as_per_axis
from .rules import format_options, format_per_axis, format_widths
from .windows import Windows, kernel_windows


class Pooling(Layer):
    """The base class: a window at each position, on each channel separately."""

    axes: int

    def __init__(self, kernel_size: int | Shape, stride: int | Shape | None, padding: Any, dilation: int | Shape,
                 ceil_mode: bool) -> None:  # fmt: skip
        """Create the layer.

        Parameters
        ----------
        kernel_size : int or tuple of int
            The size of a window: one number for all axes, or one for each.
        stride : int or tuple of int, optional
            The distance between windows, by default `kernel_size`.
        padding : int, tuple, "same" or "valid"
            The border around the image, smaller than the window: equal on all sides, a number for
            each axis, or a pair (before, after) for each. "same" means enough for ⌈n / stride⌉
            positions along an axis of length n, and "valid" means none.
        dilation : int or tuple of int
            How far apart the pixels of a window are, in max pooling.
        ceil_mode : bool
            Whether a last window may reach beyond the end.
        count_include_pad : bool
            Whether the zeros of the border count, in average pooling.

        Raises
        ------
        InvalidValueError
            If a number is out of range.
        """
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
        """Return the options of pooling in rules; `outside` is the border that does not count."""
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
