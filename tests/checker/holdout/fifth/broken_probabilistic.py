import numpy as np

import netlib as nl


class Reparameterize(nl.Layer):  # mu + exp(lv/2) eps with fixed eps
    def __init__(self):
        self.seed = 5

    def forward(self, mu, lv):
        self.eps = np.random.default_rng(self.seed).normal(size=mu.shape).astype(mu.dtype)
        self.sd = np.exp(0.5 * lv)
        return mu + self.sd * self.eps


class ReparamHalf(Reparameterize):  # the half is forgotten
    def backward(self, dout):
        return dout.copy(), dout * self.sd * self.eps


class ReparamVariance(Reparameterize):  # exp(lv) in place of the deviation
    def backward(self, dout):
        return dout.copy(), 0.5 * dout * self.sd**2 * self.eps


class ReparamNoNoise(Reparameterize):  # eps is forgotten
    def backward(self, dout):
        return dout.copy(), 0.5 * dout * self.sd


class ReparamNewNoise(Reparameterize):  # another draw in backward
    def backward(self, dout):
        eps = np.random.default_rng(self.seed + 1).normal(size=dout.shape).astype(dout.dtype)
        return dout.copy(), 0.5 * dout * self.sd * eps


class GaussianNLL(nl.Layer):
    n_nondifferentiable_inputs = 1

    def forward(self, mu, lv, t):
        self.e, self.v = mu - t, np.exp(lv)
        return 0.5 * (lv + self.e**2 / self.v)


class GaussianNLLSignMu(GaussianNLL):  # t - mu
    def backward(self, dout):
        return -dout * self.e / self.v, 0.5 * dout * (1 - self.e**2 / self.v)


class GaussianNLLNoLog(GaussianNLL):  # the log determinant's 1 is missing
    def backward(self, dout):
        return dout * self.e / self.v, -0.5 * dout * self.e**2 / self.v


class GaussianNLLPlus(GaussianNLL):  # 1 + e²/v
    def backward(self, dout):
        return dout * self.e / self.v, 0.5 * dout * (1 + self.e**2 / self.v)


class KLToNormal(nl.Layer):  # the gradients of mu and log variance exchanged
    def forward(self, mu, lv):
        self.mu, self.v = mu.copy(), np.exp(lv)
        return 0.5 * (mu**2 + self.v - 1 - lv).sum(axis=1)

    def backward(self, dout):
        d = dout[:, None]
        return 0.5 * d * (self.v - 1), d * self.mu


class KLToNormalScale(KLToNormal):  # no half for lv
    def backward(self, dout):
        d = dout[:, None]
        return d * self.mu, d * (self.v - 1)


class SoftmaxOneMinus(nl.Layer):  # p (1 - p)
    def forward(self, x):
        e = np.exp(x - x.max(axis=1, keepdims=True))
        self.p = e / e.sum(axis=1, keepdims=True)
        return self.p.copy()

    def backward(self, dout):
        return dout * self.p * (1 - self.p)


class LogSoftmaxNoSum(SoftmaxOneMinus):  # dout (1 - p)
    def forward(self, x):
        return np.log(super().forward(x))

    def backward(self, dout):
        return dout - dout * self.p


class LogSoftmaxPlus(LogSoftmaxNoSum):  # + p sum(dout)
    def backward(self, dout):
        return dout + self.p * dout.sum(axis=1, keepdims=True)


class GumbelSoftmax(nl.Layer):  # the temperature only in forward
    def __init__(self, tau=0.7):
        self.tau = tau

    def forward(self, x):
        g = np.random.default_rng(2).gumbel(size=x.shape).astype(x.dtype)
        e = np.exp((x + g) / self.tau)
        self.p = e / e.sum(axis=1, keepdims=True)
        return self.p.copy()

    def backward(self, dout):
        return self.p * (dout - (dout * self.p).sum(axis=1, keepdims=True))


class PoissonNLL(nl.Layer):  # log input: rate - t, but without the rate's exp
    n_nondifferentiable_inputs = 1

    def forward(self, lograte, t):
        self.z, self.t = lograte.copy(), t.copy()
        return np.exp(lograte) - t * lograte

    def backward(self, dout):
        return dout * (self.z - self.t)


class MixtureWeights(nl.Layer):  # log sum w N: responsibilities not normalized
    def __init__(self, rng, k):
        self.mu = nl.Parameter(rng.normal(size=k))

    def forward(self, x):
        self.d = x[:, None] - self.mu.value
        self.n = np.exp(-0.5 * self.d**2)
        self.total = self.n.sum(axis=1)
        return np.log(self.total)

    def backward(self, dout):
        r = self.n / self.total[:, None]
        self.mu.grad += (dout[:, None] * self.n * self.d).sum(axis=0)
        return -dout * (r * self.d).sum(axis=1)


class CouplingLogDet(nl.Layer):  # affine coupling: the log determinant's gradient is ignored
    n_outputs = 2

    def forward(self, x, s):
        self.x, self.e = x.copy(), np.exp(s)
        return x * self.e, s.sum(axis=1)

    def backward(self, dout):
        dy, _ = dout
        return dy * self.e, dy * self.x * self.e


class StraightThrough(nl.Layer):  # rounds forward, identity backward
    def forward(self, x):
        return np.round(x)

    def backward(self, dout):
        return dout.copy()


def r(rng, k=2):
    return tuple(rng.normal(size=(4, 3)) for _ in range(k))


BROKEN = {
    "ReparamHalf": (lambda rng: (ReparamHalf(), r(rng)), {"wrong-scale"}, "input 1"),
    "ReparamVariance": (lambda rng: (ReparamVariance(), r(rng)), {"wrong-formula"}, "input 1"),
    "ReparamNoNoise": (lambda rng: (ReparamNoNoise(), r(rng)), {"wrong-formula", "missing-term"}, "input 1"),
    "ReparamNewNoise": (lambda rng: (ReparamNewNoise(), r(rng)), {"wrong-formula", "stale-cache"}, "input 1"),
    "GaussianNLLSignMu": (lambda rng: (GaussianNLLSignMu(), r(rng, 3)), {"wrong-sign"}, "input 0"),
    "GaussianNLLNoLog": (lambda rng: (GaussianNLLNoLog(), r(rng, 3)), {"missing-term"}, "input 1"),
    "GaussianNLLPlus": (lambda rng: (GaussianNLLPlus(), r(rng, 3)), {"wrong-sign", "wrong-formula"}, "input 1"),
    "KLToNormal": (lambda rng: (KLToNormal(), r(rng)), {"swapped"}, None),
    "KLToNormalScale": (lambda rng: (KLToNormalScale(), r(rng)), {"wrong-scale"}, "input 1"),
    "SoftmaxOneMinus": (lambda rng: (SoftmaxOneMinus(), r(rng, 1)), {"diagonal-only"}, "input 0"),
    "LogSoftmaxNoSum": (lambda rng: (LogSoftmaxNoSum(), r(rng, 1)), {"diagonal-only", "missing-term"}, "input 0"),
    "LogSoftmaxPlus": (lambda rng: (LogSoftmaxPlus(), r(rng, 1)), {"wrong-sign", "wrong-formula"}, "input 0"),
    "GumbelSoftmax": (lambda rng: (GumbelSoftmax(), r(rng, 1)), {"wrong-scale"}, "input 0"),
    "PoissonNLL": (
        lambda rng: (PoissonNLL(), (rng.normal(size=(4, 3)), rng.integers(0, 5, size=(4, 3)).astype(float))),
        {"wrong-formula", "missing-term"},
        "input 0",
    ),
    "MixtureWeights": (lambda rng: (MixtureWeights(rng, 3), (rng.normal(size=6),)), {"wrong-formula", "missing-term"}, "mu"),
    "CouplingLogDet": (lambda rng: (CouplingLogDet(), r(rng)), {"missing-term", "ignores-upstream"}, "input 1"),
    "StraightThrough": (lambda rng: (StraightThrough(), r(rng, 1)), {"wrong-formula"}, "input 0"),
}
