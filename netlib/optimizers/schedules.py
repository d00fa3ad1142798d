"""Learning rates that change: functions of the step number, counted from 0, for the `lr` of any optimizer.

Any function will do, ``lambda step: 0.1 / (1 + step)`` too. These are the usual ones, and two that are made of others:
`Warmup` and `Chain`.
"""

from __future__ import annotations

from collections.abc import Callable
from math import cos, inf, pi
from typing import Any

from ..arrays import as_count, as_number
from ..errors import InvalidTypeError, InvalidValueError
from ..representation import call_text

Rate = Callable[[int], float]


def as_rate(lr: object, where: object) -> float | Rate:
    """Return a learning rate, checked as far as can be without calling it: a number or a function of the step.

    Examples
    --------
    >>> as_rate(1, "SGD")
    1.0
    """
    if isinstance(lr, type):
        raise InvalidTypeError(f"lr is the class {lr.__name__}", where=where, hint=f"Write {lr.__name__}(…), with parentheses.")
    return lr if callable(lr) else as_number(lr, "lr", where, least=0)


class Schedule:
    """A learning rate over time: ``schedule(step) -> lr``. Pure: what it returns depends on the step alone."""

    def __call__(self, step: int) -> float:
        """Return the rate of this step."""
        raise NotImplementedError(f"{type(self).__name__} has no __call__")

    def _number(self, value: object, name: str, least: float = 0.0, below: float = inf) -> float:
        return as_number(value, name, type(self).__name__, least=least, below=below)

    def _steps(self, value: object, name: str = "steps") -> int:
        return as_count(value, name, type(self).__name__, least=1)

    def __repr__(self) -> str:
        return call_text(self)


class Constant(Schedule):
    """The same rate always; of use inside a `Chain`.

    Examples
    --------
    >>> Constant(0.1)(1000)
    0.1
    """

    def __init__(self, lr: float) -> None:
        self.lr = self._number(lr, "lr")

    def __call__(self, step: int) -> float:
        """Return the rate."""
        return self.lr


class Step(Schedule):
    """A staircase: times `gamma` after every `step_size` steps.

    Examples
    --------
    >>> staircase = Step(1.0, step_size=10, gamma=0.5)
    >>> [staircase(step) for step in (0, 9, 10, 20)]
    [1.0, 1.0, 0.5, 0.25]
    """

    def __init__(self, lr: float, step_size: int, gamma: float = 0.1) -> None:
        self.lr, self.step_size, self.gamma = self._number(lr, "lr"), self._steps(step_size, "step_size"), self._number(gamma, "gamma")

    def __call__(self, step: int) -> float:
        """Return the rate of this step."""
        return self.lr * self.gamma ** (step // self.step_size)


class Exponential(Schedule):
    """Times `gamma` at every step.

    Examples
    --------
    >>> Exponential(1.0, gamma=0.5)(3)
    0.125
    """

    def __init__(self, lr: float, gamma: float) -> None:
        self.lr, self.gamma = self._number(lr, "lr"), self._number(gamma, "gamma")

    def __call__(self, step: int) -> float:
        """Return the rate of this step."""
        return self.lr * self.gamma**step


class Cosine(Schedule):
    """Half a cosine wave down to `min_lr` within `steps`, and `min_lr` from then on.

    Loshchilov and Hutter, "SGDR: stochastic gradient descent with warm restarts", 2017, Eq. (5), without restarts.

    Examples
    --------
    >>> fall = Cosine(1.0, steps=100)
    >>> [round(fall(step), 3) for step in (0, 50, 100, 200)]
    [1.0, 0.5, 0.0, 0.0]
    """

    def __init__(self, lr: float, steps: int, min_lr: float = 0.0) -> None:
        self.lr, self.steps, self.min_lr = self._number(lr, "lr"), self._steps(steps), self._number(min_lr, "min_lr")

    def __call__(self, step: int) -> float:
        """Return the rate of this step."""
        return _between(self.lr, self.min_lr, step / self.steps)


class Warmup(Schedule):
    """A straight rise from ``start_factor * lr`` to `lr` within `steps`, and then a rate or schedule from its step 0.

    Examples
    --------
    >>> rise = Warmup(Exponential(1.0, gamma=0.5), steps=4, start_factor=0)
    >>> [rise(step) for step in range(7)]
    [0.0, 0.25, 0.5, 0.75, 1.0, 0.5, 0.25]
    """

    def __init__(self, lr: float | Rate, steps: int, start_factor: float = 1 / 3) -> None:
        self.lr, self.steps = as_rate(lr, "Warmup"), self._steps(steps)
        self.start_factor = self._number(start_factor, "start_factor")

    def __call__(self, step: int) -> float:
        """Return the rate of this step."""
        lr = self.lr(max(0, step - self.steps)) if callable(self.lr) else self.lr
        return lr * (self.start_factor + (1 - self.start_factor) * min(step / self.steps, 1))


class OneCycle(Schedule):
    """Up to `max_lr` in the first part of `steps`, then down to nearly nothing, both along half a cosine wave.

    Smith and Topin, "Super-convergence: very fast training of neural networks using large learning rates", 2018.

    Parameters
    ----------
    max_lr : float
        The rate at the top.
    steps : int
        How many steps the cycle has; its last rate holds from then on.
    pct_start : float
        The share of the steps that go up, in [0, 1).
    div_factor : float
        The first rate is ``max_lr / div_factor``.
    final_div_factor : float
        The last rate is that divided by this.

    Examples
    --------
    >>> cycle = OneCycle(1.0, steps=11, pct_start=3 / 11)
    >>> [round(cycle(step), 3) for step in (0, 2, 6, 10)]
    [0.04, 1.0, 0.5, 0.0]
    """

    def __init__(self, max_lr: float, steps: int, pct_start: float = 0.3, div_factor: float = 25.0, final_div_factor: float = 1e4) -> None:
        self.max_lr, self.steps = self._number(max_lr, "max_lr"), self._steps(steps)
        self.pct_start = self._number(pct_start, "pct_start", below=1)
        self.div_factor = self._number(div_factor, "div_factor", least=1)
        self.final_div_factor = self._number(final_div_factor, "final_div_factor", least=1)

    def __call__(self, step: int) -> float:
        """Return the rate of this step."""
        first = self.max_lr / self.div_factor
        top, end = max(self.pct_start * self.steps - 1, 0), self.steps - 1
        if step < top:
            return _between(first, self.max_lr, step / top)
        return _between(self.max_lr, first / self.final_div_factor, (step - top) / (end - top) if end > top else 1)


class Chain(Schedule):
    """One schedule after the other, each for its number of steps and from its own step 0; the last one goes on for ever.

    Parameters
    ----------
    *parts : (float or schedule, int), …, float or schedule
        Pairs of a rate and how many steps it lasts; at the end a rate alone.

    Examples
    --------
    >>> rate = Chain((0.5, 10), (Cosine(0.5, steps=20), 20), 0.01)
    >>> [round(rate(step), 3) for step in (0, 10, 20, 30, 1000)]
    [0.5, 0.5, 0.25, 0.01, 0.01]
    """

    def __init__(self, *parts: Any) -> None:
        if not parts:
            raise InvalidValueError("got nothing, wanted pairs (schedule, steps) and a last schedule", where="Chain")
        self.parts = parts
        self._timed: list[tuple[float | Rate, int]] = []
        for part in parts[:-1]:
            if not isinstance(part, tuple | list) or len(part) != 2:
                raise InvalidTypeError(f"got {part!r}, wanted a pair (schedule, steps) for all but the last", where="Chain")
            self._timed.append((as_rate(part[0], "Chain"), self._steps(part[1])))
        self._last = as_rate(parts[-1], "Chain")

    def __call__(self, step: int) -> float:
        """Return the rate of this step."""
        lr = self._last
        for part, steps in self._timed:
            if step < steps:
                lr = part
                break
            step -= steps
        return lr(step) if callable(lr) else lr


def _between(start: float, end: float, way: float) -> float:
    """Return the rate after a share `way` of half a cosine wave."""
    return end + (start - end) * (1 + cos(pi * min(way, 1))) / 2
