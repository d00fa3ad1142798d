"""The update of Adam."""

from __future__ import annotations

import numpy as np

from ..arrays import Array
from .kernel import Kernel, loops
from .threads import run_parts, split_if_awake

WORTH_A_THREAD = 40_000
"""With more numbers, a step in parts gains more than handing the parts over costs."""


@Kernel
def adam(
    value: Array,
    grad: Array,
    scratch: Array,
    total: Array,
    squares: Array,
    b1: float,
    b2: float,
    eps: float,
    scale: float,
) -> None:
    """Do a step of Adam, for vectors.

    ``total = b1 total + grad``, ``squares = b2 squares + grad²``,
    ``value -= scale total / (√squares + eps)``.
    """
    total *= b1
    total += grad
    squares *= b2
    np.multiply(grad, grad, out=scratch)
    squares += scratch
    np.sqrt(squares, out=scratch)
    scratch += eps
    np.divide(total, scratch, out=scratch)
    scratch *= scale
    value -= scratch


@adam.compiled()
def adam_in_parts(
    value: Array,
    grad: Array,
    scratch: Array,
    total: Array,
    squares: Array,
    b1: float,
    b2: float,
    eps: float,
    scale: float,
) -> None:
    run = adam_of_vectors.run
    parts = split_if_awake(value.size, value.size > WORTH_A_THREAD)
    if len(parts) == 1:
        run(value, grad, scratch, total, squares, b1, b2, eps, scale)
    else:

        def run_part(part: slice, _: int) -> None:
            run(value[part], grad[part], scratch[part], total[part], squares[part], b1, b2, eps, scale)

        run_parts(run_part, parts)


@loops("void(t[::1], t[::1], t[::1], t[::1], t[::1], t, t, t, t)")
def adam_of_vectors(
    value: Array,
    grad: Array,
    scratch: Array,
    total: Array,
    squares: Array,
    b1: float,
    b2: float,
    eps: float,
    scale: float,
) -> None:
    for i in range(value.size):
        g = grad[i]
        m = b1 * total[i] + g
        v = b2 * squares[i] + g * g
        total[i] = m
        squares[i] = v
        value[i] -= scale * m / (np.sqrt(v) + eps)
