import numpy as np

import netlib as nl


class TiedAutoencoder(nl.Layer):
    def __init__(self, rng, n, m):
        self.w = nl.Parameter(rng.normal(size=(n, m)))

    def forward(self, x):
        self.x = x.copy()
        self.h = np.tanh(x @ self.w.value)
        return self.h @ self.w.value.T

    def backward(self, dout):
        dz = dout @ self.w.value * (1 - self.h**2)
        self.w.grad += dout.T @ self.h
        self.w.grad += self.x.T @ dz
        return dz @ self.w.value.T


class SameBiasTwice(nl.Layer):
    def __init__(self, rng, n):
        self.b = nl.Parameter(rng.normal(size=n))

    def forward(self, x):
        self.t = np.tanh(x + self.b.value)
        return self.t + self.b.value

    def backward(self, dout):
        d = dout * (1 - self.t**2)
        self.b.grad += (d + dout).sum(axis=0)
        return d


class BiasDoubled(nl.Layer):
    """b is added two times: its gradient is twice the sum."""

    def __init__(self, rng, n):
        self.b = nl.Parameter(rng.normal(size=n))
        self.again = {"b": self.b}

    def forward(self, x):
        return x + self.b.value + self.again["b"].value

    def backward(self, dout):
        for p in (self.b, self.again["b"]):
            p.grad += dout.sum(axis=0)
        return dout.copy()


class ScaleShift(nl.Layer):
    def __init__(self, rng, n):
        self.scale = nl.Parameter(rng.normal(size=n))
        self.shift = nl.Parameter(rng.normal(size=n))

    def forward(self, x):
        self.x = x.copy()
        return x * self.scale.value + self.shift.value

    def backward(self, dout):
        self.scale.grad += (dout * self.x).sum(axis=0)
        self.shift.grad += dout.sum(axis=0)
        return dout * self.scale.value


class SquaredWeight(nl.Layer):
    def __init__(self, rng, n, m):
        self.w = nl.Parameter(rng.normal(size=(n, m)))

    def forward(self, x):
        self.x = x.copy()
        return x @ self.w.value**2

    def backward(self, dout):
        self.w.grad += 2 * self.w.value * (self.x.T @ dout)
        return dout @ (self.w.value**2).T


class Siamese(nl.Layer):
    n_outputs = 2

    def __init__(self, rng, n, m):
        self.w = nl.Parameter(rng.normal(size=(n, m)))

    def forward(self, a, b):
        self.a, self.b = a.copy(), b.copy()
        return a @ self.w.value, b @ self.w.value

    def backward(self, dout):
        da, db = dout
        self.w.grad += self.a.T @ da + self.b.T @ db
        return da @ self.w.value.T, db @ self.w.value.T


class UnusedParameter(nl.Layer):
    """A second parameter that only another mode would use: its gradient is zero, rightly."""

    def __init__(self, rng, n):
        self.w = nl.Parameter(rng.normal(size=n))
        self.alternative = nl.Parameter(rng.normal(size=n))
        self.which = "w"

    def forward(self, x):
        self.x = x.copy()
        return x * getattr(self, self.which).value

    def backward(self, dout):
        p = getattr(self, self.which)
        p.grad += (dout * self.x).sum(axis=0)
        return dout * p.value


class SymmetricWeight(nl.Layer):
    def __init__(self, rng, n):
        self.w = nl.Parameter(rng.normal(size=(n, n)))

    def forward(self, x):
        self.x = x.copy()
        return x @ (self.w.value + self.w.value.T) / 2

    def backward(self, dout):
        d = self.x.T @ dout
        self.w.grad += (d + d.T) / 2
        return dout @ (self.w.value + self.w.value.T) / 2


def x(rng):
    return (rng.normal(size=(5, 3)),)


CORRECT = {
    "TiedAutoencoder": lambda rng: (TiedAutoencoder(rng, 3, 2), x(rng)),
    "SameBiasTwice": lambda rng: (SameBiasTwice(rng, 3), x(rng)),
    "BiasDoubled": lambda rng: (BiasDoubled(rng, 3), x(rng)),
    "ScaleShift": lambda rng: (ScaleShift(rng, 3), x(rng)),
    "SquaredWeight": lambda rng: (SquaredWeight(rng, 3, 2), x(rng)),
    "Siamese": lambda rng: (Siamese(rng, 3, 2), (*x(rng), *x(rng))),
    "UnusedParameter": lambda rng: (UnusedParameter(rng, 3), x(rng)),
    "SymmetricWeight": lambda rng: (SymmetricWeight(rng, 3), x(rng)),
}
