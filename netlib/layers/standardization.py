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
    centered = x - x.mean(axis=axes, keepdims=True)
    centered -= centered.mean(axis=axes, keepdims=True)
    inverse = 1 / np.sqrt(np.mean(centered * centered, axis=axes, keepdims=True) + x.dtype.type(eps))
    centered *= inverse
    return centered, inverse


def standardize_backward(d: Array, standardized: Array, inverse: Array, axes: Shape,
                         means: tuple[Array, Array] | None = None) -> Array:  # fmt: skip
    """Return ∂L/∂x = (d − mean(d) − x̂ mean(d x̂)) / σ, which `BatchNorm` derives.

    Here, d is ∂L/∂x̂. If these are only part of the samples, pass `means`, the means of d and d x̂
    over all of them.
    """
    mean, slope = means or (d.mean(axis=axes, keepdims=True), np.mean(d * standardized, axis=axes, keepdims=True))
    dx: Array = d - mean
    dx -= standardized * slope
    dx *= inverse
    return dx


def standardization_rule(x: str, axes: Shape, eps: float) -> tuple[str, str, str]:
    """Return the formulas z, s and dx of `Normalization.norm_rule`, for `standardize` over `axes`.

    >>> z, s, dx = standardization_rule("x", (-1,), 0.1)
    >>> z, s
    ('(x − mean[axis=-1](x)) / s', 'sqrt(var[axis=-1](x) + 0.1)')
    """
    along = f"[axis={format_axes(axes)}]"
    z, s = f"({x} − mean{along}({x})) / s", f"sqrt(var{along}({x}) + {format_number(eps)})"
    return z, s, f"({{d}} − mean{along}({{d}}) − {{z}} ⊙ mean{along}({{d}} ⊙ {{z}})) / s"
