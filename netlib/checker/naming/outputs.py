"""Wrong gradients from one output, or from one index of it."""

from __future__ import annotations

import numpy as np

from ...arrays import Array
from ..context import CheckContext
from .factors import written
from .formulas import slab


def find_one_output(context: CheckContext, name: str, yours: Array, wrong: Array) -> bool:
    """Report dout of one output, or of one index of it, that is wrong by a factor."""
    both = context.jacobians(name)
    if both is None:
        return False
    mine, right = both
    allowed = 1e-5 * float(np.abs(right).max(initial=0.0))
    is_wrong = (np.abs(mine - right) > allowed).any(axis=1)
    where = _place(context, is_wrong)
    if not where or is_wrong.all():
        return False
    a, b = mine[is_wrong].ravel(), right[is_wrong].ravel()
    c = float(a @ b / (b @ b)) if b.any() else 0.0
    if c == 0 or np.abs(a - c * b).max() > allowed * max(1.0, abs(c)):
        return False
    mistake = "wrong-sign" if c < 0 else "wrong-scale"
    context.find(mistake, name, f"its part from dout of {where} is {written(c)} times what it should be", context.line(name))
    return True


def _place(context: CheckContext, is_wrong: Array) -> str:
    """Return in words the output, or its index, that is wrong; "" where there are several."""
    parts = np.split(is_wrong, np.cumsum([y.size for y in context.ys])[:-1])
    hit = [i for i, part in enumerate(parts) if part.any()]
    if len(hit) != 1:
        return ""
    i = hit[0]
    name = f"output {i}" if len(context.ys) > 1 else "the output"
    if len(context.ys) > 1 and parts[i].all():
        return name
    place = slab(parts[i].reshape(context.ys[i].shape))
    return f"index {place[0]} of axis {place[1]} of {name}" if place else ""
