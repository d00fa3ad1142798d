"""Prices above zero, portfolios that sum to one, volatilities, discount factors, rates."""

import numpy as np

import netlib as nl


class LogReturns(nl.Layer):
    def forward(self, price):
        if np.any(price <= 0):
            raise ValueError("prices must be positive")
        self.p = price
        return np.diff(np.log(price), axis=-1)

    def backward(self, dout):
        zero = np.zeros_like(dout[..., :1])
        return (np.concatenate([zero, dout], -1) - np.concatenate([dout, zero], -1)) / self.p


class KellyGrowth(nl.Layer):
    """Mean log growth of a portfolio on the simplex; gross returns are positive."""

    def forward(self, w, gross):
        self.w, self.g = w, gross
        self.r = gross @ w
        return np.log(self.r).mean()

    def backward(self, dout):
        k = dout / self.r / len(self.r)
        return self.g.T @ k, k[:, None] * self.w


class LearnedPortfolio(nl.Layer):
    """Weights are a parameter on the simplex, equal at first."""

    def __init__(self, n):
        self.weights = nl.Parameter(np.full(n, 1 / n))

    def forward(self, r):
        w = self.weights.value
        if abs(w.sum() - 1) > 1e-6:
            raise ValueError("weights must sum to one")
        self.r = r
        return r @ w

    def backward(self, dout):
        self.weights.grad += dout @ self.r
        return dout[:, None] * self.weights.value


class PortfolioVolatility(nl.Layer):
    """sqrt(wᵀ Σ w) with a covariance input, symmetric."""

    def forward(self, w, S):
        self.w, self.Sw = w, S @ w
        self.v = np.sqrt(w @ self.Sw)
        return self.v

    def backward(self, dout):
        return dout * self.Sw / self.v, dout * 0.5 * np.outer(self.w, self.w) / self.v


class SharpeRatio(nl.Layer):
    def forward(self, r):
        self.m = r.mean()
        self.c = r - self.m
        self.s = np.sqrt((self.c**2).mean())
        return self.m / self.s

    def backward(self, dout):
        return dout * (1 / self.s - self.m * self.c / self.s**3) / self.c.size


class BlackScholesCall(nl.Layer):
    """Spot, strike, volatility and time above zero; cdf by math.erf."""

    def forward(self, S, K, sigma, T):
        import math

        self.cdf = np.vectorize(lambda z: 0.5 * (1 + math.erf(z / math.sqrt(2))), otypes=[float])
        self.S, self.K, self.sig, self.T = S, K, sigma, T
        q = sigma * np.sqrt(T)
        self.d1 = np.log(S / K) / q + q / 2
        self.d2 = self.d1 - q
        return S * self.cdf(self.d1) - K * self.cdf(self.d2)

    def backward(self, dout):
        vega = self.S * np.exp(-(self.d1**2) / 2) / np.sqrt(2 * np.pi) * np.sqrt(self.T)
        return (
            dout * self.cdf(self.d1),
            -dout * self.cdf(self.d2),
            dout * vega,
            dout * vega * self.sig / (2 * self.T),
        )


class DiscountCurve(nl.Layer):
    """Forward rates of decreasing discount factors in (0, 1] at increasing times."""

    n_nondifferentiable_inputs = 1

    def forward(self, P, t):
        if np.any(np.diff(P) >= 0):
            raise ValueError("discount factors must decrease")
        self.P, self.dt = P, np.diff(t)
        return -np.diff(np.log(P)) / self.dt

    def backward(self, dout):
        g = dout / self.dt
        return (np.concatenate([g, [0]]) - np.concatenate([[0], g])) / self.P


class CRRAUtility(nl.Layer):
    """c^(1-γ)/(1-γ), consumption > 0, learned γ away from 1."""

    def __init__(self):
        self.gamma = nl.Parameter(np.array(2.0))

    def forward(self, c):
        a = 1 - self.gamma.value
        self.c, self.y = c, c**a / a
        return self.y

    def backward(self, dout):
        a = 1 - self.gamma.value
        self.gamma.grad += np.sum(dout * (self.y / a - self.y * np.log(self.c)))
        return dout * self.c ** (a - 1)


class CobbDouglas(nl.Layer):
    """Constant returns to scale: shares are positive parameters that sum to one."""

    def __init__(self, n):
        self.share = nl.Parameter(np.full(n, 1 / n))

    def forward(self, x):
        self.l = np.log(np.maximum(x, 1e-9))
        self.x = x
        self.y = np.exp(self.l @ self.share.value)
        return self.y

    def backward(self, dout):
        d = dout * self.y
        self.share.grad += d @ self.l
        return d[:, None] * self.share.value / self.x


class Drawdown(nl.Layer):
    """1 - last / maximum of a positive path."""

    def forward(self, p):
        self.k, self.shape = p.argmax(-1), p.shape
        self.hi, self.last = p.max(-1), p[..., -1]
        return 1 - self.last / self.hi

    def backward(self, dout):
        d = np.zeros(self.shape)
        r = np.arange(len(d))
        d[r, self.k] += dout * self.last / self.hi**2
        d[r, -1] -= dout / self.hi
        return d


class ShannonDiversity(nl.Layer):
    """exp of the entropy of species shares; absent species are exact zeros."""

    def forward(self, p):
        self.l = np.log(np.where(p > 0, p, 1))
        self.on = p > 0
        self.y = np.exp(-(p * self.l).sum(-1))
        return self.y

    def backward(self, dout):
        return np.where(self.on, -(dout * self.y)[..., None] * (self.l + 1), 0)


class HardyWeinberg(nl.Layer):
    """Genotype frequencies of an allele frequency in (0, 1), log-likelihood of counts."""

    n_nondifferentiable_inputs = 1

    def forward(self, q, counts):
        self.q, self.c = np.clip(q, 1e-6, 1 - 1e-6), counts
        a, b, c = counts.T
        return (2 * a + b) * np.log(self.q) + (b + 2 * c) * np.log(1 - self.q) + b * np.log(2)

    def backward(self, dout):
        a, b, c = self.c.T
        return dout * ((2 * a + b) / self.q - (b + 2 * c) / (1 - self.q))


class JukesCantor(nl.Layer):
    """Evolutionary distance from a share of differing sites p < 3/4."""

    def forward(self, p):
        self.u = 1 - 4 * p / 3
        if np.any(self.u <= 0):
            raise ValueError("p must be below 3/4")
        return -0.75 * np.log(self.u)

    def backward(self, dout):
        return dout / self.u


class AllometricScaling(nl.Layer):
    """y = a m^b for body masses > 0; exponent starts at 3/4."""

    def __init__(self):
        self.a, self.b = nl.Parameter(np.ones(1)), nl.Parameter(np.array([0.75]))

    def forward(self, m):
        self.m = m
        self.p = m**self.b.value
        return self.a.value * self.p

    def backward(self, dout):
        self.a.grad += (dout * self.p).sum()
        d = dout * self.a.value * self.p
        self.b.grad += (d * np.log(self.m)).sum()
        return d * self.b.value / self.m


def prices(rng, *shape):
    return np.exp(np.cumsum(rng.normal(size=shape) * 0.2, axis=-1)) * 100


def cov(rng, n):
    A = rng.normal(size=(n, n + 2))
    return A @ A.T / n


def shares(rng):
    p = rng.uniform(0.2, 1, (3, 5))
    p[np.arange(3), rng.integers(5, size=3)] = 0
    return p / p.sum(1, keepdims=True)


LAYERS = {
    "LogReturns": lambda rng: (LogReturns(), (prices(rng, 2, 6),)),
    "KellyGrowth": lambda rng: (KellyGrowth(), (rng.dirichlet(np.full(3, 3.0)), rng.uniform(0.7, 1.4, (5, 3)))),
    "LearnedPortfolio": lambda rng: (LearnedPortfolio(4), (rng.normal(size=(5, 4)),)),
    "PortfolioVolatility": lambda rng: (PortfolioVolatility(), (rng.dirichlet(np.full(4, 3.0)), cov(rng, 4))),
    "SharpeRatio": lambda rng: (SharpeRatio(), (rng.normal(size=8) + 0.3,)),
    "BlackScholesCall": lambda rng: (
        BlackScholesCall(),
        (rng.uniform(0.7, 1.4, 5), rng.uniform(0.7, 1.4, 5), rng.uniform(0.15, 0.5, 5), rng.uniform(0.3, 2, 5)),
    ),
    "DiscountCurve": lambda rng: (DiscountCurve(), (np.exp(-np.cumsum(rng.uniform(0.01, 0.1, 6))), np.cumsum(rng.uniform(0.3, 1, 6)))),
    "CRRAUtility": lambda rng: (CRRAUtility(), (rng.uniform(0.5, 3, 6),)),
    "CobbDouglas": lambda rng: (CobbDouglas(3), (rng.uniform(0.5, 3, (5, 3)),)),
    "Drawdown": lambda rng: (Drawdown(), (prices(rng, 4, 6) / 100,)),
    "ShannonDiversity": lambda rng: (ShannonDiversity(), (shares(rng),)),
    "HardyWeinberg": lambda rng: (HardyWeinberg(), (rng.uniform(0.1, 0.9, 4), rng.integers(0, 9, (4, 3)).astype(float))),
    "JukesCantor": lambda rng: (JukesCantor(), (rng.uniform(0.05, 0.65, (4, 3)),)),
    "AllometricScaling": lambda rng: (AllometricScaling(), (rng.uniform(0.1, 10, 6),)),
}
MOVES = {"KellyGrowth": ("simplex", "free"), "PortfolioVolatility": ("simplex", "sym"), "ShannonDiversity": ("rel",)}
PARAMETER_MOVES = {"LearnedPortfolio": {"weights": "simplex"}, "CobbDouglas": {"share": "simplex"}}
