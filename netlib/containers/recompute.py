"""Gradient checkpointing: keeping only a layer's input, and repeating its forward in backward."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from ..arrays import Shape
from ..errors import NetlibError
from ..execution import execution, without_caching, without_work_arrays
from ..layer import Layer, as_layer
from ..random_state import generators, set_state, state
from ..restoring import temporary_modes


class Recompute(Layer):
    """``layer(x)``, which keeps only x: backward runs forward again with the same random numbers.

    A chain of n layers, split into k such blocks, keeps about k + n / k values at a time instead of
    n, at the cost of one more forward.

    Chen et al., "Training deep nets with sublinear memory cost", 2016.

    Parameters
    ----------
    layer : Layer
        After forward and backward, its random generators and buffers are as after one forward.
        Arrays that a custom layer stores in plain attributes are not discarded.

    Examples
    --------
    >>> import netlib as nl
    >>> block = Recompute(nl.Sequential(nl.Affine.from_arrays([[2.0]]), nl.Tanh()))
    >>> block.forward([[0.0]]), block.backward([[1.0]])
    (array([[0.]]), array([[2.]]))
    """

    kernel_name = "recompute"
    rule = "y = layer(x); dx = dy, through layer run again"

    def __init__(self, layer: Layer) -> None:
        self.layer = as_layer(layer, "Recompute")
        self.n_outputs = layer.n_outputs
        self.n_nondifferentiable_inputs = layer.n_nondifferentiable_inputs

    def forward(self, *inputs: Any) -> Any:
        """Return the output of the layer."""
        before = _Snapshot(self.layer) if execution.keeps else None
        with without_caching(evaluates=False):
            layer = self.layer.for_inference() if execution.evaluates else self.layer
            y = self._call(layer.forward, *inputs)
        return self.remember(y, *inputs, before)

    @property
    def is_positionwise(self) -> bool:
        """Whether the layer is positionwise."""
        return self.layer.is_positionwise

    def forward_next(self, past: Any, *inputs: Any) -> Any:
        """Continue sequences as the layer does."""
        layer = self.layer.for_inference() if execution.evaluates else self.layer
        return self._call(layer.forward_next, past, *inputs)

    def backward(self, dout: Any) -> Any:
        """Run forward again, and return dL/d(input) of the layer."""
        return self._run_again(dout, self.layer.backward)

    def backward_parameters(self, dout: Any) -> None:
        """Run forward again, and add to the gradients of the parameters."""
        self._run_again(dout, self.layer.backward_parameters)

    def _run_again(self, dout: Any, backward: Callable[[Any], Any]) -> Any:
        dout, *inputs, before = self.recall(dout)
        now = _Snapshot(self.layer)
        before.restore()
        try:
            with without_work_arrays(), temporary_modes(before.modes):
                self._call(self.layer.forward, *inputs)
        finally:
            now.restore()
        try:
            return self._call(backward, dout)
        finally:
            for _, each in self.layer.walk():
                each.forget()

    @staticmethod
    def _call(function: Callable[..., Any], *arrays: Any) -> Any:
        try:
            return function(*arrays)
        except NetlibError as error:
            error.add_location("Recompute.layer")
            raise

    def multiply_adds(self, *shapes: Shape) -> int:
        """Return the multiply-adds of one forward of the layer."""
        return self.layer.multiply_adds(*shapes)


class _Snapshot:
    """The state that a forward depends on: random generators, buffers and modes."""

    def __init__(self, layer: Layer) -> None:
        self._generators = [(each, copy.deepcopy(state(each))) for each in generators(layer)]
        self._buffers = [(each, each.value.copy()) for each in layer.buffers().values()]
        self.modes = [(each, each.training) for _, each in layer.walk()]

    def restore(self) -> None:
        """Restore the generators and the buffers."""
        for generator, before in self._generators:
            set_state(generator, before)
        for buffer, value in self._buffers:
            buffer.value = value
