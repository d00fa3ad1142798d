"""At infinite outputs a loss is the limit of the same loss at ever larger ones."""

import math

import numpy as np
import pytest

import netlib as nl

INF = math.inf


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize(
    ("loss", "y", "t", "value", "dy"),
    [
        # log p of the classes is (log ½, log ½, -∞), and the third has no share.
        (nl.SoftmaxCrossEntropy(), [[0.0, 0.0, -INF]], [0], math.log(2), [[-0.5, 0.5, 0]]),
        (nl.SoftmaxCrossEntropy(), [[0.0, 0.0, -INF]], [[1.0, 0.0, 0.0]], math.log(2), [[-0.5, 0.5, 0]]),
        (nl.SoftmaxCrossEntropy(), [[0.0, 0.0, -INF]], [[0.5, 0.5, 0.0]], math.log(2), [[0, 0, 0]]),
        (nl.SoftmaxCrossEntropy(), [[0.0, 0.0, -INF]], [[0.5, 0.25, 0.25]], INF, [[0, 0.25, -0.25]]),
        (nl.SoftmaxCrossEntropy(), [[0.0, 0.0, -INF]], [2], INF, [[0.5, 0.5, -1]]),
        (nl.SigmoidCrossEntropy(), [INF], [1.0], 0.0, [0]),
        (nl.SigmoidCrossEntropy(), [-INF], [0.0], 0.0, [0]),
        (nl.SigmoidCrossEntropy(), [INF], [0.0], INF, [1]),
        (nl.SigmoidCrossEntropy(), [-INF], [1.0], INF, [-1]),
        (nl.SigmoidCrossEntropy(), [INF], [0.5], INF, [0.5]),
        (nl.Hinge(), [INF], [1.0], 0.0, [0]),
        (nl.Hinge(), [INF], [-1.0], INF, [1]),
        (nl.Hinge(), [-INF], [-1.0], 0.0, [0]),
        (nl.Huber(2.0), [INF], [1.0], INF, [2]),
        (nl.Huber(2.0), [-INF], [1.0], INF, [-2]),
        (nl.MeanAbsoluteError(), [-INF], [1.0], INF, [-1]),
        (nl.MeanSquaredError(), [INF], [1.0], INF, [INF]),
    ],
    ids=str,
)
def test_infinite_outputs_give_the_limit(loss, y, t, value, dy, dtype):
    y = np.array(y, dtype)
    with np.errstate(invalid="raise", divide="raise"):
        assert loss.forward(y, t) == pytest.approx(value, rel=10 * float(np.finfo(dtype).eps))
        np.testing.assert_allclose(loss.backward(), dy, rtol=10 * float(np.finfo(dtype).eps), atol=10 * float(np.finfo(dtype).eps))
