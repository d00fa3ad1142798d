"""All variants of a forward: one operation mistaken for another.

A backward with one slip is the derivative of a forward with one operation changed. The value of the
operation stays and its slope changes or, if backward recomputes it, both change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

import numpy as np

from ....arrays import Array
from ..experiment import Experiment
from ..internals import Site
from ..trace import Change, Operation
from .normalisers import normaliser_slopes, other_normalisers, other_reductions
from .piecewise import joint_masks, masks, other_pieces
from .reductions import axes, copies
from .summands import padding, repeats, terms, windows
from .transpositions import transpositions
from .variant import Take, Variant, Whole

MOST_ALONE = 4
"""Runs of an operation up to which each is tried alone, too, and not only all together."""

T = TypeVar("T", Take, Whole)


def variants(experiment: Experiment) -> Iterator[Variant]:
    """Yield the variants of all runs of an operation together, and of single runs if few."""
    base, above = experiment.base.operations, experiment.above.operations
    if len(base) != len(above):
        return
    yield from normaliser_slopes(base, above)
    yield from other_reductions(base, above)
    yield from joint_masks(base, above)
    yield from _group(base, above, _takes, _change_slope)
    yield from other_normalisers(base, above)
    yield from _group(base, above, _wholes, _change_value)


def lost_repeats(experiment: Experiment) -> Iterator[Variant]:
    """Yield variants in which elements that are taken several times count once."""
    base, above = experiment.base.operations, experiment.above.operations
    if len(base) == len(above):
        yield from _group(base, above, lambda operation, k, move, base: repeats(operation, k), _change_slope)
        yield from windows(base, above)


def _group(
    base: list[Operation],
    above: list[Operation],
    found: Callable[[Operation, int, Array, list[Operation]], Iterator[tuple[str, str, T]]],
    changed: Callable[[Operation, dict[int, T]], Change],
) -> Iterator[Variant]:
    """Yield the variants of each operation, all runs together, and then of all operations alike."""
    runs: dict[Site, list[int]] = {}
    for number, operation in enumerate(base):
        if isinstance(operation.result, np.ndarray) and operation.result.dtype.kind == "f":
            runs.setdefault(operation.site, []).append(number)
    everywhere: dict[tuple[str, str], list[Variant]] = {}
    for numbers in runs.values():
        alike: dict[tuple[str, str], dict[int, dict[int, T]]] = {}
        for n in numbers:
            for k, (here, there) in enumerate(zip(base[n].operands, above[n].operands, strict=True)):
                for mistake, what, take in found(base[n], k, there - here, base) if not np.array_equal(here, there) else ():
                    alike.setdefault((mistake, what), {}).setdefault(n, {})[k] = take
        for (mistake, what), takes in alike.items():
            some = [
                Variant(mistake, f"{base[numbers[0]].text} {what}", {n: changed(base[n], each) for n, each in chosen.items()})
                for chosen in _choices(takes)
            ]
            yield from some
            everywhere.setdefault((mistake, what), []).append(some[0])
    for (mistake, _), some in everywhere.items():
        if len(some) > 1:
            changes = {n: change for each in some for n, change in each.changes.items()}
            yield Variant(mistake, f"{some[0].text} as does every operation like it", changes)


def _choices(takes: dict[int, dict[int, T]]) -> Iterator[dict[int, dict[int, T]]]:
    """Yield all operands of all runs, then single operands, then single runs."""
    yield takes
    operands = {k for each in takes.values() for k in each}
    if len(operands) > 1:
        for k in operands:
            yield {n: {k: each[k]} for n, each in takes.items() if k in each}
    if 1 < len(takes) <= MOST_ALONE:
        for n, each in takes.items():
            yield {n: each}


def _change_slope(operation: Operation, takes: dict[int, Take]) -> Change:
    """Return a change in which some operands move the result by other amounts."""
    base = operation.operands

    def result(now: list[Array]) -> Array:
        others = operation.again([base[k] if k in takes else a for k, a in enumerate(now)])
        return np.asarray(others + sum(take(now[k] - base[k]) for k, take in takes.items()))

    return Change(result)


def _change_value(operation: Operation, wholes: dict[int, Whole]) -> Change:
    """Return a change to another operation, the one for the first operand."""
    whole = next(iter(wholes.values()))
    return Change(lambda now: np.asarray(whole(now)))


def _takes(operation: Operation, k: int, move: Array, base: list[Operation]) -> Iterator[tuple[str, str, Take]]:
    """Yield mistake, description and how the result moves with operand k."""
    yield from masks(operation, k, move)
    yield from axes(operation, k)
    yield from copies(operation, k)
    yield from transpositions(operation, k)
    yield from repeats(operation, k)
    yield from padding(operation, k)
    yield from terms(operation, k, base)


def _wholes(operation: Operation, k: int, move: Array, base: list[Operation]) -> Iterator[tuple[str, str, Whole]]:
    """Yield mistake, description and the other result."""
    yield from other_pieces(operation, k, move)
