"""Outputs that share memory, and layers that keep what they should read again."""

import copy

import numpy as np
import pytest

import netlib as nl
from netlib.checker import check_gradients


def normal(*shape, seed=1):
    return np.random.default_rng(seed).normal(size=shape)


class Hands(nl.Layer):
    """y = 2 tanh(x), handed out in one way or another."""

    def __init__(self, out):
        self.out = out

    def forward(self, x):
        self.y = np.tanh(x)
        self.twice = 2 * self.y
        return self.out(self)

    def backward(self, dout):
        return 2 * dout * (1 - (self.twice / 2) ** 2)


OUTPUTS = {
    "the array that backward reads": (lambda layer: layer.twice, True),
    "a view of it": (lambda layer: layer.twice[:], True),
    "a copy of it": (lambda layer: layer.twice.copy(), False),
    "another array": (lambda layer: 2 * layer.y, False),
}


@pytest.mark.parametrize("which", OUTPUTS)
def test_an_output_that_backward_reads_is_noted_and_no_mistake(which):
    out, is_noted = OUTPUTS[which]
    report = check_gradients(Hands(out), normal(3, 4))
    assert report.ok, str(report)
    assert [note.kind for note in report.notes] == ["aliases-output"] * is_noted
    assert ("writing into it changes the gradient of input 0" in str(report)) == is_noted


def test_an_output_that_the_layer_keeps_and_does_not_read_is_nobodys_business():
    class Keeps(Hands):
        def backward(self, dout):
            return 2 * dout * (1 - self.y**2)

    assert check_gradients(Keeps(lambda layer: layer.twice), normal(3, 4)).notes == []


MADE = {  # how, who reads it, and what is wrong once the weight has changed
    "a view": (lambda w: w.T, {"forward", "backward"}, "weight"),
    "a view the other way round": (lambda w: w[::-1, ::-1].T, {"forward", "backward"}, "weight"),
    "a view for backward": (lambda w: w.T, {"backward"}, "input 0"),
    "a copy for backward": (lambda w: w.T.copy(), {"backward"}, "input 0"),
    "a copy for forward": (lambda w: w.T.copy(), {"forward"}, "weight"),
    "a copy for both": (lambda w: w.T.copy(), {"forward", "backward"}, "weight"),
}


class Product(nl.Layer):
    """y = x W, with an array made of W in the constructor."""

    def __init__(self, how="a copy for both", used_by=None):
        self.weight = nl.Parameter(normal(4, 3, seed=2))
        make, readers, _ = MADE[how]
        self.readers = readers if used_by is None else used_by
        self.is_turned = "round" in how
        self.kept = make(self.weight.value)

    def turned(self, reader):
        if reader not in self.readers:
            return self.weight.value.T
        return self.kept.T[::-1, ::-1].T if self.is_turned else self.kept

    def forward(self, x):
        self.x = np.array(x)
        return x @ self.turned("forward").T

    def backward(self, dout):
        self.weight.grad += self.x.T @ dout
        return dout @ self.turned("backward")


@pytest.mark.one_in(5)
@pytest.mark.parametrize("how", MADE)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_what_a_layer_made_of_its_weight_once_and_for_all_is_a_stale_cache(how, dtype):
    layer = Product(how)
    if dtype is np.float32:
        layer.weight = nl.Parameter(layer.weight.value.astype(dtype))
        layer.kept = MADE[how][0](layer.weight.value)
    (finding,) = check_gradients(layer, normal(5, 4).astype(dtype)).findings
    assert (finding.mistake, finding.where) == ("stale-cache", MADE[how][2])


class Split(nl.Layer):
    """y = sin(x A) cos(x B), with A and B halves of one weight, split once or in every pass."""

    def __init__(self, once):
        self.weight = nl.Parameter(normal(4, 6, seed=2))
        self.halves = np.split(self.weight.value, 2, axis=1) if once else None

    def parts(self):
        return self.halves or np.split(self.weight.value, 2, axis=1)

    def forward(self, x):
        self.x, (a, b) = np.array(x), self.parts()
        return np.sin(x @ a) * np.cos(x @ b)

    def backward(self, dout):
        a, b = self.parts()
        da, db = dout * np.cos(self.x @ a) * np.cos(self.x @ b), -dout * np.sin(self.x @ a) * np.sin(self.x @ b)
        self.weight.grad += np.concatenate([self.x.T @ da, self.x.T @ db], axis=1)
        return da @ a.T + db @ b.T


class Fading(Split):
    """The same, smaller with every forward."""

    times = 0

    def forward(self, x):
        self.times += 1
        return super().forward(x) / self.times

    def backward(self, dout):
        return super().backward(dout / self.times)


@pytest.mark.parametrize("kind", [Split, Fading])
def test_views_of_the_parts_of_a_weight_are_stale_after_a_step_only(kind):
    assert check_gradients(kind(once=False), normal(5, 4)).ok
    (finding,) = check_gradients(kind(once=True), normal(5, 4)).findings
    assert (finding.mistake, finding.where) == ("stale-cache", "weight")
    assert "right with the parameters as they are" in finding.cause


def test_an_array_made_of_a_weight_that_nobody_reads_is_no_alarm():
    report = check_gradients(Product(used_by=()), normal(5, 4))
    assert report.ok, str(report)


def test_an_optimizer_leaves_behind_a_layer_that_kept_a_view():
    x, kept, anew = normal(5, 4), Product("a view"), Product(used_by=())
    for layer in (kept, anew):
        layer.forward(x)
        layer.backward(np.ones((5, 3)))
        nl.SGD(layer, lr=0.1).step()
    assert np.allclose(anew.forward(x), x @ anew.weight.value)
    assert not np.allclose(kept.forward(x), x @ kept.weight.value)


class Anew(Product):
    def forward(self, x):
        self.kept = self.weight.value.T
        return super().forward(x)


def test_a_view_that_every_forward_takes_anew_is_no_alarm_before_a_forward_nor_after():
    layer = Anew()
    for _ in range(2):
        report = check_gradients(layer, normal(5, 4))
        assert report.ok, str(report)
        layer.forward(normal(5, 4))
    assert np.shares_memory(layer.kept, layer.weight.value)


def test_a_stale_cache_inside_a_container_is_named_there():
    model = nl.Sequential(nl.Tanh(), Product("a copy for backward"), nl.Affine(3, 2, rng=0))
    report = check_gradients(model, normal(5, 4))
    assert [(finding.mistake, finding.where) for finding in report.findings] == [("stale-cache", "1: input 0")]


class Gain(nl.Layer):
    """y = g (x - m) with a fixed m; a gain of one hides that backward forgets it."""

    def __init__(self):
        self.gain, self.mean = nl.Parameter(np.ones(3)), normal(3)

    def forward(self, x):
        self.x = x - self.mean
        return self.x * self.gain.value

    def backward(self, dout):
        self.gain.grad += (dout * self.x).sum(axis=0)
        return dout.copy()


def test_a_factor_that_all_ones_hide_is_no_stale_cache_though_the_layer_keeps_an_array():
    (finding,) = check_gradients(Gain(), normal(5, 3)).findings
    assert (finding.mistake, finding.where) == ("wrong-formula", "input 0")


@pytest.mark.parametrize("how", MADE)
def test_the_layer_is_left_with_the_very_arrays_that_it_had(how):
    layer = Product(how)
    kept, value, before = layer.kept, layer.weight.value, copy.deepcopy((layer.kept, layer.weight.value, layer.weight.grad))
    check_gradients(layer, normal(5, 4))
    assert layer.kept is kept
    assert layer.weight.value is value
    assert all(map(np.array_equal, before, (kept, value, layer.weight.grad)))
