"""A backward that is right for another forward, which differs in one operation."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ...arrays import Array
from ..context import CheckContext
from ..tracing.experiment import Experiment, Explanation
from ..tracing.variants.search import lost_repeats, variants
from ..tracing.variants.variant import Variant
from .explanations import by_experiment


def find_variant(context: CheckContext, name: str, yours: Array, wrong: Array) -> bool:
    """Report the operation of forward that backward mistakes for another."""
    return by_experiment(context, name, yours, _explanations)


def find_lost_repeat(context: CheckContext, name: str, yours: Array, wrong: Array) -> bool:
    """Report elements that forward takes several times and backward counts once."""
    return by_experiment(context, name, yours, lambda experiment: _explanations(experiment, lost_repeats))


def _explanations(experiment: Experiment, kinds: Callable[[Experiment], Iterator[Variant]] = variants) -> Iterator[Explanation]:
    for mistake, text, changes in kinds(experiment):
        if experiment.is_mine({}, changes):
            yield Explanation(mistake, f"it is the gradient of another forward, in which {text}", changes=changes)
