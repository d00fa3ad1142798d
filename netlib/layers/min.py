from __future__ import annotations

import numpy as np

from ..arrays import Array, Shape
from .max import Max
from .rules import Shapes


class Min(Max):
    """The smallest x over `axis`, which may be one, several or all axes (None), as in `numpy.min`.

    Raises for empty axes. NaN is passed on, to y and to the gradient.

    As for `Max`, ∂y/∂x = 1 / n for each of the n smallest, which are equal, and 0 for the others.

    >>> smallest = Min(axis=1)
    >>> smallest.forward([[1.0, 5.0, 2.0], [3.0, 0.0, 0.0]])
    array([1., 0.])
    >>> smallest.backward([4.0, 6.0])
    array([[4., 0., 0.],
           [0., 3., 3.]])
    """

    kernel_name = "min"

    def _extreme(self, x: Array, axes: Shape) -> Array:
        """Return the smallest x, with axes of length 1 for `axes`."""
        return np.min(x, axis=axes, keepdims=True)  # type: ignore[no-any-return]

    def rule(self, inputs: Shapes, output: Shape) -> str:
        """Return the rule of the largest x, for the smallest."""
        return super().rule(inputs, output).replace("max", "min")
