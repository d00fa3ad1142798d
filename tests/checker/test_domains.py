"""Layers that are right on a part of all numbers: a mistake at other numbers is a note."""

import numpy as np
import pytest

import netlib as nl
from netlib.checker import check_gradients


def normal(*shape, seed=1):
    return np.random.default_rng(seed).normal(size=shape)


def uniform(low, high, *shape, seed=1):
    return np.random.default_rng(seed).uniform(low, high, shape)


def rows_with_sum_one(*shape, seed=1):
    p = uniform(0.1, 1, *shape, seed=seed)
    return p / p.sum(axis=1, keepdims=True)


class GuardedLog(nl.Layer):
    """The logarithm of what is never below 1e-8; its backward has no mask."""

    def forward(self, x):
        self.x = np.maximum(x, 1e-8)
        return np.log(self.x)

    def backward(self, dout):
        return dout / self.x


class ClippedCrossEntropy(nl.Loss):
    """−Σ t log p of probabilities clipped at 1e-7."""

    n_nondifferentiable_inputs = 1

    def __init__(self):
        super().__init__()

    def forward(self, p, t):
        self.p, self.t = np.clip(p, 1e-7, 1 - 1e-7), np.array(t)
        return float(-np.sum(self.t * np.log(self.p)) / len(p))

    def backward(self, dout=1.0):
        return -dout * self.t / self.p / len(self.p)


class SoftTargets(nl.Layer):
    """Softmax cross-entropy for targets whose rows add up to 1: the gradient is p − q."""

    n_nondifferentiable_inputs = 1

    def forward(self, z, q):
        e = np.exp(z - z.max(axis=1, keepdims=True))
        self.p, self.q = e / e.sum(axis=1, keepdims=True), np.array(q)
        return -np.sum(self.q * np.log(self.p), axis=1)

    def backward(self, dout):
        return dout[:, None] * (self.p - self.q)


class Width(nl.Layer):
    """max(high − low, 0) where low ≤ high: the gradients are −1 and 1."""

    def forward(self, low, high):
        self.shape = low.shape
        return np.maximum(high - low, 0)

    def backward(self, dout):
        return -dout, dout.copy()


class Entropy(nl.Layer):
    """−Σ p log p with 0 log 0 = 0, right for positive p."""

    def forward(self, p):
        self.p = np.array(p)
        return -np.sum(np.where(p > 0, p * np.log(np.where(p > 0, p, 1)), 0), axis=1)

    def backward(self, dout):
        return -dout[:, None] * (np.log(self.p) + 1)


class Masked(nl.Layer):
    """x where a mask of zeros and ones, stored as floats, is 1."""

    n_nondifferentiable_inputs = 1

    def forward(self, x, mask):
        self.mask = np.array(mask)
        return x * mask**2

    def backward(self, dout):
        return dout * self.mask


class Propagate(nl.Layer):
    """A X with an adjacency matrix that is symmetric by contract, and so its own transpose."""

    n_nondifferentiable_inputs = 0

    def __init__(self):
        self.weight = nl.Parameter(normal(3, 2, seed=7))

    def forward(self, x, a):
        self.x, self.a = np.array(x), np.array(a)
        return self.a @ (self.x @ self.weight.value)

    def backward(self, dout):
        down = self.a @ dout
        self.weight.grad += self.x.T @ down
        return down @ self.weight.value.T, dout @ (self.x @ self.weight.value).T


class LearnedClip(nl.Layer):
    """Clip between two learned levels, the lower one below the upper one."""

    def __init__(self):
        self.low, self.high = nl.Parameter(-0.5), nl.Parameter(0.7)

    def forward(self, x):
        self.x = np.array(x)
        return np.minimum(np.maximum(x, self.low.value), self.high.value)

    def backward(self, dout):
        is_low, is_high = self.x < self.low.value, self.x > self.high.value
        self.low.grad += np.sum(dout * is_low)
        self.high.grad += np.sum(dout * is_high)
        return dout * ~(is_low | is_high)


def symmetric(n):
    a = uniform(0, 1, n, n, seed=3)
    return a + a.T


CORRECT = {
    "a guarded logarithm": (GuardedLog, uniform(0.1, 2, 4, 3)),
    "clipped probabilities": (ClippedCrossEntropy, rows_with_sum_one(4, 3), np.eye(3)[[0, 2, 1, 1]]),
    "targets with rows of sum 1": (SoftTargets, normal(4, 3), rows_with_sum_one(4, 3)),
    "low below high": (Width, uniform(0, 1, 4, 3), uniform(1, 2, 4, 3)),
    "a guarded entropy": (Entropy, rows_with_sum_one(4, 3)),
    "a mask of floats": (Masked, normal(4, 3), np.array([1.0, 0.0, 1.0])),
    "a symmetric adjacency matrix": (Propagate, normal(4, 3), symmetric(4)),
    "learned clipping levels": (LearnedClip, normal(4, 3)),
}


@pytest.mark.parametrize("case", CORRECT)
def test_a_layer_that_is_right_at_the_given_inputs_passes(case):
    layer, *inputs = CORRECT[case]
    for seed in range(3):
        report = check_gradients(layer(), *inputs, seed=seed)
        assert report.ok, str(report)


NOTED = {
    "a guarded logarithm": "numbers of both signs",
    "low below high": "numbers of both signs",
    "a symmetric adjacency matrix": "a matrix that is not symmetric",
}


@pytest.mark.parametrize("case", NOTED)
def test_what_differs_at_other_inputs_is_noted_with_a_question(case):
    layer, *inputs = CORRECT[case]
    report = check_gradients(layer(), *inputs)
    notes = [note for note in report.notes if note.kind == "other-numbers"]
    assert notes
    assert all(f"with {NOTED[case]} the gradients differ" in note.text for note in notes)
    assert str(report).endswith("can the layer be given such inputs?")


def test_what_the_given_inputs_have_in_common_is_kept():
    for case in ("targets with rows of sum 1", "a guarded entropy", "a mask of floats"):
        layer, *inputs = CORRECT[case]
        assert check_gradients(layer(), *inputs).notes == [], case


class Attention(nl.Layer):
    """softmax(x kᵀ) v."""

    def __init__(self):
        self.k, self.v = normal(5, 3, seed=8), normal(5, 2, seed=9)

    def forward(self, x):
        e = np.exp(x @ self.k.T - (x @ self.k.T).max(axis=1, keepdims=True))
        self.p = e / e.sum(axis=1, keepdims=True)
        return self.p @ self.v

    def backward(self, dout):
        dp = dout @ self.v.T
        return self.p * (dp - (self.p * dp).sum(axis=1, keepdims=True)) @ self.k


@pytest.mark.parametrize("times", [1, 10, 20, 40, 100])
def test_the_gradient_behind_a_saturated_softmax_is_rounding_and_no_mistake(times):
    for seed in range(10):
        report = check_gradients(Attention(), times * normal(4, 3, seed=seed))
        assert report.ok, str(report)


# a stated domain


class Ramp(nl.Layer):
    """max(x, 0) without its mask."""

    def forward(self, x):
        self.shape = x.shape
        return np.maximum(x, 0)

    def backward(self, dout):
        return dout.copy()


def test_a_mistake_at_inputs_from_the_domain_is_a_mistake():
    x = uniform(0.1, 2, 4, 3)
    report = check_gradients(Ramp(), x, domain=lambda rng: rng.normal(size=(4, 3)))
    assert report.mistakes == ["missing-mask"]
    assert "inputs drawn from the domain" in report.findings[0].cause


def test_with_a_domain_no_other_inputs_are_tried():
    report = check_gradients(GuardedLog(), domain=lambda rng: rng.uniform(0.1, 2, (4, 3)))
    assert report.ok
    assert report.notes == []
    assert "the same with 4 draws from the domain" in str(report)


def test_a_domain_draws_several_inputs_as_a_tuple():
    def bounds(rng):
        low = rng.normal(size=(4, 3))
        return low, low + rng.uniform(0.1, 1, (4, 3))

    report = check_gradients(Width(), domain=bounds)
    assert report.ok
    assert set(report.errors) == {"input 0", "input 1"}
    assert not check_gradients(Width(), domain=lambda rng: (rng.normal(size=(4, 3)), rng.normal(size=(4, 3)))).ok


def test_a_domain_that_is_no_function_or_draws_too_little_is_refused():
    with pytest.raises(nl.InvalidTypeError, match=r"domain is a tuple, expected a function.*lambda rng"):
        check_gradients(GuardedLog(), uniform(0.1, 2, 4, 3), domain=(0.1, 2))
    with pytest.raises(nl.ShapeError, match="domain drew 1 inputs, expected 2"):
        check_gradients(Width(), *CORRECT["low below high"][1:], domain=lambda rng: rng.normal(size=3))


# layers that refuse other numbers


class Positive(nl.Layer):
    """x² + x, which refuses negative numbers."""

    def forward(self, x):
        if (x < 0).any():
            raise ValueError("expected numbers from 0 on")
        self.x = np.array(x)
        return x**2 + x

    def backward(self, dout):
        return self.factor * dout * (2 * self.x + 1)

    factor = 1


def test_at_the_edge_of_what_forward_takes_the_slope_of_one_side_counts():
    x = np.array([[0.0, 1.0, 2.0], [1e-6, 3.0, 0.5]])
    report = check_gradients(Positive(), x)
    assert report.ok, str(report)
    assert report.covered == {"input 0": (6, 6)}
    wrong = Positive()
    wrong.factor = 1.4
    assert check_gradients(wrong, x).mistakes == ["wrong-scale"]


class Probabilities(nl.Layer):
    """The entropy of rows that add up to 1, which refuses all others."""

    def forward(self, p):
        if not np.allclose(p.sum(axis=1), 1, rtol=0, atol=1e-9):
            raise ValueError("expected rows with sum 1")
        self.p = np.array(p)
        return -np.sum(p * np.log(p), axis=1)

    def backward(self, dout):
        return -dout[:, None] * (np.log(self.p) + 1)


def test_where_forward_refuses_every_step_nothing_is_compared_and_a_note_says_so():
    report = check_gradients(Probabilities(), rows_with_sum_one(4, 3))
    assert report.ok, str(report)
    assert report.covered == {"input 0": (0, 12)}
    assert "12 of 12 elements could not be compared: forward refuses" in str(report)


def test_a_mistake_shows_from_row_to_row_where_forward_refuses_single_steps():
    class Wrong(Probabilities):
        def backward(self, dout):
            return 2 * super().backward(dout)

    (finding,) = check_gradients(Wrong(), rows_with_sum_one(4, 3)).findings
    assert "along a direction that forward takes" in finding.cause


class SymmetricOnly(nl.Layer):
    """A X, which refuses a matrix A that is not symmetric."""

    n_nondifferentiable_inputs = 0

    def __init__(self, factor=1):
        self.factor = factor

    def forward(self, a, x):
        if not np.allclose(a, a.T, rtol=0, atol=1e-12):
            raise ValueError("expected a symmetric matrix")
        self.a, self.x = np.array(a), np.array(x)
        return a @ x

    def backward(self, dout):
        return self.factor * dout @ self.x.T, self.a @ dout


def test_a_forward_that_takes_symmetric_matrices_alone_is_compared_along_these():
    a, x = symmetric(4), normal(4, 3)
    report = check_gradients(SymmetricOnly(), a, x)
    assert report.ok, str(report)
    assert "input 0 4 of 16 and all along 3 random directions" in str(report)
    assert not check_gradients(SymmetricOnly(1.1), a, x).ok


class LogDeterminant(nl.Layer):
    """log det of symmetric matrices by Cholesky, which reads the lower triangle alone."""

    def __init__(self, factor=1.0):
        self.factor = factor

    def forward(self, a):
        self.inverse = np.linalg.inv(a)
        return 2 * np.log(np.diagonal(np.linalg.cholesky(a), axis1=-2, axis2=-1)).sum(axis=-1)

    def backward(self, dout):
        return self.factor * dout[..., None, None] * self.inverse


class Solve(nl.Layer):
    """L⁻¹ b for a lower triangular L, whose gradient is lower triangular."""

    def forward(self, low, b):
        self.low, self.y = np.array(low), np.linalg.solve(low, b)
        return self.y.copy()

    def backward(self, dout):
        db = np.linalg.solve(self.low.T, dout)
        return -np.tril(db @ self.y.T), db


def test_a_gradient_that_is_right_for_matrices_of_a_kind_passes_with_a_note():
    a = symmetric(4) + 4 * np.eye(4)
    for layer, inputs, kind in (
        (LogDeterminant(), (np.stack([a, a @ a]),), "symmetric"),
        (Solve(), (np.tril(a), normal(4, 2)), "lower triangular"),
    ):
        report = check_gradients(layer, *inputs)
        assert report.ok, str(report)
        assert [(n.where, f"stays {kind}" in n.text) for n in report.notes if n.kind == "matrix-kind"] == [("input 0", True)]
    assert not check_gradients(LogDeterminant(1.01), a).ok


@pytest.mark.parametrize("x", [np.ones((3, 3)), np.zeros((3, 3))])
def test_a_constant_input_is_no_matrix_of_a_kind(x):
    class Times(nl.Layer):
        def forward(self, x):
            return x @ normal(3, 2)

        def backward(self, dout):
            return (dout @ normal(3, 2).T).T.copy()

    assert check_gradients(Times(), x).mistakes


class LeavesOut(Masked):
    """x times a mask that counts as an input, and gets zeros or None."""

    n_nondifferentiable_inputs = 0

    def __init__(self, nothing, factor=1):
        self.nothing, self.factor = nothing, factor

    def backward(self, dout):
        return self.factor * super().backward(dout), self.nothing(self.mask)


@pytest.mark.one_in(2)
@pytest.mark.parametrize("nothing", [np.zeros_like, lambda mask: None])
def test_labels_and_masks_that_backward_leaves_out_are_not_compared_and_a_note_says_so(nothing):
    x, mask = normal(4, 3), np.array([1.0, 0.0, 1.0])
    report = check_gradients(LeavesOut(nothing), x, mask)
    assert report.ok, str(report)
    assert set(report.errors) == {"input 0"}
    assert "leaves out these whole numbers" in str(report)
    assert check_gradients(LeavesOut(nothing, 2), x, mask).mistakes == ["wrong-scale"]
    assert not check_gradients(LeavesOut(nothing), x, 0.5 * mask).ok


def test_a_mistake_behind_weights_of_zero_shows_after_a_step_though_forward_refuses_numbers_below_those_given():
    class Counts(nl.Layer):
        def __init__(self, factor):
            self.factor, self.weight = factor, nl.Parameter(np.zeros(3))

        def forward(self, x):
            if (x < 0).any():
                raise ValueError("expected counts")
            self.x = np.array(x)
            return np.log1p(x) @ self.weight.value

        def backward(self, dout):
            self.weight.grad += dout @ np.log1p(self.x)
            return self.factor * dout[:, None] * self.weight.value / (1 + self.x)

    x = np.maximum(np.round(3 * normal(5, 3)), 0)
    assert check_gradients(Counts(1), x).ok
    (finding,) = check_gradients(Counts(2), x).findings
    assert "other values of weight" in finding.cause


class SquareRoot(nl.Layer):
    """√x by bisection to 1e-9, with its exact derivative."""

    def forward(self, x):
        low, high = np.zeros_like(x), np.maximum(x, 1)
        for _ in range(34):
            middle = (low + high) / 2
            low, high = np.where(middle**2 < x, middle, low), np.where(middle**2 < x, high, middle)
        self.y = (low + high) / 2
        return self.y.copy()

    def backward(self, dout):
        return dout / (2 * self.y)


class TanhTable(nl.Layer):
    """Tanh by a table with straight lines in between, with its exact derivative."""

    def __init__(self, factor=1.0):
        self.factor = factor

    def forward(self, x):
        grid = np.linspace(-8, 8, 16_001)
        self.y = np.interp(x, grid, np.tanh(grid))
        return self.y.copy()

    def backward(self, dout):
        return self.factor * dout * (1 - self.y**2)


@pytest.mark.parametrize("layer", [SquareRoot, TanhTable])
def test_a_search_or_a_table_with_the_exact_derivative_is_an_approximation(layer):
    for seed in range(2):
        x = uniform(0.3, 3, 4, seed=seed)
        report = check_gradients(layer(), x)
        assert report.ok, str(report)
        assert "approximation" in [note.kind for note in report.notes]
    assert not check_gradients(TanhTable(1.01), x).ok
