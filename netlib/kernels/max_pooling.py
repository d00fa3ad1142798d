"""The largest number under each window, and which it was.

Images are (N, D, H, W, C), with the channels last in memory; fewer axes have length 1. `geometry`
has the rows kernel, stride, dilation, border before, and positions, for D, H and W. y is (N,
positions, C), with three axes for the positions, and a winner is the number of a pixel.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np

from ..arrays import Array, Shape
from .kernel import Kernel

Slices = tuple[Any, ...]


@Kernel
def pool_max(x: Array, y: Array, winners: Array, geometry: Array) -> None:
    """Write into y the largest number under each window, and its pixel to `winners`.

    Of equal numbers the first wins, and NaN wins over all.
    """
    y[...] = -np.inf
    winners[...] = -1
    for _, at, under, numbers in _places(x.shape[1:4], winners.dtype, geometry):
        best, new, winner = y[at], x[under], winners[at]
        is_better = (new > best) | ((new != new) & (best == best)) | (winner < 0)
        np.copyto(best, new, where=is_better)
        np.copyto(winner, numbers, where=is_better)


@Kernel
def pool_max_backward(dout: Array, winners: Array, dx: Array, geometry: Array) -> None:
    """Set `dx` to the sum of `dout` at the winners."""
    dx[...] = 0
    for _, at, under, numbers in _places(dx.shape[1:4], winners.dtype, geometry):
        dx[under] += dout[at] * (winners[at] == numbers)


def _places(lengths: Shape, dtype: np.dtype[Any], geometry: Array) -> Iterator[tuple[Slices, Slices, Slices, Array]]:
    """Yield each place in the kernel, the positions where it is on a pixel, and which pixels."""
    kernel, strides, dilations, borders, positions = geometry.tolist()
    numbers = np.arange(np.prod(lengths), dtype=dtype).reshape(*lengths, 1)
    for place in product(*map(range, kernel)):
        reached, pixels = [], []
        for o, n, s, d, border, p in zip(place, lengths, strides, dilations, borders, positions, strict=True):
            start = o * d - border
            first = max(0, -(start // s))
            last = max(first, min(p, (n - 1 - start) // s + 1))
            reached.append(slice(first, last))
            pixels.append(slice(start + first * s, start + last * s, s) if last > first else slice(0))
        everywhere = slice(None)
        yield place, (everywhere, *reached), (everywhere, *pixels), numbers[tuple(pixels)]


@pool_max.compiled("void(const t[:, :, :, :, ::1], t[:, :, :, :, ::1], int32[:, :, :, :, ::1], const int64[:, ::1])")
def pool_max_loops(x: Array, y: Array, winners: Array, geometry: Array) -> None:
    n, depth, height, width, channels = x.shape
    kd, kh, kw = geometry[0]
    sd, sh, sw = geometry[1]
    dd, dh, dw = geometry[2]
    bd, bh, bw = geometry[3]
    pd, ph, pw = geometry[4]
    for m in range(n):
        for u in range(pd):
            for v in range(ph):
                for w in range(pw):
                    best, winner = y[m, u, v, w], winners[m, u, v, w]
                    is_first = True
                    for a in range(max(0, -((u * sd - bd) // dd)), min(kd, (depth - 1 - u * sd + bd) // dd + 1)):
                        z = u * sd + a * dd - bd
                        for b in range(max(0, -((v * sh - bh) // dh)), min(kh, (height - 1 - v * sh + bh) // dh + 1)):
                            q = v * sh + b * dh - bh
                            for e in range(max(0, -((w * sw - bw) // dw)), min(kw, (width - 1 - w * sw + bw) // dw + 1)):
                                r = w * sw + e * dw - bw
                                number = np.int32((z * height + q) * width + r)
                                new = x[m, z, q, r]
                                if is_first:
                                    is_first = False
                                    best[:] = new
                                    winner[:] = number
                                else:
                                    for c in range(channels):
                                        is_better = (new[c] > best[c]) | ((new[c] != new[c]) & (best[c] == best[c]))
                                        best[c] = new[c] if is_better else best[c]
                                        winner[c] = number if is_better else winner[c]


@pool_max_backward.compiled("void(const t[:, :, :, :, ::1], const int32[:, :, :, :, ::1], t[:, :, :, :, ::1], const int64[:, ::1])")
def pool_max_backward_loops(dout: Array, winners: Array, dx: Array, geometry: Array) -> None:
    n, depth, height, width, channels = dx.shape
    kd, kh, kw = geometry[0]
    sd, sh, sw = geometry[1]
    dd, dh, dw = geometry[2]
    bd, bh, bw = geometry[3]
    pd, ph, pw = geometry[4]
    zero, one = dx.dtype.type(0), dx.dtype.type(1)
    dx[...] = zero
    for m in range(n):
        for u in range(pd):
            for v in range(ph):
                for w in range(pw):
                    d, winner = dout[m, u, v, w], winners[m, u, v, w]
                    for a in range(max(0, -((u * sd - bd) // dd)), min(kd, (depth - 1 - u * sd + bd) // dd + 1)):
                        z = u * sd + a * dd - bd
                        for b in range(max(0, -((v * sh - bh) // dh)), min(kh, (height - 1 - v * sh + bh) // dh + 1)):
                            q = v * sh + b * dh - bh
                            for e in range(max(0, -((w * sw - bw) // dw)), min(kw, (width - 1 - w * sw + bw) // dw + 1)):
                                r = w * sw + e * dw - bw
                                number = np.int32((z * height + q) * width + r)
                                into = dx[m, z, q, r]
                                for c in range(channels):
                                    # a product, as in NumPy
                                    into[c] += d[c] * (one if winner[c] == number else zero)
