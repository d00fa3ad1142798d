from __future__ import annotations

from typing import Any

import numpy as np

from ...arrays import Array, ArrayLike, as_array
from ...errors import InvalidValueError
from ...layer import Layer

LARGEST = 2**53
"""Up to here float64 holds every whole number."""


class OnIntegers(Layer):
    """A layer applied to whole numbers or booleans: y has the type `dtype`, and x has no gradient.

    It computes in float64, and raises for numbers that float64 would round. Fractions are
    truncated, and numbers too large for the type wrap around, as in NumPy. Inputs of the layer
    without a gradient, such as indices, are passed to it unchanged.

    >>> import netlib as nl
    >>> OnIntegers(nl.Divide(), "int64").forward([7, -7], [2, 2])
    array([ 3, -3])
    """

    def __init__(self, layer: Layer, dtype: str) -> None:
        self.layer = layer
        self.dtype = dtype
        self.n_outputs = layer.n_outputs

    def forward(self, *inputs: ArrayLike) -> Any:
        """Return the outputs of the layer as whole numbers."""
        n = self.layer.count_differentiable(len(inputs))
        ys = self.layer.predict(*map(self._as_float64, inputs[:n]), *inputs[n:])
        return self.remember(tuple(map(self._as_integers, ys)) if isinstance(ys, tuple) else self._as_integers(ys))

    def backward(self, dout: Any) -> None:
        """Return nothing: whole numbers have no gradient."""
        self.recall(dout)

    def count_differentiable(self, n_inputs: int) -> int:
        """Return 0."""
        return 0

    def _as_float64(self, x: ArrayLike) -> Array:
        x = as_array(x, self)
        if x.size and x.dtype.itemsize == 8 and not -LARGEST <= int(x.min()) <= int(x.max()) <= LARGEST:
            raise InvalidValueError(f"got numbers beyond ±{LARGEST}, which float64 would round", where=self)
        return x.astype(np.float64)

    def _as_integers(self, y: Array) -> Array:
        if y.dtype.kind != "f":  # indices
            return y
        if self.dtype == "bool":
            return np.not_equal(y, 0)
        return np.trunc(y).astype(np.int64).astype(self.dtype)
