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


class Residual(nl.Layer):
    def __init__(self, inner):
        self.inner = inner

    def forward(self, x):
        return x + self.inner.forward(x)

    def backward(self, dout):
        return dout + self.inner.backward(dout)


class ScaledBranch(nl.Layer):
    def __init__(self, inner):
        self.inner = inner
        self.s = nl.Parameter(np.array(0.4))

    def forward(self, x):
        self.f = self.inner.forward(x)
        return x + self.s.value * self.f

    def backward(self, dout):
        self.s.grad += (dout * self.f).sum()
        return dout + self.inner.backward(self.s.value * dout)


class Parallel(nl.Layer):
    def __init__(self, **parts):
        self.parts = parts

    def forward(self, x):
        return sum(p.forward(x) for p in self.parts.values())

    def backward(self, dout):
        return sum(p.backward(dout) for p in self.parts.values())


class Gate(nl.Layer):
    def __init__(self, a, b):
        self.a, self.b = a, b

    def forward(self, x):
        self.ya, self.yb = self.a.forward(x), self.b.forward(x)
        return self.ya * self.yb

    def backward(self, dout):
        return self.a.backward(dout * self.yb) + self.b.backward(dout * self.ya)


class TwiceTied(nl.Layer):
    def __init__(self, inner):
        self.first, self.second = inner, inner.tied_copy()

    def forward(self, x):
        return self.second.forward(self.first.forward(x))

    def backward(self, dout):
        return self.first.backward(self.second.backward(dout))


class ReRun(nl.Layer):
    """One object twice; its cache is renewed in backward."""

    def __init__(self, inner):
        self.inner = inner

    def forward(self, x):
        self.x = x.copy()
        self.h = self.inner.forward(x)
        return self.inner.forward(self.h)

    def backward(self, dout):
        self.inner.forward(self.h)
        d = self.inner.backward(dout)
        self.inner.forward(self.x)
        return self.inner.backward(d)


class Experts(nl.Layer):
    """A soft mixture: softmax of a gate over two experts."""

    def __init__(self, gate, experts):
        self.gate, self.experts = gate, experts

    def forward(self, x):
        z = self.gate.forward(x)
        e = np.exp(z - z.max(axis=1, keepdims=True))
        self.a = e / e.sum(axis=1, keepdims=True)
        self.y = [f.forward(x) for f in self.experts]
        return sum(self.a[:, i, None] * y for i, y in enumerate(self.y))

    def backward(self, dout):
        da = np.stack([(dout * y).sum(axis=1) for y in self.y], axis=1)
        dx = self.gate.backward(self.a * (da - (da * self.a).sum(axis=1, keepdims=True)))
        for i, f in enumerate(self.experts):
            dx = dx + f.backward(dout * self.a[:, i, None])
        return dx


class Builtin(nl.Layer):
    def __init__(self, rng):
        self.a = nl.Affine.from_arrays(rng.normal(size=(3, 4)), rng.normal(size=4))
        self.b = nl.Affine.from_arrays(rng.normal(size=(4, 2)))
        self.act = nl.Sigmoid()

    def forward(self, x):
        return self.b.forward(self.act.forward(self.a.forward(x)))

    def backward(self, dout):
        return self.a.backward(self.act.backward(self.b.backward(dout)))


def x(rng):
    return (rng.normal(size=(4, 3)),)


D = lambda rng, m=3: Dense(rng, 3, m)

CORRECT = {
    "Chain": lambda rng: (Chain(D(rng), Tanh(), D(rng)), x(rng)),
    "Residual": lambda rng: (Residual(Chain(D(rng), Tanh())), x(rng)),
    "ResidualOfResidual": lambda rng: (Residual(Chain(Residual(D(rng)), Tanh())), x(rng)),
    "ScaledBranch": lambda rng: (ScaledBranch(D(rng)), x(rng)),
    "Parallel": lambda rng: (Parallel(a=D(rng), b=Chain(D(rng), Tanh()), c=Tanh()), x(rng)),
    "Gate": lambda rng: (Gate(D(rng), D(rng)), x(rng)),
    "TwiceTied": lambda rng: (TwiceTied(Chain(D(rng), Tanh())), x(rng)),
    "ReRun": lambda rng: (ReRun(Chain(D(rng), Tanh())), x(rng)),
    "Experts": lambda rng: (Experts(D(rng, 2), [D(rng), D(rng)]), x(rng)),
    "Builtin": lambda rng: (Builtin(rng), x(rng)),
}
