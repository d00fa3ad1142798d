"""The second set."""

import numpy as np

import netlib as nl

from .notebook import Notebook, normal

NOTEBOOK = Notebook()
sound, also, broken = NOTEBOOK.sound, NOTEBOOK.also, NOTEBOOK.broken
BROKEN, SOUND = NOTEBOOK.broken_layers, NOTEBOOK.sound_layers


def positive(*shape):
    return lambda r: [r.uniform(0.5, 2.5, size=shape)]


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softmax(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


# ---------------- Mahalanobis distance


@sound(normal((3, 3), (3,)), normal((5, 3)))
class Mahalanobis(nl.Layer):
    """(x - m)ᵀ A (x - m) for each row, A not symmetric."""

    def __init__(self, metric, centre):
        self.metric, self.centre = nl.Parameter(metric), nl.Parameter(centre)

    def forward(self, x):
        self.d = x - self.centre.value
        return np.einsum("ni,ij,nj->n", self.d, self.metric.value, self.d)

    def backward(self, dout):
        A, d = self.metric.value, self.d
        self.metric.grad += np.einsum("n,ni,nj->ij", dout, d, d)
        dx = dout[:, None] * (d @ A.T + d @ A)
        self.centre.grad -= dx.sum(axis=0)
        return dx


@broken("missing-term")
class MahalanobisOneSide(Mahalanobis):
    def backward(self, dout):
        A, d = self.metric.value, self.d
        self.metric.grad += np.einsum("n,ni,nj->ij", dout, d, d)
        dx = dout[:, None] * (d @ A.T)
        self.centre.grad -= dx.sum(axis=0)
        return dx


@broken("wrong-sign")
class MahalanobisCentrePlus(Mahalanobis):
    def backward(self, dout):
        A, d = self.metric.value, self.d
        self.metric.grad += np.einsum("n,ni,nj->ij", dout, d, d)
        dx = dout[:, None] * (d @ A.T + d @ A)
        self.centre.grad += dx.sum(axis=0)
        return dx


# ---------------- graph convolution


@sound(lambda r: (r.uniform(size=(6, 6)) * (r.uniform(size=(6, 6)) < 0.6) + np.eye(6), r.normal(size=(4, 3))), normal((6, 4)))
class GraphConv(nl.Layer):
    """A X W with a fixed graph A."""

    def __init__(self, graph, weight):
        self.graph, self.weight = graph, nl.Parameter(weight)

    def forward(self, x):
        self.x, self.gathered = np.array(x), self.graph @ x
        return self.gathered @ self.weight.value

    def backward(self, dout):
        self.weight.grad += self.gathered.T @ dout
        return self.graph.T @ (dout @ self.weight.value.T)


@broken("missing-transpose")
class GraphConvSameGraph(GraphConv):
    def backward(self, dout):
        self.weight.grad += self.gathered.T @ dout
        return self.graph @ (dout @ self.weight.value.T)


@broken("wrong-formula")
class GraphConvWeightWithoutGraph(GraphConv):
    def backward(self, dout):
        self.weight.grad += self.x.T @ dout
        return self.graph.T @ (dout @ self.weight.value.T)


# ---------------- deep sets


@sound(normal((4, 2), (2,)), normal((3, 5, 4)))
class DeepSet(nl.Layer):
    """tanh(mean over the set · W + b); x is (batch, set, features)."""

    def __init__(self, weight, bias):
        self.weight, self.bias = nl.Parameter(weight), nl.Parameter(bias)

    def forward(self, x):
        self.size, self.pooled = x.shape[1], x.mean(axis=1)
        y = np.tanh(self.pooled @ self.weight.value + self.bias.value)
        self.slope = 1 - y**2
        return y

    def down(self, dout):
        dz = dout * self.slope
        self.weight.grad += self.pooled.T @ dz
        self.bias.grad += dz.sum(axis=0)
        return dz @ self.weight.value.T

    def backward(self, dout):
        return np.repeat(self.down(dout)[:, None] / self.size, self.size, axis=1)


@broken("wrong-scale")
class DeepSetSumForMean(DeepSet):
    def backward(self, dout):
        return np.repeat(self.down(dout)[:, None], self.size, axis=1)


@broken("wrong-shape")
class DeepSetPooledShape(DeepSet):
    def backward(self, dout):
        return self.down(dout) / self.size


# ---------------- bilinear attention scores


@sound(normal((4, 6)), normal((2, 3, 4), (2, 5, 6)))
class BilinearScores(nl.Layer):
    """q W kᵀ for queries (B, I, D) and keys (B, J, E)."""

    def __init__(self, weight):
        self.weight = nl.Parameter(weight)

    def forward(self, q, k):
        self.q, self.k = np.array(q), np.array(k)
        return q @ self.weight.value @ k.transpose(0, 2, 1)

    def down(self, dout):
        dq = dout @ self.k @ self.weight.value.T
        dk = dout.transpose(0, 2, 1) @ self.q @ self.weight.value
        return dq, dk, np.einsum("bij,bid,bje->de", dout, self.q, self.k)

    def backward(self, dout):
        dq, dk, dw = self.down(dout)
        self.weight.grad += dw
        return dq, dk


@broken("missing-gradient")
class BilinearScoresKeysNone(BilinearScores):
    def backward(self, dout):
        dq, _, dw = self.down(dout)
        self.weight.grad += dw
        return dq, None


@broken("not-accumulated")
class BilinearScoresAssigned(BilinearScores):
    def backward(self, dout):
        dq, dk, dw = self.down(dout)
        self.weight.grad = dw
        return dq, dk


# ---------------- rotary position


@sound(inputs=normal((2, 5, 6)))
class Rotary(nl.Layer):
    """Pairs of features turned by an angle that grows with the position; x is (N, T, features)."""

    def forward(self, x):
        angle = np.arange(1, x.shape[1] + 1)[:, None] * 0.6 ** np.arange(x.shape[2] // 2)
        self.c, self.s = np.cos(angle).astype(x.dtype), np.sin(angle).astype(x.dtype)
        y = np.empty_like(x)
        y[..., ::2] = x[..., ::2] * self.c - x[..., 1::2] * self.s
        y[..., 1::2] = x[..., ::2] * self.s + x[..., 1::2] * self.c
        return y

    def backward(self, dout):
        dx = np.empty_like(dout)
        dx[..., ::2] = dout[..., ::2] * self.c + dout[..., 1::2] * self.s
        dx[..., 1::2] = dout[..., 1::2] * self.c - dout[..., ::2] * self.s
        return dx


also(Rotary, "32", inputs=normal((3, 4, 2), dtype=np.float32))


@broken("mutates-upstream")
class RotaryInPlace(Rotary):
    def backward(self, dout):
        even = dout[..., ::2] * self.c + dout[..., 1::2] * self.s
        dout[..., 1::2] = dout[..., 1::2] * self.c - dout[..., ::2] * self.s
        dout[..., ::2] = even
        return dout.copy()


@broken("missing-transpose", "wrong-formula")
class RotaryTurnsOn(Rotary):
    def backward(self, dout):
        dx = np.empty_like(dout)
        dx[..., ::2] = dout[..., ::2] * self.c - dout[..., 1::2] * self.s
        dx[..., 1::2] = dout[..., ::2] * self.s + dout[..., 1::2] * self.c
        return dx


# ---------------- mixing of tokens by cosines


@sound(inputs=normal((2, 5, 3)))
class CosineMix(nl.Layer):
    """A discrete cosine transform over the tokens; x is (batch, token, features)."""

    def matrix(self, n):
        return np.cos(np.pi / n * (np.arange(n) + 0.5) * np.arange(n)[:, None])

    def forward(self, x):
        self.mix = self.matrix(x.shape[1])
        return self.mix @ x

    def backward(self, dout):
        return self.mix.T @ dout


@broken("missing-transpose")
class CosineMixSameMatrix(CosineMix):
    def backward(self, dout):
        return self.mix @ dout


@broken("aliases-output")
class CosineMixWorkspace(CosineMix):
    workspace = None

    def forward(self, x):
        self.mix = self.matrix(x.shape[1])
        if self.workspace is None or self.workspace.shape != x.shape:
            self.workspace = np.empty(x.shape)
        return np.matmul(self.mix, x, out=self.workspace)


@broken("aliases-output", inputs=normal((1, 4, 6)))
class CosineMixScratch(CosineMix):
    """Backward uses the memory of the returned y for its own intermediate result."""

    def forward(self, x):
        self.mix = self.matrix(x.shape[1])
        self.y = self.mix @ x
        return self.y

    def backward(self, dout):
        np.matmul(self.mix.T, dout, out=self.y)
        return self.y.copy()


# ---------------- gated skip


@sound(normal((4,), (4,)), normal((5, 4), (5, 4)))
class GatedSkip(nl.Layer):
    """g h + (1 - g) x with g = sigmoid(w x + b), element by element."""

    def __init__(self, weight, bias):
        self.weight, self.bias = nl.Parameter(weight), nl.Parameter(bias)

    def forward(self, x, h):
        self.x, self.h = np.array(x), np.array(h)
        self.g = sigmoid(x * self.weight.value + self.bias.value)
        return self.g * h + (1 - self.g) * x

    def gate(self, dout):
        return dout * (self.h - self.x) * self.g * (1 - self.g)

    def backward(self, dout):
        dz = self.gate(dout)
        self.weight.grad += (dz * self.x).sum(axis=0)
        self.bias.grad += dz.sum(axis=0)
        return dout * (1 - self.g) + dz * self.weight.value, dout * self.g


@broken("missing-term")
class GatedSkipNoCarry(GatedSkip):
    def backward(self, dout):
        dz = self.gate(dout)
        self.weight.grad += (dz * self.x).sum(axis=0)
        self.bias.grad += dz.sum(axis=0)
        return dz * self.weight.value, dout * self.g


@broken("double-counted")
class GatedSkipCarryTwice(GatedSkip):
    def backward(self, dout):
        dz = self.gate(dout)
        self.weight.grad += (dz * self.x).sum(axis=0)
        self.bias.grad += dz.sum(axis=0)
        dx = dout * (1 - self.g)
        dx += dz * self.weight.value
        dx += dout * (1 - self.g)
        return dx, dout * self.g


@broken("missing-batch-sum")
class GatedSkipBiasPerRow(GatedSkip):
    def backward(self, dout):
        dz = self.gate(dout)
        self.weight.grad += (dz * self.x).sum(axis=0)
        self.bias.grad += dz
        return dout * (1 - self.g) + dz * self.weight.value, dout * self.g


# ---------------- piecewise linear activation


@sound(normal((6,)), lambda r: [r.uniform(-0.5, 5.5, size=(5, 4))])
class PiecewiseLinear(nl.Layer):
    """Straight lines between learned heights at 0, 1, 2, …, continued beyond the ends."""

    def __init__(self, height):
        self.height = nl.Parameter(height)

    def forward(self, x):
        c = self.height.value
        self.i = np.clip(np.floor(x).astype(int), 0, c.size - 2)
        self.t = x - self.i
        return c[self.i] * (1 - self.t) + c[self.i + 1] * self.t

    def heights(self, dout):
        np.add.at(self.height.grad, self.i, dout * (1 - self.t))
        np.add.at(self.height.grad, self.i + 1, dout * self.t)

    def slope(self):
        return self.height.value[self.i + 1] - self.height.value[self.i]

    def backward(self, dout):
        self.heights(dout)
        return dout * self.slope()


@broken("ignores-upstream")
class PiecewiseLinearBareSlope(PiecewiseLinear):
    def backward(self, dout):
        self.heights(dout)
        return self.slope()


@broken("missing-term", "not-accumulated")
class PiecewiseLinearFancyAdd(PiecewiseLinear):
    """Of all the samples in one interval only the last one counts."""

    def backward(self, dout):
        self.height.grad[self.i] += dout * (1 - self.t)
        self.height.grad[self.i + 1] += dout * self.t
        return dout * self.slope()


# ---------------- softmax with a learned temperature


@sound(lambda r: (r.uniform(0.4, 0.9, size=1),), normal((4, 5)))
class TemperatureSoftmax(nl.Layer):
    """softmax(x / T), T = exp(log T) learned."""

    def __init__(self, log_temperature):
        self.log_temperature = nl.Parameter(log_temperature)

    def forward(self, x):
        self.z = x * np.exp(-self.log_temperature.value)
        y = softmax(self.z)
        self.y = y.copy()
        return y

    def logits(self, dout):
        return self.y * (dout - (dout * self.y).sum(axis=-1, keepdims=True))

    def backward(self, dout):
        dz = self.logits(dout)
        self.log_temperature.grad -= (dz * self.z).sum()
        return dz * np.exp(-self.log_temperature.value)


@broken("diagonal-only")
class TemperatureSoftmaxDiagonal(TemperatureSoftmax):
    def logits(self, dout):
        return dout * self.y * (1 - self.y)


@broken("wrong-scale")
class TemperatureSoftmaxUncooled(TemperatureSoftmax):
    def backward(self, dout):
        dz = self.logits(dout)
        self.log_temperature.grad -= (dz * self.z).sum()
        return dz


@broken("stale-cache")
class TemperatureSoftmaxKeptOnce(TemperatureSoftmax):
    y = None

    def forward(self, x):
        z = x * np.exp(-self.log_temperature.value)
        y = softmax(z)
        if self.y is None:
            self.z, self.y = z, y.copy()
        return y


# ---------------- margin softmax loss


@sound(lambda r: (4.0, 0.3), lambda r: [r.uniform(-1, 1, size=(6, 4)), r.integers(4, size=6)])
class MarginSoftmaxLoss(nl.Layer):
    """Mean cross entropy of scale · (cosines - margin at the target)."""

    n_nondifferentiable_inputs = 1

    def __init__(self, scale, margin):
        self.scale, self.margin = scale, margin

    def forward(self, x, t):
        self.onehot = np.eye(x.shape[1])[t]
        self.p = softmax(self.scale * (x - self.margin * self.onehot))
        return -np.log((self.p * self.onehot).sum(axis=1)).mean()

    def backward(self, dout=1.0):
        return dout * self.scale * (self.p - self.onehot) / len(self.p)


@broken("wrong-scale")
class MarginSoftmaxLossNotMeaned(MarginSoftmaxLoss):
    def backward(self, dout=1.0):
        return dout * self.scale * (self.p - self.onehot)


@broken("missing-term", "wrong-formula")
class MarginSoftmaxLossNoTarget(MarginSoftmaxLoss):
    def backward(self, dout=1.0):
        return dout * self.scale * self.p / len(self.p)


# ---------------- triplet loss


def triplets(rows, features, dtype=np.float64):
    def inputs(r):
        a, p, n = (r.normal(size=(rows, features)) for _ in range(3))
        far = np.where(np.arange(rows) % 2, 1.5, 0.15)[:, None]
        return [x.astype(dtype) for x in (a, a + far * np.sign(p) * (1 + abs(p)), a + (1.65 - far) * np.sign(n) * (1 + abs(n)))]

    return inputs


@sound(lambda r: (0.5,), triplets(6, 3))
class TripletLoss(nl.Layer):
    """max(0, |a - p|² - |a - n|² + margin) for each row."""

    def __init__(self, margin):
        self.margin = margin

    def forward(self, a, p, n):
        self.near, self.far = a - p, a - n
        v = (self.near**2).sum(axis=1) - (self.far**2).sum(axis=1) + self.margin
        self.active = (v > 0)[:, None]
        return np.maximum(v, 0)

    def grads(self, g):
        return 2 * g * (self.near - self.far), -2 * g * self.near, 2 * g * self.far

    def backward(self, dout):
        return self.grads(dout[:, None] * self.active)


also(TripletLoss, "32", inputs=triplets(5, 2, np.float32))


@broken("missing-mask")
class TripletLossAlwaysActive(TripletLoss):
    def backward(self, dout):
        return self.grads(dout[:, None])


@broken("swapped")
class TripletLossAnchorNegativePositive(TripletLoss):
    def backward(self, dout):
        da, dp, dn = self.grads(dout[:, None] * self.active)
        return da, dn, dp


@broken("wrong-sign", inputs=triplets(5, 4, np.float32))
class TripletLossPullsNegatives(TripletLoss):
    def backward(self, dout):
        da, dp, dn = self.grads(dout[:, None] * self.active)
        return da, dp, -dn


# ---------------- KL of a Gaussian


@sound(inputs=normal((4, 3), (4, 3)))
class GaussianKL(nl.Layer):
    """KL of N(mu, exp(logvar)) from N(0, 1), summed over each row."""

    def forward(self, mu, logvar):
        self.mu, self.var = np.array(mu), np.exp(logvar)
        return 0.5 * (mu**2 + self.var - 1 - logvar).sum(axis=1)

    def backward(self, dout):
        return dout[:, None] * self.mu, dout[:, None] * 0.5 * (self.var - 1)


@broken("swapped")
class GaussianKLOrder(GaussianKL):
    def backward(self, dout):
        dmu = dout[:, None] * self.mu
        dlogvar = dout[:, None] * 0.5 * (self.var - 1)
        return dlogvar, dmu


@broken("wrong-formula", inputs=normal((1, 5), (1, 5)))
class GaussianKLByVariance(GaussianKL):
    """The derivative with respect to the variance, not to its logarithm."""

    def backward(self, dout):
        return dout[:, None] * self.mu, dout[:, None] * 0.5 * (1 - 1 / self.var)


@broken("dtype-changed", inputs=normal((3, 4), (3, 4), dtype=np.float32))
class GaussianKLDoubleHalf(GaussianKL):
    def backward(self, dout):
        half = np.full(self.var.shape, 0.5)
        return dout[:, None] * self.mu, dout[:, None] * half * (self.var - 1)


# ---------------- counts: Poisson and negative binomial


@sound(inputs=lambda r: [r.normal(size=(5, 3)), r.poisson(2.0, size=(5, 3))])
class PoissonLoss(nl.Layer):
    """Σ exp(x) - t x over each row."""

    n_nondifferentiable_inputs = 1

    def forward(self, x, t):
        self.rate, self.t = np.exp(x), np.array(t)
        return (self.rate - t * x).sum(axis=1)

    def backward(self, dout):
        return dout[:, None] * (self.rate - self.t)


@broken("ignores-upstream")
class PoissonLossAlone(PoissonLoss):
    def backward(self, dout):
        return self.rate - self.t


@broken("mutates-input")
class PoissonLossInPlace(PoissonLoss):
    def forward(self, x, t):
        np.exp(x, out=x)
        self.rate, self.t = x.copy(), np.array(t)
        return (x - t * np.log(x)).sum(axis=1)


@sound(lambda r: (2.5,), lambda r: [r.normal(size=(4, 6)), r.poisson(3.0, size=(4, 6))])
class NegativeBinomialLoss(nl.Layer):
    """(t + r) log(r + exp(x)) - t x, element by element."""

    n_nondifferentiable_inputs = 1

    def __init__(self, r):
        self.r = r

    def forward(self, x, t):
        self.mean, self.t = np.exp(x), np.array(t)
        return (t + self.r) * np.log(self.r + self.mean) - t * x

    def backward(self, dout):
        return dout * ((self.t + self.r) * self.mean / (self.r + self.mean) - self.t)


@broken("wrong-sign")
class NegativeBinomialLossUphill(NegativeBinomialLoss):
    def backward(self, dout):
        return dout * (self.t - (self.t + self.r) * self.mean / (self.r + self.mean))


# ---------------- pairwise potential of a chain


@sound(normal((3, 3)), normal((4, 5, 3)))
class ChainPotential(nl.Layer):
    """Σ_t q_t P q_{t+1} for soft labels q of shape (batch, time, labels)."""

    def __init__(self, pair):
        self.pair = nl.Parameter(pair)

    def forward(self, q):
        self.q = np.array(q)
        return np.einsum("btk,kl,btl->b", q[:, :-1], self.pair.value, q[:, 1:])

    def backward(self, dout):
        q, P = self.q, self.pair.value
        self.pair.grad += np.einsum("b,btk,btl->kl", dout, q[:, :-1], q[:, 1:])
        dq = np.zeros_like(q)
        dq[:, :-1] += q[:, 1:] @ P.T
        dq[:, 1:] += q[:, :-1] @ P
        return dout[:, None, None] * dq


@broken("missing-term")
class ChainPotentialNextOnly(ChainPotential):
    def backward(self, dout):
        q, P = self.q, self.pair.value
        self.pair.grad += np.einsum("b,btk,btl->kl", dout, q[:, :-1], q[:, 1:])
        dq = np.zeros_like(q)
        dq[:, :-1] += q[:, 1:] @ P.T
        return dout[:, None, None] * dq


@broken("missing-transpose")
class ChainPotentialPairTransposed(ChainPotential):
    def backward(self, dout):
        q, P = self.q, self.pair.value
        self.pair.grad += np.einsum("b,btk,btl->lk", dout, q[:, :-1], q[:, 1:])
        dq = np.zeros_like(q)
        dq[:, :-1] += q[:, 1:] @ P.T
        dq[:, 1:] += q[:, :-1] @ P
        return dout[:, None, None] * dq


# ---------------- moving average over time


@sound(normal((3,)), normal((2, 5, 3)))
class MovingAverage(nl.Layer):
    """h_t = a h_{t-1} + (1 - a) x_t with a = sigmoid(logit) for each feature."""

    def __init__(self, logit):
        self.logit = nl.Parameter(logit)

    def forward(self, x):
        self.x, self.a, h = np.array(x), sigmoid(self.logit.value), np.zeros((len(x), x.shape[1] + 1, x.shape[2]))
        for t in range(x.shape[1]):
            h[:, t + 1] = self.a * h[:, t] + (1 - self.a) * x[:, t]
        self.h = h
        return h[:, 1:].copy()

    def sweep(self, dout):
        g = dout.copy()
        for t in reversed(range(dout.shape[1] - 1)):
            g[:, t] += self.a * g[:, t + 1]
        dlogit = (g * (self.h[:, :-1] - self.x)).sum(axis=(0, 1)) * self.a * (1 - self.a)
        return (1 - self.a) * g, dlogit

    def backward(self, dout):
        dx, dlogit = self.sweep(dout)
        self.logit.grad += dlogit
        return dx


@broken("missing-term", "diagonal-only")
class MovingAverageNoMemory(MovingAverage):
    def backward(self, dout):
        _, dlogit = self.sweep(dout)
        self.logit.grad += dlogit
        return (1 - self.a) * dout


@broken("not-accumulated", inputs=normal((1, 4, 3)))
class MovingAverageAssigned(MovingAverage):
    def backward(self, dout):
        dx, dlogit = self.sweep(dout)
        self.logit.grad[...] = dlogit
        return dx


# ---------------- depthwise convolution


@sound(normal((4, 3), (4,)), normal((2, 4, 7)))
class Depthwise(nl.Layer):
    """One kernel for each channel, and a bias; x is (batch, channel, length)."""

    def __init__(self, weight, bias):
        self.weight, self.bias = nl.Parameter(weight), nl.Parameter(bias)

    def forward(self, x):
        self.windows = np.lib.stride_tricks.sliding_window_view(np.array(x), self.weight.shape[1], axis=2)
        return np.einsum("bclk,ck->bcl", self.windows, self.weight.value) + self.bias.value[:, None]

    def spread(self, dout, kernel):
        n, k = dout.shape[2], kernel.shape[1]
        dx = np.zeros((*dout.shape[:2], n + k - 1))
        for i in range(k):
            dx[:, :, i : i + n] += dout * kernel[:, i, None]
        return dx

    def backward(self, dout):
        self.weight.grad += np.einsum("bcl,bclk->ck", dout, self.windows)
        self.bias.grad += dout.sum(axis=(0, 2))
        return self.spread(dout, self.weight.value)


@broken("wrong-axis", inputs=normal((2, 4, 6)))
class DepthwiseBiasOverChannels(Depthwise):
    def backward(self, dout):
        self.weight.grad += np.einsum("bcl,bclk->ck", dout, self.windows)
        self.bias.grad += dout.sum(axis=(0, 1))
        return self.spread(dout, self.weight.value)


@broken("wrong-formula", "wrong-axis")
class DepthwiseFlipped(Depthwise):
    def backward(self, dout):
        self.weight.grad += np.einsum("bcl,bclk->ck", dout, self.windows)
        self.bias.grad += dout.sum(axis=(0, 2))
        return self.spread(dout, self.weight.value[:, ::-1])


@broken("missing-batch-sum")
class DepthwiseKernelPerSample(Depthwise):
    def backward(self, dout):
        self.weight.grad += np.einsum("bcl,bclk->bck", dout, self.windows)
        self.bias.grad += dout.sum(axis=(0, 2))
        return self.spread(dout, self.weight.value)


# ---------------- dilated causal convolution


@sound(lambda r: (r.normal(size=3), 2), normal((2, 7, 3)))
class DilatedCausal(nl.Layer):
    """y_t = Σ_k w_k x_{t - k d}; x is (batch, time, features)."""

    def __init__(self, weight, dilation):
        self.weight, self.dilation = nl.Parameter(weight), dilation

    def room(self, x):
        return np.zeros_like(x)

    def forward(self, x):
        self.x, y = np.array(x), self.room(x)
        for k, w in enumerate(self.weight.value):
            s = k * self.dilation
            y[:, s:] += w * x[:, : x.shape[1] - s]
        return y

    def backward(self, dout):
        dx = np.zeros_like(dout)
        for k, w in enumerate(self.weight.value):
            s = k * self.dilation
            dx[:, : dx.shape[1] - s] += w * dout[:, s:]
            self.weight.grad[k] += (dout[:, s:] * self.x[:, : dx.shape[1] - s]).sum()
        return dx


@broken("aliases-output")
class DilatedCausalReusesRoom(DilatedCausal):
    kept = None

    def room(self, x):
        if self.kept is None or self.kept.shape != x.shape:
            self.kept = np.empty_like(x)
        self.kept.fill(0)
        return self.kept


@broken("missing-term")
class DilatedCausalFirstTap(DilatedCausal):
    """dx from the undelayed tap alone."""

    def backward(self, dout):
        super().backward(dout)
        return self.weight.value[0] * dout


# ---------------- strided maximum


@sound(lambda r: (3,), normal((2, 6, 4)))
class StridedMax(nl.Layer):
    """The largest of each `size` steps; x is (batch, time, features)."""

    def __init__(self, size):
        self.size = size

    def forward(self, x):
        v = x.reshape(len(x), -1, self.size, x.shape[2])
        self.winner = np.arange(self.size)[:, None] == v.argmax(axis=2)[:, :, None]
        return v.max(axis=2)

    def spread(self, dout, mask):
        return (mask * dout[:, :, None]).reshape(len(dout), -1, dout.shape[2])

    def backward(self, dout):
        return self.spread(dout, self.winner)


also(StridedMax, "Ties", inputs=lambda r: [np.round(r.normal(size=(2, 6, 4)))])


@broken("missing-mask")
class StridedMaxEverybody(StridedMax):
    def backward(self, dout):
        return self.spread(dout, np.ones_like(self.winner))


@broken("inverted-mask")
class StridedMaxLosers(StridedMax):
    def backward(self, dout):
        return self.spread(dout, ~self.winner)


# ---------------- unfold


@sound(lambda r: (3,), normal((2, 7)))
class Unfold(nl.Layer):
    """All windows of `size` neighbours: (batch, length) to (batch, windows, size)."""

    def __init__(self, size):
        self.size = size

    def forward(self, x):
        self.at = np.arange(x.shape[1] - self.size + 1)[:, None] + np.arange(self.size)
        self.shape = x.shape
        return x[:, self.at]

    def backward(self, dout):
        dx = np.zeros(self.shape, dout.dtype)
        np.add.at(dx, (slice(None), self.at), dout)
        return dx


@broken("missing-term", "not-accumulated")
class UnfoldFancyAdd(Unfold):
    def backward(self, dout):
        dx = np.zeros(self.shape, dout.dtype)
        dx[:, self.at] += dout
        return dx


# ---------------- group norm


@sound(lambda r: (2, r.uniform(0.5, 1.5, size=4), r.normal(size=4)), normal((3, 4, 5)))
class GroupNorm(nl.Layer):
    """Channels normalised in groups, then scaled and shifted; x is (batch, channel, length)."""

    def __init__(self, groups, gain, shift):
        self.groups, self.gain, self.shift = groups, nl.Parameter(gain), nl.Parameter(shift)

    def forward(self, x):
        v = x.reshape(len(x), self.groups, -1)
        self.inverse = 1 / np.sqrt(v.var(axis=2, keepdims=True) + 1e-5)
        self.hat = ((v - v.mean(axis=2, keepdims=True)) * self.inverse).reshape(x.shape)
        return self.hat * self.gain.value[:, None] + self.shift.value[:, None]

    def scaled(self, dout):
        self.gain.grad += (dout * self.hat).sum(axis=(0, 2))
        self.shift.grad += dout.sum(axis=(0, 2))
        shape = len(dout), self.groups, -1
        return (dout * self.gain.value[:, None]).reshape(shape), self.hat.reshape(shape)

    def backward(self, dout):
        g, hat = self.scaled(dout)
        mean, slope = g.mean(axis=2, keepdims=True), (g * hat).mean(axis=2, keepdims=True)
        return ((g - mean - hat * slope) * self.inverse).reshape(dout.shape)


@broken("missing-term")
class GroupNormConstantVariance(GroupNorm):
    def backward(self, dout):
        g, _ = self.scaled(dout)
        return ((g - g.mean(axis=2, keepdims=True)) * self.inverse).reshape(dout.shape)


@broken("wrong-axis")
class GroupNormOverGroups(GroupNorm):
    def backward(self, dout):
        g, hat = self.scaled(dout)
        mean, slope = g.mean(axis=1, keepdims=True), (g * hat).mean(axis=1, keepdims=True)
        return ((g - mean - hat * slope) * self.inverse).reshape(dout.shape)


@broken("mutates-input")
class GroupNormCentresInPlace(GroupNorm):
    def forward(self, x):
        v = x.reshape(len(x), self.groups, -1)
        v -= v.mean(axis=2, keepdims=True)
        return super().forward(x)


# ---------------- direction and length of a weight


@sound(lambda r: (r.normal(size=(4, 3)), r.uniform(0.5, 2, size=3)), normal((5, 4)))
class WeightScaled(nl.Layer):
    """x W with W = length · V / |V| column by column."""

    def __init__(self, direction, length):
        self.direction, self.length = nl.Parameter(direction), nl.Parameter(length)

    def forward(self, x):
        self.x = np.array(x)
        self.norm = np.sqrt((self.direction.value**2).sum(axis=0))
        self.unit = self.direction.value / self.norm
        return x @ (self.unit * self.length.value)

    def backward(self, dout):
        dw = self.x.T @ dout
        along = (dw * self.unit).sum(axis=0)
        self.length.grad += along
        self.direction.grad += self.length.value / self.norm * (dw - self.unit * along)
        return dout @ (self.unit * self.length.value).T


@broken("missing-gradient", "zero-gradient")
class WeightScaledFixedLength(WeightScaled):
    def backward(self, dout):
        dw = self.x.T @ dout
        along = (dw * self.unit).sum(axis=0)
        self.direction.grad += self.length.value / self.norm * (dw - self.unit * along)
        return dout @ (self.unit * self.length.value).T


@broken("mutates-parameters")
class WeightScaledDecays(WeightScaled):
    def backward(self, dout):
        dx = super().backward(dout)
        self.length.value *= 0.99
        return dx


@broken("missing-term")
class WeightScaledNoProjection(WeightScaled):
    def backward(self, dout):
        dw = self.x.T @ dout
        self.length.grad += (dw * self.unit).sum(axis=0)
        self.direction.grad += self.length.value / self.norm * dw
        return dout @ (self.unit * self.length.value).T


# ---------------- soft threshold


def around(*shape):
    """Some inside ±0.3, some outside ±1, in every column."""
    sizes = np.where(np.arange(shape[0]) % 2, 0.1, 1.2)[:, None]
    return lambda r: [r.choice([-1, 1], size=shape) * r.permuted(sizes + r.uniform(0, 0.2, size=shape), axis=0)]


@sound(lambda r: (r.uniform(0.4, 0.9, size=3),), around(6, 3))
class SoftThreshold(nl.Layer):
    """sign(x) max(|x| - limit, 0), one learned limit a feature."""

    def __init__(self, limit):
        self.limit = nl.Parameter(limit)

    def forward(self, x):
        self.sign, self.open = np.sign(x), np.abs(x) > self.limit.value
        return self.sign * np.maximum(np.abs(x) - self.limit.value, 0)

    def backward(self, dout):
        d = dout * self.open
        self.limit.grad -= (d * self.sign).sum(axis=0)
        return d


also(SoftThreshold, "AtTheKink", args=lambda r: (np.full(3, 0.5),), inputs=lambda r: [r.choice([-1.0, -0.5, 0.0, 0.5, 1.0], size=(4, 3))])


@broken("missing-mask")
class SoftThresholdPassesAll(SoftThreshold):
    def backward(self, dout):
        self.limit.grad -= (dout * self.open * self.sign).sum(axis=0)
        return dout.copy()


@broken("inverted-mask")
class SoftThresholdInside(SoftThreshold):
    def backward(self, dout):
        self.limit.grad -= (dout * self.open * self.sign).sum(axis=0)
        return dout * ~self.open


@broken("mutates-upstream")
class SoftThresholdZeroesUpstream(SoftThreshold):
    def backward(self, dout):
        dout[~self.open] = 0
        self.limit.grad -= (dout * self.sign).sum(axis=0)
        return dout.copy()


# ---------------- ranking loss over pairs


@sound(lambda r: (0.5,), normal((3, 5)))
class PairRanking(nl.Layer):
    """Σ over i < j of max(0, margin - s_i + s_j): who stands first should score higher."""

    def __init__(self, margin):
        self.margin = margin

    def gaps(self, s):
        return self.margin - s[:, :, None] + s[:, None, :], np.triu(np.ones((s.shape[1],) * 2, bool), 1)

    def forward(self, s):
        gap, pairs = self.gaps(s)
        self.active = (gap > 0) & pairs
        return (gap * self.active).sum(axis=(1, 2))

    def pull(self, active):
        return active.sum(axis=1) - active.sum(axis=2)

    def backward(self, dout):
        return dout[:, None] * self.pull(self.active)


@broken("inverted-mask")
class PairRankingSatisfied(PairRanking):
    def forward(self, s):
        gap, pairs = self.gaps(s)
        self.active = (gap <= 0) & pairs
        return (np.maximum(gap, 0) * pairs).sum(axis=(1, 2))


@broken("stale-cache")
class PairRankingFirstPairs(PairRanking):
    active = None

    def forward(self, s):
        gap, pairs = self.gaps(s)
        if self.active is None or self.active.shape != gap.shape:
            self.active = (gap > 0) & pairs
        return (np.maximum(gap, 0) * pairs).sum(axis=(1, 2))


@broken("nondeterministic")
class PairRankingSampled(PairRanking):
    """Backward takes a random half of the pairs, at double weight."""

    def backward(self, dout):
        half = np.random.default_rng().uniform(size=self.active.shape) < 0.5
        return dout[:, None] * self.pull(2 * (self.active & half))


# ---------------- cosine similarity


@sound(inputs=normal((5, 3), (5, 3)))
class CosineSimilarity(nl.Layer):
    """The cosine of the angle between the rows of a and b."""

    def forward(self, a, b):
        self.a, self.b = np.array(a), np.array(b)
        self.na, self.nb = (np.sqrt((v**2).sum(axis=1, keepdims=True)) for v in (a, b))
        self.c = (a * b).sum(axis=1, keepdims=True) / (self.na * self.nb)
        return self.c[:, 0].copy()

    def grads(self, dout):
        d = dout[:, None]
        return d * (self.b / self.nb - self.c * self.a / self.na) / self.na, d * (self.a / self.na - self.c * self.b / self.nb) / self.nb

    def backward(self, dout):
        return self.grads(dout)


also(CosineSimilarity, "32", inputs=normal((4, 6), (4, 6), dtype=np.float32))


@broken("swapped")
class CosineSimilarityOrder(CosineSimilarity):
    def backward(self, dout):
        da, db = self.grads(dout)
        return db, da


@broken("dtype-changed")
class CosineSimilaritySingle(CosineSimilarity):
    def backward(self, dout):
        da, db = self.grads(dout)
        return da.astype(np.float32), db.astype(np.float32)


# ---------------- three operands


@sound(normal((3, 4, 2)), normal((5, 3), (5, 4)))
class Trilinear(nl.Layer):
    """y_nk = Σ_ij x_ni z_nj T_ijk."""

    def __init__(self, tensor):
        self.tensor = nl.Parameter(tensor)

    def forward(self, x, z):
        self.x, self.z = np.array(x), np.array(z)
        return np.einsum("ni,nj,ijk->nk", x, z, self.tensor.value)

    def dtensor(self, dout):
        return np.einsum("nk,ni,nj->ijk", dout, self.x, self.z)

    def dx(self, dout):
        return np.einsum("nk,nj,ijk->ni", dout, self.z, self.tensor.value)

    def dz(self, dout):
        return np.einsum("nk,ni,ijk->nj", dout, self.x, self.tensor.value)

    def backward(self, dout):
        self.tensor.grad += self.dtensor(dout)
        return self.dx(dout), self.dz(dout)


also(Trilinear, "Square", normal((3, 3, 3)), normal((3, 3), (3, 3)))


@broken("double-counted", "wrong-scale")
class TrilinearAddedTwice(Trilinear):
    """Once for the path through x, and once more for the path through z."""

    def backward(self, dout):
        self.tensor.grad += self.dtensor(dout)
        dx = self.dx(dout)
        self.tensor.grad += self.dtensor(dout)
        return dx, self.dz(dout)


@broken("missing-transpose", args=normal((4, 4, 2)), inputs=normal((5, 4), (5, 4)))
class TrilinearTransposed(Trilinear):
    def dx(self, dout):
        return np.einsum("nk,nj,jik->ni", dout, self.z, self.tensor.value)


@broken("zero-gradient")
class TrilinearConstantZ(Trilinear):
    def dz(self, dout):
        return np.zeros_like(self.z)


# ---------------- Khatri-Rao product


@sound(inputs=normal((3, 4), (2, 4)))
class KhatriRao(nl.Layer):
    """Column by column the Kronecker product of a (I, R) and b (J, R)."""

    def forward(self, a, b):
        self.a, self.b = np.array(a), np.array(b)
        return (a[:, None] * b).reshape(-1, a.shape[1])

    def backward(self, dout):
        d = dout.reshape(len(self.a), len(self.b), -1)
        return (d * self.b).sum(axis=1), (d * self.a[:, None]).sum(axis=0)


@broken("missing-batch-sum", "wrong-shape")
class KhatriRaoUnsummed(KhatriRao):
    def backward(self, dout):
        d = dout.reshape(len(self.a), len(self.b), -1)
        return (d * self.b).sum(axis=1), d * self.a[:, None]


@broken("wrong-axis", inputs=normal((3, 4), (3, 4)))
class KhatriRaoOtherAxis(KhatriRao):
    def backward(self, dout):
        d = dout.reshape(len(self.a), len(self.b), -1)
        return (d * self.b).sum(axis=0), (d * self.a[:, None]).sum(axis=0)


# ---------------- tied autoencoder


@sound(normal((4, 3)), normal((5, 4)))
class TiedAutoencoder(nl.Layer):
    """tanh(x W) Wᵀ with one W."""

    def __init__(self, weight):
        self.weight = nl.Parameter(weight)

    def forward(self, x):
        self.x, self.h = np.array(x), np.tanh(x @ self.weight.value)
        return self.h @ self.weight.value.T

    def backward(self, dout):
        dz = dout @ self.weight.value * (1 - self.h**2)
        self.weight.grad += self.x.T @ dz + dout.T @ self.h
        return dz @ self.weight.value.T


@broken("missing-term")
class TiedAutoencoderDecoderOnly(TiedAutoencoder):
    def backward(self, dout):
        dz = dout @ self.weight.value * (1 - self.h**2)
        self.weight.grad += dout.T @ self.h
        return dz @ self.weight.value.T


@broken("double-counted")
class TiedAutoencoderEncoderTwice(TiedAutoencoder):
    def backward(self, dout):
        dz = dout @ self.weight.value * (1 - self.h**2)
        self.weight.grad += dout.T @ self.h
        self.weight.grad += self.x.T @ dz
        self.weight.grad += self.x.T @ dz
        return dz @ self.weight.value.T


@broken("not-accumulated")
class TiedAutoencoderStartsAnew(TiedAutoencoder):
    def backward(self, dout):
        dz = dout @ self.weight.value * (1 - self.h**2)
        self.weight.grad = dout.T @ self.h
        self.weight.grad += self.x.T @ dz
        return dz @ self.weight.value.T


@broken("mutates-parameters")
class TiedAutoencoderSteps(TiedAutoencoder):
    def backward(self, dout):
        dz = dout @ self.weight.value * (1 - self.h**2)
        dw = self.x.T @ dz + dout.T @ self.h
        self.weight.grad += dw
        self.weight.value -= 0.1 * dw
        return dz @ self.weight.value.T


# ---------------- hypernetwork


@sound(normal((2, 12)), normal((5, 2), (5, 3)))
class HyperDense(nl.Layer):
    """y = x · W(z), where each row of z makes its own matrix W."""

    def __init__(self, maker):
        self.maker = nl.Parameter(maker)

    def forward(self, z, x):
        self.z, self.x = np.array(z), np.array(x)
        self.w = (z @ self.maker.value).reshape(*x.shape, -1)
        return np.einsum("nd,ndo->no", x, self.w)

    def dw(self, dout):
        dw = (self.x[:, :, None] * dout[:, None]).reshape(len(dout), -1)
        self.maker.grad += self.z.T @ dw
        return dw

    def backward(self, dout):
        return self.dw(dout) @ self.maker.value.T, np.einsum("no,ndo->nd", dout, self.w)


@broken("zero-gradient")
class HyperDenseDetached(HyperDense):
    def backward(self, dout):
        self.dw(dout)
        return np.zeros(self.z.shape), np.einsum("no,ndo->nd", dout, self.w)


@broken("missing-gradient")
class HyperDenseOnlyX(HyperDense):
    def backward(self, dout):
        self.dw(dout)
        return (np.einsum("no,ndo->nd", dout, self.w),)


@broken("wrong-shape")
class HyperDenseColumn(HyperDense):
    """A matrix product with a column, the last axis left in place."""

    def backward(self, dout):
        return self.dw(dout) @ self.maker.value.T, self.w @ dout[:, :, None]


# ---------------- mixture density


@sound(inputs=lambda r: [*(r.normal(size=(5, 3)) * s for s in (1, 1, 0.3)), r.normal(size=5)])
class MixtureDensityLoss(nl.Layer):
    """-log Σ_k π_k N(t; mu_k, exp(s_k)²) for each row, π = softmax(logits)."""

    n_nondifferentiable_inputs = 1

    def forward(self, logits, mu, s, t):
        self.mu, self.sigma, self.t, self.prior = np.array(mu), np.exp(s), np.array(t)[:, None], softmax(logits)
        self.z = (self.t - mu) / self.sigma
        joint = self.prior * np.exp(-0.5 * self.z**2) / self.sigma / np.sqrt(2 * np.pi)
        self.share = joint / joint.sum(axis=1, keepdims=True)
        return -np.log(joint.sum(axis=1))

    def grads(self, dout, share):
        d = dout[:, None]
        return d * (self.prior - self.share), -d * share * self.z / self.sigma, d * share * (1 - self.z**2)

    def backward(self, dout):
        return self.grads(dout, self.share)


@broken("wrong-formula")
class MixtureDensityLossPrior(MixtureDensityLoss):
    """The weights before the target was seen, where those after belong."""

    def backward(self, dout):
        return self.grads(dout, self.prior)


@broken("missing-term")
class MixtureDensityLossUnnormalised(MixtureDensityLoss):
    def backward(self, dout):
        _, dmu, ds = self.grads(dout, self.share)
        return -dout[:, None] * self.share, dmu, ds


# ---------------- quaternions, cross product, rotation


def hamilton(p, q):
    a, b, c, d = np.moveaxis(p, -1, 0)
    e, f, g, h = np.moveaxis(q, -1, 0)
    parts = a * e - b * f - c * g - d * h, a * f + b * e + c * h - d * g, a * g - b * h + c * e + d * f, a * h + b * g - c * f + d * e
    return np.stack(parts, axis=-1)


@sound(inputs=normal((5, 4), (5, 4)))
class QuaternionProduct(nl.Layer):
    """The Hamilton product of the rows of p and q."""

    conjugate = np.array([1.0, -1, -1, -1])

    def forward(self, p, q):
        self.p, self.q = np.array(p), np.array(q)
        return hamilton(p, q)

    def backward(self, dout):
        return hamilton(dout, self.q * self.conjugate), hamilton(self.p * self.conjugate, dout)


@broken("wrong-formula")
class QuaternionProductCommutes(QuaternionProduct):
    def backward(self, dout):
        return hamilton(dout, self.q * self.conjugate), hamilton(dout, self.p * self.conjugate)


@sound(inputs=normal((5, 3), (3,)))
class CrossProduct(nl.Layer):
    """a × b for rows a and one axis b for all."""

    def forward(self, a, b):
        self.a, self.b = np.array(a), np.array(b)
        return np.cross(a, b)

    def backward(self, dout):
        return np.cross(self.b, dout), np.cross(dout, self.a).sum(axis=0)


@broken("missing-batch-sum")
class CrossProductAxisPerRow(CrossProduct):
    def backward(self, dout):
        return np.cross(self.b, dout), np.cross(dout, self.a)


@broken("wrong-sign")
class CrossProductOrder(CrossProduct):
    def backward(self, dout):
        return np.cross(dout, self.b), np.cross(dout, self.a).sum(axis=0)


@sound(lambda r: (np.array([-200.0, 75, 500]) + r.uniform(-20, 20, size=3),), normal((4, 3, 2)))
class PlaneRotation(nl.Layer):
    """Each pair of coordinates turned by a learned angle in degrees; x is (batch, plane, 2)."""

    def __init__(self, degrees):
        self.degrees = nl.Parameter(degrees)

    def forward(self, x):
        angle = np.deg2rad(self.degrees.value)
        c, s = np.cos(angle), np.sin(angle)
        self.x, self.turn = np.array(x), np.array([[c, -s], [s, c]])
        self.further = np.array([[-s, -c], [c, -s]])
        return np.einsum("ijp,npj->npi", self.turn, x)

    def dangle(self, dout):
        return np.einsum("npi,ijp,npj->p", dout, self.further, self.x)

    def backward(self, dout):
        self.degrees.grad += self.dangle(dout) * np.pi / 180
        return np.einsum("ijp,npi->npj", self.turn, dout)


@broken("wrong-scale")
class PlaneRotationInRadians(PlaneRotation):
    def backward(self, dout):
        self.degrees.grad += self.dangle(dout)
        return np.einsum("ijp,npi->npj", self.turn, dout)


@broken("mutates-parameters")
class PlaneRotationWraps(PlaneRotation):
    def forward(self, x):
        self.degrees.value %= 360
        return super().forward(x)


# ---------------- mean with softmax weights


@sound(inputs=normal((3, 5), (3, 5, 2)))
class SoftmaxMean(nl.Layer):
    """Σ_t softmax(s)_t v_t for scores (batch, time) and values (batch, time, features)."""

    def forward(self, s, v):
        self.w, self.v = softmax(s), np.array(v)
        return np.einsum("bt,btd->bd", self.w, v)

    def grads(self, dout, through):
        dw = np.einsum("bd,btd->bt", dout, self.v)
        return through(dw), self.w[:, :, None] * dout[:, None]

    def backward(self, dout):
        return self.grads(dout, lambda dw: self.w * (dw - (self.w * dw).sum(axis=1, keepdims=True)))


@broken("diagonal-only")
class SoftmaxMeanDiagonal(SoftmaxMean):
    def backward(self, dout):
        return self.grads(dout, lambda dw: dw * self.w * (1 - self.w))


@broken("wrong-axis")
class SoftmaxMeanOverBatch(SoftmaxMean):
    def backward(self, dout):
        return self.grads(dout, lambda dw: self.w * (dw - (self.w * dw).sum(axis=0, keepdims=True)))


@broken("stale-cache")
class SoftmaxMeanFirstWeights(SoftmaxMean):
    """The weights were kept for a picture, once, and then used in backward."""

    w = None

    def forward(self, s, v):
        w = softmax(s)
        if self.w is None:
            self.w = w
        self.v = np.array(v)
        return np.einsum("bt,btd->bd", w, v)


# ---------------- variance pooling


@sound(inputs=normal((2, 5, 3)))
class VariancePool(nl.Layer):
    """The variance over time; x is (batch, time, features)."""

    def forward(self, x):
        self.d = x - x.mean(axis=1, keepdims=True)
        return (self.d**2).mean(axis=1)

    def backward(self, dout):
        return 2 * dout[:, None] * self.d / self.d.shape[1]


@broken("wrong-scale")
class VariancePoolHalf(VariancePool):
    def backward(self, dout):
        return dout[:, None] * self.d / self.d.shape[1]


@broken("mutates-upstream", inputs=normal((1, 4, 3)))
class VariancePoolScalesUpstream(VariancePool):
    def backward(self, dout):
        dout *= 2 / self.d.shape[1]
        return dout[:, None] * self.d


# ---------------- min-max normalisation


@sound(inputs=normal((4, 6)))
class MinMax(nl.Layer):
    """(x - min) / (max - min), row by row."""

    def forward(self, x):
        self.low, self.high = x.argmin(axis=1), x.argmax(axis=1)
        least = x.min(axis=1, keepdims=True)
        self.span = x.max(axis=1, keepdims=True) - least
        y = (x - least) / self.span
        self.y = y.copy()
        return y

    def backward(self, dout):
        dx, rows = dout / self.span, np.arange(len(dout))
        dx[rows, self.low] += (dout * (self.y - 1) / self.span).sum(axis=1)
        dx[rows, self.high] -= (dout * self.y / self.span).sum(axis=1)
        return dx


@broken("missing-term", "diagonal-only")
class MinMaxFixedRange(MinMax):
    def backward(self, dout):
        return dout / self.span


@broken("mutates-input")
class MinMaxShiftsInput(MinMax):
    def forward(self, x):
        x -= x.min(axis=1, keepdims=True)
        return super().forward(x)


# ---------------- cumulative maximum


@sound(inputs=normal((3, 6)))
class CumulativeMax(nl.Layer):
    """The largest so far, along each row."""

    def forward(self, x):
        y = np.maximum.accumulate(x, axis=1)
        steps = np.arange(x.shape[1])
        fresh = np.concatenate([np.ones((len(x), 1), bool), x[:, 1:] > y[:, :-1]], axis=1)
        self.source = np.maximum.accumulate(np.where(fresh, steps, 0), axis=1)
        return y

    def backward(self, dout):
        dx = np.zeros_like(dout)
        np.add.at(dx, (np.arange(len(dout))[:, None], self.source), dout)
        return dx


also(CumulativeMax, "Ties", inputs=lambda r: [np.round(2 * r.normal(size=(3, 6))) / 2])


@broken("ignores-upstream")
class CumulativeMaxCounts(CumulativeMax):
    """How often each element was the largest, whatever came from above."""

    def backward(self, dout):
        return super().backward(np.ones_like(dout))


# ---------------- elementwise and pooling with delicate places


def with_large(r):
    x = r.normal(size=(4, 3))
    x[1, 2], x[3, 0] = 800, -900
    return [x]


@sound(inputs=with_large)
class LogCosh(nl.Layer):
    """log cosh x, without overflow."""

    def forward(self, x):
        self.x = np.array(x)
        return np.logaddexp(x, -x) - np.log(2)

    def backward(self, dout):
        return dout * np.tanh(self.x)


@broken("non-finite")
class LogCoshQuotient(LogCosh):
    def backward(self, dout):
        return dout * np.sinh(self.x) / np.cosh(self.x)


@sound(lambda r: (np.array([0.5, 0.0, -1.2, 2.0]) + np.array([1, 0, 1, 1]) * r.uniform(-0.2, 0.2, size=4),), positive(5, 4))
class BoxCox(nl.Layer):
    """(x^λ - 1) / λ, and log x where λ = 0; one λ a feature."""

    def __init__(self, power):
        self.power = nl.Parameter(power)

    def forward(self, x):
        self.log, p = np.log(x), self.power.value
        return np.where(p == 0, self.log, np.expm1(p * self.log) / np.where(p == 0, 1, p))

    def dpower(self):
        p = self.power.value
        u, safe = p * self.log, np.where(p == 0, 1, p)
        return np.where(p == 0, self.log**2 / 2, (u * np.exp(u) - np.expm1(u)) / safe**2)

    def backward(self, dout):
        self.power.grad += (dout * self.dpower()).sum(axis=0)
        return dout * np.exp((self.power.value - 1) * self.log)


@broken("non-finite")
class BoxCoxNoLimit(BoxCox):
    def dpower(self):
        p = self.power.value
        u = p * self.log
        return (u * np.exp(u) - np.expm1(u)) / p**2


@sound(inputs=positive(5, 3))
class HarmonicMean(nl.Layer):
    """n / Σ 1/x along each row."""

    def forward(self, x):
        self.x, y = np.array(x), x.shape[1] / (1 / x).sum(axis=1)
        self.y = y.copy()
        return y

    def backward(self, dout):
        return (dout * self.y**2)[:, None] / (self.x.shape[1] * self.x**2)


@broken("ignores-upstream", inputs=positive(1, 4))
class HarmonicMeanAlone(HarmonicMean):
    def backward(self, dout):
        return (self.y**2)[:, None] / (self.x.shape[1] * self.x**2)


def with_zeros(r):
    x = r.normal(size=(4, 3))
    x[0, 1] = x[2, 2] = 0
    return [x]


@sound(inputs=with_zeros)
class ProductPool(nl.Layer):
    """The product of each row; its derivative is the product of the others."""

    def forward(self, x):
        self.x, y = np.array(x), x.prod(axis=1)
        self.y = y.copy()
        return y

    def backward(self, dout):
        ones = np.ones((len(self.x), 1))
        before = np.concatenate([ones, self.x[:, :-1]], axis=1).cumprod(axis=1)
        after = np.concatenate([ones, self.x[:, :0:-1]], axis=1).cumprod(axis=1)[:, ::-1]
        return dout[:, None] * before * after


@broken("non-finite")
class ProductPoolDivides(ProductPool):
    def backward(self, dout):
        return dout[:, None] * self.y[:, None] / self.x


# ---------------- chance


@sound(lambda r: (0.4, 7), normal((4, 5)))
class BlockNoise(nl.Layer):
    """Each element doubled, kept or dropped at random in training; the identity in evaluation."""

    def __init__(self, spread, seed):
        self.spread, self.rng = spread, np.random.default_rng(seed)

    def draw(self, shape):
        return self.rng.choice([0.0, 1.0, 2.0], size=shape) * self.spread + 1 - self.spread if self.training else np.ones(shape)

    def forward(self, x):
        self.factor = self.draw(x.shape)
        return x * self.factor

    def backward(self, dout):
        return dout * self.factor


@broken("nondeterministic")
class BlockNoiseDrawsAgain(BlockNoise):
    def backward(self, dout):
        return dout * self.draw(dout.shape)


@sound(lambda r: (r.normal(size=(4, 3)), 0.4, 11), normal((5, 4)))
class DropConnect(nl.Layer):
    """x (W ⊙ mask) / (1 - p), a mask over the weights."""

    def __init__(self, weight, p, rng):
        self.weight, self.p, self.rng = nl.Parameter(weight), p, np.random.default_rng(rng)

    def forward(self, x):
        self.x, self.mask = np.array(x), (self.rng.uniform(size=self.weight.shape) >= self.p) / (1 - self.p)
        return x @ (self.weight.value * self.mask)

    def backward(self, dout):
        self.weight.grad += self.x.T @ dout * self.mask
        return dout @ (self.weight.value * self.mask).T


@broken("nondeterministic")
class DropConnectUnseeded(DropConnect):
    def forward(self, x):
        self.rng = np.random.default_rng()
        return super().forward(x)


@broken("missing-mask")
class DropConnectAllWeights(DropConnect):
    def backward(self, dout):
        self.weight.grad += self.x.T @ dout / (1 - self.p)
        return dout @ (self.weight.value * self.mask).T
