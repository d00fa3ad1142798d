from __future__ import annotations

import numpy as np

from ..arrays import Array, ArrayLike, as_floats
from ..errors import InvalidTypeError
from ..layer import Layer
from .rules import Shape, Shapes, format_number


class Scalar(Layer):
    """``y = value``, a number beside x: an array without axes, in the floating type of x.

    The numbers in ``0.5 * node`` and ``1 - node`` are such layers, whose x is the node. So a number
    adopts the type of the arrays, as in NumPy, while a `Constant` has its own type.

    y depends only on the type of x, so ∂y/∂x does not exist, and backward returns None.

    >>> scalar = Scalar(0.5)
    >>> scalar.forward(np.ones((2, 3), np.float32))
    array(0.5, dtype=float32)
    """

    kernel_name = "scalar"
    n_nondifferentiable_inputs = 1
    is_positionwise = True

    def __init__(self, value: float) -> None:
        if type(value) not in (int, float):
            hint = "For an array, use nl.Constant('name', array)."
            raise InvalidTypeError(f"got {type(value).__name__}, expected a plain int or float", where="Scalar", hint=hint)
        self.value = value

    def forward(self, x: ArrayLike) -> Array:
        """Return the number, of shape ()."""
        return self.remember(np.array(self.value, as_floats(x, where=self).dtype))

    def backward(self, dout: ArrayLike) -> None:
        """Return None, since x has no gradient."""
        self.recall(dout)

    def rule(self, inputs: Shapes, output: Shape) -> str:
        """Return the number."""
        return f"y = {format_number(self.value)}"
