"""Residual: y = x + f(x), and two ways for the gradient."""

import numpy as np
import pytest
from own_layers import Noop, Scale, affine, assert_gradients_are_differences, grads

import netlib as nl


def test_it_adds_its_input_and_both_gradients():
    block = nl.Residual(nl.Affine.from_arrays([[1.0, 2.0], [3.0, 4.0]], [10.0, 20.0]))
    assert block.forward(np.array([[1.0, -1.0]])).tolist() == [[9.0, 17.0]]  # (1, -1) W = (-2, -2), + b, + x
    assert block.backward([[1.0, 10.0]]).tolist() == [[22.0, 53.0]]  # (1, 10) Wᵀ = (21, 43), + dout
    assert block.parameters()["layer.weight"].grad.tolist() == [[1.0, 10.0], [-1.0, -10.0]]
    assert block.parameters()["layer.bias"].grad.tolist() == [1.0, 10.0]


def test_gradients_equal_differences():
    block = nl.Residual(nl.Sequential(affine(3, 4, 0), nl.Tanh(), nl.Residual(affine(4, 4, 1)), affine(4, 3, 2)))
    x, weights = np.random.default_rng(0).normal(size=(2, 5, 3))
    assert_gradients_are_differences(block, x, weights, tolerance=1e-7)


@pytest.mark.parametrize("x", [np.ones((1, 3)), np.ones((4, 3)), np.ones(3)])
def test_a_layer_that_returns_its_input_harms_no_array(x):
    block = nl.Residual(nl.Residual(Noop()))
    dout = np.full(x.shape, 5.0)
    y = block.forward(x)
    dx = block.backward(dout)
    assert (x == 1).all()
    assert (dout == 5).all()
    assert (y == 3).all()
    assert (dx == 15).all()
    assert not np.shares_memory(y, x)
    assert not np.shares_memory(dx, dout)


def test_a_layer_of_another_width_is_refused_with_both_shapes_and_never_broadcast():
    with pytest.raises(nl.ShapeError, match=r"^Residual.*: .*\(4, 3\) into \(4, 1\).*as many outputs as inputs"):
        nl.Residual(nl.Affine(3, 1)).forward(np.ones((4, 3)))
    with pytest.raises(nl.ShapeError, match=r"^Sequential\[1\]\.Residual.*\(4, 3\) into \(4, 1\)"):
        nl.Sequential(nl.Identity(), nl.Residual(nl.Affine(3, 1))).forward(np.ones((4, 3)))


def test_it_takes_one_input_of_the_forms_that_every_layer_takes():
    assert nl.Residual(nl.Identity()).forward([[1, 2]]).tolist() == [[2.0, 4.0]]
    assert nl.Residual(nl.Identity()).forward([[1, 2]]).dtype == np.float32
    with pytest.raises(nl.ShapeError, match=r"Residual: got 2 inputs, expected one"):
        nl.Residual(nl.Add()).forward(np.ones(2), np.ones(2))


@pytest.mark.parametrize("layer", [nl.ReLU, 3, None, "ReLU"])
def test_what_is_no_layer_is_refused(layer):
    with pytest.raises(nl.InvalidTypeError, match=r"Residual: got .*expected a layer"):
        nl.Residual(layer)


def test_a_model_of_32_bits_fed_64_computes_in_32():
    block = nl.Residual(nl.Affine(3, 3, rng=0))
    assert block.forward(np.ones((2, 3))).dtype == np.float32
    assert block.backward(np.ones((2, 3))).dtype == np.float32


def test_leaving_out_the_input_gradient_changes_no_other():
    one, two = nl.Residual(affine(2, 2, 0)), nl.Residual(affine(2, 2, 0))
    one.forward(np.eye(2))
    two.forward(np.eye(2))
    one.backward(np.eye(2))
    assert two.backward(np.eye(2), input_gradient=False) is None
    assert [g.tolist() for g in grads(one).values()] == [g.tolist() for g in grads(two).values()]


def test_it_shows_and_names_what_it_holds():
    block = nl.Residual(nl.Sequential(nl.Affine(2, 2)))
    assert repr(block) == "Residual(Sequential(Affine(2, 2)))"
    assert list(block.parameters()) == ["layer.0.weight", "layer.0.bias"]
    assert block.eval().layer[0].training is False


def test_the_layer_may_be_replaced():
    block = nl.Residual(Scale(2.0))
    assert block.forward(np.array([1.0])).tolist() == [3.0]
    block.layer = Scale(4.0)
    assert block.forward(np.array([1.0])).tolist() == [5.0]
    assert block.parameters()["layer.weight"].value.tolist() == [4.0]


def test_backward_before_forward_and_another_shape_are_refused():
    block = nl.Residual(nl.Affine(2, 2))
    with pytest.raises(nl.OrderError):
        block.backward(np.ones((1, 2)))
    block.forward(np.ones((3, 2)))
    with pytest.raises(nl.ShapeError):
        block.backward(np.ones((1, 2)))
    assert not any(g.any() for g in grads(block).values())
