"""What a layer learns, and where it keeps it."""

from __future__ import annotations

import numpy as np

from ..layer import Layer
from .case import Case, Results, Rule, backward, difference, douts_for, forward, named, other_inputs


def _state(case: Case) -> str:
    case.unless("training and evaluation", "evaluation without chance", "parameters unchanged")
    trained, fresh = case.layer().train(), case.layer()
    for inputs in (case.inputs(), other_inputs(case.inputs())):
        backward(trained, douts_for(forward(trained, inputs)))
    fresh.load_state_dict(trained.state_dict())
    wanted = named("y", forward(trained.eval(), case.inputs()))
    wrong = difference(named("y", forward(fresh.eval(), case.inputs())), wanted)
    return f"after load_state_dict of the state of a layer that has seen two batches, {wrong}" if wrong else ""


def _evaluation_changes_nothing(case: Case) -> str:
    case.unless("training and evaluation")
    layer = case.layer().eval()
    before = _buffers(layer)
    backward(layer, douts_for(forward(layer, case.inputs())))
    return difference(_buffers(layer), before)


def _buffers(layer: Layer) -> Results:
    return {f"{path}.value": np.array(buffer.value) for path, buffer in layer.buffers().items()}


RULES = {
    "state": Rule(
        "state_dict holds all that training changes, so that a layer that loads it evaluates the same",
        "Keep what training changes, such as a running mean, in a Buffer: self.mean = nl.Buffer(…), and self.mean.value = ….",
        _state,
    ),
    "buffers in evaluation": Rule(
        "in evaluation mode, forward and backward leave buffers as they are",
        "Change them only where self.training is true.",
        _evaluation_changes_nothing,
    ),
}
