"""A few samples of a large batch, which show as much of a layer's behaviour as all of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import ceil
from typing import Any, NamedTuple

import numpy as np

from ...arrays import Array
from ..analytic import Gradients, Rng, gradients, random_douts
from ..blocks import LARGE
from ..guards import UserCodeError
from ..twin import Twin

FEW = 3
"""Samples that are enough where each is large."""
ENOUGH = LARGE // 10
"""Elements of the inputs that are enough."""


class Passes(NamedTuple):
    """The outputs and gradients of a forward and a backward, to compare with later ones."""

    ys: Sequence[Array]
    douts: Sequence[Array]
    plain: Gradients


@contextmanager
def few_samples(twin: Twin, passes: Passes, rng: Rng) -> Iterator[Passes]:
    """Run a twin on the first samples of a large batch, if the layer accepts them."""
    given, n = twin.inputs, count_few(twin.inputs)
    try:
        yield (_first_samples(twin, n, rng) if n and passes.plain.error is None else None) or passes
    finally:
        twin.inputs = given


def count_few(inputs: Sequence[Any]) -> int:
    """Return how many samples are enough; 0 if the inputs are not large, or not a batch."""
    n = len(inputs[0]) if inputs and np.ndim(inputs[0]) else 0
    size = sum(map(np.size, inputs))
    if size <= LARGE or any(np.shape(x)[:1] != (n,) for x in inputs):
        return 0
    few = max(FEW, ceil(n * ENOUGH / size))
    return few if few < n else 0


def _first_samples(twin: Twin, n: int, rng: Rng) -> Passes | None:
    """Return passes of the first samples; None, and all samples as before, if they fail."""
    given = twin.inputs
    twin.inputs = [x[:n] for x in given]
    try:
        ys = [np.array(y) for y in twin.forward()]
        douts = random_douts(ys, rng, twin.takes_dout)
        plain = gradients(twin, douts)
        if plain.error is None and all(np.isfinite(y).all() for y in ys):
            return Passes(ys, douts, plain)
    except UserCodeError:
        pass
    twin.inputs = given
    return None
