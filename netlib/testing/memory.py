"""What a layer remembers between forward and backward, and where."""

from __future__ import annotations

from typing import Any

import numpy as np

from .case import Case, DoesNotApply, Rule, backward, difference, douts_for, forward, named, other_inputs, parameter_gradients, run


def _backward_twice(case: Case) -> str:
    case.unless("parameters unchanged")
    layer = case.layer()
    douts = douts_for(forward(layer, case.inputs()))
    first = named("dx", backward(layer, [d.copy() for d in douts]))
    return difference(named("dx", backward(layer, [d.copy() for d in douts])), first)


def _keeps_copies(case: Case) -> str:
    wanted = run(case.layer(), case.inputs())
    layer, inputs = case.layer(), case.inputs()
    ys = forward(layer, inputs)
    got, douts = named("y", ys), douts_for(ys)
    _overwrite(*inputs, *ys)
    got |= {**named("dx", backward(layer, douts)), **parameter_gradients(layer)}
    wrong = difference(got, wanted)
    if wrong:
        return f"after inputs and y were written into, {wrong}"
    case.unless("parameters unchanged", "backward twice")
    lent = [d.copy() for d in douts]
    dxs = backward(layer, lent)
    before = named("dx", dxs)
    _overwrite(*dxs, *lent)
    wrong = difference(named("dx", backward(layer, douts)), before)
    return f"after dx and dout were written into, {wrong}" if wrong else ""


def _last_forward(case: Case) -> str:
    case.unless("training and evaluation", "evaluation without chance")
    wanted = run(case.layer().eval(), case.inputs())
    layer = case.layer().eval()
    forward(layer, other_inputs(case.inputs()))
    wrong = difference(run(layer, case.inputs()), wanted)
    return f"after another forward before, {wrong}" if wrong else ""


def _gradients_accumulate(case: Case) -> str:
    layer = case.layer()
    if not layer.parameters():
        raise DoesNotApply("the layer has no parameters")
    case.unless("parameters unchanged")
    douts = douts_for(forward(layer, case.inputs()))
    backward(layer, [d.copy() for d in douts])
    once = parameter_gradients(layer)
    backward(layer, douts)
    wrong = difference(parameter_gradients(layer), {name: 2 * g for name, g in once.items()})
    return f"after backward came twice, {wrong}" if wrong else ""


def _parameters_alone(case: Case) -> str:
    layer, other = case.layer(), case.layer()
    douts = douts_for(forward(layer, case.inputs()))
    forward(other, case.inputs())
    backward(layer, [d.copy() for d in douts])
    other.backward_parameters(tuple(douts) if other.n_outputs > 1 else douts[0])
    return difference(parameter_gradients(other), parameter_gradients(layer))


def _independent_copies(case: Case) -> str:
    wanted = run(case.layer(), case.inputs())
    one, other = case.layer(), case.layer()
    ys = forward(one, case.inputs())
    forward(other, other_inputs(case.inputs()))
    got = {**named("y", ys), **named("dx", backward(one, douts_for(ys))), **parameter_gradients(one)}
    wrong = difference(got, wanted)
    return f"after a forward of another one in between, {wrong}" if wrong else ""


def _overwrite(*arrays: Any) -> None:
    for a in arrays:
        if isinstance(a, np.ndarray) and a.flags.writeable:
            a.fill(0 if a.dtype.kind in "iub" else np.nan)


RULES = {
    "backward twice": Rule(
        "a second backward returns the same",
        "Do not write into what forward kept, and do not delete it.",
        _backward_twice,
    ),
    "keeps copies": Rule(
        "what the caller writes into inputs and y after forward, or into dx and dout after backward, changes no gradient",
        "Keep copies: self.x = np.array(x). If you keep y, keep y.copy().",
        _keeps_copies,
    ),
    "last forward": Rule(
        "backward belongs to the last forward",
        "Let every forward assign all that backward needs.",
        _last_forward,
    ),
    "gradients accumulate": Rule(
        "each backward adds to the gradients of the parameters",
        "Write self.weight.grad += dw, not self.weight.grad = dw.",
        _gradients_accumulate,
    ),
    "parameters alone": Rule(
        "backward_parameters(dout) adds the same to the gradients as backward(dout)",
        "Let backward call it: self.backward_parameters(dout), then return dx.",
        _parameters_alone,
    ),
    "independent copies": Rule(
        "two layers of one kind do not meet",
        "Keep everything in self, nothing in the class, in a global, or in a default argument.",
        _independent_copies,
    ),
}
