"""Padding masks, lengths, permutations, ranks, sorted and monotone sequences, token ids, log-space recursions."""

import numpy as np

import netlib as nl


class MaskedMean(nl.Layer):
    """Mean over valid steps; mask (N, T) of 0.0 and 1.0."""

    n_nondifferentiable_inputs = 1

    def forward(self, x, mask):
        self.w = mask / np.maximum(mask.sum(1, keepdims=True), 1)
        return (x * self.w[..., None]).sum(1)

    def backward(self, dout):
        return dout[:, None] * self.w[..., None]


class MaskedMeanBool(nl.Layer):
    """Boolean mask, zeros for it are left out."""

    n_nondifferentiable_inputs = 1

    def forward(self, x, mask):
        self.m = mask.astype(x.dtype)
        self.n = self.m.sum(1)
        return (x * self.m).sum(1) / self.n

    def backward(self, dout):
        return (dout / self.n)[:, None] * self.m


class MaskedSoftmaxAdditive(nl.Layer):
    """Adds -1e9 where the mask is 0, as many transformers do; returns zeros for the mask."""

    def forward(self, x, mask):
        z = x + (1 - mask) * -1e9
        e = np.exp(z - z.max(-1, keepdims=True))
        self.p = e / e.sum(-1, keepdims=True)
        self.mask = mask
        return self.p

    def backward(self, dout):
        return self.p * (dout - (dout * self.p).sum(-1, keepdims=True)), np.zeros_like(self.mask)


class MaskedTanh(nl.Layer):
    """Idempotent mask: m² = m, so the mask is applied once in backward."""

    n_nondifferentiable_inputs = 1

    def forward(self, x, m):
        self.y, self.m = np.tanh(x * m), m
        return self.y * m

    def backward(self, dout):
        return dout * self.m * (1 - self.y**2)


class BooleanBlend(nl.Layer):
    """m a + (1 - m) b with m in {0, 1}; as with np.where, plus the true gradient of m."""

    def forward(self, a, b, m):
        self.a, self.b, self.m = a, b, m
        return m * a + (1 - m) * b

    def backward(self, dout):
        return dout * self.m, dout * (1 - self.m), dout * (self.a - self.b)


class LastStep(nl.Layer):
    """x[n, lengths[n] - 1], lengths as integers from 1 to T."""

    n_nondifferentiable_inputs = 1

    def forward(self, x, lengths):
        if lengths.min() < 1 or lengths.max() > x.shape[1]:
            raise IndexError("lengths out of range")
        self.shape, self.i = x.shape, (np.arange(len(x)), lengths.astype(int) - 1)
        return x[self.i]

    def backward(self, dout):
        dx = np.zeros(self.shape, dout.dtype)
        dx[self.i] = dout
        return dx


class MeanOverLengths(nl.Layer):
    """Lengths as floats; zeros returned for them."""

    def forward(self, x, lengths):
        self.lengths = lengths
        self.m = (np.arange(x.shape[1]) < lengths[:, None]) / lengths[:, None]
        return (x * self.m).sum(1)

    def backward(self, dout):
        return dout[:, None] * self.m, np.zeros_like(self.lengths)


class FloatTokenEmbedding(nl.Layer):
    """Ids as float32, as a csv reader gives them; zeros for the ids."""

    def __init__(self, rng, vocabulary=7, features=3):
        self.table = nl.Parameter(rng.normal(size=(vocabulary, features)).astype(np.float32))

    def forward(self, ids):
        self.given, self.ids = ids, ids.astype(int)
        return self.table.value[self.ids]

    def backward(self, dout):
        np.add.at(self.table.grad, self.ids, dout)
        return np.zeros_like(self.given)


class OneHotEmbedding(nl.Layer):
    """Row lookup for one-hot rows: the argmax is enough in forward, and backward is dout Wᵀ."""

    def __init__(self, rng, n=5, features=3):
        self.weight = nl.Parameter(rng.normal(size=(n, features)))

    def forward(self, x):
        if not np.array_equal(x.sum(-1), np.ones(x.shape[:-1])):
            raise ValueError("rows must be one-hot")
        self.x = x
        return x @ self.weight.value

    def backward(self, dout):
        self.weight.grad += self.x.T @ dout
        return dout @ self.weight.value.T


class SortByRanks(nl.Layer):
    """y[rank] = x, ranks 0 … n-1, each once."""

    n_nondifferentiable_inputs = 1

    def forward(self, x, ranks):
        self.r = ranks.astype(int)
        y = np.empty_like(x)
        y[self.r] = x
        return y

    def backward(self, dout):
        return dout[self.r]


class RanksOutput(nl.Layer):
    """Ranks of scores without ties, as floats: constant."""

    def forward(self, x):
        return np.argsort(np.argsort(x, axis=-1), axis=-1).astype(x.dtype)

    def backward(self, dout):
        return np.zeros_like(dout)


class SortedLogGaps(nl.Layer):
    """Gaps of a sorted input, log-transformed; sorted by contract, no sort in the layer."""

    def forward(self, x):
        assert np.all(x[..., 1:] > x[..., :-1])
        self.g = x[..., 1:] - x[..., :-1]
        return np.log(self.g).sum(-1)

    def backward(self, dout):
        h = dout[..., None] / self.g
        dx = np.zeros(h.shape[:-1] + (h.shape[-1] + 1,))
        dx[..., 1:] += h
        dx[..., :-1] -= h
        return dx


class MaxOfMonotone(nl.Layer):
    """Maximum of an increasing sequence is its last entry."""

    def forward(self, x):
        self.shape = x.shape
        return x.max(axis=-1)

    def backward(self, dout):
        dx = np.zeros(self.shape, dout.dtype)
        dx[..., -1] = dout
        return dx


class RunningMaximum(nl.Layer):
    def forward(self, x):
        y = np.maximum.accumulate(x, axis=-1)
        is_new = x == y
        i = np.where(is_new, np.arange(x.shape[-1]), 0)
        self.i = np.maximum.accumulate(i, axis=-1)
        return y

    def backward(self, dout):
        dx = np.zeros_like(dout)
        for k in range(dout.shape[-1]):
            dx[np.arange(len(dout)), self.i[:, k]] += dout[:, k]
        return dx


class LogSpaceForward(nl.Layer):
    """Forward algorithm of an HMM on log-probabilities; learned row-stochastic transitions."""

    def __init__(self, n):
        self.A = nl.Parameter(np.full((n, n), 0.3 / (n - 1)) + (0.7 - 0.3 / (n - 1)) * np.eye(n))

    def forward(self, logp):
        A = self.A.value
        if np.any(A <= 0):
            raise ValueError("transition probabilities must be positive")
        p = np.exp(logp)
        a = [p[0] / len(A)]
        for t in range(1, len(p)):
            a.append((a[-1] @ A) * p[t])
        self.a, self.p = a, p
        return np.log(a[-1].sum())

    def backward(self, dout):
        A = self.A.value
        g = np.full(len(A), dout / self.a[-1].sum())
        d = np.zeros_like(self.p)
        for t in reversed(range(1, len(self.p))):
            d[t] = g * self.a[t]
            h = g * self.p[t]
            self.A.grad += np.outer(self.a[t - 1], h)
            g = A @ h
        d[0] = g * self.a[0]
        return d


class LogSubtract(nl.Layer):
    """log(exp a - exp b) for a > b."""

    def forward(self, a, b):
        if np.any(b >= a):
            raise ValueError("a must exceed b")
        self.r = np.exp(b - a)
        return a + np.log1p(-self.r)

    def backward(self, dout):
        s = 1 / (1 - self.r)
        return dout * s, -dout * self.r * s


class Log1mExp(nl.Layer):
    """log(1 - exp(x)) for negative x (log-probabilities)."""

    def forward(self, x):
        self.x = np.minimum(x, -1e-8)
        return np.log(-np.expm1(self.x))

    def backward(self, dout):
        return dout / (1 - np.exp(-self.x))


class DiscountedReturn(nl.Layer):
    """Learned discount in [0, 1), rewards; done flags are 0/1 without gradient."""

    n_nondifferentiable_inputs = 1

    def __init__(self):
        self.gamma = nl.Parameter(np.array(0.9))

    def forward(self, r, done):
        g = self.gamma.value
        y = np.zeros_like(r)
        s = 0.0
        for t in reversed(range(len(r))):
            s = r[t] + g * (1 - done[t]) * s
            y[t] = s
        self.y, self.done = y, done
        return y

    def backward(self, dout):
        g = self.gamma.value
        dr, s = np.zeros_like(dout), 0.0
        for t in range(len(dout)):
            s = dout[t] + (g * (1 - self.done[t - 1]) * s if t else 0)
            dr[t] = s
            if t + 1 < len(dout):
                self.gamma.grad += s * (1 - self.done[t]) * self.y[t + 1]
        return dr


class OrdinalCutPoints(nl.Layer):
    """Cumulative link model with sorted learned cut points; labels are ranks 0, 1, 2."""

    n_nondifferentiable_inputs = 1

    def __init__(self):
        self.cuts = nl.Parameter(np.array([-0.5, 0.5]))

    def forward(self, x, label):
        c = self.cuts.value
        if np.any(np.diff(c) <= 0):
            raise ValueError("cut points must increase")
        label = label.astype(int)
        s = 1 / (1 + np.exp(-(c - x[:, None])))
        full = np.concatenate([np.zeros((len(x), 1)), s, np.ones((len(x), 1))], 1)
        r = np.arange(len(x))
        self.hi, self.lo = full[r, label + 1], full[r, label]
        self.p, self.label = self.hi - self.lo, label
        return -np.log(self.p)

    def backward(self, dout):
        a = -dout * self.hi * (1 - self.hi) / self.p
        b = dout * self.lo * (1 - self.lo) / self.p
        dc = np.zeros(4)
        np.add.at(dc, self.label + 1, a)
        np.add.at(dc, self.label, b)
        self.cuts.grad += dc[1:3]
        return -(a + b)


class SortedFrequencies(nl.Layer):
    """Learned sorted frequencies: gaps must stay positive; cos(f t)."""

    def __init__(self):
        self.freq = nl.Parameter(np.array([0.5, 1.0, 2.0]))

    def forward(self, t):
        f = self.freq.value
        assert (np.diff(f) > 0).all()
        self.t, self.a = t, t[:, None] * f
        return np.cos(self.a)

    def backward(self, dout):
        g = -dout * np.sin(self.a)
        self.freq.grad += g.T @ self.t
        return g @ self.freq.value


class PositiveScale(nl.Layer):
    """Learned positive widths, log-scale output; ones at first."""

    def __init__(self, n):
        self.width = nl.Parameter(np.ones(n, np.float32))

    def forward(self, x):
        if (self.width.value <= 0).any():
            raise ValueError("widths must be positive")
        self.x = x
        return x / self.width.value - np.log(self.width.value)

    def backward(self, dout):
        w = self.width.value
        self.width.grad += (dout * (-self.x / w**2 - 1 / w)).sum(0)
        return dout / w


class SqrtGate(nl.Layer):
    """sqrt of a learned gain that is small and positive."""

    def __init__(self):
        self.gain = nl.Parameter(np.array([0.01, 0.02, 0.05]))

    def forward(self, x):
        self.x, self.r = x, np.sqrt(self.gain.value)
        return x * self.r

    def backward(self, dout):
        self.gain.grad += (dout * self.x).sum(0) * 0.5 / self.r
        return dout * self.r


def pad_mask(rng, n, t):
    return (np.arange(t) < rng.integers(1, t + 1, (n, 1))).astype(float)


def logsub(rng, n):
    b = rng.normal(size=n)
    return b + rng.uniform(0.3, 2, n), b


LAYERS = {
    "MaskedMean": lambda rng: (MaskedMean(), (rng.normal(size=(3, 5, 2)), pad_mask(rng, 3, 5))),
    "MaskedMeanBool": lambda rng: (MaskedMeanBool(), (rng.normal(size=(3, 5)), pad_mask(rng, 3, 5) > 0)),
    "MaskedSoftmaxAdditive": lambda rng: (MaskedSoftmaxAdditive(), (rng.normal(size=(3, 5)), pad_mask(rng, 3, 5))),
    "MaskedTanh": lambda rng: (MaskedTanh(), (rng.normal(size=(3, 5)), pad_mask(rng, 3, 5))),
    "BooleanBlend": lambda rng: (
        BooleanBlend(),
        (rng.normal(size=(3, 4)), rng.normal(size=(3, 4)), rng.integers(0, 2, (3, 4)).astype(float)),
    ),
    "LastStep": lambda rng: (LastStep(), (rng.normal(size=(3, 5, 2)), rng.integers(1, 6, 3))),
    "LastStepFloat": lambda rng: (LastStep(), (rng.normal(size=(3, 5)), rng.integers(1, 6, 3).astype(float))),
    "MeanOverLengths": lambda rng: (MeanOverLengths(), (rng.normal(size=(3, 5)), rng.integers(1, 6, 3).astype(float))),
    "FloatTokenEmbedding": lambda rng: (FloatTokenEmbedding(rng), (rng.integers(0, 7, (2, 4)).astype(np.float32),)),
    "OneHotEmbedding": lambda rng: (OneHotEmbedding(rng), (np.eye(5)[rng.integers(0, 5, 4)],)),
    "SortByRanks": lambda rng: (SortByRanks(), (rng.normal(size=(6, 2)), rng.permutation(6).astype(float))),
    "RanksOutput": lambda rng: (RanksOutput(), (rng.normal(size=(2, 6)),)),
    "SortedLogGaps": lambda rng: (SortedLogGaps(), (np.cumsum(rng.uniform(0.3, 1, (2, 5)), 1),)),
    "MaxOfMonotone": lambda rng: (MaxOfMonotone(), (np.cumsum(rng.uniform(0.3, 1, (3, 4)), 1),)),
    "RunningMaximum": lambda rng: (RunningMaximum(), (rng.normal(size=(3, 6)),)),
    "LogSpaceForward": lambda rng: (LogSpaceForward(3), (np.log(rng.dirichlet(np.full(3, 3.0), 5)),)),
    "LogSubtract": lambda rng: (LogSubtract(), logsub(rng, 6)),
    "Log1mExp": lambda rng: (Log1mExp(), (-rng.uniform(0.1, 3, (3, 4)),)),
    "DiscountedReturn": lambda rng: (DiscountedReturn(), (rng.normal(size=7), rng.integers(0, 2, 7).astype(float))),
    "OrdinalCutPoints": lambda rng: (OrdinalCutPoints(), (rng.normal(size=6), rng.integers(0, 3, 6))),
    "OrdinalCutPointsFloat": lambda rng: (OrdinalCutPoints(), (rng.normal(size=6), rng.integers(0, 3, 6).astype(float))),
    "SortedFrequencies": lambda rng: (SortedFrequencies(), (rng.uniform(0, 3, 5),)),
    "PositiveScale": lambda rng: (PositiveScale(3), (rng.normal(size=(4, 3)).astype(np.float32),)),
    "SqrtGate": lambda rng: (SqrtGate(), (rng.normal(size=(4, 3)),)),
}
MOVES = {
    "MaskedSoftmaxAdditive": ("free", "fixed"),
    "MeanOverLengths": ("free", "fixed"),
    "FloatTokenEmbedding": ("fixed",),
    "OneHotEmbedding": ("fixed",),
    "LogSpaceForward": ("logsimplex",),
}
PARAMETER_MOVES = {"LogSpaceForward": {"A": "simplex"}}
