"""A parameter that takes the place of another is trained from then on."""

import numpy as np

import netlib as nl


def test_a_parameter_assigned_after_the_optimizer_was_made_is_trained():
    model = nl.Sequential(nl.Affine(2, 2, rng=0, dtype="float64"), nl.Affine(2, 1, rng=1, dtype="float64"))
    optimizer = nl.SGD(model, lr=0.5)
    model[0].weight = new = nl.Parameter([[1.0, 2.0], [3.0, 4.0]])
    new.grad += 2
    optimizer.step()
    assert new.value.tolist() == [[0.0, 1.0], [2.0, 3.0]]
    assert not new.grad.any()


def test_the_others_keep_their_state_and_the_new_one_begins_with_none():
    model = nl.Affine(1, 1, rng=0, dtype="float64")
    optimizer = nl.SGD(model, lr=1.0, momentum=0.5)
    model.weight.grad += 1
    model.bias.grad += 1
    optimizer.step()
    model.weight = nl.Parameter([[0.0]])
    model.weight.grad += 1
    model.bias.grad += 1
    optimizer.step()
    assert model.weight.value.tolist() == [[-1.0]]
    assert model.bias.value.tolist() == [-1.0 - 1.5]


def test_a_bias_may_be_taken_away():
    model = nl.Affine(1, 1, rng=0, dtype="float64")
    optimizer = nl.SGD(model, lr=1.0)
    model.bias = None
    model.forward([[3.0]])
    model.backward([[1.0]])
    before = model.weight.value.copy()
    optimizer.step()
    assert list(optimizer.parameters()) == ["weight"]
    assert model.weight.value.tolist() == (before - 3).tolist()
    assert np.isfinite(model.forward([[1.0]])).all()
