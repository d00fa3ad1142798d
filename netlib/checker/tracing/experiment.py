"""Forwards with changed operations, whose slopes along random directions may explain a gradient."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ...arrays import Array
from ..context import CheckContext
from ..guards import UserCodeError
from ..measuring.budget import OPERATION, OutOfBudgetError
from .stand_ins import StandIns
from .trace import Change, Place, Reading, Rerun, Trace

if TYPE_CHECKING:
    from .paths import Path

N_DIRECTIONS = 4
FEWEST = 10
"""Forwards without which a search does not begin."""
ROUGHLY = 0.01
"""The relative error of a slope from one forward that is not far off."""


class Explanation(NamedTuple):
    """A mistake, and the operands and operations of a forward that has your gradient."""

    mistake: str
    cause: str
    instead: Mapping[Place, Reading] = MappingProxyType({})
    changes: Mapping[int, Change] = MappingProxyType({})


class Experiment:
    """Slopes of one array along random directions: yours, measured, and of changed forwards.

    One experiment serves all rules for an array.

    Attributes
    ----------
    directions : list of ndarray
        Of the shape of the array, with zeros where no slope is known.
    mine, right : ndarray of shape (N_DIRECTIONS,)
        The slopes of Σ dout · y along them, by your gradient and by the measured one.
    allowed : float
        The tolerance for equal slopes.
    base, above : Trace
        The operations of forward without a step, and a step along the first direction.
    held : dict
        The readings of operands in all runs of this search.
    still : dict
        The readings that hold operands that move without moving the output.
    paths : list of Path or None
        The paths from the array to the output, once they are known.
    """

    def __init__(self, context: CheckContext, name: str, yours: Array) -> None:
        self.context = context
        self.twin = context.twin
        self.array = context.twin.slots[name]
        self.step = 2 * context.eps ** (1 / 3)
        self._weights = np.concatenate([np.asarray(d, float).ravel() for d in context.douts])
        target, slopes = context.numeric(name), context.slopes[name]
        usable = ~np.isnan(target) & ~slopes.is_kink.reshape(target.shape) & np.isfinite(yours)
        rng = np.random.default_rng(0)
        self.directions = [rng.choice([-1.0, 1.0], yours.shape) * rng.uniform(0.5, 1.5, yours.shape) * usable for _ in range(N_DIRECTIONS)]
        self.mine, self.right = (np.array([(g[usable] * v[usable]).sum() for v in self.directions]) for g in (yours, target))
        largest = max(float(np.abs(g[usable]).max(initial=0.0)) for g in (yours, target))
        self.allowed = (1e-5 * largest + 8 * float(slopes.noise.max(initial=0.0))) * float(np.sqrt(usable.sum()))
        self._stand_ins = StandIns(context.twin.layer, context.twin.parameters.values())
        self.still: dict[Place, Reading] = {}
        self.paths: list[Path] | None = None
        self._cost = context.twin.seconds
        self.begin()
        self.base = Trace()
        self._run(self.base)
        self._cost += OPERATION * len(self.base.operations)
        self.above = Trace()
        self.height = self._run_moved(1, 0, self.above)

    def begin(self) -> None:
        """Begin another search, which may use half of the time left for experiments.

        With only a few forwards, it would find nothing.
        """
        self._may_leave = self.context.watching / 2
        if self.context.watching - FEWEST * self._cost < self._may_leave:
            raise OutOfBudgetError
        self.held: dict[Place, Reading] = {}

    def slope(self, i: int, instead: Mapping[Place, Reading], changes: Mapping[int, Change] | None = None) -> float:
        """Return the slope along direction number i with other operands and operations."""
        up, down = (self._run_moved(sign, i, self._rerun(instead, changes)) for sign in (1, -1))
        return float((up - down) / (2 * self.step))

    def lost_slope(self, instead: Mapping[Place, Reading]) -> float:
        """Return by how much, roughly, these operands lower the first slope."""
        return float((self.height - self._run_moved(1, 0, self._rerun(instead, None))) / self.step)

    def is_mine(self, instead: Mapping[Place, Reading], changes: Mapping[int, Change] | None = None) -> bool:
        """Return whether forward has your gradient with these operands and operations.

        If no operation changes, the value without a step is known, and a single forward rules out
        most candidates.
        """
        try:
            if not changes and not self.is_near(self.right[0] - self.lost_slope(instead)):
                return False
            return all(abs(self.slope(i, instead, changes) - mine) <= self.allowed for i, mine in enumerate(self.mine))
        except UserCodeError as raised:
            if isinstance(raised.error, ValueError | LookupError):
                return False  # as where the shapes do not fit
            raise

    def is_near(self, about: float) -> bool:
        """Return whether a rough slope along the first direction may be that of your gradient."""
        return bool(abs(about - self.mine[0]) <= ROUGHLY * (abs(self.mine[0]) + abs(self.right[0])) + self.allowed)

    def _rerun(self, instead: Mapping[Place, Reading], changes: Mapping[int, Change] | None) -> Trace:
        return Rerun({**self.held, **instead}, changes or {})

    def _run_moved(self, sign: int, i: int, trace: Trace) -> float:
        kept = self.array.copy()
        self.array[...] = kept + sign * self.step * self.directions[i]
        try:
            return self._run(trace)
        finally:
            self.array[...] = kept

    def _run(self, trace: Trace) -> float:
        """Return Σ dout · y of a forward, whose operations go through a trace."""
        self.context.watching -= self._cost
        if self.context.watching < self._may_leave:
            raise OutOfBudgetError
        twin = self.twin
        kept = twin.inputs
        try:
            twin.inputs = [trace.watch(x) if i in twin.float_inputs else x for i, x in enumerate(kept)]
            with self._stand_ins.watching(trace):
                ys = twin.forward()
        finally:
            twin.inputs, trace.is_over = kept, True
        return float(np.concatenate([np.asarray(y, float).ravel() for y in ys]) @ self._weights)
