from __future__ import annotations

import numpy as np

from ...arrays import Array, ArrayLike, as_array, as_floats
from ...errors import ShapeError
from ...layer import Layer


class TopK(Layer):
    """The k largest x along `axis` in descending order, and their indices.

    With ``largest=False``, the smallest in ascending order. Equal elements keep their order. Each y
    is one x, so ∂L/∂x is ∂L/∂y at its index and 0 elsewhere. The number k is the second input.
    Neither k nor the indices have a gradient.

    >>> top = TopK()
    >>> top.forward([1.0, 3.0, 2.0], [2]), top.backward(([1.0, 10.0], [0, 0]))
    ((array([3., 2.]), array([1, 2])), array([ 0.,  1., 10.]))
    """

    n_outputs = 2
    n_nondifferentiable_inputs = 1

    def __init__(self, axis: int = -1, largest: bool = True) -> None:
        self.axis = axis
        self.largest = largest

    def forward(self, x: ArrayLike, k: ArrayLike) -> tuple[Array, Array]:
        """Return the elements, and their indices."""
        x, n = as_floats(x, where=self), int(as_array(k, self).reshape(()))
        if not -x.ndim <= self.axis < x.ndim or not 0 <= n <= x.shape[self.axis]:
            raise ShapeError(f"got x of shape {x.shape}, expected {n} elements along axis {self.axis}", where=self)
        order = np.argsort(-x if self.largest else x, axis=self.axis, kind="stable")
        indices = order.take(np.arange(n), axis=self.axis)
        return self.remember((np.take_along_axis(x, indices, self.axis), indices), x.shape, indices)

    def backward(self, dout: tuple[ArrayLike, ArrayLike]) -> Array:
        """Return ∂L/∂x."""
        (delements, _), shape, indices = self.recall(dout)
        dx = np.zeros(shape, delements.dtype)
        np.put_along_axis(dx, indices, delements, self.axis)
        return dx
