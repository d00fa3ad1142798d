"""Running a program on the next positions of sequences, given its state from those before."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..execution import execution
from .plan import add_location, outputs_of

if TYPE_CHECKING:
    from .program import Program, Step


class Past(NamedTuple):
    """What a program keeps from the positions so far."""

    fixed: dict[int, Any]
    """The values that depend on no input, such as those of weights, by slot."""
    layers: dict[int, Any]
    """What the layers keep, by the first slots of their outputs."""


def infer_next(program: Program, past: Past | None, inputs: Sequence[Any]) -> tuple[list[Any], Past] | None:
    """Return the outputs at the next positions (axis 1 of each input), and the past after them.

    Returns
    -------
    list of ndarray, Past
        None if a layer cannot continue from its past, or if axis 1 of a value that depends on the
        inputs is not the positions.
    """
    fixed, before = Past({}, {}) if past is None else past
    values = {**fixed, **dict(enumerate(inputs))}
    layers: dict[int, Any] = {}
    shape = np.shape(inputs[0])[:2]
    for step in program.steps:
        if step.target in fixed:
            continue
        if any(slot not in values for slot in step.sources):
            return None
        try:
            layer = step.layer.for_inference() if execution.evaluates else step.layer
            xs = [values[slot] for slot in step.sources]
            if all(slot in fixed for slot in step.sources):
                ys = outputs_of(step, layer.forward(*xs))
                fixed.update(enumerate(ys, step.target))
            elif _keeps_positions(step, values, fixed):
                following = layer.forward_next(before.get(step.target), *xs)
                if following is NotImplemented:
                    return None
                y, layers[step.target] = following
                ys = outputs_of(step, y)
                if not step.layer.is_positionwise:
                    ys = ys[:1]  # the others are states
            else:
                return None
        except Exception as error:
            add_location(error, step)
            raise
        values.update({slot: y for slot, y in enumerate(ys, step.target) if slot in fixed or _has_positions(y, shape)})
    if any(slot not in values for slot in program.outputs):
        return None
    return [values[slot] for slot in program.outputs], Past(fixed, layers)


def _keeps_positions(step: Step, values: dict[int, Any], fixed: dict[int, Any]) -> bool:
    """Return whether the layer is as its class declares, and broadcasting keeps positions in place.

    A value that depends on no input has no positions. If it has axes besides the last one,
    broadcasting would treat its rows as positions.
    """
    n_axes = {np.ndim(values[slot]) for slot in step.sources if slot not in fixed}
    n_fixed_axes = [np.ndim(values[slot]) for slot in step.sources if slot in fixed]
    if "forward" in step.layer.__dict__ or len(n_axes) > 1:
        return False
    if step.layer.is_positionwise:
        return all(n <= 1 for n in n_fixed_axes)
    return not n_fixed_axes and n_axes == {3}  # of (N, T, features), axis 1 is also axis -2


def _has_positions(y: Any, shape: tuple[int, ...]) -> bool:
    """Return whether `y` is an array (N, T, features, …), where `shape` is (N, T)."""
    return np.ndim(y) > 2 and np.shape(y)[:2] == shape
