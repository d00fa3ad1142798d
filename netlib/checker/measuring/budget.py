"""How much a check may do, reckoned from sizes: one that went by the clock would see other things on a busy machine."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ...layer import Layer


class OutOfBudgetError(Exception):
    """An experiment was given up, since the check has done as much as it may."""


SECONDS = 1.0
"""How long the differences of one check may take; a layer that needs longer is sampled."""
WATCHING, OPERATION = 2.0, 15e-6
"""Seconds that the experiments of one check may take, and how long it takes to watch one operation of a forward."""

FORWARD, LAYER, INPUT, PARAMETER = 10e-6, 3e-6, 10e-9, 1e-9
"""Seconds of a forward: at the least, for each layer in it, for each number of its inputs, and for each of its parameters."""
PROBES = 60
"""Forwards, more or less, that the probes of one check take."""

BEYOND_REASON = 10.0
"""Times that a forward may take longer before it counts as slow, and its measured time is believed."""


def seconds_of_forward(layer: Layer, inputs: Iterable[Any]) -> float:
    """Return how long a forward usually takes."""
    return FORWARD + LAYER * sum(1 for _ in layer.walk()) + INPUT * sum(map(np.size, inputs)) + PARAMETER * _n_parameters(layer)


def seconds_of_check(layer: Layer, inputs: tuple[Any, ...], has_differences: bool) -> float:
    """Return how long a check usually takes, with differences or with the probes alone."""
    forward = seconds_of_forward(layer, inputs)
    n_elements = sum(map(np.size, inputs)) + _n_parameters(layer)
    return PROBES * forward + (min(SECONDS, 2 * n_elements * forward) if has_differences else 0.0)


def _n_parameters(layer: Layer) -> int:
    return sum(parameter.value.size for parameter in layer.parameters().values())
