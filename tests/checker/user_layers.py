"""Sound layers as users write them: broken in broken.py, and used in sound.py.

All sizes and the dtype are arguments, so that each can be tried on other shapes, and in float64.
"""

import numpy as np

import netlib as nl


def drawn(*shape, dtype=np.float64):
    """Return a parameter of random numbers: none is 0 or 1, and no two are equal."""
    return nl.Parameter(np.random.default_rng(7).normal(size=shape).astype(dtype))


# With parameters


class Dense(nl.Layer):
    """Y = X W + b."""

    def __init__(self, n_in=5, n_out=3, dtype=np.float64):
        self.weight, self.bias = drawn(n_in, n_out, dtype=dtype), drawn(n_out, dtype=dtype)

    def forward(self, x):
        self.x = np.array(x)
        return x @ self.weight.value + self.bias.value

    def backward(self, dout):
        self.weight.grad += self.x.T @ dout
        self.bias.grad += dout.sum(axis=0)
        return dout @ self.weight.value.T


class DenseOnSequences(nl.Layer):
    """Y = X W + b for X of shape (N, length, in)."""

    def __init__(self, n_in=5, n_out=3, dtype=np.float64):
        self.weight, self.bias = drawn(n_in, n_out, dtype=dtype), drawn(n_out, dtype=dtype)

    def forward(self, x):
        self.x = np.array(x)
        return x @ self.weight.value + self.bias.value

    def backward(self, dout):
        self.weight.grad += np.einsum("nli,nlo->io", self.x, dout)
        self.bias.grad += dout.sum(axis=(0, 1))
        return dout @ self.weight.value.T


class Scale(nl.Layer):
    """y = w x + b with a weight and a bias for each feature."""

    def __init__(self, features=4, dtype=np.float64):
        self.weight, self.bias = drawn(features, dtype=dtype), drawn(features, dtype=dtype)

    def forward(self, x):
        self.x = np.array(x)
        return x * self.weight.value + self.bias.value

    def backward(self, dout):
        self.weight.grad += (dout * self.x).sum(axis=0)
        self.bias.grad += dout.sum(axis=0)
        return dout * self.weight.value


class Temperature(nl.Layer):
    """y = x exp(s) with a single number s."""

    def __init__(self, dtype=np.float64):
        self.s = nl.Parameter(np.array(0.3, dtype))

    def forward(self, x):
        self.y = x * np.exp(self.s.value)
        return self.y.copy()

    def backward(self, dout):
        self.s.grad += (dout * self.y).sum()
        return dout * np.exp(self.s.value)


class PReLU(nl.Layer):
    """y = x where x > 0, else slope x, with a learned slope for each feature."""

    def __init__(self, features=4, dtype=np.float64):
        self.slope = nl.Parameter(np.linspace(0.1, 0.4, features).astype(dtype))

    def forward(self, x):
        self.x = np.array(x)
        return np.where(x > 0, x, self.slope.value * x)

    def backward(self, dout):
        self.slope.grad += np.where(self.x > 0, 0, dout * self.x).sum(axis=0)
        return np.where(self.x > 0, dout, dout * self.slope.value)


class Bilinear(nl.Layer):
    """y_n = a_n W b_n."""

    def __init__(self, n_a=4, n_b=3, dtype=np.float64):
        self.weight = drawn(n_a, n_b, dtype=dtype)

    def forward(self, a, b):
        self.a, self.b = np.array(a), np.array(b)
        return np.einsum("ni,ij,nj->n", a, self.weight.value, b)

    def backward(self, dout):
        self.weight.grad += np.einsum("n,ni,nj->ij", dout, self.a, self.b)
        return dout[:, None] * (self.b @ self.weight.value.T), dout[:, None] * (self.a @ self.weight.value)


class Embedding(nl.Layer):
    """Row index[n] of a table; the same row may be taken often."""

    n_nondifferentiable_inputs = 1

    def __init__(self, rows=4, features=3, dtype=np.float64):
        self.table = drawn(rows, features, dtype=dtype)

    def forward(self, index):
        self.index = np.array(index)
        return self.table.value[self.index]

    def backward(self, dout):
        np.add.at(self.table.grad, self.index, dout)
        return ()


class Convolution(nl.Layer):
    """A cross-correlation: X (N, C, L), weight (F, C, K), bias (F,), Y (N, F, L - K + 1)."""

    def __init__(self, channels=2, filters=3, width=3, dtype=np.float64):
        self.width = width
        self.weight, self.bias = drawn(filters, channels, width, dtype=dtype), drawn(filters, dtype=dtype)

    def forward(self, x):
        self.x = np.array(x)
        self.length = x.shape[2] - self.width + 1
        taps = (np.einsum("ncl,fc->nfl", x[:, :, k : k + self.length], self.weight.value[:, :, k]) for k in range(self.width))
        return sum(taps) + self.bias.value[:, None]

    def backward(self, dout):
        dx = np.zeros_like(self.x)
        for k in range(self.width):
            self.weight.grad[:, :, k] += np.einsum("nfl,ncl->fc", dout, self.x[:, :, k : k + self.length])
            dx[:, :, k : k + self.length] += np.einsum("nfl,fc->ncl", dout, self.weight.value[:, :, k])
        self.bias.grad += dout.sum(axis=(0, 2))
        return dx


class TiedAutoencoder(nl.Layer):
    """y = tanh(x W) Wᵀ: one weight in two places."""

    def __init__(self, features=5, narrow=3, dtype=np.float64):
        self.weight = drawn(features, narrow, dtype=dtype)

    def forward(self, x):
        self.x = np.array(x)
        self.code = np.tanh(x @ self.weight.value)
        return self.code @ self.weight.value.T

    def backward(self, dout):
        self.weight.grad += dout.T @ self.code
        da = (dout @ self.weight.value) * (1 - self.code**2)
        self.weight.grad += self.x.T @ da
        return da @ self.weight.value.T


class Recurrent(nl.Layer):
    """h_t = tanh(x_t + h_{t-1} W), from h = 0; x (N, T, features); y is the last h."""

    def __init__(self, features=3, dtype=np.float64):
        self.weight = drawn(features, features, dtype=dtype)

    def forward(self, x):
        self.h = [np.zeros_like(x[:, 0])]
        for t in range(x.shape[1]):
            self.h.append(np.tanh(x[:, t] + self.h[-1] @ self.weight.value))
        return self.h[-1].copy()

    def backward(self, dout):
        dx, dh = [], dout
        for before, after in zip(self.h[-2::-1], self.h[:0:-1], strict=True):
            da = dh * (1 - after**2)
            self.weight.grad += before.T @ da
            dx.append(da)
            dh = da @ self.weight.value.T
        return np.stack(dx[::-1], axis=1)


class DenseBlock(nl.Layer):
    """y = x + tanh(x W): x goes two ways."""

    def __init__(self, features=4, dtype=np.float64):
        self.weight = drawn(features, features, dtype=dtype)

    def forward(self, x):
        self.x = np.array(x)
        self.h = np.tanh(x @ self.weight.value)
        return x + self.h

    def backward(self, dout):
        da = dout * (1 - self.h**2)
        self.weight.grad += self.x.T @ da
        return dout + da @ self.weight.value.T


class Bottleneck(nl.Layer):
    """y = x + up(relu(down(x))), out of netlib's layers."""

    def __init__(self, features=5, narrow=3, dtype=np.float64):
        self.down, self.up = nl.Affine(features, narrow, rng=0, dtype=dtype), nl.Affine(narrow, features, rng=1, dtype=dtype)
        self.relu = nl.ReLU()

    def forward(self, x):
        return x + self.up.forward(self.relu.forward(self.down.forward(x)))

    def backward(self, dout):
        return dout + self.down.backward(self.relu.backward(self.up.backward(dout)))


# Element by element


class Elementwise(nl.Layer):
    """y = f(x), dL/dx = slope(x) dL/dy. A subclass writes f and slope."""

    def __init__(self, dtype=None):
        pass

    def forward(self, x):
        self.x = np.array(x)
        return self.f(self.x)

    def backward(self, dout):
        return dout * self.slope(self.x)


class ReLU(Elementwise):
    def f(self, x):
        return np.maximum(x, 0)

    def slope(self, x):
        return x > 0


class LeakyReLU(Elementwise):
    def f(self, x):
        return np.where(x > 0, x, x / 8)

    def slope(self, x):
        return np.where(x > 0, 1, 1 / 8).astype(x.dtype)


class Clip(Elementwise):
    def f(self, x):
        return np.clip(x, -1, 1)

    def slope(self, x):
        return np.abs(x) < 1


class Sigmoid(Elementwise):
    def f(self, x):
        return 0.5 * (1 + np.tanh(0.5 * x))

    def slope(self, x):
        y = self.f(x)
        return y * (1 - y)


class Tanh(Elementwise):
    def f(self, x):
        return np.tanh(x)

    def slope(self, x):
        return 1 - np.tanh(x) ** 2


class Softplus(Elementwise):
    def f(self, x):
        return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))

    def slope(self, x):
        return 0.5 * (1 + np.tanh(0.5 * x))


class ELU(Elementwise):
    def f(self, x):
        return np.where(x > 0, x, 0.5 * np.expm1(np.minimum(x, 0)))

    def slope(self, x):
        return np.where(x > 0, 1, 0.5 * np.exp(np.minimum(x, 0))).astype(x.dtype)


class Swish(Elementwise):
    def f(self, x):
        return x * 0.5 * (1 + np.tanh(0.5 * x))

    def slope(self, x):
        s = 0.5 * (1 + np.tanh(0.5 * x))
        return s + x * s * (1 - s)


class Square(Elementwise):
    def f(self, x):
        return x * x

    def slope(self, x):
        return 2 * x


class Cube(Elementwise):
    def f(self, x):
        return x**3

    def slope(self, x):
        return 3 * x**2


class Exp(Elementwise):
    def f(self, x):
        return np.exp(x)

    def slope(self, x):
        return np.exp(x)


class Log(Elementwise):
    def f(self, x):
        return np.log(x)

    def slope(self, x):
        return 1 / x


class Sqrt(Elementwise):
    def f(self, x):
        return np.sqrt(x)

    def slope(self, x):
        return 0.5 / np.sqrt(x)


class Abs(Elementwise):
    def f(self, x):
        return np.abs(x)

    def slope(self, x):
        return np.sign(x)


class Sin(Elementwise):
    def f(self, x):
        return np.sin(x)

    def slope(self, x):
        return np.cos(x)


class Sign(Elementwise):
    def f(self, x):
        return np.sign(x)

    def slope(self, x):
        return np.zeros_like(x)


class Round(Elementwise):
    def f(self, x):
        return np.round(x)

    def slope(self, x):
        return np.zeros_like(x)


class Step(Elementwise):
    def f(self, x):
        return (x > 0).astype(x.dtype)

    def slope(self, x):
        return np.zeros_like(x)


class HardestClass(nl.Layer):
    """The one-hot of the largest element of each row: a step function."""

    def forward(self, x):
        self.shape = x.shape
        return (x == x.max(axis=-1, keepdims=True)).astype(x.dtype)

    def backward(self, dout):
        return np.zeros_like(dout)


# Rows that meet themselves


class Softmax(nl.Layer):
    def __init__(self, axis=-1, dtype=None):
        self.axis = axis

    def forward(self, x):
        e = np.exp(x - x.max(axis=self.axis, keepdims=True))
        self.y = e / e.sum(axis=self.axis, keepdims=True)
        return self.y.copy()

    def backward(self, dout):
        return self.y * (dout - (dout * self.y).sum(axis=self.axis, keepdims=True))


class LogSoftmax(nl.Layer):
    def __init__(self, axis=-1, dtype=None):
        self.axis = axis

    def forward(self, x):
        shifted = x - x.max(axis=self.axis, keepdims=True)
        log_p = shifted - np.log(np.exp(shifted).sum(axis=self.axis, keepdims=True))
        self.p = np.exp(log_p)
        return log_p

    def backward(self, dout):
        return dout - self.p * dout.sum(axis=self.axis, keepdims=True)


class BatchNorm(nl.Layer):
    """Standardized by the batch in training, by running statistics in evaluation."""

    eps = 1e-5

    def __init__(self, features=4, dtype=np.float64):
        self.gamma, self.beta = drawn(features, dtype=dtype), drawn(features, dtype=dtype)
        self.running_mean, self.running_var = np.zeros(features, dtype), np.ones(features, dtype)

    def forward(self, x):
        mean, var = self.running_mean, self.running_var
        if self.training:
            mean, var = x.mean(axis=0), x.var(axis=0)
            self.running_mean = (0.9 * self.running_mean + 0.1 * mean).astype(x.dtype)
            self.running_var = (0.9 * self.running_var + 0.1 * var).astype(x.dtype)
        self.by_batch = self.training
        self.std = np.sqrt(var + self.eps)
        self.u = (x - mean) / self.std
        return self.u * self.gamma.value + self.beta.value

    def backward(self, dout):
        self.gamma.grad += (dout * self.u).sum(axis=0)
        self.beta.grad += dout.sum(axis=0)
        du = dout * self.gamma.value
        if not self.by_batch:
            return du / self.std
        return (du - du.mean(axis=0) - self.u * (du * self.u).mean(axis=0)) / self.std


class LayerNorm(nl.Layer):
    def __init__(self, features=4, dtype=np.float64):
        self.gamma, self.beta = drawn(features, dtype=dtype), drawn(features, dtype=dtype)

    def forward(self, x):
        self.std = np.sqrt(x.var(axis=-1, keepdims=True) + 1e-5)
        self.u = (x - x.mean(axis=-1, keepdims=True)) / self.std
        return self.u * self.gamma.value + self.beta.value

    def backward(self, dout):
        self.gamma.grad += (dout * self.u).sum(axis=0)
        self.beta.grad += dout.sum(axis=0)
        du = dout * self.gamma.value
        return (du - du.mean(axis=-1, keepdims=True) - self.u * (du * self.u).mean(axis=-1, keepdims=True)) / self.std


class Unit(nl.Layer):
    """y = x / |x|, row by row."""

    def forward(self, x):
        self.length = np.sqrt((x * x).sum(axis=-1, keepdims=True))
        self.y = x / self.length
        return self.y.copy()

    def backward(self, dout):
        return (dout - self.y * (dout * self.y).sum(axis=-1, keepdims=True)) / self.length


class Length(nl.Layer):
    """y = |x|, row by row."""

    def forward(self, x):
        self.x = np.array(x)
        self.y = np.sqrt((x * x).sum(axis=-1, keepdims=True))
        return self.y.copy()

    def backward(self, dout):
        return dout * self.x / self.y


# Chance and memory


class Dropout(nl.Layer):
    def __init__(self, p=0.3, dtype=None):
        self.p = p
        self.rng = np.random.default_rng(0)

    def forward(self, x):
        self.mask = np.ones(x.shape, x.dtype)
        if self.training:
            self.mask = ((self.rng.random(x.shape) >= self.p) / (1 - self.p)).astype(x.dtype)
        return x * self.mask

    def backward(self, dout):
        return dout * self.mask


class Jitter(nl.Layer):
    """y = x + noise."""

    def __init__(self, dtype=None):
        self.rng = np.random.default_rng(3)

    def forward(self, x):
        return x + self.rng.normal(size=x.shape).astype(x.dtype)

    def backward(self, dout):
        return dout.copy()


class Counter(nl.Layer):
    """y = 2 x; counts its calls and keeps their shapes."""

    def __init__(self, dtype=None):
        self.calls, self.shapes = 0, []

    def forward(self, x):
        self.calls += 1
        self.shapes.append(x.shape)
        return 2 * x

    def backward(self, dout):
        return 2 * dout


# Reductions and choices


class Mean(nl.Layer):
    def __init__(self, axis=-1, dtype=None):
        self.axis = axis

    def forward(self, x):
        self.shape = x.shape
        return x.mean(axis=self.axis)

    def backward(self, dout):
        return np.broadcast_to(np.expand_dims(dout / self.shape[self.axis], self.axis), self.shape).copy()


class Total(nl.Layer):
    def __init__(self, axis=-1, dtype=None):
        self.axis = axis

    def forward(self, x):
        self.shape = x.shape
        return x.sum(axis=self.axis)

    def backward(self, dout):
        return np.broadcast_to(np.expand_dims(dout, self.axis), self.shape).copy()


class Max(nl.Layer):
    """The largest of each row; of equals the first."""

    def forward(self, x):
        self.shape, self.winners = x.shape, x.argmax(axis=-1)[..., None]
        return x.max(axis=-1)

    def backward(self, dout):
        dx = np.zeros(self.shape, dout.dtype)
        np.put_along_axis(dx, self.winners, dout[..., None], axis=-1)
        return dx


class EvenMax(nl.Layer):
    """The largest of each row; of equals each a share."""

    def forward(self, x):
        winners = x == x.max(axis=-1, keepdims=True)
        self.share = (winners / winners.sum(axis=-1, keepdims=True)).astype(x.dtype)
        return x.max(axis=-1)

    def backward(self, dout):
        return self.share * dout[..., None]


class MaxPool(nl.Layer):
    """The larger of each two neighbours along the last axis."""

    def forward(self, x):
        pairs = x.reshape(*x.shape[:-1], -1, 2)
        self.left = pairs[..., :1] >= pairs[..., 1:]
        return pairs.max(axis=-1)

    def backward(self, dout):
        pairs = np.concatenate([dout[..., None] * self.left, dout[..., None] * ~self.left], axis=-1)
        return pairs.reshape(*dout.shape[:-1], -1)


class AveragePool(nl.Layer):
    def forward(self, x):
        return x.reshape(*x.shape[:-1], -1, 2).mean(axis=-1)

    def backward(self, dout):
        return np.repeat(dout / 2, 2, axis=-1)


class Sort(nl.Layer):
    """Each row in rising order."""

    def forward(self, x):
        self.order = x.argsort(axis=-1, kind="stable")
        return np.sort(x, axis=-1)

    def backward(self, dout):
        dx = np.empty_like(dout)
        np.put_along_axis(dx, self.order, dout, axis=-1)
        return dx


class LogSumExp(nl.Layer):
    def forward(self, x):
        largest = x.max(axis=-1, keepdims=True)
        e = np.exp(x - largest)
        self.p = e / e.sum(axis=-1, keepdims=True)
        return (largest + np.log(e.sum(axis=-1, keepdims=True)))[..., 0]

    def backward(self, dout):
        return self.p * dout[..., None]


class Variance(nl.Layer):
    def forward(self, x):
        self.deviation = x - x.mean(axis=-1, keepdims=True)
        return (self.deviation**2).mean(axis=-1)

    def backward(self, dout):
        return dout[..., None] * 2 * self.deviation / self.deviation.shape[-1]


class RunningTotal(nl.Layer):
    def forward(self, x):
        return x.cumsum(axis=-1)

    def backward(self, dout):
        return dout[..., ::-1].cumsum(axis=-1)[..., ::-1].copy()


class Take(nl.Layer):
    """Features 0, 2, 2 and 1: one of them twice."""

    index = np.array([0, 2, 2, 1])

    def forward(self, x):
        self.shape = x.shape
        return x[:, self.index]

    def backward(self, dout):
        dx = np.zeros(self.shape, dout.dtype)
        np.add.at(dx, (slice(None), self.index), dout)
        return dx


class GatherRows(nl.Layer):
    """y_n = x_{index[n]}, with the index as a second input that has no gradient."""

    n_nondifferentiable_inputs = 1

    def forward(self, x, index):
        self.shape, self.index = x.shape, np.array(index)
        return x[self.index]

    def backward(self, dout):
        dx = np.zeros(self.shape, dout.dtype)
        np.add.at(dx, self.index, dout)
        return dx


class Flip(nl.Layer):
    def forward(self, x):
        return x[:, ::-1].copy()

    def backward(self, dout):
        return dout[:, ::-1].copy()


class Shift(nl.Layer):
    """One step to the right along the last axis, a zero first."""

    def forward(self, x):
        y = np.zeros_like(x)
        y[..., 1:] = x[..., :-1]
        return y

    def backward(self, dout):
        dx = np.zeros_like(dout)
        dx[..., :-1] = dout[..., 1:]
        return dx


class Rotate(nl.Layer):
    """The axes 0, 1, 2 as 1, 2, 0."""

    def forward(self, x):
        return x.transpose(1, 2, 0).copy()

    def backward(self, dout):
        return dout.transpose(2, 0, 1).copy()


# Several inputs


class Pair(nl.Layer):
    """A layer of two inputs of equal shapes, which are kept."""

    def __init__(self, dtype=None):
        pass

    def forward(self, a, b):
        self.a, self.b = np.array(a), np.array(b)
        return self.f(a, b)


class Product(Pair):
    def f(self, a, b):
        return a * b

    def backward(self, dout):
        return dout * self.b, dout * self.a


class Difference(Pair):
    def f(self, a, b):
        return a - b

    def backward(self, dout):
        return dout.copy(), -dout


class Quotient(Pair):
    def f(self, a, b):
        return a / b

    def backward(self, dout):
        return dout / self.b, -dout * self.a / self.b**2


class Larger(Pair):
    def f(self, a, b):
        return np.maximum(a, b)

    def backward(self, dout):
        return dout * (self.a >= self.b), dout * (self.a < self.b)


class Hypotenuse(Pair):
    def f(self, a, b):
        self.c = np.hypot(a, b)
        return self.c.copy()

    def backward(self, dout):
        return dout * self.a / self.c, dout * self.b / self.c


class MatrixProduct(Pair):
    def f(self, a, b):
        return a @ b

    def backward(self, dout):
        return dout @ self.b.T, self.a.T @ dout


class Outer(Pair):
    """y_nij = a_ni b_nj."""

    def f(self, a, b):
        return a[:, :, None] * b[:, None, :]

    def backward(self, dout):
        return (dout * self.b[:, None, :]).sum(axis=2), (dout * self.a[:, :, None]).sum(axis=1)


class AddRow(Pair):
    """A matrix and a vector that is added to each row."""

    def f(self, a, b):
        return a + b

    def backward(self, dout):
        return dout.copy(), dout.sum(axis=0)


class TimesColumn(Pair):
    """A matrix, and a factor for each row of shape (N, 1)."""

    def f(self, a, b):
        return a * b

    def backward(self, dout):
        return dout * self.b, (dout * self.a).sum(axis=1, keepdims=True)


class Beside(Pair):
    """a and b side by side."""

    def f(self, a, b):
        return np.concatenate([a, b], axis=-1)

    def backward(self, dout):
        n = self.a.shape[-1]
        return dout[..., :n].copy(), dout[..., n:].copy()


class Gate(nl.Layer):
    """y = g a + (1 - g) b."""

    def forward(self, g, a, b):
        self.g, self.difference = np.array(g), a - b
        return b + g * self.difference

    def backward(self, dout):
        return dout * self.difference, dout * self.g, dout * (1 - self.g)


class Attention(nl.Layer):
    """softmax(q kᵀ / √d) v, for one sequence: q (n, d), k (m, d), v (m, e)."""

    def forward(self, q, k, v):
        self.q, self.k, self.v = np.array(q), np.array(k), np.array(v)
        self.root = float(np.sqrt(q.shape[1]))
        scores = q @ k.T / self.root
        e = np.exp(scores - scores.max(axis=1, keepdims=True))
        self.p = e / e.sum(axis=1, keepdims=True)
        return self.p @ v

    def backward(self, dout):
        dp = dout @ self.v.T
        ds = self.p * (dp - (dp * self.p).sum(axis=1, keepdims=True)) / self.root
        return ds @ self.k, ds.T @ self.q, self.p.T @ dout


class Halves(nl.Layer):
    """The left and the right half of the features: two outputs."""

    n_outputs = 2

    def forward(self, x):
        left, right = np.split(x, 2, axis=-1)
        return left.copy(), right.copy()

    def backward(self, dout):
        return np.concatenate(dout, axis=-1)


# Losses


class SquaredError(nl.Layer):
    """The mean of (y - t)² over all elements."""

    n_nondifferentiable_inputs = 1

    def forward(self, y, t):
        self.difference = y - t
        return float((self.difference**2).mean())

    def backward(self, dout=1.0):
        return dout * 2 * self.difference / self.difference.size


class AbsoluteError(nl.Layer):
    n_nondifferentiable_inputs = 1

    def forward(self, y, t):
        self.difference = y - t
        return float(np.abs(self.difference).mean())

    def backward(self, dout=1.0):
        return dout * np.sign(self.difference) / self.difference.size


class CrossEntropy(nl.Layer):
    """The mean of -log softmax(y)[n, t_n] over the rows, for class numbers t."""

    n_nondifferentiable_inputs = 1

    def forward(self, y, t):
        e = np.exp(y - y.max(axis=1, keepdims=True))
        self.p, self.t = e / e.sum(axis=1, keepdims=True), np.array(t)
        shifted = y - y.max(axis=1, keepdims=True)
        return float((np.log(e.sum(axis=1)) - shifted[np.arange(len(t)), t]).mean())

    def backward(self, dout=1.0):
        dy = self.p.copy()
        dy[np.arange(len(dy)), self.t] -= 1
        return dout * dy / len(dy)


class BinaryCrossEntropy(nl.Layer):
    """The mean of log(1 + exp(y)) - t y, for logits y."""

    n_nondifferentiable_inputs = 1

    def forward(self, y, t):
        self.p, self.t = 0.5 * (1 + np.tanh(0.5 * y)), np.array(t)
        return float((np.maximum(y, 0) + np.log1p(np.exp(-np.abs(y))) - t * y).mean())

    def backward(self, dout=1.0):
        return dout * (self.p - self.t) / self.t.size


class Huber(nl.Layer):
    """The sum of d²/2 where |d| < 1, else |d| - 1/2, with d = y - t."""

    n_nondifferentiable_inputs = 1

    def forward(self, y, t):
        self.d = y - t
        size = np.abs(self.d)
        return float(np.where(size < 1, 0.5 * self.d**2, size - 0.5).sum())

    def backward(self, dout=1.0):
        return dout * np.clip(self.d, -1, 1)


class Hinge(nl.Layer):
    """The mean of max(0, 1 - t y), for t of -1 and 1."""

    n_nondifferentiable_inputs = 1

    def forward(self, y, t):
        self.t, self.inside = np.array(t), t * y < 1
        return float(np.maximum(0, 1 - t * y).mean())

    def backward(self, dout=1.0):
        return dout * -self.t * self.inside / self.t.size


class Penalty(nl.Layer):
    """y = x, and the sum of squares of the weights as a second output."""

    n_outputs = 2

    def __init__(self, features=3, dtype=np.float64):
        self.weight = drawn(features, dtype=dtype)

    def forward(self, x):
        self.x = np.array(x)
        return x * self.weight.value, (self.weight.value**2).sum()

    def backward(self, dout):
        dy, dpenalty = dout
        self.weight.grad += (dy * self.x).sum(axis=0) + 2 * dpenalty * self.weight.value
        return dy * self.weight.value
