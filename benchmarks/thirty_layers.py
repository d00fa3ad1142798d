"""Thirty layers with one mistake each, which `benchmarks.thirty` gives to three gradient checkers.

They come from a set whose author had read neither the checker's rules nor its reports. The
docstring of each class says what it computes; `BROKEN` says what is wrong.
"""

# ruff: noqa: D102
# mypy: disable-error-code="no-any-return"

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

import netlib as nl

Array = NDArray[Any]


def softmax(z: Array) -> Array:
    """Return exp(z) / Σ exp(z) along the last axis."""
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def sigmoid(z: Array) -> Array:
    """Return 1 / (1 + exp(-z))."""
    return 1.0 / (1.0 + np.exp(-z))


class LayerNormNoMean(nl.Layer):
    """Layer norm over the last axis, then y = γ x̂ + β."""

    def __init__(self, n: int) -> None:
        self.gamma = nl.Parameter(np.linspace(0.5, 1.5, n))
        self.beta = nl.Parameter(np.zeros(n))

    def forward(self, x: Array) -> Array:
        xc = x - x.mean(axis=-1, keepdims=True)
        self.inv = 1.0 / np.sqrt((xc**2).mean(axis=-1, keepdims=True) + 1e-5)
        self.xh = xc * self.inv
        return self.xh * self.gamma.value + self.beta.value

    def backward(self, dout: Array) -> Array:
        self.gamma.grad += (dout * self.xh).reshape(-1, self.xh.shape[-1]).sum(axis=0)
        self.beta.grad += dout.reshape(-1, self.xh.shape[-1]).sum(axis=0)
        g = dout * self.gamma.value
        return self.inv * (g - self.xh * (g * self.xh).mean(axis=-1, keepdims=True))


class BatchNormConstants(nl.Layer):
    """Batch norm over axis 0 with running statistics."""

    def __init__(self, c: int) -> None:
        self.gamma = nl.Parameter(np.linspace(0.5, 1.5, c))
        self.beta = nl.Parameter(np.zeros(c))
        self.running_mean = nl.Buffer(np.zeros(c))
        self.running_var = nl.Buffer(np.ones(c))

    def forward(self, x: Array) -> Array:
        if self.training:
            mean, var = x.mean(axis=0), x.var(axis=0)
            n = len(x)
            self.running_mean.value = 0.9 * self.running_mean.value + 0.1 * mean
            self.running_var.value = 0.9 * self.running_var.value + 0.1 * var * n / (n - 1)
        else:
            mean, var = self.running_mean.value.copy(), self.running_var.value.copy()
        self.inv = 1.0 / np.sqrt(var + 1e-5)
        self.xh = (x - mean) * self.inv
        return self.xh * self.gamma.value + self.beta.value

    def backward(self, dout: Array) -> Array:
        self.gamma.grad += (dout * self.xh).sum(axis=0)
        self.beta.grad += dout.sum(axis=0)
        return dout * self.gamma.value * self.inv


class GroupNormPerChannel(nl.Layer):
    """Group norm of an (N, C, H, W) array, then y = γ x̂."""

    def __init__(self, groups: int, channels: int) -> None:
        self.groups = groups
        self.gamma = nl.Parameter(np.linspace(0.5, 1.5, channels))

    def forward(self, x: Array) -> Array:
        n, c, h, w = x.shape
        xg = x.reshape(n, self.groups, c // self.groups, h, w)
        xc = xg - xg.mean(axis=(2, 3, 4), keepdims=True)
        self.inv = 1.0 / np.sqrt((xc**2).mean(axis=(2, 3, 4), keepdims=True) + 1e-5)
        self.xh = xc * self.inv
        return self.xh.reshape(x.shape) * self.gamma.value[:, None, None]

    def backward(self, dout: Array) -> Array:
        self.gamma.grad += (dout * self.xh.reshape(dout.shape)).sum(axis=(0, 2, 3))
        g = (dout * self.gamma.value[:, None, None]).reshape(self.xh.shape)
        m = g.mean(axis=(3, 4), keepdims=True)
        p = (g * self.xh).mean(axis=(3, 4), keepdims=True)
        return (self.inv * (g - m - self.xh * p)).reshape(dout.shape)


class UnitRowsDiagonal(nl.Layer):
    """y = x / ‖x‖, row by row."""

    def forward(self, x: Array) -> Array:
        self.n = np.sqrt((x * x).sum(axis=1, keepdims=True))
        self.u = x / self.n
        return self.u.copy()

    def backward(self, dout: Array) -> Array:
        return dout * (1 - self.u**2) / self.n


class Attention(nl.Layer):
    """The forward pass of y = softmax(q kᵀ / √d) v."""

    def forward(self, q: Array, k: Array, v: Array) -> Array:
        self.q, self.k, self.v = q.copy(), k.copy(), v.copy()
        self.scale = float(q.shape[-1]) ** -0.5
        self.a = softmax(q @ k.swapaxes(-1, -2) * self.scale)
        return self.a @ v


class NoScaleInBackward(Attention):
    """y = softmax(q kᵀ / √d) v."""

    def backward(self, dout: Array) -> tuple[Array, Array, Array]:
        da = dout @ self.v.swapaxes(-1, -2)
        ds = self.a * (da - (da * self.a).sum(axis=-1, keepdims=True))
        return ds @ self.k, ds.swapaxes(-1, -2) @ self.q, self.a.swapaxes(-1, -2) @ dout


class KeyUntransposed(Attention):
    """y = softmax(q kᵀ / √d) v."""

    def backward(self, dout: Array) -> tuple[Array, Array, Array]:
        da = dout @ self.v.swapaxes(-1, -2)
        ds = self.a * (da - (da * self.a).sum(axis=-1, keepdims=True)) * self.scale
        return ds @ self.k, ds @ self.q, self.a.swapaxes(-1, -2) @ dout


class CausalUnmaskedBackward(nl.Layer):
    """y = tril(q kᵀ) v: linear causal attention."""

    def forward(self, q: Array, k: Array, v: Array) -> Array:
        self.q, self.k, self.v = q.copy(), k.copy(), v.copy()
        self.s = np.tril(q @ k.swapaxes(-1, -2))
        return self.s @ v

    def backward(self, dout: Array) -> tuple[Array, Array, Array]:
        ds = dout @ self.v.swapaxes(-1, -2)
        return ds @ self.k, ds.swapaxes(-1, -2) @ self.q, self.s.swapaxes(-1, -2) @ dout


class RNNNoTime(nl.Layer):
    """h_t = tanh(x_t Wx + h_{t-1} Wh + b)."""

    def __init__(self, rng: Generator, n: int, h: int) -> None:
        self.wx = nl.Parameter(rng.normal(size=(n, h)))
        self.wh = nl.Parameter(0.5 * rng.normal(size=(h, h)))
        self.b = nl.Parameter(rng.normal(size=h))

    def forward(self, x: Array) -> Array:
        self.x = x.copy()
        n, t, _ = x.shape
        self.hs = np.zeros((n, t + 1, self.b.shape[0]))
        for i in range(t):
            self.hs[:, i + 1] = np.tanh(x[:, i] @ self.wx.value + self.hs[:, i] @ self.wh.value + self.b.value)
        return self.hs[:, 1:].copy()

    def backward(self, dout: Array) -> Array:
        dx = np.zeros_like(self.x)
        for i in range(self.x.shape[1]):
            dz = dout[:, i] * (1 - self.hs[:, i + 1] ** 2)
            self.wx.grad += self.x[:, i].T @ dz
            self.wh.grad += self.hs[:, i].T @ dz
            self.b.grad += dz.sum(axis=0)
            dx[:, i] = dz @ self.wx.value.T
        return dx


class LSTMCellPathLost(nl.Layer):
    """One step of an LSTM: the next h and c."""

    n_outputs = 2

    def __init__(self, rng: Generator, n: int, h: int) -> None:
        self.h = h
        self.w = nl.Parameter(0.6 * rng.normal(size=(n + h, 4 * h)))

    def forward(self, x: Array, h: Array, c: Array) -> tuple[Array, Array]:
        self.xh = np.concatenate([x, h], axis=1)
        self.c = c.copy()
        z = self.xh @ self.w.value
        i, f, g, o = np.split(z, 4, axis=1)
        self.i, self.f, self.g, self.o = sigmoid(i), sigmoid(f), np.tanh(g), sigmoid(o)
        cn = self.f * c + self.i * self.g
        self.t = np.tanh(cn)
        return self.o * self.t, cn

    def backward(self, dout: tuple[Array, Array]) -> tuple[Array, Array, Array]:
        dh, _ = dout
        dc = dh * self.o * (1 - self.t**2)
        dz = [dc * self.g * self.i * (1 - self.i), dc * self.c * self.f * (1 - self.f)]
        dz += [dc * self.i * (1 - self.g**2), dh * self.t * self.o * (1 - self.o)]
        return self.finish(np.concatenate(dz, axis=1), dc * self.f)

    def finish(self, dz: Array, dc: Array) -> tuple[Array, Array, Array]:
        self.w.grad += self.xh.T @ dz
        d = dz @ self.w.value.T
        return d[:, : -self.h], d[:, -self.h :], dc


class Convolution(nl.Layer):
    """The forward pass of a convolution along time: stride 1, no padding, weight (out, in, k)."""

    def __init__(self, rng: Generator, c: int, o: int, k: int) -> None:
        self.w = nl.Parameter(rng.normal(size=(o, c, k)))
        self.b = nl.Parameter(rng.normal(size=o))

    def forward(self, x: Array) -> Array:
        self.x = x.copy()
        k = self.w.shape[2]
        self.t = x.shape[2] - k + 1
        y = sum(np.einsum("oc,nct->not", self.w.value[:, :, j], x[:, :, j : j + self.t]) for j in range(k))
        return y + self.b.value[:, None]


class ConvKernelNotReversed(Convolution):
    """A convolution along time."""

    def backward(self, dout: Array) -> Array:
        self.weight_grad(dout)
        dx, k = np.zeros_like(self.x), self.w.shape[2]
        for j in range(k):
            dx[:, :, j : j + self.t] += np.einsum("oc,not->nct", self.w.value[:, :, k - 1 - j], dout)
        return dx

    def weight_grad(self, dout: Array) -> None:
        self.b.grad += dout.sum(axis=(0, 2))
        for j in range(self.w.shape[2]):
            self.w.grad[:, :, j] += np.einsum("not,nct->oc", dout, self.x[:, :, j : j + self.t])


class ConvBiasMean(Convolution):
    """A convolution along time."""

    def backward(self, dout: Array) -> Array:
        dx = np.zeros_like(self.x)
        self.b.grad += dout.mean(axis=2).sum(axis=0)
        for j in range(self.w.shape[2]):
            self.w.grad[:, :, j] += np.einsum("not,nct->oc", dout, self.x[:, :, j : j + self.t])
            dx[:, :, j : j + self.t] += np.einsum("oc,not->nct", self.w.value[:, :, j], dout)
        return dx


class MaxPoolAllElements(nl.Layer):
    """The maximum of each 2 × 2 window."""

    def forward(self, x: Array) -> Array:
        n, c, h, w = x.shape
        self.xw = x.reshape(n, c, h // 2, 2, w // 2, 2)
        return self.xw.max(axis=(3, 5))

    def backward(self, dout: Array) -> Array:
        return dout.repeat(2, axis=2).repeat(2, axis=3)


class EmbeddingAssign(nl.Layer):
    """y = the rows of a table."""

    n_nondifferentiable_inputs = 1

    def __init__(self, rng: Generator, n: int, d: int) -> None:
        self.weight = nl.Parameter(rng.normal(size=(n, d)))

    def forward(self, ids: Array) -> Array:
        self.ids = ids.copy()
        return self.weight.value[ids]

    def backward(self, dout: Array) -> None:
        self.weight.grad[self.ids] += dout


class PermuteAgain(nl.Layer):
    """y = the columns of x in another order."""

    def __init__(self, p: list[int]) -> None:
        self.p = np.array(p)

    def forward(self, x: Array) -> Array:
        return x[:, self.p]

    def backward(self, dout: Array) -> Array:
        return dout[:, self.p]


class CrossEntropy(nl.Layer):
    """The forward pass of the mean of -log softmax(z)[t]."""

    n_nondifferentiable_inputs = 1

    def forward(self, z: Array, t: Array) -> Array:
        self.p, self.t = softmax(z), t.copy()
        return -np.log(self.p[np.arange(len(t)), t]).mean()

    def onehot(self) -> Array:
        return np.eye(self.p.shape[1], dtype=self.p.dtype)[self.t]


class CrossEntropySign(CrossEntropy):
    """L = the mean of -log softmax(z)[t]."""

    def backward(self, dout: Array) -> Array:
        return dout * (self.onehot() - self.p) / len(self.t)


class CrossEntropyDropsDout(CrossEntropy):
    """L = the mean of -log softmax(z)[t]."""

    def backward(self, dout: Array) -> Array:
        return (self.p - self.onehot()) / len(self.t)


class HingeNoMask(nl.Layer):
    """L = the mean of max(1 - t y, 0)."""

    n_nondifferentiable_inputs = 1

    def forward(self, y: Array, t: Array) -> Array:
        self.t = t.copy()
        self.m = 1 - t * y
        return np.maximum(self.m, 0).mean()

    def backward(self, dout: Array) -> Array:
        return -dout * self.t / self.t.size


class Elementwise(nl.Layer):
    """y = f(x), element by element, with dL/dx = dL/dy f'(x)."""

    def forward(self, x: Array) -> Array:
        self.x = x.copy()
        return self.f(x)

    def backward(self, dout: Array) -> Array:
        return dout * self.slope(self.x)

    def f(self, x: Array) -> Array:
        raise NotImplementedError

    def slope(self, x: Array) -> Array:
        raise NotImplementedError


class LeakyExchanged(Elementwise):
    """y = x where x > 0, and 0.1 x elsewhere."""

    def f(self, x: Array) -> Array:
        return np.where(x > 0, x, 0.1 * x)

    def slope(self, x: Array) -> Array:
        return np.where(x > 0, np.asarray(0.1, x.dtype), np.asarray(1.0, x.dtype))


class SqrtForgetsTwo(Elementwise):
    """y = √(x² + 1)."""

    def f(self, x: Array) -> Array:
        return np.sqrt(x * x + 1)

    def slope(self, x: Array) -> Array:
        return 2 * x / np.sqrt(x * x + 1)


class ISRLUNoDout(nl.Layer):
    """y = x / √(1 + x²) where x < 0, and x elsewhere."""

    def forward(self, x: Array) -> Array:
        self.r = 1 / np.sqrt(1 + np.minimum(x, 0) ** 2)
        return x * self.r

    def backward(self, dout: Array) -> Array:
        return self.r**3


class AddBroadcastRaw(nl.Layer):
    """y = a + b, where b is added to each row of a."""

    def forward(self, a: Array, b: Array) -> Array:
        return a + b

    def backward(self, dout: Array) -> tuple[Array, Array]:
        return dout.copy(), dout.copy()


class MeanAxisCount(nl.Layer):
    """y = the mean of each row."""

    def forward(self, x: Array) -> Array:
        self.shape = x.shape
        return x.mean(axis=1)

    def backward(self, dout: Array) -> Array:
        return np.repeat(dout[:, None], self.shape[1], axis=1) / self.shape[0]


class MatMulNoTransposeA(nl.Layer):
    """y = a b, a product of matrices."""

    def forward(self, a: Array, b: Array) -> Array:
        self.a, self.b = a.copy(), b.copy()
        return a @ b

    def backward(self, dout: Array) -> tuple[Array, Array]:
        return dout @ self.b, self.a.T @ dout


class GramOneSide(nl.Layer):
    """y = x xᵀ."""

    def forward(self, x: Array) -> Array:
        self.x = x.copy()
        return x @ x.T

    def backward(self, dout: Array) -> Array:
        return dout @ self.x


class ReluWritesDout(nl.Layer):
    """y = max(x, 0)."""

    def forward(self, x: Array) -> Array:
        self.mask = x <= 0
        return np.maximum(x, 0)

    def backward(self, dout: Array) -> Array:
        dout[self.mask] = 0
        return dout.copy()


class Float64Gradient(nl.Layer):
    """y = x²."""

    def forward(self, x: Array) -> Array:
        self.x = x.copy()
        return x * x

    def backward(self, dout: Array) -> Array:
        return dout.astype(np.float64) * 2 * self.x


class DivideExchanged(nl.Layer):
    """y = a / b, element by element."""

    def forward(self, a: Array, b: Array) -> Array:
        self.a, self.b = a.copy(), b.copy()
        return a / b

    def backward(self, dout: Array) -> tuple[Array, Array]:
        return -dout * self.a / self.b**2, dout / self.b


class TiedEncoderOnly(nl.Layer):
    """y = tanh(x W) Wᵀ."""

    def __init__(self, rng: Generator, n: int, m: int) -> None:
        self.w = nl.Parameter(rng.normal(size=(n, m)))

    def forward(self, x: Array) -> Array:
        self.x = x.copy()
        self.h = np.tanh(x @ self.w.value)
        return self.h @ self.w.value.T

    def backward(self, dout: Array) -> Array:
        dz = dout @ self.w.value * (1 - self.h**2)
        self.w.grad += self.x.T @ dz
        return dz @ self.w.value.T


class CumsumForward(nl.Layer):
    """y = the cumulative sums of each row."""

    def forward(self, x: Array) -> Array:
        return np.cumsum(x, axis=1)

    def backward(self, dout: Array) -> Array:
        return np.cumsum(dout, axis=1)


class GaussianNLLNoLog(nl.Layer):
    """L = (log v + (μ - t)² / v) / 2, element by element, as a function of μ and log v."""

    n_nondifferentiable_inputs = 1

    def forward(self, mu: Array, lv: Array, t: Array) -> Array:
        self.e, self.v = mu - t, np.exp(lv)
        return 0.5 * (lv + self.e**2 / self.v)

    def backward(self, dout: Array) -> tuple[Array, Array]:
        return dout * self.e / self.v, -0.5 * dout * self.e**2 / self.v


def normal(*shapes: tuple[int, ...]) -> Callable[[Generator], tuple[Array, ...]]:
    """Return a function that draws normal arrays of these shapes."""
    return lambda rng: tuple(rng.normal(size=shape) for shape in shapes)


def attention_inputs(n_keys: int) -> Callable[[Generator], tuple[Array, ...]]:
    """Return a function that draws q, k and v for two sequences of four queries."""
    return normal((2, 4, 3), (2, n_keys, 3), (2, n_keys, 3))


def scores_and_classes(rng: Generator) -> tuple[Array, ...]:
    """Draw z and t for a classification of five samples."""
    return rng.normal(size=(5, 4)), rng.integers(0, 4, size=5)


class Broken(NamedTuple):
    """A mistake in words, the names that its author accepts, and how to make layer and inputs."""

    mistake: str
    accepted: set[str]
    make: Callable[[Generator], nl.Layer]
    draw: Callable[[Generator], tuple[Array, ...]]


BROKEN = [
    Broken("the path through the mean is left out", {"missing-term"}, lambda _: LayerNormNoMean(5), normal((4, 5))),
    Broken("mean and variance count as constants", {"missing-term", "diagonal-only"}, lambda _: BatchNormConstants(3), normal((6, 3))),
    Broken("means over each channel instead of each group", {"wrong-axis"}, lambda _: GroupNormPerChannel(2, 4), normal((2, 4, 2, 3))),
    Broken("only the diagonal of the Jacobian", {"diagonal-only"}, lambda _: UnitRowsDiagonal(), normal((4, 5))),
    Broken("the factor 1/√d only in forward", {"wrong-scale"}, lambda _: NoScaleInBackward(), attention_inputs(5)),
    Broken("dk = ds q without a transpose", {"missing-transpose"}, lambda _: KeyUntransposed(), attention_inputs(4)),
    Broken("the causal mask is forgotten", {"missing-mask"}, lambda _: CausalUnmaskedBackward(), attention_inputs(4)),
    Broken("nothing flows back through time", {"missing-term"}, lambda rng: RNNNoTime(rng, 3, 4), normal((2, 4, 3))),
    Broken(
        "dL/dc from the next step is forgotten",
        {"missing-term", "ignores-upstream"},
        lambda rng: LSTMCellPathLost(rng, 2, 4),
        normal((3, 2), (3, 4), (3, 4)),
    ),
    Broken(
        "dx uses the kernel reversed",
        {"wrong-formula", "wrong-axis", "missing-transpose"},
        lambda rng: ConvKernelNotReversed(rng, 2, 4, 3),
        normal((3, 2, 7)),
    ),
    Broken("db is a mean over the positions", {"wrong-scale"}, lambda rng: ConvBiasMean(rng, 2, 4, 3), normal((3, 2, 7))),
    Broken("all elements of a window get the gradient", {"missing-mask"}, lambda _: MaxPoolAllElements(), normal((3, 2, 4, 6))),
    Broken(
        "a repeated index counts once",
        {"missing-term", "not-accumulated", "missing-batch-sum"},
        lambda rng: EmbeddingAssign(rng, 5, 3),
        lambda _: (np.array([[0, 2, 2], [4, 2, 0]]),),
    ),
    Broken(
        "the permutation instead of its inverse",
        {"wrong-formula", "missing-transpose", "wrong-axis"},
        lambda _: PermuteAgain([2, 0, 3, 1]),
        normal((3, 4)),
    ),
    Broken("t - p instead of p - t", {"wrong-sign"}, lambda _: CrossEntropySign(), scores_and_classes),
    Broken("a loss that does not multiply by dout", {"ignores-upstream"}, lambda _: CrossEntropyDropsDout(), scores_and_classes),
    Broken(
        "a gradient also where the margin is kept",
        {"missing-mask"},
        lambda _: HingeNoMask(),
        lambda rng: (2 * rng.normal(size=(6, 3)), np.sign(rng.normal(size=(6, 3)))),
    ),
    Broken("the two slopes are exchanged", {"inverted-mask"}, lambda _: LeakyExchanged(), normal((4, 5))),
    Broken("1/√ instead of 1/(2 √)", {"wrong-scale"}, lambda _: SqrtForgetsTwo(), normal((4, 5))),
    Broken("does not multiply by dout", {"ignores-upstream"}, lambda _: ISRLUNoDout(), normal((4, 5))),
    Broken("db is not summed over the rows", {"missing-batch-sum", "wrong-shape"}, lambda _: AddBroadcastRaw(), normal((4, 3), (3,))),
    Broken("divides by the other axis's length", {"wrong-scale", "wrong-axis"}, lambda _: MeanAxisCount(), normal((4, 7))),
    Broken("da = dout b without a transpose", {"missing-transpose"}, lambda _: MatMulNoTransposeA(), normal((5, 3), (3, 3))),
    Broken("only one of the two paths", {"missing-term"}, lambda _: GramOneSide(), normal((4, 3))),
    Broken("writes zeros into dout", {"mutates-upstream"}, lambda _: ReluWritesDout(), normal((4, 3))),
    Broken("dx is float64 for a float32 x", {"dtype-changed"}, lambda _: Float64Gradient(), normal((4, 3))),
    Broken(
        "da and db are exchanged",
        {"swapped"},
        lambda _: DivideExchanged(),
        lambda rng: (rng.normal(size=(4, 3)), rng.uniform(0.5, 2, size=(4, 3))),
    ),
    Broken("dW lacks the decoder's part", {"missing-term"}, lambda rng: TiedEncoderOnly(rng, 3, 2), normal((5, 3))),
    Broken(
        "sums in the same direction as forward",
        {"missing-transpose", "wrong-axis", "wrong-formula"},
        lambda _: CumsumForward(),
        normal((3, 6)),
    ),
    Broken("the derivative of log v is missing", {"missing-term"}, lambda _: GaussianNLLNoLog(), normal((4, 3), (4, 3), (4, 3))),
]
