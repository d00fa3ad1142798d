"""The largest number under each window, and its pixel.

Images are (N, D, H, W, C), with the channels last in memory; fewer axes have length 1. `geometry`
has the rows kernel, stride, dilation, border before, and positions, for D, H and W. y is (N,
positions, C), with three axes for the positions, and a winner is the index of a pixel.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np

from ..arrays import Array, Shape
from .kernel import Kernel, helper
from .vectors import add_where, keep_larger

Slices = tuple[Any, ...]


@Kernel
def pool_max(x: Array, y: Array, winners: Array, geometry: Array) -> None:
    """Write into y the largest number under each window, and its pixel to `winners`.

    The first of equal numbers wins, and NaN wins over all.
    """
    places = list(_places(x.shape[1:4], winners.dtype, geometry))
    y[...] = -np.inf
    for at, under, _ in places:
        np.maximum(y[at], x[under], out=y[at])
    has_nan = np.isnan(np.min(y))
    winners[...] = 0
    for at, under, numbers in reversed(places):
        is_largest = x[under] == y[at]
        if has_nan:
            is_largest |= np.isnan(x[under])
        winners[at] += (numbers - winners[at]) * is_largest


@Kernel
def pool_max_backward(dout: Array, winners: Array, dx: Array, geometry: Array) -> None:
    """Set `dx` to the sum of `dout` at the winners."""
    channels = dx.shape[4]
    dx[...] = 0
    index = winners * np.intp(channels) + np.arange(channels)
    index += np.arange(0, dx.size, dx[0].size).reshape(-1, 1, 1, 1, 1)
    np.add.at(dx.reshape(-1), index.reshape(-1), dout.reshape(-1))


def _places(lengths: Shape, dtype: np.dtype[Any], geometry: Array) -> Iterator[tuple[Slices, Slices, Array]]:
    """Yield each place in the kernel, the positions at which it is on a pixel, and these pixels."""
    kernel, strides, dilations, borders, positions = geometry.tolist()
    numbers = np.arange(np.prod(lengths), dtype=dtype).reshape(*lengths, 1)
    for place in product(*map(range, kernel)):
        reached, pixels = [], []
        for o, n, s, d, border, p in zip(place, lengths, strides, dilations, borders, positions, strict=True):
            start = o * d - border
            first = max(0, -(start // s))
            last = max(first, min(p, (n - 1 - start) // s + 1))
            reached.append(slice(first, last))
            pixels.append(slice(start + first * s, start + last * s, s))
        everywhere = slice(None)
        yield (everywhere, *reached), (everywhere, *pixels), numbers[tuple(pixels)]


@helper
def pixels_under(positions: Shape, lengths: Shape, geometry: Array) -> tuple[Array, Array]:
    """Return the pixels under the window at each position, in a row, and how many there are."""
    kernel, strides, dilations, before = geometry[0], geometry[1], geometry[2], geometry[3]
    n = positions[0] * positions[1] * positions[2]
    pixels, counts = np.empty((n, kernel[0] * kernel[1] * kernel[2]), np.int32), np.zeros(n, np.int64)
    for p in range(n):
        first = p // (positions[1] * positions[2]) * strides[0] - before[0]
        second = p // positions[2] % positions[1] * strides[1] - before[1]
        third = p % positions[2] * strides[2] - before[2]
        for a in range(kernel[0]):
            z = first + a * dilations[0]
            for b in range(kernel[1]):
                q = second + b * dilations[1]
                for e in range(kernel[2]):
                    r = third + e * dilations[2]
                    if 0 <= z < lengths[0] and 0 <= q < lengths[1] and 0 <= r < lengths[2]:
                        pixels[p, counts[p]] = (z * lengths[1] + q) * lengths[2] + r
                        counts[p] += 1
    return pixels, counts


@helper
def pool_image(x: Array, y: Array, winners: Array, pixels: Array, counts: Array, channels: int) -> None:
    """Pool one image, a vector of pixels with their channels."""
    for p in range(len(counts)):
        for k in range(counts[p]):
            keep_larger(x, pixels[p, k] * channels, y, winners, p * channels, channels, pixels[p, k], k == 0)


@helper
def unpool_image(dout: Array, winners: Array, dx: Array, pixels: Array, counts: Array, channels: int) -> None:
    """Set `dx`, one image, to the sum of `dout` at the winners."""
    dx[:] = 0
    for p in range(len(counts)):
        for k in range(counts[p]):
            add_where(dx, pixels[p, k] * channels, dout, winners, p * channels, channels, pixels[p, k])


@pool_max.compiled("void(const t[:, :, :, :, ::1], t[:, :, :, :, ::1], int32[:, :, :, :, ::1], const int64[:, ::1])")
def pool_max_loops(x: Array, y: Array, winners: Array, geometry: Array) -> None:
    pixels, counts = pixels_under(y.shape[1:], x.shape[1:], geometry)
    for m in range(len(x)):
        pool_image(x[m].reshape(-1), y[m].reshape(-1), winners[m].reshape(-1), pixels, counts, x.shape[4])


@pool_max_backward.compiled("void(const t[:, :, :, :, ::1], const int32[:, :, :, :, ::1], t[:, :, :, :, ::1], const int64[:, ::1])")
def pool_max_backward_loops(dout: Array, winners: Array, dx: Array, geometry: Array) -> None:
    pixels, counts = pixels_under(dout.shape[1:], dx.shape[1:], geometry)
    for m in range(len(dx)):
        unpool_image(dout[m].reshape(-1), winners[m].reshape(-1), dx[m].reshape(-1), pixels, counts, dx.shape[4])
