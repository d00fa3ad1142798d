from __future__ import annotations

from ..arrays import Array, ArrayLike, as_common_floats, unbroadcast
from ..layer import Layer
from .broadcasting import require_broadcastable
from .rules import Shape, Shapes, elementwise_rule


class Multiply(Layer):
    """``y = a * b`` element by element, with NumPy's broadcasting.

    ∂y/∂a = b and ∂y/∂b = a, so the × node passes on dL/dy times the other input. The gradients of
    broadcast copies add up.

    >>> multiply = Multiply()
    >>> multiply.forward([1.0, 2.0], 3.0), multiply.backward([1.0, 1.0])
    (array([3., 6.]), (array([3., 3.]), array(3.)))
    """

    kernel_name = "multiply"
    is_positionwise = True

    def forward(self, a: ArrayLike, b: ArrayLike) -> Array:
        """Return the product, of the inputs' broadcast shape and common floating type."""
        a, b = as_common_floats((a, b), self)
        require_broadcastable((a, b), self)
        return self.remember(a * b, a, b)

    def backward(self, dout: ArrayLike) -> tuple[Array, Array]:
        """Return dL/da and dL/db."""
        dout, a, b = self.recall(dout)
        return unbroadcast(dout * b, a.shape), unbroadcast(dout * a, b.shape)

    def rule(self, inputs: Shapes, output: Shape) -> str:
        """Return a ⊙ b, with the gradients of broadcast inputs summed."""
        return elementwise_rule("a ⊙ b", {"a": "dy ⊙ b", "b": "dy ⊙ a"}, inputs, output)
