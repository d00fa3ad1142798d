"""Memory for time: a layer that runs forward twice and keeps its input alone in between."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from ..arrays import Shape
from ..errors import NetlibError
from ..execution import execution, keeping_nothing, using_no_work_arrays
from ..layer import Layer, as_layer
from ..random_state import generators, set_state, state
from ..restoring import in_modes


class Recompute(Layer):
    """``layer(x)``, of which only x is kept: backward runs forward again, with the same masks and the same statistics.

    A chain of n layers cut into k such blocks holds about k + n / k values at once in place of n, and takes one forward more.
    Chen et al., "Training deep nets with sublinear memory cost", 2016.

    Parameters
    ----------
    layer : Layer
        Random generators and buffers inside are left by a forward and its backward as one forward leaves them. A user's layer that
        keeps arrays in plain attributes keeps them here too.

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
        """Return what the layer returns."""
        before = _Moment(self.layer) if execution.keeps else None
        with keeping_nothing(evaluates=False):
            layer = self.layer.untraced() if execution.evaluates else self.layer
            y = self._located(layer.forward, *inputs)
        return self.remember(y, *inputs, before)

    def backward(self, dout: Any) -> Any:
        """Run forward again, then return the layer's dL/d(input)."""
        return self._again(dout, self.layer.backward)

    def backward_parameters(self, dout: Any) -> None:
        """Run forward again, and fill the gradients of the parameters."""
        self._again(dout, self.layer.backward_parameters)

    def _again(self, dout: Any, backward: Callable[[Any], Any]) -> Any:
        dout, *inputs, before = self.recall(dout)
        now = _Moment(self.layer)
        before.bring_back()
        try:
            with using_no_work_arrays(), in_modes(before.modes):
                self._located(self.layer.forward, *inputs)
        finally:
            now.bring_back()
        try:
            return self._located(backward, dout)
        finally:
            for _, each in self.layer.walk():
                each.forget()

    @staticmethod
    def _located(call: Callable[..., Any], *arrays: Any) -> Any:
        try:
            return call(*arrays)
        except NetlibError as error:
            error.inside("Recompute.layer")
            raise

    def multiply_adds(self, *shapes: Shape) -> int:
        """Return those of one forward of the layer, where it can tell."""
        return self.layer.multiply_adds(*shapes)


class _Moment:
    """What a forward depends on besides its inputs and parameters: random generators, buffers and modes."""

    def __init__(self, layer: Layer) -> None:
        self._generators = [(each, copy.deepcopy(state(each))) for each in generators(layer)]
        self._buffers = [(each, each.value.copy()) for each in layer.buffers().values()]
        self.modes = [(each, each.training) for _, each in layer.walk()]

    def bring_back(self) -> None:
        """Put generators and buffers back to where they were."""
        for generator, then in self._generators:
            set_state(generator, then)
        for buffer, value in self._buffers:
            buffer.value = value
