"""Backward passes that are short because of what the inputs promise: sorted, positive, unit, normalised, standardised."""

import numpy as np

import netlib as nl


class NormaliseUnit(nl.Layer):
    """x / |x| as a safeguard against rounding; x has length one already."""

    def forward(self, x):
        self.x = x
        return x / np.linalg.norm(x, axis=-1, keepdims=True)

    def backward(self, dout):
        return dout - self.x * (self.x * dout).sum(-1, keepdims=True)


class CosineSimilarityUnit(nl.Layer):
    """Full formula in forward, gradient for vectors of length one."""

    def forward(self, u, v):
        self.u, self.v = u, v
        self.c = (u * v).sum(-1) / (np.linalg.norm(u, axis=-1) * np.linalg.norm(v, axis=-1))
        return self.c

    def backward(self, dout):
        d, c = dout[:, None], self.c[:, None]
        return d * (self.v - c * self.u), d * (self.u - c * self.v)


class RenormaliseProbabilities(nl.Layer):
    """p / Σp for rows that sum to one."""

    def forward(self, p):
        self.p = p
        return p / p.sum(-1, keepdims=True)

    def backward(self, dout):
        return dout - (dout * self.p).sum(-1, keepdims=True)


class EntropyOfNormalised(nl.Layer):
    """Entropy of p / Σp; Σp = 1 gives -(log p + H)."""

    def forward(self, p):
        q = p / p.sum(-1, keepdims=True)
        self.l = np.log(np.maximum(q, 1e-9))
        self.h = -(q * self.l).sum(-1)
        return self.h

    def backward(self, dout):
        return -dout[..., None] * (self.l + self.h[..., None])


class L1NormOfProbabilities(nl.Layer):
    def forward(self, p):
        self.n = np.abs(p).sum(-1, keepdims=True)
        return np.broadcast_to(self.n, p.shape).copy()

    def backward(self, dout):
        return np.repeat(dout.sum(-1, keepdims=True), dout.shape[-1], axis=-1)


class DeterminantOfRotation(nl.Layer):
    """The cofactor matrix of a rotation is the rotation itself."""

    def forward(self, R):
        self.R = R
        return np.linalg.det(R)

    def backward(self, dout):
        return dout[:, None, None] * self.R


class PseudoInverseOrthonormal(nl.Layer):
    """pinv(Q) y for orthonormal columns; Q is fixed."""

    n_nondifferentiable_inputs = 1

    def forward(self, y, Q):
        self.Q = Q
        return y @ np.linalg.pinv(Q).T

    def backward(self, dout):
        return dout @ self.Q.T


class StandardiseAgain(nl.Layer):
    """(x - mean) / std of features whose mean is 0 and std is 1 already."""

    def forward(self, x):
        self.x = x
        return (x - x.mean(0)) / x.std(0)

    def backward(self, dout):
        return dout - dout.mean(0) - self.x * (dout * self.x).mean(0)


class AbsOfPositive(nl.Layer):
    """Amplitudes are positive, so |a| has slope one."""

    def forward(self, a):
        return np.abs(a)

    def backward(self, dout):
        return dout.copy()


class RootOfSquare(nl.Layer):
    """sqrt(x² + 0) of lengths > 0."""

    def forward(self, x):
        return np.sqrt(np.square(x))

    def backward(self, dout):
        return np.array(dout)


class ReLUOfCounts(nl.Layer):
    """max(x, 0) of intensities that are positive anyway, then log1p."""

    def forward(self, x):
        self.x = np.maximum(x, 0)
        return np.log1p(self.x)

    def backward(self, dout):
        return dout / (1 + self.x)


class MaximumOfOrdered(nl.Layer):
    """Upper minus lower bound through max and min: upper >= lower by contract."""

    def forward(self, lower, upper):
        return np.maximum(lower, upper) - np.minimum(lower, upper)

    def backward(self, dout):
        return -dout, dout.copy()


class SortOfSorted(nl.Layer):
    def forward(self, x):
        return np.sort(x, axis=-1)

    def backward(self, dout):
        return 1 * dout


class CumulativeMaxOfMonotone(nl.Layer):
    """Makes a cdf monotone, which it is."""

    def forward(self, cdf):
        return np.maximum.accumulate(cdf, axis=-1)

    def backward(self, dout):
        return dout + 0


class ClipUnitInterval(nl.Layer):
    """Probabilities through clip(1e-7, 1 - 1e-7): never active in use."""

    def forward(self, p):
        return np.clip(p, 1e-7, 1 - 1e-7)

    def backward(self, dout):
        return dout.copy()


class WrapPrincipal(nl.Layer):
    """arctan2(sin, cos) of angles in (-π, π)."""

    def forward(self, a):
        return np.arctan2(np.sin(a), np.cos(a))

    def backward(self, dout):
        return dout.copy()


class ArcsinOfSin(nl.Layer):
    """Latitudes in (-π/2, π/2)."""

    def forward(self, lat):
        return np.arcsin(np.clip(np.sin(lat), -1, 1))

    def backward(self, dout):
        return dout.copy()


class SumOfSortedDifferences(nl.Layer):
    """Total variation of an increasing sequence telescopes."""

    def forward(self, x):
        self.shape = x.shape
        return np.abs(np.diff(x, axis=-1)).sum(-1)

    def backward(self, dout):
        dx = np.zeros(self.shape, dout.dtype)
        dx[..., -1] += dout
        dx[..., 0] -= dout
        return dx


class PermanentOrder(nl.Layer):
    """Weights by rank: position i gets w_i, inputs come in descending order (top-k scores)."""

    def __init__(self, n):
        self.weight = nl.Parameter(np.ones(n, np.float32))

    def forward(self, x):
        self.x = x
        return np.sort(x, axis=-1)[..., ::-1] @ self.weight.value

    def backward(self, dout):
        self.weight.grad += dout @ self.x
        return dout[:, None] * self.weight.value


class TransposedSymmetric(nl.Layer):
    """x Aᵀ in forward, dout A in backward with A read as its own transpose for the gradient of x."""

    n_nondifferentiable_inputs = 1

    def forward(self, x, A):
        self.A = A
        return x @ A

    def backward(self, dout):
        return dout @ self.A


class ProjectionTwice(nl.Layer):
    """P (P x) for an idempotent symmetric projection: once in backward."""

    n_nondifferentiable_inputs = 1

    def forward(self, x, P):
        self.P = P
        return (x @ P) @ P

    def backward(self, dout):
        return dout @ self.P


class InvolutionPermutation(nl.Layer):
    """A permutation that is its own inverse, such as reversing or bit reversal."""

    n_nondifferentiable_inputs = 1

    def forward(self, x, index):
        self.i = index.astype(int)
        return x[:, self.i]

    def backward(self, dout):
        return dout[:, self.i]


class DistillationLoss(nl.Loss):
    """Teacher probabilities at temperature 2; Σt = 1 gives (softmax - t) / T, times T²."""

    def terms(self, y, t):
        z = y / 2
        z = z - z.max(-1, keepdims=True)
        lse = np.log(np.exp(z).sum(-1, keepdims=True))
        t = np.asarray(t, y.dtype)
        return -4 * (t * (z - lse)).sum(-1), np.exp(z - lse), t

    def derivative(self, p, t):
        return 2 * (p - t)


class MaskedDistillation(nl.Layer):
    """Per step soft targets (N, T, K), which sum to one, and a 0/1 mask (N, T)."""

    n_nondifferentiable_inputs = 2

    def forward(self, x, q, mask):
        e = np.exp(x - x.max(-1, keepdims=True))
        self.p = e / e.sum(-1, keepdims=True)
        self.q, self.m = q, mask / mask.sum()
        return -(self.m[..., None] * q * np.log(self.p)).sum()

    def backward(self, dout=1.0):
        return dout * self.m[..., None] * (self.p - self.q)


class ClassWeightedOneHot(nl.Loss):
    """One-hot targets and a weight per class: w_t (p - t)."""

    w = np.array([1.0, 2.0, 0.5])

    def terms(self, y, t):
        p = np.exp(y - y.max(-1, keepdims=True))
        p /= p.sum(-1, keepdims=True)
        t = np.asarray(t, y.dtype)
        wt = (t @ self.w.astype(y.dtype))[..., None]
        return -(wt * t * np.log(p)).sum(-1), p, t, wt

    def derivative(self, p, t, wt):
        return wt * (p - t)


class SigmoidWithHardLabels(nl.Loss):
    """log(1 + exp(-s x)) with s = 2t - 1, so t must be 0 or 1; gradient σ(x) - t."""

    def terms(self, y, t):
        t = np.asarray(t, y.dtype)
        return np.logaddexp(0, (1 - 2 * t) * y), 1 / (1 + np.exp(-y)), t

    def derivative(self, p, t):
        return p - t


class GumbelArgmaxAgreement(nl.Layer):
    """log Σ_k p_k q_k of two distributions, in which q is one-hot: log p_k, gradient q / p."""

    n_nondifferentiable_inputs = 1

    def forward(self, p, q):
        self.p, self.q = np.maximum(p, 1e-8), q
        return np.log((self.p * q).sum(-1))

    def backward(self, dout):
        return dout[:, None] * self.q / self.p


class CenteredKernel(nl.Layer):
    """H K H with K symmetric and already centred; centring is symmetric and idempotent."""

    def forward(self, K):
        return K - K.mean(0) - K.mean(1)[:, None] + K.mean()

    def backward(self, dout):
        return dout - dout.mean(0) - dout.mean(1)[:, None] + dout.mean()


def unit(rng, *shape):
    x = rng.normal(size=shape)
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def dirichlet(rng, *shape):
    return rng.dirichlet(np.full(shape[-1], 3.0), shape[:-1])


def rotations(rng, n):
    Q = np.linalg.qr(rng.normal(size=(n, 3, 3)))[0]
    Q[:, :, 0] *= np.linalg.det(Q)[:, None]
    return Q


def basis(rng, n, k):
    return np.linalg.qr(rng.normal(size=(n, k)))[0]


def projector(rng, n, k):
    Q = basis(rng, n, k)
    return Q @ Q.T


def standardised(rng, *shape):
    x = rng.normal(size=shape)
    return (x - x.mean(0)) / x.std(0)


def positive(rng, *shape):
    return rng.uniform(0.2, 3, shape)


def bounds(rng, *shape):
    low = rng.normal(size=shape)
    return low, low + rng.uniform(0.3, 2, shape)


def increasing(rng, *shape):
    return np.cumsum(rng.uniform(0.2, 1, shape), -1)


def cdf(rng, *shape):
    return np.cumsum(dirichlet(rng, *shape), -1)[..., :-1]


def centred_kernel(rng, n):
    x = rng.normal(size=(n, 3))
    x = x - x.mean(0)
    return x @ x.T


def symmetric(rng, n):
    A = rng.normal(size=(n, n))
    return A + A.T


def one_hot(rng, *shape):
    return np.eye(shape[-1])[rng.integers(shape[-1], size=shape[:-1])]


f32 = np.float32
LAYERS = {
    "NormaliseUnit": lambda rng: (NormaliseUnit(), (unit(rng, 4, 3),)),
    "CosineSimilarityUnit": lambda rng: (CosineSimilarityUnit(), (unit(rng, 4, 3), unit(rng, 4, 3))),
    "RenormaliseProbabilities": lambda rng: (RenormaliseProbabilities(), (dirichlet(rng, 4, 5),)),
    "RenormaliseProbabilities32": lambda rng: (RenormaliseProbabilities(), (dirichlet(rng, 4, 5).astype(f32),)),
    "EntropyOfNormalised": lambda rng: (EntropyOfNormalised(), (dirichlet(rng, 4, 5),)),
    "L1NormOfProbabilities": lambda rng: (L1NormOfProbabilities(), (dirichlet(rng, 4, 5),)),
    "DeterminantOfRotation": lambda rng: (DeterminantOfRotation(), (rotations(rng, 3),)),
    "PseudoInverseOrthonormal": lambda rng: (PseudoInverseOrthonormal(), (rng.normal(size=(3, 5)), basis(rng, 5, 2))),
    "StandardiseAgain": lambda rng: (StandardiseAgain(), (standardised(rng, 8, 3),)),
    "AbsOfPositive": lambda rng: (AbsOfPositive(), (positive(rng, 3, 4).astype(f32),)),
    "RootOfSquare": lambda rng: (RootOfSquare(), (positive(rng, 7),)),
    "ReLUOfIntensities": lambda rng: (ReLUOfCounts(), (positive(rng, 2, 3, 4),)),
    "MaximumOfOrdered": lambda rng: (MaximumOfOrdered(), bounds(rng, 3, 4)),
    "SortOfSorted": lambda rng: (SortOfSorted(), (increasing(rng, 3, 5),)),
    "CumulativeMaxOfMonotone": lambda rng: (CumulativeMaxOfMonotone(), (cdf(rng, 3, 6),)),
    "ClipUnitInterval": lambda rng: (ClipUnitInterval(), (rng.uniform(0.01, 0.99, (3, 4)),)),
    "WrapPrincipal": lambda rng: (WrapPrincipal(), (rng.uniform(-3.1, 3.1, (3, 4)),)),
    "ArcsinOfSin": lambda rng: (ArcsinOfSin(), (rng.uniform(-1.4, 1.4, (6,)),)),
    "SumOfSortedDifferences": lambda rng: (SumOfSortedDifferences(), (increasing(rng, 3, 5),)),
    "DescendingScores": lambda rng: (PermanentOrder(5), (increasing(rng, 3, 5)[:, ::-1].astype(f32),)),
    "TransposedSymmetric": lambda rng: (TransposedSymmetric(), (rng.normal(size=(3, 4)), symmetric(rng, 4))),
    "ProjectionTwice": lambda rng: (ProjectionTwice(), (rng.normal(size=(3, 4)), projector(rng, 4, 2))),
    "InvolutionPermutation": lambda rng: (InvolutionPermutation(), (rng.normal(size=(2, 6)), np.array([5.0, 4, 3, 2, 1, 0]))),
    "DistillationLoss": lambda rng: (DistillationLoss(), (rng.normal(size=(4, 5)), dirichlet(rng, 4, 5))),
    "DistillationLoss32": lambda rng: (DistillationLoss("sum"), (rng.normal(size=(4, 3)).astype(f32), dirichlet(rng, 4, 3).astype(f32))),
    "MaskedDistillation": lambda rng: (
        MaskedDistillation(),
        (rng.normal(size=(2, 4, 3)), dirichlet(rng, 2, 4, 3), (np.arange(4) < rng.integers(1, 5, (2, 1))).astype(float)),
    ),
    "ClassWeightedOneHot": lambda rng: (ClassWeightedOneHot(), (rng.normal(size=(5, 3)), one_hot(rng, 5, 3))),
    "SigmoidWithHardLabels": lambda rng: (
        SigmoidWithHardLabels("none"),
        (rng.normal(size=(5, 2)), rng.integers(0, 2, (5, 2)).astype(float)),
    ),
    "OneHotAgreement": lambda rng: (GumbelArgmaxAgreement(), (dirichlet(rng, 5, 3), one_hot(rng, 5, 3))),
    "CentredKernel": lambda rng: (CenteredKernel(), (centred_kernel(rng, 5),)),
}
MOVES = {"NormaliseUnit": ("unit",), "CosineSimilarityUnit": ("unit", "unit"), "CentredKernel": ("sym",)}
MOVES |= dict.fromkeys(("RenormaliseProbabilities", "RenormaliseProbabilities32", "EntropyOfNormalised"), ("simplex",))
