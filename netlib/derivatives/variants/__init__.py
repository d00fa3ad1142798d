"""What an operation of forward could be taken for, by a backward that is right but for that: the values kept, another derivative.

Backward is forward's derivative read from the end, so one slip in it makes it the derivative of a forward with one operation changed.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ...arrays import Array
from ..experiments import Experiment
from ..tracing import Change, Operation, Site, Trace
from .axes import axes, copies
from .masks import masks, masks_together
from .normalisers import normalised
from .taking import Take, Variant
from .terms import repeats, terms
from .turns import turns

MOST_ALONE = 4
"""Runs of one operation that are looked at one by one, too, and not only all together."""


def variants(experiment: Experiment) -> Iterator[Variant]:
    """Yield what the operations could be taken for, all runs of one together, and alone where these are few."""
    base, above = experiment.base.operations, experiment.above.operations
    if len(base) != len(above):
        return
    yield from normalised(base, above)
    yield from masks_together(base, above)
    runs: dict[Site, list[int]] = {}
    for number, operation in enumerate(base):
        if isinstance(operation.result, np.ndarray) and operation.result.dtype.kind == "f":
            runs.setdefault(operation.site, []).append(number)
    everywhere: dict[tuple[str, str, str], list[Variant]] = {}
    for numbers in runs.values():
        found: dict[tuple[str, str], dict[int, dict[int, Take]]] = {}
        for n in numbers:
            for k, (here, there) in enumerate(zip(base[n].operands, above[n].operands, strict=True)):
                for mistake, what, take in _takes(base[n], k, there - here, base) if not np.array_equal(here, there) else ():
                    found.setdefault((mistake, what), {}).setdefault(n, {})[k] = take
        for (mistake, what), takes in found.items():
            some = [
                Variant(mistake, f"{base[numbers[0]].text} {what}", {n: _change(base[n], each) for n, each in chosen.items()})
                for chosen in _chosen(takes)
            ]
            yield from some
            everywhere.setdefault((base[numbers[0]].name, mistake, what), []).append(some[0])
    for (_, mistake, _), alike in everywhere.items():
        if len(alike) > 1:
            changes = {n: change for each in alike for n, change in each.changes.items()}
            yield Variant(mistake, f"{alike[0].text} as does every operation like it", changes)


def _chosen(takes: dict[int, dict[int, Take]]) -> Iterator[dict[int, dict[int, Take]]]:
    """Yield all operands of all runs, then one operand of all runs, then one run."""
    yield takes
    operands = {k for each in takes.values() for k in each}
    if len(operands) > 1:
        for k in operands:
            yield {n: {k: each[k]} for n, each in takes.items() if k in each}
    if 1 < len(takes) <= MOST_ALONE:
        for n, each in takes.items():
            yield {n: each}


def _change(operation: Operation, takes: dict[int, Take]) -> Change:
    """Return what comes out when some operands are taken to move the result otherwise."""
    base = operation.operands

    def change(trace: Trace, now: list[Array]) -> Array:
        others = operation.again([base[k] if k in takes else a for k, a in enumerate(now)])
        return np.asarray(others + sum(take(now[k] - base[k]) for k, take in takes.items()))

    return change


def _takes(operation: Operation, k: int, move: Array, base: list[Operation]) -> Iterator[tuple[str, str, Take]]:
    """Yield mistake, description and what the result is taken to move by when operand k does."""
    yield from masks(operation, k, move)
    yield from axes(operation, k)
    yield from copies(operation, k)
    yield from turns(operation, k)
    yield from repeats(operation, k)
    yield from terms(operation, k, base)
