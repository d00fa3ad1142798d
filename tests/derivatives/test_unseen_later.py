"""The layers of `unseen_later` are what they are said to be, by differences of this file's own; and what the checker says of them."""

import copy
import functools

import numpy as np
import pytest
from derivatives.unseen_later import BROKEN, SOUND

import netlib as nl

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of layers whose mistake is to be not finite


def differentiable(layer, inputs):
    return inputs[: len(inputs) - layer.n_constant_inputs]


def run(layer, inputs, dout):
    """Gradients of a private copy of the layer, by place; y too."""
    layer, inputs = copy.deepcopy(layer), [x.copy() for x in inputs]
    y = layer.forward(*inputs)
    dx = layer.backward(dout.copy() if np.ndim(dout) else dout)
    dx = dx if isinstance(dx, tuple) else (dx,)
    found = {i: None if d is None else d.copy() for i, d in enumerate(dx)}
    found |= {name: p.grad.copy() for name, p in layer.parameters().items()}
    return y, found


def slopes(layer, inputs, dout, h0=1e-5):
    """Left and right differences of <y, dout>, by place."""

    def value(place, index, h):
        twin, xs = copy.deepcopy(layer), [x.copy() for x in inputs]
        (twin.parameters()[place].value if isinstance(place, str) else xs[place])[index] += h
        return float((np.asarray(twin.forward(*xs)) * dout).sum())

    places = dict(enumerate(differentiable(layer, inputs))) | {n: p.value for n, p in layer.parameters().items()}
    left, right = {}, {}
    for place, a in places.items():
        left[place], right[place] = np.empty(a.shape), np.empty(a.shape)
        for index in np.ndindex(a.shape):
            h = h0 * max(1.0, abs(a[index]))
            above, here, below = (value(place, index, s) for s in (h, 0, -h))
            left[place][index], right[place][index] = (here - below) / h, (above - here) / h
    return left, right


def double(inputs):
    return [x.astype(np.float64) if x.dtype == np.float32 else x for x in inputs]


def conduct(make, seed, rng):
    """The conduct mistakes that this layer shows."""
    layer, inputs = make(np.random.default_rng(seed))
    others = make(np.random.default_rng(seed + 1000))[1]
    shown = set()
    fresh = copy.deepcopy(layer)
    before_x, before_p = [x.copy() for x in inputs], [p.value.copy() for p in layer.parameters().values()]
    y = layer.forward(*inputs)
    before_y = np.copy(y)
    dout = np.asarray(rng.normal(size=np.shape(y))).astype(np.asarray(y).dtype)
    before_dout = dout.copy()
    dx = layer.backward(dout)
    dx = [np.copy(d) if d is not None else None for d in (dx if isinstance(dx, tuple) else (dx,))]
    once = [p.grad.copy() for p in layer.parameters().values()]
    if any(not np.array_equal(a, b) for a, b in zip(inputs, before_x, strict=False)):
        shown.add("mutates-input")
    if not np.array_equal(dout, before_dout):
        shown.add("mutates-upstream")
    if any(not np.array_equal(a, p.value) for a, p in zip(before_p, layer.parameters().values(), strict=False)):
        shown.add("mutates-parameters")
    if any(d is not None and d.dtype != x.dtype for d, x in zip(dx, inputs, strict=False)) or np.asarray(y).dtype != inputs[0].dtype:
        shown.add("dtype-changed")
    if any(d is not None and not np.isfinite(d).all() for d in [*dx, *once]):
        shown.add("non-finite")
    (y1, a), (y2, b) = (run(fresh, before_x, before_dout) for _ in range(2))
    same = all(np.array_equal(a[k], b[k], equal_nan=True) for k in a if a[k] is not None) and np.array_equal(y1, y2)
    again = layer.backward(before_dout.copy())
    again = again if isinstance(again, tuple) else (again,)
    repeat = all(d is None or np.array_equal(d, e, equal_nan=True) for d, e in zip(dx, again, strict=False))
    if not same or (not repeat and "mutates-parameters" not in shown):
        shown.add("nondeterministic")
    elif "mutates-parameters" not in shown:
        twice = [p.grad for p in layer.parameters().values()]
        if any(not np.allclose(2 * g, t, equal_nan=True) for g, t in zip(once, twice, strict=False)):
            shown.add("not-accumulated")
    layer.forward(*[x.copy() for x in others])
    if isinstance(y, np.ndarray) and not np.array_equal(y, before_y):
        shown.add("aliases-output")
    layer.zero_grad()
    later = layer.backward(before_dout.copy())
    later = later if isinstance(later, tuple) else (later,)
    if not {"mutates-parameters", "nondeterministic"} & shown and not hasattr(layer, "rng"):
        expected = run(fresh, others, before_dout)[1]
        found = dict(enumerate(later)) | {k: p.grad for k, p in layer.parameters().items()}
        if any(e is not None and np.nanmax(np.abs(found[k] - e), initial=0) > 1e-3 for k, e in expected.items()):
            shown.add("stale-cache")
    return shown


CONDUCT = {
    "mutates-input",
    "mutates-upstream",
    "mutates-parameters",
    "aliases-output",
    "stale-cache",
    "nondeterministic",
    "dtype-changed",
    "not-accumulated",
}
NUMBERS_GO_WRONG = {"TiedAutoencoderSteps", "PairRankingSampled", "BlockNoiseDrawsAgain", "DropConnectUnseeded"}
SCATTER = {"PiecewiseLinearFancyAdd", "UnfoldFancyAdd"}  # not-accumulated in the other sense: within one backward


def wrong_places(make, seed):
    """How far each gradient is off; inf for None, a missing one, a wrong shape, an error or a nan."""
    layer, inputs = make(np.random.default_rng(seed))
    inputs = double(inputs)
    y = copy.deepcopy(layer).forward(*[x.copy() for x in inputs])
    dout = np.random.default_rng(seed + 1).normal(size=np.shape(y))
    dout = np.asarray(dout + 0.3 * np.sign(dout))  # never almost zero, where y is a single number
    left, right = slopes(layer, inputs, dout)
    try:
        _, found = run(layer, inputs, dout)
    except ValueError:
        return {"raises": np.inf}, {}
    off, kinked = {}, {}
    for place, a in left.items():
        mean, g = (a + right[place]) / 2, found.get(place)
        if g is None or g.shape != a.shape or not np.isfinite(g).all():
            off[place] = np.inf
            continue
        off[place] = np.abs(g - mean).max()
        low, high = np.minimum(a, right[place]), np.maximum(a, right[place])
        kinked[place] = np.maximum(low - g, g - high).max()
    return off, kinked


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize(("name", "make"), SOUND)
def test_a_sound_layer_agrees_with_differences_and_misbehaves_in_nothing(name, make, seed):
    off, outside = wrong_places(make, seed)
    if name.endswith(("Ties", "AtTheKink")):
        assert max(outside.values()) < 1e-4, "outside the slopes on both sides"
    else:
        assert max(off.values()) < 1e-6
    assert not conduct(make, seed, np.random.default_rng(seed + 99))


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize(("name", "slugs", "make"), BROKEN)
def test_a_broken_layer_has_its_mistake_and_no_other(name, slugs, make, seed):
    off, _ = wrong_places(make, seed)
    expected = set(slugs) & CONDUCT if name not in SCATTER else set()
    if name == "TiedAutoencoderSteps":
        expected = {"mutates-parameters"}
    if "raises" not in off:
        assert conduct(make, seed, np.random.default_rng(seed + 99)) - {"non-finite"} == expected
    if expected and name not in NUMBERS_GO_WRONG:
        assert max(off.values()) < 1e-6, "a mistake of conduct, so the numbers are right"
    else:
        assert max(off.values()) > 1e-3


@functools.cache
def report(make, seed=0):
    layer, inputs = make(np.random.default_rng(seed))
    return nl.check_gradients(layer, *inputs)


@pytest.mark.parametrize(("name", "make"), [(name, make) for name, _, make in BROKEN])
def test_every_broken_layer_is_caught(name, make):
    assert not report(make).ok


@pytest.mark.parametrize(("name", "make"), SOUND)
def test_no_sound_layer_raises_an_alarm(name, make):
    assert report(make, 7).findings == []


def test_all_92_are_named_as_their_writer_named_them():
    misnamed = [name for name, slugs, make in BROKEN if not set(report(make).mistakes) & set(slugs)]
    assert (len(BROKEN), misnamed) == (92, [])
