"""Rules that all other rules depend on."""

from __future__ import annotations

import copy

import numpy as np

from .differences import find_difference
from .layer_under_test import LayerUnderTest, backward, douts_for, run
from .rule import Rule


def _deep_copy(tested: LayerUnderTest) -> str:
    originals, copies = tested.original.parameters(), copy.deepcopy(tested.original).parameters()
    if [*originals] != [*copies]:
        return f"the copy has the parameters {[*copies]} instead of {[*originals]}"
    shared = [path for path, p in originals.items() if np.shares_memory(p.value, copies[path].value) or p.grad is copies[path].grad]
    return f"the copy shares the memory of {', '.join(shared)}" if shared else ""


def _forward_and_backward(tested: LayerUnderTest) -> str:
    layer, inputs = tested.layer(), tested.inputs()
    y = layer.forward(*inputs)
    ys = y if isinstance(y, tuple) else (y,)
    if len(ys) != layer.n_outputs:
        return f"forward returned {len(ys)} outputs, n_outputs is {layer.n_outputs}"
    if any(np.asarray(each).dtype.kind not in "fiub" for each in ys):
        return f"forward returned {type(y).__name__}"
    dxs = backward(layer, douts_for(ys))
    inputs = inputs[: layer.count_differentiable(len(inputs))]
    if not inputs and all(dx is None for dx in dxs):
        return ""
    if len(dxs) != len(inputs):
        return f"backward returned {len(dxs)} gradients for {len(inputs)} inputs"
    for i, (x, dx) in enumerate(zip(inputs, dxs, strict=True)):
        if dx is None and x.dtype.kind in "iub":
            continue
        if not isinstance(dx, np.ndarray | np.generic) or dx.shape != x.shape:
            shape = f"an array of shape {dx.shape}" if isinstance(dx, np.ndarray) else type(dx).__name__
            return f"backward returned {shape} for input {i}, which has shape {x.shape}"
    return ""


def _deterministic(tested: LayerUnderTest) -> str:
    return find_difference(run(tested.layer(), tested.inputs()), run(tested.layer(), tested.inputs()))


RULES = {
    "deep copy": Rule(
        "copy.deepcopy returns an independent layer with its own parameters",
        "Keep no locks, files or Python generators in attributes, and share nothing in __deepcopy__.",
        _deep_copy,
        is_decisive=True,
    ),
    "forward and backward": Rule(
        "forward returns n_outputs arrays, backward one gradient per input, of the input's shape",
        "Return dL/dx, or a tuple for several inputs: return da, db. Sum over the axes along which an input was broadcast.",
        _forward_and_backward,
        is_decisive=True,
    ),
    "deterministic": Rule(
        "two copies return the same results for the same inputs",
        "Use a generator that the layer keeps: self.rng = np.random.default_rng(rng). Draw from it in forward only.",
        _deterministic,
        is_decisive=True,
    ),
}
