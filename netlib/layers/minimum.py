from __future__ import annotations

import numpy as np

from ..arrays import Array
from .maximum import Maximum
from .rules import Shape, Shapes


class Minimum(Maximum):
    """``y = min(x1, x2, …)`` element by element, with NumPy's broadcasting.

    ∂y/∂xi is 1 where xi is the smallest and 0 elsewhere. Where n inputs are equally small, each
    gets 1 / n of the gradient: two get half each, as in PyTorch. The gradients of broadcast copies
    add up.

    >>> minimum = Minimum()
    >>> minimum.forward([1.0, 5.0, 2.0], [3.0, 4.0, 2.0])
    array([1., 4., 2.])
    >>> minimum.backward([1.0, 1.0, 1.0])
    (array([1. , 0. , 0.5]), array([0. , 1. , 0.5]))
    """

    kernel_name = "minimum"
    is_positionwise = True
    _hint = "For the smallest number of one array, use Min."

    def _extreme(self, a: Array, b: Array) -> Array:
        """Return the smaller of two."""
        return np.minimum(a, b)

    def rule(self, inputs: Shapes, output: Shape) -> str:
        """Return the rule of the largest, for the smallest."""
        return super().rule(inputs, output).replace("max", "min")
