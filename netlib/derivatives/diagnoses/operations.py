"""The operation of forward that an array goes into: the derivative of that one alone may be the wrong one."""

from __future__ import annotations

import numpy as np

from ...arrays import Array
from ..case import Case
from ..expressions import products
from ..paths import Use, uses


def operation(case: Case, name: str, yours: Array, wrong: Array) -> bool:
    """Report a product with a factor not transposed, or a sum over the wrong axes, by the operation it belongs to."""
    if yours.size > MOST_ELEMENTS or np.isnan(case.numeric(name)).any():
        return False
    for use in uses(case, name):
        written, right = (_explained(use, g) for g in (yours, case.numeric(name)))
        if not written or not right or written[0] == right[0] or written[1] != right[1]:
            continue
        mistake = "missing-transpose" if "@" in right[1] else "wrong-axis" if ".sum" in right[1] else ""
        if mistake:
            where = f"d is the gradient of {use.text} and b what else goes into it"
            case.find(mistake, name, f"it is {written[0]}, which should be {right[0]}, where {where}", case.line(name))
            return True
    return False


MOST_ELEMENTS = 1000


def _explained(use: Use, gradient: Array) -> tuple[str, str]:
    """Return text and kind of an expression for a gradient, out of that of the operation's result."""
    others = {("b" if n == 0 else f"b{n + 1}"): a for n, a in enumerate(use.others)}
    allowed = 1e-5 * float(np.abs(gradient).max())
    for text, kind, value in products({"d": use.dout}, others, gradient.shape):
        if float(np.abs(value - gradient).max()) <= allowed:
            return text, kind
    return "", ""
