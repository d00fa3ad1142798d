"""Under ``np.seterr(all="raise")`` nothing raises whose result can be represented."""

import numpy as np
import pytest
import table

import netlib as nl
from netlib import underflow

SIZES = [0.0, 1e-30, 1e-8, 1e-3, 0.5, 3.0, 20.0, 90.0, 750.0, 1e4, 6e4]
GRID = np.array([sign * size for size in SIZES for sign in (-1, 1)])
ACTIVATIONS = [
    nl.CELU, nl.ELU, nl.GELU, nl.Hardsigmoid, nl.Hardswish, nl.Hardtanh, nl.LeakyReLU, nl.LogSigmoid, nl.Mish, nl.PReLU, nl.ReLU, nl.ReLU6,
    nl.SELU, nl.Sigmoid, nl.SiLU, nl.Softmin, nl.Softplus, nl.Softsign, nl.Tanh, nl.GLU, nl.Softmax,
]  # fmt: skip
DTYPES = [np.float16, np.float32, np.float64]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("make", ACTIVATIONS)
def test_activations_are_silent_on_every_pair_of_sizes(make, dtype):
    x = np.array(np.meshgrid(GRID, GRID)).reshape(2, -1).T.astype(dtype)
    layer = make()
    with np.errstate(all="raise"):
        y = layer.forward(x)
        dx = layer.backward(np.ones_like(y))
    assert np.isfinite(y).all()
    assert np.isfinite(dx).all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_activations_are_silent_on_the_largest_and_smallest_numbers(dtype):
    limits = np.finfo(dtype)
    x = np.array([limits.max, limits.min, limits.tiny, -limits.tiny, limits.smallest_subnormal, -limits.smallest_subnormal], dtype)
    outgrown = {nl.SELU, nl.Softmax, nl.Softmin}  # whose results are larger, or differences of the largest
    layers = [make() for make in ACTIVATIONS if make not in outgrown and make is not nl.PReLU]
    for layer in [*layers, nl.CELU(0.5), nl.Hardtanh(-2, 3), nl.Threshold(1, 2), nl.PReLU(dtype=dtype)]:
        with np.errstate(all="raise"):
            y = layer.forward(x)
            dx = layer.backward(np.ones_like(y))
        assert np.isfinite(y).all()
        assert np.isfinite(dx).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_log_softmax_is_silent(dtype):
    x = np.array(np.meshgrid(GRID, GRID)).reshape(2, -1).T.astype(dtype)
    layer = nl.LogSoftmax()
    with np.errstate(all="raise"):
        layer.forward(x)
        layer.backward(np.ones_like(x))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("loss", "targets"),
    [
        (nl.SoftmaxCrossEntropy(), "labels"),
        (nl.SoftmaxCrossEntropy(), "probabilities"),
        (nl.SoftmaxCrossEntropy(label_smoothing=0.1), "labels"),
        (nl.SigmoidCrossEntropy(), "probabilities"),
        (nl.Hinge(), "signs"),
        (nl.Huber(), "numbers"),
        (nl.MeanSquaredError(), "numbers"),
        (nl.MeanAbsoluteError(), "numbers"),
    ],
)
def test_losses_are_silent(loss, targets, dtype):
    y = np.array(np.meshgrid(GRID, GRID)).reshape(2, -1).T.astype(dtype)
    ones = np.zeros_like(y)
    ones[:, 0] = 1
    t = {"labels": np.zeros(len(y), int), "probabilities": ones, "signs": 2 * ones - 1, "numbers": ones}[targets]
    with np.errstate(all="raise"):
        loss.forward(y, t)
        loss.backward()


@pytest.mark.parametrize("row", table.ROWS, ids=str)
def test_a_model_is_silent_on_tiny_numbers(row):
    model = nl.Sequential(row.make(np.float32))
    inputs = row.with_numbers(lambda x: (x * 1e-25).astype(np.float32))
    with np.errstate(under="raise"):
        y = model.forward(*inputs)
        for d in y if isinstance(y, tuple) else (y,):
            assert np.isfinite(d).all()


def test_a_saturated_network_is_trained_silently():
    rng = np.random.default_rng(0)
    x, t = rng.normal(size=(32, 4)).astype(np.float32) * 100, rng.integers(3, size=32)
    for activation in (nl.ReLU, nl.Sigmoid, nl.Tanh, nl.GELU, nl.SiLU, nl.ELU, nl.Softplus):
        model = nl.Sequential(nl.Affine(4, 16, rng=0), activation(), nl.Affine(16, 3, rng=1))
        loss, optimizer = nl.SoftmaxCrossEntropy(), nl.Adam(model, lr=0.1)
        with np.errstate(all="raise"):
            for _ in range(300):
                loss.forward(model.forward(x), t)
                model.backward(loss.backward())
                optimizer.step()
                model.predict(x)


def test_the_error_state_is_that_of_the_user_afterwards_and_needs_no_private_name_of_numpy(monkeypatch):
    monkeypatch.setattr(underflow, "_state", object)  # as where NumPy has no such name
    x = np.array([[-1e4, 1e4]])
    with np.errstate(all="raise"):
        before = np.geterr()
        assert nl.Sigmoid().forward(x).tolist() == [[0, 1]]
        assert np.geterr() == before
    with np.errstate(all="raise"), pytest.raises(FloatingPointError):
        np.exp(x.min())
