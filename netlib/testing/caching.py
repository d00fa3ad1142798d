"""What a layer keeps between forward and backward."""

from __future__ import annotations

from typing import Any

import numpy as np

from .differences import copies_by_name, find_difference
from .layer_under_test import LayerUnderTest, backward, douts_for, forward, other_inputs, parameter_gradients, run
from .rule import DoesNotApply, Rule, skip_if_violated


def _backward_twice(tested: LayerUnderTest) -> str:
    skip_if_violated(tested, "parameters unchanged")
    layer = tested.layer()
    douts = douts_for(forward(layer, tested.inputs()))
    first = copies_by_name("dx", backward(layer, [d.copy() for d in douts]))
    return find_difference(copies_by_name("dx", backward(layer, [d.copy() for d in douts])), first)


def _keeps_copies(tested: LayerUnderTest) -> str:
    expected = run(tested.layer(), tested.inputs())
    layer, inputs = tested.layer(), tested.inputs()
    ys = forward(layer, inputs)
    got, douts = copies_by_name("y", ys), douts_for(ys)
    _overwrite(*inputs, *ys)
    got |= {**copies_by_name("dx", backward(layer, douts)), **parameter_gradients(layer)}
    difference = find_difference(got, expected)
    if difference:
        return f"after writing into inputs and y, {difference}"
    skip_if_violated(tested, "parameters unchanged", "backward twice")
    lent = [d.copy() for d in douts]
    dxs = backward(layer, lent)
    before = copies_by_name("dx", dxs)
    _overwrite(*dxs, *lent)
    difference = find_difference(copies_by_name("dx", backward(layer, douts)), before)
    return f"after writing into dx and dout, {difference}" if difference else ""


def _last_forward(tested: LayerUnderTest) -> str:
    skip_if_violated(tested, "training and evaluation", "deterministic in evaluation")
    expected = run(tested.layer().eval(), tested.inputs())
    layer = tested.layer().eval()
    forward(layer, other_inputs(tested.inputs()))
    difference = find_difference(run(layer, tested.inputs()), expected)
    return f"after an earlier forward with other inputs, {difference}" if difference else ""


def _gradients_accumulate(tested: LayerUnderTest) -> str:
    layer = tested.layer()
    if not layer.parameters():
        raise DoesNotApply("the layer has no parameters")
    skip_if_violated(tested, "parameters unchanged")
    douts = douts_for(forward(layer, tested.inputs()))
    backward(layer, [d.copy() for d in douts])
    once = parameter_gradients(layer)
    backward(layer, douts)
    difference = find_difference(parameter_gradients(layer), {name: 2 * g for name, g in once.items()})
    return f"after two calls of backward, {difference}" if difference else ""


def _backward_parameters(tested: LayerUnderTest) -> str:
    layer, other = tested.layer(), tested.layer()
    douts = douts_for(forward(layer, tested.inputs()))
    forward(other, tested.inputs())
    backward(layer, [d.copy() for d in douts])
    other.backward_parameters(tuple(douts) if other.n_outputs > 1 else douts[0])
    return find_difference(parameter_gradients(other), parameter_gradients(layer))


def _independent_copies(tested: LayerUnderTest) -> str:
    expected = run(tested.layer(), tested.inputs())
    one, other = tested.layer(), tested.layer()
    ys = forward(one, tested.inputs())
    forward(other, other_inputs(tested.inputs()))
    dxs = backward(one, douts_for(ys))
    got = {**copies_by_name("y", ys), **copies_by_name("dx", dxs), **parameter_gradients(one)}
    difference = find_difference(got, expected)
    return f"after a forward of another copy in between, {difference}" if difference else ""


def _overwrite(*arrays: Any) -> None:
    for a in arrays:
        if isinstance(a, np.ndarray) and a.flags.writeable:
            a.fill(0 if a.dtype.kind in "iub" else np.nan)


RULES = {
    "backward twice": Rule(
        "a second backward returns the same",
        "Do not change or delete what forward kept.",
        _backward_twice,
    ),
    "keeps copies": Rule(
        "no gradient changes if the caller writes into inputs and y after forward, or into dx and dout after backward",
        "Keep copies: self.x = np.array(x). If you keep y, keep y.copy().",
        _keeps_copies,
    ),
    "last forward": Rule(
        "backward uses the values of the last forward",
        "Assign all that backward needs in every forward.",
        _last_forward,
    ),
    "gradients accumulate": Rule(
        "each backward adds to the gradients of the parameters",
        "Write self.weight.grad += dw, not self.weight.grad = dw.",
        _gradients_accumulate,
    ),
    "backward_parameters": Rule(
        "backward_parameters(dout) adds the same gradients as backward(dout)",
        "Call it from backward: self.backward_parameters(dout), then return dx.",
        _backward_parameters,
    ),
    "independent copies": Rule(
        "two copies of the layer do not affect each other",
        "Keep state in self, not in the class, a global variable, or a default argument.",
        _independent_copies,
    ),
}
