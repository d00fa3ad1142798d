import math

import numpy as np
import pytest

import netlib as nl


def test_a_small_one_by_hand():
    affine = nl.Affine.from_arrays([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], [0.5, -0.5, 0.0])
    assert affine.forward([[1.0, 2.0], [0.0, 1.0]]).tolist() == [[9.5, 11.5, 15.0], [4.5, 4.5, 6.0]]
    assert affine.backward([[1.0, 0.0, 0.0], [0.0, 1.0, 2.0]]).tolist() == [[1.0, 4.0], [8.0, 17.0]]
    assert affine.weight.grad.tolist() == [[1.0, 0.0, 0.0], [2.0, 1.0, 2.0]]
    assert affine.bias.grad.tolist() == [1.0, 1.0, 2.0]


def test_a_vector_is_one_row_without_its_axis():
    affine = nl.Affine.from_arrays([[1.0, 2.0], [3.0, 4.0]], [10.0, 20.0])
    assert affine.forward([1.0, 1.0]).tolist() == [14.0, 26.0]
    assert affine.backward([1.0, 0.0]).tolist() == [1.0, 3.0]
    assert affine.weight.grad.tolist() == [[1.0, 0.0], [1.0, 0.0]]
    assert affine.bias.grad.tolist() == [1.0, 0.0]


@pytest.mark.parametrize("lead", [(2, 3), (2, 1, 3), (1, 1), (5,)])
def test_leading_axes_are_so_many_rows(lead):
    rng = np.random.default_rng(0)
    x, dout = rng.normal(size=(*lead, 4)), rng.normal(size=(*lead, 3))
    deep, flat = (nl.Affine(4, 3, rng=0, dtype=np.float64) for _ in range(2))
    assert np.allclose(deep.forward(x), flat.forward(x.reshape(-1, 4)).reshape(*lead, 3), rtol=1e-14, atol=1e-14)
    assert np.allclose(deep.backward(dout), flat.backward(dout.reshape(-1, 3)).reshape(*lead, 4), rtol=1e-14, atol=1e-14)
    assert np.allclose(deep.weight.grad, flat.weight.grad, rtol=1e-14, atol=1e-14)
    assert np.allclose(deep.bias.grad, flat.bias.grad, rtol=1e-14, atol=1e-14)


@pytest.mark.parametrize("shape", [(0, 3), (2, 0, 3), (0, 2, 3)])
def test_an_empty_batch_gives_an_empty_result_and_gradients_of_zero(shape):
    affine = nl.Affine(3, 2, rng=0)
    y = affine.forward(np.zeros(shape))
    assert y.shape == (*shape[:-1], 2)
    assert affine.backward(y).shape == shape
    assert not affine.weight.grad.any()
    assert not affine.bias.grad.any()


def test_no_features_in_leave_the_bias():
    affine = nl.Affine.from_arrays(np.zeros((0, 2)), [1.0, 2.0])
    assert affine.forward(np.zeros((3, 0))).tolist() == [[1.0, 2.0]] * 3
    assert affine.backward(np.ones((3, 2))).shape == (3, 0)
    assert affine.weight.grad.shape == (0, 2)
    assert affine.bias.grad.tolist() == [3.0, 3.0]


def test_no_features_out_leave_nothing():
    affine = nl.Affine(3, 0, rng=0, dtype=np.float64)
    assert affine.forward(np.ones((2, 3))).shape == (2, 0)
    assert affine.backward(np.zeros((2, 0))).tolist() == [[0.0] * 3] * 2


def test_without_a_bias_there_is_only_a_weight():
    affine = nl.Affine(3, 2, bias=False, rng=0)
    assert affine.bias is None
    assert list(affine.parameters()) == ["weight"]
    assert not affine.forward(np.zeros((2, 3))).any()


def test_it_begins_with_a_weight_in_by_out_and_a_bias_of_zeros_in_float32():
    affine = nl.Affine(3, 2)
    assert {path: (p.shape, p.dtype) for path, p in affine.parameters().items()} == {
        "weight": ((3, 2), np.float32),
        "bias": ((2,), np.float32),
    }
    assert not affine.bias.value.any()
    assert affine.weight.value.any()


def test_one_seed_gives_one_weight():
    one, same, other = (nl.Affine(5, 4, rng=seed).weight.value for seed in (1, np.random.default_rng(1), 2))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


def test_its_weight_comes_from_the_initializer():
    assert (np.abs(nl.Affine(50, 40, init=nl.Uniform(0.25), rng=0).weight.value) <= 0.25).all()
    assert not nl.Affine(3, 2, init=nl.Zeros()).weight.value.any()


@pytest.mark.parametrize("given", [np.float16, np.float64, np.int64])
def test_a_32_bit_layer_computes_in_32_bits_whatever_it_is_given(given):
    affine = nl.Affine(3, 2, rng=0)
    y = affine.forward(np.ones((4, 3), given))
    dx = affine.backward(np.ones((4, 2), given))
    assert {a.dtype for a in (y, dx, affine.weight.grad, affine.bias.grad)} == {np.dtype(np.float32)}


@pytest.mark.parametrize("n", [1023, 1024, 1025])
def test_long_rows_and_huge_and_tiny_weights_keep_their_digits(n):
    rng = np.random.default_rng(n)
    x = rng.uniform(1, 2, n)
    for scale in (1e10, 1.0, 1e-16):
        w = rng.uniform(1, 2, (n, 1)) * scale
        y = nl.Affine.from_arrays(w).forward(x)
        assert math.isclose(y[0], math.fsum(a * b for a, b in zip(x, w[:, 0], strict=True)), rel_tol=1e-14)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_from_arrays_keeps_the_arrays_type_and_copies_them(dtype):
    weight, bias = np.ones((3, 2), dtype), np.ones(2, dtype)
    affine = nl.Affine.from_arrays(weight, bias)
    weight[...] = bias[...] = 7
    assert affine.weight.dtype == affine.bias.dtype == affine.dtype == dtype
    assert affine.forward(np.ones(3, dtype)).tolist() == [4.0, 4.0]
    assert (affine.in_features, affine.out_features) == (3, 2)


def test_from_arrays_turns_whole_numbers_into_float32_and_leaves_the_bias_out_where_none_is_given():
    affine = nl.Affine.from_arrays([[1, 2], [3, 4]])
    assert affine.weight.dtype == np.float32
    assert affine.bias is None


@pytest.mark.parametrize(
    ("weight", "bias"),
    [
        ([1.0, 2.0], None),
        (np.ones((2, 2, 2)), None),
        (1.0, None),
        (np.ones((2, 3)), np.ones(2)),
        (np.ones((2, 3)), np.ones((1, 3))),
        (np.ones((2, 3)), 1.0),
    ],
)
def test_from_arrays_refuses_shapes_that_are_not_a_matrix_and_a_row_of_its_width(weight, bias):
    with pytest.raises(nl.ShapeError, match="expected"):
        nl.Affine.from_arrays(weight, bias)


@pytest.mark.parametrize("weight", [None, "W", [["a"]], [[1j]], [[1.0], [1.0, 2.0]], np.ma.ones((2, 2))])
def test_from_arrays_refuses_what_is_no_array_of_real_numbers(weight):
    with pytest.raises(nl.NetlibError) as caught:
        nl.Affine.from_arrays(weight)
    assert isinstance(caught.value, TypeError | ValueError)


@pytest.mark.parametrize(("features", "name"), [((-1, 2), "in_features"), ((2, -3), "out_features")])
def test_negative_features_are_a_value_error_that_names_them(features, name):
    with pytest.raises(ValueError, match=f"Affine: {name} is -") as caught:
        nl.Affine(*features)
    assert isinstance(caught.value, nl.NetlibError)


@pytest.mark.parametrize("bad", [2.5, 2.0, True, np.True_, "3", None, [3], np.array([3])])
def test_features_that_are_no_whole_number_are_a_type_error_that_names_them(bad):
    for features, name in [((bad, 2), "in_features"), ((2, bad), "out_features")]:
        with pytest.raises(TypeError, match=f"Affine: {name} is") as caught:
            nl.Affine(*features)
        assert isinstance(caught.value, nl.NetlibError)


def test_numpys_whole_numbers_are_features_like_any():
    assert repr(nl.Affine(np.int32(3), np.uint8(2))) == "Affine(3, 2)"


@pytest.mark.parametrize("shape", [(4, 5), (5,), (3, 4), (0,), (2, 0), (2, 3, 4)])
def test_another_width_is_refused_by_a_message_that_names_the_layer_both_widths_and_the_mend(shape):
    with pytest.raises(nl.ShapeError) as caught:
        nl.Affine(3, 2).forward(np.ones(shape))
    text = str(caught.value)
    assert text.startswith("Affine(3, 2): ")
    assert str(shape) in text
    assert "3)" in text
    assert f"in_features {shape[-1]}" in text


def test_a_bare_number_is_refused():
    with pytest.raises(nl.ShapeError, match=r"Wrap the number: \[x\]"):
        nl.Affine(1, 1).forward(3.0)


@pytest.mark.parametrize("init", ["he", None, nl.He, np.zeros, 0.1])
def test_an_initializer_that_is_no_object_of_that_kind_is_refused(init):
    with pytest.raises(nl.InvalidTypeError, match="init"):
        nl.Affine(3, 2, init=init)


@pytest.mark.parametrize("dtype", ["int64", "complex64", "no type", bool, object])
def test_a_dtype_that_is_not_floating_is_refused(dtype):
    with pytest.raises(nl.InvalidTypeError, match="dtype"):
        nl.Affine(3, 2, dtype=dtype)


def test_a_refused_forward_leaves_the_last_one_in_place():
    affine = nl.Affine(3, 2, rng=0)
    affine.forward(np.ones((4, 3)))
    with pytest.raises(nl.ShapeError):
        affine.forward(np.ones((4, 2)))
    assert affine.backward(np.ones((4, 2))).shape == (4, 3)
    assert (affine.bias.grad == 4).all()


def test_a_bias_that_does_not_fit_is_refused_under_its_own_name():
    with pytest.raises(nl.ShapeError, match=r"Affine.*bias"):
        nl.Affine.from_arrays(np.ones((2, 3)), np.ones(2))
    with pytest.raises(nl.InvalidTypeError, match=r"Affine.*bias"):
        nl.Affine.from_arrays(np.ones((2, 3)), "x")
