from __future__ import annotations

import math

from ..arrays import Array, ArrayLike, as_floats
from ..errors import ShapeError
from .axes import as_axes
from .rules import Shape, Shapes
from .sum import Sum


class Mean(Sum):
    """The mean over `axis`, which may be one, several or all axes (None), as in `numpy.mean`.

    Raises for empty axes. ∂y/∂x = 1 / n for each of the n elements that y averages.

    >>> mean = Mean(axis=0)
    >>> mean.forward([[1.0, 2.0], [3.0, 4.0]])
    array([2., 3.])
    >>> mean.backward([5.0, 7.0])
    array([[2.5, 3.5],
           [2.5, 3.5]])
    """

    kernel_name = "mean"

    def forward(self, x: ArrayLike) -> Array:
        """Return the mean."""
        x = as_floats(x, where=self)
        axes = as_axes(x, self.axis, self)
        if any(x.shape[i] == 0 for i in axes):
            message = f"got x of shape {x.shape}, whose mean over an empty axis is undefined"
            raise ShapeError(message, where=self)
        return self.remember(x.mean(axis=axes, keepdims=self.keepdims), x.shape, axes)

    def backward(self, dout: ArrayLike) -> Array:
        """Return ∂L/∂x."""
        dx = super().backward(dout)
        n = math.prod(dx.shape[i] for i in as_axes(dx, self.axis, self))
        return dx * (1 / n)  # type: ignore[no-any-return]

    def rule(self, inputs: Shapes, output: Shape) -> str:
        """Return the rule of the sum, divided by n in both directions."""
        n = math.prod(inputs[0]) // max(math.prod(output), 1)
        return super().rule(inputs, output).replace("(x)", f"(x) / {n}").replace("= dy", f"= dy / {n}")
