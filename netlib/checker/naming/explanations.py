"""What an experiment on forward explains of a gradient."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from ...arrays import Array
from ..context import CheckContext
from ..guards import UserCodeError
from ..tracing.experiment import Experiment, Explanation

MENDS = {
    "missing-term": "add up over all paths",
    "not-accumulated": "np.add.at(dx, index, dout) in place of dx[index] += dout, which counts an index once however often it comes",
    "double-counted": "each path once",
    "missing-mask": "keep in forward which elements pass (self.mask = …), and multiply by it in backward",
    "inverted-mask": "keep in forward which elements pass (self.mask = …), and multiply by it in backward",
    "missing-transpose": "… @ W.T for the derivative of x @ W by x, x.T @ … for that by W",
    "wrong-axis": "the axes that forward sums up or copies along",
    "diagonal-only": "for softmax: y * (dout - (dout * y).sum(axis, keepdims=True))",
}


def as_elsewhere(context: CheckContext, name: str, yours: Array, wrong: Array) -> bool:
    """Report what was found out about the gradient of another array, if it explains this one, too."""

    def explained(experiment: Experiment) -> Iterator[Explanation]:
        return (each for each in context.explanations if experiment.is_mine(each.instead, each.changes))

    return bool(context.explanations) and by_experiment(context, name, yours, explained)


def by_experiment(context: CheckContext, name: str, yours: Array, explained: Callable[[Experiment], Iterator[Explanation]]) -> bool:
    """Report the first explanation of a gradient.

    There is none where forward takes the array apart in a way that hides its operations, or is slow.
    """
    try:
        with np.errstate(all="ignore"):
            experiment = Experiment(context, name, yours)
            found = next(explained(experiment), None)
    except (UserCodeError, ValueError, TimeoutError):
        return False
    if found is None:
        return False
    context.find(found.mistake, name, found.cause, context.line(name) or MENDS.get(found.mistake, ""))
    if (found.instead or found.changes) and found not in context.explanations:
        context.explanations.append(found)
    return True
