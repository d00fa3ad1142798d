"""Training, evaluation, and threads that evaluate at once."""

from __future__ import annotations

import numpy as np

from .case import Case, Rule, backward, difference, douts_for, forward, named, other_inputs
from .interleaving import run_interrupted


def _evaluation_and_training(case: Case) -> str:
    shapes = []
    for mode in (True, False):
        layer, inputs = case.layer().train(mode), case.inputs()
        if {each.training for _, each in layer.walk()} != {mode}:
            return f"train({mode}) does not reach all layers inside"
        ys = forward(layer, inputs)
        dxs = backward(layer, douts_for(ys))
        shapes.append([np.shape(a) for a in (*ys, *dxs)])
    return "" if shapes[0] == shapes[1] else f"shapes {shapes[0]} in training and {shapes[1]} in evaluation"


def _evaluation_without_chance(case: Case) -> str:
    layer = case.layer().eval()
    first = named("y", forward(layer, case.inputs()))
    return difference(named("y", forward(layer, case.inputs())), first)


def _threads(case: Case) -> str:
    case.unless("evaluation without chance")
    layer = case.layer().eval()
    wanted = named("y", forward(layer, case.inputs()))
    wanted_elsewhere = named("y", forward(layer, other_inputs(case.inputs())))
    found: list[str] = []

    def interrupt() -> None:
        try:
            found.append(difference(named("y", forward(layer, other_inputs(case.inputs()))), wanted_elsewhere))
        except Exception as error:  # in a thread, nobody would see it
            found.append(f"{type(error).__name__}: {error}")

    _, n_lines = run_interrupted(lambda: forward(layer, case.inputs()), -1, interrupt)
    for at in np.unique(np.linspace(0, n_lines - 1, 50).astype(int)):
        ys, _ = run_interrupted(lambda: forward(layer, case.inputs()), at, interrupt)
        found.append(difference(named("y", ys), wanted))
        wrong = next(filter(None, found), "")
        if wrong:
            return f"with the forward of another thread between two lines of its own, {wrong}"
    return ""


RULES = {
    "training and evaluation": Rule(
        "forward and backward work in both modes, with the same shapes",
        "Whatever backward needs, set it in both branches of `if self.training`.",
        _evaluation_and_training,
    ),
    "evaluation without chance": Rule(
        "in evaluation mode, the same input gives the same output again",
        "Draw only where self.training is true.",
        _evaluation_without_chance,
    ),
    "threads": Rule(
        "in evaluation mode, threads may call forward at once, and each gets the answer to its own input",
        "Compute with local names, and assign to self what backward needs: x = self.x = np.array(x); return x**3, not self.x**3.",
        _threads,
    ),
}
