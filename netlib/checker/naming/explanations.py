"""Mistakes that experiments on forward explain."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial

import numpy as np

from ...arrays import Array
from ..context import CheckContext
from ..guards import attempt
from ..measuring.budget import OutOfBudgetError
from ..tracing.experiment import Experiment, Explanation
from ..tracing.paths import NotComparableError

HINTS = {
    "missing-term": "add up over all paths",
    "not-accumulated": "np.add.at(dx, index, dout) in place of dx[index] += dout, which counts a repeated index once",
    "double-counted": "each path once",
    "missing-mask": "keep in forward which elements pass (self.mask = …), and multiply by it in backward",
    "inverted-mask": "keep in forward which elements pass (self.mask = …), and multiply by it in backward",
    "missing-transpose": "the other order of the axes of one factor: .T in a product, exchanged letters in einsum",
    "wrong-axis": "the axes that forward sums or broadcasts along",
    "diagonal-only": "for softmax: y * (dout - (dout * y).sum(axis, keepdims=True))",
}


def find_known_explanation(context: CheckContext, name: str, yours: Array, wrong: Array) -> bool:
    """Report an explanation of another array's gradient that also fits this one."""
    return bool(context.explanations) and by_experiment(context, name, yours, partial(_fitting, context.explanations))


def by_experiment(context: CheckContext, name: str, yours: Array, explained: Callable[[Experiment], Iterator[Explanation]]) -> bool:
    """Report the first explanation of a gradient.

    None is found if the experiments would take too long, or if forward does other operations
    nearby.
    """
    found = explanation(context, name, yours, explained)
    if found is None:
        return False
    context.find(found.mistake, name, found.cause, context.line(name) or HINTS.get(found.mistake, ""), is_one_slip=True)
    if (found.instead or found.changes) and found not in context.explanations:
        context.explanations.append(found)
    return True


def join_explained(context: CheckContext) -> None:
    """Make findings consequences of a later one whose explanation also fits their gradients."""
    findings = context.report.findings
    for finding in [each for each in findings if each.where in context.wrong]:
        alike = [each for each in context.explanations if each.mistake == finding.mistake and each.cause != finding.cause]
        if not alike or finding.evidence is None or finding in context.of_conduct:
            continue
        found = explanation(context, finding.where, finding.evidence.yours, partial(_fitting, alike))
        first = next((each for each in findings if found is not None and each.cause == found.cause), None)
        if first is not None and context.have_one_correction(finding.where, first.where):
            first.consequences += [finding.where, *finding.consequences]
            findings.remove(finding)


def _fitting(explanations: Iterable[Explanation], experiment: Experiment) -> Iterator[Explanation]:
    return (each for each in explanations if experiment.is_mine(each.instead, each.changes))


def explanation(
    context: CheckContext, name: str, yours: Array, explained: Callable[[Experiment], Iterator[Explanation]]
) -> Explanation | None:
    """Return the first explanation of a gradient."""

    def search() -> Explanation | None:
        with np.errstate(all="ignore"):
            try:
                if name not in context.experiments:
                    context.experiments[name] = Experiment(context, name, yours)
                context.experiments[name].begin()
                return next(explained(context.experiments[name]), None)
            except (OutOfBudgetError, NotComparableError):
                return None

    return attempt(context.report, name, search, None)
