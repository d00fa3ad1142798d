"""The patches of a convolution, with its bias and a following ReLU.

Images are (N, C, D, H, W); fewer axes have length 1. The patches of a block of samples are the
columns of a matrix (C·K, samples·P): one row for each channel and place in the kernel, one column
for each sample and position. So the product with the weight (O, C·K) has the outputs in the order
of (O, samples, P), and a block fits into the processor's cache.

`geometry` has the rows kernel, stride, dilation, border before, and positions, for D, H and W.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np

from ..arrays import Array, Shape
from .constants import zero
from .kernel import Kernel

Slices = tuple[Any, ...]
ALL = slice(None)


@Kernel
def gather_patches(x: Array, columns: Array, geometry: Array) -> None:
    """Write the patches of `x` into `columns`; what lies outside the image is 0."""
    n, c = x.shape[:2]
    by_place = columns.reshape(c, *geometry[0], n, *geometry[4])
    for place, positions, pixels in places(x.shape[2:], geometry):
        patch = by_place[(ALL, *place)]
        if patch[(ALL, ALL, *positions)].shape != patch.shape:
            patch[...] = 0
        patch[(ALL, ALL, *positions)] = x[(ALL, ALL, *pixels)].swapaxes(0, 1)


@Kernel
def scatter_patches(columns: Array, dx: Array, geometry: Array) -> None:
    """Set `dx` to the sum of the patches, put back to where `gather_patches` took them from."""
    n, c = dx.shape[:2]
    by_place = columns.reshape(c, *geometry[0], n, *geometry[4])
    dx[...] = 0
    for place, positions, pixels in places(dx.shape[2:], geometry):
        dx[(ALL, ALL, *pixels)] += by_place[(ALL, *place, ALL, *positions)].swapaxes(0, 1)


def places(lengths: Shape, geometry: Array) -> Iterator[tuple[Slices, Slices, Slices]]:
    """Yield each place in the kernel, the positions where it lies on a pixel, and these pixels."""
    kernel, strides, dilations, borders, positions = geometry.tolist()
    for place in product(*map(range, kernel)):
        reached, pixels = [], []
        for o, n, s, d, border, p in zip(place, lengths, strides, dilations, borders, positions, strict=True):
            start = o * d - border
            first = max(0, -(start // s))
            last = max(first, min(p, (n - 1 - start) // s + 1))
            reached.append(slice(first, last))
            pixels.append(slice(start + first * s, start + last * s, s) if last > first else slice(0))
        yield place, tuple(reached), tuple(pixels)


@gather_patches.compiled("void(const t[:, :, :, :, ::1], t[:, ::1], const int64[:, ::1])")
def gather_patches_loops(x: Array, columns: Array, geometry: Array) -> None:
    n, c, depth, height, width = x.shape
    kd, kh, kw = geometry[0]
    sd, sh, sw = geometry[1]
    dd, dh, dw = geometry[2]
    bd, bh, bw = geometry[3]
    pd, ph, pw = geometry[4]
    zero = x.dtype.type(0)
    row = 0
    for i in range(c):
        for a in range(kd):
            for b in range(kh):
                for e in range(kw):
                    start = e * dw - bw
                    first = max(0, -(start // sw))
                    last = max(first, min(pw, (width - 1 - start) // sw + 1))
                    column = columns[row]
                    at = 0
                    for m in range(n):
                        for u in range(pd):
                            z = u * sd + a * dd - bd
                            for v in range(ph):
                                y = v * sh + b * dh - bh
                                if z < 0 or z >= depth or y < 0 or y >= height:
                                    for w in range(pw):
                                        column[at + w] = zero
                                else:
                                    line = x[m, i, z, y]
                                    for w in range(first):
                                        column[at + w] = zero
                                    if sw == 1:
                                        for w in range(first, last):
                                            column[at + w] = line[start + w]
                                    else:
                                        for w in range(first, last):
                                            column[at + w] = line[start + w * sw]
                                    for w in range(last, pw):
                                        column[at + w] = zero
                                at += pw
                    row += 1


@scatter_patches.compiled("void(const t[:, ::1], t[:, :, :, :, ::1], const int64[:, ::1])")
def scatter_patches_loops(columns: Array, dx: Array, geometry: Array) -> None:
    n, c, depth, height, width = dx.shape
    kd, kh, kw = geometry[0]
    sd, sh, sw = geometry[1]
    dd, dh, dw = geometry[2]
    bd, bh, bw = geometry[3]
    pd, ph, pw = geometry[4]
    dx[...] = dx.dtype.type(0)
    row = 0
    for i in range(c):
        for a in range(kd):
            for b in range(kh):
                for e in range(kw):
                    start = e * dw - bw
                    first = max(0, -(start // sw))
                    last = max(first, min(pw, (width - 1 - start) // sw + 1))
                    column = columns[row]
                    at = 0
                    for m in range(n):
                        for u in range(pd):
                            z = u * sd + a * dd - bd
                            for v in range(ph):
                                y = v * sh + b * dh - bh
                                if 0 <= z < depth and 0 <= y < height:
                                    line = dx[m, i, z, y]
                                    if sw == 1:
                                        for w in range(first, last):
                                            line[start + w] += column[at + w]
                                    else:
                                        for w in range(first, last):
                                            line[start + w * sw] += column[at + w]
                                at += pw
                    row += 1


@Kernel
def finish_block(products: Array, bias: Array, y: Array) -> None:
    """Write ``products + bias`` into y (samples, O, P), for `products` (O, samples·P)."""
    n, channels, p = y.shape
    np.add(products.reshape(channels, n, p).swapaxes(0, 1), bias[:, None], out=y)


@finish_block.compiled("void(const t[:, ::1], const t[::1], t[:, :, ::1])")
def finish_block_loops(products: Array, bias: Array, y: Array) -> None:
    n, channels, p = y.shape
    for m in range(n):
        for o in range(channels):
            b = bias[o]
            for i in range(p):
                y[m, o, i] = products[o, m * p + i] + b


@Kernel
def finish_block_relu(products: Array, bias: Array, y: Array, positive: Array) -> None:
    """Do the same with ``max(…, 0)``, and write which are positive. NaN stays NaN."""
    n, channels, p = y.shape
    np.add(products.reshape(channels, n, p).swapaxes(0, 1), bias[:, None], out=y)
    np.greater(y, zero(y.dtype), out=positive)
    np.maximum(y, zero(y.dtype), out=y)


@finish_block_relu.compiled("void(const t[:, ::1], const t[::1], t[:, :, ::1], boolean[:, :, ::1])")
def finish_block_relu_loops(products: Array, bias: Array, y: Array, positive: Array) -> None:
    n, channels, p = y.shape
    zero = y.dtype.type(0)
    for m in range(n):
        for o in range(channels):
            b = bias[o]
            for i in range(p):
                v = products[o, m * p + i] + b
                positive[m, o, i] = v > zero
                y[m, o, i] = zero if v <= zero else v


@Kernel
def begin_block(dout: Array, rows: Array, dbias: Array) -> None:
    """Write dout (samples, O, P) into `rows` (O, samples·P), and add their sums to `dbias`."""
    n, channels, p = dout.shape
    rows.reshape(channels, n, p)[...] = dout.swapaxes(0, 1)
    dbias += rows.sum(axis=1)


@begin_block.compiled("void(const t[:, :, ::1], t[:, ::1], t[::1])")
def begin_block_loops(dout: Array, rows: Array, dbias: Array) -> None:
    n, channels, p = dout.shape
    for o in range(channels):
        total = dbias[o]
        for m in range(n):
            for i in range(p):
                d = dout[m, o, i]
                rows[o, m * p + i] = d
                total += d
        dbias[o] = total


@Kernel
def begin_block_relu(dout: Array, positive: Array, rows: Array, dbias: Array) -> None:
    """Do the same with ``dout * positive``."""
    n, channels, p = dout.shape
    np.multiply(dout.swapaxes(0, 1), positive.swapaxes(0, 1), out=rows.reshape(channels, n, p))
    dbias += rows.sum(axis=1)


@begin_block_relu.compiled("void(const t[:, :, ::1], const boolean[:, :, ::1], t[:, ::1], t[::1])")
def begin_block_relu_loops(dout: Array, positive: Array, rows: Array, dbias: Array) -> None:
    n, channels, p = dout.shape
    zero, one = dout.dtype.type(0), dout.dtype.type(1)
    for o in range(channels):
        total = dbias[o]
        for m in range(n):
            for i in range(p):
                # a product, so that a masked NaN stays NaN, as in NumPy
                d = dout[m, o, i] * (one if positive[m, o, i] else zero)
                rows[o, m * p + i] = d
                total += d
        dbias[o] = total
