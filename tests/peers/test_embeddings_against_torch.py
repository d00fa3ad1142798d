"""PyTorch in float64 judges embeddings and encodings of positions, and whole models over ids."""

import warnings

import numpy as np
import pytest
import torch
from torch.nn import functional

import netlib as nl

with warnings.catch_warnings():
    warnings.simplefilter("ignore", ImportWarning)  # that hypothesis is not installed, which it needs for other tests
    from torch.testing._internal.common_modules import module_db

SHAPES = [(), (1,), (7,), (0,), (3, 5), (2, 0), (2, 3, 4)]


def ours_of(module):
    """Return our layer with the numbers of an `nn.Embedding`."""
    return nl.Embedding.from_arrays(module.weight.detach().numpy(), module.padding_idx)


def assert_equal(module, layer, ids):
    """Assert that y and the gradient of the table are PyTorch's to 1e-9."""
    theirs, y = module(torch.tensor(ids)), layer.forward(ids)
    dout = np.random.default_rng(3).normal(size=y.shape)
    theirs.backward(torch.tensor(dout))
    assert y.shape == tuple(theirs.shape)
    assert layer.backward(dout) is None
    assert np.allclose(y, theirs.detach().numpy(), rtol=1e-9, atol=1e-11)
    assert np.allclose(layer.weight.grad, module.weight.grad.numpy(), rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("padding", [None, 0, 3, 5])
@pytest.mark.parametrize("shape", SHAPES)
def test_embedding_for_ids_of_any_shape_with_and_without_padding(shape, padding):
    torch.manual_seed(0)
    for dtype in (np.int64, np.int32):
        module = torch.nn.Embedding(6, 4, padding, dtype=torch.float64)
        ids = np.array(np.random.default_rng(1).integers(0, 6, shape), dtype)
        assert_equal(module, ours_of(module), ids)


def test_a_large_table_with_a_few_frequent_ids():
    torch.manual_seed(0)
    module = torch.nn.Embedding(50_000, 8, 0, dtype=torch.float64)
    ids = np.minimum(np.random.default_rng(0).zipf(1.3, (32, 64)), 49_999)
    assert_equal(module, ours_of(module), ids)


@pytest.mark.parametrize("sparse", [False, True])
def test_gradients_of_several_batches_add_up(sparse):
    torch.manual_seed(0)
    module, rng = torch.nn.Embedding(6, 4, 2, sparse=sparse, dtype=torch.float64), np.random.default_rng(0)
    layer = ours_of(module)
    for n in (5, 1, 0, 9):
        ids, dout = rng.integers(0, 6, n), rng.normal(size=(n, 4))
        module(torch.tensor(ids)).backward(torch.tensor(dout))
        layer.forward(ids)
        layer.backward(dout)
    expected = module.weight.grad.to_dense() if sparse else module.weight.grad
    assert np.allclose(layer.weight.grad, expected.numpy(), rtol=1e-9, atol=1e-11)


def samples():
    (entry,) = (entry for entry in module_db if entry.name == "nn.Embedding")
    torch.manual_seed(0)
    return entry, entry.module_inputs_func(entry, device="cpu", dtype=torch.float64, requires_grad=False, training=True)


def test_pytorchs_own_samples():
    entry, given = samples()
    assert len(given) == 2
    for each in given:
        module = entry.module_cls(*each.constructor_input.args, **each.constructor_input.kwargs).double()
        (ids,) = each.forward_input.args
        assert_equal(module, ours_of(module), ids.numpy())


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW", "Adagrad", "RMSprop"])
def test_a_model_over_ids_learns_as_pytorchs_does(name):
    """Embedding with padding, positions, a hidden layer and scores for each step, over ten steps."""
    torch.manual_seed(0)
    rng, padding = np.random.default_rng(0), 1
    table, positions = torch.nn.Embedding(9, 6, padding, dtype=torch.float64), torch.nn.Embedding(5, 6, dtype=torch.float64)
    hidden, last = torch.nn.Linear(6, 8, dtype=torch.float64), torch.nn.Linear(8, 9, dtype=torch.float64)
    arrays = [(m.weight.detach().numpy().T, m.bias.detach().numpy()) for m in (hidden, last)]
    model = nl.Sequential(ours_of(table), nl.PositionalEmbedding.from_arrays(positions.weight.detach().numpy()),
                          nl.Affine.from_arrays(*arrays[0]), nl.ReLU(), nl.Affine.from_arrays(*arrays[1]))  # fmt: skip
    parameters = [p for module in (table, positions, hidden, last) for p in module.parameters()]
    theirs = getattr(torch.optim, name)(parameters, lr=0.01)
    ours = getattr(nl, {"Adagrad": "AdaGrad", "RMSprop": "RMSProp"}.get(name, name))(model, lr=0.01)
    loss = nl.SoftmaxCrossEntropy()
    for n in range(2, 12):
        ids, t = rng.integers(0, 9, (n, 4)), rng.integers(0, 9, (n, 4))
        h = table(torch.tensor(ids)) + positions(torch.arange(4))
        expected = functional.cross_entropy(last(torch.relu(hidden(h))).transpose(1, 2), torch.tensor(t))
        theirs.zero_grad()
        expected.backward()
        theirs.step()
        value = loss.forward(model.forward(ids), t)
        assert model.backward(loss.backward()) is None
        ours.step()
        assert np.isclose(value, expected.item(), rtol=1e-9)
    for module, layer in [(table, model[0]), (positions, model[1])]:
        assert np.allclose(layer.weight.value, module.weight.detach().numpy(), rtol=1e-7, atol=1e-9)
    assert not model[0].weight.value[padding].any()
