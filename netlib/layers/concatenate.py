from __future__ import annotations

import numpy as np

from ..arrays import Array, ArrayLike, as_common_floats
from ..errors import ShapeError
from ..layer import Layer
from .axes import as_axis
from .broadcasting import require_inputs
from .rules import Shape, Shapes, numbered_names


class Concatenate(Layer):
    """Any number of inputs joined along `axis`, as in `numpy.concatenate`.

    Each element of y is one element of one input, so dL/d(input) is the corresponding piece of
    dL/dy.

    >>> concatenate = Concatenate()
    >>> concatenate.forward([[1.0, 2.0]], [[3.0]]), concatenate.backward([[4.0, 5.0, 6.0]])
    (array([[1., 2., 3.]]), (array([[4., 5.]]), array([[6.]])))
    """

    kernel_name = "concatenate"

    def __init__(self, axis: int = -1) -> None:
        self.axis = as_axis(axis, "Concatenate")

    def forward(self, *inputs: ArrayLike) -> Array:
        """Return the concatenation of the inputs."""
        require_inputs(inputs, self)
        xs = as_common_floats(inputs, self)
        try:
            y = np.concatenate(xs, axis=self.axis)
        except (ValueError, TypeError):
            shapes = " and ".join(str(x.shape) for x in xs)
            message = f"got shapes {shapes}, expected equal shapes except along axis {self.axis!r}"
            raise ShapeError(message, where=self) from None
        return self.remember(y, np.cumsum([x.shape[self.axis] for x in xs])[:-1])

    def backward(self, dout: ArrayLike) -> Array | tuple[Array, ...]:
        """Return dL/d(input) for each input."""
        dout, ends = self.recall(dout)
        dx = tuple(piece.copy() for piece in np.split(dout, ends, axis=self.axis))
        return dx if len(dx) > 1 else dx[0]

    @property
    def is_positionwise(self) -> bool:
        """Whether `axis` is the feature axis, the last of (N, T, features)."""
        return self.axis in (-1, 2)

    def rule(self, inputs: Shapes, output: Shape) -> str:
        """Return the inputs side by side, each with its piece of the gradient."""
        names, begin = numbered_names(len(inputs)), 0
        lines = [f"y = {', '.join(names)}, side by side along axis {self.axis}"]
        for name, shape in zip(names, inputs, strict=True):
            lines.append(f"d{name} = dy, piece {begin}:{begin + shape[self.axis]} along axis {self.axis}")
            begin += shape[self.axis]
        return "\n".join(lines)
