from __future__ import annotations

import math

from ..arrays import Array, ArrayLike, as_floats
from ..errors import ShapeError
from .axes import as_axes
from .rules import Shape, Shapes
from .sum import Sum


class Mean(Sum):
    """The mean over `axis`: an axis, several, or all (None), as `numpy.mean` has it. Of nothing there is none: refused.

    ∂y/∂x = 1 / n for each of the n x that y averages.

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
            raise ShapeError(f"got x of shape {x.shape}, of which a mean would be of nothing", where=self)
        return self.remember(x.mean(axis=axes, keepdims=self.keepdims), x.shape, axes)

    def backward(self, dout: ArrayLike) -> Array:
        """Return ∂L/∂x."""
        dx = super().backward(dout)
        n = math.prod(dx.shape[i] for i in as_axes(dx, self.axis, self))
        return dx * (1 / n)  # type: ignore[no-any-return]

    def rule(self, inputs: Shapes, output: Shape) -> str:
        """Return the rule of the sum, divided by n both ways."""
        n = math.prod(inputs[0]) // max(math.prod(output), 1)
        return super().rule(inputs, output).replace("(x)", f"(x) / {n}").replace("= dy", f"= dy / {n}")
