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


@pytest.mark.parametrize(("size", "seeds"), [(20_000, range(5)), (1_000_000, [0])])
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


def test_a_report_on_a_sample_says_how_likely_it_misses_a_single_element():
    x = 4 * normal(40_000)
    report = check_gradients(Tanh(lambda g: g), x)
    chance = report.chances["input 0"]
    assert 0 < chance < 0.9
    assert f"all along 2 random directions (a single doubled element is missed with a chance of {chance:.1%})" in str(report)
    missed = 0
    places = np.random.default_rng(3).choice(x.size, 10)
    for at in places:

        def spoil(g, at=at):
            g[at] *= 2
            return g

        missed += check_gradients(Tanh(spoil), x).ok
    assert missed <= 10 * chance + 3


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


def test_kinks_between_the_steps_are_no_false_alarm():
    for seed in range(2):
        report = check_gradients(NetworkOfKinks(), normal(100, 200, seed=seed), seed=seed)
        assert report.ok, str(report)
        report = check_gradients(nl.ReLU(), normal(500_000, seed=seed), seed=seed)
        assert report.ok, str(report)
