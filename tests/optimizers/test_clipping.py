"""The length of the gradient, and its clipping."""

import math

import numpy as np
import pytest

import netlib as nl
from netlib import InvalidTypeError, InvalidValueError, NonFiniteError
from netlib.layer import Parameter
from netlib.optimizers import SGD, clip_grad_norm, grad_norm


def parameters(*grads, dtype="float64"):
    made = [Parameter(np.zeros(np.shape(g), dtype)) for g in grads]
    for p, g in zip(made, grads, strict=True):
        p.grad += np.asarray(g, dtype)
    return made


WAYS = [pytest.param(lambda ps: ps, id="list"), pytest.param(SGD, id="optimizer")]


@pytest.mark.parametrize("way", WAYS)
def test_the_norm_is_that_of_all_gradients_together(way):
    ps = parameters([[2.0, 4.0]], [5.0], [[6.0]])
    assert grad_norm(way(ps)) == 9.0


@pytest.mark.parametrize("way", WAYS)
def test_clipping_scales_all_gradients_alike_and_returns_the_norm_before(way):
    ps = parameters([3.0, 0.0], [[-4.0]])
    assert clip_grad_norm(way(ps), 2.5) == 5.0
    assert [p.grad.tolist() for p in ps] == [[1.5, 0.0], [[-2.0]]]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("limit", [5.0, 6.0])
def test_gradients_at_or_below_the_limit_stay_bit_for_bit(way, limit):
    ps = parameters([3.0, 4.0])
    assert clip_grad_norm(way(ps), limit) == 5.0
    assert ps[0].grad.tolist() == [3.0, 4.0]


def test_clipping_to_zero_and_clipping_zeros():
    ps = parameters([3.0, 4.0])
    assert clip_grad_norm(ps, 0) == 5.0
    assert ps[0].grad.tolist() == [0, 0]
    assert clip_grad_norm(ps, 0) == clip_grad_norm(ps, 1.0) == 0.0


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_gradient_that_is_not_finite_is_an_error_that_names_it_and_nothing_is_scaled(way, bad):
    ps = parameters([3.0, 4.0], [1.0, bad], [2.0])
    with pytest.raises(NonFiniteError, match="'1' is the first"):
        clip_grad_norm(way(ps), 1.0)
    np.testing.assert_array_equal(ps[0].grad, [3.0, 4.0])
    np.testing.assert_array_equal(ps[1].grad, [1.0, bad])
    assert not math.isfinite(grad_norm(ps))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("dtype", "size"), [("float16", 4096.0), ("float16", 2.0**-20), ("float32", 2.0**100), ("float32", 2.0**-100), ("float64", 2.0**900)]
)
def test_gradients_whose_squares_do_not_fit_their_type_are_measured_all_the_same(way, dtype, size):
    ps = parameters([3 * size, 4 * size], dtype=dtype)
    optimizer = way(ps)
    assert grad_norm(optimizer) == pytest.approx(5 * size, rel=1e-6)
    clip_grad_norm(optimizer, 2.5 * size)
    np.testing.assert_allclose(ps[0].grad.astype(float), [1.5 * size, 2 * size], rtol=1e-3)
    assert ps[0].grad.dtype == dtype


@pytest.mark.parametrize(("dtype", "size"), [("float32", 2.0**100), ("float32", 2.0**-100), ("float64", 2.0**900), ("float64", 2.0**-900)])
def test_huge_and_tiny_gradients_are_measured_among_zeros_and_with_either_sign(dtype, size):
    assert grad_norm(parameters([-3 * size, 0.0], [0.0, -4 * size], [0.0], dtype=dtype)) == pytest.approx(5 * size, rel=1e-6)
    assert grad_norm(parameters([], [-3 * size, 4 * size], dtype=dtype)) == pytest.approx(5 * size, rel=1e-6)


def test_the_error_passes_over_what_is_not_trainable():
    ps = parameters([math.nan], [math.nan])
    ps[0].trainable = False
    with pytest.raises(NonFiniteError, match="'1' is the first"):
        clip_grad_norm(ps, 1.0)


def test_the_norm_of_16_bit_gradients_has_more_than_16_bits():
    assert grad_norm(parameters(np.ones(2049), dtype="float16")) == math.sqrt(2049)


def test_many_16_bit_gradients_add_up_beyond_16_bits():
    assert grad_norm(parameters(np.ones(90_000), dtype="float16")) == 300.0


@pytest.mark.parametrize("way", WAYS)
def test_what_is_not_trainable_neither_counts_nor_is_scaled(way):
    ps = parameters([3.0], [100.0], [4.0])
    ps[1].trainable = False
    assert clip_grad_norm(way(ps), 1.0) == 5.0
    assert ps[1].grad == 100.0


def test_a_shared_parameter_counts_once():
    (weight,) = parameters([3.0, 4.0])
    assert grad_norm([weight, weight]) == 5.0


def test_layers_dicts_and_single_parameters_are_measured_too():
    layer = nl.Affine(1, 1, rng=0)
    layer.weight.grad, layer.bias.grad = [[3.0]], [4.0]
    assert grad_norm(layer) == grad_norm(layer.parameters()) == grad_norm(iter([layer.weight, layer.bias])) == 5.0
    assert grad_norm(layer.weight) == 3.0
    assert grad_norm([]) == 0.0


def test_used_up_gradients_are_zeros_not_leftovers():
    weight = Parameter(np.zeros(2))
    optimizer = SGD(weight)
    weight.add_grad(np.array([3.0, 4.0]))
    assert grad_norm(optimizer) == 5.0
    optimizer.step()
    assert grad_norm(optimizer) == grad_norm(weight) == 0.0


def test_measuring_and_clipping_do_not_slow_what_comes_after():
    """A gradient whose array a caller holds is zeroed at every step; netlib itself holds none."""
    weight = Parameter(np.zeros(2))
    optimizer = SGD(weight)
    weight.add_grad(np.array([3.0, 4.0]))
    for each in (weight, optimizer):
        clip_grad_norm(each, 1.0)
    assert not weight._grad_is_public


@pytest.mark.parametrize(
    ("limit", "error"), [(-1, InvalidValueError), (math.nan, InvalidValueError), ("1", InvalidTypeError), (None, InvalidTypeError)]
)
def test_invalid_limits_are_refused(limit, error):
    ps = parameters([3.0, 4.0])
    with pytest.raises(error, match="max_norm"):
        clip_grad_norm(ps, limit)
    assert ps[0].grad.tolist() == [3.0, 4.0]


def test_what_has_no_gradients_is_refused():
    with pytest.raises(InvalidTypeError, match="grad_norm"):
        grad_norm(np.zeros(3))
