"""Paths from an array to the output that are missing, doubled or negated, and mixed rows."""

import numpy as np
import pytest

import netlib as nl
from netlib.checker import check_gradients


def normal(*shape, seed=1):
    return np.random.default_rng(seed).normal(size=shape)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


class Mixed(nl.Layer):
    """y = s sin(x) + (1 - s) x with s = sigmoid(x V): three paths from x."""

    def __init__(self, wrong=None):
        self.wrong = wrong
        self.v = nl.Parameter(normal(4, 4, seed=2))

    def forward(self, x):
        self.x = x.copy()
        self.s = sigmoid(x @ self.v.value)
        turned = self.s * np.sin(x)
        return turned + (1 - self.s) * x

    def backward(self, dout):
        through_s = dout * (np.sin(self.x) - self.x) * self.s * (1 - self.s)
        self.v.grad += self.x.T @ through_s
        terms = {"turned": dout * self.s * np.cos(self.x), "kept": dout * (1 - self.s), "gate": through_s @ self.v.value.T}
        return sum(self.factor(term) * g for term, g in terms.items())

    def factor(self, term):
        return self.wrong[1] if self.wrong and self.wrong[0] == term else 1


LINES = {"turned": "turned = self.s * np.sin(x)", "kept": "return turned + (1 - self.s) * x", "gate": "self.s = sigmoid(x @ self.v.value)"}
SLUGS = {0: "missing-term", 2: "double-counted", -1: "wrong-sign", 0.3: "wrong-scale"}


@pytest.mark.parametrize("term", LINES)
@pytest.mark.parametrize("factor", SLUGS)
def test_a_path_forgotten_doubled_turned_round_or_scaled_is_named_with_its_line(term, factor):
    (finding,) = check_gradients(Mixed((term, factor)), normal(6, 4)).findings
    assert (finding.mistake, finding.where) == (SLUGS[factor], "input 0")
    assert f"`{LINES[term]}`" in finding.cause


def test_the_same_layer_without_a_mistake_is_right():
    assert check_gradients(Mixed(), normal(6, 4)).ok


class Angle(nl.Layer):
    """The cosine between rows; `a` reaches it as a numerator and through its own length."""

    def forward(self, a, b):
        self.n, self.m = np.linalg.norm(a, axis=1, keepdims=True), np.linalg.norm(b, axis=1, keepdims=True)
        self.a, self.b = a / self.n, b / self.m
        self.y = (self.a * self.b).sum(axis=1)
        return self.y.copy()

    def backward(self, dout):
        d = dout[:, None]
        return d * self.b / self.n, d * (self.a - self.y[:, None] * self.b) / self.m


def test_a_path_through_a_norm_is_missed():
    (finding,) = check_gradients(Angle(), normal(4, 5), normal(4, 5, seed=2)).findings
    assert (finding.mistake, finding.where) == ("missing-term", "input 0")
    assert "np.linalg.norm(a, axis=1, keepdims=True)" in finding.cause


class Divergence(nl.Layer):
    """-Σ t log softmax(x), whose largest x cancels: it moves, and the output does not."""

    n_nondifferentiable_inputs = 1

    def forward(self, x, t):
        shifted = x - x.max(axis=1, keepdims=True)
        log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        self.t = t.copy()
        return float(-(t * log_p).sum())

    def backward(self, dout=1.0):
        return -dout * self.t


def test_a_normaliser_taken_for_a_constant_is_a_missing_term_though_the_largest_is_taken_off_first():
    t = np.random.default_rng(3).dirichlet(np.ones(4), 5)
    (finding,) = check_gradients(Divergence(), normal(5, 4), t).findings
    assert finding.mistake == "missing-term"


class Twice(nl.Layer):
    """A weight that is used twice, and a gradient that counts one use twice."""

    def __init__(self):
        self.w = nl.Parameter(normal(4, 4))

    def forward(self, x):
        self.x = x.copy()
        self.h = np.tanh(x @ self.w.value)
        return self.h @ self.w.value

    def backward(self, dout):
        dh = dout @ self.w.value.T * (1 - self.h**2)
        self.w.grad += 2 * self.h.T @ dout + self.x.T @ dh
        return dh @ self.w.value.T


def test_a_use_of_a_parameter_that_is_counted_twice_is_named_with_its_line():
    (finding,) = check_gradients(Twice(), normal(6, 4)).findings
    assert (finding.mistake, finding.where) == ("double-counted", "w")
    assert "`return self.h @ self.w.value`" in finding.cause


class PerChannel(nl.Layer):
    def __init__(self, axes, keepdims=False):
        self.axes = axes
        self.bias = nl.Parameter(normal(3))

    def forward(self, x):
        return x + self.bias.value[:, None, None]

    def backward(self, dout):
        self.bias.grad += dout.sum(axis=self.axes)
        return dout.copy()


@pytest.mark.parametrize(
    ("axes", "shape"), [((1, 2, 3), (3, 3, 4, 5)), ((0, 1, 2), (2, 3, 4, 3)), ((0, 1, 3), (2, 3, 3, 5)), (0, (2, 3, 4, 5))]
)
def test_a_bias_of_channels_summed_over_other_axes_is_named_with_both(axes, shape):
    report = check_gradients(PerChannel(axes), normal(*shape))
    (finding,) = report.findings
    assert (finding.mistake, finding.where) == ("wrong-axis", "bias")
    assert f"dout.sum(axis={axes})" in finding.cause
    assert finding.hint == "self.bias.grad += dout.sum(axis=(0, 2, 3))"


def test_the_right_axes_of_a_bias_of_channels_are_right():
    assert check_gradients(PerChannel((0, 2, 3)), normal(2, 3, 4, 5)).ok


class Halved(nl.Layer):
    """y = tanh(x) W with a backward that also spreads some of dout over the other rows."""

    def __init__(self, spread=0.0, n_in=5, n_out=3):
        self.spread = spread
        self.w = nl.Parameter(normal(n_in, n_out))

    def forward(self, x):
        self.h = np.tanh(x)
        return self.h @ self.w.value

    def backward(self, dout):
        self.w.grad += self.h.T @ dout
        d = dout + self.spread * np.roll(dout, 1, axis=0)
        return (d @ self.w.value.T) * (1 - self.h**2)


def test_rows_that_backward_mixes_and_forward_does_not_are_told():
    (finding,) = check_gradients(Halved(0.3), normal(6, 5)).findings
    assert (finding.mistake, finding.where) == ("wrong-axis", "input 0")
    assert "dout of one row reaches other rows" in finding.cause
    assert check_gradients(Halved(0.0), normal(6, 5)).ok


class FirstRowOnly(Halved):
    """A mistake in a single element, which a sample of the elements is not likely to meet."""

    def backward(self, dout):
        dx = super().backward(dout)
        dx[0, 7] += 1e-3 * dx[-1, 7]
        return dx


def test_rows_are_compared_wholly_where_elements_are_sampled():
    report = check_gradients(FirstRowOnly(n_in=600, n_out=400), normal(4, 600))
    assert [(f.mistake, f.where) for f in report.findings] == [("wrong-axis", "input 0")], str(report)


class ByTheNumber(nl.Layer):
    """Half the gradient: by a 2 that is there, or by a batch of 2."""

    def __init__(self, by_batch):
        self.by_batch = by_batch

    def forward(self, x):
        self.y = np.tanh(x)
        return self.y.copy()

    def backward(self, dout):
        return dout * (1 - self.y**2) / (len(dout) if self.by_batch else 2)


@pytest.mark.parametrize(("by_batch", "said"), [(True, "factor 1/2 = 1/N, the batch size"), (False, "factor 1/2")])
def test_rows_tell_the_batch_size_from_a_number_that_happens_to_be_the_same(by_batch, said):
    (finding,) = check_gradients(ByTheNumber(by_batch), normal(2, 5)).findings
    assert finding.mistake == "wrong-scale"
    assert finding.cause.endswith(said)


class Pairing(nl.Layer):
    """Weights from a softmax of a bᵀ, applied to c: no array of the layer holds b's gradient."""

    def __init__(self, wrong=""):
        self.wrong = wrong

    def forward(self, a, b, c):
        self.a, self.b, self.c = a, b, c
        e = np.exp(a @ b.T)
        self.p = e / e.sum(axis=-1, keepdims=True)
        return self.p @ c

    def backward(self, dout):
        dp = dout @ self.c.T
        ds = self.p * (dp - (dp * self.p).sum(axis=-1, keepdims=True))
        db = ds @ self.a if self.wrong == "b" else ds.T @ self.a
        dc = self.p @ dout if self.wrong == "c" else self.p.T @ dout
        return ds @ self.b, db, dc


@pytest.mark.parametrize(("wrong", "where", "line"), [("b", "input 1", "e = np.exp(a @ b.T)"), ("c", "input 2", "return self.p @ c")])
def test_a_factor_not_transposed_of_a_product_inside_is_named_with_its_line(wrong, where, line):
    inputs = [0.5 * normal(4, 4, seed=i) for i in range(3)]
    assert check_gradients(Pairing(), *inputs).ok
    (finding,) = check_gradients(Pairing(wrong), *inputs).findings
    assert (finding.mistake, finding.where) == ("missing-transpose", where)
    assert f"`{line}`" in finding.cause


class Gained(nl.Layer):
    """y = x (g · w) with a gain for each column, whose gradient is summed over either axis."""

    def __init__(self, axis):
        self.axis = axis
        self.g, self.w = nl.Parameter(normal(4, seed=1)), nl.Parameter(normal(4, 4, seed=2))

    def forward(self, x):
        self.x = x
        self.v = self.g.value * self.w.value
        return x @ self.v

    def backward(self, dout):
        dv = self.x.T @ dout
        self.g.grad += (dv * self.w.value).sum(axis=self.axis)
        self.w.grad += dv * self.g.value
        return dout @ self.v.T


def test_a_sum_over_the_wrong_axis_inside_is_named_with_its_line():
    assert check_gradients(Gained(axis=0), normal(6, 4)).ok
    (finding,) = check_gradients(Gained(axis=1), normal(6, 4)).findings
    assert (finding.mistake, finding.where) == ("wrong-axis", "g")
    assert "takes an operand of shape (1, 4) for one of shape (4, 1)" in finding.cause
    assert "`self.v = self.g.value * self.w.value`" in finding.cause


class Decay(nl.Layer):
    """c ← a c + (1 - a) x, step by step, with `a` twice in one line that runs many times."""

    def __init__(self, forgets):
        self.forgets = forgets
        self.a = nl.Parameter(np.array(0.6))

    def forward(self, x):
        self.x = x
        self.before = [np.zeros(len(x))]
        for t in range(x.shape[1]):
            kept = self.a.value * self.before[-1]
            self.before.append(kept + (1 - self.a.value) * x[:, t])
        return self.before[-1].copy()

    def backward(self, dout):
        dx, a = np.zeros(self.x.shape), self.a.value.copy()
        for t in reversed(range(self.x.shape[1])):
            self.a.grad += (dout * (self.before[t] - (0 if self.forgets else self.x[:, t]))).sum()
            dx[:, t] = (1 - a) * dout
            dout = a * dout
        return dx


def test_a_term_forgotten_in_every_step_of_a_loop_is_named_with_its_line():
    assert check_gradients(Decay(forgets=False), normal(4, 5)).ok
    (finding,) = check_gradients(Decay(forgets=True), normal(4, 5)).findings
    assert (finding.mistake, finding.where) == ("missing-term", "a")
    assert "(1 - self.a.value) * x[:, t])`, every time it runs, is missing" in finding.cause


class Plain(Mixed):
    """The same layer on a copy of its input that is a plain array."""

    def forward(self, x):
        return super().forward(np.array(x))


def test_a_path_that_starts_where_an_input_is_copied_is_named_with_its_line():
    (finding,) = check_gradients(Plain(("gate", -1)), normal(6, 4)).findings
    assert (finding.mistake, finding.where) == ("wrong-sign", "input 0")
    assert f"`{LINES['gate']}`" in finding.cause


class Gated(nl.Layer):
    """h' = (1 - z) h + z tanh(x), with z = sigmoid(x W): a gate in two terms of one line."""

    def __init__(self, factor=1):
        self.factor = factor
        self.w = nl.Parameter(normal(4, 4, seed=2))

    def forward(self, x, h):
        self.x, self.h = np.array(x), np.array(h)
        self.z, self.c = sigmoid(x @ self.w.value), np.tanh(x)
        return (1 - self.z) * h + self.z * self.c

    def backward(self, dout):
        dz = self.factor * dout * (self.c - self.h) * self.z * (1 - self.z)
        self.w.grad += self.x.T @ dz
        return dz @ self.w.value.T + dout * self.z * (1 - self.c**2), dout * (1 - self.z)


@pytest.mark.parametrize("factor", [0, 2, -1])
def test_a_gate_that_stands_in_two_terms_is_one_path(factor):
    assert check_gradients(Gated(), normal(6, 4), normal(6, 4, seed=3)).ok
    report = check_gradients(Gated(factor), normal(6, 4), normal(6, 4, seed=3))
    of_x = next(finding for finding in report.findings if finding.where == "input 0")
    assert of_x.mistake == SLUGS[factor]
    assert "and through" not in of_x.cause


class Recurrent(nl.Layer):
    """The states h_t = tanh(x_t W + h_{t-1} U) of all steps."""

    def __init__(self, factor=1):
        self.factor = factor
        self.w, self.u = nl.Parameter(normal(2, 3, seed=2)), nl.Parameter(normal(3, 3, seed=3))

    def forward(self, x):
        self.x = np.array(x)
        self.states = [np.zeros((len(x), 3))]
        for t in range(x.shape[1]):
            self.states.append(np.tanh(x[:, t] @ self.w.value + self.states[-1] @ self.u.value))
        return np.stack(self.states[1:], axis=1)

    def backward(self, dout):
        dx, dh = np.zeros(self.x.shape), 0
        for t in reversed(range(self.x.shape[1])):
            dz = (dout[:, t] + self.factor * dh) * (1 - self.states[t + 1] ** 2)
            self.w.grad += self.x[:, t].T @ dz
            self.u.grad += self.states[t].T @ dz
            dx[:, t], dh = dz @ self.w.value.T, dz @ self.u.value.T
        return dx


@pytest.mark.parametrize("factor", [0, 2, -1])
def test_what_comes_back_in_a_loop_and_is_dropped_doubled_or_turned_round_each_time_is_named(factor):
    assert check_gradients(Recurrent(), normal(4, 5, 2)).ok
    (finding,) = check_gradients(Recurrent(factor), normal(4, 5, 2)).findings
    assert finding.mistake == SLUGS[factor]
    assert {finding.where, *finding.consequences} == {"input 0", "w", "u"}


class Inverted(nl.Layer):
    """y is the inverse of x, or of each x in a stack: dX = -Yᵀ dY Yᵀ."""

    def __init__(self, transposes=True):
        self.transposes = transposes

    def forward(self, x):
        self.y = np.linalg.inv(x)
        return self.y.copy()

    def backward(self, dout):
        y = self.y.mT if self.transposes else self.y
        return -y @ dout @ y


@pytest.mark.parametrize(("shape", "mark"), [((3, 3), "T"), ((2, 3, 3), "mT")])
def test_a_matrix_on_both_sides_that_is_not_transposed_is_named_with_the_line_to_write(shape, mark):
    x = 2 * np.eye(3) + 0.5 * normal(*shape)
    assert check_gradients(Inverted(), x).ok
    (finding,) = check_gradients(Inverted(transposes=False), x).findings
    assert finding.mistake == "missing-transpose"
    assert finding.hint == f"return -self.y.{mark} @ dout @ self.y.{mark}"


class BothSigns(nl.Layer):
    """y = (max(x, 0), max(-x, 0)), side by side."""

    def __init__(self, factor=-1.0):
        self.factor = factor

    def forward(self, x):
        self.is_positive = x > 0
        return np.concatenate([np.maximum(x, 0), np.maximum(-x, 0)], axis=1)

    def backward(self, dout):
        up, down = np.split(dout, 2, axis=1)
        return np.where(self.is_positive, up, self.factor * down)


def test_a_path_with_the_wrong_sign_is_not_taken_for_two_that_are_missing():
    x = normal(5, 4)
    assert check_gradients(BothSigns(), x).ok
    (finding,) = check_gradients(BothSigns(factor=1.0), x).findings
    assert finding.mistake == "wrong-sign"
