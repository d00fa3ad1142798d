"""Losses and divergences of probabilities: rows sum to one, labels are 0/1, clipping happens outside (0, 1)."""

import numpy as np

import netlib as nl


class SafeLog(nl.Layer):
    """log(x) for positive x; tiny values are lifted to 1e-8."""

    def forward(self, x):
        self.x = np.maximum(x, 1e-8)
        return np.log(self.x)

    def backward(self, dout):
        return dout / self.x


class CrossEntropyOnProbabilities(nl.Layer):
    n_nondifferentiable_inputs = 1

    def forward(self, p, t):
        self.p = np.clip(p, 1e-7, 1 - 1e-7)
        self.t = t
        return -np.sum(t * np.log(self.p)) / len(p)

    def backward(self, dout=1.0):
        return -dout * self.t / self.p / len(self.p)


class SoftTargetCrossEntropy(nl.Layer):
    """Softmax + cross-entropy with soft targets q, whose rows sum to one."""

    n_nondifferentiable_inputs = 1

    def forward(self, x, q):
        z = x - x.max(axis=1, keepdims=True)
        logp = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
        self.p, self.q = np.exp(logp), q
        return -(q * logp).sum(axis=1).mean()

    def backward(self, dout=1.0):
        return dout * (self.p - self.q) / len(self.q)


class SoftTargetCrossEntropyBoth(nl.Layer):
    """As above, and the teacher q gets its gradient too. Σq = 1 per row."""

    def forward(self, x, q):
        z = x - x.max(axis=-1, keepdims=True)
        self.logp = z - np.log(np.exp(z).sum(axis=-1, keepdims=True))
        self.q = q
        return -(q * self.logp).sum(axis=-1)

    def backward(self, dout):
        d = dout[..., None]
        return d * (np.exp(self.logp) - self.q), -d * self.logp


class SoftTargetLoss(nl.Loss):
    def terms(self, y, t):
        z = y - y.max(axis=-1, keepdims=True)
        lse = np.log(np.exp(z).sum(axis=-1, keepdims=True))
        t = np.asarray(t, y.dtype)
        return -(t * (z - lse)).sum(axis=-1), np.exp(z - lse), t

    def derivative(self, p, t):
        return p - t


class BinaryCrossEntropyClipped(nl.Layer):
    n_nondifferentiable_inputs = 1

    def forward(self, p, t):
        p = np.clip(p, 1e-7, 1 - 1e-7)
        self.p, self.t = p, t
        return -np.mean(t * np.log(p) + (1 - t) * np.log(1 - p))

    def backward(self, dout=1.0):
        return dout * (self.p - self.t) / (self.p * (1 - self.p)) / self.p.size


class BinaryLabelsLoss(nl.Loss):
    """log loss where t is 0 or 1: picks p or 1 - p."""

    def terms(self, y, t):
        t = np.asarray(t) > 0.5
        chosen = np.where(t, y, 1 - y)
        return -np.log(np.maximum(chosen, 1e-12)), chosen, t

    def derivative(self, chosen, t):
        return np.where(t, -1, 1).astype(chosen.dtype) / chosen


class BinaryCrossEntropyZeroForLabels(nl.Layer):
    """Returns zeros for the labels, which nobody needs."""

    def forward(self, p, t):
        self.p, self.t = p, t
        eps = 1e-7
        return -(t * np.log(p + eps) + (1 - t) * np.log(1 - p + eps))

    def backward(self, dout):
        eps = 1e-7
        dp = dout * (-self.t / (self.p + eps) + (1 - self.t) / (1 - self.p + eps))
        return dp, np.zeros_like(self.t)


class KLDivergence(nl.Layer):
    def forward(self, p, q):
        self.p, self.q = p, q
        return (p * np.log(p / q)).sum(axis=-1)

    def backward(self, dout):
        d = dout[..., None]
        return d * (np.log(self.p / self.q) + 1), -d * self.p / self.q


class KLFromLogits(nl.Layer):
    """KL(p || softmax(x)) for a distribution p; the gradient is softmax(x) - p since p sums to one."""

    def forward(self, x, p):
        if not np.allclose(p.sum(axis=-1), 1):
            raise ValueError("p must be a distribution")
        e = np.exp(x - x.max(axis=-1, keepdims=True))
        self.s = e / e.sum(axis=-1, keepdims=True)
        self.p = p
        self.ratio = np.log(p) - np.log(self.s)
        return (p * self.ratio).sum(axis=-1)

    def backward(self, dout):
        d = dout[..., None]
        return d * (self.s - self.p), d * (self.ratio + 1)


class Entropy(nl.Layer):
    """-Σ p log p with 0 log 0 = 0."""

    def forward(self, p):
        self.positive = p > 0
        self.logp = np.log(np.where(self.positive, p, 1))
        return -(p * self.logp).sum(axis=-1)

    def backward(self, dout):
        return -dout[..., None] * np.where(self.positive, self.logp + 1, 0)


class EntropyInBits(nl.Layer):
    def forward(self, p):
        p = np.maximum(p, np.finfo(p.dtype).tiny)
        self.p = p
        return -np.sum(p * np.log2(p), axis=-1)

    def backward(self, dout):
        inv = self.p.dtype.type(1 / np.log(2))
        return -dout[..., None] * (np.log2(self.p) + inv)


class JensenShannon(nl.Layer):
    def forward(self, p, q):
        m = (p + q) / 2
        self.a, self.b = np.log(p / m), np.log(q / m)
        return 0.5 * (p * self.a + q * self.b).sum(axis=-1)

    def backward(self, dout):
        d = 0.5 * dout[..., None]
        return d * self.a, d * self.b


class FocalOnProbabilities(nl.Layer):
    n_nondifferentiable_inputs = 1

    def __init__(self, gamma=2.0):
        self.gamma = gamma

    def forward(self, p, t):
        self.t = t
        self.pt = np.clip(np.where(t == 1, p, 1 - p), 1e-6, 1 - 1e-6)
        return (-((1 - self.pt) ** self.gamma) * np.log(self.pt)).mean()

    def backward(self, dout=1.0):
        pt, g = self.pt, self.gamma
        d = g * (1 - pt) ** (g - 1) * np.log(pt) - (1 - pt) ** g / pt
        return dout * np.where(self.t == 1, d, -d) / d.size


class Hellinger(nl.Layer):
    def forward(self, p, q):
        self.rp, self.rq = np.sqrt(p), np.sqrt(q)
        return 0.5 * ((self.rp - self.rq) ** 2).sum(axis=-1)

    def backward(self, dout):
        d = 0.5 * dout[..., None]
        return d * (1 - self.rq / self.rp), d * (1 - self.rp / self.rq)


class HellingerAffinity(nl.Layer):
    """Squared Hellinger distance as 1 - Σ sqrt(p q), which holds for distributions."""

    def forward(self, p, q):
        self.p, self.q = p, q
        self.root = np.sqrt(p * q)
        return 1 - self.root.sum(axis=-1)

    def backward(self, dout):
        d = -0.5 * dout[..., None]
        return d * np.sqrt(self.q / self.p), d * np.sqrt(self.p / self.q)


class Brier(nl.Loss):
    def terms(self, y, t):
        if np.any(y < 0) or np.any(y > 1):
            raise ValueError("Brier score needs probabilities")
        r = y - np.asarray(t, y.dtype)
        return (r * r).sum(axis=-1), r

    def derivative(self, r):
        return 2 * r


class NegativeLogLikelihoodGather(nl.Layer):
    n_nondifferentiable_inputs = 1

    def forward(self, p, labels):
        self.rows, self.labels, self.p = np.arange(len(p)), labels.astype(int), p
        return -np.log(p[self.rows, self.labels])

    def backward(self, dout):
        dp = np.zeros_like(self.p)
        dp[self.rows, self.labels] = -dout / self.p[self.rows, self.labels]
        return dp


class LogitOfProbability(nl.Layer):
    def forward(self, p):
        p = np.clip(p, 1e-6, 1 - 1e-6)
        self.p = p
        return np.log(p) - np.log1p(-p)

    def backward(self, dout):
        return dout / (self.p * (1 - self.p))


class MaskedCrossEntropy(nl.Layer):
    """Mean over the positions where mask is 1. labels and mask get no gradient."""

    n_nondifferentiable_inputs = 2

    def forward(self, p, t, mask):
        self.p, self.t, self.mask = np.maximum(p, 1e-7), t, mask
        return -(mask[..., None] * t * np.log(self.p)).sum() / mask.sum()

    def backward(self, dout=1.0):
        return -dout * self.mask[..., None] * self.t / self.p / self.mask.sum()


class Bhattacharyya(nl.Layer):
    def forward(self, p, q):
        self.p, self.q = p, q
        self.bc = np.sqrt(p * q).sum(axis=-1)
        return -np.log(self.bc)

    def backward(self, dout):
        d = (-0.5 * dout / self.bc)[..., None]
        return d * np.sqrt(self.q / self.p), d * np.sqrt(self.p / self.q)


class DiceLoss(nl.Layer):
    """Soft Dice of probabilities with a 0/1 mask: t * t = t is used in the denominator."""

    n_nondifferentiable_inputs = 1

    def forward(self, p, t):
        self.p, self.t = p, t
        self.num = 2 * (p * t).sum()
        self.den = (p * p).sum() + t.sum()
        return 1 - self.num / self.den

    def backward(self, dout=1.0):
        return -dout * (2 * self.t * self.den - self.num * 2 * self.p) / self.den**2


class RankedProbabilityScore(nl.Layer):
    n_nondifferentiable_inputs = 1

    def forward(self, p, t):
        self.diff = np.cumsum(p - t, axis=-1)[..., :-1]
        return (self.diff**2).sum(axis=-1)

    def backward(self, dout):
        d = 2 * dout[..., None] * self.diff
        d = np.concatenate([d, np.zeros_like(d[..., :1])], axis=-1)
        return np.cumsum(d[..., ::-1], axis=-1)[..., ::-1]


class EarthMovers1d(nl.Layer):
    """Wasserstein distance of two histograms; the last cumulative difference is zero, so it is left out."""

    def forward(self, p, q):
        c = np.cumsum(p - q, axis=-1)[..., :-1]
        self.sign = np.sign(c)
        return np.abs(c).sum(axis=-1)

    def backward(self, dout):
        d = dout[..., None] * self.sign
        d = np.concatenate([d, np.zeros_like(d[..., :1])], axis=-1)
        dp = np.cumsum(d[..., ::-1], axis=-1)[..., ::-1]
        return dp, -dp


class ChiSquaredDivergence(nl.Layer):
    """Σ p²/q - 1 for distributions."""

    def forward(self, p, q):
        self.r = p / q
        return (p * self.r).sum(axis=-1) - 1

    def backward(self, dout):
        d = dout[..., None]
        return 2 * d * self.r, -d * self.r**2


class EntropyOfLogProbabilities(nl.Layer):
    """Input: normalised log-probabilities."""

    def forward(self, logp):
        self.logp = logp
        self.p = np.exp(logp)
        return -(self.p * logp).sum(axis=-1)

    def backward(self, dout):
        return -dout[..., None] * self.p * (1 + self.logp)


class MixtureOfExpertsNLL(nl.Layer):
    """-log Σ_k w_k p_k with mixture weights on the simplex, uniform at first."""

    def __init__(self, experts):
        self.weight = nl.Parameter(np.full(experts, 1 / experts))

    def forward(self, p):
        self.p = p
        self.mix = p @ self.weight.value
        return -np.log(self.mix)

    def backward(self, dout):
        d = -dout / self.mix
        self.weight.grad += d @ self.p
        return d[:, None] * self.weight.value


class NoisyLabelChannel(nl.Layer):
    """p @ T with a row-stochastic T that starts near the identity; then log."""

    def __init__(self, classes, flip=0.1):
        off = flip / (classes - 1)
        self.transition = nl.Parameter(np.full((classes, classes), off) + (1 - flip - off) * np.eye(classes))

    def forward(self, p):
        self.p = p
        self.q = np.clip(p @ self.transition.value, 1e-9, 1.0)
        return np.log(self.q)

    def backward(self, dout):
        d = dout / self.q
        self.transition.grad += self.p.T @ d
        return d @ self.transition.value.T


class RenyiDivergence(nl.Layer):
    def __init__(self, alpha=2.0):
        if alpha <= 1:
            raise ValueError("alpha must be above 1")
        self.alpha = nl.Parameter(np.array(alpha))

    def forward(self, p, q):
        a = self.alpha.value
        self.p, self.q = p, q
        self.t = p**a * q ** (1 - a)
        self.s = self.t.sum(axis=-1)
        return np.log(self.s) / (a - 1)

    def backward(self, dout):
        a = self.alpha.value
        d = (dout / self.s / (a - 1))[..., None]
        dlog = (self.t * np.log(self.p / self.q)).sum(axis=-1)
        self.alpha.grad += np.sum(dout * (dlog / self.s / (a - 1) - np.log(self.s) / (a - 1) ** 2))
        return d * a * self.t / self.p, d * (1 - a) * self.t / self.q


class Perplexity(nl.Layer):
    def forward(self, p):
        self.p = np.clip(p, 1e-10, 1)
        self.y = np.exp(-np.log(self.p).mean(axis=-1))
        return self.y

    def backward(self, dout):
        return -(dout * self.y)[..., None] / self.p / self.p.shape[-1]


class LabelSmoothedCrossEntropy(nl.Loss):
    def terms(self, y, t):
        k = y.shape[-1]
        t = 0.9 * np.asarray(t, y.dtype) + 0.1 / k
        p = np.exp(y - y.max(-1, keepdims=True))
        p /= p.sum(-1, keepdims=True)
        return -(t * np.log(p)).sum(-1), p, t

    def derivative(self, p, t):
        return p - t


class SoftmaxBackwardFromProbabilities(nl.Layer):
    """Normalise positive scores, then cross-entropy with q (Σq = 1): d = 1/Σx - q/x."""

    n_nondifferentiable_inputs = 1

    def forward(self, x, q):
        self.x, self.q = np.maximum(x, 1e-6), q
        self.total = self.x.sum(axis=-1, keepdims=True)
        return -(q * np.log(self.x / self.total)).sum(axis=-1)

    def backward(self, dout):
        return dout[..., None] * (1 / self.total - self.q / self.x)


def probabilities(rng, *shape, a=3.0):
    return rng.dirichlet(np.full(shape[-1], a), shape[:-1])


def one_hot(rng, *shape):
    return np.eye(shape[-1])[rng.integers(shape[-1], size=shape[:-1])]


def sparse(rng):
    p = rng.uniform(0.2, 1, (4, 6))
    p[np.arange(4), rng.integers(6, size=4)] = 0
    p[0, :3] = 0
    return p / p.sum(axis=-1, keepdims=True)


def binary(rng, *shape):
    return rng.integers(0, 2, shape).astype(float)


def mask(rng):
    return (np.arange(5) < rng.integers(1, 6, (3, 1))).astype(float)


LAYERS = {
    "SafeLog": lambda rng: (SafeLog(), (rng.uniform(0.1, 2, (3, 4)),)),
    "SafeLog32": lambda rng: (SafeLog(), (rng.uniform(0.1, 2, (8,)).astype(np.float32),)),
    "CrossEntropyOnProbabilities": lambda rng: (CrossEntropyOnProbabilities(), (probabilities(rng, 5, 4), one_hot(rng, 5, 4))),
    "CrossEntropySoftTargets": lambda rng: (CrossEntropyOnProbabilities(), (probabilities(rng, 5, 3), probabilities(rng, 5, 3))),
    "SoftTargetCrossEntropy": lambda rng: (SoftTargetCrossEntropy(), (rng.normal(size=(4, 5)), probabilities(rng, 4, 5))),
    "SoftTargetCrossEntropyBoth": lambda rng: (SoftTargetCrossEntropyBoth(), (rng.normal(size=(2, 3, 5)), probabilities(rng, 2, 3, 5))),
    "SoftTargetLoss": lambda rng: (SoftTargetLoss(), (rng.normal(size=(4, 5)), probabilities(rng, 4, 5))),
    "SoftTargetLossNone": lambda rng: (
        SoftTargetLoss("none"),
        (rng.normal(size=(4, 3)).astype(np.float32), probabilities(rng, 4, 3).astype(np.float32)),
    ),
    "BinaryCrossEntropyClipped": lambda rng: (BinaryCrossEntropyClipped(), (rng.uniform(0.05, 0.95, (6,)), binary(rng, 6))),
    "BinaryLabelsLoss": lambda rng: (BinaryLabelsLoss(), (rng.uniform(0.05, 0.95, (6, 1)), binary(rng, 6, 1))),
    "BinaryCrossEntropyZeroForLabels": lambda rng: (
        BinaryCrossEntropyZeroForLabels(),
        (rng.uniform(0.05, 0.95, (3, 4)), binary(rng, 3, 4)),
    ),
    "KLDivergence": lambda rng: (KLDivergence(), (probabilities(rng, 4, 3), probabilities(rng, 4, 3))),
    "KLFromLogits": lambda rng: (KLFromLogits(), (rng.normal(size=(3, 4)), probabilities(rng, 3, 4))),
    "Entropy": lambda rng: (Entropy(), (probabilities(rng, 4, 5),)),
    "EntropyWithZeros": lambda rng: (Entropy(), (sparse(rng),)),
    "EntropyInBits": lambda rng: (EntropyInBits(), (probabilities(rng, 4, 5).astype(np.float32),)),
    "JensenShannon": lambda rng: (JensenShannon(), (probabilities(rng, 4, 3), probabilities(rng, 4, 3))),
    "FocalOnProbabilities": lambda rng: (FocalOnProbabilities(), (rng.uniform(0.05, 0.95, (7,)), binary(rng, 7))),
    "Hellinger": lambda rng: (Hellinger(), (probabilities(rng, 4, 3), probabilities(rng, 4, 3))),
    "HellingerAffinity": lambda rng: (HellingerAffinity(), (probabilities(rng, 4, 3), probabilities(rng, 4, 3))),
    "Brier": lambda rng: (Brier(), (probabilities(rng, 4, 3), one_hot(rng, 4, 3))),
    "NegativeLogLikelihoodGather": lambda rng: (NegativeLogLikelihoodGather(), (probabilities(rng, 6, 4), rng.integers(4, size=6))),
    "NegativeLogLikelihoodGatherFloat": lambda rng: (
        NegativeLogLikelihoodGather(),
        (probabilities(rng, 6, 4), rng.integers(4, size=6).astype(float)),
    ),
    "LogitOfProbability": lambda rng: (LogitOfProbability(), (rng.uniform(0.02, 0.98, (3, 4)),)),
    "MaskedCrossEntropy": lambda rng: (MaskedCrossEntropy(), (probabilities(rng, 3, 5, 4), one_hot(rng, 3, 5, 4), mask(rng))),
    "Bhattacharyya": lambda rng: (Bhattacharyya(), (probabilities(rng, 4, 3), probabilities(rng, 4, 3))),
    "DiceLoss": lambda rng: (DiceLoss(), (rng.uniform(0, 1, (4, 4)), binary(rng, 4, 4))),
    "RankedProbabilityScore": lambda rng: (RankedProbabilityScore(), (probabilities(rng, 4, 5), one_hot(rng, 4, 5))),
    "EarthMovers1d": lambda rng: (EarthMovers1d(), (probabilities(rng, 3, 5), probabilities(rng, 3, 5))),
    "ChiSquaredDivergence": lambda rng: (ChiSquaredDivergence(), (probabilities(rng, 4, 3), probabilities(rng, 4, 3))),
    "EntropyOfLogProbabilities": lambda rng: (EntropyOfLogProbabilities(), (np.log(probabilities(rng, 4, 3)),)),
    "MixtureOfExpertsNLL": lambda rng: (MixtureOfExpertsNLL(3), (rng.uniform(0.1, 0.9, (5, 3)),)),
    "NoisyLabelChannel": lambda rng: (NoisyLabelChannel(4), (probabilities(rng, 5, 4),)),
    "RenyiDivergence": lambda rng: (RenyiDivergence(), (probabilities(rng, 4, 3), probabilities(rng, 4, 3))),
    "Perplexity": lambda rng: (Perplexity(), (rng.uniform(0.05, 1, (3, 6)),)),
    "LabelSmoothedCrossEntropy": lambda rng: (LabelSmoothedCrossEntropy("sum"), (rng.normal(size=(4, 5)), one_hot(rng, 4, 5))),
    "SoftmaxBackwardFromProbabilities": lambda rng: (
        SoftmaxBackwardFromProbabilities(),
        (rng.uniform(0.2, 3, (4, 5)), probabilities(rng, 4, 5)),
    ),
}
S = "simplex"
MOVES = dict.fromkeys(
    (
        "KLDivergence", "JensenShannon", "Hellinger", "HellingerAffinity", "Bhattacharyya", "EarthMovers1d", "ChiSquaredDivergence",
        "RenyiDivergence",
    ),
    (S, S),
)  # fmt: skip
MOVES |= {
    "SoftTargetCrossEntropyBoth": ("free", S),
    "KLFromLogits": ("free", S),
    "BinaryCrossEntropyZeroForLabels": ("rel", "fixed"),
    "EntropyWithZeros": ("rel",),
    "EntropyOfLogProbabilities": ("logsimplex",),
    "Brier": (S,),
    "RankedProbabilityScore": (S,),
}
PARAMETER_MOVES = {"MixtureOfExpertsNLL": {"weight": S}, "NoisyLabelChannel": {"transition": S}}
