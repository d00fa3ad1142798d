"""The checker on layers with one known mistake each: caught, named, and placed."""

import numpy as np
import pytest

import netlib as nl
from netlib.checker import check_gradients


def normal(*shape, seed=1):
    return np.random.default_rng(seed).normal(size=shape)


class Dense(nl.Layer):
    """y = x W + b, written right; the mistakes below replace a line each."""

    n_in, n_out = 5, 3

    def __init__(self):
        self.weight = nl.Parameter(normal(self.n_in, self.n_out, seed=2))
        self.bias = nl.Parameter(normal(self.n_out, seed=3))

    def forward(self, x):
        self.x = np.array(x)
        return x @ self.weight.value + self.bias.value

    def backward(self, dout):
        self.weight.grad += self.dw(dout)
        self.bias.grad += self.db(dout)
        return self.dx(dout)

    def dw(self, dout):
        return self.x.T @ dout

    def db(self, dout):
        return dout.sum(axis=0)

    def dx(self, dout):
        return dout @ self.weight.value.T


class Square(Dense):
    n_in = n_out = 4


def changed(base=Dense, **methods):
    return type(f"{base.__name__}Changed", (base,), methods)


class Elementwise(nl.Layer):
    def forward(self, x):
        self.x, self.y = np.array(x), self.f(x)
        return np.array(self.y)

    def f(self, x):
        return np.tanh(x)

    def backward(self, dout):
        return dout * (1 - self.y**2)


def elementwise(backward, f=None):
    return type("Broken", (Elementwise,), {"backward": backward} | ({"f": f} if f else {}))


def relu(self, x):
    return np.where(x > 0, x, 0)


def leaky(self, x):
    return np.where(x > 0, x, 0.1 * x)


def softmax(self, x, axis=-1):
    e = np.exp(x - x.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


class Product(nl.Layer):
    def forward(self, a, b):
        self.a, self.b = np.array(a), np.array(b)
        return a * b


class Dropout(nl.Layer):
    def __init__(self):
        self.p = 0.3
        self.rng = np.random.default_rng(0)

    def forward(self, x):
        self.mask = self.rng.random(x.shape) >= self.p
        return x * self.mask / (1 - self.p)


def dropout(backward):
    return type("Broken", (Dropout,), {"backward": backward})


def assigning(self, dout):
    self.weight.grad = self.dw(dout)
    self.bias.grad += self.db(dout)
    return self.dx(dout)


def assigning_a_column(self, dout):
    dw = self.dw(dout)
    self.weight.grad += dw
    self.weight.grad[:, 1] = dw[:, 1]
    self.bias.grad += self.db(dout)
    return self.dx(dout)


def stepping(self, dout):
    self.weight.grad += self.dw(dout)
    self.bias.grad += self.db(dout)
    self.weight.value = self.weight.value - 0.1 * self.dw(dout)
    return self.dx(dout)


def adding_twice(self, dout):
    self.weight.grad += self.dw(dout)
    self.bias.grad += self.db(dout)
    self.weight.grad += self.dw(dout)
    return self.dx(dout)


def caching_once(self, x):
    if not hasattr(self, "x"):
        self.x = np.array(x)
    return x @ self.weight.value + self.bias.value


def relu_in_place(self, x):
    self.positive = x > 0
    x[~self.positive] = 0
    return x.copy()


def masking_dout(self, dout):
    dout[self.x <= 0] = 0
    return dout


class Skip(nl.Layer):
    """y = x + f(x)."""

    def __init__(self):
        self.inner = Dense.__new__(Square)
        self.inner.__init__()

    def forward(self, x):
        return x + self.inner.forward(x)


def skip(backward):
    return type("Broken", (Skip,), {"backward": backward})


class Buffered(nl.Layer):
    def __init__(self):
        self.buffer = np.zeros((3, 4))

    def forward(self, x):
        np.multiply(x, 2, out=self.buffer)
        return self.buffer

    def backward(self, dout):
        return dout * 2


class Normalised(nl.Layer):
    def forward(self, x):
        self.std = x.std(axis=0)
        self.y = (x - x.mean(axis=0)) / self.std
        return self.y.copy()

    def backward(self, dout):
        return dout / self.std


class MeanOnly(nl.Layer):
    def forward(self, x):
        return x - x.mean(axis=-1, keepdims=True)

    def backward(self, dout):
        return dout * 1.0


class Average(nl.Layer):
    n_nondifferentiable_inputs = 1

    def forward(self, y, t):
        self.gap = y - t
        return float((self.gap**2).mean())


def average(backward):
    return type("Broken", (Average,), {"backward": backward})


class Fresh(nl.Layer):
    def forward(self, x):
        return x * np.random.default_rng().random(x.shape)

    def backward(self, dout):
        return dout * 0.5


X, S, P = (7, 5), (3, 4), (3, 4)
CASES = {
    "dW transposed, square": (changed(Square, dw=lambda s, d: d.T @ s.x), [(7, 4)], {("missing-transpose", "weight")}),
    "dW transposed, not square": (changed(dw=lambda s, d: d.T @ s.x), [X], {("missing-transpose", "weight")}),
    "dx without .T, square": (changed(Square, dx=lambda s, d: d @ s.weight.value), [(7, 4)], {("missing-transpose", "input 0")}),
    "dx without .T, not square": (changed(dx=lambda s, d: d @ s.weight.value), [X], {("missing-transpose", "input 0")}),
    "db not summed": (changed(db=lambda s, d: d), [X], {("missing-batch-sum", "bias")}),
    "db a mean": (changed(db=lambda s, d: d.mean(axis=0)), [X], {("wrong-scale", "bias")}),
    "db over the features": (changed(db=lambda s, d: d.sum(axis=1)), [X], {("wrong-axis", "bias")}),
    "db over the features, square": (changed(Square, db=lambda s, d: d.sum(axis=1)), [(4, 4)], {("wrong-axis", "bias")}),
    "db over everything": (changed(db=lambda s, d: d.sum()), [X], {("wrong-axis", "bias")}),
    "db keeps its axes": (changed(db=lambda s, d: d.sum(axis=0, keepdims=True)), [X], {("wrong-shape", "bias")}),
    "dW by N": (changed(dw=lambda s, d: s.x.T @ d / len(d)), [X], {("wrong-scale", "weight")}),
    "dW not at all": (changed(dw=lambda s, d: 0), [X], {("missing-gradient", "weight")}),
    "dx zero": (changed(dx=lambda s, d: np.zeros_like(s.x)), [X], {("zero-gradient", "input 0")}),
    "dx forgotten": (changed(dx=lambda s, d: None), [X], {("missing-gradient", "input 0")}),
    "dx negative": (changed(dx=lambda s, d: -d @ s.weight.value.T), [X], {("wrong-sign", "input 0")}),
    "dW without dout": (changed(dw=lambda s, d: s.x.T @ np.ones_like(d)), [X], {("ignores-upstream", "weight")}),
    "grad assigned": (changed(backward=assigning), [X], {("not-accumulated", "weight")}),
    "grad assigned in a column": (changed(backward=assigning_a_column), [X], {("not-accumulated", "weight")}),
    "grad added twice": (changed(backward=adding_twice), [X], {("double-counted", "weight")}),
    "a step in backward": (changed(backward=stepping), [X], {("mutates-parameters", "weight")}),
    "x kept once": (changed(forward=caching_once), [X], {("stale-cache", "weight")}),
    "tanh' of x": (elementwise(lambda s, d: d * (1 - s.x**2)), [S], {("wrong-formula", "input 0")}),
    "tanh' without dout": (elementwise(lambda s, d: 1 - s.y**2), [S], {("ignores-upstream", "input 0")}),
    "relu without mask": (elementwise(lambda s, d: d * 1, relu), [S], {("missing-mask", "input 0")}),
    "relu with its mask inverted": (elementwise(lambda s, d: d * (s.x < 0), relu), [S], {("inverted-mask", "input 0")}),
    "relu with dout's mask": (elementwise(lambda s, d: d * (d > 0), relu), [S], {("missing-mask", "input 0")}),
    "relu writes into x": (type("Broken", (nl.Layer,), {"forward": relu_in_place, "backward": lambda s, d: d * s.positive}), [S], {("mutates-input", "input 0")}),  # noqa: E501
    "relu writes into dout": (elementwise(masking_dout, relu), [S], {("mutates-upstream", "backward")}),
    "leaky without mask": (elementwise(lambda s, d: d * 1, leaky), [S], {("missing-mask", "input 0")}),
    "leaky inverted": (elementwise(lambda s, d: d * np.where(s.x > 0, 0.1, 1), leaky), [S], {("inverted-mask", "input 0")}),
    "softmax's diagonal": (elementwise(lambda s, d: d * s.y * (1 - s.y), softmax), [S], {("diagonal-only", "input 0")}),
    "softmax without its sum": (elementwise(lambda s, d: d * s.y, softmax), [S], {("diagonal-only", "input 0")}),
    "softmax along the other axis": (
        elementwise(lambda s, d: s.y * (d - (d * s.y).sum(axis=0)), softmax), [S], {("wrong-axis", "input 0")}),
    "product exchanged": (type("Broken", (Product,), {"backward": lambda s, d: (d * s.a, d * s.b)}), [S, S], {("swapped", "input 0"), ("swapped", "input 1")}),  # noqa: E501
    "product returns one": (type("Broken", (Product,), {"backward": lambda s, d: d * s.b}), [S, S], {("missing-gradient", "input 1")}),
    "product of broadcast": (type("Broken", (Product,), {"backward": lambda s, d: (d * s.b, d * s.a)}), [S, (4,)], {("missing-batch-sum", "input 1")}),  # noqa: E501
    "dropout without its scale": (dropout(lambda s, d: d * s.mask), [(7, 9)], {("wrong-scale", "input 0")}),
    "dropout draws anew": (dropout(lambda s, d: d * (s.rng.random(d.shape) >= s.p) / (1 - s.p)), [(7, 9)], {("nondeterministic", "input 0")}),  # noqa: E501
    "dropout inverted": (dropout(lambda s, d: d * ~s.mask / (1 - s.p)), [(7, 9)], {("inverted-mask", "input 0")}),
    "a skip forgotten": (skip(lambda s, d: s.inner.backward(d)), [(7, 4)], {("missing-term", "input 0")}),
    "the inner path forgotten": (skip(lambda s, d: (s.inner.backward(d), d * 1)[1]), [(7, 4)], {("missing-term", "input 0")}),
    "the skip twice": (skip(lambda s, d: s.inner.backward(d) + 2 * d), [(7, 4)], {("double-counted", "input 0")}),
    "a buffer used again": (Buffered, [S], {("aliases-output", "forward")}),
    "mean and variance as constants": (Normalised, [S], {("missing-term", "input 0")}),
    "the mean as a constant": (MeanOnly, [S], {("missing-term", "input 0")}),
    "MSE without 1/N": (average(lambda s, dout=1.0: dout * 2 * s.gap), [S, S], {("wrong-scale", "input 0")}),
    "MSE without 2": (average(lambda s, dout=1.0: dout * s.gap / s.gap.size), [S, S], {("wrong-scale", "input 0")}),
    "MSE without dout": (average(lambda s, dout=1.0: 2 * s.gap / s.gap.size), [S, S], {("ignores-upstream", "input 0")}),
    "chance of its own": (Fresh, [S], {("nondeterministic", "forward")}),
    "NaN": (elementwise(lambda s, d: d * np.where(s.x > 0, np.nan, 1 - s.y**2)), [S], {("non-finite", "input 0")}),
    "float64 out of float32": (elementwise(lambda s, d: d * (1 - s.y**2), lambda s, x: np.tanh(x) + np.zeros(4)), ["f4", S], {("dtype-changed", "forward")}),  # noqa: E501
    "float64 gradient": (elementwise(lambda s, d: d * (np.ones(4) - s.y**2)), ["f4", S], {("dtype-changed", "input 0")}),
    "db a mean and dx transposed": (
        changed(Square, db=lambda s, d: d.mean(axis=0), dx=lambda s, d: d @ s.weight.value), [(7, 4)],
        {("wrong-scale", "bias"), ("missing-transpose", "input 0")}),
    "db not summed and dW transposed": (
        changed(db=lambda s, d: d, dw=lambda s, d: d.T @ s.x), [X], {("missing-batch-sum", "bias"), ("missing-transpose", "weight")}),
    "db not summed and dx raises": (
        changed(db=lambda s, d: d, dx=lambda s, d: d @ s.weight.value), [X],
        {("missing-batch-sum", "bias"), ("missing-transpose", "input 0")}),
    "dW transposed and by N": (
        changed(Square, dw=lambda s, d: d.T @ s.x / len(d)), [(7, 4)], {("missing-transpose", "weight"), ("wrong-scale", "weight")}),
}  # fmt: skip


@pytest.mark.one_in(3)
@pytest.mark.parametrize("case", CASES)
def test_a_mistake_is_named_and_placed(case):
    make, shapes, wanted = CASES[case]
    dtype = np.float64
    if shapes[0] == "f4":
        dtype, shapes = np.float32, shapes[1:]
    inputs = [normal(*shape, seed=10 + i).astype(dtype) for i, shape in enumerate(shapes)]
    report = check_gradients(make(), *inputs)
    found = {(finding.mistake, finding.where) for finding in report.findings}
    assert found == wanted, str(report)
    assert not report.ok
