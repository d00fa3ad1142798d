"""Gradients that record what backward adds to them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...arrays import Array
from ...parameter import Parameter
from ..analytic import Gradients, by_input
from ..equality import fits_into
from ..guards import UserCodeError
from ..twin import Twin
from . import internals

Logs = dict[str, list[tuple[str, Array]]]
"""What was added to the gradient of each parameter, or put in its place, in order."""


class Ledger(np.ndarray[Any, np.dtype[Any]]):
    """A gradient that writes down what is added to all of it, and takes any shape without complaint."""

    log: list[tuple[str, Array]] | None = None  # of a part of it, and of what is computed with it, there is none

    def __iadd__(self, other: Any) -> Any:  # type: ignore[misc]  # the shape that `other` has is the point
        if self.log is None:
            return super().__iadd__(other)
        self.log.append(("+=", np.array(other)))
        if fits_into(np.shape(other), self.shape):
            np.add(self, other, out=self)
        return self


class SpiedParameter(Parameter):
    """A parameter whose gradient is a `Ledger`."""

    __slots__ = ()

    @property
    def grad(self) -> Array:
        """The ledger itself."""
        return super().grad

    @grad.setter
    def grad(self, new: Any) -> None:
        ledger = super().grad
        if new is ledger:
            return
        if isinstance(ledger, Ledger) and ledger.log is not None:
            ledger.log.append(("=", np.array(new)))
        if np.shape(new) == self.shape:
            ledger[...] = new


def spied(twin: Twin, douts: Sequence[Array]) -> tuple[Gradients, Logs]:
    """Run forward and backward with parameters that write down every addition; use up the twin."""
    logs: Logs = {}
    for path, parameter in twin.parameters.items():
        grad = np.zeros_like(parameter.value).view(Ledger)
        logs[path] = grad.log = []
        parameter.move_to(parameter.value, grad)
        internals.set_class(parameter, SpiedParameter)
    twin.forward()
    error, dx = None, None
    try:
        dx = twin.backward([np.array(d) for d in douts])
    except UserCodeError as raised:
        error = raised.error
    returned, surplus = ({}, "") if error is not None else by_input(twin, dx)
    grads: dict[str, Array | None] = {}
    for path, log in logs.items():
        odd = [value for _, value in log if value.shape != twin.parameters[path].shape]
        total = np.array(twin.parameters[path].grad)
        grads[path] = odd[0] if odd else total if log or total.any() else None
    return Gradients(returned, grads, surplus, error), logs
