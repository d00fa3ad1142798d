from __future__ import annotations

from ..arrays import Array, ArrayLike, as_common_floats, unbroadcast
from ..layer import Layer
from .broadcasting import require_broadcastable
from .rules import Shape, Shapes, elementwise_rule


class Subtract(Layer):
    """``y = a - b``, with NumPy's broadcasting.

    ∂y/∂a = 1 and ∂y/∂b = -1, so dL/dy is passed on to a, and negated to b. The gradients of
    broadcast copies add up.

    >>> subtract = Subtract()
    >>> subtract.forward([3.0, 5.0], 1.0), subtract.backward([1.0, 1.0])
    (array([2., 4.]), (array([1., 1.]), array(-2.)))
    """

    kernel_name = "subtract"
    is_positionwise = True

    def forward(self, a: ArrayLike, b: ArrayLike) -> Array:
        """Return the difference, of the inputs' broadcast shape and common floating type."""
        a, b = as_common_floats((a, b), self)
        require_broadcastable((a, b), self)
        return self.remember(a - b, a.shape, b.shape)

    def backward(self, dout: ArrayLike) -> tuple[Array, Array]:
        """Return dL/da and dL/db."""
        dout, a, b = self.recall(dout)
        return unbroadcast(dout, a).copy(), unbroadcast(-dout, b)

    def rule(self, inputs: Shapes, output: Shape) -> str:
        """Return a − b, with the gradients of broadcast inputs summed."""
        return elementwise_rule("a − b", {"a": "dy", "b": "−dy"}, inputs, output)
