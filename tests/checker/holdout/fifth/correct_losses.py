import numpy as np

import netlib as nl


def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


class CrossEntropy(nl.Layer):
    n_nondifferentiable_inputs = 1

    def forward(self, z, t):
        self.p, self.t = softmax(z), t.copy()
        return -np.log(self.p[np.arange(len(t)), t]).mean()

    def backward(self, dout):
        d = self.p.copy()
        d[np.arange(len(self.t)), self.t] -= 1
        return dout * d / len(self.t)


class LabelSmoothing(nl.Layer):
    n_nondifferentiable_inputs = 1

    def forward(self, z, t):
        self.p = softmax(z)
        k = z.shape[1]
        self.soft = 0.9 * np.eye(k, dtype=z.dtype)[t] + 0.1 / k
        return -(self.soft * np.log(self.p)).sum(axis=1).mean()

    def backward(self, dout):
        return dout * (self.p - self.soft) / len(self.p)


class SquaredNone(nl.Layer):
    n_nondifferentiable_inputs = 1

    def forward(self, y, t):
        self.e = y - t
        return self.e**2

    def backward(self, dout):
        return 2 * dout * self.e


class SquaredBoth(nl.Layer):
    def forward(self, a, b):
        self.e = a - b
        return (self.e**2).sum()

    def backward(self, dout):
        d = 2 * dout * self.e
        return d, -d


class BinaryCE(nl.Layer):
    n_nondifferentiable_inputs = 1

    def forward(self, p, t):
        self.p, self.t = p.copy(), t.copy()
        return -(t * np.log(p) + (1 - t) * np.log(1 - p)).mean()

    def backward(self, dout):
        return dout * ((1 - self.t) / (1 - self.p) - self.t / self.p) / self.p.size


class Huber(nl.Layer):
    n_nondifferentiable_inputs = 1

    def forward(self, y, t):
        self.e = y - t
        a = np.abs(self.e)
        return np.where(a < 1, 0.5 * self.e**2, a - 0.5).sum()

    def backward(self, dout):
        return dout * np.clip(self.e, -1, 1)


class HingeSquared(nl.Layer):
    n_nondifferentiable_inputs = 1

    def forward(self, y, t):
        self.t = t.copy()
        self.m = np.maximum(1 - t * y, 0)
        return (self.m**2).mean()

    def backward(self, dout):
        return -2 * dout * self.t * self.m / self.t.size


class Triplet(nl.Layer):
    def forward(self, a, p, n):
        self.ap, self.an = a - p, a - n
        m = (self.ap**2).sum(axis=1) - (self.an**2).sum(axis=1) + 5.0
        self.mask = (m > 0)[:, None]
        return np.maximum(m, 0).sum()

    def backward(self, dout):
        g = 2 * dout * self.mask
        return g * (self.ap - self.an), -g * self.ap, g * self.an


class KL(nl.Layer):
    def forward(self, p, q):
        self.p, self.q = p.copy(), q.copy()
        return (p * np.log(p / q)).sum(axis=1)

    def backward(self, dout):
        d = dout[:, None]
        return d * (np.log(self.p / self.q) + 1), -d * self.p / self.q


class WeightedMeanLoss(nl.Layer):
    n_nondifferentiable_inputs = 2

    def forward(self, y, t, w):
        self.e, self.w = y - t, w / w.sum()
        return (self.w * np.abs(self.e)).sum()

    def backward(self, dout):
        return dout * self.w * np.sign(self.e)


class LearnedTemperature(nl.Layer):
    n_nondifferentiable_inputs = 1

    def __init__(self):
        self.log_t = nl.Parameter(np.array(0.3))

    def forward(self, z, t):
        self.z, self.t = z.copy(), t.copy()
        self.s = np.exp(-self.log_t.value)
        self.p = softmax(z * self.s)
        return -np.log(self.p[np.arange(len(t)), t]).sum()

    def backward(self, dout):
        d = self.p.copy()
        d[np.arange(len(self.t)), self.t] -= 1
        d *= dout
        self.log_t.grad -= (d * self.z).sum() * self.s
        return d * self.s


def cls(rng, n=5, k=4):
    return rng.normal(size=(n, k)), rng.integers(0, k, size=n)


def reg(rng, n=4, d=3):
    return rng.normal(size=(n, d)), rng.normal(size=(n, d))


def prob(rng, n=4, k=3):
    p = rng.uniform(0.2, 1, size=(n, k))
    return p / p.sum(axis=1, keepdims=True)


CORRECT = {
    "CrossEntropy": lambda rng: (CrossEntropy(), cls(rng)),
    "LabelSmoothing": lambda rng: (LabelSmoothing(), cls(rng)),
    "SquaredNone": lambda rng: (SquaredNone(), reg(rng)),
    "SquaredBoth": lambda rng: (SquaredBoth(), reg(rng)),
    "BinaryCE": lambda rng: (BinaryCE(), (rng.uniform(0.1, 0.9, size=(5, 3)), np.tile([0.0, 1.0, 0.0], (5, 1)))),
    "Huber": lambda rng: (Huber(), (3 * rng.normal(size=(6, 3)), np.zeros((6, 3)))),
    "HingeSquared": lambda rng: (HingeSquared(), (2 * rng.normal(size=(6, 3)), np.sign(rng.normal(size=(6, 3))))),
    "Triplet": lambda rng: (Triplet(), (*reg(rng), rng.normal(size=(4, 3)))),
    "KL": lambda rng: (KL(), (prob(rng), prob(rng))),
    "WeightedMeanLoss": lambda rng: (WeightedMeanLoss(), (*reg(rng), rng.uniform(0.5, 2, size=(4, 3)))),
    "LearnedTemperature": lambda rng: (LearnedTemperature(), cls(rng)),
}
