"""The windows of a kernel on images: how patches are extracted, and how they are put back.

Images are (N, C, …) with one, two or three axes after the channels; `lengths` are the lengths of
these. Each pixel fans out to all patches that cover it, so putting patches back sums them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from ..arrays import Array, Shape
from ..errors import ShapeError
from .per_axis import Pads


class Windows(NamedTuple):
    """The positions of a kernel on images of some lengths, with a number for each axis.

    `pads` has the widths of the border before and after the image, and `positions` how many
    positions there are.

    >>> windows = kernel_windows((4,), (2,), (1,), (1,), ((0, 0),), "Conv1d")
    >>> patches = windows.gather(np.array([[[1.0, 2.0, 3.0, 4.0]]]))
    >>> patches[0, :, 0].T
    array([[1., 2.],
           [2., 3.],
           [3., 4.]])
    >>> windows.scatter(patches)
    array([[[1., 4., 6., 4.]]])
    """

    lengths: Shape
    kernel: Shape
    stride: Shape
    dilation: Shape
    pads: Pads
    positions: Shape

    def gather(self, x: Array, border: float = 0) -> Array:
        """Return the patches of `x`, (A, B, lengths): an array (A, kernel, B, positions)."""
        padded = np.full((*x.shape[:2], *self._padded), border, x.dtype)
        padded[self._inside] = x
        patches = np.empty((len(x), *self.kernel, x.shape[1], *self.positions), x.dtype)
        for at_place, pixels in self._places():
            patches[at_place] = padded[pixels]
        return patches

    def gather_flat(self, x: Array, border: float = 0) -> Array:
        """Return the patches of `x` with one axis for all numbers under the kernel."""
        return self.gather(x, border).reshape(len(x), math.prod(self.kernel), x.shape[1], *self.positions)

    def scatter(self, patches: Array) -> Array:
        """Return the sum of `patches`, each put back where `gather` extracted it."""
        padded = np.zeros((len(patches), patches.shape[1 + len(self.kernel)], *self._padded), patches.dtype)
        for at_place, pixels in self._places():
            padded[pixels] += patches[at_place]
        image: Array = padded[self._inside]
        return image

    def counts(self, with_border: bool) -> Array:
        """Return how many pixels of the image, or also of its border, lie in each window."""
        pixels = np.pad(np.ones(self.lengths, int), self.pads, constant_values=with_border)
        windows = self._replace(lengths=pixels.shape, pads=((0, 0),) * pixels.ndim)
        counts: Array = windows.gather(pixels[None, None]).sum(axis=self.within)
        return counts

    @property
    def within(self) -> Shape:
        """The axes of patches along which the kernel lies."""
        return tuple(range(1, 1 + len(self.kernel)))

    def _places(self) -> Iterator[tuple[Any, Any]]:
        """Yield for each place in the kernel the indices into patches and into padded images."""
        for place in product(*map(range, self.kernel)):
            axes = zip(place, self.stride, self.dilation, self.positions, strict=True)
            pixels = (slice(o * d, o * d + s * p, s) for o, s, d, p in axes)
            yield (slice(None), *place), (slice(None), slice(None), *pixels)

    @property
    def _inside(self) -> Any:
        """The index of the images inside their border."""
        axes = zip(self.lengths, self.pads, strict=True)
        return (slice(None), slice(None), *(slice(before, before + n) for n, (before, _) in axes))

    @property
    def _padded(self) -> Shape:
        """The lengths with the border, and with what a last window covers beyond it."""
        axes = zip(self.lengths, self.pads, self.positions, self.stride, self.spans, strict=True)
        return tuple(max(n + sum(pad), (p - 1) * s + span) for n, pad, p, s, span in axes)

    @property
    def spans(self) -> Shape:
        """The lengths that a kernel covers, with the gaps of its dilation."""
        return spans_of(self.kernel, self.dilation)


def kernel_windows(
    lengths: Shape, kernel: Shape, stride: Shape, dilation: Shape, pads: Pads | None, where: object, ceil_mode: bool = False
) -> Windows:
    """Return all windows on images of these `lengths`, or raise if the kernel is larger.

    Along an axis of length n there are ⌊(n + before + after − span) / stride⌋ + 1 positions, where
    span = dilation · (kernel − 1) + 1. If `pads` is None ("same"), there are ⌈n / stride⌉. With
    `ceil_mode` the quotient is rounded up, unless the last window would begin in the border after
    the image.

    >>> kernel_windows((5,), (2,), (2,), (1,), ((0, 0),), "MaxPool1d").positions
    (2,)
    >>> kernel_windows((5,), (2,), (2,), (1,), ((0, 0),), "MaxPool1d", ceil_mode=True).positions
    (3,)
    """
    spans = spans_of(kernel, dilation)
    if pads is None:
        axes = zip(lengths, stride, spans, strict=True)
        pads = tuple(halves(max((-(-n // s) - 1) * s + span - n, 0)) for n, s, span in axes)
    padded = [n + sum(pad) for n, pad in zip(lengths, pads, strict=True)]
    if any(n < span for n, span in zip(padded, spans, strict=True)):
        message = f"the kernel covers {_times(spans)}, more than the image with its border, {_times(padded)}"
        raise ShapeError(message, where=where)
    positions = []
    for n, (before, after), s, span in zip(lengths, pads, stride, spans, strict=True):
        room = before + n + after - span
        overhangs = ceil_mode and room % s > 0 and (room // s + 1) * s < before + n
        positions.append(room // s + 1 + overhangs)
    return Windows(lengths, kernel, stride, dilation, pads, tuple(positions))


def windows_on_output(
    positions: Shape, kernel: Shape, stride: Shape, dilation: Shape, pads: Pads | None, extra: Shape, where: object
) -> Windows:
    """Return the windows of so many `positions` on the output of a transposed convolution.

    The output has the lengths (n − 1) · stride − before − after + span + extra, for n positions. If
    `pads` is None ("same"), they are n · stride.

    >>> windows_on_output((3,), (2,), (2,), (1,), ((0, 0),), (1,), "ConvTranspose1d").lengths
    (7,)
    """
    if pads is None:
        outer = tuple(n * s for n, s in zip(positions, stride, strict=True))
        return kernel_windows(outer, kernel, stride, dilation, None, where)
    axes = zip(positions, stride, pads, spans_of(kernel, dilation), extra, strict=True)
    outer = tuple((n - 1) * s - sum(pad) + span + more for n, s, pad, span, more in axes)
    if min(outer) < 1:
        raise ShapeError(f"an image of {positions} would become one of {outer}", where=where, hint="Reduce the padding.")
    return Windows(outer, kernel, stride, dilation, pads, positions)


def add_at_winners(dout: Array, winners: Array, shape: Shape) -> Array:
    """Return an array of `shape`, (N, C, lengths), with the sums of `dout` at the `winners`.

    Both are (N, C, positions). A winner is the index of a pixel in its channel.

    >>> add_at_winners(np.array([[[1.0, 2.0, 4.0]]]), np.array([[[1, 1, 3]]]), (1, 1, 4))
    array([[[0., 3., 0., 4.]]])
    """
    dx = np.zeros((*shape[:2], math.prod(shape[2:])), dout.dtype)
    n, c, _ = np.ogrid[: shape[0], : shape[1], :1]
    flat = (*shape[:2], math.prod(dout.shape[2:]))
    np.add.at(dx, (n, c, winners.reshape(flat)), dout.reshape(flat))
    return dx.reshape(shape)


def spans_of(kernel: Shape, dilation: Shape) -> Shape:
    """Return the lengths that a kernel covers, with the gaps of its dilation.

    >>> spans_of((3, 3), (1, 2))
    (3, 5)
    """
    return tuple(d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True))


def halves(total: int) -> tuple[int, int]:
    """Split a border of `total` pixels into two parts, the second of which may be larger by one.

    >>> halves(3)
    (1, 2)
    """
    return total // 2, total - total // 2


def _times(lengths: Iterable[int]) -> str:
    return "×".join(map(str, lengths))
