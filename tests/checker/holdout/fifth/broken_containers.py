import numpy as np

import netlib as nl


class Dense(nl.Layer):
    def __init__(self, rng, n, m):
        self.w = nl.Parameter(rng.normal(size=(n, m)))

    def forward(self, x):
        self.x = x.copy()
        return x @ self.w.value

    def backward(self, dout):
        self.w.grad += self.x.T @ dout
        return dout @ self.w.value.T


class DenseNoT(Dense):
    def backward(self, dout):
        self.w.grad += self.x.T @ dout
        return dout @ self.w.value


class Tanh(nl.Layer):
    def forward(self, x):
        self.y = np.tanh(x)
        return self.y.copy()

    def backward(self, dout):
        return dout * (1 - self.y**2)


class Chain(nl.Layer):
    def __init__(self, *parts):
        self.parts = list(parts)

    def forward(self, x):
        for p in self.parts:
            x = p.forward(x)
        return x

    def backward(self, dout):
        for p in reversed(self.parts):
            dout = p.backward(dout)
        return dout


class ChainForwardOrder(Chain):  # backward runs first to last
    def backward(self, dout):
        for p in self.parts:
            dout = p.backward(dout)
        return dout


class ChainSkipsLast(Chain):  # the last part is left out of backward
    def backward(self, dout):
        for p in reversed(self.parts[:-1]):
            dout = p.backward(dout)
        return dout


class ChainZeroesGrads(Chain):  # the children's gradients are zeroed at each backward
    def backward(self, dout):
        for p in self.parts:
            p.zero_grad()
        return super().backward(dout)


class ResidualNoSkip(nl.Layer):  # the identity's path is lost
    def __init__(self, inner):
        self.inner = inner

    def forward(self, x):
        return x + self.inner.forward(x)

    def backward(self, dout):
        return self.inner.backward(dout)


class ResidualSkipOnly(ResidualNoSkip):  # inner gets its gradients, but dx is the identity's alone
    def backward(self, dout):
        self.inner.backward(dout)
        return dout.copy()


class ResidualTwice(ResidualNoSkip):  # inner's backward is called two times
    def backward(self, dout):
        d = self.inner.backward(dout)
        return dout + self.inner.backward(dout)


class ScaledBranch(nl.Layer):  # y = x + s f(x); f receives dout without s
    def __init__(self, inner):
        self.inner = inner
        self.s = nl.Parameter(np.array(0.4))

    def forward(self, x):
        self.f = self.inner.forward(x)
        return x + self.s.value * self.f

    def backward(self, dout):
        self.s.grad += (dout * self.f).sum()
        return dout + self.inner.backward(dout)


class ParallelFirstOnly(nl.Layer):  # a(x) + b(x); dx of a alone
    def __init__(self, a, b):
        self.a, self.b = a, b

    def forward(self, x):
        return self.a.forward(x) + self.b.forward(x)

    def backward(self, dout):
        da = self.a.backward(dout)
        self.b.backward(dout)
        return da


class ParallelSecondForgotten(ParallelFirstOnly):  # b's backward is not called
    def backward(self, dout):
        return self.a.backward(dout) + dout @ self.b.w.value.T


class ParallelAverage(ParallelFirstOnly):  # averages the two paths
    def backward(self, dout):
        return (self.a.backward(dout) + self.b.backward(dout)) / 2


class GateExchanged(nl.Layer):  # a(x) * b(x): each gets its own output as a factor
    def __init__(self, a, b):
        self.a, self.b = a, b

    def forward(self, x):
        self.ya, self.yb = self.a.forward(x), self.b.forward(x)
        return self.ya * self.yb

    def backward(self, dout):
        return self.a.backward(dout * self.ya) + self.b.backward(dout * self.yb)


class SameLayerTwice(nl.Layer):  # one object runs twice; its cache is that of the second run
    def __init__(self, inner):
        self.inner = inner

    def forward(self, x):
        return self.inner.forward(self.inner.forward(x))

    def backward(self, dout):
        return self.inner.backward(self.inner.backward(dout))


def x(rng):
    return (rng.normal(size=(4, 3)),)


D = lambda rng: Dense(rng, 3, 3)

BROKEN = {
    "ChainInnerNoTranspose": (lambda rng: (Chain(D(rng), Tanh(), DenseNoT(rng, 3, 3)), x(rng)), {"missing-transpose"}, None),
    "ChainForwardOrder": (lambda rng: (ChainForwardOrder(D(rng), Tanh(), D(rng)), x(rng)), {"wrong-formula"}, None),
    "ChainSkipsLast": (
        lambda rng: (ChainSkipsLast(D(rng), Tanh(), D(rng)), x(rng)),
        {"missing-term", "missing-gradient", "zero-gradient", "wrong-formula"},
        None,
    ),
    "ChainZeroesGrads": (lambda rng: (ChainZeroesGrads(D(rng), Tanh(), D(rng)), x(rng)), {"not-accumulated"}, None),
    "ResidualNoSkip": (lambda rng: (ResidualNoSkip(Chain(D(rng), Tanh())), x(rng)), {"missing-term"}, "input 0"),
    "ResidualSkipOnly": (lambda rng: (ResidualSkipOnly(Chain(D(rng), Tanh())), x(rng)), {"missing-term"}, "input 0"),
    "ResidualTwice": (lambda rng: (ResidualTwice(Chain(D(rng), Tanh())), x(rng)), {"double-counted", "wrong-scale"}, "inner.parts.0.w"),
    "ScaledBranch": (lambda rng: (ScaledBranch(D(rng)), x(rng)), {"wrong-scale", "wrong-formula"}, None),
    "ParallelFirstOnly": (lambda rng: (ParallelFirstOnly(D(rng), D(rng)), x(rng)), {"missing-term"}, "input 0"),
    "ParallelSecondForgotten": (
        lambda rng: (ParallelSecondForgotten(D(rng), D(rng)), x(rng)),
        {"zero-gradient", "missing-gradient"},
        "b.w",
    ),
    "ParallelAverage": (lambda rng: (ParallelAverage(D(rng), D(rng)), x(rng)), {"wrong-scale"}, "input 0"),
    "GateExchanged": (lambda rng: (GateExchanged(D(rng), D(rng)), x(rng)), {"swapped", "wrong-formula"}, None),
    "SameLayerTwice": (lambda rng: (SameLayerTwice(Chain(D(rng), Tanh())), x(rng)), {"stale-cache", "wrong-formula"}, None),
}
