"""Training mode, evaluation mode, and several threads in evaluation mode."""

from __future__ import annotations

import numpy as np

from ..workers import HAS_THREADS
from .differences import copies_by_name, find_difference
from .interleaving import run_interrupted
from .layer_under_test import LayerUnderTest, backward, douts_for, forward, other_inputs
from .rule import DoesNotApply, Rule, skip_if_violated


def _evaluation_and_training(tested: LayerUnderTest) -> str:
    shapes = []
    for mode in (True, False):
        layer, inputs = tested.layer().train(mode), tested.inputs()
        if {each.training for _, each in layer.walk()} != {mode}:
            return f"train({mode}) does not reach all layers inside"
        ys = forward(layer, inputs)
        dxs = backward(layer, douts_for(ys))
        shapes.append([np.shape(a) for a in (*ys, *dxs)])
    if shapes[0] == shapes[1]:
        return ""
    return f"shapes {shapes[0]} in training and {shapes[1]} in evaluation"


def _deterministic_in_evaluation(tested: LayerUnderTest) -> str:
    layer = tested.layer().eval()
    first = copies_by_name("y", forward(layer, tested.inputs()))
    return find_difference(copies_by_name("y", forward(layer, tested.inputs())), first)


def _threads(tested: LayerUnderTest) -> str:
    if not HAS_THREADS:
        raise DoesNotApply("this Python has no threads")
    skip_if_violated(tested, "deterministic in evaluation")
    layer = tested.layer().eval()
    expected = copies_by_name("y", forward(layer, tested.inputs()))
    expected_there = copies_by_name("y", forward(layer, other_inputs(tested.inputs())))
    faults: list[str] = []

    def interrupt() -> None:
        try:
            got = copies_by_name("y", forward(layer, other_inputs(tested.inputs())))
            faults.append(find_difference(got, expected_there))
        except Exception as error:  # an error in a thread would be lost
            faults.append(f"{type(error).__name__}: {error}")

    _, n_lines = run_interrupted(lambda: forward(layer, tested.inputs()), -1, interrupt)
    for at in np.unique(np.linspace(0, n_lines - 1, 50).astype(int)):
        ys, _ = run_interrupted(lambda: forward(layer, tested.inputs()), at, interrupt)
        faults.append(find_difference(copies_by_name("y", ys), expected))
        fault = next(filter(None, faults), "")
        if fault:
            return f"with a forward of another thread between two of its lines, {fault}"
    return ""


RULES = {
    "training and evaluation": Rule(
        "forward and backward work in both modes and return the same shapes",
        "Set what backward needs in both branches of `if self.training`.",
        _evaluation_and_training,
    ),
    "deterministic in evaluation": Rule(
        "in evaluation mode, the same input gives the same output every time",
        "Draw random numbers only if self.training is true.",
        _deterministic_in_evaluation,
    ),
    "threads": Rule(
        "in evaluation mode, several threads may call forward at once, each with its own result",
        "Compute with local variables, and assign to self only what backward needs: x = self.x = np.array(x); return x**3, not self.x**3.",
        _threads,
    ),
}
