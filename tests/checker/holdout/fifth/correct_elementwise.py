import numpy as np

import netlib as nl


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


class X(nl.Layer):
    def forward(self, x):
        self.x = x.copy()
        return self.f(x)

    def backward(self, dout):
        return dout * self.slope(self.x)


class Silu(X):
    def f(self, x):
        return x * sigmoid(x)

    def slope(self, x):
        return sigmoid(x) * (1 + x * (1 - sigmoid(x)))


class TanhShrink(X):
    def f(self, x):
        return x - np.tanh(x)

    def slope(self, x):
        return np.tanh(x) ** 2


class Softplus(X):
    def f(self, x):
        return np.log1p(np.exp(x))

    def slope(self, x):
        return sigmoid(x)


class GeluTanh(X):
    def f(self, x):
        return 0.5 * x * (1 + np.tanh(0.7978845608 * (x + 0.044715 * x**3)))

    def slope(self, x):
        t = np.tanh(0.7978845608 * (x + 0.044715 * x**3))
        return 0.5 * (1 + t) + 0.5 * x * (1 - t**2) * 0.7978845608 * (1 + 3 * 0.044715 * x**2)


class Leaky(X):
    def f(self, x):
        return np.where(x > 0, x, 0.1 * x)

    def slope(self, x):
        return np.where(x > 0, np.asarray(1.0, x.dtype), np.asarray(0.1, x.dtype))


class Elu(X):
    def f(self, x):
        return np.where(x > 0, x, np.exp(np.minimum(x, 0)) - 1)

    def slope(self, x):
        return np.exp(np.minimum(x, 0))


class PseudoHuber(X):
    def f(self, x):
        return np.sqrt(x * x + 1) - 1

    def slope(self, x):
        return x / np.sqrt(x * x + 1)


class Reciprocal(X):
    def f(self, x):
        return 1 / x

    def slope(self, x):
        return -1 / x**2


class Clip(X):
    def f(self, x):
        return np.clip(x, -0.5, 0.5)

    def slope(self, x):
        return (np.abs(x) < 0.5).astype(x.dtype)


class Snake(nl.Layer):
    def __init__(self, rng, n):
        self.a = nl.Parameter(rng.uniform(0.5, 2, size=n))

    def forward(self, x):
        self.x = x.copy()
        return x + np.sin(self.a.value * x) ** 2 / self.a.value

    def backward(self, dout):
        a = self.a.value
        s = np.sin(2 * a * self.x)
        self.a.grad += (dout * (s * self.x / a - np.sin(a * self.x) ** 2 / a**2)).sum(axis=0)
        return dout * (1 + s)


class PRelu(nl.Layer):
    def __init__(self, n):
        self.a = nl.Parameter(np.full(n, 0.25))

    def forward(self, x):
        self.x = x.copy()
        return np.where(x > 0, x, self.a.value * x)

    def backward(self, dout):
        self.a.grad += np.where(self.x > 0, 0, dout * self.x).sum(axis=0)
        return np.where(self.x > 0, dout, self.a.value * dout)


class ISRLU(nl.Layer):
    def forward(self, x):
        self.r = 1 / np.sqrt(1 + np.minimum(x, 0) ** 2)
        return x * self.r

    def backward(self, dout):
        return dout * self.r**3


class Involution(nl.Layer):
    def forward(self, x):
        return -x

    def backward(self, dout):
        return -dout


class Steps(nl.Layer):
    """Piecewise constant: the gradient is zero, rightly."""

    def forward(self, x):
        return np.floor(x)

    def backward(self, dout):
        return np.zeros_like(dout)


class Fraction(nl.Layer):
    def forward(self, x):
        return x - np.floor(x)

    def backward(self, dout):
        return dout.copy()


def x(rng, n=4, d=5):
    return (rng.normal(size=(n, d)),)


CORRECT = {
    "Silu": lambda rng: (Silu(), x(rng)),
    "TanhShrink": lambda rng: (TanhShrink(), x(rng)),
    "Softplus": lambda rng: (Softplus(), x(rng)),
    "GeluTanh": lambda rng: (GeluTanh(), x(rng)),
    "Leaky": lambda rng: (Leaky(), x(rng)),
    "Elu": lambda rng: (Elu(), x(rng)),
    "PseudoHuber": lambda rng: (PseudoHuber(), x(rng)),
    "Reciprocal": lambda rng: (Reciprocal(), (rng.uniform(0.5, 2, size=(3, 4)),)),
    "Clip": lambda rng: (Clip(), x(rng)),
    "Snake": lambda rng: (Snake(rng, 5), x(rng)),
    "PRelu": lambda rng: (PRelu(5), x(rng)),
    "ISRLU": lambda rng: (ISRLU(), x(rng)),
    "Involution": lambda rng: (Involution(), x(rng)),
    "Steps": lambda rng: (Steps(), x(rng)),
    "Fraction": lambda rng: (Fraction(), x(rng)),
}
