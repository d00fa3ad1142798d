"""Windows of an image: where a kernel looks, and how patches are cut out and put back.

An image has its channels last here, (N, \\*lengths, C), for any number of axes. Its patches are an
array (N, \\*positions, \\*kernel, C): for each position of the kernel what lies under it. Every pixel
goes to each patch that covers it, so putting patches back is the sum at a fan-out.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from math import ceil
from typing import Any

import numpy as np

from ..arrays import Array, ArrayLike, Shape, as_count, as_floats
from ..errors import InvalidValueError, ShapeError

Pads = tuple[tuple[int, int], ...]


class Windows:
    """The positions of a kernel on images of certain lengths.

    Parameters
    ----------
    lengths, kernel, stride, dilation : tuple of int
        One number for each axis.
    pads : tuple of (int, int)
        The width of the border before and after each axis.
    positions : tuple of int
        The number of positions along each axis.
    """

    def __init__(self, lengths: Shape, kernel: Shape, stride: Shape, dilation: Shape, pads: Pads, positions: Shape) -> None:
        self.lengths, self.kernel, self.stride, self.dilation = lengths, kernel, stride, dilation
        self.pads, self.positions = pads, positions
        reach = zip(positions, kernel, stride, dilation, strict=True)
        self._padded = tuple(
            max(sum(pad) + n, (p - 1) * s + d * (k - 1) + 1 if p else 0) for n, pad, (p, k, s, d) in zip(lengths, pads, reach, strict=True)
        )

    def gather(self, x: Array, border: float = 0) -> Array:
        """Return the patches of `x`, (N, \\*lengths, C): an array (N, \\*positions, \\*kernel, C)."""
        padded = self._with_border(x, border)
        patches = np.empty((len(x), *self.positions, *self.kernel, x.shape[-1]), x.dtype)
        for offset, pixels in self._offsets():
            patches[(..., *offset, slice(None))] = padded[pixels]
        return patches

    def scatter(self, patches: Array) -> Array:
        """Return the sum of `patches`, put back to where `gather` cut them out."""
        n, channels = patches.shape[0], patches.shape[-1]
        padded = np.zeros((n, *self._padded, channels), patches.dtype)
        for offset, pixels in self._offsets():
            padded[pixels] += patches[(..., *offset, slice(None))]
        return padded[self._inside()]

    def counts(self, with_border: bool) -> Array:
        """Return how many pixels each window covers, of the image or also of its border."""
        counts = np.ones((1,) * len(self.kernel), int)
        for axis, (n, (before, after), k, s) in enumerate(zip(self.lengths, self.pads, self.kernel, self.stride, strict=True)):
            first = np.arange(self.positions[axis]) * s - before
            low, high = (-before, n + after) if with_border else (0, n)
            covered = np.clip(first + k, low, high) - np.clip(first, low, high)
            counts = counts * covered.reshape(np.roll((-1,) + (1,) * (len(self.kernel) - 1), axis))
        return counts

    def _offsets(self) -> Iterator[tuple[Shape, tuple[slice, ...]]]:
        """Yield each place in the kernel, and the pixels under it at all positions."""
        for offset in product(*map(range, self.kernel)):
            axes = zip(offset, self.dilation, self.stride, self.positions, strict=True)
            yield offset, (slice(None), *(slice(o * d, o * d + s * (p - 1) + 1, s) if p else slice(0) for o, d, s, p in axes))

    def _with_border(self, x: Array, border: float) -> Array:
        if x.shape[1:-1] == self._padded:
            return x
        padded = np.full((len(x), *self._padded, x.shape[-1]), border, x.dtype)
        padded[self._inside()] = x
        return padded

    def _inside(self) -> tuple[slice, ...]:
        return (slice(None), *(slice(before, before + n) for (before, _), n in zip(self.pads, self.lengths, strict=True)))


def as_per_axis(value: Any, axes: int, name: str, where: object, least: int = 1) -> Shape:
    """Return a whole number for each axis, from one for all or from one for each.

    >>> as_per_axis(3, 2, "kernel_size", "Conv2d"), as_per_axis((3, 5), 2, "kernel_size", "Conv2d")
    ((3, 3), (3, 5))
    """
    if not isinstance(value, tuple | list):
        return (as_count(value, name, where, least),) * axes
    if len(value) != axes:
        raise InvalidValueError(f"{name} is {value!r}, expected one number or {axes}", where=where)
    return tuple(as_count(each, name, where, least) for each in value)


def as_padding(padding: Any, axes: int, where: object) -> Pads | None:
    """Return the border before and after each axis, or None for "same".

    >>> as_padding(1, 2, "Conv2d"), as_padding(((0, 1), (2, 2)), 2, "Conv2d")
    (((1, 1), (1, 1)), ((0, 1), (2, 2)))
    """
    if isinstance(padding, str):
        if padding not in ("same", "valid"):
            raise InvalidValueError(f"padding is {padding!r}, expected a number, pairs, 'same' or 'valid'", where=where)
        return None if padding == "same" else ((0, 0),) * axes
    if isinstance(padding, tuple | list) and all(isinstance(each, tuple | list) for each in padding):
        if len(padding) != axes or any(len(each) != 2 for each in padding):
            message = f"padding is {padding!r}, expected {axes} pairs (before, after)"
            raise InvalidValueError(message, where=where)
        return tuple((as_count(a, "padding", where), as_count(b, "padding", where)) for a, b in padding)
    return tuple((n, n) for n in as_per_axis(padding, axes, "padding", where, least=0))


def halves(total: int) -> tuple[int, int]:
    """Return a border of `total` pixels, the odd one after the axis, as ONNX's SAME_UPPER.

    >>> halves(3)
    (1, 2)
    """
    return total // 2, total - total // 2


def as_image(x: ArrayLike, channels: int, axes: int, dtype: np.dtype[Any] | None, where: object) -> Array:
    """Return `x`, (N, C, \\*lengths), as an image with its channels last, or raise.

    It is a view, in the memory of `x` where its type is right.
    """
    x = as_floats(x, dtype, where)
    expected = f"(N, {channels}, {_lengths(axes)})"
    if x.ndim != axes + 2 or x.shape[1] != channels:
        hint = ""
        if x.ndim == axes + 2 and x.shape[-1] == channels:
            hint = "Axis 1 must hold the channels: np.moveaxis(x, -1, 1)."
        elif x.ndim == axes + 1 and channels in (1, x.shape[0]):
            hint = "Add the axis of the channels: x[:, None]." if channels == 1 else "Add the axis of the batch: x[None]."
        elif x.ndim == axes + 2:
            hint = f"Make the layer's channels {x.shape[1]}."
        raise ShapeError(f"got x of shape {x.shape}, expected {expected}", where=where, hint=hint)
    return np.moveaxis(x, 1, -1)


def channels_first(image: Array) -> Array:
    """Return a view (N, C, \\*lengths) of an image with its channels last."""
    return np.moveaxis(image, -1, 1)


def as_pixels(x: ArrayLike, axes: int, where: object) -> Array:
    """Return `x`, (N, C, \\*lengths) with any number of channels, as an image with its channels last."""
    x = as_floats(x, where=where)
    if x.ndim != axes + 2:
        hint = "Add the axis of the batch: x[None]." if x.ndim == axes + 1 else ""
        raise ShapeError(f"got x of shape {x.shape}, expected (N, C, {_lengths(axes)})", where=where, hint=hint)
    return np.moveaxis(x, 1, -1)


def _lengths(axes: int) -> str:
    return "L" if axes == 1 else ", ".join(("D", "H", "W")[-axes:])


def kernel_windows(
    lengths: Shape, kernel: Shape, stride: Shape, dilation: Shape, pads: Pads | None, where: object, ceil_mode: bool = False
) -> Windows:
    """Return the windows of a convolution, or raise if the kernel is larger than the image.

    There are ⌊(n + before + after − d·(k − 1) − 1) / s⌋ + 1 positions along an axis of length n;
    for "same", ⌈n / s⌉. With `ceil_mode` the quotient is rounded up, unless the last window would
    begin in the border after the image.
    """
    spans = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
    if pads is None:
        needed = [(ceil(n / s) - 1) * s + span - n for n, s, span in zip(lengths, stride, spans, strict=True)]
        pads = tuple(halves(max(total, 0)) for total in needed)
    room = [n + sum(pad) - span for n, pad, span in zip(lengths, pads, spans, strict=True)]
    if min(room) < 0 and 0 not in lengths:
        image, window = _times(n + sum(pad) for n, pad in zip(lengths, pads, strict=True)), _times(spans)
        raise ShapeError(f"the kernel covers {window}, more than the image with its border, {image}", where=where)
    positions = tuple(max(left // s + 1, 0) for left, s in zip(room, stride, strict=True))
    if ceil_mode:
        axes = zip(positions, lengths, pads, stride, room, strict=True)
        positions = tuple(p + 1 if left % s and p * s < n + before else p for p, n, (before, _), s, left in axes)
    return Windows(lengths, kernel, stride, dilation, pads, positions)


def _times(lengths: Any) -> str:
    return "×".join(map(str, lengths))


def transposed_windows(
    positions: Shape, kernel: Shape, stride: Shape, dilation: Shape, pads: Pads | None, extra: Shape, where: object
) -> Windows:
    """Return the windows of a transposed convolution, whose image has the lengths

    (n − 1)·s − before − after + d·(k − 1) + 1 + extra; for "same", n·s.
    """
    spans = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
    if pads is None:
        surplus = [span + more - s for span, more, s in zip(spans, extra, stride, strict=True)]
        pads = tuple(halves(max(total, 0)) for total in surplus)
        extra = tuple(more + max(-total, 0) for more, total in zip(extra, surplus, strict=True))
    reach = zip(positions, stride, pads, spans, extra, strict=True)
    lengths = tuple((n - 1) * s - sum(pad) + span + more if n else 0 for n, s, pad, span, more in reach)
    if min(lengths) < 0:
        raise ShapeError(f"the border {pads} is larger than the image", where=where)
    return Windows(lengths, kernel, stride, dilation, pads, positions)
