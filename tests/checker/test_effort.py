"""How much a check does, in forwards, whose number does not depend on the machine."""

import gc
import tracemalloc

import numpy as np
import pytest

import netlib as nl
from netlib.checker import blocks, check_gradients
from netlib.checker.conduct import samples
from netlib.checker.equality import is_close, is_same


def normal(*shape, seed=1):
    return np.random.default_rng(seed).normal(size=shape)


class Counted(nl.Layer):
    """y = x², which counts its forwards; backward is right but for a factor and a term."""

    calls = elements = 0

    def __init__(self, factor=2.0, term=0.0):
        self.factor, self.term = factor, term

    def forward(self, x):
        Counted.calls += 1
        Counted.elements += x.size
        self.x = np.array(x)
        return x * x

    def backward(self, dout):
        return dout * self.factor * self.x + self.term * dout * np.cos(self.x)


@pytest.fixture
def short_blocks(monkeypatch):
    monkeypatch.setattr(blocks, "LENGTH", 7)


def test_arrays_that_differ_in_any_block_are_not_the_same(short_blocks):
    a = np.append(normal(20), np.nan)
    assert is_same(a, a.copy())
    assert is_close(a[:20], a[:20].copy(), 0.0)
    for i in range(20):
        b = a.copy()
        b[i] += 1e-6
        assert not is_same(a, b)
        assert not is_close(a[:20], b[:20], 1e-9)
        assert is_close(a[:20], b[:20], 1e-3)


@pytest.mark.parametrize(("factor", "term"), [(2.0, 0.0), (1.0, 0.0), (2.0, 1e-3)])
def test_blocks_do_not_change_what_is_found(monkeypatch, factor, term):
    x = normal(5, 9)
    whole = check_gradients(Counted(factor, term), x)
    monkeypatch.setattr(blocks, "LENGTH", 7)
    parts = check_gradients(Counted(factor, term), x)
    assert parts.ok == whole.ok == (factor == 2.0 and term == 0)
    assert [(f.mistake, f.cause, f.hint) for f in parts.findings] == [(f.mistake, f.cause, f.hint) for f in whole.findings]
    np.testing.assert_allclose(parts.errors["input 0"], whole.errors["input 0"], rtol=1e-3, atol=1e-8)


@pytest.mark.exhaustive
@pytest.mark.parametrize(("factor", "most"), [(2.0, 30), (1.0, 90)])
def test_a_layer_of_two_million_elements_runs_few_times(factor, most):
    Counted.calls = 0
    report = check_gradients(Counted(factor), normal(2, 1000, 1000))
    assert Counted.calls <= most
    assert report.ok == (factor == 2.0)
    if not report.ok:  # the line to write is found in a sample, too
        (finding,) = report.findings
        assert (finding.mistake, finding.hint) == ("wrong-scale", "dx = dout * 2 * x")


@pytest.mark.exhaustive
def test_the_conduct_of_a_large_batch_is_tried_on_a_few_samples():
    x = normal(20, 100, 1000)
    Counted.elements = 0
    assert check_gradients(Counted(), x).ok
    assert Counted.elements <= 18 * x.size


def test_a_wide_layer_with_a_mistake_needs_no_square_of_its_width():
    x = normal(4, 100_000)  # as a matrix 100,000 times 100,000 it would take 75 GiB
    assert check_gradients(Counted(1.0), x).mistakes == ["wrong-scale"]


def test_a_check_leaves_no_memory_behind_for_the_garbage_collector():
    x = normal(4, 10_000)
    check_gradients(Counted(1.0), x)
    gc.collect()
    gc.disable()
    tracemalloc.start()
    try:
        check_gradients(Counted(2.0), x)
        assert tracemalloc.get_traced_memory()[0] < x.nbytes
    finally:
        tracemalloc.stop()
        gc.enable()


class Conduct(nl.Layer):
    """y = w x, for batches of at least `least` samples, with a slip."""

    def __init__(self, slip, least=1):
        self.weight, self.slip, self.least = nl.Parameter(normal(4, seed=2)), slip, least
        self.x = None

    def forward(self, x):
        if len(x) < self.least:
            raise ValueError("too few samples")
        if self.x is None or self.slip != "stale-cache":
            self.x = np.array(x)
        return x * self.weight.value

    def backward(self, dout):
        g = (dout * self.x).sum(axis=0)
        self.weight.grad[...] = g if self.slip == "not-accumulated" else self.weight.grad + g
        if self.slip == "mutates-upstream":
            dout *= self.weight.value
            return dout.copy()
        if self.slip == "nondeterministic":
            return dout * self.weight.value * np.random.default_rng().uniform(0.5, 1.5, dout.shape)
        return np.clip(dout * self.weight.value, -100, 100) if self.slip == "wrong-formula" else dout * self.weight.value


@pytest.mark.parametrize("least", [1, 8])
@pytest.mark.parametrize("slip", ["", "stale-cache", "not-accumulated", "mutates-upstream", "nondeterministic", "wrong-formula"])
def test_a_few_samples_show_what_a_large_batch_shows_and_all_are_tried_where_a_layer_takes_no_fewer(monkeypatch, slip, least):
    monkeypatch.setattr(samples, "LARGE", 30)
    monkeypatch.setattr(samples, "ENOUGH", 10)
    x = normal(9, 4)
    assert samples.count_few([x]) == 3
    assert check_gradients(Conduct(slip, least), x).mistakes[:1] == [slip] * bool(slip)


@pytest.mark.parametrize(
    ("inputs", "few"),
    [
        ([np.zeros((10, 4))], 0),
        ([np.zeros((10, 40))], 3),
        ([np.zeros((400, 1)), np.zeros(400)], 50),
        ([np.zeros((10, 40)), np.zeros(4)], 0),
        ([np.zeros((2, 400))], 0),
        ([np.float64(1)], 0),
        ([], 0),
    ],
)
def test_how_many_samples_are_enough(monkeypatch, inputs, few):
    monkeypatch.setattr(samples, "LARGE", 200)
    monkeypatch.setattr(samples, "ENOUGH", 100)
    assert samples.count_few(inputs) == few
