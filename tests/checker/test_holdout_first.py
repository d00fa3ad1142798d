"""Proofs for the first set of `holdout`, without the checker: sound is sound, broken is broken."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
from checker.holdout import referees
from checker.holdout.first import BROKEN, HIDDEN, SOUND, Make

import netlib as nl
from netlib.arrays import Array

CONDUCT = referees.CONDUCT | {"non-finite"}

pytestmark = pytest.mark.exhaustive


def as_tuple(x: Any) -> tuple[Any, ...]:
    return x if isinstance(x, tuple) else (x,)


def in_float64(layer: nl.Layer, inputs: tuple[Array, ...]) -> tuple[nl.Layer, tuple[Array, ...]]:
    layer = copy.deepcopy(layer)
    for parameter in layer.parameters().values():
        parameter.__init__(parameter.value.astype(np.float64), parameter.trainable)  # type: ignore[misc]
    return layer, tuple(x.astype(np.float64) if x.dtype.kind == "f" else x.copy() for x in inputs)


def douts_for(y: Any, seed: int = 1) -> Any:
    rng = np.random.default_rng(seed)
    douts = tuple(np.asarray(rng.normal(size=np.shape(a)), dtype=np.asarray(a).dtype) for a in as_tuple(y))
    return douts if isinstance(y, tuple) else douts[0]


def gradients(layer: nl.Layer, inputs: tuple[Array, ...], dout: Any) -> list[Any]:
    """Return what backward gives for the inputs, and adds for the parameters."""
    layer.zero_grad()
    of_inputs = as_tuple(layer.backward(dout))
    wanted = len(inputs) - layer.n_nondifferentiable_inputs
    if len(of_inputs) != wanted:
        of_inputs = (None,) * wanted
    return [*copy.deepcopy(of_inputs), *(p.grad.copy() for p in layer.parameters().values())]


def slopes(layer: nl.Layer, inputs: tuple[Array, ...], dout: Any, h: float = 1e-5) -> list[tuple[Array, Array]]:
    """Return the slopes of Σ dout · y on both sides, by every element of inputs and parameters."""
    layer, inputs = in_float64(layer, inputs)
    arrays = [*inputs[: len(inputs) - layer.n_nondifferentiable_inputs], *(p.value for p in layer.parameters().values())]

    def total() -> float:
        ys = as_tuple(copy.deepcopy(layer).forward(*(x.copy() for x in inputs)))
        return float(sum(np.sum(np.asarray(d, np.float64) * (y - y0)) for d, y, y0 in zip(as_tuple(dout), ys, start, strict=True)))

    start = copy.deepcopy(as_tuple(copy.deepcopy(layer).forward(*(x.copy() for x in inputs))))
    found = []
    for a in arrays:
        left, right = np.zeros(a.shape), np.zeros(a.shape)
        for i in np.ndindex(a.shape):
            kept = a[i]
            a[i] = kept - h
            left[i] = -total() / h
            a[i] = kept + h
            right[i] = total() / h
            a[i] = kept
        found.append((left, right))
    return found


def error(layer: nl.Layer, inputs: tuple[Array, ...], dout: Any) -> float:
    """Return the error of backward relative to the largest slope; any slope is right at a kink."""
    numeric = slopes(layer, inputs, dout)
    layer, inputs = in_float64(layer, inputs)
    layer.forward(*inputs)
    try:
        exact = gradients(layer, inputs, copy.deepcopy(dout))
    except ValueError:  # arrays whose shapes do not fit
        return np.inf
    worst = 0.0
    for a, (left, right) in zip(exact, numeric, strict=True):
        if np.shape(a) != left.shape or not np.isfinite(a).all():
            return np.inf
        middle, kink = (left + right) / 2, np.abs(right - left) > 1e-4
        between = kink & (a > np.minimum(left, right) - 1e-6) & (a < np.maximum(left, right) + 1e-6)
        off = np.where(between, 0, np.abs(a - middle))
        worst = max(worst, off.max() / max(1e-3, np.abs(middle).max()))
    return worst


def alike(a: list[Any], b: list[Any], times: float = 1) -> bool:
    return all(
        np.shape(x) == np.shape(y) and np.allclose(times * x, y, rtol=1e-6, atol=1e-9, equal_nan=True) for x, y in zip(a, b, strict=True)
    )


def misconduct(make: Make, seed: int) -> set[str]:
    """Return what a layer does that it may not do, apart from wrong numbers."""
    found = set()
    layer, inputs = make(np.random.default_rng(seed))
    _, others = make(np.random.default_rng(seed + 1))
    others = (*others[: len(others) - layer.n_nondifferentiable_inputs], *inputs[len(inputs) - layer.n_nondifferentiable_inputs :])
    untouched = copy.deepcopy(layer)

    def fresh() -> nl.Layer:
        return copy.deepcopy(untouched)

    inputs_before, values_before = copy.deepcopy(inputs), {path: p.value.copy() for path, p in layer.parameters().items()}
    y = layer.forward(*inputs)
    if not isinstance(y, tuple | float):
        found |= {"aliases-output" for x in inputs if np.shares_memory(x, y)}
    y_before, dout = copy.deepcopy(y), douts_for(y)
    dout_before = copy.deepcopy(dout)
    once = gradients(layer, inputs, dout)
    if not all(map(np.array_equal, inputs, inputs_before)):
        found.add("mutates-input")
    if not all(map(np.array_equal, as_tuple(dout), as_tuple(dout_before))):
        found.add("mutates-upstream")
    if not all(np.array_equal(p.value, values_before[path]) for path, p in layer.parameters().items()):
        found.add("mutates-parameters")
    if any(a is not None and not np.isfinite(a).all() for a in once):
        found.add("non-finite")
    floats = [x for x in inputs if x.dtype.kind == "f"]
    if any(a is not None and np.asarray(a).dtype != floats[0].dtype for a in [*once, *as_tuple(y)]):
        found.add("dtype-changed")
    if found:
        return found  # what follows would tell the same again

    def run(change: Any = None, first: Any = None) -> list[Any]:
        layer, given = fresh(), copy.deepcopy(inputs)
        if first is not None:
            layer.forward(*first)
            layer.__dict__.update({k: copy.deepcopy(v) for k, v in untouched.__dict__.items() if hasattr(v, "bit_generator")})
        y = layer.forward(*given)
        if change is not None:
            change(y, given)
        return gradients(layer, inputs, copy.deepcopy(dout))

    def overwrite_y(y: Any, _: Any) -> None:
        for a in as_tuple(y):
            if isinstance(a, np.ndarray):
                a[...] = 3

    def overwrite_inputs(_: Any, given: Any) -> None:
        for x in given:
            x[...] = 1

    if not (alike(once, run()) and alike(once, gradients(layer, inputs, copy.deepcopy(dout)))):
        return {"nondeterministic"}
    if not alike(once, run(overwrite_y)):
        found.add("aliases-output")
    if not alike(once, run(first=others)):
        found.add("stale-cache")
    if not alike(once, run(overwrite_inputs)):
        found.add("keeps-inputs")
    layer.forward(*others)
    if not all(map(np.array_equal, as_tuple(y), as_tuple(y_before))):
        found.add("aliases-output")
    layer = fresh()
    layer.forward(*inputs)
    layer.zero_grad()
    for times in (1, 2):
        dxs = as_tuple(layer.backward(dout))
        added = [p.grad.copy() for p in layer.parameters().values()]
        if times == 2 and not alike(once[len(once) - len(added) :], added, 2):
            found.add("not-accumulated")
    if any(np.shares_memory(a, d) for a in dxs if a is not None for d in as_tuple(dout)):
        found.add("returns-dout")
    moved = fresh()
    for p in moved.parameters().values():
        p.value *= 1.1
    if error(fresh(), inputs, dout) < 1e-6 < 1e-3 < error(moved, inputs, dout):
        found.add("stale-cache")
    return found


def twin_of(make: Make) -> Make:
    """Return `make` for the sound twin of a broken layer, with the same inputs and parameters."""

    def make_twin(rng: np.random.Generator) -> Any:
        layer, inputs = make(rng)
        layer.__class__ = type(layer).__mro__[1]
        return layer, inputs

    return make_twin


def error_of(make: Make, seed: int) -> float:
    layer, inputs = make(np.random.default_rng(seed))
    return error(layer, inputs, douts_for(copy.deepcopy(layer).forward(*copy.deepcopy(inputs))))


SEEDS = range(1)


def sound_with_twins() -> list[tuple[str, Make]]:
    """Return the sound layers and the twins of the broken ones, each on the same inputs once."""
    found: dict[Any, tuple[str, Make]] = {}
    for name, make in [*SOUND, *((f"twin of {name}", twin_of(make)) for name, _, make in BROKEN)]:
        layer, inputs = make(np.random.default_rng(0))
        arrays = [*inputs, *(p.value for p in layer.parameters().values())]
        found.setdefault((type(layer), *((a.dtype.str, a.tobytes()) for a in arrays)), (name, make))
    return list(found.values())


WITH_TWINS = sound_with_twins()


@pytest.mark.parametrize("make", [make for _, make in WITH_TWINS], ids=[name for name, _ in WITH_TWINS])
def test_a_sound_layer_agrees_with_differences_and_behaves(make: Make) -> None:
    for seed in SEEDS:
        assert error_of(make, seed) < 1e-6
        assert misconduct(make, seed) == set()


@pytest.mark.parametrize(("slugs", "make"), [case[1:] for case in BROKEN], ids=[case[0] for case in BROKEN])
def test_a_broken_layer_has_its_mistake(slugs: tuple[str, ...], make: Make) -> None:
    conduct = CONDUCT & set(slugs)
    for seed in SEEDS:
        if conduct and conduct & misconduct(make, seed):
            continue
        assert not conduct or len(slugs) > 1
        assert error_of(make, seed) > 1e-3


@pytest.mark.parametrize("make", [case[2] for case in HIDDEN], ids=[case[0] for case in HIDDEN])
def test_a_hidden_mistake_shows_at_another_shape_only(make: Make) -> None:
    for seed in SEEDS:
        layer, _ = make(np.random.default_rng(seed))
        assert error_of(make, seed) < 1e-6
        assert error_of(type(layer).__mro__[1].example, seed) > 1e-3  # type: ignore[attr-defined]
