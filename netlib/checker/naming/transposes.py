"""Right numbers in the wrong order."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import numpy as np

from ...arrays import Array
from ..analytic import as_numbers, gradients
from ..context import CheckContext
from ..equality import equal
from ..guards import attempt
from ..tracing.stand_ins import reading
from .scale import find_if_right


def find_transpose(context: CheckContext, name: str, yours: Array, wrong: Array) -> bool:
    """Report right numbers in the wrong order, and products in which a factor is not transposed."""
    if yours.ndim < 2:
        return False
    line = context.line(name)
    if yours.shape[-1] == yours.shape[-2]:
        cause = "it is the transpose of the right gradient; only a square array lets that pass"
        if find_if_right(context, "missing-transpose", name, yours.swapaxes(-1, -2), cause, line):
            return True
    if yours.ndim == 2:
        reshaped = yours.reshape(yours.shape[::-1]).T
        cause = "its numbers are right but in another order: reshape does not transpose"
        if find_if_right(context, "missing-transpose", name, reshaped, cause, line):
            return True
    written, right = context.explain(yours), context.explain(context.numeric(name), name)
    if written and right and written[1] == right[1] and "@" in written[1]:
        context.find("missing-transpose", name, f"it is {written[0]}, which should be {right[0]}", line)
        return True
    return False


def find_reordering(context: CheckContext, name: str, yours: Array, wrong: Array) -> bool:
    """Report a wrong order of dout if forward only reorders x."""
    jacobian = context.slopes[name].jacobian
    if not _is_reordering(jacobian) or len(context.douts) != 1:
        return False
    mine, dout = yours.ravel(), np.asarray(context.douts[0], float).ravel()
    exchanged = (yours.swapaxes(i, j) for i, j in combinations(range(yours.ndim), 2))
    is_shuffled = equal(np.sort(mine), np.sort(np.asarray(context.numeric(name), float).ravel()))
    is_onwards = jacobian is not None and equal(mine, dout @ np.round(jacobian))
    if not (is_onwards or equal(mine, dout) or any(context.is_gradient(each, name) for each in exchanged)):
        if is_shuffled:
            cause = "its numbers are right but in another order: axes, or the factors of an axis, are exchanged"
            context.find("wrong-axis", name, cause, context.line(name) or "the inverse of forward's reordering")
        return is_shuffled
    cause = "its numbers are right but in another order: what forward does to the order, backward must undo"
    hint = context.line(name) or "np.transpose(dout, np.argsort(axes)), or the inverse of forward's reordering"
    context.find("missing-transpose", name, cause, hint)
    return True


def _is_reordering(jacobian: Array | None) -> bool:
    """Return whether forward only reorders the elements."""
    if jacobian is None or jacobian.shape[0] != jacobian.shape[1] or np.isnan(jacobian).any():
        return False
    ones = np.abs(jacobian - 1) < 1e-6
    return bool((ones.sum(axis=0) == 1).all() and (ones.sum(axis=1) == 1).all() and np.abs(jacobian[~ones]).max(initial=0.0) < 1e-6)


def find_transposed_weight(context: CheckContext, name: str, yours: Array, wrong: Array) -> bool:
    """Report a gradient that is right with a square weight transposed."""
    path = attempt(context.report, name, lambda: _path_to_transpose(context, name), "")
    if path:
        context.find("missing-transpose", name, f"with self.{path}.value transposed in backward it is right", f"… @ self.{path}.value.T")
    return bool(path)


def _path_to_transpose(context: CheckContext, name: str) -> str:
    """Return the path of a square weight whose transpose in backward makes the gradient right."""
    for path, parameter in context.twin.parameters.items():
        if len(parameter.shape) != 2 or parameter.shape[0] != parameter.shape[1]:
            continue
        context.twin.forward()
        with reading(parameter, lambda value: np.ascontiguousarray(value.T)):
            g = gradients(context.twin, context.douts).by_name.get(name)
        if g is not None and np.shape(g) == context.twin.slots[name].shape and context.is_gradient(np.asarray(g, float), name):
            return path
    return ""


def find_reversed(context: CheckContext, name: str, yours: Array, wrong: Array) -> bool:
    """Report a gradient that is reversed, or right with a parameter reversed in backward."""
    for axes in _axes_to_flip(yours.shape):
        if context.is_gradient(np.flip(yours, axes), name):
            context.find("wrong-axis", name, f"it is reversed along {_along(axes)}", context.line(name) or f"np.flip(…, {axes})")
            return True
    return attempt(context.report, name, lambda: _find_reversed_parameter(context, name), False)


def _find_reversed_parameter(context: CheckContext, name: str) -> bool:
    for path, parameter in context.twin.parameters.items():
        for axes in _axes_to_flip(parameter.shape):
            context.twin.forward()
            with reading(parameter, lambda value, axes=axes: np.flip(value, axes).copy()):  # type: ignore[misc]
                g = gradients(context.twin, context.douts).by_name.get(name)
            numbers = None if g is None else as_numbers(g)
            if numbers is not None and context.is_gradient(numbers, name):
                cause = f"with self.{path}.value reversed along {_along(axes)} in backward it is right"
                context.find("wrong-axis", name, cause, f"np.flip(self.{path}.value, {axes})")
                return True
    return False


def _axes_to_flip(shape: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """Yield single axes, and the last two of a kernel."""
    long = [axis for axis, n in enumerate(shape) if n > 1]
    yield from ((axis,) for axis in long)
    if len(long) > 1:
        yield tuple(long[-2:])


def _along(axes: tuple[int, ...]) -> str:
    return f"axis {axes[0]}" if len(axes) == 1 else "axes " + " and ".join(map(str, axes))
