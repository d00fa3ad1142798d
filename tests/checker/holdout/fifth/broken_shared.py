import numpy as np

import netlib as nl


class TiedAutoencoder(nl.Layer):
    def __init__(self, rng, n, m):
        self.w = nl.Parameter(rng.normal(size=(n, m)))

    def forward(self, x):
        self.x = x.copy()
        self.h = np.tanh(x @ self.w.value)
        return self.h @ self.w.value.T


class TiedDecoderOnly(TiedAutoencoder):  # the encoder's part of dw is missing
    def backward(self, dout):
        dz = dout @ self.w.value * (1 - self.h**2)
        self.w.grad += dout.T @ self.h
        return dz @ self.w.value.T


class TiedEncoderOnly(TiedAutoencoder):  # the decoder's part of dw is missing
    def backward(self, dout):
        dz = dout @ self.w.value * (1 - self.h**2)
        self.w.grad += self.x.T @ dz
        return dz @ self.w.value.T


class TiedAverage(TiedAutoencoder):  # the two parts are averaged
    def backward(self, dout):
        dz = dout @ self.w.value * (1 - self.h**2)
        self.w.grad += 0.5 * (self.x.T @ dz + dout.T @ self.h)
        return dz @ self.w.value.T


class TiedOverwrites(TiedAutoencoder):  # the second part replaces what is in grad
    def backward(self, dout):
        dz = dout @ self.w.value * (1 - self.h**2)
        self.w.grad += dout.T @ self.h
        self.w.grad = self.x.T @ dz
        return dz @ self.w.value.T


class SameBiasTwice(nl.Layer):  # b is added before and after; counted once
    def __init__(self, rng, n):
        self.b = nl.Parameter(rng.normal(size=n))

    def forward(self, x):
        self.t = np.tanh(x + self.b.value)
        return self.t + self.b.value

    def backward(self, dout):
        d = dout * (1 - self.t**2)
        self.b.grad += d.sum(axis=0)
        return d


class SharedHolder(nl.Layer):  # two names of one parameter; its gradient is added under both
    def __init__(self, rng, n):
        self.w = nl.Parameter(rng.normal(size=n))
        self.names = {"a": self.w, "b": self.w}

    def forward(self, x):
        self.x = x.copy()
        return x * self.w.value

    def backward(self, dout):
        for p in self.names.values():
            p.grad += (dout * self.x).sum(axis=0)
        return dout * self.w.value


class ScaleShiftExchanged(nl.Layer):  # the gradients of scale and shift exchanged
    def __init__(self, rng, n):
        self.scale = nl.Parameter(rng.normal(size=n))
        self.shift = nl.Parameter(rng.normal(size=n))

    def forward(self, x):
        self.x = x.copy()
        return x * self.scale.value + self.shift.value

    def backward(self, dout):
        self.scale.grad += dout.sum(axis=0)
        self.shift.grad += (dout * self.x).sum(axis=0)
        return dout * self.scale.value


class ScaleByShift(ScaleShiftExchanged):  # dx with the other parameter
    def backward(self, dout):
        self.scale.grad += (dout * self.x).sum(axis=0)
        self.shift.grad += dout.sum(axis=0)
        return dout * self.shift.value


class TwoMatricesExchanged(nl.Layer):  # x A + x² B: gradients exchanged
    def __init__(self, rng, n):
        self.a = nl.Parameter(rng.normal(size=(n, n)))
        self.b = nl.Parameter(rng.normal(size=(n, n)))

    def forward(self, x):
        self.x = x.copy()
        return x @ self.a.value + x**2 @ self.b.value

    def backward(self, dout):
        self.b.grad += self.x.T @ dout
        self.a.grad += (self.x**2).T @ dout
        return dout @ self.a.value.T + 2 * self.x * (dout @ self.b.value.T)


class SquaredWeight(nl.Layer):  # positive weight w²: the factor 2 w is missing
    def __init__(self, rng, n, m):
        self.w = nl.Parameter(rng.normal(size=(n, m)))

    def forward(self, x):
        self.x = x.copy()
        return x @ self.w.value**2

    def backward(self, dout):
        self.w.grad += self.x.T @ dout
        return dout @ (self.w.value**2).T


class SiameseSecondOnly(nl.Layer):  # f(a), f(b) by one weight: only b's pass reaches it
    n_outputs = 2

    def __init__(self, rng, n, m):
        self.w = nl.Parameter(rng.normal(size=(n, m)))

    def forward(self, a, b):
        self.a, self.b = a.copy(), b.copy()
        return a @ self.w.value, b @ self.w.value

    def backward(self, dout):
        da, db = dout
        self.w.grad += self.b.T @ db
        return da @ self.w.value.T, db @ self.w.value.T


def x(rng):
    return (rng.normal(size=(5, 3)),)


BROKEN = {
    "TiedDecoderOnly": (lambda rng: (TiedDecoderOnly(rng, 3, 2), x(rng)), {"missing-term"}, "w"),
    "TiedEncoderOnly": (lambda rng: (TiedEncoderOnly(rng, 3, 2), x(rng)), {"missing-term"}, "w"),
    "TiedAverage": (lambda rng: (TiedAverage(rng, 3, 2), x(rng)), {"wrong-scale"}, "w"),
    "TiedOverwrites": (lambda rng: (TiedOverwrites(rng, 3, 2), x(rng)), {"missing-term", "not-accumulated"}, "w"),
    "SameBiasTwice": (lambda rng: (SameBiasTwice(rng, 3), x(rng)), {"missing-term"}, "b"),
    "SharedHolder": (lambda rng: (SharedHolder(rng, 3), x(rng)), {"double-counted", "wrong-scale"}, "w"),
    "ScaleShiftExchanged": (lambda rng: (ScaleShiftExchanged(rng, 3), x(rng)), {"swapped"}, None),
    "ScaleByShift": (lambda rng: (ScaleByShift(rng, 3), x(rng)), {"wrong-formula", "swapped"}, "input 0"),
    "TwoMatricesExchanged": (lambda rng: (TwoMatricesExchanged(rng, 3), x(rng)), {"swapped"}, None),
    "SquaredWeight": (lambda rng: (SquaredWeight(rng, 3, 2), x(rng)), {"wrong-formula", "missing-term"}, "w"),
    "SiameseSecondOnly": (lambda rng: (SiameseSecondOnly(rng, 3, 2), (*x(rng), *x(rng))), {"missing-term"}, "w"),
}
