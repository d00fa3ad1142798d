"""Numbers that are right but stand in another order."""

from __future__ import annotations

from itertools import combinations

import numpy as np

from ...arrays import Array
from ..case import Case
from ..expressions import equal
from ..interventions import right_when_transposed
from .scale import finds


def transpose(case: Case, name: str, yours: Array, wrong: Array) -> bool:
    """Report numbers that are right but for their order, and products with a factor not transposed."""
    if yours.ndim < 2:
        return False
    line = case.line(name)
    if yours.shape[-1] == yours.shape[-2]:
        cause = "it is the transpose of the right gradient; only a square array lets that pass"
        if finds(case, "missing-transpose", name, yours.swapaxes(-1, -2), cause, line):
            return True
    if yours.ndim == 2:
        reshaped = yours.reshape(yours.shape[::-1]).T
        cause = "its numbers are right but in another order: reshape does not transpose"
        if finds(case, "missing-transpose", name, reshaped, cause, line):
            return True
    written, right = case.explain(yours), case.explain(case.numeric(name), name)
    if written and right and written[1] == right[1] and "@" in written[1]:
        case.find("missing-transpose", name, f"it is {written[0]}, which should be {right[0]}", line)
        return True
    return False


def reordering(case: Case, name: str, yours: Array, wrong: Array) -> bool:
    """Report dout in forward's own order, in its old one, or with two axes exchanged, where forward puts x in another order and no more."""
    jacobian = case.slopes[name].jacobian
    if not _is_reordering(jacobian) or len(case.douts) != 1:
        return False
    mine, dout = yours.ravel(), np.asarray(case.douts[0], float).ravel()
    exchanged = (yours.swapaxes(i, j) for i, j in combinations(range(yours.ndim), 2))
    is_onwards = jacobian is not None and equal(mine, dout @ np.round(jacobian))
    if not (is_onwards or equal(mine, dout) or any(case.is_gradient(each, name) for each in exchanged)):
        return False
    cause = "its numbers are right but in another order: what forward does to the order, backward must undo"
    hint = case.line(name) or "np.transpose(dout, np.argsort(axes)), or the inverse of forward's reordering"
    case.find("missing-transpose", name, cause, hint)
    return True


def _is_reordering(jacobian: Array | None) -> bool:
    """Return whether forward puts the elements in another order and does nothing else."""
    if jacobian is None or jacobian.shape[0] != jacobian.shape[1] or np.isnan(jacobian).any():
        return False
    ones = np.abs(jacobian - 1) < 1e-6
    return bool((ones.sum(axis=0) == 1).all() and (ones.sum(axis=1) == 1).all() and np.abs(jacobian[~ones]).max(initial=0.0) < 1e-6)


def transposed_weight(case: Case, name: str, yours: Array, wrong: Array) -> bool:
    """Report a gradient that is right with the transpose of a square weight."""
    path = right_when_transposed(case, name)
    if path:
        case.find("missing-transpose", name, f"with self.{path}.value transposed in backward it is right", f"… @ self.{path}.value.T")
    return bool(path)
