"""A layer with a skip connection."""

from __future__ import annotations

from typing import Any

from ..arrays import Array, as_floats
from ..errors import ShapeError
from ..layer import Layer, as_layer
from ..layers.add import Add
from .container import Container
from .program import Wiring


class ResidualAdd(Add):
    """The + of a residual block, which does not broadcast."""

    kernel_name = "add"

    def forward(self, *inputs: Any) -> Array:
        """Return x + y, in the type of the layer's output."""
        y = as_floats(inputs[1], where="Residual")
        x = as_floats(inputs[0], y.dtype, "Residual")
        if x.shape != y.shape:
            hint = "Give the layer inside as many outputs as inputs."
            message = f"the layer inside turns shape {x.shape} into {y.shape}, which cannot be added"
            raise ShapeError(message, where="Residual", hint=hint)
        return super().forward(x, y)

    rule = Add.rule  # a rule must be defined beside the forward that it describes


class Residual(Container):
    """``y = x + layer(x)``.

    At the fan-out of x, the gradients of both paths add up: dL/dx = dL/dy + (dL/dx of the layer).
    He et al., "Deep residual learning for image recognition", 2016.

    Parameters
    ----------
    layer : Layer
        Its output has the shape of its input.

    Examples
    --------
    >>> import netlib as nl
    >>> block = Residual(nl.Affine.from_arrays([[2.0]]))
    >>> block.forward([[5.0]]), block.backward([[1.0]])
    (array([[15.]]), array([[3.]]))
    """

    def __init__(self, layer: Layer) -> None:
        self.layer = as_layer(layer, "Residual")
        self.add = ResidualAdd()

    def wire(self, *sources: int) -> Wiring:
        """Wire the input to the layer and to the +."""
        if len(sources) != 1:
            raise ShapeError(f"got {len(sources)} inputs, expected one array", where=self.short)
        inner = yield "Residual.layer", self.layer, sources
        return (yield "Residual.add", self.add, (*sources, *inner))

    def text(self) -> list[str | Layer]:
        """Return the pieces of the ``repr``."""
        return ["Residual(", self.layer, ")"]
