"""Standardization: x minus its mean, divided by its standard deviation, and its backward pass."""

from __future__ import annotations

import numpy as np

from ..arrays import Array, Shape
from .rules import format_axes, format_number


def standardize(x: Array, axes: Shape, eps: float) -> tuple[Array, Array]:
    """Return x̂ = (x − μ) / σ, and 1 / σ: the mean μ over `axes`, and σ² = variance + eps.

    The variance takes a second pass over x, since E[x²] − E[x]² would lose precision. The rounding
    error of a large mean is subtracted too: it is the mean of x − μ, which should be 0.

    >>> standardize(np.array([[1.0, 3.0]]), (1,), eps=0.0)
    (array([[-1.,  1.]]), array([[1.]]))
    """
    centered = x - mean_over(x, axes)
    centered -= mean_over(centered, axes)
    inverse = 1 / np.sqrt(mean_over(centered * centered, axes) + x.dtype.type(eps))
    centered *= inverse
    return centered, inverse


def standardize_backward(d: Array, standardized: Array, inverse: Array, axes: Shape,
                         means: tuple[Array, Array] | None = None) -> Array:  # fmt: skip
    """Return ∂L/∂x = (d − mean(d) − x̂ mean(d x̂)) / σ, which `BatchNorm` derives.

    Here, d is ∂L/∂x̂. If these are only part of the samples, pass `means`, the means of d and d x̂
    over all of them.
    """
    mean, slope = means or (mean_over(d, axes), mean_over(d * standardized, axes))
    dx: Array = d - mean
    dx -= standardized * slope
    dx *= inverse
    return dx


def mean_over(x: Array, axes: Shape) -> Array:
    """Return the mean of x over `axes`, which keep length 1.

    Over the last axis, the sum is a matrix product: NumPy takes several times as long to add up
    many short rows. Its mean adds up float16 in float32.

    >>> mean_over(np.array([[1.0, 3.0], [5.0, 9.0]]), (-1,)).tolist()
    [[2.0], [7.0]]
    """
    if axes != (-1,) or x.itemsize == 2:
        return x.mean(axis=axes, keepdims=True)  # type: ignore[no-any-return]
    n = x.shape[-1]
    return x @ np.ones((n, 1), x.dtype) / x.dtype.type(n)  # type: ignore[no-any-return]


def standardization_rule(x: str, axes: Shape, eps: float) -> tuple[str, str, str]:
    """Return the formulas z, s and dx of `Normalization.norm_rule`, for `standardize` over `axes`.

    >>> z, s, dx = standardization_rule("x", (-1,), 0.1)
    >>> z, s
    ('(x − mean[axis=-1](x)) / s', 'sqrt(var[axis=-1](x) + 0.1)')
    """
    along = f"[axis={format_axes(axes)}]"
    z, s = f"({x} − mean{along}({x})) / s", f"sqrt(var{along}({x}) + {format_number(eps)})"
    return z, s, f"({{d}} − mean{along}({{d}}) − {{z}} ⊙ mean{along}({{d}} ⊙ {{z}})) / s"
