"""Paths from an array to the output: its gradient through one operand, with all others held."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from ...arrays import Array
from .experiment import N_DIRECTIONS, Experiment
from .internals import Site
from .trace import Place, Reading


class NotComparableError(Exception):
    """Raised when forward does other operations a step away: operands cannot be compared."""


class Path:
    """An operand of an operation, in all runs or one, and the slopes through it."""

    def __init__(self, experiment: Experiment, operands: dict[Place, Array]) -> None:
        self.operands = operands
        self._experiment = experiment
        self._along: dict[int, float] = {}

    @property
    def is_repeated(self) -> bool:
        """Whether the operation runs several times."""
        return len(self.operands) > 1

    @property
    def text(self) -> str:
        """The operation in words."""
        number, _ = next(iter(self.operands))
        text = self._experiment.base.operations[number].text
        return f"{text} every time it runs," if self.is_repeated else text

    @property
    def is_halved(self) -> bool:
        """Whether the operation divides by 2, such as by the root of 4, or multiplies by 1/2."""
        number, _ = next(iter(self.operands))
        operation = self._experiment.base.operations[number]
        numbers = [a for a in operation.args if isinstance(a, int | float | np.floating)]
        return (operation.name, numbers) in (("divide", [2]), ("multiply", [0.5]))

    @cached_property
    def arrays(self) -> set[bytes]:
        """The operands as bytes, to compare with those of another path."""
        return {operand.tobytes() for operand in self.operands.values()}

    @cached_property
    def first(self) -> float:
        """The slope along the first direction, roughly."""
        return self._experiment.lost_slope(self.readings(0))

    def along(self, i: int) -> float:
        """Return the slope along direction number i."""
        if i not in self._along:
            self._along[i] = self._experiment.right[i] - self._experiment.slope(i, self.readings(0))
        return self._along[i]

    def along_others(self, i: int) -> float:
        """Return the slope of all other paths along direction number i."""
        return float(self._experiment.right[i]) - self.along(i)

    @property
    def part(self) -> Array:
        """The slope along each direction."""
        return np.array([self.along(i) for i in range(N_DIRECTIONS)])

    def readings(self, factor: float) -> dict[Place, Reading]:
        """Return readings in which the operand moves `factor` times as far."""
        return {place: _times(factor, base) for place, base in self.operands.items()}


def paths(experiment: Experiment) -> list[Path]:
    """Return the paths through the operands that move, each in all runs of its operation.

    Operands that move without moving the output, such as the largest number that a softmax
    subtracts, are held from now on.
    """
    largest = float(np.abs(experiment.right).max())
    experiment.held = experiment.still
    while experiment.paths is None:
        found = [Path(experiment, operands) for operands in _moving(experiment)]
        still = [path for path in found if abs(path.first) <= 1e-8 * largest and not path.operands.keys() <= experiment.held.keys()]
        if not still:
            experiment.paths = found
        for path in still:
            experiment.still.update(path.readings(0))
    return experiment.paths


def paths_of_one_run(experiment: Experiment) -> list[Path]:
    """Return the paths through a single run of an operation that runs several times."""
    return [Path(experiment, {place: a}) for operands in _moving(experiment) if len(operands) > 1 for place, a in operands.items()]


def _moving(experiment: Experiment) -> list[dict[Place, Array]]:
    """Return the operands that move, grouped by operation."""
    operations, moved = experiment.base.operations, experiment.above.operations
    if [operation.site for operation in operations] != [operation.site for operation in moved]:
        raise NotComparableError
    found: dict[tuple[Site, int], dict[Place, Array]] = {}
    for n, (operation, there) in enumerate(zip(operations, moved, strict=True)):
        for k, operand in enumerate(operation.operands):
            if not np.array_equal(operand, there.operands[k]):
                found.setdefault((operation.site, k), {})[n, k] = operand
    return list(found.values())


def _times(factor: float, base: Array) -> Reading:
    return lambda value: np.where(value == base, base, base + factor * (value - base)) if factor else base
