"""What the checker finds in the layers of `holdout`, written without knowledge of its rules."""

import numpy as np
import pytest
from checker.holdout import LONG, SETS
from checker.holdout.first import HIDDEN
from checker.measure import holdout_report, verdict
from checker.repairs import is_cured

from netlib import check_gradients

BROKEN = sorted((layer for each in SETS.values() for layer in each.BROKEN), key=lambda layer: layer[0] in LONG)
CURABLE = [layer for layer in BROKEN if layer[0] not in LONG]  # first in BROKEN: one_in takes the same of both, checked once
SOUND = [layer for each in SETS.values() for layer in each.SOUND]

NOTED = {"InstanceNormReturnsWhatItKeeps", "ColumnsView", "FixedTemperedReturnsWhatItKeeps", "OwnDropoutReturnsX"}
MISNAMED = {
    "SortRowsOrderNotUndone", "SoftsignNotSquared", "LocalResponseOwnOnly", "GramOfSymmetric", "ExpectileLossOtherSide",
    "ReflectPad1dRightTwice", "BezierCurvePerCoordinate", "CrammerSingerEveryMargin", "CrammerSingerKeptMargins",
    "BondPriceRateUnsummed", "NewtonSchulzLeftTwice", "MatrixExpSeriesLikeNumbers",
}  # fmt: skip

pytestmark = [
    pytest.mark.exhaustive,
    pytest.mark.filterwarnings("ignore::RuntimeWarning"),  # of layers whose mistake is to be not finite
]


@pytest.mark.one_in(10)
@pytest.mark.parametrize(("name", "slugs", "make"), BROKEN)
def test_a_broken_layer_is_named_as_its_writer_named_it_but_for_a_few(name, slugs, make):
    assert verdict(slugs, make) == ("misnamed" if name in MISNAMED else "noted" if name in NOTED else "named")


@pytest.mark.one_in(10)
@pytest.mark.parametrize(("name", "slugs", "make"), CURABLE)
def test_the_line_to_write_makes_the_check_pass(name, slugs, make):
    inputs = make(np.random.default_rng(0))[1]
    assert is_cured(lambda: make(np.random.default_rng(0))[0], lambda layer: check_gradients(layer, *inputs), holdout_report(make))


@pytest.mark.parametrize(("name", "make"), SOUND)
def test_a_sound_layer_raises_no_alarm(name, make):
    assert holdout_report(make).findings == []


@pytest.mark.parametrize(("name", "slugs", "make"), HIDDEN)
def test_what_the_given_shape_does_not_show_is_found_all_the_same(name, slugs, make):
    assert verdict(slugs, make) == "named"


def test_what_is_noted_and_not_called_a_mistake_is_memory_that_the_caller_shares():
    notes = {name: {note.kind for note in holdout_report(make).notes} for name, _, make in BROKEN if name in NOTED}
    assert notes == {name: {"aliases-output"} for name in NOTED}


@pytest.mark.sweep
def test_80_in_100_findings_carry_the_line_to_write():
    findings = [finding for _, _, make in BROKEN for finding in holdout_report(make).findings]
    assert sum(finding.correction is not None for finding in findings) >= 0.8 * len(findings)
