"""The paths on which an array reaches the output: the gradient through one operand of one operation, all others held."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from typing import NamedTuple

import numpy as np

from ..arrays import Array
from .case import Case
from .effort import SECONDS
from .interventions import reading
from .tracing import Operation, Place, Reading, Trace

WATCHED = 20
"""Times that a forward takes longer when it is watched, more or less."""
MOST_RESULTS = 500


class Path(NamedTuple):
    """An operation that passes a part of the gradient on, and the slope of that part along each direction."""

    text: str
    part: Array


def paths(case: Case, name: str, directions: Sequence[Array]) -> list[Path]:
    """Return the operations that pass on some of the gradient of an array and not all of it.

    An operand that moves without moving the output, such as the largest number that a softmax takes off, is held in all that follows.
    None are returned where forward takes the array apart in a way that hides its operations, or is slow.
    """
    try:
        with np.errstate(all="ignore"):
            parts, operations = _Experiment(case, name).parts(directions)
    except Exception:
        return []
    found: list[Path] = []
    repeated: dict[tuple[str, int], list[Array]] = {}
    for (number, operand), part in parts.items():
        text = operations[number].text
        repeated.setdefault((text, operand), []).append(part)
        if not any(np.allclose(part, other.part, rtol=1e-6, atol=1e-8 * float(np.abs(part).max())) for other in found):
            found.append(Path(text, part))
    return found + [Path(f"{text} every time it runs,", np.sum(some, axis=0)) for (text, _), some in repeated.items() if len(some) > 1]


def times(factor: float, base: Array) -> Reading:
    """Return a reading in which an operand moves away from its base so many times as far."""
    return lambda value: np.where(value == base, base, base + factor * (value - base)) if factor else base


def repetition(
    case: Case, name: str, directions: Sequence[Array], slopes: Array, allowed: float, factors: Iterable[float]
) -> tuple[str, float]:
    """Return the operation in a loop, and the factor that its operand counts with each time it runs, that give these slopes.

    What goes through a loop n times so gets the factor to the power of n, which no sum of paths can tell.
    """
    try:
        with np.errstate(all="ignore"):
            experiment = _Experiment(case, name)
            for text, groups in experiment.repeated().items():
                for operands in groups:
                    for factor in factors:
                        reads = {place: times(factor, base) for place, base in operands.items()}
                        if all(abs(experiment.slope(v, reads) - s) <= allowed for v, s in zip(directions, slopes, strict=True)):
                            return text, factor
    except Exception:
        return "", 1.0
    return "", 1.0


class Use(NamedTuple):
    """An operation that an array itself goes into, the gradient of its result, and what else goes into it."""

    text: str
    dout: Array
    others: list[Array]


def uses(case: Case, name: str) -> list[Use]:
    """Return the operations that an array goes into as it is, or turned round; none where its operations are hidden."""
    try:
        with np.errstate(all="ignore"):
            return _Experiment(case, name).uses()
    except Exception:
        return []


class _Experiment:
    """One array of a layer, moved in a forward or in a single operation of one."""

    def __init__(self, case: Case, name: str) -> None:
        self.twin = case.twin
        self.weights = np.concatenate([np.asarray(d, float).ravel() for d in case.douts])
        self.array = case.twin.slots[name]
        self.step = 2 * case.eps ** (1 / 3)
        self.runs_left = SECONDS / (WATCHED * case.twin.seconds)

    def run(self, instead: Mapping[Place, Reading], results: Mapping[int, Array] | None = None) -> tuple[float, Trace]:
        """Return Σ dout · y with these operands and results in the place of others, and what was done on the way."""
        self.runs_left -= 1
        if self.runs_left < 0:
            raise TimeoutError
        trace, twin = Trace(instead, results), self.twin
        kept = twin.inputs
        try:
            twin.inputs = [trace.watch(x) if i in twin.float_inputs else x for i, x in enumerate(kept)]
            with ExitStack() as stack:
                for parameter in twin.parameters.values():
                    stack.enter_context(reading(parameter, trace.watch))
                ys = twin.forward()
        finally:
            twin.inputs, trace.is_over = kept, True
        return float(np.concatenate([np.asarray(y, float).ravel() for y in ys]) @ self.weights), trace

    def parts(self, directions: Sequence[Array]) -> tuple[dict[Place, Array], list[Operation]]:
        """Return the slope along the directions through each operand that passes on a part of it."""
        _, trace = self.run({})
        held: dict[Place, Reading] = {}
        while True:
            parts, totals = self._all_parts(directions, held, trace.operands)
            largest = float(np.abs(totals).max())
            still = {place for place, part in parts.items() if np.abs(part).max() <= 1e-8 * largest}
            if not still:
                break
            held |= {place: times(0, trace.operands[place]) for place in still}
        return {place: part for place, part in parts.items() if np.abs(part - totals).max() > 1e-6 * largest}, trace.operations

    def repeated(self) -> dict[str, list[dict[Place, Array]]]:
        """Return the operands of operations that run several times, by the text of these, apart by their shape."""
        _, trace = self.run({})
        found: dict[tuple[str, tuple[int, ...]], dict[Place, Array]] = {}
        for place, operand in trace.operands.items():
            found.setdefault((trace.operations[place[0]].text, operand.shape), {})[place] = operand
        texts: dict[str, list[dict[Place, Array]]] = {}
        for (text, _), operands in found.items():
            if len(operands) > 1:
                texts.setdefault(text, []).append(operands)
        return texts

    def slope(self, direction: Array, instead: Mapping[Place, Reading]) -> float:
        """Return the slope along a direction where some operands are read as something else."""
        (up, _), (down, _) = self._sides(direction, instead)
        return float((up - down) / (2 * self.step))

    def _sides(self, direction: Array, instead: Mapping[Place, Reading]) -> list[tuple[float, Trace]]:
        kept = self.array.copy()
        sides = []
        for sign in (1, -1):
            self.array[...] = kept + sign * self.step * direction
            try:
                sides.append(self.run(instead))
            finally:
                self.array[...] = kept
        return sides

    def uses(self) -> list[Use]:
        """Return the operations that the array goes into, with the gradients of what comes out by differences."""
        _, trace = self.run({})
        numbers = np.sort(self.array, axis=None)
        found = []
        for number, (text, operands, result) in enumerate(trace.operations):
            is_it = [a.size == numbers.size and np.array_equal(np.sort(a, axis=None), numbers) for a in operands]
            if any(is_it) and isinstance(result, np.ndarray) and result.dtype.kind == "f" and result.size <= MOST_RESULTS:
                others = [a for a, same in zip(operands, is_it, strict=True) if not same]
                found.append(Use(text, self._gradient_of(number, result), others))
        return found

    def _gradient_of(self, number: int, result: Array) -> Array:
        gradient, moved = np.zeros(result.shape), result.copy()
        for i in np.ndindex(result.shape):
            h = self.step * max(1.0, abs(float(result[i])))
            sides = []
            for sign in (1, -1):
                moved[i] = result[i] + sign * h
                sides.append(self.run({}, {number: moved.copy()})[0])
            moved[i] = result[i]
            gradient[i] = (sides[0] - sides[1]) / (2 * h)
        return gradient

    def _all_parts(
        self, directions: Sequence[Array], held: Mapping[Place, Reading], operands: Mapping[Place, Array]
    ) -> tuple[dict[Place, Array], Array]:
        """Return the slope through each operand that moves, and the whole one."""
        parts: dict[Place, Array] = {}
        totals = np.zeros(len(directions))
        for k, direction in enumerate(directions):
            (up, above), (down, below) = self._sides(direction, held)
            totals[k] = (up - down) / (2 * self.step)
            if not above.operands.keys() == below.operands.keys() == operands.keys():
                raise ValueError("forward takes another way nearby")
            for place in operands:
                high, low = above.operands[place], below.operands[place]
                if place not in held and not np.array_equal(high, low):
                    slope = (self.run({place: times(0, high)})[0] - self.run({place: times(0, low)})[0]) / (2 * self.step)
                    parts.setdefault(place, np.zeros(len(directions)))[k] = slope
        return parts, totals
