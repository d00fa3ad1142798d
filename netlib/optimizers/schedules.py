"""Learning-rate schedules: functions of the step number, counted from 0, for any optimizer's `lr`.

Any function will do, such as ``lambda step: 0.1 / (1 + step)``. This module provides the usual
ones, and `Warmup` and `Chain`, which combine others.
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
    """Return a learning rate, which is a number or a function of the step, or raise.

    A function is not called.

    Examples
    --------
    >>> as_rate(1, "SGD")
    1.0
    """
    if isinstance(lr, type):
        hint = f"Write {lr.__name__}(…), with parentheses."
        raise InvalidTypeError(f"lr is the class {lr.__name__}", where=where, hint=hint)
    return lr if callable(lr) else as_number(lr, "lr", where, least=0)


class Schedule:
    """A learning rate over time: ``schedule(step) -> lr``. It depends only on the step."""

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
    """A constant rate, which is useful in a `Chain`.

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
    """A rate that is multiplied by `gamma` after every `step_size` steps.

    Examples
    --------
    >>> staircase = Step(1.0, step_size=10, gamma=0.5)
    >>> [staircase(step) for step in (0, 9, 10, 20)]
    [1.0, 1.0, 0.5, 0.25]
    """

    def __init__(self, lr: float, step_size: int, gamma: float = 0.1) -> None:
        self.lr = self._number(lr, "lr")
        self.step_size = self._steps(step_size, "step_size")
        self.gamma = self._number(gamma, "gamma")

    def __call__(self, step: int) -> float:
        """Return the rate of this step."""
        return self.lr * self.gamma ** (step // self.step_size)


class Exponential(Schedule):
    """A rate that is multiplied by `gamma` at every step.

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
    """Half a cosine wave from `lr` down to `min_lr` within `steps`, then constant.

    Loshchilov and Hutter, "SGDR: stochastic gradient descent with warm restarts", 2017, Eq. (5),
    without restarts.

    Examples
    --------
    >>> fall = Cosine(1.0, steps=100)
    >>> [round(fall(step), 3) for step in (0, 50, 100, 200)]
    [1.0, 0.5, 0.0, 0.0]
    """

    def __init__(self, lr: float, steps: int, min_lr: float = 0.0) -> None:
        self.lr, self.steps = self._number(lr, "lr"), self._steps(steps)
        self.min_lr = self._number(min_lr, "min_lr")

    def __call__(self, step: int) -> float:
        """Return the rate of this step."""
        return _interpolate(self.lr, self.min_lr, step / self.steps)


class CosineRestarts(Schedule):
    """Half cosine waves from `lr` down to `min_lr`, each `growth` times as long as the last.

    Loshchilov and Hutter, "SGDR: stochastic gradient descent with warm restarts", 2017, Eq. (5),
    with ``steps`` = T₀ and ``growth`` = T_mult.

    Examples
    --------
    >>> falls = CosineRestarts(1.0, steps=2, growth=2)
    >>> [round(falls(step), 3) for step in range(7)]
    [1.0, 0.5, 1.0, 0.854, 0.5, 0.146, 1.0]
    """

    def __init__(self, lr: float, steps: int, growth: int = 1, min_lr: float = 0.0) -> None:
        self.lr, self.steps = self._number(lr, "lr"), self._steps(steps)
        self.growth, self.min_lr = self._steps(growth, "growth"), self._number(min_lr, "min_lr")

    def __call__(self, step: int) -> float:
        """Return the rate of this step."""
        if self.growth == 1:
            return _interpolate(self.lr, self.min_lr, step % self.steps / self.steps)
        length = self.steps
        while step >= length:
            step, length = step - length, length * self.growth
        return _interpolate(self.lr, self.min_lr, step / length)


class Warmup(Schedule):
    """A linear rise from ``start_factor * lr`` to `lr` within `steps`, then `lr`.

    If `lr` is a schedule, its step 0 follows the rise.

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
    """A rise to `max_lr` and a fall to nearly 0, each along half a cosine wave.

    Smith and Topin, "Super-convergence: very fast training of neural networks using large learning
    rates", 2018.

    Parameters
    ----------
    max_lr : float
        The highest rate.
    steps : int
        The number of steps of the cycle. The rate is constant afterwards.
    pct_start : float
        The share of the steps in which the rate rises, in [0, 1).
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

    def __init__(
        self,
        max_lr: float,
        steps: int,
        pct_start: float = 0.3,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
    ) -> None:
        self.max_lr, self.steps = self._number(max_lr, "max_lr"), self._steps(steps)
        self.pct_start = self._number(pct_start, "pct_start", below=1)
        self.div_factor = self._number(div_factor, "div_factor", least=1)
        self.final_div_factor = self._number(final_div_factor, "final_div_factor", least=1)

    def __call__(self, step: int) -> float:
        """Return the rate of this step."""
        first = self.max_lr / self.div_factor
        top, end = max(self.pct_start * self.steps - 1, 0), self.steps - 1
        if step < top:
            return _interpolate(first, self.max_lr, step / top)
        progress = (step - top) / (end - top) if end > top else 1
        return _interpolate(self.max_lr, first / self.final_div_factor, progress)


class Chain(Schedule):
    """Schedules in sequence, each for its number of steps and starting from its step 0.

    Parameters
    ----------
    *parts : (float or schedule, int), …, float or schedule
        Pairs of a rate and its number of steps, and a last rate, which never ends.

    Examples
    --------
    >>> rate = Chain((0.5, 10), (Cosine(0.5, steps=20), 20), 0.01)
    >>> [round(rate(step), 3) for step in (0, 10, 20, 30, 1000)]
    [0.5, 0.5, 0.25, 0.01, 0.01]
    """

    def __init__(self, *parts: Any) -> None:
        if not parts:
            message = "got nothing, expected pairs (schedule, steps) and a last schedule"
            raise InvalidValueError(message, where="Chain")
        self.parts = parts
        self._timed: list[tuple[float | Rate, int]] = []
        for part in parts[:-1]:
            if not isinstance(part, tuple | list) or len(part) != 2:
                message = f"got {part!r}, expected a pair (schedule, steps) for all but the last"
                raise InvalidTypeError(message, where="Chain")
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


def _interpolate(start: float, end: float, progress: float) -> float:
    """Return the rate after the share `progress` of half a cosine wave from `start` to `end`."""
    return end + (start - end) * (1 + cos(pi * min(progress, 1))) / 2
