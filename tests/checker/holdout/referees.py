"""Proofs for the second, third and fourth set, without the checker: differences and conduct."""

import copy
import math

import numpy as np

import netlib as nl


def differentiable(layer, inputs):
    return inputs[: len(inputs) - layer.n_nondifferentiable_inputs]


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


def wrong_places(make, seed):
    """Return the error of each gradient; inf if missing, None, NaN, of a wrong shape or raising."""
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


class OneOutput(nl.Layer):
    """Several outputs laid end to end, for referees who look at one."""

    def __init__(self, inner):
        self.inner, self.n_nondifferentiable_inputs = inner, inner.n_nondifferentiable_inputs

    def forward(self, *inputs):
        ys = self.inner.forward(*inputs)
        self.shapes = [y.shape for y in ys]
        return np.concatenate([y.ravel() for y in ys])

    def backward(self, dout):
        ends = np.cumsum([math.prod(s) for s in self.shapes])
        return self.inner.backward(tuple(d.reshape(s) for d, s in zip(np.split(dout, ends[:-1]), self.shapes, strict=True)))


def joined(make):
    def build(rng):
        layer, inputs = make(rng)
        return (OneOutput(layer) if layer.n_outputs > 1 else layer), inputs

    return build


def in_double(make):
    """The same with parameters of float64: differences need them."""

    def build(rng):
        layer, inputs = make(rng)
        for name, member in vars(layer).copy().items():
            if isinstance(member, nl.Parameter):
                setattr(layer, name, nl.Parameter(member.value.astype(np.float64)))
        return layer, inputs

    return build


def gradients(make, seed):
    layer, inputs = make(np.random.default_rng(seed))
    y = layer.forward(*inputs)
    dx = layer.backward(np.ones_like(y))
    return [d for d in [*(dx if isinstance(dx, tuple) else (dx,)), *(p.grad for p in layer.parameters().values())] if d is not None]


def earlier_gradient_changes(make, seed):
    layer, inputs = make(np.random.default_rng(seed))
    y = layer.forward(*inputs)
    first = layer.backward(np.ones_like(y))
    before = first.copy()
    layer.backward(2 * np.ones_like(y))
    return not np.array_equal(first, before)
