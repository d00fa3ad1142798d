"""Which elements of y an element of x moves: the pattern of the Jacobian."""

from __future__ import annotations

import numpy as np

from ...arrays import Array
from ..case import Case
from .paths import path, path_of_one_run


def coupling(case: Case, name: str, yours: Array, wrong: Array) -> bool:
    """Look at the pattern of ∂y/∂x: what couples with what."""
    both = case.jacobians(name)
    if both is None:
        return False
    mine, right = both
    big = float(np.abs(right).max(initial=0.0))
    if big == 0:
        return False
    is_mine, is_right = np.abs(mine) > 1e-8 * float(np.abs(mine).max(initial=0.0)), np.abs(right) > 1e-7 * big
    if len(case.ys) == 1 and case.ys[0].shape == yours.shape and _same_shape(case, name, yours, wrong, both, is_mine, is_right):
        return True
    kept = is_mine & is_right
    is_part = kept.any() and (is_right & ~is_mine).any() and not (is_mine & ~is_right).any()
    if is_part and np.allclose(mine[kept], right[kept], rtol=1e-5, atol=1e-6 * big):
        used = [i for i, rows in enumerate(np.split(is_mine, np.cumsum([y.size for y in case.ys])[:-1])) if rows.any()]
        cause, mend = "some of the paths to the output are right, the others are missing", ""
        if len(used) < len(case.ys):
            cause = f"only dout of output {', '.join(map(str, used))} is used, though all outputs depend on it"
        elif (is_right.sum(axis=0) > 1).any():
            mend = "add up over all uses: np.add.at(dx, index, dout) where an index comes twice, a sum over samples or places elsewhere"
        case.find("missing-term", name, cause, case.line(name) or mend)
        return True
    return False


def _same_shape(case: Case, name: str, yours: Array, wrong: Array, both: tuple[Array, Array], is_mine: Array, is_right: Array) -> bool:
    """Compare which elements of y each element of x moves, where both have one shape."""
    mine, right = both
    y, big = case.ys[0], float(np.abs(right).max())
    here, there = _coupled_axes(is_mine, y.shape), _coupled_axes(is_right, y.shape)
    diagonal = np.eye(y.size, dtype=bool)
    if there and not is_mine[~diagonal].any():
        axes = ", ".join(map(str, sorted(there)))
        if not is_right[diagonal].any() or (is_right.sum(axis=0) <= 1).all():  # a reordering
            return False
        is_softmax = _is_softmax(y, there)
        if not is_softmax and (path(case, name, yours, wrong) or path_of_one_run(case, name, yours, wrong)):
            return True
        if is_softmax or np.allclose(mine[diagonal], right[diagonal], rtol=1e-5, atol=1e-6 * big):
            case.find("diagonal-only", name, f"only ∂y_i/∂x_i is there; each x moves every y along axis {axes}, so all ∂y_i/∂x_j count",
                      "for softmax: y * (dout - (dout * y).sum(axis, keepdims=True))")  # fmt: skip
        else:
            case.find("missing-term", name, f"the paths through what is shared along axis {axes} (a mean, a sum, a variance) are missing",
                      "differentiate the mean and the variance as well: they depend on x, too")  # fmt: skip
        return True
    if here - there:
        shown = ", ".join(map(str, sorted(here))), ", ".join(map(str, sorted(there))) or "none"
        case.find("wrong-axis", name, f"your gradient mixes elements along axis {shown[0]}, forward along axis {shown[1]}", case.line(name))
        return True
    return False


def _coupled_axes(is_there: Array, shape: tuple[int, ...]) -> set[int]:
    """Return the axes along which output and input differ somewhere in a Jacobian's pattern."""
    rows, columns = np.nonzero(is_there)
    a, b = np.unravel_index(rows, shape), np.unravel_index(columns, shape)
    return {axis for axis, (i, j) in enumerate(zip(a, b, strict=True)) if (i != j).any()}


def _is_softmax(y: Array, axes: set[int]) -> bool:
    return bool((y > 0).all()) and np.allclose(y.sum(axis=tuple(axes)), 1)
