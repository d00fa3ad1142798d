"""Losses saved as ONNX files, run by onnxruntime."""

import numpy as np
import pytest
from onnx_runs import UNABLE, batches, images, run, run_reference

import netlib as nl
from netlib import losses
from netlib.onnx.saving import as_onnx
from netlib.onnx.translations import TRANSLATIONS


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def labels(rng, n):
    return rng.integers(4, size=n)


def signs(rng, *shape):
    return rng.choice([-1.0, 1.0], shape)


LABEL_LOSSES = nl.SoftmaxCrossEntropy, nl.NegativeLogLikelihood, nl.Focal, nl.MultiMargin
LOSS_CASES = {
    **{f"{kind.__name__} of labels": (kind, lambda rng: [rng.normal(size=(6, 4)), labels(rng, 6)]) for kind in LABEL_LOSSES},
    **{
        f"{kind.__name__} with weights of classes": (
            lambda reduction, kind=kind: kind(reduction=reduction, class_weight=[1.0, 0.5, 2.0, 3.0], ignore_index=-1),
            lambda rng: [rng.normal(size=(6, 3, 4)), rng.integers(-1, 4, size=(6, 3))],
        )
        for kind in LABEL_LOSSES
    },
    "SoftmaxCrossEntropy with weights of classes of a matrix": (
        lambda reduction: nl.SoftmaxCrossEntropy(reduction=reduction, class_weight=[1.0, 0.5, 2.0, 3.0], ignore_index=-1),
        lambda rng: [rng.normal(size=(6, 4)), rng.integers(-1, 4, size=6)],
    ),
    "Focal with weights of classes alone": (
        lambda reduction: nl.Focal(1.5, reduction, class_weight=[1.0, 0.5, 2.0, 3.0]),
        lambda rng: [rng.normal(size=(6, 4)), labels(rng, 6)],
    ),
    "SoftmaxCrossEntropy, smoothed": (
        lambda reduction: nl.SoftmaxCrossEntropy(0.3, reduction, ignore_index=2),
        lambda rng: [rng.normal(size=(6, 4)), labels(rng, 6)],
    ),
    "SoftmaxCrossEntropy of probabilities": (
        lambda reduction: nl.SoftmaxCrossEntropy(0.3, reduction),
        lambda rng: [rng.normal(size=(6, 4)), rng.dirichlet(np.ones(4), size=6)],
    ),
    "BinaryCrossEntropy": (nl.BinaryCrossEntropy, lambda rng: [rng.uniform(0.1, 0.9, (6, 2)), rng.integers(2, size=(6, 2))]),
    "SigmoidCrossEntropy": (nl.SigmoidCrossEntropy, lambda rng: [rng.normal(size=(6, 2)), rng.integers(2, size=(6, 2))]),
    "SigmoidCrossEntropy, weighted": (
        lambda reduction: nl.SigmoidCrossEntropy(reduction, pos_weight=[2.0, 0.5]),
        lambda rng: [rng.normal(size=(6, 2)), rng.random((6, 2))],
    ),
    "KLDivergence": (nl.KLDivergence, lambda rng: [rng.normal(size=(6, 3)), np.eye(3)[rng.integers(3, size=6)]]),
    **{
        kind.__name__: (kind, lambda rng: [rng.normal(size=(6, 3)), 2 * rng.normal(size=(6, 3))])
        for kind in (nl.MeanSquaredError, nl.MeanAbsoluteError, nl.Huber)
    },
    "Hinge": (nl.Hinge, lambda rng: [rng.normal(size=(6, 3)), signs(rng, 6, 3)]),
    "PoissonNLL": (nl.PoissonNLL, lambda rng: [rng.normal(size=(6, 3)), rng.integers(4, size=(6, 3))]),
    "PoissonNLL of rates, full": (
        lambda reduction: nl.PoissonNLL(False, True, reduction),
        lambda rng: [rng.random((6, 3)), rng.integers(4, size=(6, 3))],
    ),
    "GaussianNLL": (
        lambda reduction: nl.GaussianNLL(True, reduction),
        lambda rng: [rng.normal(size=(6, 3)), rng.uniform(0.5, 2, (6, 3)), rng.normal(size=(6, 3))],
    ),
    "MarginRanking": (
        lambda reduction: nl.MarginRanking(0.5, reduction),
        lambda rng: [rng.normal(size=6), rng.normal(size=6), signs(rng, 6)],
    ),
    "CosineEmbedding": (
        lambda reduction: nl.CosineEmbedding(0.1, reduction),
        lambda rng: [rng.normal(size=(6, 3)), np.eye(6, 3), signs(rng, 6)],
    ),
    "TripletMargin": (lambda reduction: nl.TripletMargin(0.5, reduction), lambda rng: [rng.normal(size=(6, 3)) for _ in range(3)]),
}


def test_every_loss_but_ctc_has_a_translation(rng):
    kinds = {kind for kind in vars(losses).values() if isinstance(kind, type)} - {nl.Loss}
    assert kinds - TRANSLATIONS.keys() == {nl.CTC}  # a sum over paths, which is a loop over the steps
    assert {type(make(reduction="mean")) for make, _ in LOSS_CASES.values()} == kinds - {nl.CTC}


@pytest.mark.parametrize("name", LOSS_CASES)
def test_losses_give_the_same_numbers(name, rng):
    make, draw = LOSS_CASES[name]
    inputs = draw(rng)
    for reduction in ("none", "sum", "mean"):
        for weights in ([], [rng.integers(3, size=6)]):
            loss = make(reduction=reduction)
            proto = as_onnx(loss, [*inputs, *weights])
            for arrays in batches(proto, (*inputs, *weights)):
                try:
                    (got,) = run(proto, arrays)
                except UNABLE:
                    (got,) = run_reference(proto, arrays)
                np.testing.assert_allclose(got, loss.predict(*arrays), rtol=1e-10, atol=1e-10)


def test_a_graph_may_end_in_a_loss(rng):
    x, t = nl.Input("x"), nl.Input("t")
    h = nl.Affine(3, 4, rng=rng)(x)
    graph = nl.Graph([x, t], [nl.SoftmaxCrossEntropy()(h, t, name="loss"), h])
    inputs = images(rng, 5, 3), labels(rng, 5)
    proto = as_onnx(graph, inputs)
    loss, scores = run(proto, inputs)
    assert loss.dtype == np.float32
    np.testing.assert_allclose(loss, graph.predict(*inputs)[0], rtol=1e-6)
    np.testing.assert_allclose(scores, graph.predict(*inputs)[1], rtol=1e-5, atol=1e-6)
