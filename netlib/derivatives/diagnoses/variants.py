"""A backward that is right for another forward, in which one operation is another."""

from __future__ import annotations

from collections.abc import Iterator

from ...arrays import Array
from ..case import Case
from ..experiments import Experiment, Explanation
from ..variants import variants
from .experiments import by_experiment


def variant(case: Case, name: str, yours: Array, wrong: Array) -> bool:
    """Report the one operation of forward that backward takes for another."""
    return by_experiment(case, name, yours, _mistaken)


def _mistaken(experiment: Experiment) -> Iterator[Explanation]:
    for mistake, text, changes in variants(experiment):
        if experiment.is_mine({}, changes):
            yield Explanation(mistake, f"it is the gradient of another forward, in which {text}", changes=changes)
