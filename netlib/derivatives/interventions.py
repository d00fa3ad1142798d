"""Experiments inside a pass: a parameter whose value is another one at each use."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..arrays import Array
from ..layer import Parameter
from .analytic import gradients
from .case import Case

MOST_FORWARDS = 6000


def _reads_through(parameter: Parameter, read: Callable[[Array], Array]) -> None:
    """Let every ``parameter.value`` go through `read` from now on."""
    value = property(lambda self: read(self._value), vars(Parameter)["value"].fset)
    parameter.__class__ = type("Read", (Parameter,), {"__slots__": (), "value": value})


def right_when_transposed(case: Case, name: str) -> str:
    """Return the path of a square weight with which transposed, in backward alone, the gradient of `name` is right."""
    for path, parameter in case.twin.parameters.items():
        if len(parameter.shape) != 2 or parameter.shape[0] != parameter.shape[1]:
            continue
        kind = type(parameter)
        try:
            case.twin.forward()
            _reads_through(parameter, lambda value: np.ascontiguousarray(value.T))
            g = gradients(case.twin, case.douts).by_name.get(name)
        finally:
            parameter.__class__ = kind
        if g is not None and np.shape(g) == case.twin.slots[name].shape and case.is_gradient(np.asarray(g, float), name):
            return path
    return ""


def slopes_by_use(case: Case, path: str) -> list[Array]:
    """Return the measured gradient through each single use of a parameter in forward; nothing where it is used once, or too large."""
    parameter = case.twin.parameters[path]
    kind = type(parameter)
    uses = 0
    chosen = -1
    other = parameter.value

    def read(value: Array) -> Array:
        nonlocal uses
        uses += 1
        return other if uses - 1 == chosen else value

    weights = np.concatenate([np.asarray(d, float).ravel() for d in case.douts])

    def output() -> float:
        nonlocal uses
        uses = 0
        return float(np.concatenate([np.asarray(y, float).ravel() for y in case.twin.forward()]) @ weights)

    found: list[Array] = []
    _reads_through(parameter, read)
    try:
        output()
        n = uses
        if n < 2 or n * parameter.size * 2 > MOST_FORWARDS:
            return []
        h = 2 * case.eps ** (1 / 3)
        for chosen in range(n):  # noqa: B007 - `read` looks at it
            slope = np.zeros(parameter.shape)
            for i in np.ndindex(parameter.shape):
                kept = parameter._value[i]
                both = []
                for sign in (1, -1):
                    other = parameter._value.copy()
                    other[i] = kept + sign * h
                    both.append(output())
                slope[i] = (both[0] - both[1]) / (2 * h)
            found.append(slope)
    finally:
        parameter.__class__ = kind
    return found
