"""What an operation of forward could be taken for, by a backward that is right but for that.

Backward is forward's derivative read from the end, so one slip in it makes it the derivative of a forward with one operation changed:
the value is kept and moves otherwise or, where backward computes it anew, is another, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

import numpy as np

from ....arrays import Array
from ..experiment import Experiment
from ..internals import Site
from ..trace import Change, Operation
from .normalisers import normalised, normalised_wholly, reduced
from .piecewise import masks, masks_together, masks_wholly
from .reductions import axes, copies
from .summands import padding, repeats, terms, windows
from .transpositions import turns
from .variant import Take, Variant, Whole

MOST_ALONE = 4
"""Runs of one operation that are looked at one by one, too, and not only all together."""

T = TypeVar("T", Take, Whole)


def variants(experiment: Experiment) -> Iterator[Variant]:
    """Yield what the operations could be taken for, all runs of one together, and alone where these are few."""
    base, above = experiment.base.operations, experiment.above.operations
    if len(base) != len(above):
        return
    yield from normalised(base, above)
    yield from reduced(base, above)
    yield from masks_together(base, above)
    yield from _grouped(base, above, _takes, _moving_otherwise)
    yield from normalised_wholly(base, above)
    yield from _grouped(base, above, _wholes, _another)


def lost_repeats(experiment: Experiment) -> Iterator[Variant]:
    """Yield elements that are taken several times and count once."""
    base, above = experiment.base.operations, experiment.above.operations
    if len(base) == len(above):
        yield from _grouped(base, above, lambda operation, k, move, base: repeats(operation, k), _moving_otherwise)
        yield from windows(base, above)


def _grouped(
    base: list[Operation],
    above: list[Operation],
    found: Callable[[Operation, int, Array, list[Operation]], Iterator[tuple[str, str, T]]],
    changed: Callable[[Operation, dict[int, T]], Change],
) -> Iterator[Variant]:
    """Yield what is found for single operands, all runs of an operation together, and then all operations that are alike."""
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
                for chosen in _chosen(takes)
            ]
            yield from some
            everywhere.setdefault((mistake, what), []).append(some[0])
    for (mistake, _), some in everywhere.items():
        if len(some) > 1:
            changes = {n: change for each in some for n, change in each.changes.items()}
            yield Variant(mistake, f"{some[0].text} as does every operation like it", changes)


def _chosen(takes: dict[int, dict[int, T]]) -> Iterator[dict[int, dict[int, T]]]:
    """Yield all operands of all runs, then one operand of all runs, then one run."""
    yield takes
    operands = {k for each in takes.values() for k in each}
    if len(operands) > 1:
        for k in operands:
            yield {n: {k: each[k]} for n, each in takes.items() if k in each}
    if 1 < len(takes) <= MOST_ALONE:
        for n, each in takes.items():
            yield {n: each}


def _moving_otherwise(operation: Operation, takes: dict[int, Take]) -> Change:
    """Return what comes out when some operands are taken to move the result otherwise."""
    base = operation.operands

    def change(trace: object, now: list[Array]) -> Array:
        others = operation.again([base[k] if k in takes else a for k, a in enumerate(now)])
        return np.asarray(others + sum(take(now[k] - base[k]) for k, take in takes.items()))

    return change


def _another(operation: Operation, wholes: dict[int, Whole]) -> Change:
    """Return what comes out of another operation: of the first, where several operands say which."""
    whole = next(iter(wholes.values()))
    return lambda trace, now: np.asarray(whole(now))


def _takes(operation: Operation, k: int, move: Array, base: list[Operation]) -> Iterator[tuple[str, str, Take]]:
    """Yield mistake, description and what the result is taken to move by when operand k does."""
    yield from masks(operation, k, move)
    yield from axes(operation, k)
    yield from copies(operation, k)
    yield from turns(operation, k)
    yield from repeats(operation, k)
    yield from padding(operation, k)
    yield from terms(operation, k, base)


def _wholes(operation: Operation, k: int, move: Array, base: list[Operation]) -> Iterator[tuple[str, str, Whole]]:
    """Yield mistake, description and what the result is taken to be, value and all."""
    yield from masks_wholly(operation, k, move)
