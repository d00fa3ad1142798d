"""The losses of other distributions, margins and embeddings, and weights, against PyTorch's and scikit-learn's."""

import numpy as np
import pytest
import sklearn.metrics
import torch
from torch.nn import functional

import netlib as nl

RNG = np.random.default_rng(0)
reductions = pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
CLASSES = np.array([1.0, 2.0, 0.0, 3.0])
LABELS, IGNORED = np.array([0, 3, 1, 2, 1, 0]), np.array([0, 3, -100, 2, 1, -100])


def focal(y, t, reduction, weight=None):
    """Return the formula of Lin et al., differentiated by PyTorch."""
    log_p = functional.log_softmax(y, -1).gather(-1, t[:, None])[:, 0]
    w = torch.ones(len(y), dtype=y.dtype) if weight is None else weight[t]
    terms = -w * (1 - log_p.exp()) ** 2 * log_p
    return {"mean": terms.sum() / w.sum(), "sum": terms.sum(), "none": terms}[reduction]


def kl(y, t, reduction):
    each = functional.kl_div(y, t, reduction="none").sum(-1)
    return {"mean": functional.kl_div(y, t, reduction="batchmean"), "sum": each.sum(), "none": each}[reduction]


def draw(*shape, scale=1.0):
    return scale * RNG.normal(size=shape)


def log_p(scale):
    return functional.log_softmax(torch.tensor(draw(6, 4, scale=scale)), -1).numpy()


def signs(*shape):
    return RNG.choice([-1.0, 1.0], shape)


def class_weight():
    return torch.tensor(CLASSES)


ROWS = {  # a loss, PyTorch's function, how many of the arrays have a gradient, and the arrays, ordinary and extreme
    "NegativeLogLikelihood": (nl.NegativeLogLikelihood, functional.nll_loss, 1, [(log_p(1), LABELS), (log_p(1e4), LABELS)]),
    "NegativeLogLikelihood, weighted": (
        lambda reduction: nl.NegativeLogLikelihood(reduction, CLASSES, -100),
        lambda y, t, reduction: functional.nll_loss(y, t, class_weight(), ignore_index=-100, reduction=reduction),
        1,
        [(log_p(1), IGNORED)],
    ),
    "SoftmaxCrossEntropy, weighted": (
        lambda reduction: nl.SoftmaxCrossEntropy(0.1, reduction, CLASSES, -100),
        lambda y, t, reduction: functional.cross_entropy(y, t, class_weight(), None, -100, reduction=reduction, label_smoothing=0.1),
        1,
        [(draw(6, 4), IGNORED), (draw(6, 4, scale=1e4), IGNORED)],
    ),
    "SigmoidCrossEntropy, weighted": (
        lambda reduction: nl.SigmoidCrossEntropy(reduction, CLASSES),
        lambda y, t, reduction: functional.binary_cross_entropy_with_logits(y, t, reduction=reduction, pos_weight=class_weight()),
        1,
        [(draw(6, 4), RNG.random((6, 4))), (draw(6, 4, scale=1e4), RNG.random((6, 4)))],
    ),
    "BinaryCrossEntropy": (nl.BinaryCrossEntropy, functional.binary_cross_entropy, 1, [(RNG.random((4, 3)), RNG.random((4, 3)))]),
    "KLDivergence": (
        nl.KLDivergence,
        kl,
        1,
        [(log_p(1), RNG.dirichlet(np.ones(4), 6)), (log_p(1e4), np.eye(4)[LABELS])],
    ),
    "PoissonNLL": (
        lambda reduction: nl.PoissonNLL(full=True, reduction=reduction),
        lambda y, t, reduction: functional.poisson_nll_loss(y, t, full=True, reduction=reduction),
        1,
        [(draw(4, 3), RNG.integers(0, 9, (4, 3)).astype(float)), (np.array([-1e4, 0, 500]), np.array([1.0, 0, 1e4]))],
    ),
    "PoissonNLL of rates": (
        lambda reduction: nl.PoissonNLL(False, reduction=reduction),
        lambda y, t, reduction: functional.poisson_nll_loss(y, t, log_input=False, eps=0, reduction=reduction),
        1,
        [(RNG.random((4, 3)), RNG.integers(0, 9, (4, 3)).astype(float)), (np.array([1e4, 1e-300]), np.array([1e4, 0.5]))],
    ),
    "GaussianNLL": (
        lambda reduction: nl.GaussianNLL(True, reduction),
        lambda y, v, t, reduction: functional.gaussian_nll_loss(y, t, v, full=True, reduction=reduction),
        2,
        [(draw(4, 3), RNG.random((4, 3)) + 0.1, draw(4, 3)), (draw(5, scale=1e4), np.array([1e-4, 1, 1e4, 1e8, 1e-2]), draw(5))],
    ),
    "CosineEmbedding": (
        lambda reduction: nl.CosineEmbedding(0.1, reduction),
        lambda a, b, t, reduction: functional.cosine_embedding_loss(a, b, t, 0.1, reduction=reduction),
        2,
        [(draw(9, 3), draw(9, 3), signs(9)), (draw(9, 3, scale=1e4), draw(9, 3, scale=1e4), signs(9))],
    ),
    "TripletMargin": (
        lambda reduction: nl.TripletMargin(0.5, reduction),
        lambda a, p, n, reduction: functional.triplet_margin_loss(a, p, n, 0.5, eps=0, reduction=reduction),
        3,
        [(draw(9, 3), draw(9, 3), draw(9, 3)), (draw(9, 3, scale=1e4), draw(9, 3, scale=1e4), draw(9, 3, scale=1e4))],
    ),
    "MarginRanking": (
        lambda reduction: nl.MarginRanking(0.5, reduction),
        lambda a, b, t, reduction: functional.margin_ranking_loss(a, b, t, 0.5, reduction=reduction),
        2,
        [(draw(9), draw(9), signs(9)), (draw(3, 4, scale=1e4), draw(3, 4, scale=1e4), signs(3, 4))],
    ),
    "MultiMargin": (
        lambda reduction: nl.MultiMargin(0.5, reduction),
        lambda y, t, reduction: functional.multi_margin_loss(y, t, margin=0.5, reduction=reduction),
        1,
        [(draw(6, 4), LABELS), (draw(6, 4, scale=1e4), LABELS)],
    ),
    "Focal": (lambda reduction: nl.Focal(reduction=reduction), focal, 1, [(draw(6, 4), LABELS), (draw(6, 4, scale=1e4), LABELS)]),
    "Focal, weighted": (
        lambda reduction: nl.Focal(2, reduction, CLASSES),
        lambda y, t, reduction: focal(y, t, reduction, class_weight()),
        1,
        [(draw(6, 4), LABELS)],
    ),
}


@pytest.mark.parametrize(("make", "peer", "n", "cases"), ROWS.values(), ids=ROWS)
@reductions
def test_a_loss_equals_pytorchs_at_ordinary_and_extreme_numbers(make, peer, n, cases, reduction):
    for arrays in cases:
        theirs = [torch.tensor(x, requires_grad=i < n) for i, x in enumerate(arrays)]
        loss, expected = make(reduction=reduction), peer(*theirs, reduction=reduction)
        value = loss.forward(*arrays)
        assert np.allclose(value, expected.detach(), rtol=1e-9, atol=1e-12)
        dout = np.random.default_rng(1).normal(size=np.shape(value))
        expected.backward(torch.tensor(dout))
        dys = loss.backward(dout)
        for dy, x in zip(dys if n > 1 else [dys], theirs[:n], strict=True):
            assert np.allclose(dy, x.grad, rtol=1e-9, atol=1e-12)


def test_weighted_losses_equal_scikit_learns_weighted_scores():
    weight, y, t = RNG.random(6), draw(6, 3), draw(6, 3)
    assert np.isclose(nl.MeanSquaredError().forward(y, t, weight), sklearn.metrics.mean_squared_error(t, y, sample_weight=weight), 1e-12)
    assert np.isclose(nl.MeanAbsoluteError().forward(y, t, weight), sklearn.metrics.mean_absolute_error(t, y, sample_weight=weight), 1e-12)
    sign = signs(6)
    assert np.isclose(nl.Hinge().forward(y[:, 0], sign, weight), sklearn.metrics.hinge_loss(sign, y[:, 0], sample_weight=weight), 1e-12)
    p = RNG.dirichlet(np.ones(4), 6)
    expected = sklearn.metrics.log_loss(LABELS, p, sample_weight=weight)
    assert np.isclose(nl.NegativeLogLikelihood().forward(np.log(p), LABELS, weight), expected, 1e-12)
    assert np.isclose(nl.SoftmaxCrossEntropy().forward(np.log(p), LABELS, weight), expected, 1e-12)
    binary = (sign + 1) / 2
    assert np.isclose(
        nl.BinaryCrossEntropy().forward(p[:, 0], binary, weight), sklearn.metrics.log_loss(binary, p[:, 0], sample_weight=weight), 1e-12
    )
    rate, counts = RNG.random(6), RNG.integers(1, 9, 6)
    deviance = sklearn.metrics.mean_poisson_deviance(counts, rate, sample_weight=weight)
    poisson = nl.PoissonNLL(log_input=False)
    assert np.isclose(2 * (poisson.forward(rate, counts, weight) - poisson.forward(counts.astype(float), counts, weight)), deviance, 1e-12)
