"""Batch normalization and a following ReLU. Arrays are (rows, columns).

A column is a channel. If there are few, several rows may be taken as one, which makes the loops
longer; then each channel has several columns.

Forward reads x twice, for its moments and for the result; backward reads x and dout twice. The
moments of one block after the other are combined as in Chan, Golub and LeVeque, "Algorithms for
computing the sample variance", 1983.
"""

from __future__ import annotations

import numpy as np

from ..arrays import Array
from .constants import ones, zero
from .kernel import Kernel


@Kernel
def moments(x: Array, mean: Array, variance: Array) -> None:
    """Write the mean and the variance of each column."""
    x.mean(axis=0, out=mean)
    centered = x - mean
    np.mean(centered * centered, axis=0, out=variance)


@moments.compiled("void(const t[:, ::1], t[::1], t[::1])")
def moments_loops(x: Array, mean: Array, variance: Array) -> None:
    n, columns = x.shape
    of_block = np.empty(columns, x.dtype)
    size = max(1, 4096 // max(1, columns))  # a block stays in the cache between its mean and its squares
    mean[:] = 0
    variance[:] = 0
    for start in range(0, n, size):
        stop = min(start + size, n)
        of_block[:] = 0
        for m in range(start, stop):
            for c in range(columns):
                of_block[c] += x[m, c]
        k = stop - start
        if start > 0:
            weight = x.dtype.type(start * k / stop)
            for c in range(columns):
                shift = of_block[c] / k - mean[c] / start
                variance[c] += weight * shift * shift
        for c in range(columns):
            mean[c] += of_block[c]
            of_block[c] /= k
        for m in range(start, stop):
            for c in range(columns):
                d = x[m, c] - of_block[c]
                variance[c] += d * d
    mean /= n
    variance /= n


@Kernel
def normalize(x: Array, mean: Array, scale: Array, shift: Array, y: Array) -> None:
    """Write ``(x - mean) * scale + shift``."""
    np.subtract(x, mean, out=y)
    np.multiply(y, scale, out=y)
    np.add(y, shift, out=y)


@normalize.compiled("void(const t[:, ::1], const t[::1], const t[::1], const t[::1], t[:, ::1])")
def normalize_loops(x: Array, mean: Array, scale: Array, shift: Array, y: Array) -> None:
    for m in range(x.shape[0]):
        for c in range(x.shape[1]):
            y[m, c] = (x[m, c] - mean[c]) * scale[c] + shift[c]


@Kernel
def normalize_relu(x: Array, mean: Array, scale: Array, shift: Array, y: Array, positive: Array) -> None:
    """Do the same with ``max(…, 0)``, and write which are positive. NaN stays NaN."""
    np.subtract(x, mean, out=y)
    np.multiply(y, scale, out=y)
    np.add(y, shift, out=y)
    np.greater(y, zero(y.dtype), out=positive)
    np.maximum(y, zero(y.dtype), out=y)


@normalize_relu.compiled("void(const t[:, ::1], const t[::1], const t[::1], const t[::1], t[:, ::1], boolean[:, ::1])")
def normalize_relu_loops(x: Array, mean: Array, scale: Array, shift: Array, y: Array, positive: Array) -> None:
    zero = x.dtype.type(0)
    for m in range(x.shape[0]):
        for c in range(x.shape[1]):
            v = (x[m, c] - mean[c]) * scale[c] + shift[c]
            positive[m, c] = v > zero
            y[m, c] = zero if v <= zero else v


@Kernel
def gradient_sums(dout: Array, x: Array, mean: Array, total: Array, product: Array) -> None:
    """Write for each channel the sums of ``dout`` and of ``dout * (x - mean)``."""
    each_row = ones(len(dout), dout.dtype)
    np.dot(each_row, dout, out=total)
    np.dot(each_row, dout * (x - mean), out=product)


@gradient_sums.compiled("void(const t[:, ::1], const t[:, ::1], const t[::1], t[::1], t[::1])")
def gradient_sums_loops(dout: Array, x: Array, mean: Array, total: Array, product: Array) -> None:
    total[:] = 0
    product[:] = 0
    for m in range(x.shape[0]):
        for c in range(x.shape[1]):
            d = dout[m, c]
            total[c] += d
            product[c] += d * (x[m, c] - mean[c])


@Kernel
def gradient_sums_relu(dout: Array, positive: Array, x: Array, mean: Array, masked: Array, total: Array, product: Array) -> None:
    """Do the same for ``dout * positive``, which is written into `masked`."""
    np.multiply(dout, positive, out=masked)
    gradient_sums.numpy(masked, x, mean, total, product)


@gradient_sums_relu.compiled("void(const t[:, ::1], const boolean[:, ::1], const t[:, ::1], const t[::1], t[:, ::1], t[::1], t[::1])")
def gradient_sums_relu_loops(dout: Array, positive: Array, x: Array, mean: Array, masked: Array, total: Array, product: Array) -> None:
    zero, one = dout.dtype.type(0), dout.dtype.type(1)
    total[:] = 0
    product[:] = 0
    for m in range(x.shape[0]):
        for c in range(x.shape[1]):
            d = dout[m, c] * (one if positive[m, c] else zero)
            masked[m, c] = d
            total[c] += d
            product[c] += d * (x[m, c] - mean[c])


@Kernel
def normalize_backward(dout: Array, x: Array, mean: Array, scale: Array, offset: Array, slope: Array, dx: Array) -> None:
    """Write ``dout * scale - offset - slope * (x - mean)``."""
    np.multiply(dout, scale, out=dx)
    np.subtract(dx, offset, out=dx)
    np.subtract(dx, slope * (x - mean), out=dx)


@normalize_backward.compiled("void(const t[:, ::1], const t[:, ::1], const t[::1], const t[::1], const t[::1], const t[::1], t[:, ::1])")
def normalize_backward_loops(dout: Array, x: Array, mean: Array, scale: Array, offset: Array, slope: Array, dx: Array) -> None:
    for m in range(x.shape[0]):
        for c in range(x.shape[1]):
            dx[m, c] = dout[m, c] * scale[c] - offset[c] - slope[c] * (x[m, c] - mean[c])
