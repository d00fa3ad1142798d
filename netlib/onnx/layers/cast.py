from __future__ import annotations

import numpy as np

from ...arrays import Array, ArrayLike, as_dtype, as_floats
from ...layer import Layer


class Cast(Layer):
    """x in another floating-point type.

    Apart from rounding, y = x, so ∂L/∂x is ∂L/∂y in the type of x.

    >>> cast = Cast("float64")
    >>> cast.forward(np.float32([1.0])).dtype, cast.backward([1.0]).dtype
    (dtype('float64'), dtype('float32'))
    """

    is_positionwise = True
    rule = "y = x; dx = dy"

    def __init__(self, dtype: str) -> None:
        self.dtype = dtype
        as_dtype(dtype, "Cast")

    def forward(self, x: ArrayLike) -> Array:
        """Return a copy of x in the type."""
        x = as_floats(x, where=self)
        with np.errstate(over="ignore"):
            return self.remember(x.astype(self.dtype), x.dtype)

    def backward(self, dout: ArrayLike) -> Array:
        """Return ∂L/∂x."""
        dout, dtype = self.recall(dout)
        return dout.astype(dtype)
