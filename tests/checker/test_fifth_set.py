"""What the checker finds in the fifth set of layers that it does not know."""

import numpy as np
import pytest
from checker.holdout.fifth import BROKEN, CORRECT

import netlib as nl

NOTED = {"Float64Constant": "forward", "Float64Gradient": "input 0"}
"""They turn float32 into float64, which is no mistake at the given inputs, since these are float64."""
MISNAMED = {"RMSNormSum", "BatchNormEvalLikeTrain", "StraightThrough", "LagExchanged"}

pytestmark = [
    pytest.mark.exhaustive,
    pytest.mark.filterwarnings("ignore::RuntimeWarning"),  # of layers whose mistake is to be not finite
]


def report(make):
    layer, inputs = make(np.random.default_rng(0))
    return nl.check_gradients(layer, *inputs)


def test_the_set_is_complete():
    assert (len(BROKEN), len(CORRECT)) == (238, 189)


@pytest.mark.one_in(5)
@pytest.mark.parametrize("name", sorted(BROKEN))
def test_a_broken_layer_is_caught_and_named_as_its_writer_named_it_but_for_a_few(name):
    make, slugs, _ = BROKEN[name]
    found = report(make)
    assert found.ok == (name in NOTED)
    assert bool({finding.mistake for finding in found.findings} & slugs) == (name not in MISNAMED | set(NOTED))


@pytest.mark.parametrize(
    ("name", "where"),
    [
        ("RNNNoTime", ["wx", "wh", "b", "input 0"]),
        ("LSTMCellPathLost", ["input 0", "input 1", "input 2", "w"]),
        ("NoScaleInBackward", ["input 0", "input 1"]),
        ("CausalUnmaskedBackward", ["input 0", "input 1"]),
    ],
)
def test_one_slip_is_one_finding_and_the_other_wrong_gradients_are_its_consequences(name, where):
    (finding,) = report(BROKEN[name][0]).findings
    assert [finding.where, *finding.consequences] == where


@pytest.mark.parametrize("name", NOTED)
def test_a_dtype_that_only_float32_inputs_show_is_noted(name):
    assert [(note.kind, note.where) for note in report(BROKEN[name][0]).notes] == [("dtype-changed", NOTED[name])]


@pytest.mark.parametrize("name", sorted(CORRECT))
def test_a_correct_layer_raises_no_alarm(name):
    assert report(CORRECT[name]).findings == []
