"""Likelihoods, survival times, quantiles, order statistics, rates, scales, correlations."""

import numpy as np

import netlib as nl


class Pinball(nl.Layer):
    """Quantile loss of one level in (0, 1); targets have no gradient."""

    n_nondifferentiable_inputs = 1

    def __init__(self, quantile=0.9):
        if not 0 < quantile < 1:
            raise ValueError("quantile must lie in (0, 1)")
        self.q = quantile

    def forward(self, y, t):
        e = t - y
        self.g = np.where(e > 0, -self.q, 1 - self.q).astype(y.dtype)
        return np.maximum(self.q * e, (self.q - 1) * e).mean()

    def backward(self, dout=1.0):
        return dout * self.g / self.g.size


class ManyQuantiles(nl.Layer):
    """Pinball loss for predicted quantiles (N, Q) that are sorted per row."""

    n_nondifferentiable_inputs = 2

    def forward(self, y, t, levels):
        assert np.all(np.diff(y, axis=1) >= 0), "quantiles must not cross"
        e = t[:, None] - y
        self.g = np.where(e > 0, -levels, 1 - levels)
        return (-self.g * e).sum(axis=1)

    def backward(self, dout):
        return dout[:, None] * self.g


class GaussianNLLVariance(nl.Layer):
    """Mean and variance; the variance is floored at 1e-6 as in PyTorch."""

    n_nondifferentiable_inputs = 1

    def forward(self, mu, var, t):
        self.v = np.maximum(var, 1e-6)
        self.r = t - mu
        return 0.5 * (np.log(self.v) + self.r**2 / self.v).mean()

    def backward(self, dout=1.0):
        k = dout * 0.5 / self.r.size
        return -2 * k * self.r / self.v, k * (1 / self.v - self.r**2 / self.v**2)


class LearnedScaleNLL(nl.Layer):
    """Laplace likelihood with one learned scale b > 0."""

    n_nondifferentiable_inputs = 1

    def __init__(self):
        self.scale = nl.Parameter(np.ones(1))

    def forward(self, y, t):
        self.r = y - t
        b = self.scale.value
        return np.abs(self.r) / b + np.log(2 * b)

    def backward(self, dout):
        b = self.scale.value
        self.scale.grad += np.sum(dout * (1 / b - np.abs(self.r) / b**2))
        return dout * np.sign(self.r) / b


class ExponentialSurvival(nl.Layer):
    """Right-censored exponential: event is 0 or 1, times are positive."""

    n_nondifferentiable_inputs = 2

    def forward(self, rate, time, event):
        if np.any(rate <= 0) or np.any(time < 0):
            raise ValueError("rates and times must be positive")
        self.rate, self.time, self.event = rate, time, event
        return rate * time - event * np.log(rate)

    def backward(self, dout):
        return dout * (self.time - self.event / self.rate)


class WeibullNLL(nl.Layer):
    """Times also get a gradient; learned shape and scale."""

    def __init__(self):
        self.shape_ = nl.Parameter(np.array([1.5]))
        self.scale = nl.Parameter(np.array([1.0]))

    def forward(self, t):
        k, s = self.shape_.value, self.scale.value
        self.t, self.l = t, np.log(t / s)
        self.z = np.exp(k * self.l)
        return self.z - np.log(k / s) - (k - 1) * self.l

    def backward(self, dout):
        k, s = self.shape_.value, self.scale.value
        self.shape_.grad += np.sum(dout * (self.z * self.l - 1 / k - self.l))
        self.scale.grad += np.sum(dout * (-k * self.z + k)) / s
        return dout * (k * self.z - (k - 1)) / self.t


class CoxPartialLikelihood(nl.Layer):
    """Scores sorted by descending survival time, so that risk sets are cumulative sums."""

    n_nondifferentiable_inputs = 2

    def forward(self, score, time, event):
        if np.any(np.diff(time) > 0):
            raise ValueError("sort by descending time first")
        self.e, self.event = np.exp(score), event
        self.risk = np.cumsum(self.e)
        return -np.sum(event * (score - np.log(self.risk)))

    def backward(self, dout):
        tail = np.cumsum((self.event / self.risk)[::-1])[::-1]
        return dout * (self.e * tail - self.event)


class ConcordanceSurrogate(nl.Layer):
    """Logistic surrogate of the C-index over comparable pairs; times only through their ranks."""

    def forward(self, score, time):
        self.c = (time[:, None] < time[None, :]).astype(score.dtype)
        self.n = self.c.sum()
        self.time = time
        self.s = 1 / (1 + np.exp(-(score[None, :] - score[:, None])))
        return np.sum(self.c * self.s) / self.n

    def backward(self, dout):
        g = dout * self.c * self.s * (1 - self.s) / self.n
        return g.sum(0) - g.sum(1), np.zeros_like(self.time)


class SpearmanWithRanks(nl.Layer):
    """Correlation of x with given ranks 1 … n: their mean and sum of squares are known."""

    n_nondifferentiable_inputs = 1

    def forward(self, x, ranks):
        n = len(x)
        self.r = ranks - (n + 1) / 2
        self.rr = np.sqrt(n * (n * n - 1) / 12)
        self.c = x - x.mean()
        self.s = np.sqrt((self.c**2).sum())
        self.y = (self.c @ self.r) / (self.s * self.rr)
        return self.y

    def backward(self, dout):
        return dout * (self.r / (self.s * self.rr) - self.y * self.c / self.s**2)


class FisherZ(nl.Layer):
    """arctanh of correlations in (-1, 1)."""

    def forward(self, r):
        self.r = np.clip(r, -0.999999, 0.999999)
        return 0.5 * np.log((1 + self.r) / (1 - self.r))

    def backward(self, dout):
        return dout / (1 - self.r**2)


class GeometricMean(nl.Layer):
    def forward(self, x):
        self.x = np.maximum(x, 1e-12)
        self.y = np.exp(np.log(self.x).mean(axis=-1, keepdims=True))
        return self.y

    def backward(self, dout):
        return dout * self.y / self.x / self.x.shape[-1]


class HarmonicMean(nl.Layer):
    def forward(self, x):
        if not (x > 0).all():
            raise ValueError("harmonic mean needs positive numbers")
        self.x = x
        self.y = x.shape[-1] / (1 / x).sum(axis=-1)
        return self.y

    def backward(self, dout):
        return (dout * self.y**2)[..., None] / self.x**2 / self.x.shape[-1]


class PowerMean(nl.Layer):
    """Learned exponent, positive inputs."""

    def __init__(self, p=1.0):
        self.p = nl.Parameter(np.array(p))

    def forward(self, x):
        p = self.p.value
        self.x, self.xp = x, x**p
        self.m = self.xp.mean(-1)
        self.y = self.m ** (1 / p)
        return self.y

    def backward(self, dout):
        p = self.p.value
        dm = dout * self.y / (p * self.m)
        lx = (self.xp * np.log(self.x)).mean(-1)
        self.p.grad += np.sum(dm * lx - dout * self.y * np.log(self.m) / p**2)
        return (dm / self.x.shape[-1])[..., None] * p * self.xp / self.x


class MedianOfOddRows(nl.Layer):
    def forward(self, x):
        if x.shape[1] % 2 == 0:
            raise ValueError("odd number of columns, please")
        self.k = np.argsort(x, axis=1)[:, x.shape[1] // 2]
        self.shape = x.shape
        return np.median(x, axis=1)

    def backward(self, dout):
        dx = np.zeros(self.shape, dout.dtype)
        dx[np.arange(len(dx)), self.k] = dout
        return dx


class TrimmedMean(nl.Layer):
    def forward(self, x):
        order = np.argsort(x, axis=-1)
        self.keep = order[..., 1:-1]
        self.shape = x.shape
        return np.take_along_axis(x, self.keep, -1).mean(-1)

    def backward(self, dout):
        dx = np.zeros(self.shape, dout.dtype)
        np.put_along_axis(dx, self.keep, np.broadcast_to((dout / self.keep.shape[-1])[..., None], self.keep.shape), -1)
        return dx


class GiniOfSorted(nl.Layer):
    """Gini index of incomes that come sorted and positive."""

    def forward(self, x):
        n = len(x)
        self.w = (2 * np.arange(1, n + 1) - n - 1) / n
        self.s = x.sum()
        self.y = (self.w @ x) / self.s
        return self.y

    def backward(self, dout):
        return dout * (self.w - self.y) / self.s


class SortedWasserstein(nl.Layer):
    """Squared distance of two samples that are sorted already (np.sort is then the identity)."""

    def forward(self, a, b):
        self.d = np.sort(a) - np.sort(b)
        return (self.d**2).mean()

    def backward(self, dout):
        g = 2 * dout * self.d / self.d.size
        return g, -g


class CrpsOfSortedEnsemble(nl.Layer):
    """Continuous ranked probability score; members are in increasing order."""

    n_nondifferentiable_inputs = 1

    def forward(self, x, t):
        n = x.shape[1]
        i = np.arange(1, n + 1)
        self.sign = np.sign(x - t[:, None])
        self.w = (2 * i - n - 1) / n**2
        return np.abs(x - t[:, None]).mean(1) - (self.w * x).sum(1)

    def backward(self, dout):
        return dout[:, None] * (self.sign / self.sign.shape[1] - self.w)


class PoissonRate(nl.Layer):
    """Poisson deviance without constants; counts are whole numbers."""

    n_nondifferentiable_inputs = 1

    def forward(self, rate, counts):
        self.r, self.k = np.maximum(rate, 1e-8), counts
        return (self.r - counts * np.log(self.r)).sum()

    def backward(self, dout=1.0):
        return dout * (1 - self.k / self.r)


class PoissonDeviance(nl.Layer):
    """With k log k = 0 for zero counts."""

    n_nondifferentiable_inputs = 1

    def forward(self, mu, k):
        self.mu, self.k = mu, k
        safe = np.where(k > 0, k, 1)
        return 2 * (np.where(k > 0, k * np.log(safe / mu), 0) - (k - mu))

    def backward(self, dout):
        return 2 * dout * (1 - self.k / self.mu)


class BinomialNLL(nl.Layer):
    """k successes of n; p in (0, 1)."""

    n_nondifferentiable_inputs = 2

    def forward(self, p, k, n):
        if np.any(k > n):
            raise ValueError("k must not exceed n")
        self.p, self.k, self.n = p, k, n
        return -(k * np.log(p) + (n - k) * np.log(1 - p))

    def backward(self, dout):
        return dout * (self.n * self.p - self.k) / (self.p * (1 - self.p))


class StudentT(nl.Layer):
    """Kernel of a t likelihood, scale > 0, degrees of freedom fixed."""

    def __init__(self, nu=4.0):
        self.nu = nu

    def forward(self, x, scale):
        self.z, self.s = x / scale, scale
        return np.log(scale) + (self.nu + 1) / 2 * np.log1p(self.z**2 / self.nu)

    def backward(self, dout):
        g = (self.nu + 1) * self.z / (self.nu + self.z**2)
        return dout * g / self.s, dout * (1 - g * self.z) / self.s


class LogNormalNLL(nl.Layer):
    def forward(self, x, mu, sigma):
        self.x, self.s = x, sigma
        self.z = (np.log(x) - mu) / sigma
        return 0.5 * self.z**2 + np.log(x * sigma)

    def backward(self, dout):
        return (
            dout * (self.z / self.s + 1) / self.x,
            -dout * self.z / self.s,
            dout * (1 - self.z**2) / self.s,
        )


class BetaKernel(nl.Layer):
    """(a-1) log x + (b-1) log(1-x) for x in (0, 1), a, b > 0."""

    def forward(self, x, a, b):
        x = np.clip(x, 1e-7, 1 - 1e-7)
        self.x, self.a, self.b = x, a, b
        return (a - 1) * np.log(x) + (b - 1) * np.log(1 - x)

    def backward(self, dout):
        x = self.x
        return dout * ((self.a - 1) / x - (self.b - 1) / (1 - x)), dout * np.log(x), dout * np.log(1 - x)


class PrecisionWeightedMean(nl.Layer):
    def forward(self, x, variance):
        self.w = 1 / variance
        self.s = self.w.sum(-1, keepdims=True)
        self.m = (self.w * x).sum(-1, keepdims=True) / self.s
        self.x = x
        return self.m

    def backward(self, dout):
        dw = dout * (self.x - self.m) / self.s
        return dout * self.w / self.s, -dw * self.w**2


class WeightedVariance(nl.Layer):
    """Weights sum to one."""

    def forward(self, x, w):
        self.x, self.w = x, w
        self.m = (w * x).sum(-1, keepdims=True)
        return (w * x**2).sum(-1) - self.m[..., 0] ** 2

    def backward(self, dout):
        d = dout[..., None]
        return 2 * d * self.w * (self.x - self.m), d * (self.x**2 - 2 * self.m * self.x)


class CentredVariance(nl.Layer):
    """Rows are centred already: the variance is the mean square, whatever np.var subtracts."""

    def forward(self, x):
        self.x = x
        return x.var(axis=-1)

    def backward(self, dout):
        return 2 * dout[..., None] * self.x / self.x.shape[-1]


class StationaryVariance(nl.Layer):
    """AR(1): σ² / (1 - φ²), |φ| < 1; φ is learned and starts at 0."""

    def __init__(self):
        self.phi = nl.Parameter(np.zeros(1))

    def forward(self, sigma):
        phi = self.phi.value
        if np.any(np.abs(phi) >= 1):
            raise ValueError("not stationary")
        self.s = sigma
        self.q = 1 / (1 - phi**2)
        return sigma**2 * self.q

    def backward(self, dout):
        self.phi.grad += np.sum(dout * self.s**2) * 2 * self.phi.value * self.q**2
        return 2 * dout * self.s * self.q


class OddsRatio(nl.Layer):
    """Log odds ratio of 2x2 tables of positive counts (a, b, c, d)."""

    def forward(self, table):
        self.t = table
        return np.log(table[:, 0] * table[:, 3] / (table[:, 1] * table[:, 2]))

    def backward(self, dout):
        sign = np.array([1, -1, -1, 1], dout.dtype)
        return dout[:, None] * sign / self.t


class BoxCox(nl.Layer):
    """(x^λ - 1) / λ for x > 0, learned λ > 0."""

    def __init__(self, lam=0.5):
        self.lam = nl.Parameter(np.array([lam]))

    def forward(self, x):
        if x.min() <= 0:
            raise ValueError("Box-Cox needs positive data")
        power = self.lam.value
        self.x, self.p = x, x**power
        return (self.p - 1) / power

    def backward(self, dout):
        power = self.lam.value
        self.lam.grad += np.sum(dout * (self.p * np.log(self.x) / power - (self.p - 1) / power**2))
        return dout * self.p / self.x


class ClrTransform(nl.Layer):
    """Centred log ratio of compositions."""

    def forward(self, x):
        self.x = x
        logs = np.log(x)
        return logs - logs.mean(-1, keepdims=True)

    def backward(self, dout):
        return (dout - dout.mean(-1, keepdims=True)) / self.x


class StickBreaking(nl.Layer):
    """Fractions in (0, 1) to the first parts of a composition."""

    def forward(self, v):
        self.v = v
        rest = np.cumprod(1 - v, -1)
        self.before = np.concatenate([np.ones_like(v[..., :1]), rest[..., :-1]], -1)
        self.y = v * self.before
        return self.y

    def backward(self, dout):
        g = dout * self.y
        after = np.cumsum(g[..., ::-1], -1)[..., ::-1] - g
        return dout * self.before - after / (1 - self.v)


def positive(rng, *shape):
    return rng.uniform(0.3, 3, shape)


def rows_sorted(rng, *shape):
    return np.cumsum(rng.uniform(0.2, 1, shape), axis=-1) - 1


def event(rng, n):
    return rng.integers(0, 2, n).astype(float)


def centred(rng, *shape):
    x = rng.normal(size=shape)
    return x - x.mean(-1, keepdims=True)


def binomial(rng, n):
    N = rng.integers(1, 10, n)
    return rng.uniform(0.1, 0.9, n), rng.binomial(N, 0.5).astype(float), N.astype(float)


LAYERS = {
    "Pinball": lambda rng: (Pinball(0.9), (rng.normal(size=(6,)), rng.normal(size=6))),
    "Pinball32": lambda rng: (Pinball(0.25), (rng.normal(size=(3, 2)).astype(np.float32), rng.normal(size=(3, 2)).astype(np.float32))),
    "ManyQuantiles": lambda rng: (ManyQuantiles(), (rows_sorted(rng, 4, 3), rng.normal(size=4), np.array([0.1, 0.5, 0.9]))),
    "GaussianNLLVariance": lambda rng: (GaussianNLLVariance(), (rng.normal(size=(4, 2)), positive(rng, 4, 2), rng.normal(size=(4, 2)))),
    "LearnedScaleNLL": lambda rng: (LearnedScaleNLL(), (rng.normal(size=(4, 2)), rng.normal(size=(4, 2)))),
    "ExponentialSurvival": lambda rng: (ExponentialSurvival(), (positive(rng, 6), rng.exponential(size=6), event(rng, 6))),
    "WeibullNLL": lambda rng: (WeibullNLL(), (positive(rng, 6),)),
    "CoxPartialLikelihood": lambda rng: (
        CoxPartialLikelihood(),
        (rng.normal(size=6), np.sort(rng.exponential(size=6))[::-1].copy(), event(rng, 6)),
    ),
    "ConcordanceSurrogate": lambda rng: (ConcordanceSurrogate(), (rng.normal(size=6), rng.exponential(size=6))),
    "SpearmanWithRanks": lambda rng: (SpearmanWithRanks(), (rng.normal(size=7), rng.permutation(7) + 1.0)),
    "FisherZ": lambda rng: (FisherZ(), (rng.uniform(-0.95, 0.95, (3, 3)),)),
    "GeometricMean": lambda rng: (GeometricMean(), (positive(rng, 3, 4),)),
    "HarmonicMean": lambda rng: (HarmonicMean(), (positive(rng, 3, 4),)),
    "PowerMean": lambda rng: (PowerMean(), (positive(rng, 3, 4),)),
    "MedianOfOddRows": lambda rng: (MedianOfOddRows(), (rng.normal(size=(4, 5)),)),
    "TrimmedMean": lambda rng: (TrimmedMean(), (rng.normal(size=(2, 3, 6)),)),
    "GiniOfSorted": lambda rng: (GiniOfSorted(), (np.sort(positive(rng, 7)),)),
    "SortedWasserstein": lambda rng: (SortedWasserstein(), (rows_sorted(rng, 6), rows_sorted(rng, 6))),
    "CrpsOfSortedEnsemble": lambda rng: (CrpsOfSortedEnsemble(), (rows_sorted(rng, 3, 5), rng.normal(size=3))),
    "PoissonRate": lambda rng: (PoissonRate(), (positive(rng, 5), rng.poisson(1.5, 5))),
    "PoissonDeviance": lambda rng: (PoissonDeviance(), (positive(rng, 6), rng.poisson(1.0, 6).astype(float))),
    "BinomialNLL": lambda rng: (BinomialNLL(), binomial(rng, 6)),
    "StudentT": lambda rng: (StudentT(), (rng.normal(size=(4, 3)), positive(rng, 4, 3))),
    "LogNormalNLL": lambda rng: (LogNormalNLL(), (positive(rng, 5), rng.normal(size=5), positive(rng, 5))),
    "BetaKernel": lambda rng: (BetaKernel(), (rng.uniform(0.05, 0.95, 6), positive(rng, 6), positive(rng, 6))),
    "PrecisionWeightedMean": lambda rng: (PrecisionWeightedMean(), (rng.normal(size=(3, 4)), positive(rng, 3, 4))),
    "WeightedVariance": lambda rng: (WeightedVariance(), (rng.normal(size=(3, 4)), rng.dirichlet(np.ones(4), 3))),
    "CentredVariance": lambda rng: (CentredVariance(), (centred(rng, 3, 5),)),
    "StationaryVariance": lambda rng: (StationaryVariance(), (positive(rng, 4),)),
    "OddsRatio": lambda rng: (OddsRatio(), (rng.integers(1, 9, (4, 4)).astype(float),)),
    "BoxCox": lambda rng: (BoxCox(), (positive(rng, 3, 4),)),
    "ClrTransform": lambda rng: (ClrTransform(), (rng.dirichlet(np.full(4, 3.0), 3),)),
    "StickBreaking": lambda rng: (StickBreaking(), (rng.uniform(0.1, 0.9, (3, 4)),)),
}
MOVES = {"WeightedVariance": ("free", "simplex"), "CentredVariance": ("sumzero",), "ClrTransform": ("simplex",)}
