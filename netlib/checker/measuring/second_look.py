"""Checks that could not see a mistake, and the inputs and weights for a second look."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...arrays import Array
from ...inspection import deep_copy
from ...layer import Layer
from ..context import CheckContext

NOTHING_MOVES = "all true gradients are zero, so a backward that returns zeros would pass"


def blind_spots(context: CheckContext) -> list[tuple[str, str]]:
    """Return where this check could miss a mistake, and why."""
    spots: list[tuple[str, str]] = []
    for name, slopes in context.slopes.items():
        known = ~np.isnan(slopes.slope)
        if (
            slopes.slope.size
            and known.any()
            and not (np.abs(slopes.slope[known]) > 4 * slopes.noise[known]).any()
            and not slopes.is_kink.any()
        ):
            spots.append((name, NOTHING_MOVES))
    for name, array in context.twin.slots.items():
        if array.size > 1 and np.ptp(array) == 0:
            spots.append((name, f"all elements are {array.flat[0]:g}, so a forgotten factor or a wrong place may not show"))
        elif array.ndim == 2 and array.shape[0] == array.shape[1] > 1 and np.array_equal(array, array.T):
            spots.append((name, "the matrix is symmetric, so a transposed one would pass"))
        elif name.startswith("input") and array.size > 1 and ((array > 0).all() or (array < 0).all()):
            spots.append((name, "all elements have one sign, so a mask would not show"))
    batched = [x for x in context.twin.inputs[: context.twin.n_given] if np.ndim(x) >= 2]
    if batched and all(x.shape[0] == 1 for x in batched):
        spots.append(("input 0", "a batch of 1 hides a mean in place of a sum"))
    return spots


def move_inputs(layer: Layer, inputs: tuple[Any, ...], rng: np.random.Generator) -> tuple[Layer, tuple[Any, ...]]:
    """Return a copy with other weights, and inputs of both signs in a batch of at least 3."""
    layer = deep_copy(layer, "the check works on a copy")
    for parameter in layer.parameters().values():
        value = parameter.value
        parameter.value = value + np.asarray(0.3 * _size(value) * rng.uniform(0.5, 1, value.shape) * rng.choice([-1, 1], value.shape))
    n_given = len(inputs) - layer.n_nondifferentiable_inputs
    is_single = all(np.shape(x)[:1] == (1,) for x in inputs if np.ndim(x) >= 2)
    others = []
    for i, x in enumerate(inputs):
        other = np.repeat(x, 3, axis=0) if np.ndim(x) >= 1 and is_single and np.shape(x)[0] == 1 else x
        if i < n_given and other.dtype.kind == "f":
            sizes = np.abs(other) if other.any() else np.ones(other.shape)
            other = np.asarray(rng.choice([-1, 1], other.shape) * sizes * rng.uniform(0.5, 1.5, other.shape), other.dtype)
        others.append(other)
    return layer, tuple(others)


def step_parameters(layer: Layer, rng: np.random.Generator, fixed: set[str]) -> Layer:
    """Return a copy with slightly changed parameters in new memory, except the `fixed` ones."""
    layer = deep_copy(layer, "the check works on a copy")
    for path, parameter in layer.parameters().items():
        if path not in fixed:
            parameter.value = parameter.value * np.asarray(rng.uniform(0.8, 1.2, parameter.shape), parameter.dtype)
    return layer


def _size(value: Array) -> float:
    return float(np.sqrt(np.mean(np.square(value, dtype=float)))) or 1.0 if value.size else 1.0
