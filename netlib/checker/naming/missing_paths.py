"""Paths to the output that are missing, counted twice, or have the wrong sign."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import combinations

import numpy as np

from ...arrays import Array
from ..context import CheckContext
from ..tracing.experiment import N_DIRECTIONS, Experiment, Explanation
from ..tracing.paths import Path, paths, paths_of_one_run
from .explanations import by_experiment
from .factors import written
from .formulas import slab

ADD_UP = "the gradients of all paths add up"
COUNTED = {2.0: ("double-counted", "counts twice"), -1.0: ("wrong-sign", "has the wrong sign")}
"""The mistake, and its text, by how often a path counts."""


def find_path(context: CheckContext, name: str, yours: Array, wrong: Array) -> bool:
    """Report a path that is missing, counted twice or has the wrong sign."""
    is_of_places = slab(wrong) is None and _is_one_factor(context, name, yours, wrong)
    factors = () if is_of_places else COUNTED
    return by_experiment(context, name, yours, lambda experiment: _miscounts(experiment, paths(experiment), factors))


def find_scaled_path(context: CheckContext, name: str, yours: Array, wrong: Array) -> bool:
    """Report a path whose part of the gradient is wrong by a factor."""
    if yours.size == 1 or _is_one_factor(context, name, yours, wrong):
        return False
    return by_experiment(context, name, yours, lambda experiment: _scales(experiment, paths(experiment)))


def find_path_of_one_run(context: CheckContext, name: str, yours: Array, wrong: Array) -> bool:
    """Report a path that is missing or counted wrongly in one run of an operation."""
    return by_experiment(context, name, yours, lambda experiment: _miscounts(experiment, paths_of_one_run(experiment), COUNTED))


def _miscounts(experiment: Experiment, found: list[Path], factors: Iterable[float]) -> Iterator[Explanation]:
    mine, right, allowed = experiment.mine, experiment.right, experiment.allowed

    def is_mine(path: Path, rest: float, factor: float) -> bool:
        """Return whether your gradient is `factor` times this path plus `rest` times the others."""
        if path.is_repeated and rest == 1:
            return experiment.is_mine(path.readings(factor))
        about = factor * path.first + rest * (right[0] - path.first)
        return experiment.is_near(about) and is_close(factor * path.part + rest * (right - path.part))

    def is_close(slopes: Array) -> bool:
        return float(np.abs(slopes - mine).max()) <= allowed

    for path in found:
        if is_mine(path, 1, 0):
            yield Explanation("missing-term", f"the path through {path.text} is missing; {ADD_UP}", path.readings(0))
    for path in found:
        if is_mine(path, 0, 1):
            yield Explanation("missing-term", f"only the path through {path.text} is there; {ADD_UP}")
    for factor in factors:
        mistake, what = COUNTED[factor]
        twice = (path for path in found if is_mine(path, 1, factor))
        for path in twice:
            halved = next((each for each in (path, *twice) if each.is_halved), None) if factor == 2 else None
            if halved is not None:
                yield Explanation("wrong-scale", f"the factor 1/2 of {halved.text} is forgotten", halved.readings(factor))
            yield Explanation(mistake, f"the path through {path.text} {what}", path.readings(factor))
        for path in found:
            if is_mine(path, factor, 1):
                yield Explanation(mistake, f"the path through all but {path.text} {what}")
    for a, b in combinations(found, 2):
        if a.is_repeated and b.is_repeated:
            are_near = bool(a.arrays & b.arrays)
        else:
            are_near = experiment.is_near(right[0] - a.first - b.first)
        if are_near and experiment.is_mine(a.readings(0) | b.readings(0)):  # and not one path through both
            cause = f"the paths through {a.text} and through {b.text} are missing; {ADD_UP}"
            yield Explanation("missing-term", cause, a.readings(0) | b.readings(0))


def _is_one_factor(context: CheckContext, name: str, yours: Array, wrong: Array) -> bool:
    """Return whether all wrong elements are wrong by one factor.

    Then they are in one branch of np.where, which is not a separate path.
    """
    with np.errstate(all="ignore"):
        return int(wrong.sum()) > 1 and bool(np.ptp((yours / context.numeric(name))[wrong]) <= 1e-3)


def _scales(experiment: Experiment, found: list[Path]) -> Iterator[Explanation]:
    off = experiment.mine - experiment.right
    for path in found:
        for text, along in ((path.text, path.along), (f"all but {path.text}", path.along_others)):
            c = 1 + off[0] / along(0)
            if all(abs((c - 1) * along(i) - off[i]) <= experiment.allowed for i in range(N_DIRECTIONS)):
                yield Explanation("wrong-scale", f"the path through {text} is {written(c)} times what it should be")
