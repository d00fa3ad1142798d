"""Experiments inside a pass: a parameter whose value reads as another array."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np

from ..arrays import Array
from ..layer import Parameter
from .analytic import gradients
from .case import Case


@contextmanager
def reading(parameter: Parameter, read: Callable[[Array], Array]) -> Iterator[None]:
    """Let every ``parameter.value`` go through `read`."""
    kind = type(parameter)
    plain = vars(Parameter)["value"]
    parameter.__class__ = type("Read", (kind,), {"__slots__": (), "value": property(lambda self: read(plain.fget(self)), plain.fset)})
    try:
        yield
    finally:
        parameter.__class__ = kind


def right_when_transposed(case: Case, name: str) -> str:
    """Return the path of a square weight with which transposed, in backward alone, the gradient of `name` is right."""
    for path, parameter in case.twin.parameters.items():
        if len(parameter.shape) != 2 or parameter.shape[0] != parameter.shape[1]:
            continue
        case.twin.forward()
        with reading(parameter, lambda value: np.ascontiguousarray(value.T)):
            g = gradients(case.twin, case.douts).by_name.get(name)
        if g is not None and np.shape(g) == case.twin.slots[name].shape and case.is_gradient(np.asarray(g, float), name):
            return path
    return ""
