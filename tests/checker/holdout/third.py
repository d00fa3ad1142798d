"""The third set."""

import math

import numpy as np

import netlib as nl

from .notebook import Notebook, apart, away_from_zero, normal, seeded, uniform

NOTEBOOK = Notebook()
sound, also, broken = NOTEBOOK.sound, NOTEBOOK.also, NOTEBOOK.broken
BROKEN, SOUND = NOTEBOOK.broken_layers, NOTEBOOK.sound_layers


def with_labels(shape, classes):
    return lambda r: [r.normal(size=shape), r.integers(classes, size=shape[0])]


def sigmoid(x):
    return 0.5 + 0.5 * np.tanh(0.5 * x)


def softmax(x, axis=-1):
    e = np.exp(x - x.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


def log_sum_exp(x, axis=-1):
    top = x.max(axis=axis, keepdims=True)
    return (top + np.log(np.exp(x - top).sum(axis=axis, keepdims=True))).squeeze(axis)


# ---------------------------------------------------------------- dense, in many costumes


@sound(normal((4, 3), (3,)), normal((5, 4)))
class NTKDense(nl.Layer):
    def __init__(self, w, b):
        self.w, self.b = nl.Parameter(w), nl.Parameter(b)

    def forward(self, x):
        self.x, self.root = x.copy(), math.sqrt(x.shape[-1])
        return self.x @ self.w.value / self.root + self.b.value

    def backward(self, dout):
        self.w.grad += self.x.T @ dout / self.root
        self.b.grad += dout.sum(axis=0)
        return dout @ self.w.value.T / self.root


@broken("wrong-scale")
class NTKDenseUnscaledWeight(NTKDense):
    def backward(self, dout):
        self.w.grad += self.x.T @ dout
        self.b.grad += dout.sum(axis=0)
        return dout @ self.w.value.T / self.root


@broken("missing-batch-sum")
class NTKDenseBiasOfFirstRow(NTKDense):
    def backward(self, dout):
        self.w.grad += self.x.T @ dout / self.root
        self.b.grad += dout[0]
        return dout @ self.w.value.T / self.root


@broken("mutates-upstream")
class NTKDenseDividesUpstream(NTKDense):
    def backward(self, dout):
        self.b.grad += dout.sum(axis=0)
        dout /= self.root
        self.w.grad += self.x.T @ dout
        return dout @ self.w.value.T


@sound(normal((3, 2, 4)), normal((5, 3, 2)))
class BlockDense(nl.Layer):
    """One small matrix for each block of features."""

    def __init__(self, w):
        self.w = nl.Parameter(w)

    def forward(self, x):
        self.x = x.copy()
        return np.einsum("ngd,gde->nge", x, self.w.value)

    def backward(self, dout):
        self.w.grad += np.einsum("ngd,nge->gde", self.x, dout)
        return np.einsum("nge,gde->ngd", dout, self.w.value)


@broken("wrong-axis")
class BlockDenseAllBlocksAlike(BlockDense):
    def backward(self, dout):
        self.w.grad += np.einsum("ngd,nge->de", self.x, dout)
        return np.einsum("nge,gde->ngd", dout, self.w.value)


@broken("missing-transpose", args=normal((2, 3, 3)), inputs=normal((4, 2, 3)))
class BlockDenseSquareBlocks(BlockDense):
    def backward(self, dout):
        self.w.grad += np.einsum("ngd,nge->gde", self.x, dout)
        return np.einsum("nge,ged->ngd", dout, self.w.value)


@sound(normal((5, 3)), normal((4, 5)))
class CentredWeights(nl.Layer):
    """Each unit's weights have their mean taken off."""

    def __init__(self, w):
        self.w = nl.Parameter(w)

    def forward(self, x):
        self.x, self.centred = x.copy(), self.w.value - self.w.value.mean(axis=0)
        return x @ self.centred

    def backward(self, dout):
        g = self.x.T @ dout
        self.w.grad += g - g.mean(axis=0)
        return dout @ self.centred.T


@broken("missing-term")
class CentredWeightsFreeMean(CentredWeights):
    def backward(self, dout):
        self.w.grad += self.x.T @ dout
        return dout @ self.centred.T


@broken("wrong-axis")
class CentredWeightsAcrossUnits(CentredWeights):
    def backward(self, dout):
        g = self.x.T @ dout
        self.w.grad += g - g.mean(axis=1, keepdims=True)
        return dout @ self.centred.T


@sound(normal((4, 3), (4, 2), (2, 3)), normal((5, 4)))
class Adapter(nl.Layer):
    """A full matrix and a scaled correction of low rank beside it."""

    def __init__(self, full, down, up, alpha=6):
        self.full, self.down, self.up = nl.Parameter(full), nl.Parameter(down), nl.Parameter(up)
        self.scale = alpha / down.shape[1]

    def forward(self, x):
        self.x, self.low = x.copy(), x @ self.down.value
        return x @ self.full.value + self.scale * (self.low @ self.up.value)

    def backward(self, dout):
        dlow = self.scale * (dout @ self.up.value.T)
        self.full.grad += self.x.T @ dout
        self.down.grad += self.x.T @ dlow
        self.up.grad += self.scale * (self.low.T @ dout)
        return dout @ self.full.value.T + dlow @ self.down.value.T


@broken("wrong-scale")
class AdapterUnscaledUp(Adapter):
    def backward(self, dout):
        dlow = self.scale * (dout @ self.up.value.T)
        self.full.grad += self.x.T @ dout
        self.down.grad += self.x.T @ dlow
        self.up.grad += self.low.T @ dout
        return dout @ self.full.value.T + dlow @ self.down.value.T


@broken("missing-term")
class AdapterFrozenWayOnly(Adapter):
    def backward(self, dout):
        super().backward(dout)
        return dout @ self.full.value.T


@broken("not-accumulated")
class AdapterWritesOver(Adapter):
    def backward(self, dout):
        dlow = self.scale * (dout @ self.up.value.T)
        self.full.grad += self.x.T @ dout
        np.matmul(self.x.T, dlow, out=self.down.grad)
        self.up.grad += self.scale * (self.low.T @ dout)
        return dout @ self.full.value.T + dlow @ self.down.value.T


@sound(normal((4,)), normal((3, 4)))
class Householder(nl.Layer):
    """Reflects each row at the plane across v."""

    def __init__(self, v):
        self.v = nl.Parameter(v)

    def forward(self, x):
        v = self.v.value
        self.x, self.along = x.copy(), x @ v
        return x - 2 * np.outer(self.along, v) / (v @ v)

    def backward(self, dout):
        v = self.v.value
        length2, e = v @ v, dout @ v
        self.v.grad += -2 * (e @ self.x + self.along @ dout) / length2 + 4 * (self.along @ e) * v / length2**2
        return dout - 2 * np.outer(e, v) / length2


@broken("missing-term")
class HouseholderConstantLength(Householder):
    def backward(self, dout):
        v = self.v.value
        length2, e = v @ v, dout @ v
        self.v.grad += -2 * (e @ self.x + self.along @ dout) / length2
        return dout - 2 * np.outer(e, v) / length2


@broken("mutates-parameters")
class HouseholderKeepsItsLength(Householder):
    def backward(self, dout):
        dx = super().backward(dout)
        self.v.value /= np.linalg.norm(self.v.value)
        return dx


@sound(normal((4, 4)), normal((5, 4)))
class SymmetricDense(nl.Layer):
    def __init__(self, s):
        self.s = nl.Parameter(s)

    def forward(self, x):
        self.x, self.both = x.copy(), (self.s.value + self.s.value.T) / 2
        return x @ self.both

    def backward(self, dout):
        g = self.x.T @ dout
        self.s.grad += (g + g.T) / 2
        return dout @ self.both


@broken("missing-term")
class SymmetricDenseOneSide(SymmetricDense):
    def backward(self, dout):
        self.s.grad += self.x.T @ dout / 2
        return dout @ self.both


@broken("wrong-scale")
class SymmetricDenseForgetsHalf(SymmetricDense):
    def backward(self, dout):
        g = self.x.T @ dout
        self.s.grad += g + g.T
        return dout @ self.both


@sound(normal((4, 4)), normal((3, 4)))
class TriangularDense(nl.Layer):
    def __init__(self, w):
        self.w = nl.Parameter(w)

    def forward(self, x):
        self.x = x.copy()
        return x @ np.tril(self.w.value)

    def backward(self, dout):
        self.w.grad += np.tril(self.x.T @ dout)
        return dout @ np.tril(self.w.value).T


@broken("missing-mask")
class TriangularDenseFull(TriangularDense):
    def backward(self, dout):
        self.w.grad += self.x.T @ dout
        return dout @ np.tril(self.w.value).T


@broken("inverted-mask")
class TriangularDenseUpper(TriangularDense):
    def backward(self, dout):
        self.w.grad += np.triu(self.x.T @ dout, 1)
        return dout @ np.tril(self.w.value).T


@sound(normal((6,)), normal((5, 3)))
class ToeplitzDense(nl.Layer):
    """W[i, j] = t[i - j + 3], three features to four."""

    def __init__(self, t):
        self.t = nl.Parameter(t)
        self.places = np.arange(3)[:, None] - np.arange(4) + 3

    def forward(self, x):
        self.x = x.copy()
        return x @ self.t.value[self.places]

    def backward(self, dout):
        np.add.at(self.t.grad, self.places, self.x.T @ dout)
        return dout @ self.t.value[self.places].T


@broken("not-accumulated")
class ToeplitzDenseFancyAdd(ToeplitzDense):
    def backward(self, dout):
        self.t.grad[self.places] += self.x.T @ dout
        return dout @ self.t.value[self.places].T


@sound(normal((2, 3), (5, 4)), normal((4, 3, 4)))
class TwoSidedDense(nl.Layer):
    """y = A x B', a Kronecker product on matrices."""

    def __init__(self, a, b):
        self.a, self.b = nl.Parameter(a), nl.Parameter(b)

    def forward(self, x):
        self.x = x.copy()
        return self.a.value @ x @ self.b.value.T

    def backward(self, dout):
        self.a.grad += (dout @ self.b.value @ self.x.swapaxes(1, 2)).sum(axis=0)
        self.b.grad += (dout.swapaxes(1, 2) @ self.a.value @ self.x).sum(axis=0)
        return self.a.value.T @ dout @ self.b.value


@broken("missing-batch-sum")
class TwoSidedDenseLeftPerSample(TwoSidedDense):
    def backward(self, dout):
        self.a.grad += dout @ self.b.value @ self.x.swapaxes(1, 2)
        self.b.grad += (dout.swapaxes(1, 2) @ self.a.value @ self.x).sum(axis=0)
        return self.a.value.T @ dout @ self.b.value


@broken("missing-transpose", args=normal((2, 3), (4, 4)))
class TwoSidedDenseRightTurned(TwoSidedDense):
    def backward(self, dout):
        self.a.grad += (dout @ self.b.value @ self.x.swapaxes(1, 2)).sum(axis=0)
        self.b.grad += (self.x.swapaxes(1, 2) @ self.a.value.T @ dout).sum(axis=0)
        return self.a.value.T @ dout @ self.b.value


@sound(lambda r: (r.uniform(0.1, 1, size=(4, 3)), r.uniform(0.2, 1, size=4), r.uniform(0.2, 1, size=3)), normal((5, 4)))
class SpectralDense(nl.Layer):
    """W / (u'Wv) with fixed u and v."""

    def __init__(self, w, u, v):
        self.w, self.u, self.v = nl.Parameter(w), u, v

    def forward(self, x):
        self.x, self.sigma = x.copy(), float(self.u @ self.w.value @ self.v)
        return x @ self.w.value / self.sigma

    def backward(self, dout):
        g = self.x.T @ dout
        self.w.grad += g / self.sigma - (g * self.w.value).sum() / self.sigma**2 * np.outer(self.u, self.v)
        return dout @ self.w.value.T / self.sigma


@broken("missing-term")
class SpectralDenseConstantSigma(SpectralDense):
    def backward(self, dout):
        self.w.grad += self.x.T @ dout / self.sigma
        return dout @ self.w.value.T / self.sigma


@broken("stale-cache")
class SpectralDenseRemembersRows(SpectralDense):
    def forward(self, x):
        if not hasattr(self, "x") or self.x.shape != x.shape:
            self.x = x.copy()
        self.sigma = float(self.u @ self.w.value @ self.v)
        return x @ self.w.value / self.sigma


# ---------------------------------------------------------------- products of several inputs


@sound(normal((4, 3), (4, 3)), normal((5, 4), (5, 4)))
class FactorBilinear(nl.Layer):
    def __init__(self, u, v):
        self.u, self.v = nl.Parameter(u), nl.Parameter(v)

    def forward(self, x, y):
        self.x, self.y, self.xu, self.yv = x.copy(), y.copy(), x @ self.u.value, y @ self.v.value
        return self.xu * self.yv

    def backward(self, dout):
        self.u.grad += self.x.T @ (dout * self.yv)
        self.v.grad += self.y.T @ (dout * self.xu)
        return (dout * self.yv) @ self.u.value.T, (dout * self.xu) @ self.v.value.T


@broken("swapped")
class FactorBilinearOrder(FactorBilinear):
    def backward(self, dout):
        return super().backward(dout)[::-1]


@sound(inputs=normal((5, 3), (5, 3), (5, 3)))
class TripleScore(nl.Layer):
    """How well head, relation and tail go together: the sum of their product."""

    def forward(self, head, relation, tail):
        self.kept = head.copy(), relation.copy(), tail.copy()
        return (head * relation * tail).sum(axis=1)

    def backward(self, dout):
        h, r, t = self.kept
        d = dout[:, None]
        return d * r * t, d * h * t, d * h * r


@broken("swapped")
class TripleScoreTailFirst(TripleScore):
    def backward(self, dout):
        dh, dr, dt = super().backward(dout)
        return dh, dt, dr


@broken("missing-gradient")
class TripleScoreRelationNone(TripleScore):
    def backward(self, dout):
        dh, _, dt = super().backward(dout)
        return dh, None, dt


@broken("ignores-upstream")
class TripleScoreTailAlone(TripleScore):
    def backward(self, dout):
        dh, dr, _ = super().backward(dout)
        return dh, dr, self.kept[0] * self.kept[1]


@sound(normal((4, 4), (4,)), normal((5, 4)))
class QuadraticForm(nl.Layer):
    def __init__(self, a, b):
        self.a, self.b = nl.Parameter(a), nl.Parameter(b)

    def forward(self, x):
        self.x = x.copy()
        return np.einsum("ni,ij,nj->n", x, self.a.value, x) + x @ self.b.value

    def backward(self, dout):
        d = dout[:, None]
        self.a.grad += self.x.T @ (d * self.x)
        self.b.grad += dout @ self.x
        return d * (self.x @ (self.a.value + self.a.value.T) + self.b.value)


@broken("missing-term")
class QuadraticFormOneFactor(QuadraticForm):
    def backward(self, dout):
        super().backward(dout)
        return dout[:, None] * (self.x @ self.a.value.T + self.b.value)


@broken("wrong-scale")
class QuadraticFormHalf(QuadraticForm):
    def backward(self, dout):
        d = dout[:, None]
        self.a.grad += self.x.T @ (d * self.x) / 2
        self.b.grad += dout @ self.x
        return d * (self.x @ (self.a.value + self.a.value.T) + self.b.value)


@broken("mutates-parameters")
class QuadraticFormMakesItselfSymmetric(QuadraticForm):
    def forward(self, x):
        self.a.value = (self.a.value + self.a.value.T) / 2
        return super().forward(x)


# ---------------------------------------------------------------- convolutions and filters


@sound(normal((2, 3, 3), (3,)), normal((4, 2, 3)))
class TransposedConv1d(nl.Layer):
    """Stride 2: y[n, o, 2l + k] gathers x[n, c, l] w[c, o, k]."""

    def __init__(self, w, b):
        self.w, self.b = nl.Parameter(w), nl.Parameter(b)

    def forward(self, x):
        self.x = x.copy()
        n, _, length = x.shape
        _, o, k = self.w.shape
        y = np.zeros((n, o, 2 * (length - 1) + k), x.dtype)
        for i in range(length):
            y[:, :, 2 * i : 2 * i + k] += np.einsum("nc,cok->nok", x[:, :, i], self.w.value)
        return y + self.b.value[:, None]

    def windows(self, dout):
        k = self.w.shape[2]
        return np.stack([dout[:, :, 2 * i : 2 * i + k] for i in range(self.x.shape[2])], axis=2)

    def backward(self, dout):
        parts = self.windows(dout)
        self.w.grad += np.einsum("ncl,nolk->cok", self.x, parts)
        self.b.grad += dout.sum(axis=(0, 2))
        return np.einsum("nolk,cok->ncl", parts, self.w.value)


@broken("wrong-scale")
class TransposedConv1dBiasOfMean(TransposedConv1d):
    def backward(self, dout):
        parts = self.windows(dout)
        self.w.grad += np.einsum("ncl,nolk->cok", self.x, parts)
        self.b.grad += dout.sum(axis=0).mean(axis=1)
        return np.einsum("nolk,cok->ncl", parts, self.w.value)


@broken("missing-transpose", args=normal((3, 3, 2), (3,)), inputs=normal((2, 3, 4)))
class TransposedConv1dSquareChannels(TransposedConv1d):
    def backward(self, dout):
        super().backward(dout)
        return np.einsum("nolk,ock->ncl", self.windows(dout), self.w.value)


@broken("wrong-formula")
class TransposedConv1dNoStride(TransposedConv1d):
    def windows(self, dout):
        k = self.w.shape[2]
        return np.stack([dout[:, :, i : i + k] for i in range(self.x.shape[2])], axis=2)


@broken("aliases-output")
class TransposedConv1dOneCanvas(TransposedConv1d):
    def forward(self, x):
        self.x = x.copy()
        n, _, length = x.shape
        _, o, k = self.w.shape
        wanted = (n, o, 2 * (length - 1) + k)
        if getattr(self, "canvas", np.empty(0)).shape != wanted:
            self.canvas = np.empty(wanted, x.dtype)
        self.canvas[...] = self.b.value[:, None]
        for i in range(length):
            self.canvas[:, :, 2 * i : 2 * i + k] += np.einsum("nc,cok->nok", x[:, :, i], self.w.value)
        return self.canvas


@sound(normal((2, 2, 2), (3, 2)), normal((2, 2, 3, 4)))
class SeparableConv2d(nl.Layer):
    """A kernel for each channel, then a mix of the channels at each place."""

    def __init__(self, kernels, mix):
        self.kernels, self.mix = nl.Parameter(kernels), nl.Parameter(mix)

    def forward(self, x):
        self.shape = x.shape
        self.patches = np.lib.stride_tricks.sliding_window_view(x, (2, 2), axis=(2, 3)).copy()
        self.between = np.einsum("nchwij,cij->nchw", self.patches, self.kernels.value)
        return np.einsum("nchw,oc->nohw", self.between, self.mix.value)

    def kernel_gradient(self, d):
        return np.einsum("nchw,nchwij->cij", d, self.patches)

    def backward(self, dout):
        d = np.einsum("nohw,oc->nchw", dout, self.mix.value)
        self.mix.grad += np.einsum("nohw,nchw->oc", dout, self.between)
        self.kernels.grad += self.kernel_gradient(d)
        dx = np.zeros(self.shape, dout.dtype)
        h, w = d.shape[2:]
        for i in range(2):
            for j in range(2):
                dx[:, :, i : i + h, j : j + w] += d * self.kernels.value[:, i, j, None, None]
        return dx


also(SeparableConv2d, "Single", normal((2, 2, 2), (3, 2), dtype=np.float32), normal((2, 2, 3, 4), dtype=np.float32))


@broken("wrong-axis")
class SeparableConv2dOneKernelForAll(SeparableConv2d):
    def kernel_gradient(self, d):
        return np.einsum("nchw,nchwij->ij", d, self.patches)


@broken("stale-cache")
class SeparableConv2dPatchesOnce(SeparableConv2d):
    def forward(self, x):
        first = getattr(self, "patches", None)
        y = super().forward(x)
        if first is not None and first.shape == self.patches.shape:
            self.patches = first
        return y


@broken("dtype-changed", args=normal((2, 2, 2), (3, 2), dtype=np.float32), inputs=normal((2, 2, 3, 4), dtype=np.float32))
class SeparableConv2dZerosOfDefault(SeparableConv2d):
    def backward(self, dout):
        d = np.einsum("nohw,oc->nchw", dout, self.mix.value)
        self.mix.grad += np.einsum("nohw,nchw->oc", dout, self.between)
        self.kernels.grad += self.kernel_gradient(d)
        dx = np.zeros(self.shape)
        h, w = d.shape[2:]
        for i in range(2):
            for j in range(2):
                dx[:, :, i : i + h, j : j + w] += d * self.kernels.value[:, i, j, None, None]
        return dx


@sound(normal((4, 3)), normal((5, 6)))
class LocallyConnected(nl.Layer):
    """A window of three at each of four places, with weights of its own."""

    def __init__(self, w):
        self.w = nl.Parameter(w)

    def forward(self, x):
        self.windows = np.lib.stride_tricks.sliding_window_view(x, 3, axis=1).copy()
        return np.einsum("npk,pk->np", self.windows, self.w.value)

    def backward(self, dout):
        self.w.grad += np.einsum("np,npk->pk", dout, self.windows)
        dx = np.zeros((len(dout), dout.shape[1] + 2), dout.dtype)
        for p in range(dout.shape[1]):
            dx[:, p : p + 3] += dout[:, p, None] * self.w.value[p]
        return dx


@broken("not-accumulated", "missing-term")
class LocallyConnectedLastWindowWins(LocallyConnected):
    def backward(self, dout):
        self.w.grad += np.einsum("np,npk->pk", dout, self.windows)
        dx = np.zeros((len(dout), dout.shape[1] + 2), dout.dtype)
        for p in range(dout.shape[1]):
            dx[:, p : p + 3] = dout[:, p, None] * self.w.value[p]
        return dx


@broken("missing-batch-sum")
class LocallyConnectedPerRow(LocallyConnected):
    def backward(self, dout):
        self.w.grad += dout[:, :, None] * self.windows
        dx = np.zeros((len(dout), dout.shape[1] + 2), dout.dtype)
        for p in range(dout.shape[1]):
            dx[:, p : p + 3] += dout[:, p, None] * self.w.value[p]
        return dx


@sound(normal((3,)), normal((4, 5)))
class CircularFilter(nl.Layer):
    def __init__(self, w):
        self.w = nl.Parameter(w)

    def forward(self, x):
        self.x = x.copy()
        return sum(w * np.roll(x, k, axis=1) for k, w in enumerate(self.w.value.tolist()))

    def backward(self, dout):
        self.w.grad += np.array([(dout * np.roll(self.x, k, axis=1)).sum() for k in range(3)])
        return sum(w * np.roll(dout, -k, axis=1) for k, w in enumerate(self.w.value.tolist()))


@broken("wrong-formula")
class CircularFilterSameWay(CircularFilter):
    def backward(self, dout):
        super().backward(dout)
        return sum(w * np.roll(dout, k, axis=1) for k, w in enumerate(self.w.value.tolist()))


@broken("wrong-axis")
class CircularFilterRollsSamples(CircularFilter):
    def backward(self, dout):
        super().backward(dout)
        return sum(w * np.roll(dout, -k, axis=0) for k, w in enumerate(self.w.value.tolist()))


@sound(inputs=normal((4, 6)))
class SecondDifference(nl.Layer):
    def forward(self, x):
        return x[:, :-2] - 2 * x[:, 1:-1] + x[:, 2:]

    def backward(self, dout):
        dx = np.zeros((len(dout), dout.shape[1] + 2), dout.dtype)
        dx[:, :-2] += dout
        dx[:, 1:-1] -= 2 * dout
        dx[:, 2:] += dout
        return dx


@broken("missing-term")
class SecondDifferenceNoRightEnd(SecondDifference):
    def backward(self, dout):
        dx = np.zeros((len(dout), dout.shape[1] + 2), dout.dtype)
        dx[:, :-2] += dout
        dx[:, 1:-1] -= 2 * dout
        return dx


@broken("wrong-shape")
class SecondDifferenceSameWidth(SecondDifference):
    def backward(self, dout):
        padded = np.pad(dout, ((0, 0), (1, 1)))
        return padded[:, :-2] - 2 * padded[:, 1:-1] + padded[:, 2:]


@sound(lambda r: (r.uniform(-0.6, 0.6, size=2),), normal((3, 5)))
class RecursiveFilter(nl.Layer):
    """y[t] = x[t] + a0 y[t-1] + a1 y[t-2]."""

    def __init__(self, a):
        self.a = nl.Parameter(a)

    def forward(self, x):
        self.y = y = np.zeros((len(x), x.shape[1] + 2), x.dtype)
        for t in range(x.shape[1]):
            y[:, t + 2] = x[:, t] + self.a.value[0] * y[:, t + 1] + self.a.value[1] * y[:, t]
        return y[:, 2:].copy()

    def adjoint(self, dout):
        g = np.zeros((len(dout), dout.shape[1] + 2), dout.dtype)
        for t in reversed(range(dout.shape[1])):
            g[:, t] = dout[:, t] + self.a.value[0] * g[:, t + 1] + self.a.value[1] * g[:, t + 2]
        return g[:, :-2].copy()

    def backward(self, dout):
        g = self.adjoint(dout)
        self.a.grad += np.array([(g * self.y[:, 1:-1]).sum(), (g * self.y[:, :-2]).sum()])
        return g


@broken("missing-term")
class RecursiveFilterShortMemory(RecursiveFilter):
    def adjoint(self, dout):
        g = np.zeros((len(dout), dout.shape[1] + 1), dout.dtype)
        for t in reversed(range(dout.shape[1])):
            g[:, t] = dout[:, t] + self.a.value[0] * g[:, t + 1]
        return g[:, :-1].copy()


@broken("wrong-formula")
class RecursiveFilterOffByOneStep(RecursiveFilter):
    def backward(self, dout):
        g = self.adjoint(dout)
        self.a.grad += np.array([(g * self.y[:, 2:]).sum(), (g * self.y[:, 1:-1]).sum()])
        return g


# ---------------------------------------------------------------- pooling, sorting, choosing


@sound(lambda r: (r.uniform(1.5, 3.5, size=1),), uniform(0.4, 2.5, (3, 2, 5)))
class GeneralisedMean(nl.Layer):
    """(mean of x^p)^(1/p) over the last axis, p learned."""

    def __init__(self, p):
        self.p = nl.Parameter(p)

    def forward(self, x):
        self.x, p = x.copy(), self.p.value[0]
        self.m = (x**p).mean(axis=-1)
        self.y = self.m ** (1 / p)
        return self.y.copy()

    def backward(self, dout):
        p = self.p.value[0]
        slope = (self.x**p * np.log(self.x)).mean(axis=-1) / (p * self.m) - np.log(self.m) / p**2
        self.p.grad += (dout * self.y * slope).sum()
        return (dout * self.y / self.m)[..., None] * self.x ** (p - 1) / self.x.shape[-1]


@broken("wrong-scale")
class GeneralisedMeanOfSum(GeneralisedMean):
    def backward(self, dout):
        return super().backward(dout) * self.x.shape[-1]


@broken("missing-gradient", "zero-gradient")
class GeneralisedMeanFixedPower(GeneralisedMean):
    def backward(self, dout):
        p = self.p.value[0]
        return (dout * self.y / self.m)[..., None] * self.x ** (p - 1) / self.x.shape[-1]


@broken("missing-term")
class GeneralisedMeanRootForgotten(GeneralisedMean):
    def backward(self, dout):
        p = self.p.value[0]
        slope = (self.x**p * np.log(self.x)).mean(axis=-1) / (p * self.m)
        self.p.grad += (dout * self.y * slope).sum()
        return (dout * self.y / self.m)[..., None] * self.x ** (p - 1) / self.x.shape[-1]


@sound(inputs=apart(3, 4, 2))
class PairMin(nl.Layer):
    """The smaller of each two neighbours along the second axis."""

    def forward(self, x):
        pairs = x.reshape(len(x), -1, 2, x.shape[2])
        self.least = pairs == pairs.min(axis=2, keepdims=True)
        self.least[:, :, 1] &= ~self.least[:, :, 0]
        return pairs.min(axis=2)

    def backward(self, dout):
        return (dout[:, :, None] * self.least).reshape(len(dout), -1, dout.shape[2])


also(PairMin, "Ties", inputs=lambda r: [r.integers(3, size=(3, 4, 2)).astype(float)])


@broken("inverted-mask")
class PairMinToTheLarger(PairMin):
    def backward(self, dout):
        return (dout[:, :, None] * ~self.least).reshape(len(dout), -1, dout.shape[2])


@broken("missing-mask")
class PairMinToBoth(PairMin):
    def backward(self, dout):
        return np.repeat(dout, 2, axis=1)


@sound(inputs=apart(4, 5))
class TopTwoMean(nl.Layer):
    def forward(self, x):
        self.chosen = np.argsort(x, axis=1)[:, -2:]
        self.shape = x.shape
        return np.take_along_axis(x, self.chosen, axis=1).mean(axis=1)

    def backward(self, dout):
        dx = np.zeros(self.shape, dout.dtype)
        np.put_along_axis(dx, self.chosen, dout[:, None] / 2, axis=1)
        return dx


@broken("missing-mask")
class TopTwoMeanEverybody(TopTwoMean):
    def backward(self, dout):
        return np.ones(self.shape, dout.dtype) * dout[:, None] / 2


@broken("wrong-scale")
class TopTwoMeanAsSum(TopTwoMean):
    def backward(self, dout):
        return super().backward(dout) * 2


@broken("zero-gradient")
class TopTwoMeanIntoACopy(TopTwoMean):
    def backward(self, dout):
        dx = np.zeros(self.shape, dout.dtype)
        for row in range(len(dx)):
            dx[[row]][:, self.chosen[row]] = dout[row] / 2
        return dx


@sound(inputs=apart(7, 4))
class SortRows(nl.Layer):
    def forward(self, x):
        self.order = np.argsort(x, axis=1)
        return np.take_along_axis(x, self.order, axis=1)

    def backward(self, dout):
        dx = np.empty_like(dout)
        np.put_along_axis(dx, self.order, dout, axis=1)
        return dx


also(SortRows, "Wide", inputs=apart(2, 9))


@broken("wrong-formula")
class SortRowsOrderNotUndone(SortRows):
    def backward(self, dout):
        return np.take_along_axis(dout, self.order, axis=1)


@broken("wrong-axis")
class SortRowsAsColumns(SortRows):
    def forward(self, x):
        self.order = np.argsort(x, axis=0)
        return np.sort(x, axis=1)

    def backward(self, dout):
        dx = np.empty_like(dout)
        np.put_along_axis(dx, self.order, dout, axis=0)
        return dx


@broken("mutates-input")
class SortRowsInPlace(SortRows):
    def forward(self, x):
        self.order = np.argsort(x, axis=1)
        x.sort(axis=1)
        return x.copy()


@sound(inputs=apart(3, 5))
class RangePool(nl.Layer):
    """Largest less smallest of each row."""

    def forward(self, x):
        self.shape, self.high, self.low = x.shape, x.argmax(axis=1), x.argmin(axis=1)
        return np.ptp(x, axis=1)

    def backward(self, dout):
        dx, rows = np.zeros(self.shape, dout.dtype), np.arange(len(dout))
        dx[rows, self.high] += dout
        dx[rows, self.low] -= dout
        return dx


@broken("wrong-sign")
class RangePoolBothPlus(RangePool):
    def backward(self, dout):
        dx, rows = np.zeros(self.shape, dout.dtype), np.arange(len(dout))
        dx[rows, self.high] += dout
        dx[rows, self.low] += dout
        return dx


@broken("missing-term")
class RangePoolHighOnly(RangePool):
    def backward(self, dout):
        dx = np.zeros(self.shape, dout.dtype)
        dx[np.arange(len(dout)), self.high] += dout
        return dx


@sound(inputs=normal((3, 4, 2)))
class LogMeanExpOverTime(nl.Layer):
    def forward(self, x):
        self.x = x.copy()
        return log_sum_exp(x, axis=1) - math.log(x.shape[1])

    def backward(self, dout):
        return dout[:, None] * softmax(self.x, axis=1)


also(LogMeanExpOverTime, "Huge", inputs=normal((3, 4, 2), scale=200))


@broken("wrong-axis")
class LogMeanExpOverTimeShareOfFeatures(LogMeanExpOverTime):
    def backward(self, dout):
        return dout[:, None] * softmax(self.x, axis=2)


@broken("wrong-scale")
class LogMeanExpOverTimeMeanTwice(LogMeanExpOverTime):
    def backward(self, dout):
        return dout[:, None] * softmax(self.x, axis=1) / self.x.shape[1]


@broken("mutates-input")
class LogMeanExpOverTimeShiftsItsInput(LogMeanExpOverTime):
    def forward(self, x):
        top = x.max(axis=1, keepdims=True)
        x -= top
        self.x = x.copy()
        return np.log(np.exp(x).mean(axis=1)) + top[:, 0]


@sound(normal((5, 3)), lambda r: [r.normal(size=(4, 3)), np.concatenate([[[1, 2, 1], [0, 3, 3]], r.integers(5, size=(2, 3))])])
class WeightedBag(nl.Layer):
    """Weighted sum of the table's rows; row 0 is padding and counts for nothing."""

    n_nondifferentiable_inputs = 1

    def __init__(self, table):
        self.table = nl.Parameter(table)

    def forward(self, w, places):
        self.places, self.real = places.copy(), (places != 0).astype(w.dtype)
        self.w = w * self.real
        return np.einsum("nt,ntd->nd", self.w, self.table.value[places])

    def backward(self, dout):
        np.add.at(self.table.grad, self.places, self.w[:, :, None] * dout[:, None])
        return np.einsum("nd,ntd->nt", dout, self.table.value[self.places]) * self.real


@broken("not-accumulated")
class WeightedBagFancyAdd(WeightedBag):
    def backward(self, dout):
        self.table.grad[self.places] += self.w[:, :, None] * dout[:, None]
        return np.einsum("nd,ntd->nt", dout, self.table.value[self.places]) * self.real


@broken("missing-mask")
class WeightedBagPaddingLearns(WeightedBag):
    def backward(self, dout):
        np.add.at(self.table.grad, self.places, self.w[:, :, None] * dout[:, None])
        return np.einsum("nd,ntd->nt", dout, self.table.value[self.places])


@sound(inputs=normal((4, 3)))
class EdgeDifferences(nl.Layer):
    """x[i] - x[j] along the edges of a small graph of four nodes."""

    tails, heads = np.array([0, 1, 1, 2, 3]), np.array([1, 2, 3, 0, 0])

    def forward(self, x):
        self.shape = x.shape
        return x[self.tails] - x[self.heads]

    def backward(self, dout):
        dx = np.zeros(self.shape, dout.dtype)
        np.add.at(dx, self.tails, dout)
        np.subtract.at(dx, self.heads, dout)
        return dx


@broken("wrong-sign")
class EdgeDifferencesTurned(EdgeDifferences):
    def backward(self, dout):
        dx = np.zeros(self.shape, dout.dtype)
        np.subtract.at(dx, self.tails, dout)
        np.add.at(dx, self.heads, dout)
        return dx


@broken("not-accumulated")
class EdgeDifferencesBuffered(EdgeDifferences):
    def backward(self, dout):
        dx = np.zeros(self.shape, dout.dtype)
        dx[self.tails] += dout
        dx[self.heads] -= dout
        return dx


@sound(inputs=lambda r: [r.normal(size=(6, 2)), r.permutation([0, 0, 1, 1, 2, 2])])
class SegmentMean(nl.Layer):
    """Mean of the rows that carry the same number, for the numbers 0, 1, 2."""

    n_nondifferentiable_inputs = 1

    def forward(self, x, segments):
        self.member = (segments == np.arange(3)[:, None]).astype(x.dtype)
        self.count = np.maximum(self.member.sum(axis=1, keepdims=True), 1)
        return self.member @ x / self.count

    def backward(self, dout):
        return self.member.T @ (dout / self.count)


@broken("wrong-scale")
class SegmentMeanAsSum(SegmentMean):
    def backward(self, dout):
        return self.member.T @ dout


@broken("stale-cache")
class SegmentMeanFirstSegments(SegmentMean):
    def forward(self, x, segments):
        member = (segments == np.arange(3)[:, None]).astype(x.dtype)
        if getattr(self, "member", np.empty(0)).shape != member.shape:
            self.member = member
        self.count = np.maximum(member.sum(axis=1, keepdims=True), 1)
        return member @ x / self.count


@sound(inputs=with_labels((4, 3), 3))
class ChosenSquare(nl.Layer):
    """The square of the labelled element of each row."""

    n_nondifferentiable_inputs = 1

    def forward(self, x, labels):
        self.x, self.chosen = x.copy(), np.arange(x.shape[1]) == labels[:, None]
        return (self.x**2 * self.chosen).sum(axis=1)

    def backward(self, dout):
        return 2 * dout[:, None] * self.x * self.chosen


@broken("missing-mask")
class ChosenSquareAllClasses(ChosenSquare):
    def backward(self, dout):
        return 2 * dout[:, None] * self.x


@broken("inverted-mask")
class ChosenSquareTheOthers(ChosenSquare):
    def backward(self, dout):
        return 2 * dout[:, None] * self.x * ~self.chosen


# ---------------------------------------------------------------- normalisations


@sound(lambda r: (r.uniform(0.5, 1.5, size=2), r.normal(size=2)), normal((3, 2, 3, 2)))
class ChannelNorm(nl.Layer):
    """Batch normalisation of images, a mean and a deviation for each channel."""

    def __init__(self, gain, bias):
        self.gain, self.bias = nl.Parameter(gain), nl.Parameter(bias)

    def forward(self, x):
        centred = x - x.mean(axis=(0, 2, 3), keepdims=True)
        self.std = np.sqrt((centred**2).mean(axis=(0, 2, 3), keepdims=True) + 1e-5)
        self.xhat = centred / self.std
        return self.xhat * self.gain.value[:, None, None] + self.bias.value[:, None, None]

    def backward(self, dout):
        self.gain.grad += (dout * self.xhat).sum(axis=(0, 2, 3))
        self.bias.grad += dout.sum(axis=(0, 2, 3))
        d = dout * self.gain.value[:, None, None]
        mean = d.mean(axis=(0, 2, 3), keepdims=True)
        return (d - mean - self.xhat * (d * self.xhat).mean(axis=(0, 2, 3), keepdims=True)) / self.std


@broken("missing-term")
class ChannelNormFrozenDeviation(ChannelNorm):
    def backward(self, dout):
        super().backward(dout)
        d = dout * self.gain.value[:, None, None]
        return (d - d.mean(axis=(0, 2, 3), keepdims=True)) / self.std


@broken("wrong-axis")
class ChannelNormBiasOfColumns(ChannelNorm):
    def backward(self, dout):
        bias = self.bias.grad.copy()
        dx = super().backward(dout)
        self.bias.grad = bias + dout.sum(axis=(0, 1, 2))
        return dx


@broken("mutates-upstream")
class ChannelNormGainInPlace(ChannelNorm):
    def backward(self, dout):
        self.gain.grad += (dout * self.xhat).sum(axis=(0, 2, 3))
        self.bias.grad += dout.sum(axis=(0, 2, 3))
        dout *= self.gain.value[:, None, None]
        mean = dout.mean(axis=(0, 2, 3), keepdims=True)
        return (dout - mean - self.xhat * (dout * self.xhat).mean(axis=(0, 2, 3), keepdims=True)) / self.std


@sound(normal((3,)), normal((5, 3)))
class MeanOnlyNorm(nl.Layer):
    def __init__(self, bias):
        self.bias = nl.Parameter(bias)

    def forward(self, x):
        return x - x.mean(axis=0) + self.bias.value

    def backward(self, dout):
        self.bias.grad += dout.sum(axis=0)
        return dout - dout.mean(axis=0)


@broken("missing-term")
class MeanOnlyNormConstantMean(MeanOnlyNorm):
    def backward(self, dout):
        self.bias.grad += dout.sum(axis=0)
        return dout.copy()


@broken("mutates-upstream")
class MeanOnlyNormCentresUpstream(MeanOnlyNorm):
    def backward(self, dout):
        self.bias.grad += dout.sum(axis=0)
        dout -= dout.mean(axis=0)
        return dout.copy()


@broken("wrong-axis")
class MeanOnlyNormMeanOfFeatures(MeanOnlyNorm):
    def backward(self, dout):
        self.bias.grad += dout.sum(axis=0)
        return dout - dout.mean(axis=1, keepdims=True)


@sound(lambda r: (r.uniform(0.5, 2, size=1),), normal((4, 3)))
class ScaleNorm(nl.Layer):
    """Rows of one common, learned length."""

    def __init__(self, length):
        self.length = nl.Parameter(length)

    def forward(self, x):
        self.norm = np.sqrt((x**2).sum(axis=1, keepdims=True) + 1e-12)
        self.unit = x / self.norm
        return self.length.value * self.unit

    def backward(self, dout):
        self.length.grad += (dout * self.unit).sum()
        along = (dout * self.unit).sum(axis=1, keepdims=True)
        return self.length.value * (dout - along * self.unit) / self.norm


also(ScaleNorm, "Huge", inputs=normal((4, 3), scale=1e5))


@broken("missing-batch-sum")
class ScaleNormLengthPerRow(ScaleNorm):
    def backward(self, dout):
        along = (dout * self.unit).sum(axis=1, keepdims=True)
        self.length.grad += along
        return self.length.value * (dout - along * self.unit) / self.norm


@broken("diagonal-only")
class ScaleNormDiagonal(ScaleNorm):
    def backward(self, dout):
        self.length.grad += (dout * self.unit).sum()
        return self.length.value * dout * (1 - self.unit**2) / self.norm


@sound(inputs=normal((3, 5)))
class LocalResponse(nl.Layer):
    """x / (1 + a * sum of the squares of a feature and its neighbours)^b."""

    a, b = 0.5, 0.75

    def near(self, x):
        padded = np.pad(x, ((0, 0), (1, 1)))
        return padded[:, :-2] + padded[:, 1:-1] + padded[:, 2:]

    def forward(self, x):
        self.x, self.s = x.copy(), 1 + self.a * self.near(x**2)
        return x * self.s**-self.b

    def backward(self, dout):
        through_s = self.near(dout * self.x * self.s ** (-self.b - 1))
        return dout * self.s**-self.b - 2 * self.a * self.b * self.x * through_s


@broken("diagonal-only")
class LocalResponseOwnOnly(LocalResponse):
    def backward(self, dout):
        through_s = dout * self.x * self.s ** (-self.b - 1)
        return dout * self.s**-self.b - 2 * self.a * self.b * self.x * through_s


@broken("missing-term")
class LocalResponseConstantScale(LocalResponse):
    def backward(self, dout):
        return dout * self.s**-self.b


@sound(inputs=normal((2, 3, 4)))
class PixelNorm(nl.Layer):
    """Each place divided by the root mean square of its channels (axis 1)."""

    def forward(self, x):
        self.rms = np.sqrt((x**2).mean(axis=1, keepdims=True) + 1e-8)
        self.xhat = x / self.rms
        return self.xhat.copy()

    def backward(self, dout):
        return (dout - self.xhat * (dout * self.xhat).mean(axis=1, keepdims=True)) / self.rms


@broken("wrong-axis")
class PixelNormMeanOverPlaces(PixelNorm):
    def backward(self, dout):
        return (dout - self.xhat * (dout * self.xhat).mean(axis=2, keepdims=True)) / self.rms


@broken("mutates-input")
class PixelNormDividesItsInput(PixelNorm):
    def forward(self, x):
        self.rms = np.sqrt((x**2).mean(axis=1, keepdims=True) + 1e-8)
        x /= self.rms
        self.xhat = x.copy()
        return self.xhat.copy()


@broken("ignores-upstream")
class PixelNormProjectsOnes(PixelNorm):
    def backward(self, dout):
        return (1 - self.xhat * self.xhat.mean(axis=1, keepdims=True)) / self.rms


@sound(lambda r: (r.uniform(0.5, 1.5, size=3), r.normal(size=3) / 4, r.normal(size=3) / 4), normal((2, 3, 5)))
class FilterResponse(nl.Layer):
    """Channels over their root mean square, then max(y, tau), a learned threshold."""

    def __init__(self, gain, bias, tau):
        self.gain, self.bias, self.tau = nl.Parameter(gain), nl.Parameter(bias), nl.Parameter(tau)

    def forward(self, x):
        self.rms = np.sqrt((x**2).mean(axis=2, keepdims=True) + 1e-6)
        self.xhat = x / self.rms
        z = self.gain.value[:, None] * self.xhat + self.bias.value[:, None]
        self.above = z > self.tau.value[:, None]
        return np.maximum(z, self.tau.value[:, None])

    def backward(self, dout):
        d = dout * self.above
        self.tau.grad += (dout * ~self.above).sum(axis=(0, 2))
        return self.through_norm(d)

    def through_norm(self, d):
        self.bias.grad += d.sum(axis=(0, 2))
        self.gain.grad += (d * self.xhat).sum(axis=(0, 2))
        d = d * self.gain.value[:, None]
        return (d - self.xhat * (d * self.xhat).mean(axis=2, keepdims=True)) / self.rms


@broken("missing-mask")
class FilterResponseThresholdAlways(FilterResponse):
    def backward(self, dout):
        self.tau.grad += dout.sum(axis=(0, 2))
        return self.through_norm(dout * self.above)


@broken("inverted-mask")
class FilterResponseThresholdTurned(FilterResponse):
    def backward(self, dout):
        self.tau.grad += (dout * self.above).sum(axis=(0, 2))
        return self.through_norm(dout * self.above)


@broken("missing-gradient", "zero-gradient")
class FilterResponseForgetsGain(FilterResponse):
    def through_norm(self, d):
        self.bias.grad += d.sum(axis=(0, 2))
        d = d * self.gain.value[:, None]
        return (d - self.xhat * (d * self.xhat).mean(axis=2, keepdims=True)) / self.rms


@sound(inputs=uniform(0.3, 2, (4, 3)))
class Shares(nl.Layer):
    """Each row over its sum."""

    def forward(self, x):
        self.total = x.sum(axis=1, keepdims=True)
        self.y = x / self.total
        return self.y.copy()

    def backward(self, dout):
        return (dout - (dout * self.y).sum(axis=1, keepdims=True)) / self.total


@broken("diagonal-only")
class SharesOwnOnly(Shares):
    def backward(self, dout):
        return dout * (1 - self.y) / self.total


@broken("aliases-output")
class SharesOneBuffer(Shares):
    def forward(self, x):
        self.total = x.sum(axis=1, keepdims=True)
        self.y = x / self.total
        if getattr(self, "room", np.empty(0)).shape != x.shape:
            self.room = np.empty_like(x)
        np.copyto(self.room, self.y)
        return self.room


@broken("dtype-changed")
class SharesSingleRoom(Shares):
    def backward(self, dout):
        dx = np.empty(dout.shape, np.float32)
        dx[...] = super().backward(dout)
        return dx


# ---------------------------------------------------------------- attention


@sound(inputs=normal((2, 3, 4), (2, 3, 4), (2, 3, 4)))
class CausalAttention(nl.Layer):
    def forward(self, q, k, v):
        self.q, self.k, self.v, self.root = q.copy(), k.copy(), v.copy(), math.sqrt(q.shape[2])
        self.scores = q @ k.swapaxes(1, 2) / self.root
        self.past = np.tri(q.shape[1], dtype=bool)
        self.p = softmax(np.where(self.past, self.scores, -np.inf))
        return self.p @ v

    def backward(self, dout):
        dp = dout @ self.v.swapaxes(1, 2)
        ds = self.p * (dp - (dp * self.p).sum(axis=2, keepdims=True)) / self.root
        return ds @ self.k, ds.swapaxes(1, 2) @ self.q, self.p.swapaxes(1, 2) @ dout


also(CausalAttention, "Single", inputs=normal((2, 3, 4), (2, 3, 4), (2, 3, 4), dtype=np.float32))


@broken("missing-mask")
class CausalAttentionSeesTheFuture(CausalAttention):
    def backward(self, dout):
        p = softmax(self.scores)
        dp = dout @ self.v.swapaxes(1, 2)
        ds = p * (dp - (dp * p).sum(axis=2, keepdims=True)) / self.root
        return ds @ self.k, ds.swapaxes(1, 2) @ self.q, p.swapaxes(1, 2) @ dout


@broken("missing-transpose")
class CausalAttentionKeysUnturned(CausalAttention):
    def backward(self, dout):
        dp = dout @ self.v.swapaxes(1, 2)
        ds = self.p * (dp - (dp * self.p).sum(axis=2, keepdims=True)) / self.root
        return ds @ self.k, ds @ self.q, self.p.swapaxes(1, 2) @ dout


@broken("wrong-scale")
class CausalAttentionUnscaledQueries(CausalAttention):
    def backward(self, dout):
        dq, dk, dv = super().backward(dout)
        return dq * self.root, dk, dv


@broken("swapped")
class CausalAttentionValuesBeforeKeys(CausalAttention):
    def backward(self, dout):
        dq, dk, dv = super().backward(dout)
        return dq, dv, dk


@sound(normal((3, 2), (3, 2), (3, 2)), normal((2, 4, 3)))
class SelfHead(nl.Layer):
    """One head of self-attention."""

    def __init__(self, wq, wk, wv):
        self.wq, self.wk, self.wv = nl.Parameter(wq), nl.Parameter(wk), nl.Parameter(wv)

    def forward(self, x):
        self.x = x.copy()
        self.q, self.k, self.v = (x @ w.value for w in (self.wq, self.wk, self.wv))
        self.p = softmax(self.q @ self.k.swapaxes(1, 2) / math.sqrt(self.q.shape[2]))
        return self.p @ self.v

    def inside(self, dout):
        dp = dout @ self.v.swapaxes(1, 2)
        ds = self.p * (dp - (dp * self.p).sum(axis=2, keepdims=True)) / math.sqrt(self.q.shape[2])
        return ds @ self.k, ds.swapaxes(1, 2) @ self.q, self.p.swapaxes(1, 2) @ dout

    def backward(self, dout):
        ways = self.inside(dout)
        for w, d in zip((self.wq, self.wk, self.wv), ways, strict=True):
            w.grad += np.einsum("ntd,nte->de", self.x, d)
        dq, dk, dv = ways
        return dq @ self.wq.value.T + dk @ self.wk.value.T + dv @ self.wv.value.T


@broken("missing-term")
class SelfHeadNoWayThroughKeys(SelfHead):
    def backward(self, dout):
        super().backward(dout)
        dq, _, dv = self.inside(dout)
        return dq @ self.wq.value.T + dv @ self.wv.value.T


@broken("double-counted")
class SelfHeadValuesTwice(SelfHead):
    def backward(self, dout):
        dx = super().backward(dout)
        dx += self.inside(dout)[2] @ self.wv.value.T
        return dx


@broken("missing-gradient", "zero-gradient")
class SelfHeadQueriesDoNotLearn(SelfHead):
    def backward(self, dout):
        dq, dk, dv = self.inside(dout)
        self.wk.grad += np.einsum("ntd,nte->de", self.x, dk)
        self.wv.grad += np.einsum("ntd,nte->de", self.x, dv)
        return dq @ self.wq.value.T + dk @ self.wk.value.T + dv @ self.wv.value.T


@broken("diagonal-only")
class SelfHeadSoftmaxOfSigmoids(SelfHead):
    def inside(self, dout):
        dp = dout @ self.v.swapaxes(1, 2)
        ds = dp * self.p * (1 - self.p) / math.sqrt(self.q.shape[2])
        return ds @ self.k, ds.swapaxes(1, 2) @ self.q, self.p.swapaxes(1, 2) @ dout


@sound(inputs=normal((2, 4, 2), (2, 3, 2), (2, 3, 5), scale=0.7))
class LinearAttention(nl.Layer):
    """exp(q) (exp(k)' v) over exp(q) (sum of exp(k))."""

    def forward(self, q, k, v):
        self.q, self.k, self.v = np.exp(q), np.exp(k), v.copy()
        self.state, self.total = self.k.swapaxes(1, 2) @ v, self.k.sum(axis=1)[:, :, None]
        self.norm = self.q @ self.total
        self.y = self.q @ self.state / self.norm
        return self.y.copy()

    def backward(self, dout):
        up = dout / self.norm
        down = -(up * self.y).sum(axis=2, keepdims=True)
        return self.through(up, down)

    def through(self, up, down):
        dq = up @ self.state.swapaxes(1, 2) + down * self.total.swapaxes(1, 2)
        dstate, dtotal = self.q.swapaxes(1, 2) @ up, self.q.swapaxes(1, 2) @ down
        dk = self.v @ dstate.swapaxes(1, 2) + dtotal.swapaxes(1, 2)
        return dq * self.q, dk * self.k, self.k @ dstate


@broken("missing-term")
class LinearAttentionConstantNorm(LinearAttention):
    def backward(self, dout):
        up = dout / self.norm
        return self.through(up, np.zeros_like(self.norm))


@broken("stale-cache")
class LinearAttentionKeepsTotals(LinearAttention):
    def forward(self, q, k, v):
        before = getattr(self, "total", None)
        y = super().forward(q, k, v)
        if before is not None and before.shape == self.total.shape:
            self.total = before
        return y


@sound(inputs=lambda r: [r.normal(size=(4, 5)), r.normal(size=(4, 5, 2)), np.array([[1, 1, 0, 1, 0], [0] * 5, [1] * 5, [0, 1, 1, 1, 0]])])
class PaddedPool(nl.Layer):
    """Mean of the values under a softmax of the real scores; zeros for a row of padding."""

    n_nondifferentiable_inputs = 1

    def forward(self, scores, values, real):
        self.real = real.astype(bool)
        self.e = np.where(self.real, np.exp(scores - scores.max(axis=1, keepdims=True)), 0)
        self.total = self.e.sum(axis=1, keepdims=True)
        self.scores, self.values, self.p = scores.copy(), values.copy(), self.e / np.where(self.total > 0, self.total, 1)
        return np.einsum("nt,ntd->nd", self.p, values)

    def gradients(self, p, dout):
        dp = np.einsum("nd,ntd->nt", dout, self.values)
        return p * (dp - (p * dp).sum(axis=1, keepdims=True)), p[:, :, None] * dout[:, None]

    def backward(self, dout):
        return self.gradients(self.p, dout)


@broken("non-finite")
class PaddedPoolOfNothing(PaddedPool):
    def backward(self, dout):
        return self.gradients(self.e / self.total, dout)


@broken("missing-mask")
class PaddedPoolPaddingToo(PaddedPool):
    def backward(self, dout):
        return self.gradients(softmax(self.scores), dout)


@broken("double-counted")
class PaddedPoolCrossTermTwice(PaddedPool):
    def gradients(self, p, dout):
        dp = np.einsum("nd,ntd->nt", dout, self.values)
        return p * (dp - 2 * (p * dp).sum(axis=1, keepdims=True)), p[:, :, None] * dout[:, None]


# ---------------------------------------------------------------- recurrences and scans


@sound(normal((3, 2), (2, 2), (2,)), normal((4, 3, 3)))
class ElmanLast(nl.Layer):
    """A plain recurrent net over the second axis; its last state."""

    def __init__(self, wx, wh, b):
        self.wx, self.wh, self.b = nl.Parameter(wx), nl.Parameter(wh), nl.Parameter(b)

    def forward(self, x):
        self.x, self.states = x.copy(), [np.zeros((len(x), len(self.b.value)), x.dtype)]
        for t in range(x.shape[1]):
            self.states.append(np.tanh(x[:, t] @ self.wx.value + self.states[-1] @ self.wh.value + self.b.value))
        return self.states[-1].copy()

    def step_back(self, dz):
        return dz @ self.wh.value.T

    def backward(self, dout):
        dx, dh = np.zeros_like(self.x), dout
        for t in reversed(range(self.x.shape[1])):
            dz = dh * (1 - self.states[t + 1] ** 2)
            self.wx.grad += self.x[:, t].T @ dz
            self.wh.grad += self.states[t].T @ dz
            self.b.grad += dz.sum(axis=0)
            dx[:, t], dh = dz @ self.wx.value.T, self.step_back(dz)
        return dx


also(ElmanLast, "Single", normal((3, 2), (2, 2), (2,), dtype=np.float32), normal((4, 3, 3), dtype=np.float32))


@broken("missing-transpose")
class ElmanLastStraightBack(ElmanLast):
    def step_back(self, dz):
        return dz @ self.wh.value


@broken("missing-term")
class ElmanLastOneStep(ElmanLast):
    def step_back(self, dz):
        return np.zeros_like(dz)


@broken("double-counted")
class ElmanLastBiasInLoopAndAfter(ElmanLast):
    def backward(self, dout):
        before = self.b.grad.copy()
        dx = super().backward(dout)
        self.b.grad += self.b.grad - before
        return dx


@broken("stale-cache")
class ElmanLastStatesPileUp(ElmanLast):
    def forward(self, x):
        older = getattr(self, "states", [])
        y = super().forward(x)
        if older and older[0].shape == self.states[0].shape:
            self.states = older + self.states
        return y


@sound(normal((4, 8), (8,)), normal((3, 3, 2)))
class LSTMAllStates(nl.Layer):
    """An LSTM of two units over the second axis, all its states."""

    def __init__(self, w, b):
        self.w, self.b = nl.Parameter(w), nl.Parameter(b)

    def forward(self, x):
        n, steps, _ = x.shape
        h, c = np.zeros((2, n, 2), x.dtype)
        self.steps, y = [], np.empty((n, steps, 2), x.dtype)
        for t in range(steps):
            seen = np.concatenate([x[:, t], h], axis=1)
            i, f, o, g = np.split(seen @ self.w.value + self.b.value, 4, axis=1)
            i, f, o, g, before = sigmoid(i), sigmoid(f), sigmoid(o), np.tanh(g), c
            c = f * before + i * g
            h = y[:, t] = o * np.tanh(c)
            self.steps.append((seen, i, f, o, g, before, np.tanh(c)))
        return y

    def of_gates(self, i, f, o, g, before, tanh_c, dh, dc):
        return dc * g * i * (1 - i), dc * before * f * (1 - f), dh * tanh_c * o * (1 - o), dc * i * (1 - g**2)

    def backward(self, dout):
        n, steps, _ = dout.shape
        dx, dh, dc = np.empty((n, steps, len(self.w.value) - 2), dout.dtype), 0, 0
        for t in reversed(range(steps)):
            seen, i, f, o, g, before, tanh_c = self.steps[t]
            dh = dout[:, t] + dh
            dc = dc + dh * o * (1 - tanh_c**2)
            dz = np.concatenate(self.of_gates(i, f, o, g, before, tanh_c, dh, dc), axis=1)
            self.w.grad += seen.T @ dz
            self.b.grad += dz.sum(axis=0)
            dx[:, t], dh = np.split(dz @ self.w.value.T, [dx.shape[2]], axis=1)
            dc = self.carry(dc, f)
        return dx

    def carry(self, dc, f):
        return dc * f


@broken("missing-term")
class LSTMAllStatesCellForgotten(LSTMAllStates):
    def carry(self, dc, f):
        return 0


@broken("wrong-sign")
class LSTMAllStatesForgetGateSign(LSTMAllStates):
    def of_gates(self, *args):
        di, df, do, dg = super().of_gates(*args)
        return di, -df, do, dg


@broken("not-accumulated")
class LSTMAllStatesStartsFromZero(LSTMAllStates):
    def backward(self, dout):
        self.w.grad[...] = 0
        return super().backward(dout)


@sound(lambda r: [r.uniform(-0.9, 0.9, size=3)], normal((4, 3, 3)))
class IndependentRNN(nl.Layer):
    """h = tanh(x + u h), each unit remembering only itself; the last state."""

    def __init__(self, u):
        self.u = nl.Parameter(u)

    def forward(self, x):
        self.h = np.zeros((x.shape[1] + 1, len(x), x.shape[2]), x.dtype)
        for t in range(x.shape[1]):
            self.h[t + 1] = np.tanh(x[:, t] + self.u.value * self.h[t])
        return self.h[-1].copy()

    def to_u(self, before, dz):
        return (before * dz).sum(axis=0)

    def backward(self, dout):
        dx, dh = np.empty(self.h[1:].shape, dout.dtype), dout
        for t in reversed(range(len(dx))):
            dx[t] = dh * (1 - self.h[t + 1] ** 2)
            self.u.grad += self.to_u(self.h[t], dx[t])
            dh = dx[t] * self.u.value
        return dx.swapaxes(0, 1).copy()


@broken("missing-batch-sum")
class IndependentRNNOwnWeightPerRow(IndependentRNN):
    def to_u(self, before, dz):
        return before * dz


@broken("wrong-shape")
class IndependentRNNTimeFirst(IndependentRNN):
    def backward(self, dout):
        return super().backward(dout).swapaxes(0, 1).copy()


@broken("wrong-scale")
class IndependentRNNMeanOfRows(IndependentRNN):
    def to_u(self, before, dz):
        return (before * dz).mean(axis=0)


@sound(inputs=lambda r: [r.uniform(0.2, 1.2, size=(3, 5)), r.normal(size=(3, 5))])
class LinearScan(nl.Layer):
    """h[t] = a[t] h[t-1] + b[t] along each row."""

    def forward(self, a, b):
        self.a, self.h = a.copy(), np.zeros((len(a), a.shape[1] + 1), a.dtype)
        for t in range(a.shape[1]):
            self.h[:, t + 1] = a[:, t] * self.h[:, t] + b[:, t]
        return self.h[:, 1:].copy()

    def backward(self, dout):
        db = dout.copy()
        for t in reversed(range(dout.shape[1] - 1)):
            db[:, t] += self.a[:, t + 1] * db[:, t + 1]
        return db * self.h[:, :-1], db


@broken("swapped")
class LinearScanDriveFirst(LinearScan):
    def backward(self, dout):
        da, db = super().backward(dout)
        return db, da


@broken("mutates-upstream")
class LinearScanScansUpstream(LinearScan):
    def backward(self, dout):
        for t in reversed(range(dout.shape[1] - 1)):
            dout[:, t] += self.a[:, t + 1] * dout[:, t + 1]
        return dout * self.h[:, :-1], dout.copy()


@broken("aliases-output")
class LinearScanOneState(LinearScan):
    def forward(self, a, b):
        if getattr(self, "h", np.empty(0)).shape != (len(a), a.shape[1] + 1):
            self.h = np.zeros((len(a), a.shape[1] + 1), a.dtype)
        self.a = a.copy()
        for t in range(a.shape[1]):
            self.h[:, t + 1] = a[:, t] * self.h[:, t] + b[:, t]
        return self.h[:, 1:]


@sound(normal((3, 3), (3, 3)), normal((4, 3), (4, 3)))
class MinimalGatedCell(nl.Layer):
    """One step: f = sigmoid(x + h U), next = (1 - f) h + f tanh(x + (f h) V)."""

    def __init__(self, u, v):
        self.u, self.v = nl.Parameter(u), nl.Parameter(v)

    def forward(self, x, h):
        self.h, self.f = h.copy(), sigmoid(x + h @ self.u.value)
        self.new = np.tanh(x + (self.f * h) @ self.v.value)
        return (1 - self.f) * h + self.f * self.new

    def backward(self, dout):
        dnew = dout * self.f * (1 - self.new**2)
        dgated = dnew @ self.v.value.T
        df = dout * (self.new - self.h) + dgated * self.h
        dz = df * self.f * (1 - self.f)
        self.v.grad += (self.f * self.h).T @ dnew
        self.u.grad += self.h.T @ dz
        return dnew + dz, dout * (1 - self.f) + dgated * self.f + dz @ self.u.value.T


@broken("swapped")
class MinimalGatedCellStateFirst(MinimalGatedCell):
    def backward(self, dout):
        dx, dh = super().backward(dout)
        return dh, dx


@broken("missing-term")
class MinimalGatedCellInnerGateConstant(MinimalGatedCell):
    def backward(self, dout):
        dnew = dout * self.f * (1 - self.new**2)
        dgated = dnew @ self.v.value.T
        dz = dout * (self.new - self.h) * self.f * (1 - self.f)
        self.v.grad += (self.f * self.h).T @ dnew
        self.u.grad += self.h.T @ dz
        return dnew + dz, dout * (1 - self.f) + dgated * self.f + dz @ self.u.value.T


@broken("double-counted")
class MinimalGatedCellCarryTwice(MinimalGatedCell):
    def backward(self, dout):
        dx, dh = super().backward(dout)
        return dx, dh + dout * (1 - self.f)


@sound(inputs=normal((3, 4)))
class CumulativeLogSumExp(nl.Layer):
    def forward(self, x):
        self.x, self.y = x.copy(), np.logaddexp.accumulate(x, axis=1)
        return self.y.copy()

    def backward(self, dout):
        width = dout.shape[1]
        later = np.tri(width, dtype=bool)  # [t, s]: y[t] has seen x[s]
        share = np.exp(np.where(later, self.x[:, None, :] - self.y[:, :, None], -np.inf))
        return np.einsum("nt,nts->ns", dout, share)


also(CumulativeLogSumExp, "Huge", inputs=normal((3, 4), scale=1e4))


@broken("diagonal-only")
class CumulativeLogSumExpOwnStep(CumulativeLogSumExp):
    def backward(self, dout):
        return dout * np.exp(self.x - self.y)


@broken("non-finite", inputs=lambda r: [r.normal(size=(3, 4)) + 900])
class CumulativeLogSumExpOverflows(CumulativeLogSumExp):
    def backward(self, dout):
        scaled = dout * np.exp(-self.y)
        return np.exp(self.x) * np.cumsum(scaled[:, ::-1], axis=1)[:, ::-1]


@broken("wrong-axis", inputs=normal((4, 4)))
class CumulativeLogSumExpDownTheRows(CumulativeLogSumExp):
    def backward(self, dout):
        scaled = dout * np.exp(-self.y)
        return np.exp(self.x) * np.cumsum(scaled[::-1], axis=0)[::-1]


@sound(inputs=normal((4, 5)))
class DiscountedReturns(nl.Layer):
    """G[t] = r[t] + 0.8 G[t+1] along each row."""

    gamma = 0.8

    def forward(self, r):
        g = r.copy()
        for t in reversed(range(r.shape[1] - 1)):
            g[:, t] += self.gamma * g[:, t + 1]
        return g

    def backward(self, dout):
        d = dout.copy()
        for t in range(1, dout.shape[1]):
            d[:, t] += self.gamma * d[:, t - 1]
        return d


@broken("wrong-formula")
class DiscountedReturnsSameWay(DiscountedReturns):
    def backward(self, dout):
        return self.forward(dout)


@broken("aliases-output")
class DiscountedReturnsOneGradient(DiscountedReturns):
    def backward(self, dout):
        if getattr(self, "d", np.empty(0)).shape != dout.shape:
            self.d = np.empty_like(dout)
        self.d[...] = dout
        for t in range(1, dout.shape[1]):
            self.d[:, t] += self.gamma * self.d[:, t - 1]
        return self.d


@broken("nondeterministic")
class DiscountedReturnsJitter(DiscountedReturns):
    def backward(self, dout):
        return super().backward(dout) + 1e-2 * np.random.default_rng().normal(size=dout.shape)


# ---------------------------------------------------------------- gates and elementwise functions


@sound(normal((3, 4), (3, 4), (4, 2)), normal((5, 3)))
class SwiGLU(nl.Layer):
    """(silu(x W) * x V) U."""

    def __init__(self, w, v, u):
        self.w, self.v, self.u = nl.Parameter(w), nl.Parameter(v), nl.Parameter(u)

    def forward(self, x):
        self.x, self.z, self.content = x.copy(), x @ self.w.value, x @ self.v.value
        self.s = sigmoid(self.z)
        self.gate = self.z * self.s
        return (self.gate * self.content) @ self.u.value

    def slope(self):
        return self.s * (1 + self.z * (1 - self.s))

    def backward(self, dout):
        d = dout @ self.u.value.T
        dz, dcontent = d * self.content * self.slope(), d * self.gate
        self.u.grad += (self.gate * self.content).T @ dout
        self.w.grad += self.x.T @ dz
        self.v.grad += self.x.T @ dcontent
        return dz @ self.w.value.T + dcontent @ self.v.value.T


@broken("missing-term")
class SwiGLUGateOnly(SwiGLU):
    def backward(self, dout):
        super().backward(dout)
        return (dout @ self.u.value.T * self.content * self.slope()) @ self.w.value.T


@broken("wrong-formula")
class SwiGLUSlopeOfSigmoid(SwiGLU):
    def slope(self):
        return self.s * (1 - self.s)


@broken("mutates-parameters")
class SwiGLUDecaysItsWeights(SwiGLU):
    def backward(self, dout):
        dx = super().backward(dout)
        for p in (self.w, self.v, self.u):
            p.value *= 0.999
        return dx


@sound(inputs=away_from_zero((4, 6)))
class ReGLU(nl.Layer):
    """relu of the left half times the right half."""

    def forward(self, x):
        self.a, self.b = np.split(x.copy(), 2, axis=1)
        return np.maximum(self.a, 0) * self.b

    def backward(self, dout):
        return np.concatenate([dout * self.b * (self.a > 0), dout * np.maximum(self.a, 0)], axis=1)


also(ReGLU, "AtTheKink", inputs=lambda r: [r.integers(-1, 2, size=(4, 6)).astype(float)])


@broken("missing-mask")
class ReGLUOpenGate(ReGLU):
    def backward(self, dout):
        return np.concatenate([dout * self.b, dout * np.maximum(self.a, 0)], axis=1)


@broken("inverted-mask")
class ReGLUClosedGate(ReGLU):
    def backward(self, dout):
        return np.concatenate([dout * self.b * (self.a < 0), dout * np.maximum(self.a, 0)], axis=1)


@broken("wrong-shape")
class ReGLUHalvesOnTop(ReGLU):
    def backward(self, dout):
        return np.concatenate([dout * self.b * (self.a > 0), dout * np.maximum(self.a, 0)], axis=0)


@broken("dtype-changed", inputs=away_from_zero((4, 6), dtype=np.float32))
class ReGLUDoubleRoom(ReGLU):
    def backward(self, dout):
        n, width = dout.shape
        dx = np.empty((n, 2 * width))
        dx[:, :width], dx[:, width:] = dout * self.b * (self.a > 0), dout * np.maximum(self.a, 0)
        return dx


@sound(normal((2, 4, 3)), normal((5, 4)))
class TwoPieceMaxout(nl.Layer):
    """The larger of two affine pieces."""

    def __init__(self, w):
        self.w = nl.Parameter(w)

    def forward(self, x):
        z = np.einsum("ni,kio->nko", x, self.w.value)
        self.x, self.wins = x.copy(), np.stack([z[:, 0] >= z[:, 1], z[:, 0] < z[:, 1]], axis=1)
        return z.max(axis=1)

    def shared(self, dout):
        return dout[:, None] * self.wins

    def backward(self, dout):
        d = self.shared(dout)
        self.w.grad += np.einsum("ni,nko->kio", self.x, d)
        return np.einsum("nko,kio->ni", d, self.w.value)


@broken("inverted-mask")
class TwoPieceMaxoutLoserLearns(TwoPieceMaxout):
    def shared(self, dout):
        return dout[:, None] * ~self.wins


@broken("missing-mask")
class TwoPieceMaxoutBothLearn(TwoPieceMaxout):
    def shared(self, dout):
        return np.stack([dout, dout], axis=1)


@broken("nondeterministic")
class TwoPieceMaxoutSharesByChance(TwoPieceMaxout):
    def shared(self, dout):
        first = np.random.default_rng().random(dout.shape)
        return dout[:, None] * np.stack([first, 1 - first], axis=1)


@sound(inputs=lambda r: [r.choice([-4, -2.5, -1, 0.5, 2, 4], size=(4, 5)).astype(np.float32)])
class HardSwish(nl.Layer):
    """x clip(x + 3, 0, 6) / 6."""

    def forward(self, x):
        self.x = x.copy()
        return x * np.clip(x + 3, 0, 6) / 6

    def backward(self, dout):
        inside = (self.x > -3) & (self.x < 3)
        return dout * np.where(inside, (2 * self.x + 3) / 6, self.x >= 3).astype(dout.dtype)


@broken("dtype-changed")
class HardSwishUncast(HardSwish):
    def backward(self, dout):
        slope = np.interp(self.x, [-3, 3], [-0.5, 1.5])
        slope[self.x <= -3], slope[self.x >= 3] = 0, 1
        return dout * slope


@broken("missing-mask")
class HardSwishNeverFlat(HardSwish):
    def backward(self, dout):
        return dout * (2 * self.x + 3) / 6


@sound(inputs=normal((3, 5)))
class Mish(nl.Layer):
    """x tanh(softplus(x))."""

    def forward(self, x):
        self.x, self.t = x.copy(), np.tanh(np.logaddexp(0, x))
        return x * self.t

    def backward(self, dout):
        return dout * (self.t + self.x * (1 - self.t**2) * sigmoid(self.x))


also(Mish, "Tiny", inputs=normal((3, 5), scale=1e-6))


@broken("ignores-upstream")
class MishAlone(Mish):
    def backward(self, dout):
        return self.t + self.x * (1 - self.t**2) * sigmoid(self.x)


@broken("missing-term")
class MishFirstFactor(Mish):
    def backward(self, dout):
        return dout * self.x * (1 - self.t**2) * sigmoid(self.x)


@broken("nondeterministic", "stale-cache")
class MishFinishesInItsCache(Mish):
    def backward(self, dout):
        self.x *= (1 - self.t**2) * sigmoid(self.x)
        return dout * (self.t + self.x)


@sound(inputs=away_from_zero((4, 3)))
class SquaredReLU(nl.Layer):
    def forward(self, x):
        self.r = np.maximum(x, 0)
        return self.r**2

    def backward(self, dout):
        return 2 * dout * self.r


@broken("wrong-scale")
class SquaredReLUNoTwo(SquaredReLU):
    def backward(self, dout):
        return dout * self.r


@broken("mutates-upstream")
class SquaredReLUMasksUpstream(SquaredReLU):
    def backward(self, dout):
        dout[self.r == 0] = 0
        return 2 * dout * self.r


@broken("mutates-input")
class SquaredReLUClipsItsInput(SquaredReLU):
    def forward(self, x):
        self.r = np.maximum(x, 0, out=x).copy()
        return self.r**2


@sound(lambda r: [r.uniform(0.5, 2, size=3)], normal((4, 3)))
class Snake(nl.Layer):
    """x + sin(a x)^2 / a, one a a feature."""

    def __init__(self, a):
        self.a = nl.Parameter(a)

    def forward(self, x):
        self.x = x.copy()
        return x + np.sin(self.a.value * x) ** 2 / self.a.value

    def to_a(self, dout):
        a, x = self.a.value, self.x
        return dout * (x * np.sin(2 * a * x) / a - np.sin(a * x) ** 2 / a**2)

    def backward(self, dout):
        self.a.grad += self.to_a(dout).sum(axis=0)
        return dout * (1 + np.sin(2 * self.a.value * self.x))


@broken("missing-term")
class SnakeDivisorForgotten(Snake):
    def to_a(self, dout):
        return dout * self.x * np.sin(2 * self.a.value * self.x) / self.a.value


@broken("missing-batch-sum")
class SnakeFrequencyOfEachRow(Snake):
    def backward(self, dout):
        self.a.grad += self.to_a(dout)
        return dout * (1 + np.sin(2 * self.a.value * self.x))


@broken("wrong-axis", inputs=normal((3, 3)))
class SnakeFrequencyAcross(Snake):
    def backward(self, dout):
        self.a.grad += self.to_a(dout).sum(axis=1)
        return dout * (1 + np.sin(2 * self.a.value * self.x))


@sound(inputs=normal((3, 4), dtype=np.float32))
class TanhGELU(nl.Layer):
    c = math.sqrt(2 / math.pi)

    def forward(self, x):
        self.x, self.t = x.copy(), np.tanh(self.c * (x + 0.044715 * x**3))
        return 0.5 * x * (1 + self.t)

    def backward(self, dout):
        inner = self.c * (1 + 3 * 0.044715 * self.x**2)
        return dout * (0.5 * (1 + self.t) + 0.5 * self.x * (1 - self.t**2) * inner)


@broken("dtype-changed")
class TanhGELUNumpyRoot(TanhGELU):
    def backward(self, dout):
        inner = np.sqrt(2 / np.pi) * (1 + 3 * 0.044715 * self.x**2)
        return dout * (0.5 * (1 + self.t) + 0.5 * self.x * (1 - self.t**2) * inner)


@broken("zero-gradient", inputs=normal((3, 4)))
class TanhGELUFlattensACopy(TanhGELU):
    def backward(self, dout):
        dx = np.zeros_like(dout)
        dx.flatten()[:] = super().backward(dout).flatten()
        return dx


@sound(inputs=lambda r: [np.where(r.random((3, 4)) < 0.3, 0, r.normal(size=(3, 4)) * 3)])
class SampleFunction(nl.Layer):
    """sin(x) / x, and 1 at 0."""

    def forward(self, x):
        self.x = x.copy()
        return np.sinc(x / math.pi)

    def backward(self, dout):
        safe = np.where(self.x == 0, 1, self.x)
        return dout * np.where(self.x == 0, 0, (np.cos(safe) - np.sin(safe) / safe) / safe)


@broken("non-finite", inputs=lambda r: [np.where(np.eye(3, 4) > 0, 0, r.normal(size=(3, 4)) * 3)])
class SampleFunctionAtZero(SampleFunction):
    def backward(self, dout):
        return dout * (np.cos(self.x) - np.sin(self.x) / self.x) / self.x


@broken("wrong-sign")
class SampleFunctionTurned(SampleFunction):
    def backward(self, dout):
        return -super().backward(dout)


@sound(inputs=lambda r: [r.choice([-0.4, 0.2, 0.35, 0.6, 0.9, 1.3], size=(4, 3)) + r.uniform(0, 0.05, size=(4, 3))])
class Smoothstep(nl.Layer):
    """3 t² - 2 t³ of t = clip(1.2 x, 0, 1)."""

    def forward(self, x):
        self.t = np.clip(1.2 * x, 0, 1)
        return 3 * self.t**2 - 2 * self.t**3

    def backward(self, dout):
        return dout * 1.2 * 6 * self.t * (1 - self.t)


@broken("wrong-scale")
class SmoothstepInnerFactor(Smoothstep):
    def backward(self, dout):
        return dout * 6 * self.t * (1 - self.t)


@broken("mutates-input")
class SmoothstepClipsInPlace(Smoothstep):
    def forward(self, x):
        x *= 1.2
        self.t = np.clip(x, 0, 1)
        return 3 * self.t**2 - 2 * self.t**3


# ---------------------------------------------------------------- losses


@sound(inputs=with_labels((5, 3), 3))
class ClassWeightedLoss(nl.Layer):
    """Cross entropy, a weight for each class, over the sum of the weights that occur."""

    n_nondifferentiable_inputs = 1
    weights = np.array([0.5, 2.0, 1.2])

    def forward(self, x, labels):
        self.w, self.hot, self.p = self.weights[labels][:, None], np.eye(3, dtype=x.dtype)[labels], softmax(x)
        return (self.w[:, 0] * (log_sum_exp(x) - (self.hot * x).sum(axis=1))).sum() / self.w.sum()

    def backward(self, dout):
        return dout * self.w * (self.p - self.hot) / self.w.sum()


@broken("missing-term")
class ClassWeightedLossNoLabels(ClassWeightedLoss):
    def backward(self, dout):
        return dout * self.w * self.p / self.w.sum()


@broken("ignores-upstream")
class ClassWeightedLossIsTheLast(ClassWeightedLoss):
    def backward(self, dout):
        return self.w * (self.p - self.hot) / self.w.sum()


@broken("wrong-scale")
class ClassWeightedLossUndivided(ClassWeightedLoss):
    def backward(self, dout):
        return dout * self.w * (self.p - self.hot)


@sound(inputs=lambda r: [r.normal(size=(4, 3)), r.integers(2, size=(4, 3)).astype(float)])
class ManyLabelsLoss(nl.Layer):
    """Mean logistic loss of logits, positives counting three times."""

    n_nondifferentiable_inputs = 1

    def forward(self, x, t):
        self.x, self.t, self.size = x.copy(), t.copy(), x.size
        return (3 * t * np.logaddexp(0, -x) + (1 - t) * np.logaddexp(0, x)).sum() / x.size

    def sigmoid(self):
        return sigmoid(self.x)

    def backward(self, dout):
        s = self.sigmoid()
        return dout * (3 * self.t * (s - 1) + (1 - self.t) * s) / self.size


also(ManyLabelsLoss, "Huge", inputs=lambda r: [r.normal(size=(4, 3)) * 1e3, r.integers(2, size=(4, 3)).astype(float)])


@broken("non-finite", inputs=lambda r: [r.normal(size=(4, 3)) + 800 * np.eye(4, 3), r.integers(2, size=(4, 3)).astype(float)])
class ManyLabelsLossOverflows(ManyLabelsLoss):
    def sigmoid(self):
        return np.exp(self.x) / (1 + np.exp(self.x))


@broken("wrong-sign")
class ManyLabelsLossUphill(ManyLabelsLoss):
    def backward(self, dout):
        s = self.sigmoid()
        return dout * (3 * self.t * (1 - s) - (1 - self.t) * s) / self.size


@broken("wrong-scale")
class ManyLabelsLossMeanOfRows(ManyLabelsLoss):
    def backward(self, dout):
        return super().backward(dout) * self.x.shape[1]


@sound(inputs=with_labels((4, 5), 5))
class PolyLoss(nl.Layer):
    """Mean of cross entropy + 1 - p of the label."""

    n_nondifferentiable_inputs = 1

    def forward(self, x, labels):
        self.hot, self.p = np.eye(x.shape[1], dtype=x.dtype)[labels], softmax(x)
        self.right = (self.p * self.hot).sum(axis=1, keepdims=True)
        return (1 - self.right - np.log(self.right)).sum() / len(x)

    def backward(self, dout):
        return dout * (1 + self.right) * (self.p - self.hot) / len(self.p)


@broken("missing-term")
class PolyLossEntropyOnly(PolyLoss):
    def backward(self, dout):
        return dout * (self.p - self.hot) / len(self.p)


@broken("not-accumulated", "missing-term")
class PolyLossAddsOnce(PolyLoss):
    def backward(self, dout):
        dx = np.zeros_like(self.p)
        for slope in (1, self.right):
            dx = dout * slope * (self.p - self.hot) / len(self.p)
        return dx


@sound(inputs=normal((4, 3), (4, 3)))
class InfoNCE(nl.Layer):
    """Each query should score highest with the key of its own row."""

    tau = 0.5

    def forward(self, queries, keys):
        self.q, self.k = queries.copy(), keys.copy()
        logits = queries @ keys.T / self.tau
        self.d = (softmax(logits) - np.eye(len(logits), dtype=logits.dtype)) / (self.tau * len(logits))
        return (log_sum_exp(logits) - np.diag(logits)).mean()

    def backward(self, dout):
        return dout * self.d @ self.k, dout * self.d.T @ self.q


also(InfoNCE, "Single", inputs=normal((4, 3), (4, 3), dtype=np.float32))


@broken("wrong-scale")
class InfoNCEWarm(InfoNCE):
    def backward(self, dout):
        dq, dk = super().backward(dout)
        return dq * self.tau, dk * self.tau


@broken("missing-transpose")
class InfoNCEKeysUnturned(InfoNCE):
    def backward(self, dout):
        return dout * self.d @ self.k, dout * self.d @ self.q


@broken("zero-gradient")
class InfoNCEKeysDetached(InfoNCE):
    def backward(self, dout):
        return dout * self.d @ self.k, np.zeros_like(self.k)


@broken("swapped")
class InfoNCEKeysFirst(InfoNCE):
    def backward(self, dout):
        dq, dk = super().backward(dout)
        return dk, dq


@broken("dtype-changed", inputs=normal((4, 3), (4, 3), dtype=np.float32))
class InfoNCEDoubleEye(InfoNCE):
    def forward(self, queries, keys):
        y = super().forward(queries, keys)
        p = self.d * (self.tau * len(queries)) + np.eye(len(queries), dtype=y.dtype)
        self.d = (p - np.eye(len(queries))) / (self.tau * len(queries))
        return y


@sound(inputs=lambda r: [r.choice([-1.5, -0.3, 0.4, 1.9], size=(5, 4)) + r.uniform(0, 0.02, size=(5, 4)), r.integers(4, size=5)])
class SquaredMargins(nl.Layer):
    """Mean of the squares of max(0, 1 + score - score of the label), without the label's own."""

    n_nondifferentiable_inputs = 1

    def forward(self, x, labels):
        self.hot = np.eye(x.shape[1], dtype=x.dtype)[labels]
        self.margins = (1 + x - (self.hot * x).sum(axis=1, keepdims=True)) * (1 - self.hot)
        return (np.maximum(self.margins, 0) ** 2).sum() / len(x)

    def backward(self, dout):
        return self.spread(dout * 2 * np.maximum(self.margins, 0) / len(self.hot))

    def spread(self, d):
        return d - d.sum(axis=1, keepdims=True) * self.hot


@broken("missing-mask")
class SquaredMarginsSatisfiedToo(SquaredMargins):
    def backward(self, dout):
        return self.spread(dout * 2 * self.margins / len(self.hot))


@broken("missing-term")
class SquaredMarginsLabelForgotten(SquaredMargins):
    def spread(self, d):
        return d


@broken("wrong-scale")
class SquaredMarginsOfOne(SquaredMargins):
    def backward(self, dout):
        return self.spread(dout * np.maximum(self.margins, 0) / len(self.hot))


@sound(inputs=lambda r: [r.normal(size=(4, 2)), r.normal(size=(4, 2))])
class ExpectileLoss(nl.Layer):
    """Mean squared error, weight 0.8 where the target is higher, 0.2 where lower."""

    n_nondifferentiable_inputs = 1

    def forward(self, x, t):
        self.e = t - x
        return (self.weight() * self.e**2).mean()

    def weight(self):
        return np.where(self.e > 0, 0.8, 0.2)

    def backward(self, dout):
        return -2 * dout * self.weight() * self.e / self.e.size


@broken("inverted-mask")
class ExpectileLossOtherSide(ExpectileLoss):
    def backward(self, dout):
        return -2 * dout * np.where(self.e < 0, 0.8, 0.2) * self.e / self.e.size


@broken("wrong-sign")
class ExpectileLossDownhill(ExpectileLoss):
    def backward(self, dout):
        return 2 * dout * self.weight() * self.e / self.e.size


@sound(inputs=lambda r: [r.uniform(0.05, 0.95, size=(4, 5)), r.integers(2, size=(4, 5)).astype(float)])
class SoftDice(nl.Layer):
    """Mean of 1 - (2 overlap + 1) / (area + area + 1)."""

    n_nondifferentiable_inputs = 1

    def forward(self, p, t):
        self.t = t.copy()
        self.top = 2 * (p * t).sum(axis=1, keepdims=True) + 1
        self.bottom = (p + t).sum(axis=1, keepdims=True) + 1
        return (1 - self.top / self.bottom).mean()

    def backward(self, dout):
        return dout * (self.top / self.bottom - 2 * self.t) / self.bottom / len(self.t)


@broken("missing-term")
class SoftDiceConstantAreas(SoftDice):
    def backward(self, dout):
        return -dout * 2 * self.t / self.bottom / len(self.t)


@broken("wrong-scale")
class SoftDiceSumOfSamples(SoftDice):
    def backward(self, dout):
        return dout * (self.top / self.bottom - 2 * self.t) / self.bottom


@sound(inputs=uniform(0.1, 1, (3, 4), (3, 4)))
class JensenShannon(nl.Layer):
    """Half the divergences of p and of q from their mean, row by row."""

    def forward(self, p, q):
        m = (p + q) / 2
        self.p, self.q = np.log(p / m), np.log(q / m)
        return (p * self.p + q * self.q).sum(axis=1) / 2

    def backward(self, dout):
        return dout[:, None] * self.p / 2, dout[:, None] * self.q / 2


@broken("wrong-scale")
class JensenShannonWhole(JensenShannon):
    def backward(self, dout):
        return dout[:, None] * self.p, dout[:, None] * self.q


@broken("swapped")
class JensenShannonOrder(JensenShannon):
    def backward(self, dout):
        return dout[:, None] * self.q / 2, dout[:, None] * self.p / 2


@sound(inputs=lambda r: [r.uniform(0.5, 2, size=6), r.uniform(0.5, 2, size=6)])
class GammaDeviance(nl.Layer):
    n_nondifferentiable_inputs = 1

    def forward(self, mean, t):
        self.mean, self.t = mean.copy(), t.copy()
        return 2 * ((t - mean) / mean - np.log(t / mean)).mean()

    def backward(self, dout):
        return dout * 2 * (self.mean - self.t) / self.mean**2 / len(self.t)


@broken("ignores-upstream")
class GammaDevianceStartsHere(GammaDeviance):
    def backward(self, dout=1.0):
        return 2 * (self.mean - self.t) / self.mean**2 / len(self.t)


@broken("wrong-shape")
class GammaDevianceColumn(GammaDeviance):
    def backward(self, dout):
        return super().backward(dout)[:, None]


def some_equal(r):
    x = r.normal(size=(4, 3))
    return [x, np.where(np.eye(4, 3) > 0, x, r.normal(size=(4, 3)))]


@sound(inputs=some_equal)
class Charbonnier(nl.Layer):
    """Mean of sqrt(error² + 0.1²)."""

    n_nondifferentiable_inputs = 1

    def forward(self, x, t):
        self.e = x - t
        return np.sqrt(self.e**2 + 0.01).mean()

    def backward(self, dout):
        return dout * self.e / np.sqrt(self.e**2 + 0.01) / self.e.size


@broken("non-finite")
class CharbonnierNoEpsilon(Charbonnier):
    def backward(self, dout):
        return dout * self.e / np.sqrt(self.e**2) / self.e.size


@broken("wrong-sign")
class CharbonnierTargetLessX(Charbonnier):
    def backward(self, dout):
        return -dout * self.e / np.sqrt(self.e**2 + 0.01) / self.e.size


@sound(inputs=normal((6,), (6,)))
class RankNet(nl.Layer):
    """log(1 + exp(worse - better)), pair by pair."""

    def forward(self, better, worse):
        self.s = sigmoid(worse - better)
        return np.logaddexp(0, worse - better)

    def backward(self, dout):
        return -dout * self.s, dout * self.s


@broken("wrong-sign")
class RankNetBothDown(RankNet):
    def backward(self, dout):
        return -dout * self.s, -dout * self.s


@broken("missing-gradient")
class RankNetOnlyTheBetter(RankNet):
    def backward(self, dout):
        return -dout * self.s, None


@sound(inputs=normal((4, 3), (4, 3), (4, 3)))
class GaussianNLL(nl.Layer):
    """Mean of log variance / 2 + error² / (2 variance)."""

    n_nondifferentiable_inputs = 1

    def forward(self, mean, log_variance, t):
        self.e, self.precision = mean - t, np.exp(-log_variance)
        return (0.5 * log_variance + 0.5 * self.e**2 * self.precision).mean()

    def backward(self, dout):
        d = dout / self.e.size
        return d * self.e * self.precision, d * 0.5 * (1 - self.e**2 * self.precision)


@broken("zero-gradient")
class GaussianNLLFixedVariance(GaussianNLL):
    def backward(self, dout):
        dmean, dlog = super().backward(dout)
        return dmean, np.zeros_like(dlog)


@broken("missing-term")
class GaussianNLLNoLogTerm(GaussianNLL):
    def backward(self, dout):
        d = dout / self.e.size
        return d * self.e * self.precision, -d * 0.5 * self.e**2 * self.precision


@broken("swapped")
class GaussianNLLVarianceFirst(GaussianNLL):
    def backward(self, dout):
        return super().backward(dout)[::-1]


@sound(normal((3, 2)), with_labels((5, 2), 3))
class CenterLoss(nl.Layer):
    """Half the mean squared distance of samples to the centre of their class."""

    n_nondifferentiable_inputs = 1

    def __init__(self, centres):
        self.centres = nl.Parameter(centres)

    def forward(self, x, labels):
        self.labels, self.offset = labels.copy(), x - self.centres.value[labels]
        return (self.offset**2).sum() / (2 * len(x))

    def to_centres(self, d):
        np.subtract.at(self.centres.grad, self.labels, d)

    def backward(self, dout):
        d = dout * self.offset / len(self.offset)
        self.to_centres(d)
        return d


@broken("wrong-sign")
class CenterLossPushesCentres(CenterLoss):
    def to_centres(self, d):
        np.add.at(self.centres.grad, self.labels, d)


@broken("not-accumulated", inputs=lambda r: [r.normal(size=(5, 2)), r.permutation([0, 0, 0, 1, 2])])
class CenterLossLastOfClass(CenterLoss):
    def to_centres(self, d):
        self.centres.grad[self.labels] -= d


@broken("mutates-parameters")
class CenterLossMovesCentres(CenterLoss):
    def backward(self, dout):
        dx = super().backward(dout)
        np.add.at(self.centres.value, self.labels, 0.1 * self.offset)
        return dx


@broken("not-accumulated")
class CenterLossForgetsBefore(CenterLoss):
    def to_centres(self, d):
        self.centres.grad = np.zeros_like(self.centres.value)
        np.subtract.at(self.centres.grad, self.labels, d)


@sound(normal((3,), (3,), (3,)), normal((5,)))
class LaplaceMixture(nl.Layer):
    """Log density of samples under three Laplace distributions."""

    def __init__(self, logits, places, log_scales):
        self.logits, self.places, self.log_scales = nl.Parameter(logits), nl.Parameter(places), nl.Parameter(log_scales)

    def forward(self, x):
        self.away = x[:, None] - self.places.value
        self.rate = np.exp(-self.log_scales.value)
        self.prior = softmax(self.logits.value)
        log_joint = np.log(self.prior) - self.log_scales.value - math.log(2) - np.abs(self.away) * self.rate
        self.log_joint = log_joint
        return log_sum_exp(log_joint)

    def posterior(self):
        return softmax(self.log_joint)

    def to_logits(self, d):
        return d.sum(axis=0) - d.sum() * self.prior

    def backward(self, dout):
        d = dout[:, None] * self.posterior()
        pull = d * np.sign(self.away) * self.rate
        self.logits.grad += self.to_logits(d)
        self.places.grad += pull.sum(axis=0)
        self.log_scales.grad += (d * (np.abs(self.away) * self.rate - 1)).sum(axis=0)
        return -pull.sum(axis=1)


@broken("missing-term")
class LaplaceMixtureUnnormalisedLogits(LaplaceMixture):
    def to_logits(self, d):
        return d.sum(axis=0)


@broken("wrong-sign")
class LaplaceMixtureSamplesPushed(LaplaceMixture):
    def backward(self, dout):
        return -super().backward(dout)


@broken("wrong-axis")
class LaplaceMixturePosteriorOfSamples(LaplaceMixture):
    def posterior(self):
        return softmax(self.log_joint, axis=0)


# ---------------------------------------------------------------- distances


@sound(normal((3, 4), scale=1.5), normal((5, 4)))
class ManhattanUnits(nl.Layer):
    """Minus the sum of absolute differences to each unit's place."""

    def __init__(self, places):
        self.places = nl.Parameter(places)

    def forward(self, x):
        self.side = np.sign(x[:, None] - self.places.value)
        return -np.abs(x[:, None] - self.places.value).sum(axis=2)

    def backward(self, dout):
        pull = dout[:, :, None] * self.side
        self.places.grad += pull.sum(axis=0)
        return -pull.sum(axis=1)


@broken("wrong-sign")
class ManhattanUnitsPlacesLikeSamples(ManhattanUnits):
    def backward(self, dout):
        pull = dout[:, :, None] * self.side
        self.places.grad -= pull.sum(axis=0)
        return -pull.sum(axis=1)


@broken("wrong-axis", args=normal((4, 4), scale=1.5))
class ManhattanUnitsSumsFeatures(ManhattanUnits):
    def backward(self, dout):
        pull = dout[:, :, None] * self.side
        self.places.grad += pull.sum(axis=0)
        return -pull.sum(axis=2)


@broken("aliases-output")
class ManhattanUnitsAddsUpInOneRoom(ManhattanUnits):
    def forward(self, x):
        self.side = np.sign(x[:, None] - self.places.value)
        if getattr(self, "room", np.empty(0)).shape[:1] != x.shape[:1]:
            self.room = np.empty((len(x), len(self.places.value)), x.dtype)
        np.sum(-np.abs(x[:, None] - self.places.value), axis=2, out=self.room)
        return self.room


@sound(lambda r: (r.normal(size=(4, 2)), r.uniform(0.3, 1, size=4)), normal((3, 2)))
class RadialUnits(nl.Layer):
    """exp(-width |x - centre|²)."""

    def __init__(self, centres, widths):
        self.centres, self.widths = nl.Parameter(centres), nl.Parameter(widths)

    def forward(self, x):
        self.offset = x[:, None] - self.centres.value
        self.square = (self.offset**2).sum(axis=2)
        self.y = np.exp(-self.widths.value * self.square)
        return self.y.copy()

    def backward(self, dout):
        d = dout * self.y
        self.widths.grad -= (d * self.square).sum(axis=0)
        pull = 2 * (d * self.widths.value)[:, :, None] * self.offset
        self.centres.grad += pull.sum(axis=0)
        return -pull.sum(axis=1)


@broken("wrong-scale")
class RadialUnitsSquareIsLinear(RadialUnits):
    def backward(self, dout):
        return super().backward(dout) / 2


@broken("missing-batch-sum")
class RadialUnitsCentresOfEachSample(RadialUnits):
    def backward(self, dout):
        d = dout * self.y
        self.widths.grad -= (d * self.square).sum(axis=0)
        pull = 2 * (d * self.widths.value)[:, :, None] * self.offset
        self.centres.grad += pull
        return -pull.sum(axis=1)


@broken("ignores-upstream")
class RadialUnitsWidthsAlone(RadialUnits):
    def backward(self, dout):
        widths = self.widths.grad.copy()
        dx = super().backward(dout)
        self.widths.grad = widths - (self.y * self.square).sum(axis=0)
        return dx


@broken("mutates-parameters")
class RadialUnitsTakesTheStep(RadialUnits):
    def backward(self, dout):
        dx = super().backward(dout)
        self.centres.value -= 0.01 * self.centres.grad
        return dx


@sound(inputs=normal((4, 3)))
class AllDistances(nl.Layer):
    """The distance of each row to each."""

    def forward(self, x):
        self.offset = x[:, None] - x
        self.distance = np.sqrt((self.offset**2).sum(axis=2))
        return self.distance.copy()

    def pull(self, dout):
        safe = np.where(self.distance > 0, self.distance, 1)
        return (dout / safe)[:, :, None] * self.offset

    def backward(self, dout):
        pull = self.pull(dout)
        return pull.sum(axis=1) - pull.sum(axis=0)


@broken("non-finite")
class AllDistancesToItself(AllDistances):
    def pull(self, dout):
        return (dout / self.distance)[:, :, None] * self.offset


@broken("missing-term")
class AllDistancesOneEnd(AllDistances):
    def backward(self, dout):
        return self.pull(dout).sum(axis=1)


@sound(inputs=lambda r: [r.uniform(-1, 1, size=5) for _ in range(4)])
class GreatCircle(nl.Layer):
    """Cosine of the angle between two places, given as latitude, longitude, latitude, longitude."""

    def forward(self, a, u, b, v):
        self.kept = a.copy(), u.copy(), b.copy(), v.copy()
        return np.sin(a) * np.sin(b) + np.cos(a) * np.cos(b) * np.cos(u - v)

    def backward(self, dout):
        a, u, b, v = self.kept
        turn = dout * np.cos(a) * np.cos(b) * np.sin(u - v)
        da = dout * (np.cos(a) * np.sin(b) - np.sin(a) * np.cos(b) * np.cos(u - v))
        db = dout * (np.sin(a) * np.cos(b) - np.cos(a) * np.sin(b) * np.cos(u - v))
        return da, -turn, db, turn


@broken("swapped")
class GreatCircleLatitudesFirst(GreatCircle):
    def backward(self, dout):
        da, du, db, dv = super().backward(dout)
        return da, db, du, dv


@broken("wrong-sign")
class GreatCircleSecondLongitude(GreatCircle):
    def backward(self, dout):
        da, du, db, dv = super().backward(dout)
        return da, du, db, -dv


# ---------------------------------------------------------------- interpolation


@sound(normal((5,)), lambda r: [r.choice(4, size=7) + r.uniform(0.1, 0.9, size=7)])
class LookUp(nl.Layer):
    """A table of five numbers, linear in between."""

    def __init__(self, table):
        self.table = nl.Parameter(table)

    def forward(self, t):
        self.below = np.clip(t.astype(int), 0, 3)
        self.f = t - self.below
        return (1 - self.f) * self.table.value[self.below] + self.f * self.table.value[self.below + 1]

    def to_t(self, dout):
        return dout * (self.table.value[self.below + 1] - self.table.value[self.below])

    def backward(self, dout):
        np.add.at(self.table.grad, self.below, dout * (1 - self.f))
        np.add.at(self.table.grad, self.below + 1, dout * self.f)
        return self.to_t(dout)


@broken("zero-gradient")
class LookUpTimesAreIndices(LookUp):
    def to_t(self, dout):
        return np.zeros_like(dout)


@broken("missing-term")
class LookUpLowerNeighbour(LookUp):
    def backward(self, dout):
        np.add.at(self.table.grad, self.below, dout * (1 - self.f))
        return self.to_t(dout)


@broken("not-accumulated")
class LookUpFancyAdd(LookUp):
    def backward(self, dout):
        self.table.grad[self.below] += dout * (1 - self.f)
        self.table.grad[self.below + 1] += dout * self.f
        return self.to_t(dout)


@sound(inputs=normal((4, 3), (4, 3), (4, 3), (4, 3)))
class HermiteCurve(nl.Layer):
    """Where a cubic from p0 with slope m0 to p1 with slope m1 is after 0.3 of its way."""

    s = 0.3
    weights = (1 + 2 * s) * (1 - s) ** 2, s * (1 - s) ** 2, s**2 * (3 - 2 * s), s**2 * (s - 1)

    def forward(self, p0, m0, p1, m1):
        return sum(w * x for w, x in zip(self.weights, (p0, m0, p1, m1), strict=True))

    def backward(self, dout):
        return tuple(w * dout for w in self.weights)


@broken("swapped")
class HermiteCurvePointsFirst(HermiteCurve):
    def backward(self, dout):
        p0, m0, p1, m1 = super().backward(dout)
        return p0, p1, m0, m1


@broken("missing-gradient")
class HermiteCurveLastSlopeNone(HermiteCurve):
    def backward(self, dout):
        return *super().backward(dout)[:3], None


@sound(inputs=normal((3, 4)))
class Midpoints(nl.Layer):
    """Each row with the mean of every two neighbours put between them."""

    def forward(self, x):
        y = np.empty((len(x), 2 * x.shape[1] - 1), x.dtype)
        y[:, ::2], y[:, 1::2] = x, (x[:, 1:] + x[:, :-1]) / 2
        return y

    def backward(self, dout):
        dx = dout[:, ::2].copy()
        dx[:, 1:] += dout[:, 1::2] / 2
        dx[:, :-1] += dout[:, 1::2] / 2
        return dx


@broken("mutates-upstream")
class MidpointsIntoAView(Midpoints):
    def backward(self, dout):
        dx = dout[:, ::2]
        dx[:, 1:] += dout[:, 1::2] / 2
        dx[:, :-1] += dout[:, 1::2] / 2
        return dx.copy()


@broken("double-counted")
class MidpointsInBothPasses(Midpoints):
    def backward(self, dout):
        dx = super().backward(dout)
        dx[:, 1:] += dout[:, 1::2] / 2
        return dx


# ---------------------------------------------------------------- matrix functions


@sound(inputs=normal((3, 2, 4), (3, 4, 2)))
class TraceOfProduct(nl.Layer):
    def forward(self, a, b):
        self.a, self.b = a.copy(), b.copy()
        return np.einsum("nij,nji->n", a, b)

    def backward(self, dout):
        d = dout[:, None, None]
        return d * self.b.swapaxes(1, 2), d * self.a.swapaxes(1, 2)


@broken("missing-transpose", inputs=normal((4, 3, 3), (4, 3, 3)))
class TraceOfProductAsRead(TraceOfProduct):
    def backward(self, dout):
        return dout[:, None, None] * self.b, dout[:, None, None] * self.a


def well_conditioned(n, size):
    return lambda r: [r.normal(size=(n, size, size)) * 0.4 + np.eye(size) * 1.5]


@sound(inputs=well_conditioned(4, 3))
class Determinants(nl.Layer):
    def forward(self, a):
        self.a, self.y = a.copy(), np.linalg.det(a)
        return self.y.copy()

    def backward(self, dout):
        return (dout * self.y)[:, None, None] * np.linalg.inv(self.a).swapaxes(1, 2)


@broken("missing-transpose")
class DeterminantsInverse(Determinants):
    def backward(self, dout):
        return (dout * self.y)[:, None, None] * np.linalg.inv(self.a)


@broken("ignores-upstream")
class DeterminantsCofactors(Determinants):
    def backward(self, dout):
        return self.y[:, None, None] * np.linalg.inv(self.a).swapaxes(1, 2)


@broken("mutates-upstream")
class DeterminantsTimesUpstream(Determinants):
    def backward(self, dout):
        d = dout[:, None, None]
        d *= self.y[:, None, None]
        return d * np.linalg.inv(self.a).swapaxes(1, 2)


@sound(inputs=lambda r: [*well_conditioned(4, 3)(r), r.normal(size=(4, 3))])
class Solve(nl.Layer):
    """The y with A y = b."""

    def forward(self, a, b):
        self.a, self.y = a.copy(), np.linalg.solve(a, b[:, :, None])[:, :, 0]
        return self.y.copy()

    def to_b(self, dout):
        return np.linalg.solve(self.a.swapaxes(1, 2), dout[:, :, None])[:, :, 0]

    def backward(self, dout):
        db = self.to_b(dout)
        return -db[:, :, None] * self.y[:, None], db


@broken("missing-transpose")
class SolveSameSystem(Solve):
    def to_b(self, dout):
        return np.linalg.solve(self.a, dout[:, :, None])[:, :, 0]


@broken("wrong-sign")
class SolveMatrixPlus(Solve):
    def backward(self, dout):
        db = self.to_b(dout)
        return db[:, :, None] * self.y[:, None], db


@sound(inputs=lambda r: [r.normal(size=(3, 3, 3)) * 0.7])
class MatrixCube(nl.Layer):
    def forward(self, a):
        self.a = a.copy()
        return a @ a @ a

    def backward(self, dout):
        t = self.a.swapaxes(1, 2)
        return dout @ t @ t + t @ dout @ t + t @ t @ dout


@broken("missing-term")
class MatrixCubeOuterFactors(MatrixCube):
    def backward(self, dout):
        t = self.a.swapaxes(1, 2)
        return dout @ t @ t + t @ t @ dout


@broken("wrong-formula")
class MatrixCubeAsNumbers(MatrixCube):
    def backward(self, dout):
        t = self.a.swapaxes(1, 2)
        return 3 * dout @ t @ t


@broken("missing-transpose")
class MatrixCubeUntransposed(MatrixCube):
    def backward(self, dout):
        a = self.a
        return dout @ a @ a + a @ dout @ a + a @ a @ dout


@sound(inputs=normal((3, 2, 2), (3, 2, 2)))
class Commutator(nl.Layer):
    def forward(self, a, b):
        self.a, self.b = a.copy(), b.copy()
        return a @ b - b @ a

    def backward(self, dout):
        at, bt = self.a.swapaxes(1, 2), self.b.swapaxes(1, 2)
        return dout @ bt - bt @ dout, at @ dout - dout @ at


@broken("missing-term")
class CommutatorProductOnly(Commutator):
    def backward(self, dout):
        return dout @ self.b.swapaxes(1, 2), self.a.swapaxes(1, 2) @ dout


@broken("wrong-sign")
class CommutatorSecondTurned(Commutator):
    def backward(self, dout):
        da, db = super().backward(dout)
        return da, -db


# ---------------------------------------------------------------- physics and statistics


@sound(lambda r: [r.uniform(0.5, 2, size=1)], normal((5,), (5,)))
class PendulumStep(nl.Layer):
    """One step of a pendulum: speed first, then the angle with the new speed. Two outputs."""

    n_outputs = 2
    dt = 0.4

    def __init__(self, k):
        self.k = nl.Parameter(k)

    def forward(self, angle, speed):
        self.angle = angle.copy()
        speed = speed - self.dt * self.k.value * np.sin(angle)
        return angle + self.dt * speed, speed

    def backward(self, dout):
        dangle, dspeed = dout
        dspeed = dspeed + self.dt * dangle
        self.k.grad -= self.dt * (dspeed * np.sin(self.angle)).sum()
        return dangle - self.dt * self.k.value * np.cos(self.angle) * dspeed, dspeed


@broken("missing-term")
class PendulumStepOldSpeed(PendulumStep):
    def backward(self, dout):
        dangle, dspeed = dout
        self.k.grad -= self.dt * ((dspeed + self.dt * dangle) * np.sin(self.angle)).sum()
        dx = dangle - self.dt * self.k.value * np.cos(self.angle) * (dspeed + self.dt * dangle)
        return dx, dspeed.copy()


@broken("swapped")
class PendulumStepSpeedFirst(PendulumStep):
    def backward(self, dout):
        dangle, dspeed = super().backward(dout)
        return dspeed, dangle


@sound(lambda r: [r.uniform(0.5, 1.5, size=1), r.uniform(0.9, 1.1, size=1)], uniform(1.05, 1.8, (3, 4)))
class LennardJones(nl.Layer):
    """4 e ((s/r)^12 - (s/r)^6) of distances r."""

    def __init__(self, e, s):
        self.e, self.s = nl.Parameter(e), nl.Parameter(s)

    def forward(self, r):
        self.r, self.six = r.copy(), (self.s.value / r) ** 6
        return 4 * self.e.value * (self.six**2 - self.six)

    def backward(self, dout):
        slope = 4 * self.e.value * (12 * self.six**2 - 6 * self.six)
        self.e.grad += (dout * 4 * (self.six**2 - self.six)).sum()
        self.s.grad += (dout * slope).sum() / self.s.value
        return -dout * slope / self.r


@broken("wrong-sign")
class LennardJonesForce(LennardJones):
    def backward(self, dout):
        return -super().backward(dout)


@broken("not-accumulated")
class LennardJonesDepthSet(LennardJones):
    def backward(self, dout):
        dr = super().backward(dout)
        self.e.grad[0] = (dout * 4 * (self.six**2 - self.six)).sum()
        return dr


@broken("missing-term")
class LennardJonesRepulsionOnly(LennardJones):
    def backward(self, dout):
        super().backward(dout)
        return -dout * 48 * self.e.value * self.six**2 / self.r


@sound(inputs=lambda r: [r.uniform(0.5, 2, size=(4, 3)), r.uniform(0.5, 2, size=(4, 3)), r.uniform(0.5, 2, size=3)])
class GasPressure(nl.Layer):
    """n T / V, one volume for each column."""

    def forward(self, n, t, v):
        self.n, self.t, self.v = n.copy(), t.copy(), v.copy()
        return n * t / v

    def to_v(self, dout):
        return -dout * self.n * self.t / self.v**2

    def backward(self, dout):
        return dout * self.t / self.v, dout * self.n / self.v, self.to_v(dout).sum(axis=0)


@broken("missing-batch-sum")
class GasPressureVolumePerRow(GasPressure):
    def backward(self, dout):
        return dout * self.t / self.v, dout * self.n / self.v, self.to_v(dout)


@broken("swapped")
class GasPressureTemperatureFirst(GasPressure):
    def backward(self, dout):
        dn, dt, dv = super().backward(dout)
        return dt, dn, dv


@broken("wrong-shape")
class GasPressureVolumeKeepsAxis(GasPressure):
    def backward(self, dout):
        return dout * self.t / self.v, dout * self.n / self.v, self.to_v(dout).sum(axis=0, keepdims=True)


@sound(inputs=normal((3, 5), (3, 5)))
class RowCorrelation(nl.Layer):
    """Pearson's r of two arrays, row by row."""

    def centre(self, x):
        return x - x.mean(axis=1, keepdims=True)

    def forward(self, x, y):
        x, y = self.centre(x), self.centre(y)
        self.nx, self.ny = (np.sqrt((a**2).sum(axis=1, keepdims=True)) for a in (x, y))
        self.x, self.y = x / self.nx, y / self.ny
        self.r = (self.x * self.y).sum(axis=1, keepdims=True)
        return self.r[:, 0].copy()

    def backward(self, dout):
        d = dout[:, None]
        return d * (self.y - self.r * self.x) / self.nx, d * (self.x - self.r * self.y) / self.ny


@broken("missing-term")
class RowCorrelationConstantSpread(RowCorrelation):
    def backward(self, dout):
        return dout[:, None] * self.y / self.nx, dout[:, None] * self.x / self.ny


@broken("mutates-input")
class RowCorrelationCentresBoth(RowCorrelation):
    def centre(self, x):
        x -= x.mean(axis=1, keepdims=True)
        return x.copy()


@broken("wrong-shape")
class RowCorrelationOneRow(RowCorrelation):
    def backward(self, dout):
        dx, dy = super().backward(dout)
        return dx.reshape(-1), dy.reshape(-1)


@sound(inputs=normal((5, 3)))
class Covariance(nl.Layer):
    """The covariance of the features over the rows, over N - 1."""

    def forward(self, x):
        self.centred = x - x.mean(axis=0)
        return self.centred.T @ self.centred / (len(x) - 1)

    def backward(self, dout):
        return self.centred @ (dout + dout.T) / (len(self.centred) - 1)


@broken("missing-term")
class CovarianceOneFactor(Covariance):
    def backward(self, dout):
        return self.centred @ dout / (len(self.centred) - 1)


@broken("wrong-scale")
class CovarianceUndivided(Covariance):
    def backward(self, dout):
        return self.centred @ (dout + dout.T)


@broken("double-counted")
class CovarianceCrossFactorTwice(Covariance):
    def backward(self, dout):
        return self.centred @ (dout + 2 * dout.T) / (len(self.centred) - 1)


@sound(inputs=normal((5, 3)))
class MeanAndVariance(nl.Layer):
    """Of each column. Two outputs."""

    n_outputs = 2

    def forward(self, x):
        self.centred = x - x.mean(axis=0)
        return x.mean(axis=0), (self.centred**2).mean(axis=0)

    def backward(self, dout):
        dmean, dvariance = dout
        return (dmean + 2 * dvariance * self.centred) / len(self.centred)


@broken("missing-term")
class MeanAndVarianceMeanUnused(MeanAndVariance):
    def backward(self, dout):
        return 2 * dout[1] * self.centred / len(self.centred)


@broken("wrong-scale")
class MeanAndVarianceTotals(MeanAndVariance):
    def backward(self, dout):
        return dout[0] + 2 * dout[1] * self.centred


@sound(normal((3, 3), scale=0.8), normal((4, 3)))
class HeunStep(nl.Layer):
    """One step of Heun's method for x' = tanh(x W)."""

    h = 0.7

    def __init__(self, w):
        self.w = nl.Parameter(w)

    def forward(self, x):
        self.x = x.copy()
        self.k1 = np.tanh(x @ self.w.value)
        self.guess = x + self.h * self.k1
        self.k2 = np.tanh(self.guess @ self.w.value)
        return x + self.h / 2 * (self.k1 + self.k2)

    def backward(self, dout):
        dz2 = self.h / 2 * dout * (1 - self.k2**2)
        dguess = dz2 @ self.w.value.T
        dz1 = (self.h / 2 * dout + self.h * dguess) * (1 - self.k1**2)
        self.to_w(dz1, dz2)
        return dout + dguess + dz1 @ self.w.value.T

    def to_w(self, dz1, dz2):
        self.w.grad += self.x.T @ dz1 + self.guess.T @ dz2


@broken("missing-term")
class HeunStepSecondUseOnly(HeunStep):
    def to_w(self, dz1, dz2):
        self.w.grad += self.guess.T @ dz2


@broken("not-accumulated")
class HeunStepSetsThenAdds(HeunStep):
    def to_w(self, dz1, dz2):
        self.w.grad = self.x.T @ dz1
        self.w.grad += self.guess.T @ dz2


@broken("double-counted")
class HeunStepStartTwice(HeunStep):
    def backward(self, dout):
        return super().backward(dout) + dout


@broken("mutates-parameters")
class HeunStepClipsItsWeights(HeunStep):
    def backward(self, dout):
        dx = super().backward(dout)
        np.clip(self.w.value, -0.2, 0.2, out=self.w.value)
        return dx


@sound(inputs=normal((3, 5)))
class Autocorrelation(nl.Layer):
    """Sum of x[t] x[t + lag] for lags 1 and 2."""

    def forward(self, x):
        self.x = x.copy()
        return np.stack([(x[:, :-k] * x[:, k:]).sum(axis=1) for k in (1, 2)], axis=1)

    def backward(self, dout):
        dx = np.zeros_like(self.x)
        for k in (1, 2):
            d = dout[:, k - 1, None]
            dx[:, :-k] += d * self.x[:, k:]
            dx[:, k:] += d * self.x[:, :-k]
        return dx


@broken("missing-term")
class AutocorrelationLaterOnly(Autocorrelation):
    def backward(self, dout):
        dx = np.zeros_like(self.x)
        for k in (1, 2):
            dx[:, k:] += dout[:, k - 1, None] * self.x[:, :-k]
        return dx


@broken("ignores-upstream")
class AutocorrelationOfOnes(Autocorrelation):
    def backward(self, dout):
        return super().backward(np.ones_like(dout))


# ---------------------------------------------------------------- graphs


@sound(normal((3, 2), (3, 2)), normal((4, 3)))
class NeighbourMean(nl.Layer):
    """Own features and the mean of those a node looks at, on a directed graph of four nodes."""

    looks_at = np.array([[0, 1, 1, 0], [0, 0, 1, 0], [1, 0, 0, 0], [1, 1, 1, 0]])
    share = looks_at / looks_at.sum(axis=1, keepdims=True)

    def __init__(self, own, other):
        self.own, self.other = nl.Parameter(own), nl.Parameter(other)

    def forward(self, x):
        self.x = x.copy()
        return x @ self.own.value + self.share @ x @ self.other.value

    def backward(self, dout):
        self.own.grad += self.x.T @ dout
        self.other.grad += (self.share @ self.x).T @ dout
        return dout @ self.own.value.T + self.share.T @ dout @ self.other.value.T


@broken("missing-transpose")
class NeighbourMeanAlongTheEdges(NeighbourMean):
    def backward(self, dout):
        super().backward(dout)
        return dout @ self.own.value.T + self.share @ dout @ self.other.value.T


@broken("missing-term")
class NeighbourMeanOthersOnly(NeighbourMean):
    def backward(self, dout):
        super().backward(dout)
        return self.share.T @ dout @ self.other.value.T


@sound(normal((3, 2)), normal((4, 3)))
class Messages(nl.Layer):
    """Along each edge relu(x W) is sent, and added up where it comes."""

    source, target = np.array([0, 0, 1, 2, 3, 3]), np.array([1, 2, 2, 3, 1, 0])

    def __init__(self, w):
        self.w = nl.Parameter(w)

    def forward(self, x):
        self.x = x.copy()
        self.sent = np.maximum(x[self.source] @ self.w.value, 0)
        y = np.zeros((len(x), self.sent.shape[1]), x.dtype)
        np.add.at(y, self.target, self.sent)
        return y

    def masked(self, d):
        return d * (self.sent > 0)

    def backward(self, dout):
        d = self.masked(dout[self.target])
        self.w.grad += self.x[self.source].T @ d
        dx = np.zeros_like(self.x)
        np.add.at(dx, self.source, d @ self.w.value.T)
        return dx


@broken("missing-mask")
class MessagesUnmasked(Messages):
    def masked(self, d):
        return d


@broken("inverted-mask")
class MessagesOfTheSilent(Messages):
    def masked(self, d):
        return d * (self.sent <= 0)


@broken("missing-gradient", "zero-gradient")
class MessagesWeightsStay(Messages):
    def backward(self, dout):
        dx = np.zeros_like(self.x)
        np.add.at(dx, self.source, self.masked(dout[self.target]) @ self.w.value.T)
        return dx


# ---------------------------------------------------------------- chance


@sound(seeded, normal((3, 4)))
class GumbelSoftmax(nl.Layer):
    tau = 0.6

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)

    def forward(self, x):
        noise = self.rng.gumbel(size=x.shape).astype(x.dtype) if self.training else 0
        self.y = softmax((x + noise) / self.tau)
        return self.y.copy()

    def backward(self, dout):
        return self.y * (dout - (dout * self.y).sum(axis=1, keepdims=True)) / self.tau


@broken("diagonal-only")
class GumbelSoftmaxDiagonal(GumbelSoftmax):
    def backward(self, dout):
        return self.y * (1 - self.y) * dout / self.tau


@broken("wrong-scale")
class GumbelSoftmaxWarm(GumbelSoftmax):
    def backward(self, dout):
        return super().backward(dout) * self.tau


@broken("nondeterministic")
class GumbelSoftmaxFreshNoise(GumbelSoftmax):
    def forward(self, x):
        self.x = x.copy()
        return super().forward(x)

    def backward(self, dout):
        y = softmax((self.x + self.rng.gumbel(size=self.x.shape)) / self.tau)
        return y * (dout - (dout * y).sum(axis=1, keepdims=True)) / self.tau


@sound(lambda r: (r.normal(size=(3, 3)), *seeded(r)), normal((14, 3)))
class StochasticDepth(nl.Layer):
    """x + tanh(x W), the second left out for a fifth of the rows and made up for in the others."""

    p = 0.2

    def __init__(self, w, seed):
        self.w, self.rng = nl.Parameter(w), np.random.default_rng(seed)

    def forward(self, x):
        kept = self.rng.permutation(len(x)) >= math.ceil(self.p * len(x)) if self.training else np.full(len(x), True)
        self.kept = (kept[:, None] / ((1 - self.p) if self.training else 1)).astype(x.dtype)
        self.x, self.t = x.copy(), np.tanh(x @ self.w.value)
        return x + self.kept * self.t

    def backward(self, dout):
        dz = self.through(dout) * (1 - self.t**2)
        self.w.grad += self.x.T @ dz
        return dout + dz @ self.w.value.T

    def through(self, dout):
        return dout * self.kept


@broken("missing-mask")
class StochasticDepthAlwaysThere(StochasticDepth):
    def through(self, dout):
        return dout / (1 - self.p)


@broken("wrong-scale")
class StochasticDepthNotMadeUp(StochasticDepth):
    def through(self, dout):
        return dout * (self.kept > 0)


@broken("inverted-mask")
class StochasticDepthTheDropped(StochasticDepth):
    def through(self, dout):
        return dout * (self.kept == 0) / (1 - self.p)


@broken("nondeterministic")
class StochasticDepthDrawsAgain(StochasticDepth):
    def through(self, dout):
        kept = self.rng.permutation(len(dout)) >= math.ceil(self.p * len(dout))
        return dout * kept[:, None] / (1 - self.p)


@sound(seeded, normal((5, 3), (5, 3)))
class ShakeBranches(nl.Layer):
    """a x + (1 - a) y with an a drawn for each row."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)

    def forward(self, x, y):
        self.a = self.rng.uniform(0.1, 0.4, size=(len(x), 1)).astype(x.dtype) if self.training else 0.25
        return self.a * x + (1 - self.a) * y

    def backward(self, dout):
        return self.a * dout, (1 - self.a) * dout


@broken("swapped")
class ShakeBranchesOrder(ShakeBranches):
    def backward(self, dout):
        return (1 - self.a) * dout, self.a * dout


@broken("nondeterministic")
class ShakeBranchesShakesBack(ShakeBranches):
    def backward(self, dout):
        a = self.rng.uniform(0.1, 0.4, size=(len(dout), 1))
        return a * dout, (1 - a) * dout


@sound(seeded, normal((4, 6)))
class SELUDropout(nl.Layer):
    """What is dropped becomes -1.5 rather than 0, and the whole is scaled."""

    p, low, scale = 0.3, -1.5, 0.9

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)

    def forward(self, x):
        self.kept = self.rng.random(x.shape) >= self.p if self.training else np.full(x.shape, True)
        return self.scale * np.where(self.kept, x, self.low)

    def backward(self, dout):
        return self.scale * dout * self.kept


@broken("missing-mask")
class SELUDropoutPassesAll(SELUDropout):
    def backward(self, dout):
        return self.scale * dout


@broken("inverted-mask")
class SELUDropoutPassesTheDropped(SELUDropout):
    def backward(self, dout):
        return self.scale * dout * ~self.kept


@broken("wrong-scale")
class SELUDropoutUnscaled(SELUDropout):
    def backward(self, dout):
        return dout * self.kept


# ---------------------------------------------------------------- several outputs, shapes


@sound(inputs=uniform(0.4, 2, (3, 4), (3, 4)))
class Polar(nl.Layer):
    """Length and angle of (x, y). Two outputs."""

    n_outputs = 2

    def forward(self, x, y):
        self.x, self.y, self.r = x.copy(), y.copy(), np.hypot(x, y)
        return self.r.copy(), np.arctan2(y, x)

    def backward(self, dout):
        dr, da = dout
        return dr * self.x / self.r - da * self.y / self.r**2, dr * self.y / self.r + da * self.x / self.r**2


@broken("swapped")
class PolarOrder(Polar):
    def backward(self, dout):
        return super().backward(dout)[::-1]


@broken("missing-term")
class PolarAngleUnused(Polar):
    def backward(self, dout):
        return dout[0] * self.x / self.r, dout[0] * self.y / self.r


@sound(normal((3,)), normal((4, 3), (4, 3), (4, 3)))
class ComplexGain(nl.Layer):
    """(a + i b) times (gain + i c). Two outputs."""

    n_outputs = 2

    def __init__(self, gain):
        self.gain = nl.Parameter(gain)

    def forward(self, a, b, c):
        self.a, self.b, self.c = a.copy(), b.copy(), c.copy()
        return a * self.gain.value - b * c, a * c + b * self.gain.value

    def backward(self, dout):
        u, v = dout
        self.gain.grad += (u * self.a + v * self.b).sum(axis=0)
        return u * self.gain.value + v * self.c, v * self.gain.value - u * self.c, v * self.a - u * self.b


@broken("double-counted")
class ComplexGainGainForBothParts(ComplexGain):
    def backward(self, dout):
        self.gain.grad += (dout[0] * self.a).sum(axis=0)
        return super().backward(dout)


@broken("missing-gradient")
class ComplexGainForgetsThird(ComplexGain):
    def backward(self, dout):
        da, db, _ = super().backward(dout)
        return da, db, None


@sound(normal((2, 3)), normal((4, 3, 2)))
class ScaledFlatten(nl.Layer):
    """Channels last to channels first, times a number for each place, all in one row."""

    def __init__(self, scale):
        self.scale = nl.Parameter(scale)

    def forward(self, x):
        self.x = x.swapaxes(1, 2).copy()
        return (self.x * self.scale.value).reshape(len(x), math.prod(x.shape[1:]))

    def backward(self, dout):
        d = dout.reshape(self.x.shape)
        self.scale.grad += (d * self.x).sum(axis=0)
        return (d * self.scale.value).swapaxes(1, 2).copy()


@broken("wrong-shape")
class ScaledFlattenStaysFlat(ScaledFlatten):
    def backward(self, dout):
        return super().backward(dout).reshape(dout.shape)


@broken("wrong-shape", "missing-transpose")
class ScaledFlattenChannelsFirst(ScaledFlatten):
    def backward(self, dout):
        return super().backward(dout).swapaxes(1, 2).copy()


@sound(inputs=normal((4, 3), (1, 3), (4, 1)))
class RowAndColumn(nl.Layer):
    """tanh of a matrix plus a row plus a column."""

    def forward(self, m, row, column):
        self.y = np.tanh(m + row + column)
        return self.y.copy()

    def backward(self, dout):
        d = dout * (1 - self.y**2)
        return d, d.sum(axis=0, keepdims=True), d.sum(axis=1, keepdims=True)


@broken("missing-batch-sum")
class RowAndColumnRowNotSummed(RowAndColumn):
    def backward(self, dout):
        d = dout * (1 - self.y**2)
        return d, d.copy(), d.sum(axis=1, keepdims=True)


@broken("wrong-shape")
class RowAndColumnDropsAxes(RowAndColumn):
    def backward(self, dout):
        d = dout * (1 - self.y**2)
        return d, d.sum(axis=0, keepdims=True), d.sum(axis=1)


@broken("ignores-upstream")
class RowAndColumnSlopeOfColumn(RowAndColumn):
    def backward(self, dout):
        dm, drow, _ = super().backward(dout)
        return dm, drow, (1 - self.y**2).sum(axis=1, keepdims=True)


@broken("aliases-output")
class RowAndColumnWritesOut(RowAndColumn):
    def forward(self, m, row, column):
        if getattr(self, "room", np.empty(0)).shape != m.shape:
            self.room = np.empty_like(m)
        np.add(m, row, out=self.room)
        self.room += column
        np.tanh(self.room, out=self.room)
        self.y = self.room.copy()
        return self.room
