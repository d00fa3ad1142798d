"""The fourth set."""

import math

import numpy as np

import netlib as nl

from .notebook import Notebook, apart, away_from_zero, normal, seeded, uniform

NOTEBOOK = Notebook()
sound, also, broken = NOTEBOOK.sound, NOTEBOOK.also, NOTEBOOK.broken
BROKEN, SOUND = NOTEBOOK.broken_layers, NOTEBOOK.sound_layers


def draw(seed, *shape, dtype=np.float64, scale=1.0):
    return (scale * np.random.default_rng(seed).normal(size=shape)).astype(dtype)


def softmax(z, axis=-1):
    e = np.exp(z - z.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


def sigmoid(z):
    return np.exp(-np.logaddexp(0, -z))


def unit(r, *shape):
    angle = r.uniform(0, 2 * np.pi, size=shape)
    return np.cos(angle), np.sin(angle)


# Dense layers and factors


@sound(seeded, normal((4, 5)))
class StandardisedDense(nl.Layer):
    """y = x (W - mean) / deviation, by columns of W."""

    def __init__(self, seed):
        self.weight = nl.Parameter(draw(seed, 5, 3))

    def forward(self, x):
        w = self.weight.value
        self.x = np.array(x)
        self.std = np.sqrt(w.var(axis=0) + 1e-5)
        self.hat = (w - w.mean(axis=0)) / self.std
        return self.x @ self.hat

    def backward(self, dout):
        d = self.x.T @ dout
        self.weight.grad += (d - d.mean(axis=0) - self.hat * (d * self.hat).mean(axis=0)) / self.std
        return dout @ self.hat.T


@broken("wrong-axis")
class StandardisedDenseByRows(StandardisedDense):
    def backward(self, dout):
        d = self.x.T @ dout
        self.weight.grad += (d - d.mean(axis=1, keepdims=True) - self.hat * (d * self.hat).mean(axis=1, keepdims=True)) / self.std
        return dout @ self.hat.T


@sound(lambda r: (int(r.integers(1000)), 2, 3, 4, 2), normal((5, 6)))
class KroneckerDense(nl.Layer):
    """y = x (A ⊗ B), without the large matrix."""

    def __init__(self, seed, p, q, r, s):
        self.sizes = p, q, r, s
        self.left, self.right = nl.Parameter(draw(seed, p, r)), nl.Parameter(draw(seed + 1, q, s))

    def forward(self, x):
        p, q, *_ = self.sizes
        self.x = np.array(x).reshape(-1, p, q)
        return np.einsum("npq,pr,qs->nrs", self.x, self.left.value, self.right.value).reshape(len(x), -1)

    def backward(self, dout):
        d = dout.reshape(-1, *self.sizes[2:])
        self.left.grad += np.einsum("npq,nrs,qs->pr", self.x, d, self.right.value)
        self.right.grad += np.einsum("npq,nrs,pr->qs", self.x, d, self.left.value)
        return np.einsum("nrs,pr,qs->npq", d, self.left.value, self.right.value).reshape(len(d), -1)


@broken("missing-transpose", args=lambda r: (int(r.integers(1000)), 3, 2, 3, 4))
class KroneckerDenseLeftTurned(KroneckerDense):
    def backward(self, dout):
        d = dout.reshape(-1, *self.sizes[2:])
        self.left.grad += np.einsum("npq,nrs,qs->rp", self.x, d, self.right.value)
        self.right.grad += np.einsum("npq,nrs,pr->qs", self.x, d, self.left.value)
        return np.einsum("nrs,pr,qs->npq", d, self.left.value, self.right.value).reshape(len(d), -1)


@broken("wrong-shape")
class KroneckerDenseStaysFolded(KroneckerDense):
    def backward(self, dout):
        d = dout.reshape(-1, *self.sizes[2:])
        self.left.grad += np.einsum("npq,nrs,qs->pr", self.x, d, self.right.value)
        self.right.grad += np.einsum("npq,nrs,pr->qs", self.x, d, self.left.value)
        return np.einsum("nrs,pr,qs->npq", d, self.left.value, self.right.value)


@broken("not-accumulated")
class KroneckerDenseSetsRight(KroneckerDense):
    def backward(self, dout):
        d = dout.reshape(-1, *self.sizes[2:])
        self.left.grad += np.einsum("npq,nrs,qs->pr", self.x, d, self.right.value)
        self.right.grad = np.einsum("npq,nrs,pr->qs", self.x, d, self.left.value)
        return np.einsum("nrs,pr,qs->npq", d, self.left.value, self.right.value).reshape(len(d), -1)


@sound(lambda r: (int(r.integers(1000)), 4), normal((6, 3)))
class PositiveDense(nl.Layer):
    """y = x exp(V) + b."""

    def __init__(self, seed, outputs):
        self.log_weight, self.bias = nl.Parameter(draw(seed, 3, outputs, scale=0.5)), nl.Parameter(draw(seed + 1, outputs))

    def forward(self, x):
        self.x = np.array(x)
        return self.x @ np.exp(self.log_weight.value) + self.bias.value

    def backward(self, dout):
        w = np.exp(self.log_weight.value)
        self.log_weight.grad += self.x.T @ dout * w
        self.bias.grad += dout.sum(axis=0)
        return dout @ w.T


@broken("wrong-formula")
class PositiveDenseForgetsExp(PositiveDense):
    def backward(self, dout):
        self.log_weight.grad += self.x.T @ dout
        self.bias.grad += dout.sum(axis=0)
        return dout @ np.exp(self.log_weight.value).T


@broken("wrong-axis", args=lambda r: (int(r.integers(1000)), 6))
class PositiveDenseBiasBySamples(PositiveDense):
    def backward(self, dout):
        w = np.exp(self.log_weight.value)
        self.log_weight.grad += self.x.T @ dout * w
        self.bias.grad += dout.sum(axis=1)
        return dout @ w.T


@broken("missing-batch-sum")
class PositiveDenseBiasOfAllRows(PositiveDense):
    def backward(self, dout):
        w = np.exp(self.log_weight.value)
        self.log_weight.grad += self.x.T @ dout * w
        self.bias.grad += dout
        return dout @ w.T


@sound(seeded, normal((4, 3), scale=0.3))
class SirenDense(nl.Layer):
    """y = sin(ω (x W + b))."""

    omega = 6.0

    def __init__(self, seed):
        self.weight, self.bias = nl.Parameter(draw(seed, 3, 5, scale=0.3)), nl.Parameter(draw(seed + 1, 5, scale=0.3))

    def forward(self, x):
        self.x = np.array(x)
        self.z = self.omega * (self.x @ self.weight.value + self.bias.value)
        return np.sin(self.z)

    def backward(self, dout):
        d = dout * np.cos(self.z) * self.omega
        self.weight.grad += self.x.T @ d
        self.bias.grad += d.sum(axis=0)
        return d @ self.weight.value.T


@broken("wrong-scale")
class SirenDenseNoFrequency(SirenDense):
    def backward(self, dout):
        d = dout * np.cos(self.z)
        self.weight.grad += self.x.T @ d
        self.bias.grad += d.sum(axis=0)
        return d @ self.weight.value.T


@broken("wrong-formula")
class SirenDenseCosOfOutput(SirenDense):
    def backward(self, dout):
        d = dout * np.cos(np.sin(self.z)) * self.omega
        self.weight.grad += self.x.T @ d
        self.bias.grad += d.sum(axis=0)
        return d @ self.weight.value.T


@broken("wrong-sign")
class SirenDenseMinusCos(SirenDense):
    def backward(self, dout):
        d = -dout * np.cos(self.z) * self.omega
        self.weight.grad += self.x.T @ d
        self.bias.grad += d.sum(axis=0)
        return d @ self.weight.value.T


@sound(seeded, normal((3, 5)))
class HashedDense(nl.Layer):
    """y = x W, W[i, j] = bucket[h(i, j)]: fewer numbers than places."""

    def __init__(self, seed):
        self.bucket = nl.Parameter(draw(seed, 6))
        self.hash = (np.arange(5)[:, None] * 7 + np.arange(4) * 3) % 6

    def forward(self, x):
        self.x = np.array(x)
        return self.x @ self.bucket.value[self.hash]

    def backward(self, dout):
        np.add.at(self.bucket.grad, self.hash, self.x.T @ dout)
        return dout @ self.bucket.value[self.hash].T


@broken("not-accumulated", "missing-term")
class HashedDenseLastPlace(HashedDense):
    def backward(self, dout):
        self.bucket.grad[self.hash] += self.x.T @ dout
        return dout @ self.bucket.value[self.hash].T


@broken("mutates-parameters")
class HashedDenseClipsBuckets(HashedDense):
    def backward(self, dout):
        np.add.at(self.bucket.grad, self.hash, self.x.T @ dout)
        dx = dout @ self.bucket.value[self.hash].T
        np.clip(self.bucket.value, -0.1, 0.1, out=self.bucket.value)
        return dx


@sound(seeded, normal((6, 5)))
class LowRankPlusDiagonal(nl.Layer):
    """y = x ⊙ d + (x U) V."""

    def __init__(self, seed):
        self.diagonal = nl.Parameter(draw(seed, 5))
        self.u, self.v = nl.Parameter(draw(seed + 1, 5, 2)), nl.Parameter(draw(seed + 2, 2, 5))

    def forward(self, x):
        self.x = np.array(x)
        self.h = self.x @ self.u.value
        return self.x * self.diagonal.value + self.h @ self.v.value

    def backward(self, dout):
        dh = dout @ self.v.value.T
        self.v.grad += self.h.T @ dout
        self.u.grad += self.x.T @ dh
        self.diagonal.grad += (dout * self.x).sum(axis=0)
        return dout * self.diagonal.value + dh @ self.u.value.T


@broken("missing-term")
class LowRankPlusDiagonalOnlyLowRank(LowRankPlusDiagonal):
    def backward(self, dout):
        dh = dout @ self.v.value.T
        self.v.grad += self.h.T @ dout
        self.u.grad += self.x.T @ dh
        self.diagonal.grad += (dout * self.x).sum(axis=0)
        return dh @ self.u.value.T


@broken("double-counted")
class LowRankPlusDiagonalTwice(LowRankPlusDiagonal):
    def backward(self, dout):
        dh = dout @ self.v.value.T
        self.v.grad += self.h.T @ dout
        self.u.grad += self.x.T @ dh
        self.diagonal.grad += (dout * self.x).sum(axis=0)
        dx = dh @ self.u.value.T
        dx += dout * self.diagonal.value
        return dx + dh @ self.u.value.T


@broken("missing-batch-sum")
class LowRankPlusDiagonalUnsummed(LowRankPlusDiagonal):
    def backward(self, dout):
        dh = dout @ self.v.value.T
        self.v.grad += self.h.T @ dout
        self.u.grad += self.x.T @ dh
        self.diagonal.grad += dout * self.x
        return dout * self.diagonal.value + dh @ self.u.value.T


@sound(seeded, normal((4, 3)))
class NoisyDense(nl.Layer):
    """y = x (M + S ⊙ noise), the noise drawn in each forward."""

    def __init__(self, seed):
        self.mean, self.spread = nl.Parameter(draw(seed, 3, 5)), nl.Parameter(draw(seed + 1, 3, 5))
        self.rng = np.random.default_rng(seed)

    def forward(self, x):
        self.x = np.array(x)
        self.noise = self.rng.normal(size=(3, 5))
        self.w = self.mean.value + self.spread.value * self.noise
        return self.x @ self.w

    def backward(self, dout):
        d = self.x.T @ dout
        self.mean.grad += d
        self.spread.grad += d * self.noise
        return dout @ self.w.T


@broken("nondeterministic")
class NoisyDenseNewNoise(NoisyDense):
    def backward(self, dout):
        d, noise = self.x.T @ dout, self.rng.normal(size=(3, 5))
        self.mean.grad += d
        self.spread.grad += d * noise
        return dout @ (self.mean.value + self.spread.value * noise).T


@broken("zero-gradient", "missing-gradient")
class NoisyDenseSpreadStays(NoisyDense):
    def backward(self, dout):
        self.mean.grad += self.x.T @ dout
        return dout @ self.w.T


@sound(seeded, normal((6, 4)))
class FactorisationMachine(nl.Layer):
    """y = b + x w + ½ Σ ((x V)² - x² V²)."""

    def __init__(self, seed):
        self.bias, self.weight, self.v = (nl.Parameter(draw(seed + i, *s)) for i, s in enumerate([(1,), (4,), (4, 3)]))

    def forward(self, x):
        self.x = np.array(x)
        self.h = self.x @ self.v.value
        return self.bias.value + self.x @ self.weight.value + 0.5 * (self.h**2 - self.x**2 @ self.v.value**2).sum(axis=1)

    def backward(self, dout):
        d, v = dout[:, None], self.v.value
        self.bias.grad += dout.sum()
        self.weight.grad += self.x.T @ dout
        self.v.grad += self.x.T @ (d * self.h) - v * ((self.x**2).T @ d)
        return d * (self.weight.value + self.h @ v.T - self.x * (v**2).sum(axis=1))


@broken("missing-term")
class FactorisationMachineWithItself(FactorisationMachine):
    def backward(self, dout):
        d, v = dout[:, None], self.v.value
        self.bias.grad += dout.sum()
        self.weight.grad += self.x.T @ dout
        self.v.grad += self.x.T @ (d * self.h)
        return d * (self.weight.value + self.h @ v.T - self.x * (v**2).sum(axis=1))


@broken("wrong-scale")
class FactorisationMachineHalfTwice(FactorisationMachine):
    def backward(self, dout):
        d, v = dout[:, None], self.v.value
        self.bias.grad += dout.sum()
        self.weight.grad += self.x.T @ dout
        self.v.grad += 0.5 * (self.x.T @ (d * self.h) - v * ((self.x**2).T @ d))
        return d * (self.weight.value + self.h @ v.T - self.x * (v**2).sum(axis=1))


@broken("ignores-upstream")
class FactorisationMachineCountsRows(FactorisationMachine):
    def backward(self, dout):
        d, v = dout[:, None], self.v.value
        self.bias.grad += len(dout)
        self.weight.grad += self.x.T @ dout
        self.v.grad += self.x.T @ (d * self.h) - v * ((self.x**2).T @ d)
        return d * (self.weight.value + self.h @ v.T - self.x * (v**2).sum(axis=1))


@sound(seeded, normal((4, 6), (4, 6)))
class CrossNetwork(nl.Layer):
    """y = x₀ (x w) + b + x."""

    def __init__(self, seed):
        self.weight, self.bias = nl.Parameter(draw(seed, 6)), nl.Parameter(draw(seed + 1, 6))

    def forward(self, x0, x):
        self.x0, self.x = np.array(x0), np.array(x)
        self.s = self.x @ self.weight.value
        return x0 * self.s[:, None] + self.bias.value + x

    def backward(self, dout):
        ds = (dout * self.x0).sum(axis=1)
        self.weight.grad += self.x.T @ ds
        self.bias.grad += dout.sum(axis=0)
        return dout * self.s[:, None], np.outer(ds, self.weight.value) + dout


@broken("swapped")
class CrossNetworkOrder(CrossNetwork):
    def backward(self, dout):
        ds = (dout * self.x0).sum(axis=1)
        self.weight.grad += self.x.T @ ds
        self.bias.grad += dout.sum(axis=0)
        return np.outer(ds, self.weight.value) + dout, dout * self.s[:, None]


@broken("wrong-scale")
class CrossNetworkMeanBias(CrossNetwork):
    def backward(self, dout):
        ds = (dout * self.x0).sum(axis=1)
        self.weight.grad += self.x.T @ ds
        self.bias.grad += dout.mean(axis=0)
        return dout * self.s[:, None], np.outer(ds, self.weight.value) + dout


@broken("double-counted")
class CrossNetworkSkipsTwice(CrossNetwork):
    def backward(self, dout):
        ds = (dout * self.x0).sum(axis=1)
        self.weight.grad += self.x.T @ ds
        self.bias.grad += dout.sum(axis=0)
        dx = dout.copy()
        dx += np.outer(ds, self.weight.value) + dout
        return dout * self.s[:, None], dx


@sound(inputs=normal((5, 2), (5, 3)))
class TensorFusion(nl.Layer):
    """The products of (1, a) with (1, b)."""

    def forward(self, a, b):
        one = np.ones((len(a), 1), a.dtype)
        self.a1, self.b1 = np.hstack([one, a]), np.hstack([one, b])
        return np.einsum("ni,nj->nij", self.a1, self.b1).reshape(len(a), -1)

    def backward(self, dout):
        d = dout.reshape(len(dout), self.a1.shape[1], -1)
        return np.einsum("nij,nj->ni", d, self.b1)[:, 1:], np.einsum("nij,ni->nj", d, self.a1)[:, 1:]


@broken("missing-term")
class TensorFusionProductsOnly(TensorFusion):
    def backward(self, dout):
        d = dout.reshape(len(dout), self.a1.shape[1], -1)[:, 1:, 1:]
        return np.einsum("nij,nj->ni", d, self.b1[:, 1:]), np.einsum("nij,ni->nj", d, self.a1[:, 1:])


@broken("wrong-shape")
class TensorFusionKeepsTheOne(TensorFusion):
    def backward(self, dout):
        d = dout.reshape(len(dout), self.a1.shape[1], -1)
        return np.einsum("nij,nj->ni", d, self.b1), np.einsum("nij,ni->nj", d, self.a1)[:, 1:]


@sound(inputs=normal((3, 4, 2)))
class PairwiseInteractions(nl.Layer):
    """The scalar product of each pair of fields."""

    pairs = tuple((i, j) for i in range(4) for j in range(i))

    def forward(self, x):
        self.x = np.array(x)
        return np.stack([(x[:, i] * x[:, j]).sum(axis=1) for i, j in self.pairs], axis=1)

    def backward(self, dout):
        dx = np.zeros_like(self.x)
        for p, (i, j) in enumerate(self.pairs):
            dx[:, i] += dout[:, p, None] * self.x[:, j]
            dx[:, j] += dout[:, p, None] * self.x[:, i]
        return dx


@broken("not-accumulated", "missing-term")
class PairwiseInteractionsLastPair(PairwiseInteractions):
    def backward(self, dout):
        dx = np.zeros_like(self.x)
        for p, (i, j) in enumerate(self.pairs):
            dx[:, i] = dout[:, p, None] * self.x[:, j]
            dx[:, j] = dout[:, p, None] * self.x[:, i]
        return dx


@broken("aliases-output")
class PairwiseInteractionsOneSheet(PairwiseInteractions):
    sheet = None

    def forward(self, x):
        self.x = np.array(x)
        if self.sheet is None or len(self.sheet) != len(x):
            self.sheet = np.empty((len(x), len(self.pairs)), x.dtype)
        for p, (i, j) in enumerate(self.pairs):
            self.sheet[:, p] = (x[:, i] * x[:, j]).sum(axis=1)
        return self.sheet


@sound(seeded, normal((5, 3)))
class CayleyRotation(nl.Layer):
    """y = x Q, Q = (I + S)⁻¹ (I - S), S = A - Aᵀ."""

    def __init__(self, seed):
        self.a = nl.Parameter(draw(seed, 3, 3, scale=0.5))

    def forward(self, x):
        self.x = np.array(x)
        skew = self.a.value - self.a.value.T
        self.m = np.linalg.inv(np.eye(3) + skew)
        self.q = self.m @ (np.eye(3) - skew)
        return self.x @ self.q

    def backward(self, dout):
        d = -self.m.T @ (self.x.T @ dout) @ (self.q + np.eye(3)).T
        self.a.grad += d - d.T
        return dout @ self.q.T


@broken("missing-term")
class CayleyRotationOneUse(CayleyRotation):
    def backward(self, dout):
        self.a.grad += -self.m.T @ (self.x.T @ dout) @ (self.q + np.eye(3)).T
        return dout @ self.q.T


@broken("missing-transpose")
class CayleyRotationTurnsOn(CayleyRotation):
    def backward(self, dout):
        d = -self.m.T @ (self.x.T @ dout) @ (self.q + np.eye(3)).T
        self.a.grad += d - d.T
        return dout @ self.q


# Activations and gates


@sound(inputs=away_from_zero((4, 3)))
class CReLU(nl.Layer):
    """The positive and the negative part, side by side."""

    def forward(self, x):
        self.x = np.array(x)
        return np.concatenate([np.maximum(x, 0), np.maximum(-x, 0)], axis=1)

    def backward(self, dout):
        up, down = np.split(dout, 2, axis=1)
        return up * (self.x > 0) - down * (self.x < 0)


@broken("missing-mask")
class CReLUBothParts(CReLU):
    def backward(self, dout):
        up, down = np.split(dout, 2, axis=1)
        return up - down


@broken("inverted-mask")
class CReLUPartsExchanged(CReLU):
    def backward(self, dout):
        up, down = np.split(dout, 2, axis=1)
        return up * (self.x <= 0) - down * (self.x >= 0)


@broken("wrong-sign")
class CReLUBothUp(CReLU):
    def backward(self, dout):
        up, down = np.split(dout, 2, axis=1)
        return up * (self.x > 0) + down * (self.x < 0)


@sound(inputs=lambda r: [r.choice([-1, 1], size=(5, 4)) * r.choice([0.2, 0.9, 1.4], size=(5, 4)) + r.uniform(-0.1, 0.1, size=(5, 4))])
class HardShrink(nl.Layer):
    """y = x where |x| > ½, else 0."""

    def forward(self, x):
        self.mask = np.abs(x) > 0.5
        return np.where(self.mask, x, 0)

    def backward(self, dout):
        return dout * self.mask


@broken("missing-mask")
class HardShrinkIdentity(HardShrink):
    def backward(self, dout):
        return dout.copy()


@broken("inverted-mask")
class HardShrinkSmallOnes(HardShrink):
    def backward(self, dout):
        return dout * ~self.mask


@broken("mutates-upstream")
class HardShrinkZeroesDout(HardShrink):
    def backward(self, dout):
        dout[~self.mask] = 0
        return dout.copy()


@broken("stale-cache")
class HardShrinkMaskByShape(HardShrink):
    def __init__(self):
        self.masks = {}

    def forward(self, x):
        self.mask = self.masks.setdefault(x.shape, np.abs(x) > 0.5)
        return np.where(np.abs(x) > 0.5, x, 0)


@sound(lambda r: (float(r.uniform(0.5, 1.5)),), normal((7, 3), dtype=np.float32))
class ISRU(nl.Layer):
    """y = x / √(1 + a x²), a learned, in single precision."""

    def __init__(self, a):
        self.a = nl.Parameter(np.full(1, a, np.float32))

    def forward(self, x):
        self.x = np.array(x)
        self.r = 1 / np.sqrt(1 + self.a.value * self.x**2)
        return self.x * self.r

    def backward(self, dout):
        self.a.grad += (-0.5 * dout * (self.x * self.r) ** 3).sum()
        return dout * self.r**3


@broken("dtype-changed")
class ISRUPowerOfNumPy(ISRU):
    def backward(self, dout):
        self.a.grad += (-0.5 * dout * (self.x * self.r) ** 3).sum()
        return dout * (1 + self.a.value * self.x**2) ** np.float64(-1.5)


@broken("ignores-upstream")
class ISRUSlopeOnly(ISRU):
    def backward(self, dout):
        self.a.grad += (-0.5 * dout * (self.x * self.r) ** 3).sum()
        return self.r**3


@broken("wrong-scale")
class ISRUNoHalf(ISRU):
    def backward(self, dout):
        self.a.grad += (-dout * (self.x * self.r) ** 3).sum()
        return dout * self.r**3


@sound(inputs=normal((3, 6)))
class TanhShrink(nl.Layer):
    """y = x - tanh x."""

    def forward(self, x):
        self.t = np.tanh(x)
        return x - self.t

    def backward(self, dout):
        return dout * self.t**2


@broken("mutates-upstream")
class TanhShrinkMultipliesDout(TanhShrink):
    def backward(self, dout):
        dout *= self.t**2
        return dout


@sound(inputs=uniform(-900, -750, (3, 4)))
class LogSigmoid(nl.Layer):
    """y = log σ(x), of numbers where exp(-x) is infinite."""

    def forward(self, x):
        self.x = np.array(x)
        return -np.logaddexp(0, -self.x)

    def backward(self, dout):
        return dout * np.exp(-np.logaddexp(0, self.x))


@broken("non-finite")
class LogSigmoidQuotient(LogSigmoid):
    def backward(self, dout):
        e = np.exp(-self.x)
        return dout * e / (1 + e)


@sound(seeded, normal((5, 3)))
class GaussianBump(nl.Layer):
    """y = exp(-(x - c)² / 2 s²), a centre and a width for each feature."""

    def __init__(self, seed):
        self.centre, self.width = nl.Parameter(draw(seed, 3)), nl.Parameter(1 + 0.3 * np.abs(draw(seed + 1, 3)))

    def forward(self, x):
        self.z = (x - self.centre.value) / self.width.value
        self.y = np.exp(-0.5 * self.z**2)
        return self.y.copy()

    def backward(self, dout):
        d = dout * self.y * self.z / self.width.value
        self.centre.grad += d.sum(axis=0)
        self.width.grad += (d * self.z).sum(axis=0)
        return -d


@broken("wrong-sign")
class GaussianBumpCentreBack(GaussianBump):
    def backward(self, dout):
        d = dout * self.y * self.z / self.width.value
        self.centre.grad -= d.sum(axis=0)
        self.width.grad += (d * self.z).sum(axis=0)
        return -d


@broken("missing-batch-sum", "missing-term")
class GaussianBumpFirstSample(GaussianBump):
    def backward(self, dout):
        d = dout * self.y * self.z / self.width.value
        self.centre.grad += d[0]
        self.width.grad += (d * self.z).sum(axis=0)
        return -d


@broken("stale-cache")
class GaussianBumpFirstOutput(GaussianBump):
    first = None

    def forward(self, x):
        y = super().forward(x)
        if self.first is None:
            self.first = y.copy()
        return y

    def backward(self, dout):
        d = dout * self.first * self.z / self.width.value
        self.centre.grad += d.sum(axis=0)
        self.width.grad += (d * self.z).sum(axis=0)
        return -d


@broken("mutates-parameters")
class GaussianBumpKeepsWide(GaussianBump):
    def backward(self, dout):
        d = dout * self.y * self.z / self.width.value
        self.centre.grad += d.sum(axis=0)
        self.width.grad += (d * self.z).sum(axis=0)
        self.width.value[:] = np.maximum(self.width.value, 1.5)
        return -d


@sound(seeded, normal((4, 5)))
class RationalActivation(nl.Layer):
    """y = (a₀ + a₁ x + a₂ x²) / (1 + b² x²)."""

    def __init__(self, seed):
        self.a, self.b = nl.Parameter(draw(seed, 3)), nl.Parameter(0.5 + np.abs(draw(seed + 1, 1)))

    def forward(self, x):
        self.x = np.array(x)
        self.powers = np.stack([np.ones_like(x), x, x**2])
        self.p = np.tensordot(self.a.value, self.powers, 1)
        self.q = 1 + self.b.value**2 * self.x**2
        return self.p / self.q

    def backward(self, dout):
        dp, dq = dout / self.q, -dout * self.p / self.q**2
        self.a.grad += (dp * self.powers).sum(axis=(1, 2))
        self.b.grad += (dq * 2 * self.b.value * self.x**2).sum()
        return dp * (self.a.value[1] + 2 * self.a.value[2] * self.x) + dq * 2 * self.b.value**2 * self.x


@broken("not-accumulated")
class RationalActivationSets(RationalActivation):
    def backward(self, dout):
        dp, dq = dout / self.q, -dout * self.p / self.q**2
        self.a.grad = (dp * self.powers).sum(axis=(1, 2))
        self.b.grad += (dq * 2 * self.b.value * self.x**2).sum()
        return dp * (self.a.value[1] + 2 * self.a.value[2] * self.x) + dq * 2 * self.b.value**2 * self.x


@broken("zero-gradient", "missing-gradient")
class RationalActivationPoleStays(RationalActivation):
    def backward(self, dout):
        dp, dq = dout / self.q, -dout * self.p / self.q**2
        self.a.grad += (dp * self.powers).sum(axis=(1, 2))
        return dp * (self.a.value[1] + 2 * self.a.value[2] * self.x) + dq * 2 * self.b.value**2 * self.x


@sound(inputs=normal((3, 8), dtype=np.float32))
class WaveNetGate(nl.Layer):
    """The tanh of the left half times the sigmoid of the right, in single precision."""

    def forward(self, x):
        a, b = np.split(x, 2, axis=1)
        self.t, self.s = np.tanh(a), sigmoid(b)
        return self.t * self.s

    def backward(self, dout):
        return np.concatenate([dout * self.s * (1 - self.t**2), dout * self.t * self.s * (1 - self.s)], axis=1)


@broken("missing-term", "zero-gradient")
class WaveNetGateConstantGate(WaveNetGate):
    def backward(self, dout):
        da = dout * self.s * (1 - self.t**2)
        return np.concatenate([da, np.zeros_like(da)], axis=1)


@broken("dtype-changed")
class WaveNetGateDefaultRoom(WaveNetGate):
    def backward(self, dout):
        dx = np.empty((len(dout), 8))
        dx[:, :4] = dout * self.s * (1 - self.t**2)
        dx[:, 4:] = dout * self.t * self.s * (1 - self.s)
        return dx


@broken("wrong-shape")
class WaveNetGateHalvesStacked(WaveNetGate):
    def backward(self, dout):
        return np.stack([dout * self.s * (1 - self.t**2), dout * self.t * self.s * (1 - self.s)], axis=1)


# Convolution, pooling, signals


@sound(inputs=normal((2, 3, 6)))
class ReflectPad1d(nl.Layer):
    """Two more at each end, mirrored."""

    def forward(self, x):
        return np.pad(x, ((0, 0), (0, 0), (2, 2)), mode="reflect")

    def backward(self, dout):
        dx = dout[..., 2:-2].copy()
        dx[..., 1:3] += dout[..., 1::-1]
        dx[..., -3:-1] += dout[..., :-3:-1]
        return dx


@broken("double-counted")
class ReflectPad1dRightTwice(ReflectPad1d):
    def backward(self, dout):
        dx = dout[..., 2:-2].copy()
        dx[..., 1:3] += dout[..., 1::-1]
        dx[..., -3:-1] += dout[..., :-3:-1]
        dx[..., -3:-1] += dout[..., :-3:-1]
        return dx


@sound(lambda r: (float(r.uniform(0.3, 0.7)),), apart(4, 9))
class MixedPool(nl.Layer):
    """α times the maximum plus 1 - α times the mean of each three neighbours."""

    def __init__(self, alpha):
        self.alpha = nl.Parameter(np.full(1, alpha))

    def forward(self, x):
        w = x.reshape(len(x), -1, 3)
        self.top, self.mean = w.max(axis=2), w.mean(axis=2)
        self.mask = w == self.top[..., None]
        return self.alpha.value * self.top + (1 - self.alpha.value) * self.mean

    def backward(self, dout):
        self.alpha.grad += (dout * (self.top - self.mean)).sum()
        dw = dout[..., None] * (self.alpha.value * self.mask + (1 - self.alpha.value) / 3)
        return dw.reshape(len(dout), -1)


@broken("missing-mask")
class MixedPoolEveryoneIsTop(MixedPool):
    def backward(self, dout):
        self.alpha.grad += (dout * (self.top - self.mean)).sum()
        dw = dout[..., None] * (self.alpha.value + (1 - self.alpha.value) / 3) * np.ones(3)
        return dw.reshape(len(dout), -1)


@broken("ignores-upstream")
class MixedPoolAlphaOfGap(MixedPool):
    def backward(self, dout):
        self.alpha.grad += (self.top - self.mean).sum()
        dw = dout[..., None] * (self.alpha.value * self.mask + (1 - self.alpha.value) / 3)
        return dw.reshape(len(dout), -1)


@sound(inputs=apart(3, 15))
class MedianPool(nl.Layer):
    """The middle one of each three neighbours."""

    def forward(self, x):
        w = x.reshape(len(x), -1, 3)
        y = np.median(w, axis=2)
        self.mask = w == y[..., None]
        return y

    def backward(self, dout):
        return (dout[..., None] * self.mask).reshape(len(dout), -1)


@broken("missing-mask")
class MedianPoolToAllThree(MedianPool):
    def backward(self, dout):
        return np.repeat(dout, 3, axis=1)


@broken("inverted-mask")
class MedianPoolToTheOuter(MedianPool):
    def backward(self, dout):
        return (dout[..., None] * ~self.mask).reshape(len(dout), -1)


@broken("stale-cache")
class MedianPoolFirstMiddle(MedianPool):
    mask = None

    def forward(self, x):
        w = x.reshape(len(x), -1, 3)
        y = np.median(w, axis=2)
        if self.mask is None:
            self.mask = w == y[..., None]
        return y


@sound(inputs=normal((3, 10), dtype=np.float32))
class WindowedFrames(nl.Layer):
    """Frames of four, two apart, each under a window; in single precision."""

    index = np.arange(4)[:, None] * 2 + np.arange(4)
    window = (0.54 - 0.46 * np.cos(2 * np.pi * np.arange(4) / 3)).astype(np.float32)

    def forward(self, x):
        self.shape = x.shape
        return x[:, self.index] * self.window.astype(x.dtype)

    def backward(self, dout):
        dx = np.zeros(self.shape, dout.dtype)
        for f, places in enumerate(self.index):
            dx[:, places] += dout[:, f] * self.window.astype(dout.dtype)
        return dx


@broken("not-accumulated", "missing-term")
class WindowedFramesFancyAdd(WindowedFrames):
    def backward(self, dout):
        dx = np.zeros(self.shape, dout.dtype)
        dx[:, self.index] += dout * self.window.astype(dout.dtype)
        return dx


@broken("dtype-changed")
class WindowedFramesZeros(WindowedFrames):
    def backward(self, dout):
        dx = np.zeros(self.shape)
        for f, places in enumerate(self.index):
            dx[:, places] += dout[:, f] * self.window.astype(dout.dtype)
        return dx


@broken("aliases-output")
class WindowedFramesPreallocated(WindowedFrames):
    frames = None

    def forward(self, x):
        self.shape = x.shape
        if self.frames is None or len(self.frames) != len(x):
            self.frames = np.empty((len(x), 4, 4), x.dtype)
        return np.multiply(x[:, self.index], self.window.astype(x.dtype), out=self.frames)


@sound(inputs=normal((4, 5)))
class LinearResize(nl.Layer):
    """Each row of five, interpolated at eight places."""

    def __init__(self):
        at = np.linspace(0, 4, 8)
        self.matrix = np.maximum(0, 1 - np.abs(np.arange(5)[:, None] - at))

    def forward(self, x):
        return x @ self.matrix

    def backward(self, dout):
        return dout @ self.matrix.T


@broken("wrong-formula")
class LinearResizeResizesBack(LinearResize):
    def backward(self, dout):
        at, back = np.linspace(0, 7, 5), np.arange(8)
        return dout @ np.maximum(0, 1 - np.abs(back[:, None] - at))


@sound(inputs=normal((3, 8)))
class HaarWavelet(nl.Layer):
    """Sums and differences of neighbours over √2, the sums first."""

    def forward(self, x):
        a, b = x[:, ::2], x[:, 1::2]
        return np.concatenate([a + b, a - b], axis=1) / math.sqrt(2)

    def backward(self, dout):
        s, d = np.split(dout / math.sqrt(2), 2, axis=1)
        dx = np.empty_like(dout)
        dx[:, ::2], dx[:, 1::2] = s + d, s - d
        return dx


@broken("wrong-scale")
class HaarWaveletHalves(HaarWavelet):
    def backward(self, dout):
        s, d = np.split(dout / 2, 2, axis=1)
        dx = np.empty_like(dout)
        dx[:, ::2], dx[:, 1::2] = s + d, s - d
        return dx


@broken("aliases-output")
class HaarWaveletInOneRoom(HaarWavelet):
    def __init__(self):
        self.room = {}

    def forward(self, x):
        y = self.room.setdefault(x.shape, np.empty_like(x))
        a, b = x[:, ::2], x[:, 1::2]
        y[:, :4], y[:, 4:] = (a + b) / math.sqrt(2), (a - b) / math.sqrt(2)
        return y


@sound(lambda r: (float(r.uniform(0.5, 0.97)),), normal((3, 7)))
class Preemphasis(nl.Layer):
    """y[t] = x[t] - a x[t - 1]."""

    def __init__(self, a):
        self.a = nl.Parameter(np.full(1, a))

    def forward(self, x):
        self.x = np.array(x)
        y = self.x.copy()
        y[:, 1:] -= self.a.value * x[:, :-1]
        return y

    def backward(self, dout):
        self.a.grad -= (dout[:, 1:] * self.x[:, :-1]).sum()
        dx = dout.copy()
        dx[:, :-1] -= self.a.value * dout[:, 1:]
        return dx


@broken("missing-transpose", "wrong-formula")
class PreemphasisFiltersDout(Preemphasis):
    def backward(self, dout):
        self.a.grad -= (dout[:, 1:] * self.x[:, :-1]).sum()
        dx = dout.copy()
        dx[:, 1:] -= self.a.value * dout[:, :-1]
        return dx


@broken("wrong-sign")
class PreemphasisCoefficientUp(Preemphasis):
    def backward(self, dout):
        self.a.grad += (dout[:, 1:] * self.x[:, :-1]).sum()
        dx = dout.copy()
        dx[:, :-1] -= self.a.value * dout[:, 1:]
        return dx


@sound(inputs=normal((2, 7), (2, 3)))
class CrossCorrelate(nl.Layer):
    """y[t] = Σ a[t + k] b[k], for each row its own b."""

    def forward(self, a, b):
        self.a, self.b = np.array(a), np.array(b)
        return sum(a[:, k : k + 5] * b[:, k : k + 1] for k in range(3))

    def backward(self, dout):
        da, db = np.zeros_like(self.a), np.empty_like(self.b)
        for k in range(3):
            da[:, k : k + 5] += dout * self.b[:, k : k + 1]
            db[:, k] = (dout * self.a[:, k : k + 5]).sum(axis=1)
        return da, db


@broken("swapped")
class CrossCorrelateKernelFirst(CrossCorrelate):
    def backward(self, dout):
        da, db = super().backward(dout)
        return db, da


@broken("missing-gradient")
class CrossCorrelateNoKernel(CrossCorrelate):
    def backward(self, dout):
        da, _ = super().backward(dout)
        return da, None


@sound(inputs=normal((3, 6)))
class TotalVariation(nl.Layer):
    """The sum of √(step² + ε) along each row."""

    def forward(self, x):
        self.step = np.diff(x, axis=1)
        self.length = np.sqrt(self.step**2 + 0.1)
        return self.length.sum(axis=1)

    def backward(self, dout):
        d = dout[:, None] * self.step / self.length
        dx = np.zeros((len(d), d.shape[1] + 1), d.dtype)
        dx[:, 1:] += d
        dx[:, :-1] -= d
        return dx


@broken("ignores-upstream")
class TotalVariationAlone(TotalVariation):
    def backward(self, dout):
        d = self.step / self.length
        dx = np.zeros((len(d), d.shape[1] + 1), d.dtype)
        dx[:, 1:] += d
        dx[:, :-1] -= d
        return dx


@sound(inputs=apart(3, 4, 2))
class MaxOverTime(nl.Layer):
    """The largest of each feature over the steps."""

    def forward(self, x):
        y = x.max(axis=1)
        self.mask = x == y[:, None]
        return y

    def backward(self, dout):
        return dout[:, None] * self.mask


@broken("missing-mask")
class MaxOverTimeAllSteps(MaxOverTime):
    def backward(self, dout):
        return np.repeat(dout[:, None], self.mask.shape[1], axis=1)


@broken("wrong-shape")
class MaxOverTimeStaysPooled(MaxOverTime):
    def backward(self, dout):
        return dout * self.mask.any(axis=1)


@sound(lambda r: (int(r.integers(1000)), 3, 5), normal((2, 3, 4)))
class ChannelMixer(nl.Layer):
    """A convolution of width one: (N, C, L) to (N, D, L)."""

    def __init__(self, seed, c, d):
        self.weight, self.bias = nl.Parameter(draw(seed, c, d)), nl.Parameter(draw(seed + 1, d))

    def forward(self, x):
        self.x = np.array(x)
        return np.einsum("ncl,cd->ndl", x, self.weight.value) + self.bias.value[:, None]

    def backward(self, dout):
        self.weight.grad += np.einsum("ncl,ndl->cd", self.x, dout)
        self.bias.grad += dout.sum(axis=(0, 2))
        return np.einsum("ndl,cd->ncl", dout, self.weight.value)


@broken("missing-transpose", "wrong-shape")
class ChannelMixerWeightTurned(ChannelMixer):
    def backward(self, dout):
        self.weight.grad += np.einsum("ncl,ndl->dc", self.x, dout)
        self.bias.grad += dout.sum(axis=(0, 2))
        return np.einsum("ndl,cd->ncl", dout, self.weight.value)


@broken("wrong-axis", args=lambda r: (int(r.integers(1000)), 3, 4))
class ChannelMixerBiasAlongLength(ChannelMixer):
    def backward(self, dout):
        self.weight.grad += np.einsum("ncl,ndl->cd", self.x, dout)
        self.bias.grad += dout.sum(axis=(0, 1))
        return np.einsum("ndl,cd->ncl", dout, self.weight.value)


@broken("missing-batch-sum")
class ChannelMixerBiasPerSample(ChannelMixer):
    def backward(self, dout):
        self.weight.grad += np.einsum("ncl,ndl->cd", self.x, dout)
        self.bias.grad += dout.sum(axis=2)
        return np.einsum("ndl,cd->ncl", dout, self.weight.value)


# Attention and memory


@sound(seeded, normal((3, 4, 2)))
class AttentionPool(nl.Layer):
    """y = Σ a[t] x[t], a the softmax of v · tanh(x U)."""

    def __init__(self, seed):
        self.u, self.v = nl.Parameter(draw(seed, 2, 5)), nl.Parameter(draw(seed + 1, 5))

    def forward(self, x):
        self.x = np.array(x)
        self.t = np.tanh(self.x @ self.u.value)
        self.a = softmax(self.t @ self.v.value)
        return np.einsum("nt,ntd->nd", self.a, self.x)

    def backward(self, dout):
        da = np.einsum("nd,ntd->nt", dout, self.x)
        return self.a[..., None] * dout[:, None] + self.through_scores(self.a * (da - (self.a * da).sum(axis=1, keepdims=True)))

    def through_scores(self, de):
        dz = de[..., None] * self.v.value * (1 - self.t**2)
        self.v.grad += np.einsum("nth,nt->h", self.t, de)
        self.u.grad += np.einsum("ntd,nth->dh", self.x, dz)
        return dz @ self.u.value.T


@broken("diagonal-only")
class AttentionPoolOwnShare(AttentionPool):
    def backward(self, dout):
        da = np.einsum("nd,ntd->nt", dout, self.x)
        return self.a[..., None] * dout[:, None] + self.through_scores(self.a * (1 - self.a) * da)


@broken("wrong-axis")
class AttentionPoolAcrossSamples(AttentionPool):
    def backward(self, dout):
        da = np.einsum("nd,ntd->nt", dout, self.x)
        return self.a[..., None] * dout[:, None] + self.through_scores(self.a * (da - (self.a * da).sum(axis=0, keepdims=True)))


@sound(seeded, normal((5, 3)))
class HopfieldRetrieve(nl.Layer):
    """y = softmax(β x Mᵀ) M, M the stored patterns."""

    beta = 2.5

    def __init__(self, seed):
        self.memory = nl.Parameter(draw(seed, 4, 3))

    def forward(self, x):
        self.x = np.array(x)
        self.p = softmax(self.beta * self.x @ self.memory.value.T)
        return self.p @ self.memory.value

    def backward(self, dout):
        dp = dout @ self.memory.value.T
        ds = self.beta * self.p * (dp - (self.p * dp).sum(axis=1, keepdims=True))
        self.memory.grad += self.p.T @ dout + ds.T @ self.x
        return ds @ self.memory.value


@broken("missing-term")
class HopfieldRetrieveValuesOnly(HopfieldRetrieve):
    def backward(self, dout):
        dp = dout @ self.memory.value.T
        ds = self.beta * self.p * (dp - (self.p * dp).sum(axis=1, keepdims=True))
        self.memory.grad += self.p.T @ dout
        return ds @ self.memory.value


@broken("diagonal-only")
class HopfieldRetrieveLikeSigmoid(HopfieldRetrieve):
    def backward(self, dout):
        dp = dout @ self.memory.value.T
        ds = self.beta * self.p * (1 - self.p) * dp
        self.memory.grad += self.p.T @ dout + ds.T @ self.x
        return ds @ self.memory.value


@broken("double-counted")
class HopfieldRetrieveKeysTwice(HopfieldRetrieve):
    def backward(self, dout):
        dp = dout @ self.memory.value.T
        ds = self.beta * self.p * (dp - (self.p * dp).sum(axis=1, keepdims=True))
        self.memory.grad += self.p.T @ dout
        for _ in ("scores", "keys"):
            self.memory.grad += ds.T @ self.x
        return ds @ self.memory.value


@sound(inputs=normal((2, 3, 4), (2, 5, 4), (2, 5, 3)))
class SigmoidAttention(nl.Layer):
    """y = σ(q kᵀ / 2 - 1) v."""

    def forward(self, q, k, v):
        self.q, self.k, self.v = np.array(q), np.array(k), np.array(v)
        self.p = sigmoid(0.5 * q @ k.swapaxes(1, 2) - 1)
        return self.p @ v

    def backward(self, dout):
        ds = 0.5 * dout @ self.v.swapaxes(1, 2) * self.p * (1 - self.p)
        return ds @ self.k, ds.swapaxes(1, 2) @ self.q, self.p.swapaxes(1, 2) @ dout


@broken("missing-transpose", inputs=normal((2, 5, 4), (2, 5, 4), (2, 5, 3)))
class SigmoidAttentionValuesUnturned(SigmoidAttention):
    def backward(self, dout):
        ds = 0.5 * dout @ self.v.swapaxes(1, 2) * self.p * (1 - self.p)
        return ds @ self.k, ds.swapaxes(1, 2) @ self.q, self.p @ dout


@broken("swapped", inputs=normal((2, 5, 4), (2, 5, 4), (2, 5, 3)))
class SigmoidAttentionKeysFirst(SigmoidAttention):
    def backward(self, dout):
        ds = 0.5 * dout @ self.v.swapaxes(1, 2) * self.p * (1 - self.p)
        return ds.swapaxes(1, 2) @ self.q, ds @ self.k, self.p.swapaxes(1, 2) @ dout


@broken("zero-gradient", "missing-gradient")
class SigmoidAttentionKeysDetached(SigmoidAttention):
    def backward(self, dout):
        ds = 0.5 * dout @ self.v.swapaxes(1, 2) * self.p * (1 - self.p)
        return ds @ self.k, np.zeros_like(self.k), self.p.swapaxes(1, 2) @ dout


@sound(inputs=normal((2, 3, 4, 2), (2, 4, 2)))
class MultiQueryScores(nl.Layer):
    """The scores of several heads' queries against the keys they share."""

    def forward(self, q, k):
        self.q, self.k = np.array(q), np.array(k)
        return np.einsum("nhtd,nsd->nhts", q, k)

    def backward(self, dout):
        return np.einsum("nhts,nsd->nhtd", dout, self.k), np.einsum("nhts,nhtd->nsd", dout, self.q)


@broken("wrong-shape", "missing-batch-sum")
class MultiQueryScoresKeysPerHead(MultiQueryScores):
    def backward(self, dout):
        return np.einsum("nhts,nsd->nhtd", dout, self.k), np.einsum("nhts,nhtd->nhsd", dout, self.q)


@broken("wrong-scale")
class MultiQueryScoresMeanOfHeads(MultiQueryScores):
    def backward(self, dout):
        per_head = np.einsum("nhts,nhtd->nhsd", dout, self.q)
        return np.einsum("nhts,nsd->nhtd", dout, self.k), per_head.mean(axis=1)


@sound(seeded, normal((5, 3)))
class GraphAttention(nl.Layer):
    """Each node takes its neighbours' h = x W, weighted by a softmax of leaky scores."""

    def __init__(self, seed):
        self.weight = nl.Parameter(draw(seed, 3, 4))
        self.source, self.target = nl.Parameter(draw(seed + 1, 4)), nl.Parameter(draw(seed + 2, 4))
        self.edges = np.eye(5, dtype=bool) | (np.arange(5)[:, None] == (np.arange(5) * 2 + 1) % 5) | np.tri(5, k=-3, dtype=bool)

    def forward(self, x):
        self.x = np.array(x)
        self.h = self.x @ self.weight.value
        z = (self.h @ self.target.value)[:, None] + self.h @ self.source.value
        self.slope = np.where(z > 0, 1.0, 0.2)
        self.a = softmax(np.where(self.edges, z * self.slope, -1e30))
        return self.a @ self.h

    def backward(self, dout):
        da = dout @ self.h.T
        dz = self.a * (da - (self.a * da).sum(axis=1, keepdims=True)) * self.slope
        return self.through_nodes(self.a.T @ dout, dz)

    def through_nodes(self, dh, dz):
        to, of = dz.sum(axis=1), dz.sum(axis=0)
        self.target.grad += to @ self.h
        self.source.grad += of @ self.h
        dh = dh + np.outer(to, self.target.value) + np.outer(of, self.source.value)
        self.weight.grad += self.x.T @ dh
        return dh @ self.weight.value.T


@broken("missing-transpose")
class GraphAttentionSendsBackWrong(GraphAttention):
    def backward(self, dout):
        da = dout @ self.h.T
        dz = self.a * (da - (self.a * da).sum(axis=1, keepdims=True)) * self.slope
        return self.through_nodes(self.a @ dout, dz)


@broken("wrong-axis")
class GraphAttentionSourcesSummedAcross(GraphAttention):
    def through_nodes(self, dh, dz):
        to = of = dz.sum(axis=1)
        self.target.grad += to @ self.h
        self.source.grad += of @ self.h
        dh = dh + np.outer(to, self.target.value) + np.outer(of, self.source.value)
        self.weight.grad += self.x.T @ dh
        return dh @ self.weight.value.T


@sound(seeded, normal((2, 4, 4)))
class RelativePositionBias(nl.Layer):
    """y[i, j] = x[i, j] + b[i - j]."""

    index = np.arange(4)[:, None] - np.arange(4) + 3

    def __init__(self, seed):
        self.bias = nl.Parameter(draw(seed, 7))

    def forward(self, x):
        return x + self.bias.value[self.index]

    def backward(self, dout):
        np.add.at(self.bias.grad, self.index, dout.sum(axis=0))
        return dout.copy()


@broken("not-accumulated", "missing-term")
class RelativePositionBiasFancyAdd(RelativePositionBias):
    def backward(self, dout):
        self.bias.grad[self.index] += dout.sum(axis=0)
        return dout.copy()


@broken("wrong-scale")
class RelativePositionBiasMeanOfSamples(RelativePositionBias):
    def backward(self, dout):
        np.add.at(self.bias.grad, self.index, dout.mean(axis=0))
        return dout.copy()


@sound(seeded, normal((2, 5, 3)))
class ClusterResiduals(nl.Layer):
    """y[k] = Σ a[t, k] (x[t] - c[k]), a the softmax of x W."""

    def __init__(self, seed):
        self.weight, self.centre = nl.Parameter(draw(seed, 3, 4)), nl.Parameter(draw(seed + 1, 4, 3))

    def forward(self, x):
        self.x = np.array(x)
        self.a = softmax(self.x @ self.weight.value)
        self.r = self.x[:, :, None] - self.centre.value
        return np.einsum("ntk,ntkd->nkd", self.a, self.r)

    def backward(self, dout):
        da = np.einsum("nkd,ntkd->ntk", dout, self.r)
        ds = self.a * (da - (self.a * da).sum(axis=-1, keepdims=True))
        self.weight.grad += np.einsum("ntd,ntk->dk", self.x, ds)
        self.centre.grad -= np.einsum("ntk,nkd->kd", self.a, dout)
        return ds @ self.weight.value.T + self.a @ dout


@broken("wrong-sign")
class ClusterResidualsCentresTowards(ClusterResiduals):
    def backward(self, dout):
        da = np.einsum("nkd,ntkd->ntk", dout, self.r)
        ds = self.a * (da - (self.a * da).sum(axis=-1, keepdims=True))
        self.weight.grad += np.einsum("ntd,ntk->dk", self.x, ds)
        self.centre.grad += np.einsum("ntk,nkd->kd", self.a, dout)
        return ds @ self.weight.value.T + self.a @ dout


@broken("diagonal-only")
class ClusterResidualsOwnCluster(ClusterResiduals):
    def backward(self, dout):
        da = np.einsum("nkd,ntkd->ntk", dout, self.r)
        ds = da * self.a * (1 - self.a)
        self.weight.grad += np.einsum("ntd,ntk->dk", self.x, ds)
        self.centre.grad -= np.einsum("ntk,nkd->kd", self.a, dout)
        return ds @ self.weight.value.T + self.a @ dout


# Recurrences and cumulative operations


@sound(inputs=lambda r: [r.normal(size=(2, 5, 3)), r.uniform(0.2, 0.9, size=(2, 5, 3))])
class ForgetPool(nl.Layer):
    """c[t] = f[t] c[t - 1] + (1 - f[t]) z[t], along the second axis."""

    def forward(self, z, f):
        self.z, self.f = np.array(z), np.array(f)
        self.c = np.zeros((len(z), z.shape[1] + 1, z.shape[2]), z.dtype)
        for t in range(z.shape[1]):
            self.c[:, t + 1] = f[:, t] * self.c[:, t] + (1 - f[:, t]) * z[:, t]
        return self.c[:, 1:].copy()

    def backward(self, dout):
        dz, df, dc = np.empty_like(self.z), np.empty_like(self.f), np.zeros_like(self.z[:, 0])
        for t in reversed(range(dout.shape[1])):
            dc = dc + dout[:, t]
            dz[:, t] = dc * (1 - self.f[:, t])
            df[:, t] = dc * (self.c[:, t] - self.z[:, t])
            dc = dc * self.f[:, t]
        return dz, df


@broken("swapped")
class ForgetPoolGateFirst(ForgetPool):
    def backward(self, dout):
        dz, df = super().backward(dout)
        return df, dz


@broken("wrong-formula")
class ForgetPoolNewState(ForgetPool):
    def backward(self, dout):
        dz, df, dc = np.empty_like(self.z), np.empty_like(self.f), np.zeros_like(self.z[:, 0])
        for t in reversed(range(dout.shape[1])):
            dc = dc + dout[:, t]
            dz[:, t] = dc * (1 - self.f[:, t])
            df[:, t] = dc * (self.c[:, t + 1] - self.z[:, t])
            dc = dc * self.f[:, t]
        return dz, df


@broken("mutates-input")
class ForgetPoolGatesItsInput(ForgetPool):
    def forward(self, z, f):
        y = super().forward(z, f)
        z *= 1 - f
        return y


@sound(seeded, normal((3, 4, 2)))
class LeakyReservoir(nl.Layer):
    """h ← 0.6 h + 0.4 tanh(x[t] W + h U); the last h."""

    def __init__(self, seed):
        self.weight, self.loop = nl.Parameter(draw(seed, 2, 3)), nl.Parameter(draw(seed + 1, 3, 3))

    def forward(self, x):
        self.x = np.array(x)
        self.h, self.t = [np.zeros((len(x), 3), x.dtype)], []
        for k in range(x.shape[1]):
            self.t.append(np.tanh(self.x[:, k] @ self.weight.value + self.h[k] @ self.loop.value))
            self.h.append(0.6 * self.h[k] + 0.4 * self.t[k])
        return self.h[-1].copy()

    def backward(self, dout):
        dh, dx = dout, np.empty_like(self.x)
        for k in reversed(range(len(self.t))):
            dz = 0.4 * dh * (1 - self.t[k] ** 2)
            self.weight.grad += self.x[:, k].T @ dz
            self.loop.grad += self.h[k].T @ dz
            dx[:, k] = dz @ self.weight.value.T
            dh = 0.6 * dh + dz @ self.loop.value.T
        return dx


@broken("missing-term")
class LeakyReservoirNoLeak(LeakyReservoir):
    def backward(self, dout):
        dh, dx = dout, np.empty_like(self.x)
        for k in reversed(range(len(self.t))):
            dz = 0.4 * dh * (1 - self.t[k] ** 2)
            self.weight.grad += self.x[:, k].T @ dz
            self.loop.grad += self.h[k].T @ dz
            dx[:, k] = dz @ self.weight.value.T
            dh = dz @ self.loop.value.T
        return dx


@broken("missing-transpose")
class LeakyReservoirLoopUnturned(LeakyReservoir):
    def backward(self, dout):
        dh, dx = dout, np.empty_like(self.x)
        for k in reversed(range(len(self.t))):
            dz = 0.4 * dh * (1 - self.t[k] ** 2)
            self.weight.grad += self.x[:, k].T @ dz
            self.loop.grad += self.h[k].T @ dz
            dx[:, k] = dz @ self.weight.value.T
            dh = 0.6 * dh + dz @ self.loop.value
        return dx


@broken("not-accumulated", "missing-term")
class LeakyReservoirSetsInTheLoop(LeakyReservoir):
    def backward(self, dout):
        dh, dx = dout, np.empty_like(self.x)
        for k in reversed(range(len(self.t))):
            dz = 0.4 * dh * (1 - self.t[k] ** 2)
            self.weight.grad = self.x[:, k].T @ dz
            self.loop.grad += self.h[k].T @ dz
            dx[:, k] = dz @ self.weight.value.T
            dh = 0.6 * dh + dz @ self.loop.value.T
        return dx


@broken("stale-cache")
class LeakyReservoirOldSteps(LeakyReservoir):
    def __init__(self, seed):
        super().__init__(seed)
        self.every = []

    def forward(self, x):
        y = super().forward(x)
        self.every += self.t
        self.t = self.every[: x.shape[1]]
        return y


@sound(inputs=normal((3, 6)))
class HoltSmoothing(nl.Layer):
    """Level and trend of a series; y[t] = level + trend."""

    def forward(self, x):
        level = trend = np.zeros(len(x), x.dtype)
        y = np.empty_like(x)
        for t in range(x.shape[1]):
            new = 0.7 * x[:, t] + 0.3 * (level + trend)
            trend = 0.4 * (new - level) + 0.6 * trend
            level = new
            y[:, t] = level + trend
        return y

    def backward(self, dout):
        d_level = d_trend = np.zeros(len(dout), dout.dtype)
        dx = np.empty_like(dout)
        for t in reversed(range(dout.shape[1])):
            d_trend = d_trend + dout[:, t]
            d_new = d_level + dout[:, t] + 0.4 * d_trend
            dx[:, t] = 0.7 * d_new
            d_level = 0.3 * d_new - 0.4 * d_trend
            d_trend = 0.3 * d_new + 0.6 * d_trend
        return dx


@broken("missing-term")
class HoltSmoothingLevelNotTrend(HoltSmoothing):
    def backward(self, dout):
        d_level = np.zeros(len(dout), dout.dtype)
        dx = np.empty_like(dout)
        for t in reversed(range(dout.shape[1])):
            d_new = d_level + dout[:, t]
            dx[:, t] = 0.7 * d_new
            d_level = 0.3 * d_new
        return dx


@broken("aliases-output")
class HoltSmoothingBackwardsIntoY(HoltSmoothing):
    def forward(self, x):
        self.room = super().forward(x)
        return self.room

    def backward(self, dout):
        self.room[:] = super().backward(dout)
        return self.room.copy()


@sound(seeded, normal((2, 5)))
class GarchVariance(nl.Layer):
    """v[t] = ω + α r[t - 1]² + β v[t - 1], from v[0] = ω."""

    def __init__(self, seed):
        r = np.random.default_rng(seed)
        self.omega, self.alpha, self.beta = (nl.Parameter(np.full(1, r.uniform(0.2, 0.8))) for _ in range(3))

    def forward(self, x):
        self.x = np.array(x)
        self.v = np.empty_like(self.x)
        self.v[:, 0] = self.omega.value
        for t in range(1, x.shape[1]):
            self.v[:, t] = self.omega.value + self.alpha.value * x[:, t - 1] ** 2 + self.beta.value * self.v[:, t - 1]
        return self.v.copy()

    def backward(self, dout):
        dv, dx = np.zeros(len(dout), dout.dtype), np.zeros_like(dout)
        for t in reversed(range(1, dout.shape[1])):
            dv = dv + dout[:, t]
            self.omega.grad += dv.sum()
            self.alpha.grad += (dv * self.x[:, t - 1] ** 2).sum()
            self.beta.grad += (dv * self.v[:, t - 1]).sum()
            dx[:, t - 1] = 2 * self.alpha.value * self.x[:, t - 1] * dv
            dv = self.beta.value * dv
        self.omega.grad += (dv + dout[:, 0]).sum()
        return dx


@broken("wrong-scale")
class GarchVarianceNoTwo(GarchVariance):
    def backward(self, dout):
        return super().backward(dout) / 2


@broken("missing-batch-sum", "missing-term")
class GarchVarianceBetaOfOneSeries(GarchVariance):
    def backward(self, dout):
        dv, dx = np.zeros(len(dout), dout.dtype), np.zeros_like(dout)
        for t in reversed(range(1, dout.shape[1])):
            dv = dv + dout[:, t]
            self.omega.grad += dv.sum()
            self.alpha.grad += (dv * self.x[:, t - 1] ** 2).sum()
            self.beta.grad += dv[-1] * self.v[-1, t - 1]
            dx[:, t - 1] = 2 * self.alpha.value * self.x[:, t - 1] * dv
            dv = self.beta.value * dv
        self.omega.grad += (dv + dout[:, 0]).sum()
        return dx


@sound(seeded, uniform(0.1, 0.9, (4, 3)))
class LogisticMap(nl.Layer):
    """Three times x ← r x (1 - x)."""

    def __init__(self, seed):
        self.rate = nl.Parameter(np.random.default_rng(seed).uniform(2, 3, size=3))

    def forward(self, x):
        self.path = [np.array(x)]
        for _ in range(3):
            self.path.append(self.rate.value * self.path[-1] * (1 - self.path[-1]))
        return self.path[-1].copy()

    def backward(self, dout):
        for x in self.path[2::-1]:
            self.rate.grad += (dout * x * (1 - x)).sum(axis=0)
            dout = dout * self.rate.value * (1 - 2 * x)
        return dout


@broken("missing-term", "not-accumulated")
class LogisticMapLastRound(LogisticMap):
    def backward(self, dout):
        self.rate.grad += (dout * self.path[2] * (1 - self.path[2])).sum(axis=0)
        for x in self.path[2::-1]:
            dout = dout * self.rate.value * (1 - 2 * x)
        return dout


@broken("mutates-upstream")
class LogisticMapInDout(LogisticMap):
    def backward(self, dout):
        for x in self.path[2::-1]:
            self.rate.grad += (dout * x * (1 - x)).sum(axis=0)
            dout *= self.rate.value * (1 - 2 * x)
        return dout.copy()


@sound(inputs=normal((3, 5)))
class CumulativeMean(nl.Layer):
    """y[t] = mean of x[0 … t]."""

    def forward(self, x):
        return np.cumsum(x, axis=1) / np.arange(1, x.shape[1] + 1, dtype=x.dtype)

    def backward(self, dout):
        d = dout / np.arange(1, dout.shape[1] + 1, dtype=dout.dtype)
        return np.cumsum(d[:, ::-1], axis=1)[:, ::-1]


@broken("diagonal-only", "missing-term")
class CumulativeMeanOwnStep(CumulativeMean):
    def backward(self, dout):
        return dout / np.arange(1, dout.shape[1] + 1, dtype=dout.dtype)


@broken("wrong-axis")
class CumulativeMeanOverSamples(CumulativeMean):
    def backward(self, dout):
        d = dout / np.arange(1, dout.shape[1] + 1, dtype=dout.dtype)
        return np.cumsum(d[::-1], axis=0)[::-1]


@broken("missing-transpose", "wrong-formula")
class CumulativeMeanForwards(CumulativeMean):
    def backward(self, dout):
        return np.cumsum(dout, axis=1) / np.arange(1, dout.shape[1] + 1, dtype=dout.dtype)


def with_a_whole_stick(r):
    v = r.uniform(0.1, 0.8, size=(3, 4))
    v[1, 1] = 1.0
    return [v]


@sound(inputs=with_a_whole_stick)
class StickBreaking(nl.Layer):
    """π[k] = v[k] of what the earlier left, and the rest."""

    def forward(self, v):
        self.v = np.array(v)
        self.left = np.cumprod(np.hstack([np.ones((len(v), 1)), 1 - v]), axis=1)
        return np.hstack([self.v * self.left[:, :-1], self.left[:, -1:]])

    def backward(self, dout):
        dv, d_left = np.empty_like(self.v), dout[:, -1]
        for k in reversed(range(self.v.shape[1])):
            dv[:, k] = (dout[:, k] - d_left) * self.left[:, k]
            d_left = dout[:, k] * self.v[:, k] + d_left * (1 - self.v[:, k])
        return dv


@broken("non-finite")
class StickBreakingDivides(StickBreaking):
    def backward(self, dout):
        dv = np.empty_like(self.v)
        y = np.hstack([self.v * self.left[:, :-1], self.left[:, -1:]])
        for k in range(self.v.shape[1]):
            dv[:, k] = dout[:, k] * y[:, k] / self.v[:, k] - (dout * y)[:, k + 1 :].sum(axis=1) / (1 - self.v[:, k])
        return dv


@sound(inputs=normal((2, 5)))
class SoftRank(nl.Layer):
    """r[i] = Σ σ((x[i] - x[j]) / τ) over j ≠ i."""

    tau = 0.7

    def forward(self, x):
        s = sigmoid((x[:, :, None] - x[:, None, :]) / self.tau)
        self.slope = s * (1 - s) / self.tau
        return s.sum(axis=2) - 0.5

    def backward(self, dout):
        d = dout[:, :, None] * self.slope
        return d.sum(axis=2) - d.sum(axis=1)


@broken("wrong-scale")
class SoftRankNoTemperature(SoftRank):
    def backward(self, dout):
        d = dout[:, :, None] * self.slope * self.tau
        return d.sum(axis=2) - d.sum(axis=1)


@broken("wrong-sign")
class SoftRankOthersRise(SoftRank):
    def backward(self, dout):
        d = dout[:, :, None] * self.slope
        return d.sum(axis=1) - d.sum(axis=2)


# Losses


def labelled(n, k):
    return lambda r: [r.normal(size=(n, k)), r.integers(0, k, size=n)]


@sound(inputs=labelled(6, 4))
class BrierScore(nl.Layer):
    """The mean over the samples of Σ (p - onehot)²."""

    n_nondifferentiable_inputs = 1

    def forward(self, p, labels):
        self.gap = np.array(p)
        self.gap[np.arange(len(p)), labels] -= 1
        return (self.gap**2).sum() / len(p)

    def backward(self, dout):
        return dout * 2 * self.gap / len(self.gap)


@broken("wrong-scale")
class BrierScoreNoTwo(BrierScore):
    def backward(self, dout):
        return dout * self.gap / len(self.gap)


@broken("ignores-upstream")
class BrierScoreIsTheEnd(BrierScore):
    def backward(self, dout):
        return 2 * self.gap / len(self.gap)


@broken("mutates-input")
class BrierScoreSubtractsInPlace(BrierScore):
    def forward(self, p, labels):
        self.gap = p
        self.gap[np.arange(len(p)), labels] -= 1
        return (self.gap**2).sum() / len(p)


def scores_apart(r):
    """Margins that are clearly kept or clearly not."""
    s = r.permutation(20).reshape(5, 4) * 0.37 + r.uniform(0, 0.1, size=(5, 4)) - 3
    return [s, r.integers(0, 4, size=5)]


@sound(inputs=scores_apart)
class CrammerSinger(nl.Layer):
    """Σ over samples and wrong classes of max(0, 1 + s[j] - s[label])."""

    n_nondifferentiable_inputs = 1

    def forward(self, s, labels):
        self.rows, self.labels = np.arange(len(s)), labels.copy()
        margins = 1 + s - s[self.rows, labels][:, None]
        self.active = margins > 0
        self.active[self.rows, labels] = False
        return margins[self.active].sum()

    def backward(self, dout):
        ds = self.active.astype(float)
        ds[self.rows, self.labels] = -self.active.sum(axis=1)
        return dout * ds


@broken("missing-mask")
class CrammerSingerEveryMargin(CrammerSinger):
    def backward(self, dout):
        ds = np.ones(self.active.shape)
        ds[self.rows, self.labels] = 1 - ds.shape[1]
        return dout * ds


@broken("inverted-mask")
class CrammerSingerKeptMargins(CrammerSinger):
    def backward(self, dout):
        active = ~self.active
        active[self.rows, self.labels] = False
        ds = active.astype(float)
        ds[self.rows, self.labels] = -active.sum(axis=1)
        return dout * ds


@broken("missing-term")
class CrammerSingerOwnClassForgotten(CrammerSinger):
    def backward(self, dout):
        return dout * self.active


@sound(inputs=lambda r: [r.normal(size=(5, 3)), r.normal(size=(5, 3))])
class DistillationLoss(nl.Layer):
    """T² times the mean cross-entropy of the teacher's and the student's softened shares."""

    n_nondifferentiable_inputs = 1
    temperature = 3.0

    def forward(self, student, teacher):
        self.p, self.q = softmax(student / self.temperature), softmax(teacher / self.temperature)
        return -(self.temperature**2) * (self.q * np.log(self.p)).sum() / len(student)

    def backward(self, dout):
        return dout * self.temperature * (self.p - self.q) / len(self.p)


@broken("wrong-scale")
class DistillationLossCold(DistillationLoss):
    def backward(self, dout):
        return dout * (self.p - self.q) / len(self.p)


@broken("wrong-sign")
class DistillationLossTeacherLess(DistillationLoss):
    def backward(self, dout):
        return dout * self.temperature * (self.q - self.p) / len(self.p)


@sound(inputs=normal((6,), (6,), (6,)))
class PreferenceLoss(nl.Layer):
    """The mean of -log σ(β (chosen - rejected - reference))."""

    n_nondifferentiable_inputs = 1
    beta = 0.8

    def forward(self, chosen, rejected, reference):
        self.s = sigmoid(-self.beta * (chosen - rejected - reference))
        return -np.log1p(-self.s).mean()

    def backward(self, dout):
        d = dout * self.beta * self.s / len(self.s)
        return -d, d


@broken("swapped", "wrong-sign")
class PreferenceLossRejectedFirst(PreferenceLoss):
    def backward(self, dout):
        d = dout * self.beta * self.s / len(self.s)
        return d, -d


@broken("missing-gradient")
class PreferenceLossChosenOnly(PreferenceLoss):
    def backward(self, dout):
        return -dout * self.beta * self.s / len(self.s), None


@sound(inputs=lambda r: [r.choice([0.5, 0.7, 0.95, 1.1, 1.4, 1.6], size=(4, 5)) + r.uniform(-0.02, 0.02, (4, 5)), r.normal(size=(4, 5))])
class ClippedSurrogate(nl.Layer):
    """min(r A, clip(r, 0.8, 1.2) A), element by element."""

    n_nondifferentiable_inputs = 1

    def forward(self, ratio, advantage):
        self.advantage = np.array(advantage)
        self.free = np.where(self.advantage > 0, ratio < 1.2, ratio > 0.8)
        return np.minimum(ratio * advantage, np.clip(ratio, 0.8, 1.2) * advantage)

    def backward(self, dout):
        return dout * self.advantage * self.free


@broken("missing-mask")
class ClippedSurrogateNeverClipped(ClippedSurrogate):
    def backward(self, dout):
        return dout * self.advantage


@broken("inverted-mask")
class ClippedSurrogateOnlyClipped(ClippedSurrogate):
    def backward(self, dout):
        return dout * self.advantage * ~self.free


@broken("mutates-upstream")
class ClippedSurrogateClearsDout(ClippedSurrogate):
    def backward(self, dout):
        dout[~self.free] = 0.0
        return dout * self.advantage


@broken("mutates-input")
class ClippedSurrogateClipsTheRatio(ClippedSurrogate):
    def forward(self, ratio, advantage):
        self.advantage = np.array(advantage)
        self.free = np.where(self.advantage > 0, ratio < 1.2, ratio > 0.8)
        free = ratio * advantage
        return np.minimum(free, np.clip(ratio, 0.8, 1.2, out=ratio) * advantage)


@sound(inputs=normal((4, 3), (4, 3), (4, 3)))
class StudentTNLL(nl.Layer):
    """Σ of 2 log(1 + z²/3) + log s, z = (t - μ) / s: three degrees of freedom."""

    n_nondifferentiable_inputs = 1

    def forward(self, mean, log_scale, t):
        self.inverse = np.exp(-log_scale)
        self.z = (t - mean) * self.inverse
        return (2 * np.log1p(self.z**2 / 3) + log_scale).sum()

    def backward(self, dout):
        dz = 4 * self.z / (3 + self.z**2)
        return -dout * dz * self.inverse, dout * (1 - dz * self.z)


@broken("zero-gradient", "missing-gradient")
class StudentTNLLScaleGiven(StudentTNLL):
    def backward(self, dout):
        dz = 4 * self.z / (3 + self.z**2)
        return -dout * dz * self.inverse, np.zeros_like(self.z)


@broken("wrong-sign")
class StudentTNLLMeanAway(StudentTNLL):
    def backward(self, dout):
        dz = 4 * self.z / (3 + self.z**2)
        return dout * dz * self.inverse, dout * (1 - dz * self.z)


@broken("swapped")
class StudentTNLLScaleFirst(StudentTNLL):
    def backward(self, dout):
        dz = 4 * self.z / (3 + self.z**2)
        return dout * (1 - dz * self.z), -dout * dz * self.inverse


@sound(inputs=lambda r: [r.normal(size=7), np.array([1, 0, 1, 1, 0, 1, 1])])
class CoxLoss(nl.Layer):
    """Σ over events of log Σ exp(θ of those still at risk) - θ; rows in order of time."""

    n_nondifferentiable_inputs = 1

    def forward(self, theta, events):
        self.e, self.events = np.exp(theta), events.copy()
        self.risk = np.cumsum(self.e[::-1])[::-1]
        return (events * (np.log(self.risk) - theta)).sum()

    def backward(self, dout):
        return dout * (self.e * np.cumsum(self.events / self.risk) - self.events)


@broken("missing-mask")
class CoxLossCensoredToo(CoxLoss):
    def backward(self, dout):
        return dout * (self.e * np.cumsum(1 / self.risk) - 1)


@sound(inputs=normal((4, 3), (4, 3), (4, 5, 3)))
class NegativeSampling(nl.Layer):
    """-log σ(u · v) - Σ log σ(-u · n), for each sample."""

    def forward(self, u, v, n):
        self.u, self.v, self.n = np.array(u), np.array(v), np.array(n)
        good, bad = (u * v).sum(axis=1), np.einsum("nd,nkd->nk", u, n)
        self.dgood, self.dbad = sigmoid(good) - 1, sigmoid(bad)
        return np.logaddexp(0, -good) + np.logaddexp(0, bad).sum(axis=1)

    def backward(self, dout):
        g, b = dout * self.dgood, dout[:, None] * self.dbad
        return g[:, None] * self.v + np.einsum("nk,nkd->nd", b, self.n), g[:, None] * self.u, b[..., None] * self.u[:, None]


@broken("missing-term")
class NegativeSamplingPositiveOnly(NegativeSampling):
    def backward(self, dout):
        g, b = dout * self.dgood, dout[:, None] * self.dbad
        return g[:, None] * self.v, g[:, None] * self.u, b[..., None] * self.u[:, None]


@broken("swapped")
class NegativeSamplingContextFirst(NegativeSampling):
    def backward(self, dout):
        du, dv, dn = super().backward(dout)
        return dv, du, dn


@broken("wrong-sign")
class NegativeSamplingDrawsNearer(NegativeSampling):
    def backward(self, dout):
        g, b = dout * self.dgood, dout[:, None] * self.dbad
        return g[:, None] * self.v + np.einsum("nk,nkd->nd", b, self.n), g[:, None] * self.u, -b[..., None] * self.u[:, None]


@sound(inputs=lambda r: [r.uniform(0.2, 3, size=(5, 2)), r.uniform(0.2, 3, size=(5, 2))])
class SquaredLogGap(nl.Layer):
    """The mean of (log(1 + x) - log(1 + t))²."""

    n_nondifferentiable_inputs = 1

    def forward(self, x, t):
        self.x1 = 1 + x
        self.gap = np.log(self.x1) - np.log1p(t)
        return (self.gap**2).mean()

    def backward(self, dout):
        return dout * 2 * self.gap / self.x1 / self.gap.size


@broken("mutates-input")
class SquaredLogGapLogInPlace(SquaredLogGap):
    def forward(self, x, t):
        self.x1 = 1 + x
        np.log1p(x, out=x)
        self.gap = x - np.log1p(t)
        return (self.gap**2).mean()


@broken("wrong-scale")
class SquaredLogGapOverSamples(SquaredLogGap):
    def backward(self, dout):
        return dout * 2 * self.gap / self.x1 / len(self.gap)


def near_and_far(r):
    near, far = r.uniform(0.2, 0.9, (4, 5)), r.uniform(2.2, 3, (4, 5))
    gap = r.choice([-1, 1], size=(4, 5)) * np.where(np.arange(20).reshape(4, 5) % 3 > 0, near, far)
    t = r.normal(size=(4, 5))
    return [t + gap, t]


@sound(inputs=near_and_far)
class WingLoss(nl.Layer):
    """1.5 log(1 + |d| / ½) where |d| < 1.5, else |d| and a constant."""

    n_nondifferentiable_inputs = 1

    def forward(self, x, t):
        self.d = x - t
        self.near = np.abs(self.d) < 1.5
        far = np.abs(self.d) - 1.5 + 1.5 * math.log(4)
        return np.where(self.near, 1.5 * np.log1p(np.abs(self.d) / 0.5), far).sum()

    def backward(self, dout):
        return dout * np.sign(self.d) * np.where(self.near, 1.5 / (0.5 + np.abs(self.d)), 1.0)


@broken("inverted-mask")
class WingLossBranchesExchanged(WingLoss):
    def backward(self, dout):
        return dout * np.sign(self.d) * np.where(self.near, 1.0, 1.5 / (0.5 + np.abs(self.d)))


@broken("missing-mask")
class WingLossAlwaysNear(WingLoss):
    def backward(self, dout):
        return dout * np.sign(self.d) * 1.5 / (0.5 + np.abs(self.d))


@sound(inputs=near_and_far)
class TukeyBiweight(nl.Layer):
    """1 - (1 - d²/4)³ where |d| < 2, else 1; element by element."""

    n_nondifferentiable_inputs = 1

    def forward(self, x, t):
        self.d = x - t
        self.u = 1 - self.d**2 / 4
        self.inside = self.u > 0
        return 1 - np.where(self.inside, self.u, 0) ** 3

    def backward(self, dout):
        return dout * 1.5 * self.d * self.u**2 * self.inside


@broken("missing-mask")
class TukeyBiweightOutliersPull(TukeyBiweight):
    def backward(self, dout):
        return dout * 1.5 * self.d * self.u**2


@broken("inverted-mask")
class TukeyBiweightOnlyOutliers(TukeyBiweight):
    def backward(self, dout):
        return dout * 1.5 * self.d * self.u**2 * ~self.inside


@broken("stale-cache")
class TukeyBiweightFirstResidual(TukeyBiweight):
    def forward(self, x, t):
        y = super().forward(x, t)
        if not hasattr(self, "residual"):
            self.residual = self.d
        return y

    def backward(self, dout):
        return dout * 1.5 * self.residual * self.u**2 * self.inside


@sound(inputs=normal((4, 2), (3, 2)))
class KernelTwoSample(nl.Layer):
    """The mean kernel within a, and within b, less twice that between: exp(-|x - y|² / 2)."""

    @staticmethod
    def kernel(a, b):
        difference = a[:, None] - b
        return np.exp(-0.5 * (difference**2).sum(axis=2)), difference

    def forward(self, a, b):
        (self.kaa, self.daa), (self.kbb, self.dbb), (self.kab, self.dab) = self.kernel(a, a), self.kernel(b, b), self.kernel(a, b)
        return self.kaa.mean() + self.kbb.mean() - 2 * self.kab.mean()

    def backward(self, dout):
        between = 2 * self.kab[..., None] * self.dab / self.kab.size
        da = between.sum(axis=1) - 2 * (self.kaa[..., None] * self.daa).sum(axis=1) / self.kaa.size
        db = -between.sum(axis=0) - 2 * (self.kbb[..., None] * self.dbb).sum(axis=1) / self.kbb.size
        return dout * da, dout * db


@broken("missing-term")
class KernelTwoSampleBetweenOnly(KernelTwoSample):
    def backward(self, dout):
        between = 2 * self.kab[..., None] * self.dab / self.kab.size
        return dout * between.sum(axis=1), -dout * between.sum(axis=0)


@broken("zero-gradient", "missing-gradient")
class KernelTwoSampleFixedSample(KernelTwoSample):
    def backward(self, dout):
        da, db = super().backward(dout)
        return da, np.zeros_like(db)


@sound(inputs=lambda r: [r.normal(size=(6, 3)) * np.array([0.3, 5.0, 0.2])])
class SpreadHinge(nl.Layer):
    """max(0, 1 - deviation) of each feature over the samples."""

    def forward(self, x):
        self.centred = x - x.mean(axis=0)
        self.std = np.sqrt((self.centred**2).mean(axis=0) + 1e-4)
        self.small = self.std < 1
        return np.maximum(0, 1 - self.std)

    def backward(self, dout):
        return -dout * self.small * self.centred / self.std / len(self.centred)


@broken("missing-mask")
class SpreadHingeAllFeatures(SpreadHinge):
    def backward(self, dout):
        return -dout * self.centred / self.std / len(self.centred)


@broken("wrong-scale")
class SpreadHingeOverFeatures(SpreadHinge):
    def backward(self, dout):
        return -dout * self.small * self.centred / self.std / self.centred.shape[1]


@broken("mutates-input")
class SpreadHingeCentresX(SpreadHinge):
    def forward(self, x):
        x -= x.mean(axis=0)
        self.centred = np.array(x)
        self.std = np.sqrt((self.centred**2).mean(axis=0) + 1e-4)
        self.small = self.std < 1
        return np.maximum(0, 1 - self.std)


@sound(inputs=lambda r: [r.permutation(15).reshape(3, 5) * 400.0])
class ChoiceEntropy(nl.Layer):
    """The entropy of each row's softmax, of scores far apart."""

    def forward(self, x):
        z = x - x.max(axis=1, keepdims=True)
        self.log_p = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
        self.p = np.exp(self.log_p)
        self.entropy = -(self.p * self.log_p).sum(axis=1, keepdims=True)
        return self.entropy[:, 0].copy()

    def backward(self, dout):
        return -dout[:, None] * self.p * (self.log_p + self.entropy)


also(ChoiceEntropy, "OfNearScores", inputs=normal((4, 3)))


@broken("non-finite")
class ChoiceEntropyLogOfShare(ChoiceEntropy):
    def backward(self, dout):
        return -dout[:, None] * self.p * (np.log(self.p) + self.entropy)


# Distances and kernels


@sound(seeded, normal((4, 2), (5, 2)))
class RationalQuadraticKernel(nl.Layer):
    """K[i, j] = 1 / (1 + |a[i] - b[j]|² / 2 ℓ²)."""

    def __init__(self, seed):
        self.length = nl.Parameter(1 + np.abs(draw(seed, 1)))

    def forward(self, a, b):
        self.d = a[:, None] - b
        self.square = (self.d**2).sum(axis=2)
        self.k = 1 / (1 + 0.5 * self.square / self.length.value**2)
        return self.k.copy()

    def backward(self, dout):
        ds = -dout * self.k**2 / (2 * self.length.value**2)
        self.length.grad -= (2 * ds * self.square).sum() / self.length.value
        return 2 * (ds[..., None] * self.d).sum(axis=1), -2 * (ds[..., None] * self.d).sum(axis=0)


@broken("wrong-sign")
class RationalQuadraticKernelBothPlus(RationalQuadraticKernel):
    def backward(self, dout):
        ds = -dout * self.k**2 / (2 * self.length.value**2)
        self.length.grad -= (2 * ds * self.square).sum() / self.length.value
        return 2 * (ds[..., None] * self.d).sum(axis=1), 2 * (ds[..., None] * self.d).sum(axis=0)


@broken("zero-gradient", "missing-gradient")
class RationalQuadraticKernelLengthForgotten(RationalQuadraticKernel):
    def backward(self, dout):
        ds = -dout * self.k**2 / (2 * self.length.value**2)
        return 2 * (ds[..., None] * self.d).sum(axis=1), -2 * (ds[..., None] * self.d).sum(axis=0)


@broken("wrong-axis", inputs=normal((4, 2), (4, 2)))
class RationalQuadraticKernelAxesExchanged(RationalQuadraticKernel):
    def backward(self, dout):
        ds = -dout * self.k**2 / (2 * self.length.value**2)
        self.length.grad -= (2 * ds * self.square).sum() / self.length.value
        return 2 * (ds[..., None] * self.d).sum(axis=0), -2 * (ds[..., None] * self.d).sum(axis=1)


@sound(inputs=normal((3,), (5,)))
class PeriodicKernel(nl.Layer):
    """K[i, j] = exp(-2 sin²(a[i] - b[j]))."""

    def forward(self, a, b):
        self.d = a[:, None] - b
        self.k = np.exp(-2 * np.sin(self.d) ** 2)
        return self.k.copy()

    def backward(self, dout):
        dd = -2 * dout * self.k * np.sin(2 * self.d)
        return dd.sum(axis=1), -dd.sum(axis=0)


@broken("swapped")
class PeriodicKernelOtherFirst(PeriodicKernel):
    def backward(self, dout):
        dd = -2 * dout * self.k * np.sin(2 * self.d)
        return -dd.sum(axis=0), dd.sum(axis=1)


@broken("wrong-shape")
class PeriodicKernelKeepsColumns(PeriodicKernel):
    def backward(self, dout):
        dd = -2 * dout * self.k * np.sin(2 * self.d)
        return dd.sum(axis=1, keepdims=True), -dd.sum(axis=0)


@sound(inputs=uniform(0.1, 2, (4, 3), (4, 3)))
class HellingerDistance(nl.Layer):
    """½ Σ (√p - √q)² of each row."""

    def forward(self, p, q):
        self.p, self.q = np.sqrt(p), np.sqrt(q)
        return 0.5 * ((self.p - self.q) ** 2).sum(axis=1)

    def backward(self, dout):
        d = 0.5 * dout[:, None] * (self.p - self.q)
        return d / self.p, -d / self.q


@broken("mutates-input")
class HellingerDistanceRootsInPlace(HellingerDistance):
    def forward(self, p, q):
        np.sqrt(p, out=p)
        self.p, self.q = p.copy(), np.sqrt(q)
        return 0.5 * ((self.p - self.q) ** 2).sum(axis=1)


@broken("ignores-upstream")
class HellingerDistanceSlopes(HellingerDistance):
    def backward(self, dout):
        d = 0.5 * (self.p - self.q)
        return d / self.p, -d / self.q


@broken("mutates-upstream")
class HellingerDistanceHalvesDout(HellingerDistance):
    def backward(self, dout):
        dout *= 0.5
        d = dout[:, None] * (self.p - self.q)
        return d / self.p, -d / self.q


@sound(seeded, normal((4,), (6,)))
class KernelRegression(nl.Layer):
    """The mean of the values v, weighted by a softmax of -(q - c)²: centres c are learned."""

    def __init__(self, seed):
        self.centre = nl.Parameter(draw(seed, 6))

    def forward(self, q, v):
        self.d, self.v = q[:, None] - self.centre.value, np.array(v)
        self.w = softmax(-(self.d**2))
        return self.w @ self.v

    def backward(self, dout):
        dw = np.outer(dout, self.v)
        dd = -2 * self.d * self.w * (dw - (self.w * dw).sum(axis=1, keepdims=True))
        self.centre.grad -= dd.sum(axis=0)
        return dd.sum(axis=1), self.w.T @ dout


@broken("diagonal-only")
class KernelRegressionOwnWeight(KernelRegression):
    def backward(self, dout):
        dw = np.outer(dout, self.v)
        dd = -2 * self.d * self.w * (1 - self.w) * dw
        self.centre.grad -= dd.sum(axis=0)
        return dd.sum(axis=1), self.w.T @ dout


@broken("wrong-axis")
class KernelRegressionMeanOverQueries(KernelRegression):
    def backward(self, dout):
        dw = np.outer(dout, self.v)
        dd = -2 * self.d * self.w * (dw - (self.w * dw).sum(axis=0))
        self.centre.grad -= dd.sum(axis=0)
        return dd.sum(axis=1), self.w.T @ dout


@broken("zero-gradient", "missing-gradient")
class KernelRegressionQueriesFixed(KernelRegression):
    def backward(self, dout):
        dq, dv = super().backward(dout)
        return np.zeros_like(dq), dv


@sound(seeded, normal((5, 3)))
class IsingEnergy(nl.Layer):
    """-½ s J sᵀ - h · s for each row s."""

    def __init__(self, seed):
        self.coupling, self.field = nl.Parameter(draw(seed, 3, 3)), nl.Parameter(draw(seed + 1, 3))

    def forward(self, s):
        self.s = np.array(s)
        return -0.5 * ((self.s @ self.coupling.value) * self.s).sum(axis=1) - self.s @ self.field.value

    def backward(self, dout):
        d, j = dout[:, None], self.coupling.value
        self.coupling.grad -= 0.5 * self.s.T @ (d * self.s)
        self.field.grad -= self.s.T @ dout
        return -d * (0.5 * self.s @ (j + j.T) + self.field.value)


@broken("mutates-parameters")
class IsingEnergyClearsDiagonal(IsingEnergy):
    def backward(self, dout):
        ds = super().backward(dout)
        np.fill_diagonal(self.coupling.value, 0)
        return ds


@broken("not-accumulated")
class IsingEnergyFieldSet(IsingEnergy):
    def backward(self, dout):
        d, j = dout[:, None], self.coupling.value
        self.coupling.grad -= 0.5 * self.s.T @ (d * self.s)
        self.field.grad[:] = -self.s.T @ dout
        return -d * (0.5 * self.s @ (j + j.T) + self.field.value)


# Sorting, selection, normalisation


@sound(seeded, apart(4, 5))
class OrderedWeights(nl.Layer):
    """The sorted row times weights of its places."""

    def __init__(self, seed):
        self.weight = nl.Parameter(draw(seed, 5))

    def forward(self, x):
        self.order = np.argsort(x, axis=1)
        self.sorted = np.take_along_axis(x, self.order, axis=1)
        return self.sorted @ self.weight.value

    def backward(self, dout):
        self.weight.grad += dout @ self.sorted
        dx = np.empty_like(self.sorted)
        np.put_along_axis(dx, self.order, np.outer(dout, self.weight.value), axis=1)
        return dx


@broken("wrong-formula", "missing-transpose")
class OrderedWeightsTakesAgain(OrderedWeights):
    def backward(self, dout):
        self.weight.grad += dout @ self.sorted
        return np.take_along_axis(np.outer(dout, self.weight.value), self.order, axis=1)


@broken("mutates-input")
class OrderedWeightsSortsX(OrderedWeights):
    def forward(self, x):
        self.order = np.argsort(x, axis=1)
        x.sort(axis=1)
        self.sorted = x.copy()
        return self.sorted @ self.weight.value


@broken("missing-batch-sum")
class OrderedWeightsPerRow(OrderedWeights):
    def backward(self, dout):
        self.weight.grad += dout[:, None] * self.sorted
        dx = np.empty_like(self.sorted)
        np.put_along_axis(dx, self.order, np.outer(dout, self.weight.value), axis=1)
        return dx


@broken("stale-cache")
class OrderedWeightsFirstOrder(OrderedWeights):
    kept = None

    def forward(self, x):
        y = super().forward(x)
        self.kept = self.order if self.kept is None else self.kept
        self.order = self.kept
        return y


@sound(inputs=apart(4, 6))
class TrimmedMean(nl.Layer):
    """The mean of a row without its smallest and its largest."""

    def forward(self, x):
        self.kept = (x > x.min(axis=1, keepdims=True)) & (x < x.max(axis=1, keepdims=True))
        return (x * self.kept).sum(axis=1) / (x.shape[1] - 2)

    def backward(self, dout):
        return dout[:, None] * self.kept / (self.kept.shape[1] - 2)


@broken("missing-mask")
class TrimmedMeanUntrimmed(TrimmedMean):
    def backward(self, dout):
        return dout[:, None] * np.ones(self.kept.shape) / (self.kept.shape[1] - 2)


@broken("inverted-mask")
class TrimmedMeanOfTheTrimmed(TrimmedMean):
    def backward(self, dout):
        return dout[:, None] * ~self.kept / (self.kept.shape[1] - 2)


@broken("wrong-scale")
class TrimmedMeanOfAll(TrimmedMean):
    def backward(self, dout):
        return dout[:, None] * self.kept / self.kept.shape[1]


@sound(inputs=apart(3, 5))
class UpperQuartile(nl.Layer):
    """The value three tenths between the third and the fourth of five."""

    def forward(self, x):
        self.order = np.argsort(x, axis=1)
        s = np.take_along_axis(x, self.order, axis=1)
        return 0.7 * s[:, 2] + 0.3 * s[:, 3]

    def backward(self, dout):
        dx, rows = np.zeros(self.order.shape, dout.dtype), np.arange(len(dout))
        dx[rows, self.order[:, 2]] = 0.7 * dout
        dx[rows, self.order[:, 3]] = 0.3 * dout
        return dx


@sound(inputs=lambda r: [(r.permutation(20).reshape(4, 5) * 0.13 + r.uniform(0, 0.03, (4, 5)))])
class Sparsemax(nl.Layer):
    """The nearest shares to x: some of them zero."""

    def forward(self, x):
        s = -np.sort(-x, axis=1)
        total, k = np.cumsum(s, axis=1), np.arange(1, x.shape[1] + 1)
        count = (1 + k * s > total).sum(axis=1, keepdims=True)
        y = np.maximum(0, x - (np.take_along_axis(total, count - 1, axis=1) - 1) / count)
        self.support = y > 0
        return y

    def backward(self, dout):
        d = dout * self.support
        return self.support * (d - d.sum(axis=1, keepdims=True) / self.support.sum(axis=1, keepdims=True))


@broken("diagonal-only", "missing-term")
class SparsemaxLikeReLU(Sparsemax):
    def backward(self, dout):
        return dout * self.support


@broken("missing-mask")
class SparsemaxEverybodyShares(Sparsemax):
    def backward(self, dout):
        d = dout * self.support
        return dout - d.sum(axis=1, keepdims=True) / self.support.sum(axis=1, keepdims=True)


@broken("wrong-axis")
class SparsemaxAcrossRows(Sparsemax):
    def backward(self, dout):
        d = dout * self.support
        return self.support * (d - d.sum(axis=0) / np.maximum(1, self.support.sum(axis=0)))


@sound(inputs=apart(4, 5))
class LargestToOne(nl.Layer):
    """x / max |x|, by rows."""

    def forward(self, x):
        self.at = np.abs(x).argmax(axis=1)[:, None]
        top = np.take_along_axis(np.array(x), self.at, axis=1)
        self.top, self.sign = np.abs(top), np.sign(top)
        self.y = x / self.top
        return self.y.copy()

    def backward(self, dout):
        dx = dout / self.top
        pull = self.sign * (dout * self.y).sum(axis=1, keepdims=True) / self.top
        np.put_along_axis(dx, self.at, np.take_along_axis(dx, self.at, axis=1) - pull, axis=1)
        return dx


@broken("diagonal-only", "missing-term")
class LargestToOneFixedTop(LargestToOne):
    def backward(self, dout):
        return dout / self.top


@broken("aliases-output")
class LargestToOneSameArray(LargestToOne):
    y = None

    def forward(self, x):
        self.at = np.abs(x).argmax(axis=1)[:, None]
        top = np.take_along_axis(np.array(x), self.at, axis=1)
        self.top, self.sign = np.abs(top), np.sign(top)
        if self.y is None or self.y.shape != x.shape:
            self.y = np.empty_like(x)
        self.y[:] = x / self.top
        return self.y


@sound(inputs=apart(3, 5))
class MedianCentre(nl.Layer):
    """x less the median of its row."""

    def forward(self, x):
        self.at = np.argsort(x, axis=1)[:, 2]
        return x - x[np.arange(len(x)), self.at][:, None]

    def backward(self, dout):
        dx = dout.copy()
        dx[np.arange(len(dx)), self.at] -= dout.sum(axis=1)
        return dx


@broken("mutates-upstream")
class MedianCentreIntoDout(MedianCentre):
    def backward(self, dout):
        dout[np.arange(len(dout)), self.at] -= dout.sum(axis=1)
        return dout.copy()


@sound(inputs=away_from_zero((3, 4)))
class L1Normalise(nl.Layer):
    """x / Σ |x|, by rows."""

    def forward(self, x):
        self.sign = np.sign(x)
        self.total = np.abs(x).sum(axis=1, keepdims=True)
        self.y = x / self.total
        return self.y.copy()

    def backward(self, dout):
        return (dout - self.sign * (dout * self.y).sum(axis=1, keepdims=True)) / self.total


@broken("wrong-axis")
class L1NormaliseDownTheColumns(L1Normalise):
    def backward(self, dout):
        return (dout - self.sign * (dout * self.y).sum(axis=0, keepdims=True)) / self.total


@broken("wrong-formula", "wrong-sign")
class L1NormaliseNoSign(L1Normalise):
    def backward(self, dout):
        return (dout - (dout * self.y).sum(axis=1, keepdims=True)) / self.total


@sound(inputs=lambda r: [r.normal(size=(6, 3)) * np.array([[0.1], [3], [0.15], [2], [4], [0.2]])])
class ClipByNorm(nl.Layer):
    """Rows longer than one are cut to length one."""

    def forward(self, x):
        self.norm = np.sqrt((x**2).sum(axis=1, keepdims=True))
        self.long = self.norm > 1
        self.unit = x / self.norm
        return np.where(self.long, self.unit, x)

    def backward(self, dout):
        cut = (dout - self.unit * (dout * self.unit).sum(axis=1, keepdims=True)) / self.norm
        return np.where(self.long, cut, dout)


@broken("missing-mask")
class ClipByNormCutsShortOnes(ClipByNorm):
    def backward(self, dout):
        return (dout - self.unit * (dout * self.unit).sum(axis=1, keepdims=True)) / self.norm


@broken("inverted-mask")
class ClipByNormCutsTheOthers(ClipByNorm):
    def backward(self, dout):
        cut = (dout - self.unit * (dout * self.unit).sum(axis=1, keepdims=True)) / self.norm
        return np.where(self.long, dout, cut)


@sound(seeded, normal((5, 3)))
class DynamicTanh(nl.Layer):
    """y = γ tanh(α x) + β."""

    def __init__(self, seed):
        self.alpha = nl.Parameter(0.5 + np.abs(draw(seed, 1)))
        self.gamma, self.beta = nl.Parameter(draw(seed + 1, 3)), nl.Parameter(draw(seed + 2, 3))

    def forward(self, x):
        self.x = np.array(x)
        self.t = np.tanh(self.alpha.value * self.x)
        return self.gamma.value * self.t + self.beta.value

    def backward(self, dout):
        d = dout * self.gamma.value * (1 - self.t**2)
        self.alpha.grad += (d * self.x).sum()
        self.gamma.grad += (dout * self.t).sum(axis=0)
        self.beta.grad += dout.sum(axis=0)
        return d * self.alpha.value


@broken("wrong-axis")
class DynamicTanhOneBeta(DynamicTanh):
    def backward(self, dout):
        d = dout * self.gamma.value * (1 - self.t**2)
        self.alpha.grad += (d * self.x).sum()
        self.gamma.grad += (dout * self.t).sum(axis=0)
        self.beta.grad += dout.sum()
        return d * self.alpha.value


@broken("mutates-parameters")
class DynamicTanhOneStep(DynamicTanh):
    def backward(self, dout):
        d = dout * self.gamma.value * (1 - self.t**2)
        self.alpha.grad += (d * self.x).sum()
        self.gamma.grad += (dout * self.t).sum(axis=0)
        self.beta.grad += dout.sum(axis=0)
        self.gamma.value -= 0.1 * (dout * self.t).sum(axis=0)
        return d * self.alpha.value


@broken("not-accumulated")
class DynamicTanhFillsGamma(DynamicTanh):
    def backward(self, dout):
        d = dout * self.gamma.value * (1 - self.t**2)
        self.alpha.grad += (d * self.x).sum()
        np.sum(dout * self.t, axis=0, out=self.gamma.grad)
        self.beta.grad += dout.sum(axis=0)
        return d * self.alpha.value


@sound(inputs=normal((3, 4)))
class SinkhornRound(nl.Layer):
    """x less its rows' log-sum-exp, then less its columns'."""

    def forward(self, x):
        self.rows = softmax(x, axis=1)
        z = np.log(self.rows)
        self.columns = softmax(z, axis=0)
        return np.log(self.columns)

    def backward(self, dout):
        d = dout - self.columns * dout.sum(axis=0)
        return d - self.rows * d.sum(axis=1, keepdims=True)


@broken("missing-term")
class SinkhornRoundRowsOnly(SinkhornRound):
    def backward(self, dout):
        return dout - self.rows * dout.sum(axis=1, keepdims=True)


@broken("aliases-output")
class SinkhornRoundOneTable(SinkhornRound):
    table = None

    def forward(self, x):
        y = super().forward(x)
        if self.table is None:
            self.table = np.zeros_like(x)
        self.table.resize(x.shape, refcheck=False)
        np.copyto(self.table, y)
        return self.table


@sound(inputs=lambda r: [r.normal(size=(4, 5)) + 3])
class CoefficientOfVariation(nl.Layer):
    """deviation / mean of each row."""

    def forward(self, x):
        self.mean = x.mean(axis=1, keepdims=True)
        self.centred = x - self.mean
        self.std = np.sqrt((self.centred**2).mean(axis=1, keepdims=True))
        return (self.std / self.mean)[:, 0]

    def backward(self, dout):
        n = self.centred.shape[1]
        return dout[:, None] * (self.centred / self.std / self.mean - self.std / self.mean**2) / n


@broken("missing-term")
class CoefficientOfVariationFixedMean(CoefficientOfVariation):
    def backward(self, dout):
        return dout[:, None] * self.centred / self.std / self.mean / self.centred.shape[1]


@broken("wrong-scale")
class CoefficientOfVariationUndivided(CoefficientOfVariation):
    def backward(self, dout):
        return dout[:, None] * (self.centred / self.std / self.mean - self.std / self.mean**2)


@sound(inputs=normal((3, 6)))
class Skewness(nl.Layer):
    """The mean of z³ of each row's standardised numbers."""

    def forward(self, x):
        centred = x - x.mean(axis=1, keepdims=True)
        self.std = np.sqrt((centred**2).mean(axis=1, keepdims=True) + 0.01)
        self.z = centred / self.std
        return (self.z**3).mean(axis=1)

    def backward(self, dout):
        dz = 3 * self.z**2 * dout[:, None] / self.z.shape[1]
        return (dz - dz.mean(axis=1, keepdims=True) - self.z * (dz * self.z).mean(axis=1, keepdims=True)) / self.std


@broken("wrong-scale")
class SkewnessNoPower(Skewness):
    def backward(self, dout):
        dz = self.z**2 * dout[:, None] / self.z.shape[1]
        return (dz - dz.mean(axis=1, keepdims=True) - self.z * (dz * self.z).mean(axis=1, keepdims=True)) / self.std


# Curves, geometry, coordinates


@sound(seeded, uniform(0.05, 0.95, (5,)))
class BezierCurve(nl.Layer):
    """The points at x of the cubic curve with four learned control points."""

    def __init__(self, seed):
        self.points = nl.Parameter(draw(seed, 4, 2))

    def forward(self, t):
        u = 1 - t
        self.b = np.stack([u**3, 3 * u**2 * t, 3 * u * t**2, t**3], axis=1)
        self.slopes = np.stack([u**2, 2 * u * t, t**2], axis=1)
        return self.b @ self.points.value

    def backward(self, dout):
        self.points.grad += self.b.T @ dout
        return 3 * (self.slopes @ np.diff(self.points.value, axis=0) * dout).sum(axis=1)


@broken("wrong-scale")
class BezierCurveNoDegree(BezierCurve):
    def backward(self, dout):
        self.points.grad += self.b.T @ dout
        return (self.slopes @ np.diff(self.points.value, axis=0) * dout).sum(axis=1)


@broken("wrong-shape")
class BezierCurvePerCoordinate(BezierCurve):
    def backward(self, dout):
        self.points.grad += self.b.T @ dout
        return 3 * self.slopes @ np.diff(self.points.value, axis=0) * dout


@broken("mutates-parameters")
class BezierCurvePinsTheStart(BezierCurve):
    def backward(self, dout):
        dt = 3 * (self.slopes @ np.diff(self.points.value, axis=0) * dout).sum(axis=1)
        self.points.grad += self.b.T @ dout
        self.points.value[0] = 0
        return dt


@broken("missing-gradient")
class BezierCurveTimesAreGiven(BezierCurve):
    def backward(self, dout):
        self.points.grad += self.b.T @ dout


@sound(inputs=lambda r: [r.normal(size=(4, 5)), r.integers(0, 3, size=(11, 2)) + r.uniform(0.1, 0.9, size=(11, 2))])
class ImageSample(nl.Layer):
    """The image at places between its pixels, bilinear; a gradient for the places too."""

    def forward(self, image, at):
        self.image = np.array(image)
        (self.i, self.j), (self.u, self.v) = np.floor(at).astype(int).T, (at % 1).T
        i, j, u, v = self.i, self.j, self.u, self.v
        top, low = image[i, j] * (1 - v) + image[i, j + 1] * v, image[i + 1, j] * (1 - v) + image[i + 1, j + 1] * v
        return top * (1 - u) + low * u

    def backward(self, dout):
        i, j, u, v, image = self.i, self.j, self.u, self.v, self.image
        d_image = np.zeros_like(image)
        for a, b, w in [(0, 0, (1 - u) * (1 - v)), (0, 1, (1 - u) * v), (1, 0, u * (1 - v)), (1, 1, u * v)]:
            np.add.at(d_image, (i + a, j + b), dout * w)
        du = (image[i + 1, j] - image[i, j]) * (1 - v) + (image[i + 1, j + 1] - image[i, j + 1]) * v
        dv = (image[i, j + 1] - image[i, j]) * (1 - u) + (image[i + 1, j + 1] - image[i + 1, j]) * u
        return d_image, np.stack([dout * du, dout * dv], axis=1)


@broken("not-accumulated", "missing-term")
class ImageSampleLastVisitor(ImageSample):
    def backward(self, dout):
        i, j, u, v = self.i, self.j, self.u, self.v
        _, d_at = super().backward(dout)
        d_image = np.zeros_like(self.image)
        for a, b, w in [(0, 0, (1 - u) * (1 - v)), (0, 1, (1 - u) * v), (1, 0, u * (1 - v)), (1, 1, u * v)]:
            d_image[i + a, j + b] += dout * w
        return d_image, d_at


@broken("missing-gradient")
class ImageSamplePlacesNone(ImageSample):
    def backward(self, dout):
        return super().backward(dout)[0], None


@sound(inputs=normal((4, 3), (4, 3), (4, 3)))
class TripleProduct(nl.Layer):
    """a · (b × c)."""

    def forward(self, a, b, c):
        self.a, self.b, self.c = np.array(a), np.array(b), np.array(c)
        return (a * np.cross(b, c)).sum(axis=1)

    def backward(self, dout):
        d = dout[:, None]
        return d * np.cross(self.b, self.c), d * np.cross(self.c, self.a), d * np.cross(self.a, self.b)


@broken("wrong-sign")
class TripleProductOtherHand(TripleProduct):
    def backward(self, dout):
        d = dout[:, None]
        return d * np.cross(self.b, self.c), d * np.cross(self.a, self.c), d * np.cross(self.a, self.b)


@broken("swapped")
class TripleProductFactorsExchanged(TripleProduct):
    def backward(self, dout):
        d = dout[:, None]
        return d * np.cross(self.b, self.c), d * np.cross(self.a, self.b), d * np.cross(self.c, self.a)


@broken("ignores-upstream")
class TripleProductFirstAlone(TripleProduct):
    def backward(self, dout):
        d = dout[:, None]
        return np.cross(self.b, self.c), d * np.cross(self.c, self.a), d * np.cross(self.a, self.b)


@sound(inputs=normal((3, 5, 2)))
class PolygonArea(nl.Layer):
    """½ Σ (x[i] y[i + 1] - x[i + 1] y[i])."""

    def forward(self, p):
        self.after, self.before = np.roll(p, -1, axis=1), np.roll(p, 1, axis=1)
        return 0.5 * (p[..., 0] * self.after[..., 1] - self.after[..., 0] * p[..., 1]).sum(axis=1)

    def backward(self, dout):
        across = self.after - self.before
        return 0.5 * dout[:, None, None] * np.stack([across[..., 1], -across[..., 0]], axis=2)


@broken("wrong-scale")
class PolygonAreaTwice(PolygonArea):
    def backward(self, dout):
        across = self.after - self.before
        return dout[:, None, None] * np.stack([across[..., 1], -across[..., 0]], axis=2)


@sound(inputs=normal((5, 3), (5, 3)))
class ReflectRay(nl.Layer):
    """d - 2 (d · n) n."""

    def forward(self, d, n):
        self.d, self.n = np.array(d), np.array(n)
        self.dot = (d * n).sum(axis=1, keepdims=True)
        return d - 2 * self.dot * n

    def backward(self, dout):
        along = (dout * self.n).sum(axis=1, keepdims=True)
        return dout - 2 * along * self.n, -2 * (along * self.d + self.dot * dout)


@broken("swapped")
class ReflectRayNormalFirst(ReflectRay):
    def backward(self, dout):
        along = (dout * self.n).sum(axis=1, keepdims=True)
        return -2 * (along * self.d + self.dot * dout), dout - 2 * along * self.n


@broken("double-counted")
class ReflectRayStraightTwice(ReflectRay):
    def backward(self, dout):
        along = (dout * self.n).sum(axis=1, keepdims=True)
        dd = dout - 2 * along * self.n
        dd += dout
        return dd, -2 * (along * self.d + self.dot * dout)


@sound(lambda r: (r.uniform(1, 2, size=2),), lambda r: [np.column_stack([r.normal(size=(6, 2)), r.uniform(1, 3, size=6)])])
class PinholeCamera(nl.Layer):
    """(f₀ X / Z, f₁ Y / Z)."""

    def __init__(self, focal):
        self.focal = nl.Parameter(focal)

    def forward(self, p):
        self.z = p[:, 2:].copy()
        self.ratio = p[:, :2] / self.z
        return self.focal.value * self.ratio

    def backward(self, dout):
        self.focal.grad += (dout * self.ratio).sum(axis=0)
        d = dout * self.focal.value / self.z
        return np.column_stack([d, -(d * self.ratio).sum(axis=1)])


@broken("zero-gradient", "missing-term")
class PinholeCameraDepthFixed(PinholeCamera):
    def backward(self, dout):
        self.focal.grad += (dout * self.ratio).sum(axis=0)
        d = dout * self.focal.value / self.z
        return np.column_stack([d, np.zeros(len(d))])


@broken("missing-batch-sum")
class PinholeCameraFocalPerPoint(PinholeCamera):
    def backward(self, dout):
        self.focal.grad += dout * self.ratio
        d = dout * self.focal.value / self.z
        return np.column_stack([d, -(d * self.ratio).sum(axis=1)])


@broken("wrong-shape")
class PinholeCameraLosesDepth(PinholeCamera):
    def backward(self, dout):
        self.focal.grad += (dout * self.ratio).sum(axis=0)
        return dout * self.focal.value / self.z


@sound(seeded, normal((5, 2), scale=0.5))
class Homography(nl.Layer):
    """Points of the plane through a 3 by 3 matrix H: (x, y, 1) H, divided by its last."""

    def __init__(self, seed):
        self.h = nl.Parameter(np.eye(3) * [1, 1, 3] + draw(seed, 3, 3, scale=0.3))

    def forward(self, p):
        self.p1 = np.column_stack([p, np.ones(len(p))])
        q = self.p1 @ self.h.value
        self.w, self.y = q[:, 2:], q[:, :2] / q[:, 2:]
        return self.y.copy()

    def backward(self, dout):
        d = dout / self.w
        dq = np.column_stack([d, -(d * self.y).sum(axis=1)])
        self.h.grad += self.p1.T @ dq
        return (dq @ self.h.value.T)[:, :2]


@broken("missing-transpose")
class HomographyGradientTurned(Homography):
    def backward(self, dout):
        d = dout / self.w
        dq = np.column_stack([d, -(d * self.y).sum(axis=1)])
        self.h.grad += dq.T @ self.p1
        return (dq @ self.h.value.T)[:, :2]


@broken("missing-transpose")
class HomographySameMatrix(Homography):
    def backward(self, dout):
        d = dout / self.w
        dq = np.column_stack([d, -(d * self.y).sum(axis=1)])
        self.h.grad += self.p1.T @ dq
        return (dq @ self.h.value)[:, :2]


@broken("wrong-shape")
class HomographyHomogeneous(Homography):
    def backward(self, dout):
        d = dout / self.w
        dq = np.column_stack([d, -(d * self.y).sum(axis=1)])
        self.h.grad += self.p1.T @ dq
        return dq @ self.h.value.T


@sound(inputs=normal((4, 4), (4, 3)))
class QuaternionTurn(nl.Layer):
    """v + 2 w (u × v) + 2 u × (u × v) for q = (w, u)."""

    def forward(self, q, v):
        self.w, self.u, self.v = q[:, :1].copy(), q[:, 1:].copy(), np.array(v)
        self.c = np.cross(self.u, self.v)
        return v + 2 * self.w * self.c + 2 * np.cross(self.u, self.c)

    def backward(self, dout):
        dc = 2 * self.w * dout + 2 * np.cross(dout, self.u)
        du = 2 * np.cross(self.c, dout) + np.cross(self.v, dc)
        dw = 2 * (dout * self.c).sum(axis=1, keepdims=True)
        return np.hstack([dw, du]), dout + np.cross(dc, self.u)


@broken("swapped")
class QuaternionTurnVectorFirst(QuaternionTurn):
    def backward(self, dout):
        dq, dv = super().backward(dout)
        return dv, dq


@broken("missing-term")
class QuaternionTurnOuterCross(QuaternionTurn):
    def backward(self, dout):
        dc = 2 * self.w * dout + 2 * np.cross(dout, self.u)
        dw = 2 * (dout * self.c).sum(axis=1, keepdims=True)
        return np.hstack([dw, np.cross(self.v, dc)]), dout + np.cross(dc, self.u)


@sound(inputs=normal((4, 3), (4, 3), (4, 3)))
class BondAngle(nl.Layer):
    """(a - b) · (c - b), b the atom in the middle."""

    def forward(self, a, b, c):
        self.ab, self.cb = a - b, c - b
        return (self.ab * self.cb).sum(axis=1)

    def backward(self, dout):
        da, dc = dout[:, None] * self.cb, dout[:, None] * self.ab
        return da, -da - dc, dc


@broken("missing-gradient")
class BondAngleMiddleNone(BondAngle):
    def backward(self, dout):
        return dout[:, None] * self.cb, None, dout[:, None] * self.ab


@broken("double-counted")
class BondAngleMiddleTwice(BondAngle):
    def backward(self, dout):
        da, dc = dout[:, None] * self.cb, dout[:, None] * self.ab
        return da, -da - dc - dc, dc


# Complex numbers as pairs, polynomials


@sound(seeded, normal((4, 3), (4, 3)))
class ComplexDense(nl.Layer):
    """(a + i b) (U + i V): two inputs, two outputs."""

    n_outputs = 2

    def __init__(self, seed):
        self.u, self.v = nl.Parameter(draw(seed, 3, 2)), nl.Parameter(draw(seed + 1, 3, 2))

    def forward(self, a, b):
        self.a, self.b = np.array(a), np.array(b)
        u, v = self.u.value, self.v.value
        return a @ u - b @ v, a @ v + b @ u

    def backward(self, dout):
        dr, di = dout
        u, v = self.u.value, self.v.value
        self.u.grad += self.a.T @ dr + self.b.T @ di
        self.v.grad += self.a.T @ di - self.b.T @ dr
        return dr @ u.T + di @ v.T, di @ u.T - dr @ v.T


@broken("wrong-sign")
class ComplexDenseNoConjugate(ComplexDense):
    def backward(self, dout):
        dr, di = dout
        u, v = self.u.value, self.v.value
        self.u.grad += self.a.T @ dr + self.b.T @ di
        self.v.grad += self.a.T @ di - self.b.T @ dr
        return dr @ u.T - di @ v.T, di @ u.T + dr @ v.T


@broken("missing-term")
class ComplexDenseRealOutput(ComplexDense):
    def backward(self, dout):
        dr, _ = dout
        return super().backward((dr, np.zeros_like(dr)))


@broken("swapped")
class ComplexDenseImaginaryFirst(ComplexDense):
    def backward(self, dout):
        da, db = super().backward(dout)
        return db, da


def four_lengths(r):
    lengths = np.array([0.5, 1.0, 1.6, 2.0])[:, None, None]
    return [r.permutation(lengths) * np.stack(unit(r, 4, 3), axis=1)]


@sound(lambda r: (r.permutation([-1.2, -0.8, 0.4]),), four_lengths)
class ModReLU(nl.Layer):
    """z max(0, |z| + b) / |z|, real and imaginary part along the second axis."""

    def __init__(self, bias):
        self.bias = nl.Parameter(bias)

    def forward(self, z):
        self.z = np.array(z)
        self.length = np.sqrt((z**2).sum(axis=1, keepdims=True))
        self.on = self.length + self.bias.value > 0
        return self.z * self.on * (1 + self.bias.value / self.length)

    def backward(self, dout):
        along = (dout * self.z).sum(axis=1, keepdims=True) / self.length * self.on
        self.bias.grad += along.sum(axis=(0, 1))
        return dout * self.on * (1 + self.bias.value / self.length) - along * self.bias.value * self.z / self.length**2


@broken("missing-mask")
class ModReLUAlwaysOn(ModReLU):
    def backward(self, dout):
        along = (dout * self.z).sum(axis=1, keepdims=True) / self.length
        self.bias.grad += along.sum(axis=(0, 1))
        return dout * (1 + self.bias.value / self.length) - along * self.bias.value * self.z / self.length**2


@broken("missing-batch-sum", "missing-term")
class ModReLUBiasOfLast(ModReLU):
    def backward(self, dout):
        along = (dout * self.z).sum(axis=1, keepdims=True) / self.length * self.on
        self.bias.grad += along[-1, 0]
        return dout * self.on * (1 + self.bias.value / self.length) - along * self.bias.value * self.z / self.length**2


@sound(inputs=normal((4, 3), dtype=np.float32))
class ChebyshevFeatures(nl.Layer):
    """x, 2 x² - 1, 4 x³ - 3 x, along a new last axis; in single precision."""

    def forward(self, x):
        self.x = np.array(x)
        return np.stack([self.x, 2 * x**2 - 1, 4 * x**3 - 3 * x], axis=-1)

    def backward(self, dout):
        return dout[..., 0] + 4 * self.x * dout[..., 1] + (12 * self.x**2 - 3) * dout[..., 2]


@broken("dtype-changed")
class ChebyshevFeaturesTable(ChebyshevFeatures):
    def backward(self, dout):
        table = np.array([[1, 0, -3], [0, 4, 0], [0, 0, 12]], dtype=np.float64)
        powers = np.stack([np.ones_like(self.x), self.x, self.x**2], axis=-1)
        return np.einsum("ndp,pk,ndk->nd", powers, table, dout)


@broken("double-counted")
class ChebyshevFeaturesFirstTwice(ChebyshevFeatures):
    def backward(self, dout):
        dx = dout[..., 0].copy()
        for k, slope in enumerate([np.ones_like(self.x), 4 * self.x, 12 * self.x**2 - 3]):
            dx += dout[..., k] * slope
        return dx


@sound(inputs=normal((2, 4), (2, 3)))
class PolynomialProduct(nl.Layer):
    """The coefficients of a product, from those of its factors."""

    def forward(self, a, b):
        self.a, self.b = np.array(a), np.array(b)
        y = np.zeros((len(a), 6), a.dtype)
        for k in range(3):
            y[:, k : k + 4] += a * b[:, k : k + 1]
        return y

    def backward(self, dout):
        windows = np.stack([dout[:, k : k + 4] for k in range(3)], axis=1)
        return np.einsum("nki,nk->ni", windows, self.b), np.einsum("nki,ni->nk", windows, self.a)


@broken("swapped")
class PolynomialProductSecondFirst(PolynomialProduct):
    def backward(self, dout):
        da, db = super().backward(dout)
        return db, da


@broken("wrong-shape")
class PolynomialProductFull(PolynomialProduct):
    def backward(self, dout):
        da = np.stack([np.convolve(d, b[::-1]) for d, b in zip(dout, self.b, strict=True)])
        return da, super().backward(dout)[1]


@broken("aliases-output")
class PolynomialProductAddsInPlace(PolynomialProduct):
    total = None

    def forward(self, a, b):
        self.a, self.b = np.array(a), np.array(b)
        if self.total is None or len(self.total) != len(a):
            self.total = np.zeros((len(a), 6), a.dtype)
        self.total[:] = 0
        for k in range(3):
            self.total[:, k : k + 4] += a * b[:, k : k + 1]
        return self.total


# Physics, chemistry, statistics, finance


@sound(inputs=lambda r: [r.uniform(0.5, 2, size=5), r.uniform(1, 3, size=5), r.uniform(1, 2, size=5)])
class Arrhenius(nl.Layer):
    """k = A exp(-E / T)."""

    def forward(self, a, energy, t):
        self.a, self.energy, self.t = np.array(a), np.array(energy), np.array(t)
        self.e = np.exp(-energy / t)
        return a * self.e

    def backward(self, dout):
        d = dout * self.a * self.e
        return dout * self.e, -d / self.t, d * self.energy / self.t**2


@broken("wrong-sign")
class ArrheniusColdIsFast(Arrhenius):
    def backward(self, dout):
        d = dout * self.a * self.e
        return dout * self.e, -d / self.t, -d * self.energy / self.t**2


@broken("swapped")
class ArrheniusTemperatureBeforeEnergy(Arrhenius):
    def backward(self, dout):
        d = dout * self.a * self.e
        return dout * self.e, d * self.energy / self.t**2, -d / self.t


@broken("missing-gradient")
class ArrheniusTwoOfThree(Arrhenius):
    def backward(self, dout):
        return dout * self.e, -dout * self.a * self.e / self.t, None


def doses(r):
    x = r.uniform(0.3, 2, size=(5, 2))
    x[1, 0] = 0.0
    return [x]


@sound(lambda r: (r.uniform(0.5, 2, size=(3, 2)),), doses)
class HillCurve(nl.Layer):
    """y = V xⁿ / (Kⁿ + xⁿ) with a learned n - 2; negative doses count as zero."""

    def __init__(self, v_k_n):
        self.top, self.half, self.power = (nl.Parameter(a) for a in v_k_n)

    def forward(self, x):
        self.x = np.maximum(x, 0)
        n = self.power.value + 2
        self.xn, self.kn = self.x**n, self.half.value**n
        self.f = self.xn / (self.kn + self.xn)
        return self.top.value * self.f

    def backward(self, dout):
        n = self.power.value + 2
        df = dout * self.top.value * self.kn / (self.kn + self.xn)
        slope = self.x ** (n - 1) / (self.kn + self.xn)
        log = np.log(np.where(self.x > 0, self.x, 1) / self.half.value)
        self.top.grad += (dout * self.f).sum(axis=0)
        self.half.grad -= (df * self.f * n / self.half.value).sum(axis=0)
        self.power.grad += (df * self.f * log).sum(axis=0)
        return df * n * slope


@broken("non-finite")
class HillCurveLogOfNothing(HillCurve):
    def backward(self, dout):
        n = self.power.value + 2
        df = dout * self.top.value * self.kn / (self.kn + self.xn)
        self.top.grad += (dout * self.f).sum(axis=0)
        self.half.grad -= (df * self.f * n / self.half.value).sum(axis=0)
        self.power.grad += (df * self.f * np.log(self.x / self.half.value)).sum(axis=0)
        return df * n * self.x ** (n - 1) / (self.kn + self.xn)


@broken("non-finite")
class HillCurveDividesByDose(HillCurve):
    def backward(self, dout):
        super().backward(dout)
        n = self.power.value + 2
        return dout * self.top.value * self.kn / (self.kn + self.xn) * self.f * n / self.x


@broken("mutates-parameters")
class HillCurveRoundsPower(HillCurve):
    def backward(self, dout):
        dx = super().backward(dout)
        np.round(self.power.value, out=self.power.value)
        return dx


@sound(inputs=normal((3, 6)))
class BurgersStep(nl.Layer):
    """u - 0.1 u (right - left) + 0.2 (right - 2 u + left), on a ring."""

    def forward(self, u):
        self.u = np.array(u)
        left, right = np.roll(u, 1, axis=1), np.roll(u, -1, axis=1)
        self.slope = right - left
        return u - 0.1 * u * self.slope + 0.2 * (right - 2 * u + left)

    def backward(self, dout):
        product = 0.1 * dout * self.u
        du = 0.6 * dout - 0.1 * dout * self.slope
        return du + np.roll(0.2 * dout - product, 1, axis=1) + np.roll(0.2 * dout + product, -1, axis=1)


@broken("missing-term")
class BurgersStepFrozenSlope(BurgersStep):
    def backward(self, dout):
        du = 0.6 * dout - 0.1 * dout * self.slope
        return du + 0.2 * (np.roll(dout, 1, axis=1) + np.roll(dout, -1, axis=1))


@broken("wrong-axis")
class BurgersStepRollsTheRows(BurgersStep):
    def backward(self, dout):
        product = 0.1 * dout * self.u
        du = 0.6 * dout - 0.1 * dout * self.slope
        return du + np.roll(0.2 * dout - product, 1, axis=0) + np.roll(0.2 * dout + product, -1, axis=0)


@broken("double-counted")
class BurgersStepDiffusesTwice(BurgersStep):
    def backward(self, dout):
        du = super().backward(dout)
        return du + 0.2 * (np.roll(dout, 1, axis=1) - 2 * dout + np.roll(dout, -1, axis=1))


@broken("stale-cache")
class BurgersStepFirstField(BurgersStep):
    def forward(self, u):
        old = self.__dict__.get("u")
        y = super().forward(u)
        self.u = self.u if old is None else old
        return y


@sound(seeded, uniform(0.1, 1, (5,), (5,), (5,)))
class EpidemicStep(nl.Layer):
    """One step of susceptible, infected, recovered; the rates are learned."""

    n_outputs = 3

    def __init__(self, seed):
        r = np.random.default_rng(seed)
        self.beta, self.gamma = nl.Parameter(r.uniform(0.3, 0.6, size=1)), nl.Parameter(r.uniform(0.1, 0.3, size=1))

    def forward(self, s, i, r):
        self.s, self.i = np.array(s), np.array(i)
        caught, healed = self.beta.value * s * i, self.gamma.value * i
        return s - caught, i + caught - healed, r + healed

    def backward(self, dout):
        ds, di, dr = dout
        caught, healed = di - ds, dr - di
        self.beta.grad += (caught * self.s * self.i).sum()
        self.gamma.grad += (healed * self.i).sum()
        return ds + caught * self.beta.value * self.i, di + caught * self.beta.value * self.s + healed * self.gamma.value, dr.copy()


@broken("swapped")
class EpidemicStepInfectedFirst(EpidemicStep):
    def backward(self, dout):
        ds, di, dr = super().backward(dout)
        return di, ds, dr


@broken("double-counted")
class EpidemicStepStaysTwice(EpidemicStep):
    def backward(self, dout):
        ds, di, dr = super().backward(dout)
        return ds, di + dout[1], dr


@broken("ignores-upstream")
class EpidemicStepBetaOfAll(EpidemicStep):
    def backward(self, dout):
        ds, di, dr = dout
        caught, healed = di - ds, dr - di
        self.beta.grad += (self.s * self.i).sum()
        self.gamma.grad += (healed * self.i).sum()
        return ds + caught * self.beta.value * self.i, di + caught * self.beta.value * self.s + healed * self.gamma.value, dr.copy()


@sound(seeded, lambda r: [r.normal(size=(4, 3)), r.uniform(0.5, 2, size=(4, 3)), r.normal(size=(4, 3))])
class KalmanUpdate(nl.Layer):
    """The new mean and the new variance after seeing z, whose variance is learned."""

    n_outputs = 2

    def __init__(self, seed):
        self.noise = nl.Parameter(np.random.default_rng(seed).uniform(0.5, 1.5, size=3))

    def forward(self, m, p, z):
        self.p, self.gap = np.array(p), z - m
        self.total = p + self.noise.value
        self.gain = p / self.total
        return m + self.gain * self.gap, (1 - self.gain) * p

    def backward(self, dout):
        dm, dp = dout
        d_gain = dm * self.gap - dp * self.p
        self.noise.grad -= (d_gain * self.gain / self.total).sum(axis=0)
        return dm * (1 - self.gain), dp * (1 - self.gain) + d_gain * self.noise.value / self.total**2, dm * self.gain


@broken("zero-gradient", "missing-gradient")
class KalmanUpdateNoiseKnown(KalmanUpdate):
    def backward(self, dout):
        dm, dp = dout
        d_gain = dm * self.gap - dp * self.p
        return dm * (1 - self.gain), dp * (1 - self.gain) + d_gain * self.noise.value / self.total**2, dm * self.gain


@sound(inputs=uniform(0.1, 1, (4, 5), (4, 5)))
class BayesUpdate(nl.Layer):
    """prior times likelihood, divided by its sum."""

    def forward(self, prior, likelihood):
        self.prior, self.likelihood = np.array(prior), np.array(likelihood)
        product = self.prior * self.likelihood
        self.evidence = product.sum(axis=1, keepdims=True)
        self.y = product / self.evidence
        return self.y.copy()

    def backward(self, dout):
        d = (dout - (dout * self.y).sum(axis=1, keepdims=True)) / self.evidence
        return d * self.likelihood, d * self.prior


@broken("diagonal-only")
class BayesUpdateOwnHypothesis(BayesUpdate):
    def backward(self, dout):
        d = dout * (1 - self.y) / self.evidence
        return d * self.likelihood, d * self.prior


@broken("swapped")
class BayesUpdateOrder(BayesUpdate):
    def backward(self, dout):
        d = (dout - (dout * self.y).sum(axis=1, keepdims=True)) / self.evidence
        return d * self.prior, d * self.likelihood


@broken("wrong-axis")
class BayesUpdateSumOverSamples(BayesUpdate):
    def backward(self, dout):
        d = (dout - (dout * self.y).sum(axis=0)) / self.evidence
        return d * self.likelihood, d * self.prior


@sound(inputs=lambda r: [r.uniform(0.8, 1.2, size=6), r.uniform(0.2, 0.5, size=6)])
class CallPrice(nl.Layer):
    """Black and Scholes' price of a call, struck at one, in two years, without interest."""

    def forward(self, spot, sigma):
        self.spot, self.s = np.array(spot), sigma * math.sqrt(2)
        self.d1 = np.log(spot) / self.s + self.s / 2
        self.n1, n2 = (0.5 * (1 + np.vectorize(math.erf)(d / math.sqrt(2))) for d in (self.d1, self.d1 - self.s))
        return spot * self.n1 - n2

    def backward(self, dout):
        vega = self.spot * np.exp(-0.5 * self.d1**2) / math.sqrt(2 * math.pi) * math.sqrt(2)
        return dout * self.n1, dout * vega


@broken("wrong-scale")
class CallPriceVegaOfOneYear(CallPrice):
    def backward(self, dout):
        vega = self.spot * np.exp(-0.5 * self.d1**2) / math.sqrt(2 * math.pi)
        return dout * self.n1, dout * vega


@broken("missing-gradient")
class CallPriceDeltaOnly(CallPrice):
    def backward(self, dout):
        return dout * self.n1, None


@broken("ignores-upstream")
class CallPriceGreeks(CallPrice):
    def backward(self, dout):
        vega = self.spot * np.exp(-0.5 * self.d1**2) / math.sqrt(2 * math.pi) * math.sqrt(2)
        return self.n1.copy(), vega


@sound(inputs=lambda r: [r.normal(size=(3, 4)), r.uniform(0.02, 0.3, size=3)])
class BondPrice(nl.Layer):
    """Σ c[t] (1 + y)^-t, t from 1."""

    t = np.arange(1, 5)

    def forward(self, cash, rate):
        self.cash, self.rate = np.array(cash), rate[:, None].copy()
        self.discount = (1 + self.rate) ** -self.t
        return (cash * self.discount).sum(axis=1)

    def backward(self, dout):
        d = dout[:, None] * self.discount
        return d, -(d * self.cash * self.t / (1 + self.rate)).sum(axis=1)


@broken("wrong-shape")
class BondPriceRateUnsummed(BondPrice):
    def backward(self, dout):
        d = dout[:, None] * self.discount
        return d, -d * self.cash * self.t / (1 + self.rate)


@broken("mutates-upstream")
class BondPriceNegatesDout(BondPrice):
    def backward(self, dout):
        d = dout[:, None] * self.discount
        np.negative(dout, out=dout)
        return d, dout * (self.discount * self.cash * self.t / (1 + self.rate)).sum(axis=1)


@sound(lambda r: (r.uniform(0.8, 1.2, size=3),), lambda r: [1 + r.choice([-1, 1], size=(4, 3)) * r.uniform(0.3, 0.6, size=(4, 3))])
class OptionPayoff(nl.Layer):
    """max(S - K, 0), a learned strike K for each asset."""

    def __init__(self, strike):
        self.strike = nl.Parameter(strike)

    def forward(self, s):
        self.paid = s > self.strike.value
        return np.maximum(s - self.strike.value, 0)

    def backward(self, dout):
        d = dout * self.paid
        self.strike.grad -= d.sum(axis=0)
        return d


@broken("inverted-mask")
class OptionPayoffOutOfTheMoney(OptionPayoff):
    def backward(self, dout):
        d = dout * ~self.paid
        self.strike.grad -= d.sum(axis=0)
        return d


@broken("wrong-sign")
class OptionPayoffStrikeUp(OptionPayoff):
    def backward(self, dout):
        d = dout * self.paid
        self.strike.grad += d.sum(axis=0)
        return d


@broken("missing-batch-sum")
class OptionPayoffStrikePerPath(OptionPayoff):
    def backward(self, dout):
        d = dout * self.paid
        self.strike.grad -= d
        return d


def with_a_total_loss(r):
    returns = r.uniform(-0.4, 0.5, size=(3, 4))
    returns[2, 1] = -1.0
    return [returns]


@sound(inputs=with_a_total_loss)
class CompoundReturn(nl.Layer):
    """Π (1 + r) - 1 of each row, of which one may lose all."""

    def forward(self, r):
        self.growth = 1 + r
        return self.growth.prod(axis=1) - 1

    def backward(self, dout):
        others = [np.delete(self.growth, k, axis=1).prod(axis=1) for k in range(self.growth.shape[1])]
        return dout[:, None] * np.stack(others, axis=1)


@broken("non-finite")
class CompoundReturnDividesOut(CompoundReturn):
    def backward(self, dout):
        return dout[:, None] * self.growth.prod(axis=1, keepdims=True) / self.growth


@broken("ignores-upstream")
class CompoundReturnGrowthOfOthers(CompoundReturn):
    def backward(self, dout):
        others = [np.delete(self.growth, k, axis=1).prod(axis=1) for k in range(self.growth.shape[1])]
        return np.stack(others, axis=1)


def with_empty_rows(r):
    x = r.uniform(0.2, 1, size=(4, 3))
    return [x, np.where(r.random((4, 3)) < 0.3, 0.0, r.uniform(0.3, 1, size=(4, 3)))]


@sound(inputs=with_empty_rows)
class RelativeEntropy(nl.Layer):
    """Σ q log(q / p) of each row, where q may be 0; q is given."""

    n_nondifferentiable_inputs = 1

    def forward(self, p, q):
        self.p, self.q = np.array(p), np.array(q)
        return (q * np.log(np.where(q > 0, q, 1) / p)).sum(axis=1)

    def backward(self, dout):
        return -dout[:, None] * self.q / self.p


@broken("wrong-sign")
class RelativeEntropyTowardsLess(RelativeEntropy):
    def backward(self, dout):
        return dout[:, None] * self.q / self.p


@broken("dtype-changed", inputs=lambda r: [a.astype(np.float32) for a in with_empty_rows(r)])
class RelativeEntropyInDouble(RelativeEntropy):
    def backward(self, dout):
        return -dout[:, None] * self.q.astype(np.float64) / self.p


# Graphs and matrices


@sound(lambda r: (int(r.integers(1000)), 3, 4), normal((5, 3)))
class IsomorphismConv(nl.Layer):
    """((1 + ε) x + A x) W, A not symmetric."""

    def __init__(self, seed, features, outputs):
        self.weight, self.epsilon = nl.Parameter(draw(seed, features, outputs)), nl.Parameter(draw(seed + 1, 1))
        self.graph = (np.random.default_rng(7).random((5, 5)) < 0.4) * 1.0

    def forward(self, x):
        self.x = np.array(x)
        self.h = (1 + self.epsilon.value) * self.x + self.graph @ self.x
        return self.h @ self.weight.value

    def backward(self, dout):
        self.weight.grad += self.h.T @ dout
        dh = dout @ self.weight.value.T
        self.epsilon.grad += (dh * self.x).sum()
        return (1 + self.epsilon.value) * dh + self.graph.T @ dh


@broken("missing-transpose")
class IsomorphismConvAlongEdges(IsomorphismConv):
    def backward(self, dout):
        self.weight.grad += self.h.T @ dout
        dh = dout @ self.weight.value.T
        self.epsilon.grad += (dh * self.x).sum()
        return (1 + self.epsilon.value) * dh + self.graph @ dh


@broken("missing-transpose", args=lambda r: (int(r.integers(1000)), 3, 3))
class IsomorphismConvSquareWeight(IsomorphismConv):
    def backward(self, dout):
        self.weight.grad += self.h.T @ dout
        dh = dout @ self.weight.value
        self.epsilon.grad += (dh * self.x).sum()
        return (1 + self.epsilon.value) * dh + self.graph.T @ dh


@broken("zero-gradient", "missing-gradient")
class IsomorphismConvEpsilonFixed(IsomorphismConv):
    def backward(self, dout):
        self.weight.grad += self.h.T @ dout
        dh = dout @ self.weight.value.T
        return (1 + self.epsilon.value) * dh + self.graph.T @ dh


@sound(inputs=normal((6, 2)))
class DirichletEnergy(nl.Layer):
    """½ |x[i] - x[j]|² of each edge."""

    source, target = np.array([0, 0, 1, 3, 4, 5, 2]), np.array([1, 2, 2, 4, 5, 3, 3])

    def forward(self, x):
        self.shape, self.d = x.shape, x[self.source] - x[self.target]
        return 0.5 * (self.d**2).sum(axis=1)

    def backward(self, dout):
        d, dx = dout[:, None] * self.d, np.zeros(self.shape, dout.dtype)
        np.add.at(dx, self.source, d)
        np.subtract.at(dx, self.target, d)
        return dx


@broken("not-accumulated", "missing-term")
class DirichletEnergyIndexed(DirichletEnergy):
    def backward(self, dout):
        d, dx = dout[:, None] * self.d, np.zeros(self.shape, dout.dtype)
        dx[self.source] += d
        dx[self.target] -= d
        return dx


@broken("wrong-sign")
class DirichletEnergyTargetsFollow(DirichletEnergy):
    def backward(self, dout):
        d, dx = dout[:, None] * self.d, np.zeros(self.shape, dout.dtype)
        np.add.at(dx, self.source, d)
        np.add.at(dx, self.target, d)
        return dx


@broken("dtype-changed", inputs=normal((6, 2), dtype=np.float32))
class DirichletEnergyDefaultZeros(DirichletEnergy):
    def backward(self, dout):
        d, dx = dout[:, None] * self.d, np.zeros(self.shape)
        np.add.at(dx, self.source, d)
        np.subtract.at(dx, self.target, d)
        return dx


@sound(inputs=lambda r: [r.normal(size=(2, 2)), r.normal(size=(2, 3)), r.normal(size=(3, 2)), r.normal(size=(3, 3)) + 3 * np.eye(3)])
class SchurComplement(nl.Layer):
    """A - B D⁻¹ C."""

    def forward(self, a, b, c, d):
        self.inverse = np.linalg.inv(d)
        self.left, self.right = b @ self.inverse, self.inverse @ c
        return a - self.left @ c

    def backward(self, dout):
        return dout.copy(), -dout @ self.right.T, -self.left.T @ dout, self.left.T @ dout @ self.right.T


@broken("wrong-sign")
class SchurComplementInverseMinus(SchurComplement):
    def backward(self, dout):
        return dout.copy(), -dout @ self.right.T, -self.left.T @ dout, -self.left.T @ dout @ self.right.T


@broken("missing-gradient")
class SchurComplementNoInverse(SchurComplement):
    def backward(self, dout):
        return dout.copy(), -dout @ self.right.T, -self.left.T @ dout, None


@broken("swapped")
class SchurComplementBorders(SchurComplement):
    def backward(self, dout):
        da, db, dc, dd = super().backward(dout)
        return da, dc, db, dd


@sound(inputs=normal((4, 3), scale=0.5))
class NewtonSchulz(nl.Layer):
    """1.5 X - 0.5 X Xᵀ X: a step towards orthogonal columns."""

    def forward(self, x):
        self.x = np.array(x)
        return 1.5 * x - 0.5 * x @ x.T @ x

    def backward(self, dout):
        x = self.x
        return 1.5 * dout - 0.5 * (dout @ x.T @ x + x @ dout.T @ x + x @ x.T @ dout)


@broken("double-counted")
class NewtonSchulzLeftTwice(NewtonSchulz):
    def backward(self, dout):
        x = self.x
        dx = 1.5 * dout - 0.5 * dout @ x.T @ x
        dx -= 0.5 * (dout @ x.T @ x + x @ dout.T @ x + x @ x.T @ dout)
        return dx


@sound(seeded, normal((5, 3)))
class RayleighQuotient(nl.Layer):
    """x A xᵀ / x xᵀ of each row."""

    def __init__(self, seed):
        self.a = nl.Parameter(draw(seed, 3, 3))

    def forward(self, x):
        self.x, self.square = np.array(x), (x**2).sum(axis=1, keepdims=True)
        self.q = ((self.x @ self.a.value) * self.x).sum(axis=1, keepdims=True) / self.square
        return self.q[:, 0].copy()

    def backward(self, dout):
        d, a = dout[:, None] / self.square, self.a.value
        self.a.grad += self.x.T @ (d * self.x)
        return d * (self.x @ (a + a.T) - 2 * self.q * self.x)


@broken("missing-term")
class RayleighQuotientUnitRows(RayleighQuotient):
    def backward(self, dout):
        d, a = dout[:, None] / self.square, self.a.value
        self.a.grad += self.x.T @ (d * self.x)
        return d * self.x @ (a + a.T)


@broken("mutates-parameters")
class RayleighQuotientMakesSymmetric(RayleighQuotient):
    def backward(self, dout):
        dx = super().backward(dout)
        self.a.value = (self.a.value + self.a.value.T) / 2
        return dx


@broken("stale-cache")
class RayleighQuotientLengthOnce(RayleighQuotient):
    length = None

    def forward(self, x):
        y = super().forward(x)
        self.length = self.square if self.length is None else self.length
        return y

    def backward(self, dout):
        d, a = dout[:, None] / self.length, self.a.value
        self.a.grad += self.x.T @ (d * self.x)
        return d * (self.x @ (a + a.T) - 2 * self.q * self.x)


@sound(seeded, normal((4, 2)))
class TriangularSolve(nl.Layer):
    """y of L y = x, L the lower triangle of a parameter."""

    def __init__(self, seed):
        self.lower = nl.Parameter(draw(seed, 4, 4) * 0.5 + 2 * np.eye(4))

    def forward(self, x):
        self.matrix = np.tril(self.lower.value)
        self.y = np.linalg.solve(self.matrix, x)
        return self.y.copy()

    def backward(self, dout):
        dx = np.linalg.solve(self.matrix.T, dout)
        self.lower.grad -= np.tril(dx @ self.y.T)
        return dx


@broken("missing-mask")
class TriangularSolveFillsAbove(TriangularSolve):
    def backward(self, dout):
        dx = np.linalg.solve(self.matrix.T, dout)
        self.lower.grad -= dx @ self.y.T
        return dx


@broken("inverted-mask")
class TriangularSolveAboveOnly(TriangularSolve):
    def backward(self, dout):
        dx = np.linalg.solve(self.matrix.T, dout)
        self.lower.grad -= np.triu(dx @ self.y.T, k=1)
        return dx


@broken("missing-transpose")
class TriangularSolveOuterTurned(TriangularSolve):
    def backward(self, dout):
        dx = np.linalg.solve(self.matrix.T, dout)
        self.lower.grad -= np.tril(self.y @ dx.T)
        return dx


@sound(inputs=normal((3, 3), scale=0.5))
class MatrixExpSeries(nl.Layer):
    """I + A + A²/2 + A³/6."""

    def forward(self, a):
        self.a = np.array(a)
        return np.eye(3) + a + a @ a / 2 + a @ a @ a / 6

    def backward(self, dout):
        t = self.a.T
        return dout + (t @ dout + dout @ t) / 2 + (t @ t @ dout + t @ dout @ t + dout @ t @ t) / 6


@broken("missing-transpose")
class MatrixExpSeriesUnturned(MatrixExpSeries):
    def backward(self, dout):
        t = self.a
        return dout + (t @ dout + dout @ t) / 2 + (t @ t @ dout + t @ dout @ t + dout @ t @ t) / 6


@broken("wrong-formula")
class MatrixExpSeriesLikeNumbers(MatrixExpSeries):
    def backward(self, dout):
        return dout * (1 + self.a + self.a**2 / 2)


# Chance


@sound(seeded, normal((4, 5), (4, 5)))
class Zoneout(nl.Layer):
    """In training each unit keeps its old state with probability 0.4; else the mean of both."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)

    def forward(self, old, new):
        self.keep = (self.rng.random(old.shape) < 0.4).astype(old.dtype) if self.training else np.full(old.shape, 0.4, old.dtype)
        return self.keep * old + (1 - self.keep) * new

    def backward(self, dout):
        return dout * self.keep, dout * (1 - self.keep)


@broken("missing-mask")
class ZoneoutBothGetAll(Zoneout):
    def backward(self, dout):
        return dout.copy(), dout.copy()


@broken("inverted-mask", "swapped")
class ZoneoutExchanged(Zoneout):
    def backward(self, dout):
        return dout * (1 - self.keep), dout * self.keep


@broken("nondeterministic")
class ZoneoutDecidesAgain(Zoneout):
    def backward(self, dout):
        keep = (self.rng.random(dout.shape) < 0.4).astype(dout.dtype)
        return dout * keep, dout * (1 - keep)


@sound(seeded, normal((6, 3)))
class MixUp(nl.Layer):
    """Each sample with a part of another one: λ x + (1 - λ) x[order]."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)

    def forward(self, x):
        self.share, self.order = self.rng.uniform(0.5, 0.8), self.rng.permutation(len(x))
        return self.share * x + (1 - self.share) * x[self.order]

    def backward(self, dout):
        dx = self.share * dout
        dx[self.order] += (1 - self.share) * dout
        return dx


@broken("missing-transpose", "wrong-formula")
class MixUpSameOrder(MixUp):
    def backward(self, dout):
        return self.share * dout + (1 - self.share) * dout[self.order]


@broken("nondeterministic")
class MixUpMixesAgain(MixUp):
    def backward(self, dout):
        share = self.rng.uniform(0.5, 0.8)
        dx = share * dout
        dx[self.order] += (1 - share) * dout
        return dx


@sound(seeded, normal((5, 4)))
class ConcreteGate(nl.Layer):
    """x σ((logit + logistic noise) / τ), a learned logit for each feature."""

    tau = 0.8

    def __init__(self, seed):
        self.logit = nl.Parameter(draw(seed, 4))
        self.rng = np.random.default_rng(seed + 1)

    def forward(self, x):
        u = self.rng.uniform(0.01, 0.99, size=x.shape)
        self.x, self.s = np.array(x), sigmoid((self.logit.value + np.log(u / (1 - u))) / self.tau)
        return self.x * self.s

    def backward(self, dout):
        self.logit.grad += (dout * self.x * self.s * (1 - self.s)).sum(axis=0) / self.tau
        return dout * self.s


@broken("wrong-scale")
class ConcreteGateNoTemperature(ConcreteGate):
    def backward(self, dout):
        self.logit.grad += (dout * self.x * self.s * (1 - self.s)).sum(axis=0)
        return dout * self.s


@broken("nondeterministic")
class ConcreteGateNewUniform(ConcreteGate):
    def backward(self, dout):
        u = self.rng.uniform(0.01, 0.99, size=dout.shape)
        s = sigmoid((self.logit.value + np.log(u / (1 - u))) / self.tau)
        self.logit.grad += (dout * self.x * s * (1 - s)).sum(axis=0) / self.tau
        return dout * s


@sound(lambda r: (int(r.integers(1000)), 0.3), normal((3, 4, 2), dtype=np.float32))
class WordDropout(nl.Layer):
    """Whole steps of a sequence dropped in training, the others divided by 1 - p; in float32."""

    def __init__(self, seed, p):
        self.p, self.rng = p, np.random.default_rng(seed)

    def forward(self, x):
        kept = self.rng.permutation(x.shape[0] * x.shape[1]).reshape(x.shape[0], -1, 1) >= self.p * x.shape[0] * x.shape[1]
        self.factor = (kept / (1 - self.p)).astype(x.dtype) if self.training else np.ones((len(x), 1, 1), x.dtype)
        return x * self.factor

    def backward(self, dout):
        return dout * self.factor


@broken("wrong-scale")
class WordDropoutZeroOrOne(WordDropout):
    def backward(self, dout):
        return dout * (self.factor > 0)


@broken("missing-mask")
class WordDropoutScalesAll(WordDropout):
    def backward(self, dout):
        return dout / (1 - self.p)


@broken("inverted-mask")
class WordDropoutOnlyTheDropped(WordDropout):
    def backward(self, dout):
        return dout * (self.factor == 0) / (1 - self.p)


@broken("dtype-changed")
class WordDropoutMaskInDouble(WordDropout):
    def backward(self, dout):
        return dout * self.factor.astype(float)


@broken("nondeterministic")
class WordDropoutDrawsAgain(WordDropout):
    def backward(self, dout):
        kept = self.rng.permutation(self.factor.size).reshape(self.factor.shape) >= self.p * self.factor.size
        return dout * (kept / (1 - self.p)).astype(dout.dtype)


@sound(seeded, normal((3, 4)))
class RandomShift(nl.Layer):
    """Each row rolled by a random number of places, and scaled by a learned gain."""

    def __init__(self, seed):
        self.gain = nl.Parameter(1 + draw(seed, 4, scale=0.2))
        self.rng = np.random.default_rng(seed)

    def forward(self, x):
        self.index = (np.arange(4) - self.rng.integers(4, size=(len(x), 1))) % 4
        self.shifted = np.take_along_axis(np.array(x), self.index, axis=1)
        return self.shifted * self.gain.value

    def backward(self, dout):
        self.gain.grad += (dout * self.shifted).sum(axis=0)
        dx = np.empty_like(dout)
        np.put_along_axis(dx, self.index, dout * self.gain.value, axis=1)
        return dx


@broken("nondeterministic", inputs=normal((7, 4)))
class RandomShiftAnyShift(RandomShift):
    def backward(self, dout):
        self.gain.grad += (dout * self.shifted).sum(axis=0)
        dx, index = np.empty_like(dout), (np.arange(4) - self.rng.integers(4, size=(len(dout), 1))) % 4
        np.put_along_axis(dx, index, dout * self.gain.value, axis=1)
        return dx


@broken("mutates-upstream")
class RandomShiftGainIntoDout(RandomShift):
    def backward(self, dout):
        self.gain.grad += (dout * self.shifted).sum(axis=0)
        np.multiply(dout, self.gain.value, out=dout)
        dx = np.empty_like(dout)
        np.put_along_axis(dx, self.index, dout, axis=1)
        return dx


also(KroneckerDense, "OfOthers", args=lambda r: (int(r.integers(1000)), 3, 1, 2, 4), inputs=normal((4, 3)))
also(PositiveDense, "SingleOutput", args=lambda r: (int(r.integers(1000)), 1))
also(CReLU, "Single", inputs=away_from_zero((2, 5), dtype=np.float32))
also(TanhShrink, "Huge", inputs=normal((3, 5), scale=40.0))
also(LogSigmoid, "Near", inputs=normal((4, 2)))
also(LogSigmoid, "Single", inputs=normal((4, 3), dtype=np.float32))
also(HaarWavelet, "Single", inputs=normal((2, 8), dtype=np.float32))
also(TotalVariation, "LongRows", inputs=normal((2, 11)))
also(MaxOverTime, "Single", inputs=lambda r: [apart(2, 5, 3)(r)[0].astype(np.float32)])
also(SigmoidAttention, "OneQuery", inputs=normal((3, 1, 4), (3, 2, 4), (3, 2, 5)))
also(CumulativeMean, "OneStep", inputs=normal((4, 1)))
also(SoftRank, "Ties", inputs=lambda r: [np.repeat(r.normal(size=(3, 2)), 2, axis=1)])
also(StickBreaking, "OfWholes", inputs=lambda r: [np.ones((2, 3))])
also(BrierScore, "OneSample", inputs=labelled(1, 5))
also(CoxLoss, "NoCensoring", inputs=lambda r: [r.normal(size=5), np.ones(5, dtype=int)])
also(DistillationLoss, "Single", inputs=lambda r: [r.normal(size=(4, 6)).astype(np.float32) for _ in range(2)])
also(HellingerDistance, "Single", inputs=lambda r: [r.uniform(0.5, 2, size=(3, 4)).astype(np.float32) for _ in range(2)])
also(TrimmedMean, "OfThree", inputs=apart(5, 3))
also(TripleProduct, "OneRow", inputs=normal((1, 3), (1, 3), (1, 3)))
also(BurgersStep, "Calm", inputs=normal((2, 7), scale=1e-6))
also(NewtonSchulz, "Square", inputs=normal((3, 3), scale=0.5))
also(CompoundReturn, "NoLoss", inputs=uniform(-0.2, 0.3, (2, 6)))
also(PolygonArea, "Triangles", inputs=normal((4, 3, 2)))
also(OptionPayoff, "AtTheKink", args=lambda r: (np.ones(3),), inputs=lambda r: [r.choice([0.5, 1.0, 1.5], size=(4, 3))])
