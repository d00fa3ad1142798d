"""What a layer's own backward says, taken apart by name, and what it did on the way."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ..arrays import Array
from ..parameter import Parameter
from .expressions import fits_into
from .twin import Twin

Logs = dict[str, list[tuple[str, Array]]]
"""What was added to the gradient of each parameter, or put in its place, in order."""


class Gradients(NamedTuple):
    """What a backward gave.

    `returned` holds what was returned for each differentiable input, `grads` the gradient of each parameter, which is None where
    backward never touched it; `surplus` says what is wrong with the number of things returned, `error` is what backward raised.
    """

    returned: dict[str, Any]
    grads: dict[str, Array | None]
    surplus: str = ""
    error: Exception | None = None

    @property
    def by_name(self) -> dict[str, Any]:
        """Return all of them."""
        return {**self.returned, **self.grads}


def gradients(twin: Twin, douts: Sequence[Array], prefilled: dict[str, Array] | None = None) -> Gradients:
    """Run backward after a forward, and return what it gave.

    Gradients begin as -0.0, which every addition, even that of zeros, turns into something else; or as `prefilled` says.
    """
    for path, parameter in twin.parameters.items():
        parameter.grad[...] = -0.0 if prefilled is None else prefilled[path]
    error, dx = None, None
    try:
        dx = twin.backward([np.array(d) for d in douts])
    except Exception as raised:
        error = raised
    grads: dict[str, Array | None] = {}
    for path, parameter in twin.parameters.items():
        g = np.array(parameter.grad)
        untouched = prefilled is None and g.size > 0 and not g.any() and bool(np.signbit(g).all())
        g += 0.0  # without signs on zeros
        grads[path] = None if untouched else g
    if twin.writes_parameters:
        twin.restore_parameters()
    returned, surplus = ({}, "") if error is not None else by_input(twin, dx)
    return Gradients(returned, grads, surplus, error)


def as_numbers(g: Any) -> Array | None:
    """Return a gradient as a float array, or None for what holds no real numbers."""
    try:
        g = np.asarray(g)
    except ValueError:
        return None
    return np.asarray(g, float) if g.dtype.kind in "fiub" else None


def by_input(twin: Twin, dx: Any) -> tuple[dict[str, Any], str]:
    """Return what backward returned by the name of the input it belongs to, and a complaint where the number is wrong."""
    given = list(dx) if isinstance(dx, tuple | list) else [dx]
    wanted = twin.float_inputs
    surplus = ""
    if isinstance(dx, list) and len(wanted) > 1:
        surplus = "backward returned a list, wanted a tuple"
    if len(given) == len(wanted) and len(wanted) != twin.n_given:
        return {f"input {i}": g for i, g in zip(wanted, given, strict=True)}, surplus
    if len(given) > twin.n_given and any(g is not None for g in given[twin.n_given :]):
        surplus = f"backward returned {len(given)} gradients for {twin.n_given} inputs"
    if len(given) < twin.n_given and not (len(given) == 1 and given[0] is None):
        surplus = f"backward returned {len(given)} gradient{'s' * (len(given) != 1)} for {twin.n_given} inputs"
    given += [None] * (twin.n_given - len(given))
    return {f"input {i}": given[i] for i in wanted}, surplus


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
        parameter.__class__ = SpiedParameter
    twin.forward()
    error, dx = None, None
    try:
        dx = twin.backward([np.array(d) for d in douts])
    except Exception as raised:
        error = raised
    returned, surplus = ({}, "") if error is not None else by_input(twin, dx)
    grads: dict[str, Array | None] = {}
    for path, log in logs.items():
        odd = [value for _, value in log if value.shape != twin.parameters[path].shape]
        total = np.array(twin.parameters[path].grad)
        grads[path] = odd[0] if odd else total if log or total.any() else None
    return Gradients(returned, grads, surplus, error), logs
