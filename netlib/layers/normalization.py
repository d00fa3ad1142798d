"""What the normalizing layers share: a weight and a bias for the normalized x, and the rule."""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from ..arrays import Array, ArrayLike, DTypeLike, Shape, as_count, as_dtype, as_floats, as_number, as_shaped
from ..errors import InvalidTypeError, InvalidValueError, ShapeError
from ..initializers import Ones, Zeros, initial_value
from ..layer import Layer
from ..parameter import Parameter
from .rules import format_axes, format_shape, lift


class Normalization(Layer):
    """The base class: `weight` and `bias`, which scale and shift the normalized x."""

    def __init__(self, shape: Shape, eps: float, affine: bool, dtype: DTypeLike, bias: bool = True) -> None:
        where = type(self).__name__
        self.eps = as_number(eps, "eps", where, least=0)
        self.dtype = as_dtype(dtype, where)
        self._compute_dtype = self.dtype if affine else None  # None: the one of x
        self.weight = Parameter.wrap(initial_value(Ones(), shape, dtype, None, where)) if affine else None
        self.bias = Parameter.wrap(initial_value(Zeros(), shape, dtype, None, where)) if affine and bias else None

    @classmethod
    def from_arrays(cls, weight: ArrayLike, bias: ArrayLike | None = None, **options: Any) -> Self:
        """Return a layer with copies of `weight` and `bias`, by default zeros, in weight's dtype.

        `options` are those of the class, such as ``eps=1e-3``.
        """
        where = f"{cls.__name__}.from_arrays"
        weight = as_floats(weight, where=where)
        if weight.ndim == 0:
            raise ShapeError("got a single number, expected a weight with axes", where=where)
        layer = cls(**cls._size_of(weight.shape), affine=True, dtype=weight.dtype, **options)
        for name, array in [("weight", weight), ("bias", bias)]:
            if array is not None:
                parameter = getattr(layer, name)
                if parameter is None:
                    raise InvalidTypeError("got a bias, which the layer does not have", where=where)
                parameter.value = as_shaped(array, parameter.shape, f"{where}, {name}")
        return layer

    @staticmethod
    def _size_of(shape: Shape) -> dict[str, Any]:
        """Return the size that the constructor takes, for parameters of this shape."""
        return {"channels": shape[0]}

    def scale(self, standardized: Array, shape: Shape = ()) -> Array:
        """Return ``standardized * weight + bias``, both in this `shape` if it is given."""
        if self.weight is None:
            return standardized
        y = standardized * self.weight.value.reshape(shape or self.weight.shape)
        if self.bias is not None:
            y += self.bias.value.reshape(shape or self.bias.shape)
        return y

    def scale_backward(self, dout: Array, standardized: Array, axes: Shape, shape: Shape = ()) -> Array:
        """Add to the gradients of weight and bias, sums over `axes`, and return ∂L/∂x̂."""
        if self.weight is None:
            return dout
        self.weight.add_grad(np.sum(dout * standardized, axis=axes).reshape(self.weight.shape))
        if self.bias is not None:
            self.bias.add_grad(dout.sum(axis=axes).reshape(self.bias.shape))
        return dout * self.weight.value.reshape(shape or self.weight.shape)

    def norm_rule(self, z: str, s: str, dx: str, per: Shape, axes: int = 0, shape: Shape = (), grouped: Shape = ()) -> str:
        """Return the rule of a norm.

        Parameters
        ----------
        z, s : str
            The formulas of x̂ and of its divisor s.
        dx : str
            The formula of ∂L/∂x, with ``{d}`` for ∂L/∂x̂ and ``{z}`` for x̂.
        per : tuple of int
            The axes that the gradients of weight and bias are summed over.
        axes : int
            The number of axes after those of weight and bias.
        shape, grouped : tuple of int
            The shape of x, and the shape in which it was normalized (called g) if it differs.
        """
        where = f"z = {z}, s = {s}"
        if self.weight is None and not grouped:
            return f"y = {z}, where s = {s}; dx = {dx.format(d='dy', z='y')}, where s = {s}"
        y, d, dx = "z", "dy", dx.format(d="d", z="z")
        if self.weight is not None:
            d += f" ⊙ {lift('weight', axes)}"
        if grouped:
            apart, back = f"reshaped to {format_shape(grouped)}", f"reshaped to {format_shape(shape)}"
            y, d, dx, where = f"(z, {back})", f"({d}, {apart})", f"{dx}, {back}", f"{where}, g = (x, {apart})"
        lines = [f"dx = {dx}, where d = {d}, {where}"]
        if self.weight is not None:
            lines.append(f"dweight = {_sum(f'dy ⊙ {y}', per)}, where {where}")
            y += f" ⊙ {lift('weight', axes)}"
        if self.bias is not None:
            lines.append(f"dbias = {_sum('dy', per)}")
            y += f" + {lift('bias', axes)}"
        return "\n".join([f"y = {y}, where {where}", *lines])


def _sum(formula: str, axes: Shape) -> str:
    return f"sum[axis={format_axes(axes)}]({formula})" if axes else formula


def as_tail(shape: Any, where: str) -> Shape:
    """Return the lengths of the last axes, from an int or a tuple."""
    lengths = tuple(as_count(n, "shape", where, least=1) for n in (shape if isinstance(shape, tuple | list) else (shape,)))
    if not lengths:
        raise InvalidValueError("shape is empty, expected the lengths of the last axes", where=where)
    return lengths


def as_tailed(x: ArrayLike, tail: Shape, dtype: np.dtype[Any] | None, where: object) -> Array:
    """Return `x` as an array whose last axes have the lengths `tail`, or raise."""
    x = as_floats(x, dtype, where)
    if x.shape[max(x.ndim - len(tail), 0) :] != tail:
        expected = f"(…, {', '.join(map(str, tail))})"
        raise ShapeError(f"got x of shape {x.shape}, expected {expected}", where=where)
    return x
