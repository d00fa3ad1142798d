"""Mistakes that are hard to see: at other sizes of dout, in one element, beside large constants."""

import numpy as np
import pytest

import netlib as nl
from netlib.checker import check_gradients


def normal(*shape, seed=1):
    return np.random.default_rng(seed).normal(size=shape)


class Tanh(nl.Layer):
    """Tanh whose gradient is changed by a function."""

    def __init__(self, spoil):
        self.spoil = spoil

    def forward(self, x):
        self.y = np.tanh(x)
        return self.y.copy()

    def backward(self, dout):
        return self.spoil(dout * (1 - self.y**2))


@pytest.mark.parametrize("most", [1, 10, 100, 1e3, 1e6, 1e9])
def test_a_clip_in_backward_is_found_and_its_bound_is_named(most):
    report = check_gradients(Tanh(lambda g: np.clip(g, -most, most)), normal(4, 3))
    (finding,) = report.findings
    if most > 10:
        assert f"no element exceeds {most:g}: backward clips the gradient" in finding.cause


def test_a_clip_is_found_in_single_and_in_half_precision_too():
    class Single(Tanh):
        def forward(self, x):
            if x.dtype != dtype:
                raise nl.InvalidTypeError("expected another type")
            return super().forward(x)

    for dtype in (np.float32, np.float16):
        x = normal(4, 3).astype(dtype)
        assert check_gradients(Single(lambda g: g), x).ok
        assert not check_gradients(Single(lambda g: np.clip(g, -10, 10)), x).ok


def test_small_gradients_that_become_zero_are_found():
    report = check_gradients(Tanh(lambda g: np.where(np.abs(g) < 1e-3, 0, g)), normal(4, 3))
    assert ["1e-03 times as large" in finding.cause for finding in report.findings] == [True]


class FixedPoint(nl.Layer):
    """y = tanh(a y) + x; backward solves u = dout + a (1 − tanh²) u to 1e-9."""

    def forward(self, x):
        y = np.zeros_like(x)
        for _ in range(100):
            y = np.tanh(0.3 * y) + x
        self.slope = 0.3 * (1 - np.tanh(0.3 * y) ** 2)
        return y

    def backward(self, dout):
        u = dout.copy()
        for _ in range(200):
            new = dout + self.slope * u
            if np.abs(new - u).max() < 1e-9:
                break
            u = new
        return u


def test_a_backward_that_solves_an_equation_is_no_false_alarm():
    for seed in range(5):
        report = check_gradients(FixedPoint(), normal(4, 3), seed=seed)
        assert report.ok, str(report)


@pytest.mark.parametrize(("size", "seeds"), [(20_000, range(2)), pytest.param(1_000_000, [0], marks=pytest.mark.exhaustive)])
def test_one_wrong_element_of_many_is_found_and_located(size, seeds):
    for seed in seeds:
        x = normal(size, seed=seed)
        at = int(np.argsort(np.abs(x))[size // 2])

        def spoil(g, at=at):
            g[at] *= 2
            return g

        (finding,) = check_gradients(Tanh(spoil), x, seed=seed).findings
        assert finding.evidence.worst == (at,)
        assert check_gradients(Tanh(lambda g: g), x, seed=seed).ok


@pytest.mark.exhaustive
def test_a_report_on_a_sample_says_how_likely_it_misses_a_single_element():
    x = 4 * normal(40_000)
    report = check_gradients(Tanh(lambda g: g), x)
    chance = report.chances["input 0"]
    assert 0 < chance < 0.9
    assert f"all along 2 random directions (a single doubled element is missed with a chance of {chance:.1%})" in str(report)
    missed = 0
    places = np.random.default_rng(3).choice(x.size, 5)
    for at in places:

        def spoil(g, at=at):
            g[at] *= 2
            return g

        missed += check_gradients(Tanh(spoil), x).ok
    assert missed <= 5 * chance + 2


class NetworkOfKinks(nl.Layer):
    """A wide layer of many kinks."""

    def __init__(self):
        self.weight = nl.Parameter(normal(200, 300))

    def forward(self, x):
        self.x = np.array(x)
        self.h = self.x @ self.weight.value
        return np.maximum(self.h, 0)

    def backward(self, dout):
        d = dout * (self.h > 0)
        self.weight.grad += self.x.T @ d
        return d @ self.weight.value.T


@pytest.mark.exhaustive
def test_kinks_between_the_steps_are_no_false_alarm():
    for seed in range(2):
        report = check_gradients(NetworkOfKinks(), normal(100, 200, seed=seed), seed=seed)
        assert report.ok, str(report)
        report = check_gradients(nl.ReLU(), normal(500_000, seed=seed), seed=seed)
        assert report.ok, str(report)


class BesideConstant(nl.Layer):
    """y = c + sin(x), with a factor in backward."""

    def __init__(self, constant, factor=1):
        self.constant, self.factor = constant, factor

    def forward(self, x):
        self.x = np.array(x)
        return self.constant + np.sin(x)

    def backward(self, dout):
        return self.factor * dout * np.cos(self.x)


@pytest.mark.one_in(3)
@pytest.mark.parametrize("constant", [1e6, 1e9, 1e12])
def test_a_wrong_factor_is_found_beside_a_large_constant(constant):
    for seed in range(3):
        x = normal(4, 3, seed=seed)
        report = check_gradients(BesideConstant(constant), x)
        assert report.ok, str(report)
        for factor in (2, 0, -1):
            assert not check_gradients(BesideConstant(constant, factor), x).ok


def test_slopes_that_drown_in_rounding_are_not_counted_as_compared():
    report = check_gradients(BesideConstant(1e18), normal(4, 3))
    assert not report.ok, "nothing was compared"
    assert report.findings == []
    assert report.covered == {"input 0": (0, 12)}
    assert [(note.kind, note.where) for note in report.notes] == [("vacuous", "input 0"), ("not-compared", "input 0")]
    assert "12 of 12 elements could not be compared" in str(report)


class Lookup(nl.Layer):
    """Rows of a table; `add` puts their gradients where they came from."""

    def __init__(self, add):
        self.add, self.table = add, nl.Parameter(normal(6, 3))

    def forward(self, ids):
        self.ids = np.array(ids)
        return self.table.value[self.ids]

    def backward(self, dout):
        self.add(self.table.grad, self.ids, dout)


def add_in_one_go(grad, ids, dout):
    grad[ids] += dout


class OverlappingMax(nl.Layer):
    """The largest of three neighbours, a step of one apart."""

    def __init__(self, overwrites):
        self.overwrites = overwrites

    def forward(self, x):
        windows = np.lib.stride_tricks.sliding_window_view(x, 3)
        self.at, self.size = windows.argmax(axis=1) + np.arange(len(windows)), x.size
        return windows.max(axis=1)

    def backward(self, dout):
        dx = np.zeros(self.size, dout.dtype)
        if self.overwrites:
            dx[self.at] = dout
        else:
            np.add.at(dx, self.at, dout)
        return dx


class Scored(nl.Layer):
    """x where a boolean mask is true, whose backward may forget the mask."""

    n_nondifferentiable_inputs = 1

    def __init__(self, forgets):
        self.forgets = forgets

    def forward(self, x, mask):
        self.mask = np.array(mask)
        return np.where(mask, x, 0)

    def backward(self, dout):
        return dout * (True if self.forgets else self.mask)


class Hard(nl.Layer):
    """x between −3 and 3, whose backward may forget the bounds."""

    def __init__(self, forgets):
        self.forgets = forgets

    def forward(self, x):
        self.x = np.array(x)
        return np.clip(x, -3, 3)

    def backward(self, dout):
        return dout * (True if self.forgets else np.abs(self.x) < 3)


HIDDEN = {
    "an index that does not repeat": (Lookup(add_in_one_go), Lookup(np.add.at), [np.array([4, 0, 2])], "a repeated index"),
    "windows of increasing numbers": (OverlappingMax(True), OverlappingMax(False), [np.arange(6.0)], "elements in another order"),
    "a mask that keeps all": (Scored(True), Scored(False), [normal(2, 3), np.ones((2, 3), bool)], "a mask of both values"),
    "numbers within the bounds": (Hard(True), Hard(False), [np.clip(normal(4, 3), -2, 2)], "numbers ten times larger"),
}


@pytest.mark.parametrize("case", HIDDEN)
def test_what_the_given_inputs_cannot_show_is_noted(case):
    wrong, right, inputs, what = HIDDEN[case]
    report = check_gradients(wrong, *inputs)
    assert report.ok
    assert [note.kind for note in report.notes] == ["other-numbers"]
    assert f"with {what} the gradients differ" in report.notes[0].text
    report = check_gradients(right, *inputs)
    assert report.ok
    assert report.notes == []
    assert f"all at once along a random direction with {what}" in str(report)


def test_what_the_layer_does_not_take_is_noted_as_not_shown():
    class Unique(Lookup):
        def forward(self, ids):
            assert np.unique(ids).size == ids.size
            return super().forward(ids)

    report = check_gradients(Unique(np.add.at), np.array([4, 0, 2]))
    assert report.ok
    assert [note.message for note in report.notes] == [
        "vacuous: input 0: no index repeats, so += with an index in place of np.add.at would pass; try a repeated index"
    ]


class ApproximateErf(nl.Layer):
    """The error function to 1.5e-7 (Abramowitz and Stegun, 7.1.26), with its exact derivative."""

    def __init__(self, factor=1.0):
        self.factor = factor

    def forward(self, x):
        self.x = np.array(x)
        t = 1 / (1 + 0.3275911 * np.abs(x))
        series = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))))
        return np.sign(x) * (1 - series * np.exp(-(x**2)))

    def backward(self, dout):
        return self.factor * dout * 2 / np.sqrt(np.pi) * np.exp(-(self.x**2))


def test_an_approximation_in_forward_with_the_exact_derivative_is_noted_with_the_size_of_the_difference():
    for seed in range(20):
        x = normal(4, 3, seed=seed)
        report = check_gradients(ApproximateErf(), x, seed=seed)
        assert report.ok, str(report)
        (note,) = [note for note in report.notes if note.kind == "approximation"]
        assert 1e-7 < float(note.text.split("at most ")[1].split()[0]) < 1e-5


@pytest.mark.parametrize("factor", [1.001, 0.9999])
def test_a_factor_that_is_no_approximation_is_found(factor):
    assert not check_gradients(ApproximateErf(factor), normal(4, 3)).ok
