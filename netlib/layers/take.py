from __future__ import annotations

import math

import numpy as np

from ..arrays import Array, ArrayLike, as_array, as_floats
from ..errors import InvalidTypeError, InvalidValueError
from ..layer import Layer
from .axes import as_axis, require_axis
from .ids import sum_by_id
from .rules import Shape, Shapes, format_shape


class Take(Layer):
    """``y = numpy.take(x, indices, axis)``: the parts of x at `indices` along `axis`.

    The shape of `indices`, whole numbers, replaces the axis in y's shape. Negative ones count from
    the end, as in NumPy.

    With one-hot rows D of the indices, y = D x along the axis, so ∂L/∂x = Dᵀ ∂L/∂y: the gradients
    of repeated indices add up. Indices have no gradient.

    >>> take = Take()
    >>> take.forward([1.0, 2.0, 3.0], [0, 2, 0]), take.backward([1.0, 2.0, 4.0])
    (array([1., 3., 1.]), array([5., 0., 2.]))
    """

    kernel_name = "take"
    n_nondifferentiable_inputs = 1

    def __init__(self, axis: int = 0) -> None:
        self.axis = as_axis(axis, "Take")

    def forward(self, x: ArrayLike, indices: ArrayLike) -> Array:
        """Return a copy of the parts."""
        x = as_floats(x, where=self)
        require_axis(x, self.axis, self)
        n, places = x.shape[self.axis], as_array(indices, self)
        if places.dtype.kind not in "iu":
            hint = "Convert them with indices.astype(int)."
            raise InvalidTypeError(f"got indices of {places.dtype}, expected whole numbers", where=self, hint=hint)
        outside = np.argwhere((places < -n) | (places >= n))
        if len(outside):
            place = tuple(outside[0].tolist())
            message = f"got the index {places[place]} at {place}, expected -{n} to {n - 1} for axis {self.axis} of length {n}"
            raise InvalidValueError(message, where=self)
        places = places.astype(np.intp) % n
        return self.remember(x.take(places, axis=self.axis), x.shape, places)

    def backward(self, dout: ArrayLike) -> Array:
        """Return ∂L/∂x, of x's shape."""
        dout, shape, indices = self.recall(dout)
        dx, axis = np.zeros(shape, dout.dtype), self.axis % len(shape)
        ahead = dout.reshape(*shape[:axis], indices.size, *shape[axis + 1 :])
        rows, sums = sum_by_id(indices.ravel(), np.moveaxis(ahead, axis, 0))
        np.moveaxis(dx, axis, 0)[rows] = sums
        return dx

    def rule(self, inputs: Shapes, output: Shape) -> str:
        """Return the product with the indices' one-hot rows, with x's other axes as columns."""
        shape, indices = inputs
        axis, k, n = self.axis % len(shape), math.prod(indices), shape[self.axis]
        before, after = math.prod(shape[:axis]), math.prod(shape[axis + 1 :])
        x, dy = (f"({name}, reshaped to {format_shape((before, m, after))})" for name, m in (("x", n), ("dy", k)))
        d = f"onehot(j, {n})"
        where = f"where j = i + {n} ⊙ [i < 0], i = (indices, reshaped to {k})"
        return (f"y = ({d}·{x}), reshaped to {format_shape(output)}, {where}\n"
                f"dx = ({d}ᵀ·{dy}), reshaped to {format_shape(shape)}, {where}")  # fmt: skip
