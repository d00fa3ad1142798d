"""Batch normalization and a following ReLU. Arrays are (N, channels, numbers per channel).

Forward reads x twice, for the mean and the variance together with the result; backward reads x and
dout twice. With one number per channel, the innermost loop runs over channels.
"""

from __future__ import annotations

import numpy as np

from ..arrays import Array
from .constants import zero
from .kernel import Kernel


@Kernel
def moments(x: Array, mean: Array, variance: Array) -> None:
    """Write the mean and the variance of each channel, the latter from differences to the mean."""
    x.mean(axis=(0, 2), out=mean)
    centered = x - mean[:, None]
    np.mean(centered * centered, axis=(0, 2), out=variance)


@moments.compiled("void(const t[:, :, ::1], t[::1], t[::1])")
def moments_loops(x: Array, mean: Array, variance: Array) -> None:
    n, channels, p = x.shape
    mean[:] = 0
    variance[:] = 0
    if p == 1:
        for m in range(n):
            for c in range(channels):
                mean[c] += x[m, c, 0]
        mean /= n
        for m in range(n):
            for c in range(channels):
                d = x[m, c, 0] - mean[c]
                variance[c] += d * d
        variance /= n
        return
    for m in range(n):
        for c in range(channels):
            total = x.dtype.type(0)
            for i in range(p):
                total += x[m, c, i]
            mean[c] += total
    mean /= n * p
    for m in range(n):
        for c in range(channels):
            total, middle = x.dtype.type(0), mean[c]
            for i in range(p):
                d = x[m, c, i] - middle
                total += d * d
            variance[c] += total
    variance /= n * p


@Kernel
def normalize(x: Array, mean: Array, scale: Array, shift: Array, y: Array) -> None:
    """Write ``(x - mean) * scale + shift``."""
    np.subtract(x, mean[:, None], out=y)
    np.multiply(y, scale[:, None], out=y)
    np.add(y, shift[:, None], out=y)


@normalize.compiled("void(const t[:, :, ::1], const t[::1], const t[::1], const t[::1], t[:, :, ::1])")
def normalize_loops(x: Array, mean: Array, scale: Array, shift: Array, y: Array) -> None:
    n, channels, p = x.shape
    if p == 1:
        for m in range(n):
            for c in range(channels):
                y[m, c, 0] = (x[m, c, 0] - mean[c]) * scale[c] + shift[c]
        return
    for m in range(n):
        for c in range(channels):
            middle, a, b = mean[c], scale[c], shift[c]
            for i in range(p):
                y[m, c, i] = (x[m, c, i] - middle) * a + b


@Kernel
def normalize_relu(x: Array, mean: Array, scale: Array, shift: Array, y: Array, positive: Array) -> None:
    """Do the same with ``max(…, 0)``, and write which are positive. NaN stays NaN."""
    np.subtract(x, mean[:, None], out=y)
    np.multiply(y, scale[:, None], out=y)
    np.add(y, shift[:, None], out=y)
    np.greater(y, zero(y.dtype), out=positive)
    np.maximum(y, zero(y.dtype), out=y)


@normalize_relu.compiled("void(const t[:, :, ::1], const t[::1], const t[::1], const t[::1], t[:, :, ::1], boolean[:, :, ::1])")
def normalize_relu_loops(x: Array, mean: Array, scale: Array, shift: Array, y: Array, positive: Array) -> None:
    n, channels, p = x.shape
    zero = x.dtype.type(0)
    if p == 1:
        for m in range(n):
            for c in range(channels):
                v = (x[m, c, 0] - mean[c]) * scale[c] + shift[c]
                positive[m, c, 0] = v > zero
                y[m, c, 0] = zero if v <= zero else v
        return
    for m in range(n):
        for c in range(channels):
            middle, a, b = mean[c], scale[c], shift[c]
            for i in range(p):
                v = (x[m, c, i] - middle) * a + b
                positive[m, c, i] = v > zero
                y[m, c, i] = zero if v <= zero else v


@Kernel
def gradient_sums(dout: Array, x: Array, mean: Array, total: Array, product: Array) -> None:
    """Write for each channel the sums of ``dout`` and of ``dout * (x - mean)``."""
    dout.sum(axis=(0, 2), out=total)
    np.sum(dout * (x - mean[:, None]), axis=(0, 2), out=product)


@gradient_sums.compiled("void(const t[:, :, ::1], const t[:, :, ::1], const t[::1], t[::1], t[::1])")
def gradient_sums_loops(dout: Array, x: Array, mean: Array, total: Array, product: Array) -> None:
    n, channels, p = x.shape
    total[:] = 0
    product[:] = 0
    if p == 1:
        for m in range(n):
            for c in range(channels):
                d = dout[m, c, 0]
                total[c] += d
                product[c] += d * (x[m, c, 0] - mean[c])
        return
    for m in range(n):
        for c in range(channels):
            a, b, middle = x.dtype.type(0), x.dtype.type(0), mean[c]
            for i in range(p):
                d = dout[m, c, i]
                a += d
                b += d * (x[m, c, i] - middle)
            total[c] += a
            product[c] += b


@Kernel
def normalize_backward(dout: Array, x: Array, mean: Array, scale: Array, offset: Array, slope: Array, dx: Array) -> None:
    """Write ``dout * scale - offset - slope * (x - mean)``."""
    np.multiply(dout, scale[:, None], out=dx)
    np.subtract(dx, offset[:, None], out=dx)
    np.subtract(dx, slope[:, None] * (x - mean[:, None]), out=dx)


@normalize_backward.compiled(
    "void(const t[:, :, ::1], const t[:, :, ::1], const t[::1], const t[::1], const t[::1], const t[::1], t[:, :, ::1])"
)
def normalize_backward_loops(dout: Array, x: Array, mean: Array, scale: Array, offset: Array, slope: Array, dx: Array) -> None:
    n, channels, p = x.shape
    if p == 1:
        for m in range(n):
            for c in range(channels):
                dx[m, c, 0] = dout[m, c, 0] * scale[c] - offset[c] - slope[c] * (x[m, c, 0] - mean[c])
        return
    for m in range(n):
        for c in range(channels):
            middle, a, b, s = mean[c], scale[c], offset[c], slope[c]
            for i in range(p):
                dx[m, c, i] = dout[m, c, i] * a - b - s * (x[m, c, i] - middle)


@Kernel
def mask(dout: Array, positive: Array, masked: Array) -> None:
    """Write ``dout * positive``."""
    np.multiply(dout, positive, out=masked)


@mask.compiled("void(const t[:, :, ::1], const boolean[:, :, ::1], t[:, :, ::1])")
def mask_loops(dout: Array, positive: Array, masked: Array) -> None:
    zero, one = dout.dtype.type(0), dout.dtype.type(1)
    for m in range(dout.shape[0]):
        for c in range(dout.shape[1]):
            for i in range(dout.shape[2]):
                masked[m, c, i] = dout[m, c, i] * (one if positive[m, c, i] else zero)
