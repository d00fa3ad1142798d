import numpy as np

import netlib as nl


class Divide(nl.Layer):
    def forward(self, a, b):
        self.a, self.b = a.copy(), b.copy()
        return a / b

    def backward(self, dout):
        return dout / self.b, -dout * self.a / self.b**2


class Maximum(nl.Layer):
    def forward(self, a, b):
        self.m = a > b
        return np.maximum(a, b)

    def backward(self, dout):
        return dout * self.m, dout * ~self.m


class Where(nl.Layer):
    n_nondifferentiable_inputs = 1

    def forward(self, a, b, c):
        self.c = c.copy()
        return np.where(c, a, b)

    def backward(self, dout):
        return dout * self.c, dout * ~self.c


class IgnoresSecond(nl.Layer):
    """The second input has no influence: its gradient is zero, rightly."""

    def forward(self, a, b):
        self.shape = b.shape
        return 2 * a

    def backward(self, dout):
        return 2 * dout, np.zeros(self.shape, dout.dtype)


class Add(nl.Layer):
    """Both gradients are dout."""

    def forward(self, a, b):
        return a + b

    def backward(self, dout):
        return dout.copy(), dout.copy()


class Lerp(nl.Layer):
    def forward(self, a, b, w):
        self.a, self.b, self.w = a.copy(), b.copy(), w.copy()
        return a + w * (b - a)

    def backward(self, dout):
        return dout * (1 - self.w), dout * self.w, dout * (self.b - self.a)


class SinCos(nl.Layer):
    n_outputs = 2

    def forward(self, x):
        self.s, self.c = np.sin(x), np.cos(x)
        return self.s.copy(), self.c.copy()

    def backward(self, dout):
        return dout[0] * self.c - dout[1] * self.s


class SplitMean(nl.Layer):
    n_outputs = 2

    def forward(self, x):
        self.n = x.shape[1]
        m = x.mean(axis=1, keepdims=True)
        return x - m, m

    def backward(self, dout):
        dc, dm = dout
        return dc - dc.mean(axis=1, keepdims=True) + dm / self.n


class Polar(nl.Layer):
    n_outputs = 2

    def forward(self, r, t):
        self.r, self.s, self.c = r.copy(), np.sin(t), np.cos(t)
        return r * self.c, r * self.s

    def backward(self, dout):
        dx, dy = dout
        return dx * self.c + dy * self.s, self.r * (dy * self.c - dx * self.s)


class Swap(nl.Layer):
    n_outputs = 2

    def forward(self, a, b):
        return b.copy(), a.copy()

    def backward(self, dout):
        return dout[1].copy(), dout[0].copy()


class ManyInputs(nl.Layer):
    def forward(self, *xs):
        self.n = len(xs)
        return sum((i + 1) * x for i, x in enumerate(xs))

    def backward(self, dout):
        return tuple((i + 1) * dout for i in range(self.n))


class CrossProduct(nl.Layer):
    def forward(self, a, b):
        self.a, self.b = a.copy(), b.copy()
        return np.cross(a, b)

    def backward(self, dout):
        return np.cross(self.b, dout), np.cross(dout, self.a)


def r(rng, k):
    return tuple(rng.normal(size=(4, 3)) for _ in range(k))


def pos(rng):
    return rng.normal(size=(4, 3)), rng.uniform(0.5, 2, size=(4, 3))


CORRECT = {
    "Divide": lambda rng: (Divide(), pos(rng)),
    "Maximum": lambda rng: (Maximum(), r(rng, 2)),
    "Where": lambda rng: (Where(), (*r(rng, 2), rng.normal(size=(4, 3)) > 0)),
    "IgnoresSecond": lambda rng: (IgnoresSecond(), r(rng, 2)),
    "Add": lambda rng: (Add(), r(rng, 2)),
    "Lerp": lambda rng: (Lerp(), r(rng, 3)),
    "SinCos": lambda rng: (SinCos(), r(rng, 1)),
    "SplitMean": lambda rng: (SplitMean(), r(rng, 1)),
    "Polar": lambda rng: (Polar(), pos(rng)[::-1]),
    "Swap": lambda rng: (Swap(), r(rng, 2)),
    "ManyInputs": lambda rng: (ManyInputs(), r(rng, 4)),
    "CrossProduct": lambda rng: (CrossProduct(), r(rng, 2)),
}
