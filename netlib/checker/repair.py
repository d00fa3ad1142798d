"""Repairing the backward of inner layers, to find further mistakes."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any

import numpy as np

from ..arrays import Array
from ..inspection import deep_copy
from ..layer import Layer
from ..random_state import generators
from .guards import UserCodeError
from .measuring.differences import Differences, Slopes, epsilon
from .tracing import internals
from .twin import Twin

MOST_NUMBERS = 100_000
"""The largest Jacobian that is measured, in elements."""


def repair_parts(layer: Layer, paths: Iterable[str], inputs: tuple[Any, ...]) -> Layer | None:
    """Return a copy in which the layers at these paths use a backward made of differences.

    None if one of them draws random numbers, or has a large Jacobian.
    """
    layer = deep_copy(layer, "the check works on a copy")
    inside = dict(layer.walk())
    for path in paths:
        if generators(inside[path]):
            return None
        internals.set_class(inside[path], _with_measured_backward(type(inside[path])))
    trial = Twin(layer, inputs)
    try:
        trial.backward([np.asarray(y) for y in trial.forward()])
    except UserCodeError as raised:
        if not isinstance(raised.error, _TooLarge):
            raise
        return None
    return layer


class _TooLarge(Exception):  # noqa: N818 - no error, but that a Jacobian would take long to measure
    pass


def _with_measured_backward(kind: type[Layer]) -> type[Layer]:
    """Return a subclass with the same forward, and a backward made of differences."""
    known: dict[tuple[bytes, ...], dict[str, Array]] = {}

    def forward(self: Layer, *inputs: Any) -> Any:
        y = kind.forward(self, *inputs)
        vars(self)["_given"] = tuple(np.array(x) for x in inputs)
        return y

    def backward(self: Layer, dout: Any = 1.0) -> Any:
        given = vars(self)["_given"]
        parameters = self.parameters()
        key = *(x.tobytes() for x in given), *(p.value.tobytes() for p in parameters.values())
        if key not in known:
            known[key] = _jacobians(self, kind, given)
        douts = np.concatenate([np.ravel(d) for d in (dout if isinstance(dout, tuple) else (dout,))])
        for path, parameter in parameters.items():
            parameter.grad += (known[key][path] @ douts).reshape(parameter.shape).astype(parameter.dtype)
        names = [f"input {i}" for i in range(self.count_differentiable(len(given)))]
        dx = [
            (known[key][name] @ douts).reshape(x.shape).astype(x.dtype) if name in known[key] else None
            for name, x in zip(names, given, strict=False)
        ]
        return dx[0] if len(dx) == 1 else tuple(dx)

    def backward_parameters(self: Layer, dout: Any) -> None:
        backward(self, dout)

    return type(kind.__name__, (kind,), {"forward": forward, "backward": backward, "backward_parameters": backward_parameters})


def _jacobians(layer: Layer, kind: type[Layer], given: tuple[Array, ...]) -> dict[str, Array]:
    """Return ∂y/∂(element) for each input and parameter, a row for each element."""
    plain = copy.copy(layer)
    internals.set_class(plain, kind)
    twin = Twin(plain, given)
    ys = [np.asarray(y, float) for y in twin.forward()]
    if sum(array.size for array in twin.slots.values()) * sum(y.size for y in ys) > MOST_NUMBERS:
        raise _TooLarge
    differences = Differences(twin, [np.ones(y.shape) for y in ys], epsilon(list(twin.slots.values())))
    found = {}
    for name, array in twin.slots.items():
        slopes = Slopes(array.size, differences.y.size)
        differences.measure(name, np.arange(array.size), slopes)
        found[name] = np.zeros((array.size, differences.y.size)) if slopes.jacobian is None else slopes.jacobian
    return found
