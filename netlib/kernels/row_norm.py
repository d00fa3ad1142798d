"""Layer normalization and RMS normalization of the rows of a matrix.

A row stays in the cache between the loops over it, so that memory is read once forward and once
backward. Each loop writes few arrays: with more, LLVM would not vectorise it.
"""

from __future__ import annotations

import numpy as np

from ..arrays import Array
from .kernel import loops


@loops("void(const t[:, ::1], const t[::1], const t[::1], t, boolean, t[:, ::1], t[::1], t[:, ::1])")
def normalize_rows(x: Array, weight: Array, bias: Array, eps: float, is_centered: bool, z: Array, inverse: Array, y: Array) -> None:
    """Write x̂ = (x − mean) / σ into `z`, 1 / σ, and ``z * weight + bias``.

    If not `is_centered`, nothing is subtracted. The rounding error of the mean is subtracted too:
    it is the mean of x − mean, which should be 0.
    """
    zero, one, n = x.dtype.type(0), x.dtype.type(1), x.dtype.type(x.shape[1])
    for m in range(x.shape[0]):
        row, of_z, of_y = x[m], z[m], y[m]
        mean = total = squares = zero
        if is_centered:
            for c in range(weight.size):
                total += row[c]
            mean = total / n
            total = zero
        for c in range(weight.size):
            d = row[c] - mean
            of_y[c] = d
            total += d
            squares += d * d
        shift = total / n if is_centered else zero
        scale = one / np.sqrt(squares / n - shift * shift + eps)
        inverse[m] = scale
        for c in range(weight.size):
            of_z[c] = (of_y[c] - shift) * scale
        for c in range(weight.size):
            of_y[c] = of_z[c] * weight[c] + bias[c]


@loops("void(const t[:, ::1], const t[:, ::1], const t[::1], const t[::1], boolean, t[:, ::1], t[::1], t[::1])")
def normalize_rows_backward(
    dout: Array, z: Array, inverse: Array, weight: Array, is_centered: bool, dx: Array, dweight: Array, dbias: Array
) -> None:
    """Write the gradients of x, weight and bias: see `standardize_backward` in ``layers/``."""
    zero, n = dout.dtype.type(0), dout.dtype.type(dout.shape[1])
    dweight[:] = 0
    dbias[:] = 0
    for m in range(dout.shape[0]):
        of_dout, of_z, row, scale = dout[m], z[m], dx[m], inverse[m]
        mean = product = zero
        for c in range(weight.size):
            d = of_dout[c] * weight[c]
            mean += d
            product += d * of_z[c]
        mean = mean / n if is_centered else zero
        product /= n
        for c in range(weight.size):
            row[c] = (of_dout[c] * weight[c] - mean - of_z[c] * product) * scale
        for c in range(weight.size):
            dweight[c] += of_dout[c] * of_z[c]
            dbias[c] += of_dout[c]
