"""Which elements of y depend on which of x: the pattern of the Jacobian."""

from __future__ import annotations

import numpy as np

from ...arrays import Array
from ..context import CheckContext
from .missing_paths import find_path, find_path_of_one_run


def find_coupling(context: CheckContext, name: str, yours: Array, wrong: Array) -> bool:
    """Report a Jacobian that is partly right and otherwise missing, such as only its diagonal."""
    patterns = _patterns(context, name)
    if patterns is None:
        return False
    mine, right, is_mine, is_right = patterns
    big = float(np.abs(right).max())
    if _is_diagonal_alone(context, yours, is_mine, is_right):
        y = context.ys[0]
        diagonal = np.eye(y.size, dtype=bool)
        there = _coupled_axes(is_right, y.shape)
        is_softmax = _is_softmax(y, there)
        if not is_softmax and (find_path(context, name, yours, wrong) or find_path_of_one_run(context, name, yours, wrong)):
            return True
        if is_softmax or np.allclose(mine[diagonal], right[diagonal], rtol=1e-5, atol=1e-6 * big):
            cause = f"only ∂y_i/∂x_i is there; each x affects every y along axis {_words(there)}, so all ∂y_i/∂x_j count"
            context.find("diagonal-only", name, cause, "for softmax: y * (dout - (dout * y).sum(axis, keepdims=True))")
            return True
        return False
    kept = is_mine & is_right
    is_part = kept.any() and (is_right & ~is_mine).any() and not (is_mine & ~is_right).any()
    if not is_part or not np.allclose(mine[kept], right[kept], rtol=1e-5, atol=1e-6 * big):
        return False
    used = [i for i, rows in enumerate(np.split(is_mine, np.cumsum([y.size for y in context.ys])[:-1])) if rows.any()]
    mistake, cause, hint = "missing-term", "some of the paths to the output are right, the others are missing", ""
    shape = context.ys[0].shape
    if len(used) < len(context.ys):
        cause = f"only dout of output {', '.join(map(str, used))} is used, though all outputs depend on it"
    elif len(context.ys) == 1 and not name.startswith("input") and _rows(is_mine, shape) == 1 < _rows(is_right, shape):
        mistake, cause = "missing-batch-sum", "only dout of one sample is used: all samples use it, so their gradients add up"
    elif (is_right.sum(axis=0) > 1).any():
        hint = "add up over all uses: np.add.at(dx, index, dout) where an index repeats, a sum over samples or positions elsewhere"
    context.find(mistake, name, cause, context.line(name) or hint, is_one_slip=len(used) < len(context.ys))
    return True


def find_shared(context: CheckContext, name: str, yours: Array, wrong: Array) -> bool:
    """Report, from the pattern alone, missing paths or elements mixed along another axis."""
    patterns = _patterns(context, name)
    if patterns is None or len(context.ys) != 1 or context.ys[0].shape != yours.shape:
        return False
    _, _, is_mine, is_right = patterns
    here, there = _coupled_axes(is_mine, yours.shape), _coupled_axes(is_right, yours.shape)
    if _is_diagonal_alone(context, yours, is_mine, is_right):
        cause = f"the paths through what is shared along axis {_words(there)} (a mean, a sum, a variance) are missing"
        context.find("missing-term", name, cause, "differentiate the mean and the variance as well: they depend on x, too")
        return True
    if here - there:
        cause = f"your gradient mixes elements along axis {_words(here)}, forward along axis {_words(there) or 'none'}"
        context.find("wrong-axis", name, cause, context.line(name))
        return True
    return False


def _patterns(context: CheckContext, name: str) -> tuple[Array, Array, Array, Array] | None:
    """Return your Jacobian and the measured one, and where each is nonzero."""
    both = context.jacobians(name)
    if both is None or not both[1].any():
        return None
    mine, right = both
    is_mine = np.abs(mine) > 1e-8 * np.abs(mine).max(initial=0.0)
    is_right = np.abs(right) > 1e-7 * np.abs(right).max(initial=0.0)
    return mine, right, is_mine, is_right


def _is_diagonal_alone(context: CheckContext, yours: Array, is_mine: Array, is_right: Array) -> bool:
    """Return whether only ∂y_i/∂x_i is there, although forward couples more without reordering."""
    if len(context.ys) != 1 or context.ys[0].shape != yours.shape:
        return False
    diagonal = np.eye(yours.size, dtype=bool)
    is_reordering = not is_right[diagonal].any() or bool((is_right.sum(axis=0) <= 1).all())
    return bool(is_right[~diagonal].any()) and not is_mine[~diagonal].any() and not is_reordering


def _rows(is_there: Array, shape: tuple[int, ...]) -> int:
    """Return the number of output rows in a pattern."""
    return int(is_there.reshape(shape[0], -1).any(axis=1).sum()) if shape else 0


def _words(axes: set[int]) -> str:
    return ", ".join(map(str, sorted(axes)))


def _coupled_axes(is_there: Array, shape: tuple[int, ...]) -> set[int]:
    """Return the axes along which output and input differ somewhere in a Jacobian's pattern."""
    rows, columns = np.nonzero(is_there)
    a, b = np.unravel_index(rows, shape), np.unravel_index(columns, shape)
    return {axis for axis, (i, j) in enumerate(zip(a, b, strict=True)) if (i != j).any()}


def _is_softmax(y: Array, axes: set[int]) -> bool:
    return bool((y > 0).all()) and np.allclose(y.sum(axis=tuple(axes)), 1)
