import numpy as np

import netlib as nl


class ReluCopies(nl.Layer):
    def forward(self, x):
        self.mask = x <= 0
        return np.maximum(x, 0)

    def backward(self, dout):
        dout = dout.copy()
        dout[self.mask] = 0
        return dout


class WritesOwnCopy(nl.Layer):
    def forward(self, x):
        x = x.copy()
        x -= x.mean(axis=0)
        x *= 2
        return x

    def backward(self, dout):
        return 2 * (dout - dout.mean(axis=0))


class GradByAssignment(nl.Layer):
    """grad = grad + dw: assignment that accumulates."""

    def __init__(self, rng, n, m):
        self.w = nl.Parameter(rng.normal(size=(n, m)))

    def forward(self, x):
        self.x = x.copy()
        return x @ self.w.value

    def backward(self, dout):
        self.w.grad = self.w.grad + self.x.T @ dout
        return dout @ self.w.value.T


class GradOut(GradByAssignment):
    def backward(self, dout):
        np.add(self.w.grad, self.x.T @ dout, out=self.w.grad)
        return dout @ self.w.value.T


class NegatedTwice(GradByAssignment):
    def backward(self, dout):
        self.w.grad -= self.x.T @ -dout
        return -(-dout @ self.w.value.T)


class ScratchBuffer(nl.Layer):
    """Works in an array of its own, and returns copies of it."""

    def forward(self, x):
        if not hasattr(self, "s") or self.s.shape != x.shape or self.s.dtype != x.dtype:
            self.s = np.empty_like(x)
        np.tanh(x, out=self.s)
        return self.s.copy()

    def backward(self, dout):
        d = self.s * self.s
        np.subtract(1, d, out=d)
        d *= dout
        return d


class Flatten(nl.Layer):
    """Both return views."""

    def forward(self, x):
        self.shape = x.shape
        return x.reshape(len(x), -1)

    def backward(self, dout):
        return dout.reshape(self.shape)


class Same(nl.Layer):
    def forward(self, x):
        return x.copy()

    def backward(self, dout):
        return dout


class PopsCache(nl.Layer):
    def forward(self, x):
        self.cache = (np.cos(x), x.shape)
        return np.sin(x).sum(axis=1)

    def backward(self, dout):
        c, shape = self.cache
        return np.broadcast_to(dout[:, None], shape) * c


class DtypeKept(nl.Layer):
    def forward(self, x):
        self.c = np.linspace(1, 2, x.shape[1]).astype(x.dtype)
        return x * self.c

    def backward(self, dout):
        return dout * self.c


class SafeAtZero(nl.Layer):
    def forward(self, x):
        self.x = x.copy()
        return x * np.abs(x)

    def backward(self, dout):
        return 2 * dout * np.abs(self.x)


class FortranOrder(nl.Layer):
    def forward(self, x):
        return np.asfortranarray(2 * x)

    def backward(self, dout):
        return np.asfortranarray(2 * dout)


class BackwardParameters(GradByAssignment):
    def backward_parameters(self, dout):
        self.w.grad += self.x.T @ dout

    def backward(self, dout):
        self.backward_parameters(dout)
        return dout @ self.w.value.T


def x(rng):
    return (rng.normal(size=(4, 3)),)


def padded(rng):
    a = rng.normal(size=(4, 3))
    a[:, 2] = 0
    return (a,)


S = lambda c: lambda rng: (c(rng, 3, 2), x(rng))
B = lambda c: lambda rng: (c(), x(rng))

CORRECT = {
    "ReluCopies": B(ReluCopies),
    "WritesOwnCopy": B(WritesOwnCopy),
    "GradByAssignment": S(GradByAssignment),
    "GradOut": S(GradOut),
    "NegatedTwice": S(NegatedTwice),
    "ScratchBuffer": B(ScratchBuffer),
    "Flatten": lambda rng: (Flatten(), (rng.normal(size=(3, 2, 2)),)),
    "Same": B(Same),
    "PopsCache": B(PopsCache),
    "DtypeKept": B(DtypeKept),
    "SafeAtZero": lambda rng: (SafeAtZero(), padded(rng)),
    "FortranOrder": B(FortranOrder),
    "BackwardParameters": S(BackwardParameters),
}
