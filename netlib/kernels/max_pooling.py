"""The largest number under each window, and which it was.

Images and geometry are those of `convolution`.
"""

from __future__ import annotations

import numpy as np

from ..arrays import Array
from .convolution import ALL, places
from .kernel import Kernel


@Kernel
def pool_max(x: Array, y: Array, winners: Array, geometry: Array) -> None:
    """Write into y the largest number under each window, and its place in the image to `winners`.

    The place is the number of a pixel in its channel. Of equal numbers the first wins, and NaN wins
    over all.
    """
    y[...] = -np.inf
    winners[...] = -1
    numbers = np.arange(x[0, 0].size, dtype=winners.dtype).reshape(x.shape[2:])
    for _, positions, pixels in places(x.shape[2:], geometry):
        at, under = (ALL, ALL, *positions), (ALL, ALL, *pixels)
        best, new = y[at], x[under]
        is_better = (new > best) | ((new != new) & (best == best)) | (winners[at] < 0)
        np.copyto(best, new, where=is_better)
        np.copyto(winners[at], numbers[pixels], where=is_better)


@Kernel
def pool_max_backward(dout: Array, winners: Array, dx: Array) -> None:
    """Set `dx` (N, C, pixels) to the sum of `dout` (N, C, positions) at the winners."""
    dx[...] = 0
    n, c, _ = np.ogrid[: dx.shape[0], : dx.shape[1], :1]
    np.add.at(dx, (n, c, winners), dout)


@pool_max.compiled("void(const t[:, :, :, :, ::1], t[:, :, :, :, ::1], int32[:, :, :, :, ::1], const int64[:, ::1])")
def pool_max_loops(x: Array, y: Array, winners: Array, geometry: Array) -> None:
    n, c, depth, height, width = x.shape
    kd, kh, kw = geometry[0]
    sd, sh, sw = geometry[1]
    dd, dh, dw = geometry[2]
    bd, bh, bw = geometry[3]
    pd, ph, pw = geometry[4]
    lowest = x.dtype.type(-np.inf)
    for m in range(n):
        for i in range(c):
            for u in range(pd):
                for v in range(ph):
                    for w in range(pw):
                        best, winner = lowest, -1
                        for a in range(kd):
                            z = u * sd + a * dd - bd
                            if z < 0 or z >= depth:
                                continue
                            for b in range(kh):
                                q = v * sh + b * dh - bh
                                if q < 0 or q >= height:
                                    continue
                                for e in range(kw):
                                    r = w * sw + e * dw - bw
                                    if r < 0 or r >= width:
                                        continue
                                    new = x[m, i, z, q, r]
                                    if new > best or winner < 0 or (new != new and best == best):
                                        best, winner = new, (z * height + q) * width + r
                        y[m, i, u, v, w] = best
                        winners[m, i, u, v, w] = winner


@pool_max_backward.compiled("void(const t[:, :, ::1], const int32[:, :, ::1], t[:, :, ::1])")
def pool_max_backward_loops(dout: Array, winners: Array, dx: Array) -> None:
    n, c, positions = dout.shape
    zero = dx.dtype.type(0)
    for m in range(n):
        for i in range(c):
            for j in range(dx.shape[2]):
                dx[m, i, j] = zero
            for j in range(positions):
                dx[m, i, winners[m, i, j]] += dout[m, i, j]
