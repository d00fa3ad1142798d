from __future__ import annotations

import numpy as np

from ..arrays import Array, ArrayLike, Shape, as_common_floats
from ..errors import ShapeError
from ..layer import Layer
from .axes import as_axis
from .broadcasting import require_inputs
from .rules import Shapes, format_shape, numbered_names


class Stack(Layer):
    """The inputs stacked along a new `axis`, as in `numpy.stack`.

    Each element of y is one element of one input, so ∂L/∂(input i) is entry i of ∂L/∂y along the
    axis.

    >>> stack = Stack(axis=1)
    >>> stack.forward([1.0, 2.0], [3.0, 4.0]), stack.backward([[5.0, 6.0], [7.0, 8.0]])
    (array([[1., 3.],
           [2., 4.]]), (array([5., 7.]), array([6., 8.])))
    """

    kernel_name = "stack"

    def __init__(self, axis: int = 0) -> None:
        self.axis = as_axis(axis, "Stack")

    def forward(self, *inputs: ArrayLike) -> Array:
        """Return the inputs along the new axis."""
        require_inputs(inputs, self)
        xs = as_common_floats(inputs, self)
        try:
            return self.remember(np.stack(xs, axis=self.axis), len(xs))
        except ValueError as error:
            shapes = " and ".join(str(x.shape) for x in xs)
            raise ShapeError(f"got shapes {shapes}: {error}", where=self) from None

    def backward(self, dout: ArrayLike) -> Array | tuple[Array, ...]:
        """Return ∂L/∂(input) for each input."""
        dout, n = self.recall(dout)
        dx = tuple(np.take(dout, i, axis=self.axis) for i in range(n))
        return dx if n > 1 else dx[0]

    def rule(self, inputs: Shapes, output: Shape) -> str:
        """Return the inputs side by side along a new axis."""
        names, axis = numbered_names(len(inputs)), self.axis % len(output)
        longer = format_shape((*output[:axis], 1, *output[axis + 1 :]))
        if len(names) == 1:
            return f"y = x, reshaped to {longer}; dx = dy, reshaped to {format_shape(inputs[0])}"
        lines = [f"y = {', '.join(f'({name}, reshaped to {longer})' for name in names)}, side by side along axis {axis}"]
        for i, name in enumerate(names):
            lines.append(f"d{name} = (dy, piece {i}:{i + 1} along axis {axis}), reshaped to {format_shape(inputs[0])}")
        return "\n".join(lines)
