"""Without these, nothing else can be looked at."""

from __future__ import annotations

import copy

import numpy as np

from .case import Case, Rule, backward, difference, douts_for, run


def _deep_copy(case: Case) -> str:
    originals, copies = case.original.parameters(), copy.deepcopy(case.original).parameters()
    if [*originals] != [*copies]:
        return f"the copy has the parameters {[*copies]} in place of {[*originals]}"
    shared = [path for path, p in originals.items() if np.shares_memory(p.value, copies[path].value) or p.grad is copies[path].grad]
    return f"the copy shares the memory of {', '.join(shared)}" if shared else ""


def _forward_and_backward(case: Case) -> str:
    layer, inputs = case.layer(), case.inputs()
    y = layer.forward(*inputs)
    ys = y if isinstance(y, tuple) else (y,)
    if len(ys) != layer.n_outputs:
        return f"forward returned {len(ys)} outputs, and n_outputs is {layer.n_outputs}"
    if any(np.asarray(each).dtype.kind not in "fiub" for each in ys):
        return f"forward returned {type(y).__name__}"
    dxs = backward(layer, douts_for(ys))
    inputs = inputs[: len(inputs) - layer.n_nondifferentiable_inputs]
    if len(dxs) != len(inputs):
        return f"backward returned {len(dxs)} gradients for {len(inputs)} inputs"
    for i, (x, dx) in enumerate(zip(inputs, dxs, strict=True)):
        if not isinstance(dx, np.ndarray | np.generic) or dx.shape != x.shape:
            shape = f"an array of shape {dx.shape}" if isinstance(dx, np.ndarray) else f"{type(dx).__name__}"
            return f"backward returned {shape} for input {i}, which has shape {x.shape}"
    return ""


def _deterministic(case: Case) -> str:
    return difference(run(case.layer(), case.inputs()), run(case.layer(), case.inputs()))


RULES = {
    "deep copy": Rule(
        "copy.deepcopy gives a layer of its own, with parameters of its own",
        "Keep no locks, files or generators of Python in attributes, and write no __deepcopy__ that shares.",
        _deep_copy,
        is_decisive=True,
    ),
    "forward and backward": Rule(
        "forward returns n_outputs arrays, backward one gradient for each input, in its shape",
        "Return dL/dx; for several inputs a tuple, return da, db. Sum over axes along which an input was broadcast.",
        _forward_and_backward,
        is_decisive=True,
    ),
    "deterministic": Rule(
        "two copies with the same inputs give the same",
        "Draw from a generator that the layer is given and keeps: self.rng = np.random.default_rng(rng). Draw in forward alone.",
        _deterministic,
        is_decisive=True,
    ),
}
