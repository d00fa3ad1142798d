"""Numbers beside the given ones: changed parameters, repeated rows, and other inputs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
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

    name: str
    """The input that has this respect."""
    what: str
    """The new inputs in words."""
    hides: str
    """What the given inputs hide, "" where the layer itself may keep them so."""
    inputs: Inputs


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
    """Return the inputs with their only row several times; None if they have more rows."""
    batched = [x for x in inputs if x.ndim >= 2]
    if not batched or any(x.shape[0] != 1 for x in batched):
        return None
    return tuple(np.repeat(x, COPIES, axis=0) if x.shape[:1] == (1,) else x for x in inputs)


def other_inputs(inputs: Inputs, n_given: int, rng: Rng) -> Iterator[OtherInputs]:
    """Yield inputs that can show what the given ones hide.

    What the elements have in common is kept: whole numbers stay, and so do rows with equal sums,
    increasing rows and symmetric matrices, unless that is the respect in question.
    """
    given = [i for i in range(n_given) if inputs[i].dtype.kind == "f" and inputs[i].size and np.isfinite(inputs[i]).all()]
    free = [i for i in given if is_constant(inputs[i]) or not _is_structured(inputs[i])]

    def change(indices: list[int], by: Callable[[Array], Array], what: str, hides: str) -> Iterator[OtherInputs]:
        if indices:
            others = tuple(np.asarray(by(x), x.dtype) if i in indices else x for i, x in enumerate(inputs))
            yield OtherInputs(f"input {indices[0]}", what, hides, others)

    def vary(x: Array) -> Array:
        return x * rng.uniform(0.5, 1.5, x.shape)

    constant = [i for i in given if inputs[i].size > 1 and is_constant(inputs[i])]
    hides = "all elements are equal, so a forgotten factor or a wrong place may not show"
    yield from change(constant, lambda x: vary(x if x.any() else x + 1), "unequal numbers", hides)
    one_sign = [i for i in free if inputs[i].size > 1 and ((inputs[i] >= 0).all() or (inputs[i] <= 0).all())]
    yield from change(one_sign, lambda x: vary(x if x.any() else x + 1) * rng.choice([-1, 1], x.shape), "numbers of both signs", "")
    ordered = [i for i in given if inputs[i].size > 2 and (np.diff(inputs[i].ravel()) > 0).all()]
    yield from change(
        ordered, rng.permutation, "elements in another order", "all elements increase, so a wrong choice of places may not show"
    )
    symmetric = [i for i in given if is_symmetric(inputs[i]) and not is_constant(inputs[i])]
    yield from change(symmetric, vary, "a matrix that is not symmetric", "the matrix is symmetric, so a transposed one would pass")
    unique = [i for i, x in enumerate(inputs) if x.dtype.kind in "iu" and x.size > 1 and np.unique(x).size == x.size]
    yield from change(unique, _with_repeated, "a repeated index", "no index repeats, so += with an index in place of np.add.at would pass")
    flags = [i for i, x in enumerate(inputs) if x.dtype.kind == "b" and x.size > 1 and is_constant(x)]
    hides = "the mask has one value, so a backward without it would pass"
    yield from change(flags, lambda x: rng.permutation(x.size).reshape(x.shape) % 2 == 0, "a mask of both values", hides)
    yield from change(free, lambda x: 10 * x, "numbers ten times larger", "")
    yield from change(free, lambda x: x / 10, "numbers ten times smaller", "")


def _is_structured(x: Array) -> bool:
    """Return whether an array has more in common than its sign."""
    if np.array_equal(x, np.round(x)) or is_symmetric(x):
        return True
    if x.ndim == 0 or x.shape[-1] < 2:
        return False
    sums = x.sum(axis=-1)
    has_equal_sums = sums.size > 1 and np.ptp(sums) <= 1e-6 * np.abs(x).max()
    adds_to_one = bool(np.allclose(sums, 1, rtol=0, atol=1e-6))
    norms = np.linalg.norm(x, axis=-1)
    has_equal_norms = norms.size > 1 and bool(np.ptp(norms) <= 1e-6 * norms.max())
    is_increasing = x.shape[-1] > 2 and bool((np.diff(x) > 0).all())
    return has_equal_sums or adds_to_one or has_equal_norms or is_increasing


def _with_repeated(x: Array) -> Array:
    other = x.copy()
    other.flat[-1] = other.flat[0]
    return other


def _size(value: Array) -> float:
    return float(np.sqrt(np.mean(np.square(value, dtype=float)))) or 1.0 if value.size else 1.0
