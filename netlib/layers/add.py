from __future__ import annotations

import numpy as np

from ..arrays import Array, ArrayLike, as_common_floats, unbroadcast
from ..layer import Layer
from .broadcasting import require_broadcastable, require_inputs
from .rules import Shape, Shapes, elementwise_rule, numbered_names


class Add(Layer):
    """``y = x1 + x2 + …``, any number of inputs, with NumPy's broadcasting.

    Eqs. (1.1) and (1.2): ∂y/∂x1 = ∂y/∂x2 = 1, so the + node passes dL/dy unchanged to each input.
    If an input was broadcast, the gradients of its copies add up (section 1.2.4).

    >>> add = Add()
    >>> add.forward(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([10.0, 20.0]))
    array([[11., 22.],
           [13., 24.]])
    >>> dx1, dx2 = add.backward(np.ones((2, 2)))
    >>> dx2
    array([2., 2.])
    """

    kernel_name = "add"
    is_positionwise = True

    def forward(self, *inputs: ArrayLike) -> Array:
        """Return the sum, of the inputs' broadcast shape and common floating type."""
        require_inputs(inputs, self)
        xs = as_common_floats(inputs, self)
        require_broadcastable(xs, self)
        y = sum(xs[1:], start=np.array(xs[0]))
        self.remember(y, [x.shape for x in xs])
        return y

    def backward(self, dout: ArrayLike) -> Array | tuple[Array, ...]:
        """Return dL/d(input) for each input."""
        dout, shapes = self.recall(dout)
        dx = tuple(np.array(unbroadcast(dout, shape)) for shape in shapes)
        return dx if len(dx) > 1 else dx[0]

    def rule(self, inputs: Shapes, output: Shape) -> str:
        """Return x1 + x2 + …, with the gradients of broadcast inputs summed."""
        names = numbered_names(len(inputs))
        return elementwise_rule(" + ".join(names), dict.fromkeys(names, "dy"), inputs, output)
