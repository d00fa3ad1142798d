"""What the normalizing layers share: subtracting a mean, dividing by a deviation, and its gradient."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import Array, ArrayLike, DTypeLike, Shape, as_count, as_dtype, as_floats, as_number
from ..errors import InvalidValueError, ShapeError
from ..initializers import Ones, Zeros, initial_value
from ..layer import Layer
from ..parameter import Parameter


def standardize(x: Array, axes: Shape, eps: float) -> tuple[Array, Array]:
    """Return x̂ = (x − μ) / σ, where μ is the mean over `axes` and σ² the variance plus eps; and 1 / σ.

    The variance takes a second pass over x, since E[x²] − E[x]² would lose its digits.

    >>> standardize(np.array([[1.0, 3.0]]), (1,), eps=0.0)
    (array([[-1.,  1.]]), array([[1.]]))
    """
    centered = x - x.mean(axis=axes, keepdims=True)
    inverse = 1 / np.sqrt(np.mean(centered * centered, axis=axes, keepdims=True) + x.dtype.type(eps))
    centered *= inverse
    return centered, inverse


def standardize_backward(d: Array, standardized: Array, inverse: Array, axes: Shape) -> Array:
    """Return ∂L/∂x, from d = ∂L/∂x̂ and what `standardize` returned.

    x reaches L in three ways, each with a term of its own:

    1. through x̂ directly: d / σ
    2. through μ = Σ x / n, on which each x̂ depends by −1 / σ: −mean(d) / σ
    3. through σ, with ∂x̂/∂σ = −x̂ / σ and ∂σ/∂x = x̂ / n: −x̂ mean(d x̂) / σ

    In all, (d − mean(d) − x̂ mean(d x̂)) / σ.
    """
    dx = d - d.mean(axis=axes, keepdims=True)
    dx -= standardized * np.mean(d * standardized, axis=axes, keepdims=True)
    dx *= inverse
    return dx


class Normalization(Layer):
    """The base class: `weight` and `bias` of some shape, which scale and shift what is normalized."""

    def __init__(self, shape: Shape, eps: float, affine: bool, dtype: DTypeLike, bias: bool = True) -> None:
        where = type(self).__name__
        self.eps = as_number(eps, "eps", where, least=0)
        self.dtype = as_dtype(dtype, where)
        self.weight = Parameter.wrap(initial_value(Ones(), shape, dtype, None, where)) if affine else None
        self.bias = Parameter.wrap(initial_value(Zeros(), shape, dtype, None, where)) if affine and bias else None

    def scale(self, standardized: Array, shape: Shape = ()) -> Array:
        """Return ``standardized * weight + bias``, both in this `shape` if it is given."""
        if self.weight is None:
            return standardized
        y = standardized * self.weight.value.reshape(shape or self.weight.shape)
        if self.bias is not None:
            y += self.bias.value.reshape(shape or self.bias.shape)
        return y

    def scale_backward(self, dout: Array, standardized: Array, axes: Shape, shape: Shape = ()) -> Array:
        """Add to the gradients of `weight` and `bias`, summed over `axes`; return ∂L/∂(standardized)."""
        if self.weight is None:
            return dout
        self.weight.add_grad(np.sum(dout * standardized, axis=axes).reshape(self.weight.shape))
        if self.bias is not None:
            self.bias.add_grad(dout.sum(axis=axes).reshape(self.bias.shape))
        return dout * self.weight.value.reshape(shape or self.weight.shape)


def as_tail(shape: Any, where: str) -> Shape:
    """Return the lengths of the last axes, from an int or a tuple."""
    lengths = tuple(as_count(n, "shape", where, least=1) for n in (shape if isinstance(shape, tuple | list) else (shape,)))
    if not lengths:
        raise InvalidValueError("shape is empty, expected the lengths of the last axes", where=where)
    return lengths


def as_tailed(x: ArrayLike, tail: Shape, dtype: np.dtype[Any], where: object) -> Array:
    """Return `x` as an array whose last axes have the lengths `tail`, or raise."""
    x = as_floats(x, dtype, where)
    if x.shape[max(x.ndim - len(tail), 0) :] != tail:
        expected = f"(…, {', '.join(map(str, tail))})"
        raise ShapeError(f"got x of shape {x.shape}, expected {expected}", where=where)
    return x


def as_channeled(x: ArrayLike, channels: int, dtype: np.dtype[Any], where: object) -> Array:
    """Return `x` as an array (N, channels, …), or raise."""
    x = as_floats(x, dtype, where)
    if x.ndim < 2 or x.shape[1] != channels:
        hint = f"Make the layer's channels {x.shape[1]}." if x.ndim >= 2 else ""
        if x.ndim > 2 and x.shape[-1] == channels:
            hint = "Axis 1 must hold the channels: np.moveaxis(x, -1, 1)."
        raise ShapeError(f"got x of shape {x.shape}, expected (N, {channels}, …)", where=where, hint=hint)
    return x
