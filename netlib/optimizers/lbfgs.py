"""L-BFGS, a quasi-Newton method."""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite
from typing import Any

import numpy as np

from ..arrays import Array, as_count, as_number
from ..errors import InvalidTypeError, NonFiniteError
from .line_search import Point, search
from .optimizer import Optimizer
from .parameters import Parameters
from .schedules import Rate


class LBFGS(Optimizer):
    """Limited-memory BFGS with a line search, for small networks and full batches.

    With the last `memory` changes s of the parameters and y of the gradient, each iteration is ::

        p = −H·g,   w ← w + α·p

    where H is the BFGS approximation of the inverse Hessian, with H·y = s for the newest pair, and
    α satisfies the strong Wolfe conditions. Nocedal and Wright, "Numerical Optimization", 2006,
    Algorithms 7.4 (H·g), 3.5 and 3.6 (α).

    An iteration needs the loss at further points, so `step` takes a function that computes it.

    Parameters
    ----------
    parameters : Layer, dict of str to Parameter, iterable of Parameter, or Parameter
        Of 32 or 64 bits.
    lr : float or schedule
        The first α to try. 1 suits all but unusual problems.
    memory : int
        The number of pairs to keep.
    iterations : int
        The maximum number of iterations in one `step`.
    tolerance : float
        A step ends when no element of the gradient is larger.
    weight_decay : float
        Adds ``weight_decay/2 * sum(w**2)`` to the loss.

    Attributes
    ----------
    evaluations : int
        How often the loss has been computed.

    Examples
    --------
    >>> from netlib import Parameter
    >>> weight = Parameter([5.0, 5.0])
    >>> optimizer = LBFGS(weight)
    >>> def closure():
    ...     weight.grad += [2.0, 20.0] * (weight.value - [1.0, 3.0])
    ...     return float(np.sum([1.0, 10.0] * (weight.value - [1.0, 3.0]) ** 2))
    >>> optimizer.step(closure)
    >>> weight.value.round(6)
    array([1., 3.])
    """

    needs_closure = True

    def __init__(
        self,
        parameters: Parameters,
        lr: float | Rate = 1.0,
        memory: int = 10,
        iterations: int = 20,
        tolerance: float = 1e-7,
        weight_decay: float = 0.0,
    ) -> None:
        name = type(self).__name__
        self.memory = as_count(memory, "memory", name, least=1)
        self.iterations = as_count(iterations, "iterations", name, least=1)
        self.tolerance = as_number(tolerance, "tolerance", name, least=0)
        self.slots = tuple(f"{kind}{i}" for i in range(self.memory) for kind in "sy")  # the newest first
        self.evaluations = 0
        super().__init__(parameters, lr, weight_decay)
        for path, parameter in self._parameters.items():
            if parameter.dtype.itemsize < 4:
                raise InvalidTypeError(f"{path} is {parameter.dtype}, expected 32 or 64 bits", where=name)

    def step(self, closure: Callable[[], Any] | None = None) -> None:
        """Make up to `iterations` iterations, and set all gradients to zero.

        Parameters
        ----------
        closure : callable
            It runs forward and backward, adds up the gradients, and returns the loss. It must be
            the same function of the parameters in every call.

        Raises
        ------
        InvalidTypeError
            If there is no closure.
        NonFiniteError
            If the loss or the gradient is not finite at the start. The parameters are unchanged
            then.
        """
        if not callable(closure):
            hint = "Pass a function that runs forward and backward and returns the loss."
            raise InvalidTypeError(f"got {type(closure).__name__}, expected a closure", where=f"{type(self).__name__}.step", hint=hint)
        self._sync()
        values = [part for flat in self._flats for part in flat.trainable(flat.values)]
        if not values:
            return super().step()
        before = [value.copy() for value in values]
        try:
            self._minimize(closure, values)
        except BaseException:
            _write(values, np.concatenate(before))
            raise
        finally:
            self.zero_grad()
        self.steps += 1
        for flat in self._flats:
            flat.steps = [n + bool(p.trainable) for n, p in zip(flat.steps, flat.parameters, strict=True)]
        return None

    def _minimize(self, closure: Callable[[], Any], values: list[Array]) -> None:
        origin, direction = _joined(values), np.zeros(0)

        def at(step: float) -> Point:
            where = origin + step * direction if step else origin
            _write(values, where)
            self.zero_grad()
            self.evaluations += 1
            value = float(closure()) + self.weight_decay / 2 * float(where @ where)
            gradient = _joined(self.gradients()) + self.weight_decay * where
            slope = float(gradient @ direction) if direction.size else 0.0
            return Point(step, value, slope, gradient)

        point = at(0.0)
        if not (isfinite(point.value) and np.isfinite(point.gradient).all()):
            raise NonFiniteError("the loss or its gradient is not finite", where=f"{type(self).__name__}.step")
        for _ in range(self.iterations):
            gradient = point.gradient
            if np.abs(gradient).max() <= self.tolerance:
                return
            pairs = self._pairs()
            direction = -inverse_hessian_times(gradient, pairs)
            slope = float(gradient @ direction)
            rate = self.lr if pairs else self.lr * min(1.0, 1 / float(np.linalg.norm(gradient)))
            found = search(at, Point(0.0, point.value, slope, gradient), rate) if slope < 0 else None
            if found is None or found.step == 0:
                _write(values, origin)
                if not pairs:
                    return
                self._forget()
                continue
            change = found.step * direction
            self._remember(change, found.gradient - gradient)
            origin, point = origin + change, found
            _write(values, origin)

    def _slots_of(self, i: int) -> tuple[list[Array], list[Array]]:
        """Return pair `i` as writable views."""
        s, y = ([part for flat in self._flats for part in flat.trainable(flat.slots[f"{kind}{i}"])] for kind in "sy")
        return s, y

    def _pairs(self) -> list[tuple[Array, Array]]:
        """Return the pairs (s, y), the newest first. Those not yet used are zero."""
        pairs = [(_joined(s), _joined(y)) for s, y in map(self._slots_of, range(self.memory))]
        return [(s, y) for s, y in pairs if s @ y > 0]

    def _remember(self, s: Array, y: Array) -> None:
        """Keep a pair, and drop the oldest, if the curvature s·y along the step is positive."""
        if s @ y <= np.finfo(np.float64).eps * (y @ y):
            return
        for flat in self._flats:
            for i in range(self.memory - 1, 0, -1):
                for kind in "sy":
                    flat.slots[f"{kind}{i}"][...] = flat.slots[f"{kind}{i - 1}"]
        for parts, vector in zip(self._slots_of(0), (s, y), strict=True):
            _write(parts, vector)

    def _forget(self) -> None:
        for flat in self._flats:
            for slot in flat.slots.values():
                slot.fill(0)


def inverse_hessian_times(vector: Array, pairs: list[tuple[Array, Array]]) -> Array:
    """Return H·vector of the pairs (s, y), the newest first: Algorithm 7.4, two loops over them.

    Examples
    --------
    >>> s, y = np.array([1.0, 0.0]), np.array([4.0, 0.0])
    >>> inverse_hessian_times(y, [(s, y)])
    array([1., 0.])
    """
    result, shares = vector.copy(), []
    for s, y in pairs:
        shares.append((s @ result) / (s @ y))
        result -= shares[-1] * y
    if pairs:
        s, y = pairs[0]
        result *= (s @ y) / (y @ y)
    for (s, y), share in zip(reversed(pairs), reversed(shares), strict=True):
        result += (share - (y @ result) / (s @ y)) * s
    return result


def _joined(parts: list[Array]) -> Array:
    return np.concatenate(parts).astype(np.float64)


def _write(parts: list[Array], vector: Array) -> None:
    start = 0
    for part in parts:
        part[...] = vector[start : start + part.size]
        start += part.size
