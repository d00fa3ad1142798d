"""Sequences processed in parts, which `generate` relies on."""

from __future__ import annotations

import numpy as np

from ..execution import without_caching
from .differences import copies_by_name, find_difference
from .layer_under_test import LayerUnderTest, forward
from .rule import Rule, skip_if_violated


def _continued(tested: LayerUnderTest) -> str:
    skip_if_violated(tested, "deterministic in evaluation")
    layer = tested.layer().eval()
    inputs = [x[np.newaxis] if x.ndim == 2 and x.dtype.kind == "f" else x for x in tested.inputs()]
    if any(x.ndim not in (2, 3) or x.shape[:2] != inputs[0].shape[:2] or not x.size for x in inputs):
        return ""  # they are no sequences of ids (N, T) or features (N, T, features)
    middle = inputs[0].shape[1] // 2
    with without_caching(evaluates=True):
        first = layer.forward_next(None, *[x[:, :middle] for x in inputs]) if middle else NotImplemented
        if first is NotImplemented:
            return ""
        second = layer.forward_next(first[1], *[x[:, middle:] for x in inputs])
    parts = [y[0] if layer.n_outputs > 1 else y for y, _ in (first, second)]
    whole = forward(layer, inputs)[:1]
    return find_difference(copies_by_name("y", [np.concatenate(parts, axis=1)]), copies_by_name("y", whole))


RULES = {
    "continued sequences": Rule(
        "forward_next returns for parts of a sequence what forward returns for the whole, if it returns anything",
        "Is is_positionwise true? Does forward_next keep all that later positions need?",
        _continued,
    ),
}
