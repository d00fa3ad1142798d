"""Losses against PyTorch's: values of every reduction, and gradients."""

import itertools
from functools import partial

import numpy as np
import pytest
import torch
from layouts import LAYOUTS
from torch.nn import functional

import netlib as nl

reductions = pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
SHAPES = [(), (1,), (7,), (4, 3), (2, 3, 4), (2, 1, 3, 2)]


def hinge(y, t, reduction):
    """Return what PyTorch has no function for: max(0, 1 - t y)."""
    terms = torch.clamp(1 - t * y, min=0)
    return {"mean": terms.mean, "sum": terms.sum, "none": terms.clone}[reduction]()


def cross_entropy(y, t, reduction, smoothing=0.0):
    """Return PyTorch's, which has the classes on axis 1, for classes on the last."""
    rows = y.reshape(-1, y.shape[-1])
    t = t.reshape(rows.shape) if t.is_floating_point() else t.reshape(-1)
    value = functional.cross_entropy(rows, t, reduction=reduction, label_smoothing=smoothing)
    return value.reshape(y.shape[:-1]) if reduction == "none" else value


def assert_equal_pytorch(loss, function, y, t, relaid=np.array, tolerance=1e-9):
    theirs = torch.tensor(np.array(y), requires_grad=True)
    wanted = function(theirs, torch.tensor(np.array(t)))
    value = loss.forward(relaid(y), relaid(t))
    dout = np.array(np.random.default_rng(5).normal(size=np.shape(value)), y.dtype)
    wanted.backward(torch.tensor(dout))
    assert np.shape(value) == tuple(wanted.shape)
    assert np.allclose(value, wanted.detach().numpy(), rtol=tolerance, atol=tolerance / 1000)
    dy = loss.backward(dout)
    assert dy.shape == y.shape
    assert np.allclose(dy, theirs.grad.numpy(), rtol=tolerance, atol=tolerance / 1000)


def signs(rng, size):
    return rng.choice([-1.0, 1.0], size)


ELEMENTWISE = {
    "MeanSquaredError": (nl.MeanSquaredError, functional.mse_loss, np.random.Generator.normal),
    "MeanAbsoluteError": (nl.MeanAbsoluteError, functional.l1_loss, np.random.Generator.normal),
    "Huber": (nl.Huber, functional.huber_loss, np.random.Generator.normal),
    "Huber of 0.3": (
        lambda reduction: nl.Huber(0.3, reduction),
        lambda y, t, reduction: functional.huber_loss(y, t, reduction, 0.3),
        np.random.Generator.normal,
    ),
    "Hinge": (nl.Hinge, hinge, signs),
    "SigmoidCrossEntropy": (nl.SigmoidCrossEntropy, functional.binary_cross_entropy_with_logits, np.random.Generator.random),
}
elementwise = pytest.mark.parametrize(("kind", "peer", "draw"), ELEMENTWISE.values(), ids=ELEMENTWISE)


def peer_with(peer, reduction):
    return lambda y, t: peer(y, t, reduction=reduction)


@elementwise
@reductions
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_a_loss_of_elements_equals_pytorchs_in_every_shape_and_size(kind, peer, draw, reduction, shape):
    for scale in (1e-3, 1.0, 50.0, 1e4):
        rng = np.random.default_rng(0)
        y, t = scale * np.array(rng.normal(size=shape)), np.array(draw(rng, size=shape))
        assert_equal_pytorch(kind(reduction=reduction), peer_with(peer, reduction), y, t)


@elementwise
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_loss_of_elements_equals_pytorchs_in_every_memory_layout(kind, peer, draw, layout):
    rng = np.random.default_rng(1)
    y, t = rng.normal(size=(2, 3, 4)), draw(rng, size=(2, 3, 4))
    assert_equal_pytorch(kind(reduction="none"), peer_with(peer, "none"), y, t, LAYOUTS[layout])


@elementwise
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_at_plus_and_minus_10000_a_loss_of_elements_equals_pytorchs(kind, peer, draw, dtype):
    y = np.array([-1e4, -1e4, -1e3, 0, 20, 1e3, 1e4, 1e4], dtype)
    t = np.array([1, 0, 1, 1, 0, 1, 0, 1], dtype)
    t = 2 * t - 1 if kind is nl.Hinge else t
    for reduction in ("mean", "sum", "none"):
        tolerance = 1e-9 if dtype == np.float64 else 1e-6
        assert_equal_pytorch(kind(reduction=reduction), peer_with(peer, reduction), y, t, tolerance=tolerance)


@reductions
@pytest.mark.parametrize("shape", [(3,), (1, 2), (1, 4), (5, 3), (3, 3), (2, 3, 4), (2, 2, 3, 2)], ids=str)
@pytest.mark.parametrize("targets", ["labels", "one-hot", "probabilities"])
def test_softmax_cross_entropy_equals_pytorchs_for_every_kind_of_target(reduction, shape, targets):
    for smoothing, scale in itertools.product([0.0, 0.1, 0.9], [1.0, 50.0, 1e4]):
        rng = np.random.default_rng(2)
        y, t = scale * rng.normal(size=shape), rng.integers(0, shape[-1], shape[:-1])
        if targets == "one-hot":
            t = np.eye(shape[-1])[t]
        if targets == "probabilities":
            t = rng.dirichlet(np.ones(shape[-1]), shape[:-1])
        loss, peer = (
            nl.SoftmaxCrossEntropy(smoothing, reduction=reduction),
            partial(cross_entropy, reduction=reduction, smoothing=smoothing),
        )
        assert_equal_pytorch(loss, peer, y, np.array(t))


@pytest.mark.parametrize("targets", ["labels", "probabilities"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_softmax_cross_entropy_equals_pytorchs_in_every_memory_layout(targets, layout):
    rng = np.random.default_rng(3)
    y = rng.normal(size=(2, 3, 4))
    t = rng.integers(0, 4, (2, 3)) if targets == "labels" else rng.dirichlet(np.ones(4), (2, 3))
    loss = nl.SoftmaxCrossEntropy(reduction="none")
    assert_equal_pytorch(loss, lambda y, t: cross_entropy(y, t, "none"), y, t, LAYOUTS[layout])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("label", [0, 1])
@pytest.mark.parametrize("y", [[0, 20], [-1000, 1000], [-1e4, 1e4], [1e4, 1e4], [-1000, 1]], ids=str)
def test_saturated_softmax_cross_entropy_equals_pytorchs(y, label, dtype):
    tolerance = 1e-9 if dtype == np.float64 else 1e-6
    y, labels = np.array([y], dtype), np.array([label])
    assert_equal_pytorch(nl.SoftmaxCrossEntropy(), lambda y, t: cross_entropy(y, t, "mean"), y, labels, tolerance=tolerance)


@pytest.mark.parametrize("seed", range(20))
def test_targets_that_do_not_sum_to_1_are_taken_as_pytorch_takes_them(seed):
    rng = np.random.default_rng(seed)
    y, t = rng.normal(size=(4, 3)), rng.uniform(0, 2, (4, 3))
    assert_equal_pytorch(nl.SoftmaxCrossEntropy(), lambda y, t: cross_entropy(y, t, "mean"), y, t)
