"""The work of a check, estimated from sizes so that a busy machine gives the same report."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ...layer import Layer


class OutOfBudgetError(Exception):
    """An experiment has used up its share of the check."""


SECONDS = 1.0
"""Seconds for the differences of one check; a layer that needs longer is sampled."""
WATCHING, OPERATION = 0.7, 10e-6
"""Seconds for the experiments of one check, and for watching one operation of a forward."""

FORWARD, LAYER, INPUT, PARAMETER = 10e-6, 3e-6, 10e-9, 1e-9
"""Seconds of a forward: in any case, and for each layer, input element and parameter element."""
PROBES = 60
"""Forwards that the checks of conduct take, about."""

BEYOND_REASON = 10.0
"""How many times longer than estimated a forward takes before its time is measured."""


def seconds_of_forward(layer: Layer, inputs: Iterable[Any]) -> float:
    """Return the estimated seconds of a forward."""
    return FORWARD + LAYER * sum(1 for _ in layer.walk()) + INPUT * sum(map(np.size, inputs)) + PARAMETER * _n_parameters(layer)


def seconds_of_check(layer: Layer, inputs: tuple[Any, ...], has_differences: bool) -> float:
    """Return the estimated seconds of a check, with differences or of behaviour only."""
    forward = seconds_of_forward(layer, inputs)
    n_elements = sum(map(np.size, inputs)) + _n_parameters(layer)
    return PROBES * forward + (min(SECONDS, 2 * n_elements * forward) if has_differences else 0.0)


def _n_parameters(layer: Layer) -> int:
    return sum(parameter.value.size for parameter in layer.parameters().values())
