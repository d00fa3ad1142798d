"""What a layer must not change: its arguments, parameters, NumPy's random state, old results."""

from __future__ import annotations

from itertools import combinations, product

import numpy as np

from ..layer import Layer
from .differences import Results, copies_by_name, find_difference, with_names
from .layer_under_test import LayerUnderTest, backward, douts_for, forward, other_inputs
from .rule import Rule


def _inputs_unchanged(tested: LayerUnderTest) -> str:
    layer, inputs = tested.layer(), tested.inputs()
    ys = forward(layer, inputs)
    backward(layer, douts_for(ys))
    before, after = copies_by_name("input", tested.inputs()), copies_by_name("input", inputs)
    return find_difference(after, before)


def _dout_unchanged(tested: LayerUnderTest) -> str:
    layer = tested.layer()
    ys = forward(layer, tested.inputs())
    douts = douts_for(ys)
    backward(layer, douts)
    return find_difference(copies_by_name("dout", douts), copies_by_name("dout", douts_for(ys)))


def _parameters_unchanged(tested: LayerUnderTest) -> str:
    layer = tested.layer()
    backward(layer, douts_for(forward(layer, tested.inputs())))
    return find_difference(_values(layer), _values(tested.layer()))


def _random_state(tested: LayerUnderTest) -> str:
    def state() -> Results:
        _, keys, position, *gauss = np.random.get_state()  # noqa: NPY002 - the global state is the subject
        return copies_by_name("state", [keys, np.array([position, *gauss])])

    np.random.seed(1729)  # noqa: NPY002 - check_layer restores it
    before = state()
    layer = tested.layer()
    backward(layer, douts_for(forward(layer, tested.inputs())))
    return "the state of np.random has changed" if find_difference(state(), before) else ""


def _new_arrays(tested: LayerUnderTest) -> str:
    layer, inputs = tested.layer(), tested.inputs()
    ys = forward(layer, inputs)
    douts = douts_for(ys)
    dxs = backward(layer, douts)
    given = [*with_names("input", inputs), *with_names("dout", douts)]
    for path, parameter in layer.parameters().items():
        given += [(f"{path}.value", parameter.value), (f"{path}.grad", parameter.grad)]
    returned = [*with_names("y", ys), *with_names("dx", dxs)]
    for (name, a), (other, b) in [*product(returned, given), *combinations(returned, 2)]:
        if np.shares_memory(a, b):
            return f"{name} shares memory with {other}"
    return ""


def _results_unchanged(tested: LayerUnderTest) -> str:
    layer, inputs = tested.layer(), tested.inputs()
    ys = forward(layer, inputs)
    dxs = backward(layer, douts_for(ys))
    before = {**copies_by_name("y", ys), **copies_by_name("dx", dxs)}
    later = forward(layer, other_inputs(inputs))
    backward(layer, [2 * d for d in douts_for(later)])
    difference = find_difference({**copies_by_name("y", ys), **copies_by_name("dx", dxs)}, before)
    return f"after a second forward and backward, {difference}" if difference else ""


def _values(layer: Layer) -> Results:
    return {f"{path}.value": parameter.value for path, parameter in layer.parameters().items()}


RULES = {
    "inputs unchanged": Rule(
        "forward and backward leave the inputs unchanged",
        "Make a new array: np.maximum(x, 0), not x[x < 0] = 0; x + 1, not x += 1.",
        _inputs_unchanged,
    ),
    "dout unchanged": Rule(
        "backward leaves dout unchanged",
        "Make a new array: dout * mask, not dout[~mask] = 0. Other code may still use dout.",
        _dout_unchanged,
    ),
    "parameters unchanged": Rule(
        "forward and backward leave the values of parameters unchanged",
        "Add to self.weight.grad; the optimizer changes the value, after backward.",
        _parameters_unchanged,
    ),
    "global random state": Rule(
        "the global state of np.random stays unchanged",
        "Give the layer its own generator, np.random.default_rng(rng), instead of using np.random.rand, np.random.seed and the like.",
        _random_state,
    ),
    "new arrays": Rule(
        "forward and backward return arrays that share no memory with arguments or parameters",
        "Return x.copy() instead of x or a view of it.",
        _new_arrays,
    ),
    "results unchanged": Rule(
        "later calls do not change arrays that were returned before",
        "Return a new array each time, not one that is reused.",
        _results_unchanged,
    ),
}
