"""Small networks trained for 30 steps, ours beside PyTorch's."""

import numpy as np
import pytest
import torch
from torch.nn import functional

import netlib as nl

OPTIMIZERS = {
    "SGD": (nl.SGD, torch.optim.SGD, {"lr": 0.1}),
    "SGD with momentum": (nl.SGD, torch.optim.SGD, {"lr": 0.05, "momentum": 0.9, "weight_decay": 0.01}),
    "SGD with Nesterov's momentum": (nl.SGD, torch.optim.SGD, {"lr": 0.05, "momentum": 0.9, "nesterov": True}),
    "AdaGrad": (nl.AdaGrad, torch.optim.Adagrad, {"lr": 0.05}),
    "RMSProp": (nl.RMSProp, torch.optim.RMSprop, {"lr": 0.01}),
    "Adam": (nl.Adam, torch.optim.Adam, {"lr": 0.01}),
    "Adam with weight decay": (nl.Adam, torch.optim.Adam, {"lr": 0.01, "betas": (0.8, 0.95), "weight_decay": 0.1}),
    "AdamW": (nl.AdamW, torch.optim.AdamW, {"lr": 0.01, "weight_decay": 0.1}),
}


def classifier():
    model = nl.Sequential(nl.Affine(6, 8, rng=0, dtype=np.float64), nl.ReLU(), nl.Affine(8, 3, rng=1, dtype=np.float64))
    return model, nl.SoftmaxCrossEntropy(), lambda rng: (rng.normal(size=(5, 6)), rng.integers(0, 3, 5))


def their_classifier(x, t, w, b, v, c):
    return functional.cross_entropy(functional.linear(torch.relu(functional.linear(x, w.T, b)), v.T, c), t)


def regression():
    block = nl.Residual(nl.Sequential(nl.Affine(4, 4, rng=0, dtype=np.float64), nl.GELU()))
    model = nl.Sequential(block, nl.Softplus(), nl.Affine(4, 2, rng=1, dtype=np.float64, bias=False))
    return model, nl.Huber(), lambda rng: (rng.normal(size=(7, 4)), rng.normal(size=(7, 2)))


def their_regression(x, t, w, b, v):
    return functional.huber_loss(functional.softplus(x + functional.gelu(functional.linear(x, w.T, b)), threshold=100) @ v, t)


def tied():
    encode = nl.Affine(4, 4, rng=0, dtype=np.float64)
    model = nl.Sequential(encode, nl.Tanh(), encode.tied_copy(), nl.SiLU(), nl.Affine(4, 1, rng=1, dtype=np.float64))
    return model, nl.SigmoidCrossEntropy(), lambda rng: (rng.normal(size=(6, 4)), rng.random((6, 1)))


def their_tied(x, t, w, b, v, c):
    hidden = functional.linear(torch.tanh(functional.linear(x, w.T, b)), w.T, b)
    return functional.binary_cross_entropy_with_logits(functional.linear(functional.silu(hidden), v.T, c), t)


def attention():
    rng = np.random.default_rng(0)
    x = nl.Input("x")
    q, k, v = (x @ nl.Weight(name, rng.normal(size=(3, 3))) for name in "QKV")
    scores = nl.Softmax()(q @ nl.Transpose((0, 2, 1))(k))
    model = nl.Graph([x], [nl.Mean(axis=1)(scores @ v + x)])
    return model, nl.MeanSquaredError("sum"), lambda rng: (rng.normal(size=(2, 4, 3)), rng.normal(size=(2, 3)))


def their_attention(x, t, q, k, v):
    scores = torch.softmax((x @ q) @ (x @ k).transpose(1, 2), -1)
    return functional.mse_loss((scores @ (x @ v) + x).mean(1), t, reduction="sum")


NETWORKS = {
    "classifier": (classifier, their_classifier),
    "regression": (regression, their_regression),
    "tied": (tied, their_tied),
    "attention": (attention, their_attention),
}


@pytest.mark.parametrize(("kind", "peer", "settings"), OPTIMIZERS.values(), ids=OPTIMIZERS)
@pytest.mark.parametrize(("make", "their_loss"), NETWORKS.values(), ids=NETWORKS)
def test_after_30_steps_every_loss_and_every_parameter_is_pytorchs(make, their_loss, kind, peer, settings):
    model, loss, draw = make()
    parameters = list(model.parameters().values())
    theirs = [torch.tensor(p.value.copy(), requires_grad=True) for p in parameters]
    optimizer, referee = kind(model, **settings), peer(theirs, **settings)
    rng = np.random.default_rng(1)
    for _ in range(30):
        x, t = draw(rng)
        L = loss.forward(model.forward(x), t)
        model.backward(loss.backward(), input_gradient=False)
        optimizer.step()
        their_L = their_loss(torch.tensor(x), torch.tensor(t), *theirs)
        referee.zero_grad()
        their_L.backward()
        referee.step()
        assert np.isclose(L, their_L.item(), rtol=1e-9)
    for p, q in zip(parameters, theirs, strict=True):
        assert np.allclose(p.value, q.detach().numpy(), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(("kind", "peer", "settings"), OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_in_float32_30_steps_stay_float32_and_near_pytorchs(kind, peer, settings):
    model = nl.Sequential(nl.Affine(6, 8, rng=0), nl.Tanh(), nl.Affine(8, 3, rng=1))
    loss, parameters = nl.SoftmaxCrossEntropy(), list(model.parameters().values())
    theirs = [torch.tensor(p.value.copy(), requires_grad=True) for p in parameters]
    optimizer, referee = kind(model, **settings), peer(theirs, **settings)
    rng = np.random.default_rng(1)
    for _ in range(30):
        x, t = rng.normal(size=(5, 6)), rng.integers(0, 3, 5)  # float64 in, and still float32 all through
        y = model.forward(x)
        loss.forward(y, t)
        dx = model.backward(loss.backward())
        assert {a.dtype for a in (y, dx, *(p.grad for p in parameters))} == {np.dtype(np.float32)}
        optimizer.step()
        w, b, v, c = theirs
        referee.zero_grad()
        functional.cross_entropy(
            functional.linear(torch.tanh(functional.linear(torch.tensor(x).float(), w.T, b)), v.T, c), torch.tensor(t)
        ).backward()
        referee.step()
    for p, q in zip(parameters, theirs, strict=True):
        assert p.value.dtype == np.float32
        assert np.allclose(p.value, q.detach().numpy(), rtol=1e-3, atol=1e-4)
