import numpy as np

import netlib as nl


class Reparameterize(nl.Layer):
    def __init__(self):
        self.seed = 5

    def forward(self, mu, lv):
        self.eps = np.random.default_rng(self.seed).normal(size=mu.shape).astype(mu.dtype)
        self.sd = np.exp(0.5 * lv)
        return mu + self.sd * self.eps

    def backward(self, dout):
        return dout.copy(), 0.5 * dout * self.sd * self.eps


class GaussianNLL(nl.Layer):
    n_nondifferentiable_inputs = 1

    def forward(self, mu, lv, t):
        self.e, self.v = mu - t, np.exp(lv)
        return 0.5 * (lv + self.e**2 / self.v)

    def backward(self, dout):
        return dout * self.e / self.v, 0.5 * dout * (1 - self.e**2 / self.v)


class KLToNormal(nl.Layer):
    def forward(self, mu, lv):
        self.mu, self.v = mu.copy(), np.exp(lv)
        return 0.5 * (mu**2 + self.v - 1 - lv).sum(axis=1)

    def backward(self, dout):
        d = dout[:, None]
        return d * self.mu, 0.5 * d * (self.v - 1)


class Softmax(nl.Layer):
    def forward(self, x):
        e = np.exp(x - x.max(axis=1, keepdims=True))
        self.p = e / e.sum(axis=1, keepdims=True)
        return self.p.copy()

    def backward(self, dout):
        return self.p * (dout - (dout * self.p).sum(axis=1, keepdims=True))


class LogSoftmax(Softmax):
    def forward(self, x):
        return np.log(super().forward(x))

    def backward(self, dout):
        return dout - self.p * dout.sum(axis=1, keepdims=True)


class GumbelSoftmax(nl.Layer):
    def __init__(self, tau=0.7):
        self.tau = tau

    def forward(self, x):
        g = np.random.default_rng(2).gumbel(size=x.shape).astype(x.dtype)
        e = np.exp((x + g) / self.tau)
        self.p = e / e.sum(axis=1, keepdims=True)
        return self.p.copy()

    def backward(self, dout):
        return self.p * (dout - (dout * self.p).sum(axis=1, keepdims=True)) / self.tau


class PoissonNLL(nl.Layer):
    n_nondifferentiable_inputs = 1

    def forward(self, lograte, t):
        self.rate, self.t = np.exp(lograte), t.copy()
        return self.rate - t * lograte

    def backward(self, dout):
        return dout * (self.rate - self.t)


class Mixture(nl.Layer):
    def __init__(self, rng, k):
        self.mu = nl.Parameter(rng.normal(size=k))
        self.logit = nl.Parameter(rng.normal(size=k))

    def forward(self, x):
        e = np.exp(self.logit.value)
        self.w = e / e.sum()
        self.d = x[:, None] - self.mu.value
        n = self.w * np.exp(-0.5 * self.d**2)
        self.r = n / n.sum(axis=1, keepdims=True)
        return np.log(n.sum(axis=1))

    def backward(self, dout):
        g = dout[:, None] * self.r
        self.mu.grad += (g * self.d).sum(axis=0)
        self.logit.grad += g.sum(axis=0) - self.w * g.sum()
        return -(g * self.d).sum(axis=1)


class Coupling(nl.Layer):
    n_outputs = 2

    def forward(self, x, s):
        self.x, self.e = x.copy(), np.exp(s)
        return x * self.e, s.sum(axis=1)

    def backward(self, dout):
        dy, dl = dout
        return dy * self.e, dy * self.x * self.e + dl[:, None]


class Entropy(nl.Layer):
    def forward(self, z):
        e = np.exp(z - z.max(axis=1, keepdims=True))
        self.p = e / e.sum(axis=1, keepdims=True)
        self.l = np.log(self.p)
        self.h = -(self.p * self.l).sum(axis=1)
        return self.h.copy()

    def backward(self, dout):
        return -dout[:, None] * self.p * (self.l + self.h[:, None])


class LogLogistic(nl.Layer):
    def forward(self, x):
        self.x = x.copy()
        return -np.abs(x) - 2 * np.log1p(np.exp(-np.abs(x)))

    def backward(self, dout):
        return -dout * np.tanh(self.x / 2)


def r(rng, k=2):
    return tuple(rng.normal(size=(4, 3)) for _ in range(k))


CORRECT = {
    "Reparameterize": lambda rng: (Reparameterize(), r(rng)),
    "GaussianNLL": lambda rng: (GaussianNLL(), r(rng, 3)),
    "KLToNormal": lambda rng: (KLToNormal(), r(rng)),
    "Softmax": lambda rng: (Softmax(), r(rng, 1)),
    "LogSoftmax": lambda rng: (LogSoftmax(), r(rng, 1)),
    "GumbelSoftmax": lambda rng: (GumbelSoftmax(), r(rng, 1)),
    "PoissonNLL": lambda rng: (PoissonNLL(), (rng.normal(size=(4, 3)), rng.integers(0, 5, size=(4, 3)).astype(float))),
    "Mixture": lambda rng: (Mixture(rng, 3), (rng.normal(size=6),)),
    "Coupling": lambda rng: (Coupling(), r(rng)),
    "Entropy": lambda rng: (Entropy(), r(rng, 1)),
    "LogLogistic": lambda rng: (LogLogistic(), r(rng, 1)),
}
