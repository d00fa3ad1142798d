"""One slip each in layers as people write them: what it is called, how often, and which line is given."""

import numpy as np
import pytest
from checker.test_mistakes import normal

import netlib as nl
from netlib.checker import check_gradients


class LayerNorm(nl.Layer):
    """y = γ x̂ + β, x̂ = (x - mean) / std over the features; written right."""

    def __init__(self):
        self.gamma, self.beta = nl.Parameter(normal(4, seed=1)), nl.Parameter(normal(4, seed=2))

    def forward(self, x):
        self.std = np.sqrt(x.var(axis=-1, keepdims=True) + 1e-5)
        self.xhat = (x - x.mean(axis=-1, keepdims=True)) / self.std
        return self.gamma.value * self.xhat + self.beta.value

    def add_gradients(self, dgamma, dbeta):
        self.gamma.grad += dgamma
        self.beta.grad += dbeta

    def backward(self, dout):
        self.add_gradients((dout * self.xhat).sum(axis=0), dout.sum(axis=0))
        d = dout * self.gamma.value
        return (d - d.mean(axis=-1, keepdims=True) - self.xhat * (d * self.xhat).mean(axis=-1, keepdims=True)) / self.std


class LayerNormExchanged(LayerNorm):
    def add_gradients(self, dgamma, dbeta):
        self.gamma.grad += dbeta
        self.beta.grad += dgamma


class LayerNormBetaTwice(LayerNorm):
    def add_gradients(self, dgamma, dbeta):
        self.gamma.grad += dbeta
        self.beta.grad += dbeta


def test_gradients_of_two_parameters_that_are_exchanged_are_swapped_and_one_that_is_copied_is_not():
    assert check_gradients(LayerNorm(), normal(5, 4)).ok
    findings = check_gradients(LayerNormExchanged(), normal(5, 4)).findings
    assert [(f.mistake, f.where) for f in findings] == [("swapped", "gamma"), ("swapped", "beta")]
    assert findings[0].cause == "the gradient added to gamma is that of beta, and vice versa"
    (finding,) = check_gradients(LayerNormBetaTwice(), normal(5, 4)).findings
    assert (finding.mistake, finding.where) == ("wrong-formula", "gamma")


class SineAndSquare(nl.Layer):
    n_outputs = 2

    def forward(self, x):
        self.x = x.copy()
        return np.sin(x), x**2

    def backward(self, douts):
        dsquare, dsine = douts  # in the wrong order
        return dsine * np.cos(self.x) + dsquare * 2 * self.x


def test_gradients_of_two_outputs_that_are_exchanged_are_swapped():
    (finding,) = check_gradients(SineAndSquare(), normal(3, 4)).findings
    assert (finding.mistake, finding.cause) == ("swapped", "it takes dout[0] for dout[1], and vice versa")


class Dropout(nl.Layer):
    def __init__(self):
        self.rng = np.random.default_rng(0)

    def forward(self, x):
        if not self.training:
            return x.copy()
        self.mask = self.rng.random(x.shape) > 0.4
        return x * self.mask / 0.6

    def backward(self, dout):
        return dout * self.mask / 0.6


class DropoutOfBothModes(Dropout):
    def backward(self, dout):
        return dout * self.mask / 0.6 if self.training else dout.copy()


@pytest.mark.parametrize("is_trained", [True, False])
def test_the_mask_of_training_in_evaluation_is_stale(is_trained):
    for kind, mistakes in ((Dropout, ["stale-cache"]), (DropoutOfBothModes, [])):
        layer = kind()
        assert check_gradients(layer, normal(5, 4)).ok
        if is_trained:
            layer.forward(normal(5, 4))
        assert check_gradients(layer.eval(), normal(5, 4)).mistakes == mistakes


class Adding(nl.Layer):
    """y = x², with a backward that adds to a buffer of the layer."""

    def __init__(self):
        self.dx = np.zeros((5, 4))

    def forward(self, x):
        self.x = x.copy()
        return x**2

    def backward(self, dout):
        self.dx += dout * 2 * self.x
        return self.dx.copy()


class AddingToNothing(Adding):
    def __init__(self):
        self.dx = 0

    def backward(self, dout):
        self.dx = self.dx + dout * 2 * self.x
        return self.dx.copy()


class AddingInTheClass(Adding):
    dx = np.zeros((5, 4))

    def __init__(self):
        pass


@pytest.mark.parametrize("kind", [Adding, AddingToNothing, AddingInTheClass])
def test_a_buffer_that_keeps_adding_is_stale_and_draws_nothing(kind):
    finding = check_gradients(kind(), normal(5, 4)).findings[0]
    assert finding.mistake == "stale-cache"
    assert "a buffer is never cleared" in finding.cause
    assert finding.hint == "self.dx = dout * 2 * self.x"


class Likelihood(nl.Layer):
    """y = log(w) / 2 + x² / (2 w); in backward the half of the first term is forgotten."""

    def __init__(self):
        self.w = nl.Parameter(1 + np.abs(normal(4, seed=3)))

    def forward(self, x):
        self.x = x.copy()
        return np.log(self.w.value) / 2 + x**2 / (2 * self.w.value)

    def backward(self, dout):
        w = self.w.value
        self.w.grad += (dout * (1 / w - self.x**2 / (2 * w**2))).sum(axis=0)
        return dout * self.x / w


class Cholesky(nl.Layer):
    """L of (A + Aᵀ) / 2 = L Lᵀ; in backward what is off the diagonal counts twice."""

    def forward(self, a):
        self.y = np.linalg.cholesky((a + a.T) / 2)
        return self.y.copy()

    def backward(self, dout):
        p = np.tril(self.y.T @ np.tril(dout))
        p[np.diag_indices(len(p))] *= 0.5
        inverse = np.linalg.inv(self.y)
        s = inverse.T @ p @ inverse
        s = (s + s.T) / 2
        return 2 * s - np.diag(np.diag(s))


def test_a_part_with_its_own_factor_is_of_the_wrong_scale_and_the_part_is_said():
    (finding,) = check_gradients(Likelihood(), normal(5, 4)).findings
    assert (finding.mistake, finding.where) == ("wrong-scale", "w")
    assert "the factor 1/2 of divide, in `return np.log(self.w.value) / 2" in finding.cause
    (finding,) = check_gradients(Cholesky(), 3 * np.eye(4) + 0.2 * normal(4, 4)).findings
    assert finding.mistake == "wrong-scale"
    assert finding.cause == "it is 2 times the right one at the elements off the diagonal, and right elsewhere"
    assert finding.hint == "return s"


class Convolution(nl.Layer):
    """y[i] = Σ k[j] x[i + j], written right but for what `tap` and `slot` do to j."""

    def __init__(self):
        self.k = nl.Parameter(normal(3, seed=8))

    def tap(self, j):
        return j

    def slot(self, j):
        return j

    def forward(self, x):
        self.x = x.copy()
        return sum(self.k.value[j] * x[:, j : x.shape[1] - 2 + j] for j in range(3))

    def backward(self, dout):
        dx, n = np.zeros_like(self.x), dout.shape[1]
        for j in range(3):
            self.k.grad[self.slot(j)] += (dout * self.x[:, j : j + n]).sum()
            dx[:, j : j + n] += self.k.value[self.tap(j)] * dout
        return dx


class KernelReversed(Convolution):
    def tap(self, j):
        return 2 - j


class KernelGradientReversed(Convolution):
    def slot(self, j):
        return 2 - j


class PixelShuffle(nl.Layer):
    """Four channels become a square of two by two; in backward its two axes are exchanged."""

    def forward(self, x):
        n, c, h, w = self.shape = x.shape
        return x.reshape(n, c // 4, 2, 2, h, w).transpose(0, 1, 4, 2, 5, 3).reshape(n, c // 4, 2 * h, 2 * w)

    def backward(self, dout):
        n, c, h, w = self.shape
        return dout.reshape(n, c // 4, h, 2, w, 2).transpose(0, 1, 5, 3, 2, 4).reshape(self.shape)


def test_a_reversed_kernel_and_exchanged_factors_of_a_shuffle_are_along_the_wrong_axis():
    assert check_gradients(Convolution(), normal(3, 9)).ok
    (finding,) = check_gradients(KernelReversed(), normal(3, 9)).findings
    assert (finding.mistake, finding.where) == ("wrong-axis", "input 0")
    assert finding.cause == "with self.k.value reversed along axis 0 in backward it is right"
    (finding,) = check_gradients(KernelGradientReversed(), normal(3, 9)).findings
    assert (finding.mistake, finding.where, finding.cause) == ("wrong-axis", "k", "it is reversed along axis 0")
    (finding,) = check_gradients(PixelShuffle(), normal(2, 8, 3, 3)).findings
    assert finding.mistake == "wrong-axis"
    assert ".transpose(0, 1, 3, 5, 2, 4)" in finding.hint


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


class LSTM(nl.Layer):
    def __init__(self):
        self.wx, self.wh, self.b = (nl.Parameter(0.5 * normal(*s, seed=i)) for i, s in enumerate([(3, 16), (4, 16), (16,)], 1))

    def forward(self, x):
        h = c = np.zeros((len(x), 4))
        self.x, self.steps, ys = x.copy(), [], []
        for t in range(x.shape[1]):
            a = x[:, t] @ self.wx.value + h @ self.wh.value + self.b.value
            i, f, g, o = sigmoid(a[:, :4]), sigmoid(a[:, 4:8]), np.tanh(a[:, 8:12]), sigmoid(a[:, 12:])
            before, c = c, f * c + i * g
            self.steps.append((h, before, i, f, g, o, np.tanh(c)))
            h = o * np.tanh(c)
            ys.append(h)
        return np.stack(ys, axis=1)

    def step(self, dh, dc, c, i, f, g, o, tc):
        dc = dc + dh * o * (1 - tc**2)
        da = [dc * g * i * (1 - i), dc * c * f * (1 - f), dc * i * (1 - g**2), dh * tc * o * (1 - o)]
        return np.concatenate(da, axis=1), dc * f

    def backward(self, dout):
        dx = np.zeros_like(self.x)
        dh = dc = np.zeros((len(dx), 4))
        for t in reversed(range(dx.shape[1])):
            h, *others = self.steps[t]
            da, dc = self.step(dout[:, t] + dh, dc, *others)
            self.wx.grad += self.x[:, t].T @ da
            self.wh.grad += h.T @ da
            self.b.grad += da.sum(axis=0)
            dx[:, t], dh = da @ self.wx.value.T, da @ self.wh.value.T
        return dx


class LSTMCellForgotten(LSTM):
    def step(self, dh, dc, c, i, f, g, o, tc):
        dc = dh * o * (1 - tc**2)
        da = [dc * g * i * (1 - i), dc * c * f * (1 - f), dc * i * (1 - g**2), dh * tc * o * (1 - o)]
        return np.concatenate(da, axis=1), dc * f


class LSTMWrongGate(LSTM):
    def step(self, dh, dc, c, i, f, g, o, tc):
        dc = dc + dh * o * (1 - tc**2)
        da = [dc * g * i * (1 - i), dc * c * f * (1 - f), dc * i * (1 - g**2), dh * tc * o * (1 - o)]
        return np.concatenate(da, axis=1), dc * i


class LSTMNotSquared(LSTM):
    def step(self, dh, dc, c, i, f, g, o, tc):
        dc = dc + dh * o * (1 - tc)
        da = [dc * g * i * (1 - i), dc * c * f * (1 - f), dc * i * (1 - g**2), dh * tc * o * (1 - o)]
        return np.concatenate(da, axis=1), dc * f


@pytest.mark.one_in(3)
@pytest.mark.parametrize(
    ("kind", "line"),
    [
        (LSTMCellForgotten, "dc += dh * o * (1 - tc**2)"),
        (LSTMWrongGate, "return np.concatenate(da, axis=1), dc * f"),
        (LSTMNotSquared, "dc = dc + dh * o * (1 - tc**2)"),
    ],
)
def test_one_slip_in_a_recurrent_cell_is_reported_once_with_its_line_and_the_rest_as_consequences(kind, line):
    assert check_gradients(LSTM(), normal(2, 4, 3)).ok
    report = check_gradients(kind(), normal(2, 4, 3))
    (finding,) = report.findings
    assert finding.where == "input 0"
    assert finding.consequences == ["wx", "wh", "b"]
    assert finding.hint == line
    assert "the same slip spoils wx, wh, b" in str(report)


class ChannelBias(nl.Layer):
    def __init__(self):
        self.b = nl.Parameter(normal(5))

    def forward(self, x):
        return x + self.b.value[:, None, None]

    def backward(self, dout):
        self.b.grad += dout.mean(axis=(0, 2, 3))
        return dout.copy()


class Scores(nl.Layer):
    def forward(self, q, k):
        self.q, self.k = q.copy(), k.copy()
        return q @ k.T / np.sqrt(q.shape[1])

    def backward(self, dout):
        return dout @ self.k, dout.T @ self.q / np.sqrt(self.q.shape[1])


@pytest.mark.parametrize(
    ("layer", "inputs", "said"),
    [
        (ChannelBias, [(2, 5, 3, 4)], "the gradient is only 1/24 of what it should be everywhere, factor 1/24 = 1/(N·H·W)"),
        (Scores, [(5, 7), (3, 7)], "the gradient is √7 times too large everywhere, factor √7 = √C"),
        (Scores, [(5, 4), (3, 4)], "the gradient is 2 times too large everywhere, factor 2"),
    ],
)
def test_a_factor_is_written_as_people_write_it_and_a_root_only_where_nothing_simpler_fits(layer, inputs, said):
    (finding,) = check_gradients(layer(), *(normal(*shape, seed=i) for i, shape in enumerate(inputs))).findings
    assert finding.cause == said
