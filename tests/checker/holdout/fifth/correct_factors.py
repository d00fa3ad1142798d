import numpy as np

import netlib as nl


class MeanAffine(nl.Layer):
    """The mean over the samples is part of forward."""

    def __init__(self, rng, n, m):
        self.w = nl.Parameter(rng.normal(size=(n, m)))

    def forward(self, x):
        self.x = x.copy()
        return (x @ self.w.value).mean(axis=0)

    def backward(self, dout):
        self.w.grad += np.outer(self.x.mean(axis=0), dout)
        return np.tile(self.w.value @ dout / len(self.x), (len(self.x), 1))


class PixelBias(nl.Layer):
    def __init__(self, rng, c):
        self.b = nl.Parameter(rng.normal(size=c))

    def forward(self, x):
        return x + self.b.value[:, None, None]

    def backward(self, dout):
        self.b.grad += dout.sum(axis=(0, 2, 3))
        return dout.copy()


class HalfSquare(nl.Layer):
    def forward(self, x):
        self.x = x.copy()
        return x**2 / 2

    def backward(self, dout):
        return dout * self.x


class EqualizedLR(nl.Layer):
    def __init__(self, rng, n, m):
        self.w = nl.Parameter(rng.normal(size=(n, m)))
        self.c = float(np.sqrt(2.0 / n))

    def forward(self, x):
        self.x = x.copy()
        return x @ self.w.value * self.c

    def backward(self, dout):
        dout = dout * self.c
        self.w.grad += self.x.T @ dout
        return dout @ self.w.value.T


class Temperature(nl.Layer):
    def forward(self, x):
        e = np.exp(x / 2.5)
        self.p = e / e.sum(axis=1, keepdims=True)
        return self.p.copy()

    def backward(self, dout):
        return self.p * (dout - (dout * self.p).sum(axis=1, keepdims=True)) / 2.5


class Bessel(nl.Layer):
    def forward(self, x):
        self.c = x - x.mean(axis=0)
        return x.var(axis=0, ddof=1)

    def backward(self, dout):
        return 2 * dout * self.c / (len(self.c) - 1)


class TinyScale(nl.Layer):
    def forward(self, x):
        return 1e-3 * x

    def backward(self, dout):
        return 1e-3 * dout


class BatchSizeScale(nl.Layer):
    """y = N x: the factor is right, though it is the number of samples."""

    def forward(self, x):
        self.n = len(x)
        return self.n * x

    def backward(self, dout):
        return self.n * dout


class DecayTerm(nl.Layer):
    """The decay is part of forward, as a second output."""

    n_outputs = 2

    def __init__(self, rng, n, m):
        self.w = nl.Parameter(rng.normal(size=(n, m)))

    def forward(self, x):
        self.x = x.copy()
        return x @ self.w.value, 0.05 * (self.w.value**2).sum()

    def backward(self, dout):
        dy, dd = dout
        self.w.grad += self.x.T @ dy + 0.1 * dd * self.w.value
        return dy @ self.w.value.T


def x(rng, n=5, d=3):
    return (rng.normal(size=(n, d)),)


def img(rng):
    return (rng.normal(size=(3, 2, 4, 5)),)


CORRECT = {
    "MeanAffine": lambda rng: (MeanAffine(rng, 3, 2), x(rng)),
    "PixelBias": lambda rng: (PixelBias(rng, 2), img(rng)),
    "HalfSquare": lambda rng: (HalfSquare(), x(rng)),
    "EqualizedLR": lambda rng: (EqualizedLR(rng, 3, 2), x(rng)),
    "Temperature": lambda rng: (Temperature(), x(rng, d=4)),
    "Bessel": lambda rng: (Bessel(), x(rng)),
    "TinyScale": lambda rng: (TinyScale(), x(rng)),
    "BatchSizeScale": lambda rng: (BatchSizeScale(), x(rng)),
    "DecayTerm": lambda rng: (DecayTerm(rng, 3, 2), x(rng)),
}
