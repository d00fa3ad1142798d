"""Proofs for the other sets of `holdout`, without the checker: by differences and by conduct."""

import numpy as np
import pytest
from checker.holdout import SETS
from checker.holdout.referees import CONDUCT, conduct, earlier_gradient_changes, gradients, in_double, joined, wrong_places

pytestmark = [
    pytest.mark.exhaustive,
    pytest.mark.filterwarnings("ignore::RuntimeWarning"),  # of layers whose mistake is to be not finite
]

SEED = 0

OTHERS = [SETS[name] for name in ("second", "third", "fourth")]
BROKEN = [layer for each in OTHERS for layer in each.BROKEN]
SOUND = [layer for each in OTHERS for layer in each.SOUND]

NUMBERS_GO_WRONG = {
    "TiedAutoencoderSteps", "PairRankingSampled", "BlockNoiseDrawsAgain", "DropConnectUnseeded", "GumbelSoftmaxFreshNoise",
    "StochasticDepthDrawsAgain", "ShakeBranchesShakesBack", "TwoPieceMaxoutSharesByChance", "DiscountedReturnsJitter", "NoisyDenseNewNoise",
    "ZoneoutDecidesAgain", "MixUpMixesAgain", "ConcreteGateNewUniform", "WordDropoutDrawsAgain", "RandomShiftAnyShift",
    "LeakyReservoirSetsInTheLoop",
}  # fmt: skip
"""A mistake of conduct that spoils the numbers as well."""
WITHIN_ONE_BACKWARD = {
    "PiecewiseLinearFancyAdd", "UnfoldFancyAdd", "ToeplitzDenseFancyAdd", "LocallyConnectedLastWindowWins", "WeightedBagFancyAdd",
    "EdgeDifferencesBuffered", "PolyLossAddsOnce", "CenterLossLastOfClass", "LookUpFancyAdd", "HashedDenseLastPlace",
    "PairwiseInteractionsLastPair", "WindowedFramesFancyAdd", "RelativePositionBiasFancyAdd", "LogisticMapLastRound",
    "ImageSampleLastVisitor", "DirichletEnergyIndexed",
}  # fmt: skip
"""Not accumulated in the other sense: what comes back several times within one backward."""
GRADIENT_OVERWRITTEN = {"DiscountedReturnsOneGradient"}
SHOWN = {"TiedAutoencoderSteps": {"mutates-parameters"}, "MishFinishesInItsCache": {"nondeterministic"}}


@pytest.mark.parametrize(("name", "make"), SOUND)
def test_a_sound_layer_agrees_with_differences_and_misbehaves_in_nothing(name, make):
    off, outside = wrong_places(joined(in_double(make)), SEED)
    if name.endswith(("Ties", "AtTheKink")):
        assert max(outside.values()) < 1e-4, "outside the slopes on both sides"
    else:
        assert max(off.values()) < 1e-6
    assert not conduct(joined(make), SEED, np.random.default_rng(SEED + 99))


@pytest.mark.parametrize(("name", "slugs", "make"), BROKEN)
def test_a_broken_layer_has_its_mistake_and_no_other(name, slugs, make):
    off, _ = wrong_places(joined(in_double(make)), SEED)
    expected = set() if name in WITHIN_ONE_BACKWARD else SHOWN.get(name, set(slugs) & CONDUCT)
    if name in GRADIENT_OVERWRITTEN:
        assert earlier_gradient_changes(make, SEED)
        assert max(off.values()) < 1e-6
        return
    if "raises" not in off:
        assert conduct(joined(make), SEED, np.random.default_rng(SEED + 99)) - {"non-finite"} == expected
        assert all(np.isfinite(g).all() for g in gradients(joined(make), SEED)) == ("non-finite" not in slugs)
    if expected and name not in NUMBERS_GO_WRONG:
        assert max(off.values()) < 1e-6, "a mistake of conduct, so the numbers are right"
    else:
        assert max(off.values()) > 1e-3


@pytest.mark.parametrize("each", SETS.values(), ids=SETS)
def test_no_two_have_one_name(each):
    names = [name for name, *_ in [*each.BROKEN, *each.SOUND]]
    assert len(set(names)) == len(names)
