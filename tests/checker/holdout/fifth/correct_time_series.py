import numpy as np

import netlib as nl


class Cumsum(nl.Layer):
    def forward(self, x):
        return np.cumsum(x, axis=1)

    def backward(self, dout):
        return np.cumsum(dout[:, ::-1], axis=1)[:, ::-1].copy()


class Difference(nl.Layer):
    def forward(self, x):
        self.shape = x.shape
        return np.diff(x, axis=1)

    def backward(self, dout):
        dx = np.zeros(self.shape, dout.dtype)
        dx[:, 1:] += dout
        dx[:, :-1] -= dout
        return dx


class EMA(nl.Layer):
    def __init__(self):
        self.logit = nl.Parameter(np.array(0.3))

    def forward(self, x):
        self.a = 1 / (1 + np.exp(-self.logit.value))
        self.x = x.copy()
        s = np.empty_like(x)
        s[:, 0] = x[:, 0]
        for t in range(1, x.shape[1]):
            s[:, t] = self.a * s[:, t - 1] + (1 - self.a) * x[:, t]
        self.s = s
        return s.copy()

    def backward(self, dout):
        g, dx = dout.copy(), np.empty_like(dout)
        for t in range(g.shape[1] - 1, 0, -1):
            self.logit.grad += (g[:, t] * (self.s[:, t - 1] - self.x[:, t])).sum() * self.a * (1 - self.a)
            dx[:, t] = (1 - self.a) * g[:, t]
            g[:, t - 1] += self.a * g[:, t]
        dx[:, 0] = g[:, 0]
        return dx


class Lag(nl.Layer):
    def __init__(self, rng):
        self.w = nl.Parameter(rng.normal(size=2))

    def forward(self, x):
        self.x = x.copy()
        return self.w.value[0] * x[:, 1:] + self.w.value[1] * x[:, :-1]

    def backward(self, dout):
        self.w.grad += np.array([(dout * self.x[:, 1:]).sum(), (dout * self.x[:, :-1]).sum()])
        dx = np.zeros_like(self.x)
        dx[:, 1:] += self.w.value[0] * dout
        dx[:, :-1] += self.w.value[1] * dout
        return dx


class MaskedMean(nl.Layer):
    n_nondifferentiable_inputs = 1

    def forward(self, x, lengths):
        self.m = (np.arange(x.shape[1]) < lengths[:, None]).astype(x.dtype)[:, :, None]
        self.n = self.m.sum(axis=1)
        return (x * self.m).sum(axis=1) / self.n

    def backward(self, dout):
        return (dout / self.n)[:, None] * self.m


class LastValidStep(nl.Layer):
    n_nondifferentiable_inputs = 1

    def forward(self, x, lengths):
        self.shape, self.i = x.shape, (np.arange(len(x)), lengths - 1)
        return x[self.i]

    def backward(self, dout):
        dx = np.zeros(self.shape, dout.dtype)
        dx[self.i] = dout
        return dx


class CausalShift(nl.Layer):
    """The last step has no influence: its gradient is zero, rightly."""

    def forward(self, x):
        y = np.zeros_like(x)
        y[:, 1:] = x[:, :-1]
        return y

    def backward(self, dout):
        dx = np.zeros_like(dout)
        dx[:, :-1] = dout[:, 1:]
        return dx


class RunningMean(nl.Layer):
    def forward(self, x):
        self.n = np.arange(1, x.shape[1] + 1).astype(x.dtype)
        return np.cumsum(x, axis=1) / self.n

    def backward(self, dout):
        return np.cumsum((dout / self.n)[:, ::-1], axis=1)[:, ::-1].copy()


class RunningMax(nl.Layer):
    def forward(self, x):
        y = np.maximum.accumulate(x, axis=1)
        self.i = np.maximum.accumulate(np.where(x == y, np.arange(x.shape[1]), 0), axis=1)
        return y

    def backward(self, dout):
        dx = np.zeros_like(dout)
        np.add.at(dx, (np.arange(len(dx))[:, None], self.i), dout)
        return dx


class SeasonMean(nl.Layer):
    def forward(self, x):
        n, t = x.shape
        return x.reshape(n, t // 3, 3).mean(axis=2)

    def backward(self, dout):
        return np.repeat(dout, 3, axis=1) / 3


class CosineSpectrum(nl.Layer):
    def forward(self, x):
        f = np.fft.rfft(x, axis=1)
        self.f, self.n = f, x.shape[1]
        return (f.real**2 + f.imag**2).astype(x.dtype)

    def backward(self, dout):
        w = 2 * dout * self.f
        k = np.arange(self.f.shape[1])[:, None] * np.arange(self.n) * (2 * np.pi / self.n)
        return (w.real @ np.cos(k) - w.imag @ np.sin(k)).astype(dout.dtype)


def s(rng, n=3, t=6):
    return (rng.normal(size=(n, t)),)


def lens(rng):
    return rng.normal(size=(3, 5, 2)), np.array([2, 4, 3])


CORRECT = {
    "Cumsum": lambda rng: (Cumsum(), s(rng)),
    "Difference": lambda rng: (Difference(), s(rng)),
    "EMA": lambda rng: (EMA(), s(rng)),
    "Lag": lambda rng: (Lag(rng), s(rng)),
    "MaskedMean": lambda rng: (MaskedMean(), lens(rng)),
    "LastValidStep": lambda rng: (LastValidStep(), lens(rng)),
    "CausalShift": lambda rng: (CausalShift(), s(rng)),
    "RunningMean": lambda rng: (RunningMean(), s(rng)),
    "RunningMax": lambda rng: (RunningMax(), s(rng)),
    "SeasonMean": lambda rng: (SeasonMean(), s(rng)),
    "CosineSpectrum": lambda rng: (CosineSpectrum(), s(rng)),
}
