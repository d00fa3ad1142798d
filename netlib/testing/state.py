"""What training changes in a layer, and where the layer keeps it."""

from __future__ import annotations

import numpy as np

from ..layer import Layer
from .differences import Results, copies_by_name, find_difference
from .layer_under_test import LayerUnderTest, backward, douts_for, forward, other_inputs
from .rule import Rule, skip_if_violated


def _state(tested: LayerUnderTest) -> str:
    skip_if_violated(tested, "training and evaluation", "deterministic in evaluation", "parameters unchanged")
    trained, fresh = tested.layer().train(), tested.layer()
    for inputs in (tested.inputs(), other_inputs(tested.inputs())):
        backward(trained, douts_for(forward(trained, inputs)))
    fresh.load_state_dict(trained.state_dict())
    expected = copies_by_name("y", forward(trained.eval(), tested.inputs()))
    difference = find_difference(copies_by_name("y", forward(fresh.eval(), tested.inputs())), expected)
    return f"after loading the state_dict of a layer trained on two batches, {difference}" if difference else ""


def _evaluation_changes_nothing(tested: LayerUnderTest) -> str:
    skip_if_violated(tested, "training and evaluation")
    layer = tested.layer().eval()
    before = _buffers(layer)
    backward(layer, douts_for(forward(layer, tested.inputs())))
    return find_difference(_buffers(layer), before)


def _buffers(layer: Layer) -> Results:
    return {f"{path}.value": np.array(buffer.value) for path, buffer in layer.buffers().items()}


RULES = {
    "state": Rule(
        "state_dict contains all that training changes: a layer that loads it evaluates the same",
        "Keep what training changes, such as a running mean, in a Buffer: self.mean = nl.Buffer(…), then self.mean.value = ….",
        _state,
    ),
    "buffers in evaluation": Rule(
        "in evaluation mode, forward and backward leave buffers unchanged",
        "Change buffers only if self.training is true.",
        _evaluation_changes_nothing,
    ),
}
