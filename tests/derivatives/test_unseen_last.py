"""The layers of `unseen_last` are what they are said to be, by differences and by their conduct."""

import math

import numpy as np
import pytest
from derivatives.test_unseen_later import CONDUCT, conduct, wrong_places
from derivatives.unseen_last import BROKEN, SOUND

import netlib as nl

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of layers whose mistake is to be not finite

NUMBERS_GO_WRONG = {"GumbelSoftmaxFreshNoise", "StochasticDepthDrawsAgain", "ShakeBranchesShakesBack", "TwoPieceMaxoutSharesByChance"}
NUMBERS_GO_WRONG |= {"DiscountedReturnsJitter"}
WITHIN_ONE_BACKWARD = {
    "ToeplitzDenseFancyAdd",
    "LocallyConnectedLastWindowWins",
    "WeightedBagFancyAdd",
    "EdgeDifferencesBuffered",
    "PolyLossAddsOnce",
    "CenterLossLastOfClass",
    "LookUpFancyAdd",
}
GRADIENT_OVERWRITTEN = {"DiscountedReturnsOneGradient"}
SHOWN = {"MishFinishesInItsCache": {"nondeterministic"}}


class OneOutput(nl.Layer):
    """Several outputs laid end to end, for referees who look at one."""

    def __init__(self, inner):
        self.inner, self.n_constant_inputs = inner, inner.n_constant_inputs

    def forward(self, *inputs):
        ys = self.inner.forward(*inputs)
        self.shapes = [y.shape for y in ys]
        return np.concatenate([y.ravel() for y in ys])

    def backward(self, dout):
        ends = np.cumsum([math.prod(s) for s in self.shapes])
        return self.inner.backward(tuple(d.reshape(s) for d, s in zip(np.split(dout, ends[:-1]), self.shapes, strict=True)))


def joined(make):
    def build(rng):
        layer, inputs = make(rng)
        return (OneOutput(layer) if layer.n_outputs > 1 else layer), inputs

    return build


def in_double(make):
    """The same with parameters of float64: differences need them."""

    def build(rng):
        layer, inputs = make(rng)
        for name, member in vars(layer).copy().items():
            if isinstance(member, nl.Parameter):
                setattr(layer, name, nl.Parameter(member.value.astype(np.float64)))
        return layer, inputs

    return build


def gradients(make, seed):
    layer, inputs = make(np.random.default_rng(seed))
    y = layer.forward(*inputs)
    dx = layer.backward(np.ones_like(y))
    return [d for d in [*(dx if isinstance(dx, tuple) else (dx,)), *(p.grad for p in layer.parameters().values())] if d is not None]


def earlier_gradient_changes(make, seed):
    layer, inputs = make(np.random.default_rng(seed))
    y = layer.forward(*inputs)
    first = layer.backward(np.ones_like(y))
    before = first.copy()
    layer.backward(2 * np.ones_like(y))
    return not np.array_equal(first, before)


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize(("name", "make"), SOUND)
def test_a_sound_layer_agrees_with_differences_and_misbehaves_in_nothing(name, make, seed):
    off, outside = wrong_places(joined(in_double(make)), seed)
    if name.endswith(("Ties", "AtTheKink")):
        assert max(outside.values()) < 1e-4, "outside the slopes on both sides"
    else:
        assert max(off.values()) < 1e-6
    assert not conduct(joined(make), seed, np.random.default_rng(seed + 99))


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize(("name", "slugs", "make"), BROKEN)
def test_a_broken_layer_has_its_mistake_and_no_other(name, slugs, make, seed):
    off, _ = wrong_places(joined(in_double(make)), seed)
    expected = SHOWN.get(name, set(slugs) & CONDUCT)
    if name in WITHIN_ONE_BACKWARD:
        expected = set()
    if name in GRADIENT_OVERWRITTEN:
        assert earlier_gradient_changes(make, seed)
        assert max(off.values()) < 1e-6
        return
    if "raises" not in off:
        assert conduct(joined(make), seed, np.random.default_rng(seed + 99)) - {"non-finite"} == expected
        assert all(np.isfinite(g).all() for g in gradients(joined(make), seed)) == ("non-finite" not in slugs)
    if expected and name not in NUMBERS_GO_WRONG:
        assert max(off.values()) < 1e-6, "a mistake of conduct, so the numbers are right"
    else:
        assert max(off.values()) > 1e-3


def test_they_are_many_and_no_two_have_one_name():
    assert (len(BROKEN), len(SOUND)) == (264, 113)
    assert len({name for name, *_ in BROKEN + SOUND}) == len(BROKEN + SOUND)
