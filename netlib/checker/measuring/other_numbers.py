"""Numbers other than the given ones: changed parameters, repeated rows, and other inputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from ...arrays import Array
from ...inspection import deep_copy
from ...layer import Layer
from ..analytic import Rng
from .matrices import is_symmetric

STEP = 0.05
"""The largest change of a parameter in a step, relative to its size."""
COPIES = 3
"""How often a single row is repeated."""

Inputs = tuple[Array, ...]


class OtherInputs(NamedTuple):
    """Inputs that differ from the given ones in one respect."""

    what: str
    """The new inputs in words."""
    hides: str
    """What the given inputs hide, "" where the layer itself may keep them so."""
    indices: list[int]
    """The numbers of the inputs that change."""
    change: Callable[[Array, Rng], Array]

    @property
    def name(self) -> str:
        """The first input that changes."""
        return f"input {self.indices[0]}"

    def make(self, inputs: Inputs, rng: Rng) -> Inputs:
        """Return the new inputs."""
        return tuple(np.asarray(self.change(x, rng), x.dtype) if i in self.indices else x for i, x in enumerate(inputs))


def step_parameters(layer: Layer, gradients: Mapping[str, Array], sign: int) -> Layer:
    """Return a copy in new memory whose parameters have moved along these gradients, or against."""
    layer = deep_copy(layer, "the check works on a copy")
    for path, parameter in layer.parameters().items():
        if path in gradients:
            value, g = parameter.value, gradients[path]
            largest = float(np.abs(g).max(initial=0.0)) or 1.0
            parameter.value = np.asarray(value + sign * STEP * _size(value) * g / largest, value.dtype)
    return layer


def has_special_values(value: Array) -> bool:
    """Return whether an array is constant or symmetric, as many initial values are."""
    return is_constant(value) or is_symmetric(value)


def is_constant(x: Array) -> bool:
    """Return whether all elements are equal."""
    return x.size > 0 and bool((x == x.flat[0]).all())


def repeat_rows(inputs: Inputs) -> Inputs | None:
    """Return the inputs with their only row repeated; None if they have more rows."""
    batched = [x for x in inputs if x.ndim >= 2]
    if not batched or any(x.shape[0] != 1 for x in batched):
        return None
    return tuple(np.repeat(x, COPIES, axis=0) if x.shape[:1] == (1,) else x for x in inputs)


def other_inputs(inputs: Inputs, n_given: int) -> list[OtherInputs]:
    """Return inputs that can reveal a mistake that the given ones hide.

    Properties that the elements share are kept: whole numbers, rows with equal sums or norms,
    increasing rows and symmetric matrices, unless that is the property in question.
    """
    several = [i for i, x in enumerate(inputs) if x.size > 1]
    given = [i for i in range(n_given) if inputs[i].dtype.kind == "f" and inputs[i].size and np.isfinite(inputs[i]).all()]
    constant = [i for i in given if is_constant(inputs[i])]
    free = [i for i in given if i in constant or not _is_structured(inputs[i])]
    one_sign = [i for i in free if i in several and ((inputs[i] >= 0).all() or (inputs[i] <= 0).all())]
    ordered = [i for i in given if inputs[i].size > 2 and _is_increasing(inputs[i].ravel())]
    symmetric = [i for i in given if is_symmetric(inputs[i]) and i not in constant]
    unique = [i for i in several if inputs[i].dtype.kind in "iu" and np.unique(inputs[i]).size == inputs[i].size]
    flags = [i for i in several if inputs[i].dtype.kind == "b" and is_constant(inputs[i])]
    hides_places = "so a forgotten factor or a wrong place may not show"
    tries = [
        OtherInputs("unequal numbers", f"all elements are equal, {hides_places}", [i for i in constant if i in several], _vary),
        OtherInputs("numbers of both signs", "", one_sign, _vary_signs),
        OtherInputs("elements in another order", f"all elements increase, {hides_places}", ordered, _shuffle),
        OtherInputs("a matrix that is not symmetric", "the matrix is symmetric, so a transposed one would pass", symmetric, _vary),
        OtherInputs("a repeated index", "no index repeats, so += with an index in place of np.add.at would pass", unique, _repeat),
        OtherInputs("a mask of both values", "the mask has one value, so a backward without it would pass", flags, _mix),
        OtherInputs("numbers ten times larger", "", free, lambda x, rng: 10 * x),
        OtherInputs("numbers ten times smaller", "", free, lambda x, rng: x / 10),
    ]
    return [each for each in tries if each.indices]


def _vary(x: Array, rng: Rng) -> Array:
    return np.asarray((x if x.any() else x + 1) * rng.uniform(0.5, 1.5, x.shape))


def _vary_signs(x: Array, rng: Rng) -> Array:
    return np.asarray(_vary(x, rng) * rng.choice([-1, 1], x.shape))


def _shuffle(x: Array, rng: Rng) -> Array:
    return np.asarray(rng.permutation(x.ravel()).reshape(x.shape))


def _repeat(x: Array, rng: Rng) -> Array:
    other = x.copy()
    other.flat[-1] = other.flat[0]
    return other


def _mix(x: Array, rng: Rng) -> Array:
    return np.asarray(rng.permutation(x.size).reshape(x.shape) % 2 == 0)


def _is_structured(x: Array) -> bool:
    """Return whether the elements of an array share more than their sign."""
    if np.array_equal(x, np.round(x)) or is_symmetric(x):
        return True
    if x.ndim == 0 or x.shape[-1] < 2:
        return False
    sums = x.sum(axis=-1)
    has_equal_sums = sums.size > 1 and np.ptp(sums) <= 1e-6 * np.abs(x).max()
    adds_to_one = bool(np.allclose(sums, 1, rtol=0, atol=1e-6))
    norms = np.linalg.norm(x, axis=-1)
    has_equal_norms = norms.size > 1 and bool(np.ptp(norms) <= 1e-6 * norms.max())
    return has_equal_sums or adds_to_one or has_equal_norms or (x.shape[-1] > 2 and _is_increasing(x))


def _is_increasing(x: Array) -> bool:
    return bool((x[..., 1:] > x[..., :-1]).all())


def _size(value: Array) -> float:
    return float(np.sqrt(np.mean(np.square(value, dtype=float)))) or 1.0 if value.size else 1.0
