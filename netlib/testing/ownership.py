"""What belongs to others: inputs, dout, parameters, NumPy's random state, and whatever was returned."""

from __future__ import annotations

from itertools import combinations

import numpy as np

from ..layer import Layer
from .case import Case, Results, Rule, backward, difference, douts_for, forward, labelled, named, other_inputs


def _inputs_unchanged(case: Case) -> str:
    layer, inputs = case.layer(), case.inputs()
    ys = forward(layer, inputs)
    backward(layer, douts_for(ys))
    return difference(named("input", inputs), named("input", case.inputs()))


def _dout_unchanged(case: Case) -> str:
    layer = case.layer()
    ys = forward(layer, case.inputs())
    douts = douts_for(ys)
    backward(layer, douts)
    return difference(named("dout", douts), named("dout", douts_for(ys)))


def _parameters_unchanged(case: Case) -> str:
    layer = case.layer()
    backward(layer, douts_for(forward(layer, case.inputs())))
    return difference(_values(layer), _values(case.layer()))


def _random_state(case: Case) -> str:
    def state() -> Results:
        _, keys, position, *gauss = np.random.get_state()  # noqa: NPY002 - the global one is what it is about
        return named("state", [keys, np.array([position, *gauss])])

    np.random.seed(1729)  # noqa: NPY002 - check_layer puts it back; and a layer that seeds has done so before
    before = state()
    layer = case.layer()
    backward(layer, douts_for(forward(layer, case.inputs())))
    return "np.random has moved on" if difference(state(), before) else ""


def _new_arrays(case: Case) -> str:
    layer, inputs = case.layer(), case.inputs()
    ys = forward(layer, inputs)
    douts = douts_for(ys)
    dxs = backward(layer, douts)
    given = [*labelled("input", inputs), *labelled("dout", douts)]
    for path, parameter in layer.parameters().items():
        given += [(f"{path}.value", parameter.value), (f"{path}.grad", parameter.grad)]
    returned = [*labelled("y", ys), *labelled("dx", dxs)]
    for (name, a), (other, b) in [*((r, g) for r in returned for g in given), *combinations(returned, 2)]:
        if np.shares_memory(a, b):
            return f"{name} shares its memory with {other}"
    return ""


def _results_stay(case: Case) -> str:
    layer, inputs = case.layer(), case.inputs()
    ys = forward(layer, inputs)
    dxs = backward(layer, douts_for(ys))
    before = {**named("y", ys), **named("dx", dxs)}
    later = forward(layer, other_inputs(inputs))
    backward(layer, [2 * d for d in douts_for(later)])
    wrong = difference({**named("y", ys), **named("dx", dxs)}, before)
    return f"after a second forward and backward, {wrong}" if wrong else ""


def _values(layer: Layer) -> Results:
    return {f"{path}.value": parameter.value for path, parameter in layer.parameters().items()}


RULES = {
    "inputs unchanged": Rule(
        "forward and backward leave inputs as they are",
        "Make a new array: np.maximum(x, 0), not x[x < 0] = 0; x + 1, not x += 1.",
        _inputs_unchanged,
    ),
    "dout unchanged": Rule(
        "backward leaves dout as it is",
        "Make a new array: dout * mask, not dout[~mask] = 0; it may be the gradient of somebody else too.",
        _dout_unchanged,
    ),
    "parameters unchanged": Rule(
        "forward and backward leave the parameters' values as they are",
        "Add to self.weight.grad; to change the value is the optimizer's work, after backward.",
        _parameters_unchanged,
    ),
    "global random state": Rule(
        "np.random's global state stays as it is",
        "Use a generator of the layer's own, np.random.default_rng(rng), in place of np.random.rand, seed and the like.",
        _random_state,
    ),
    "new arrays": Rule(
        "what forward and backward return shares no memory with what they were given, nor with parameters",
        "Return x.copy() in place of x or a view of it.",
        _new_arrays,
    ),
    "results stay": Rule(
        "what was returned is the caller's: later passes do not change it",
        "Return a new array each time, not a buffer that is used again.",
        _results_stay,
    ),
}
