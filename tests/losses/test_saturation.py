"""Losses of probabilities, counts and labels at the ends of their range, against exact numbers, and what they refuse."""

import math

import numpy as np
import pytest

import netlib as nl

E = math.exp(-40)
EXACT = [  # a loss, y, t, its value, and its gradient, known to the last digits
    (nl.NegativeLogLikelihood(), [[-1e4, 0.0]], [0], 1e4, [[-1, 0]]),
    (nl.NegativeLogLikelihood(), [[-np.inf, 0.0]], [1], 0, [[0, -1]]),
    (nl.NegativeLogLikelihood(), [[-np.inf, 0.0]], [0], np.inf, [[-1, 0]]),
    (nl.BinaryCrossEntropy("sum"), [1e-300, 0.0, 1.0], [1, 0, 1], 300 * math.log(10), [-1e300, 1, -1]),
    (nl.BinaryCrossEntropy("sum"), [1e-20], [0], 1e-20, [1]),
    (nl.BinaryCrossEntropy(), [0.0, 1.0], [1, 0], np.inf, [-np.inf, np.inf]),
    (nl.KLDivergence(), [[-np.inf, 0.0]], [[0.0, 1.0]], 0, [[0, -1]]),
    (nl.KLDivergence(), [[-1e4, 0.0]], [[0.5, 0.5]], 5e3 - math.log(2), [[-0.5, -0.5]]),
    (nl.KLDivergence(), [[-np.inf, 0.0]], [[1.0, 0.0]], np.inf, [[-1, 0]]),
    (nl.PoissonNLL(), [-1e4], [3], 3e4, [-3]),
    (nl.PoissonNLL(), [1e4], [3], np.inf, [np.inf]),
    (nl.PoissonNLL(log_input=False), [0.0], [0], 0, [1]),
    (nl.PoissonNLL(log_input=False), [0.0], [1], np.inf, [-np.inf]),
    (nl.PoissonNLL(full=True, reduction="sum"), [0.0, 0.0], [1, 0], 2, [0, 1]),
    (nl.MultiMargin(), [[1e4, -1e4]], [1], (1 + 2e4) / 2, [[0.5, -0.5]]),
    (nl.MultiMargin(), [[1e4, -1e4]], [0], 0, [[0, 0]]),
    (nl.MultiMargin(), [[1.0, 0.0]], [0], 0, [[0, 0]]),  # the kink
    (nl.Focal(), [[-1e4, 1e4]], [0], 2e4, [[-1, 1]]),
    (nl.Focal(), [[-1e4, 1e4]], [1], 0, [[0, 0]]),
    (nl.Focal(0.5), [[-1e4, 1e4]], [1], 0, [[0, 0]]),
    (nl.Focal(2), [[40.0, 0.0]], [0], E**3, [[-3 * E**3, 3 * E**3]]),
    (nl.Focal(0), [[40.0, 0.0]], [0], E, [[-E, E]]),
    (nl.SigmoidCrossEntropy("sum", pos_weight=3), [-1e4, 1e4], [1, 0], 4e4, [-3, 1]),
    (nl.SigmoidCrossEntropy("sum", pos_weight=3), [1e4, -1e4], [1, 0], 0, [0, 0]),
    (nl.SoftmaxCrossEntropy(class_weight=[2, 1]), [[-1e4, 1e4]], [0], 2e4, [[-1, 1]]),
]


@pytest.mark.parametrize(("loss", "y", "t", "value", "gradient"), EXACT, ids=lambda each: repr(each)[:40])
def test_value_and_gradient_are_exact_and_silent_at_the_ends(loss, y, t, value, gradient):
    with np.errstate(all="raise", under="ignore"):
        assert math.isclose(loss.forward(y, t), value, rel_tol=1e-13)
        assert np.allclose(loss.backward(), gradient, rtol=1e-13, atol=0)


def test_gaussians_of_every_width_are_exact():
    for d, v in [(1e4, 1e-8), (1e-150, 1e-300), (1e150, 1e300), (0.0, 1e-300)]:
        loss = nl.GaussianNLL()
        with np.errstate(all="raise", under="ignore"):
            assert math.isclose(loss.forward([d], [v], [0.0]), (math.log(v) + d / v * d) / 2, rel_tol=1e-12)
            dy, dv = loss.backward()
        assert math.isclose(dy[0], d / v, rel_tol=1e-12)
        assert math.isclose(dv[0], (1 - d / v * d) / 2 / v, rel_tol=1e-12, abs_tol=1e-10 / v)


@pytest.mark.parametrize(
    ("loss", "y", "t", "match"),
    [
        (nl.BinaryCrossEntropy(), [1.5], [1], r"y outside \[0, 1\].*SigmoidCrossEntropy"),
        (nl.BinaryCrossEntropy(), [-0.5], [1], r"y outside \[0, 1\]"),
        (nl.BinaryCrossEntropy(), [0.5], [1.5], r"targets outside \[0, 1\]"),
        (nl.BinaryCrossEntropy(), [0.5], [np.nan], r"targets outside \[0, 1\]"),
        (nl.KLDivergence(), [[0.0, 0.0]], [[-1.0, 1.0]], "negative targets"),
        (nl.PoissonNLL(), [0.0], [-1], "negative targets"),
        (nl.PoissonNLL(log_input=False), [-1.0], [1], "negative y.*log_input=True"),
        (nl.NegativeLogLikelihood(), [[0.0, 0.0]], [2], "label 2, expected 0 to 1"),
        (nl.Focal(), [[0.0, 0.0]], [-1], "label -1, expected 0 to 1"),
    ],
)
def test_what_has_no_loss_is_refused(loss, y, t, match):
    with pytest.raises(nl.InvalidValueError, match=match):
        loss.forward(y, t)


@pytest.mark.parametrize("loss", [nl.NegativeLogLikelihood(), nl.MultiMargin(), nl.Focal()], ids=repr)
def test_labels_fit_the_scores(loss):
    for y, t in [(1.0, 0), (np.ones((2, 0)), [0, 0]), (np.ones((2, 3)), [0, 0, 0])]:
        with pytest.raises(nl.ShapeError):
            loss.forward(y, t)


def test_a_divergence_needs_classes():
    for y in (1.0, np.ones((2, 0))):
        with pytest.raises(nl.ShapeError, match="classes"):
            nl.KLDivergence().forward(y, y)


def test_a_gamma_below_0_is_refused():
    with pytest.raises(nl.InvalidValueError, match="gamma"):
        nl.Focal(-1)
