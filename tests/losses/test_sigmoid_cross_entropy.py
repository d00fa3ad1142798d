import math

import numpy as np
import pytest
from numeric import numeric_gradient

import netlib as nl


@pytest.mark.parametrize(
    ("y", "t", "term", "derivative"),
    [
        (1000.0, 1, 0.0, 0.0),
        (1000.0, 0, 1000.0, 1.0),
        (-1000.0, 1, 1000.0, -1.0),
        (-1000.0, 0, 0.0, 0.0),
        (1000.0, 0.25, 750.0, 0.75),
        (20.0, 0, 20 + math.log1p(math.exp(-20)), 1 / (1 + math.exp(-20))),
        (20.0, 1, math.log1p(math.exp(-20)), -math.exp(-20) / (1 + math.exp(-20))),
        (0.0, 0.5, math.log(2), 0.0),
    ],
)
def test_saturated_it_is_exact_in_value_and_gradient_without_a_warning(y, t, term, derivative):
    loss = nl.SigmoidCrossEntropy("sum")
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        assert math.isclose(loss.forward([y], [t]), term, rel_tol=1e-15)
        assert math.isclose(loss.backward()[0], derivative, rel_tol=1e-7, abs_tol=1e-16)


@pytest.mark.parametrize("y", [20.0, -20.0, 1000.0, -1000.0])
@pytest.mark.parametrize("t", [0.0, 0.3, 1.0])
def test_value_and_gradient_agree_where_it_saturates(y, t):
    loss, y = nl.SigmoidCrossEntropy("sum"), np.array([y])
    loss.forward(y, [t])
    numeric = numeric_gradient(lambda: (loss.forward(y, [t]),), y, (1.0,))
    loss.forward(y, [t])
    assert np.allclose(loss.backward(), numeric, rtol=0, atol=1e-8)


@pytest.mark.parametrize("t", [-0.1, 1.1, 2, -1, float("nan"), float("inf")])
def test_a_target_outside_0_to_1_is_refused(t):
    with pytest.raises(nl.InvalidValueError, match=r"SigmoidCrossEntropy.*outside \[0, 1\]"):
        nl.SigmoidCrossEntropy().forward([0.0, 0.0], [0.5, t])


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int64, np.float16, np.float64])
def test_zeros_and_ones_of_every_type_are_targets(dtype):
    assert math.isclose(nl.SigmoidCrossEntropy().forward([0.0, 0.0], np.array([0, 1], dtype)), math.log(2))
