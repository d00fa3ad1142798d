import numpy as np

import netlib as nl


class Bias(nl.Layer):
    def __init__(self, rng, n):
        self.b = nl.Parameter(rng.normal(size=n))

    def forward(self, x):
        return x + self.b.value

    def backward(self, dout):
        self.b.grad += dout.sum(axis=tuple(range(dout.ndim - 1)))
        return dout.copy()


def sum_to(d, shape):
    d = d.sum(axis=tuple(range(d.ndim - len(shape))))
    return d.sum(axis=tuple(i for i, n in enumerate(shape) if n == 1), keepdims=True)


class MultiplyBroadcast(nl.Layer):
    def forward(self, a, b):
        self.a, self.b = a.copy(), b.copy()
        return a * b

    def backward(self, dout):
        return sum_to(dout * self.b, self.a.shape), sum_to(dout * self.a, self.b.shape)


class Outer(nl.Layer):
    def forward(self, a, b):
        self.a, self.b = a.copy(), b.copy()
        return a[:, None] * b

    def backward(self, dout):
        return (dout * self.b).sum(axis=1), (dout * self.a[:, None]).sum(axis=0)


class Mean(nl.Layer):
    def forward(self, x):
        self.shape = x.shape
        return x.mean(axis=1)

    def backward(self, dout):
        return np.repeat(dout[:, None], self.shape[1], axis=1) / self.shape[1]


class RowAndColumnSums(nl.Layer):
    n_outputs = 2

    def forward(self, x):
        return x.sum(axis=0), x.sum(axis=1)

    def backward(self, dout):
        c, r = dout
        return c[None, :] + r[:, None]


class Variance(nl.Layer):
    def forward(self, x):
        self.c = x - x.mean(axis=1, keepdims=True)
        return x.var(axis=1)

    def backward(self, dout):
        return dout[:, None] * 2 * self.c / self.c.shape[1]


class Std(nl.Layer):
    def forward(self, x):
        self.c = x - x.mean(axis=1, keepdims=True)
        self.s = x.std(axis=1, ddof=1)
        return self.s.copy()

    def backward(self, dout):
        return (dout / self.s)[:, None] * self.c / (self.c.shape[1] - 1)


class LogSumExp(nl.Layer):
    def forward(self, x):
        self.e = np.exp(x)
        return np.log(self.e.sum(axis=1))

    def backward(self, dout):
        return dout[:, None] * self.e / self.e.sum(axis=1, keepdims=True)


class Product(nl.Layer):
    def forward(self, x):
        self.x, self.p = x.copy(), x.prod(axis=1)
        return self.p.copy()

    def backward(self, dout):
        return (dout * self.p)[:, None] / self.x


class ScalarGain(nl.Layer):
    def __init__(self):
        self.g = nl.Parameter(np.array([1.7]))

    def forward(self, x):
        self.x = x.copy()
        return x * self.g.value

    def backward(self, dout):
        self.g.grad += (dout * self.x).sum()
        return dout * self.g.value


class Energy(nl.Layer):
    """All of x in one number: 0-d output."""

    def forward(self, x):
        self.x = x.copy()
        return (x * x).sum() / 2

    def backward(self, dout):
        return dout * self.x


class PNorm(nl.Layer):
    def forward(self, x):
        self.x = x.copy()
        self.y = (np.abs(x) ** 3).sum(axis=-1) ** (1 / 3)
        return self.y.copy()

    def backward(self, dout):
        return (dout / self.y**2)[..., None] * self.x * np.abs(self.x)


def r(rng, *s):
    return rng.normal(size=s)


CORRECT = {
    "Bias": lambda rng: (Bias(rng, 3), (r(rng, 4, 3),)),
    "Bias4d": lambda rng: (Bias(rng, 3), (r(rng, 2, 2, 4, 3),)),
    "MultiplyColumn": lambda rng: (MultiplyBroadcast(), (r(rng, 4, 3), r(rng, 4, 1))),
    "MultiplyBothBroadcast": lambda rng: (MultiplyBroadcast(), (r(rng, 1, 3), r(rng, 2, 4, 1))),
    "Outer": lambda rng: (Outer(), (r(rng, 4), r(rng, 4))),
    "Mean": lambda rng: (Mean(), (r(rng, 4, 7),)),
    "RowAndColumnSums": lambda rng: (RowAndColumnSums(), (r(rng, 4, 4),)),
    "Variance": lambda rng: (Variance(), (r(rng, 4, 5),)),
    "Std": lambda rng: (Std(), (r(rng, 4, 5),)),
    "LogSumExp": lambda rng: (LogSumExp(), (r(rng, 4, 5),)),
    "Product": lambda rng: (Product(), (r(rng, 4, 3),)),
    "ScalarGain": lambda rng: (ScalarGain(), (r(rng, 4, 3),)),
    "Energy": lambda rng: (Energy(), (r(rng, 4, 3),)),
    "PNorm": lambda rng: (PNorm(), (r(rng, 2, 3, 4),)),
}
