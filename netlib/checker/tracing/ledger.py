"""Gradients that record what backward adds to them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
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
"""The additions and assignments to each parameter's gradient, in order."""


class RecordedGradient(np.ndarray[Any, np.dtype[Any]]):
    """A gradient that records what is added to it, of any shape."""

    log: list[tuple[str, Array]] | None = None  # views and results have none

    def __iadd__(self, other: Any) -> Any:  # type: ignore[misc]  # takes any shape
        if self.log is None:
            return super().__iadd__(other)
        self.log.append(("+=", np.array(other)))
        if fits_into(np.shape(other), self.shape):
            np.add(self, other, out=self)
        return self


class RecordedParameter(Parameter):
    """A parameter whose gradient is a `Ledger`."""

    __slots__ = ()

    @property
    def grad(self) -> Array:
        """The recorded gradient itself."""
        return super().grad

    @grad.setter
    def grad(self, new: Any) -> None:
        ledger = super().grad
        if new is ledger:
            return
        if isinstance(ledger, RecordedGradient) and ledger.log is not None:
            ledger.log.append(("=", np.array(new)))
        if np.shape(new) == self.shape:
            ledger[...] = new


@contextmanager
def _recording(twin: Twin) -> Iterator[Logs]:
    """Give the parameters of a twin gradients that record, starting at zero."""
    logs: Logs = {}
    before = [(parameter, type(parameter), parameter.grad) for parameter in twin.parameters.values()]
    try:
        for path, parameter in twin.parameters.items():
            grad = np.zeros(parameter.shape, parameter.dtype).view(RecordedGradient)
            logs[path] = grad.log = []
            parameter.zero_grad()
            parameter.move_to(parameter.value, grad)
            internals.set_class(parameter, RecordedParameter)
        yield logs
    finally:
        for parameter, _, old in before:
            parameter.move_to(parameter.value, old)
        for parameter, kind, _ in before:
            internals.set_class(parameter, kind)


def record_additions(twin: Twin, douts: Sequence[Array]) -> tuple[Gradients, Logs]:
    """Run forward and backward, and record every addition to a gradient."""
    error, dx = None, None
    with _recording(twin) as logs:
        twin.forward()
        try:
            dx = twin.backward([np.array(d) for d in douts])
        except UserCodeError as raised:
            error = raised.error
        totals = {path: np.asarray(parameter.grad) for path, parameter in twin.parameters.items()}
    returned, surplus = ({}, "") if error is not None else by_input(twin, dx)
    grads: dict[str, Array | None] = {}
    for path, log in logs.items():
        odd = [value for _, value in log if value.shape != twin.parameters[path].shape]
        grads[path] = odd[0] if odd else totals[path] if log or totals[path].any() else None
    return Gradients(returned, grads, surplus, error), logs
