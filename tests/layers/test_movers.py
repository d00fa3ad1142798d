"""The layers that only move numbers, or repeat them: Reshape, Transpose, Concatenate, Split and the like."""

import numpy as np
import pytest

import netlib as nl

X = np.arange(24.0).reshape(2, 3, 4)


@pytest.mark.parametrize("shape", [(4, 6), (-1, 2), -1, 24, (2, -1, 2), (24, 1), [3, 8]])
def test_reshape_is_numpys_and_back(shape):
    layer = nl.Reshape(shape)
    y = layer.forward(X)
    assert np.array_equal(y, X.reshape(shape))
    assert np.array_equal(layer.backward(y), X)


def test_reshape_takes_a_fortran_array_in_the_order_of_its_indices():
    layer = nl.Reshape((4, 6))
    y = layer.forward(np.asfortranarray(X))
    assert np.array_equal(y, X.reshape(4, 6))
    assert np.array_equal(layer.backward(np.asfortranarray(y)), X)


@pytest.mark.parametrize("shape", [(5, 5), (-1, 5), (-1, -1), "flat", 2.5, (2, "x")])
def test_reshape_refuses_a_shape_that_does_not_hold_the_array(shape):
    with pytest.raises(nl.NetlibError) as caught:
        nl.Reshape(shape).forward(X)
    assert isinstance(caught.value, TypeError | ValueError)
    assert "(2, 3, 4)" in str(caught.value)


@pytest.mark.parametrize(("start_axis", "shape"), [(0, (24,)), (1, (2, 12)), (2, (2, 3, 4))])
def test_flatten_makes_one_axis_of_all_from_the_first_one_on(start_axis, shape):
    layer = nl.Flatten(start_axis)
    y = layer.forward(X)
    assert y.shape == shape
    assert np.array_equal(y.ravel(), X.ravel())
    assert np.array_equal(layer.backward(y), X)


def test_flatten_of_an_empty_batch_keeps_its_width():
    layer = nl.Flatten()
    assert layer.forward(np.ones((0, 3, 4))).shape == (0, 12)
    assert layer.backward(np.ones((0, 12))).shape == (0, 3, 4)


@pytest.mark.parametrize(("start_axis", "shape"), [(1, (3,)), (0, ()), (2, (2, 3))])
def test_flatten_refuses_an_array_without_its_first_axis(start_axis, shape):
    with pytest.raises(nl.ShapeError, match=f"no axis {start_axis}"):
        nl.Flatten(start_axis).forward(np.ones(shape))


@pytest.mark.parametrize(("start_axis", "error"), [(-1, ValueError), (1.0, TypeError), (True, TypeError), (None, TypeError)])
def test_flatten_refuses_a_first_axis_that_is_none(start_axis, error):
    with pytest.raises(error, match="start_axis") as caught:
        nl.Flatten(start_axis)
    assert isinstance(caught.value, nl.NetlibError)


@pytest.mark.parametrize("axes", [None, (0, 1, 2), (0, 2, 1), (1, 2, 0), (2, 0, 1), (-1, 0, 1), (0, -1, -2)])
def test_transpose_is_numpys_and_back(axes):
    layer = nl.Transpose(axes)
    y = layer.forward(X)
    assert np.array_equal(y, X.transpose(axes))
    assert np.array_equal(layer.backward(y), X)


@pytest.mark.parametrize("axes", [(0, 1), (0, 0, 1), (0, 1, 3), (0, 1, 2, 3), "abc", (0, 1.5, 2)])
def test_transpose_refuses_axes_that_are_no_order_of_the_arrays(axes):
    with pytest.raises(nl.NetlibError) as caught:
        nl.Transpose(axes).forward(X)
    assert isinstance(caught.value, TypeError | ValueError)
    assert "(2, 3, 4)" in str(caught.value)


@pytest.mark.parametrize("axis", [0, 1, 2, -1, -3])
def test_concatenate_is_numpys_and_backward_its_pieces(axis):
    parts = [np.moveaxis(np.full((n, 3, 2), float(n)), 0, axis) for n in (2, 1, 0, 4)]
    layer = nl.Concatenate(axis)
    y = layer.forward(*parts)
    assert np.array_equal(y, np.concatenate(parts, axis))
    for dx, part in zip(layer.backward(y), parts, strict=True):
        assert np.array_equal(dx, part)


def test_concatenate_takes_the_common_type():
    layer = nl.Concatenate()
    y = layer.forward(np.ones(2, np.float32), np.ones(1, np.float64), [1, 2])
    assert y.dtype == np.float64
    assert y.tolist() == [1, 1, 1, 1, 2]


def test_the_gradient_of_a_single_input_comes_alone():
    layer = nl.Concatenate()
    layer.forward([1.0, 2.0])
    dx = layer.backward([3.0, 4.0])
    assert isinstance(dx, np.ndarray)
    assert dx.tolist() == [3, 4]


@pytest.mark.parametrize(
    ("shapes", "axis"),
    [
        ([(2, 3), (3, 3)], -1),
        ([(2, 3), (2,)], -1),
        ([(2, 3), (2, 3)], 2),
        ([(2, 3), (2, 3)], -3),
        ([(), ()], 0),
    ],
)
def test_concatenate_refuses_shapes_that_do_not_join(shapes, axis):
    with pytest.raises(nl.ShapeError) as caught:
        nl.Concatenate(axis).forward(*map(np.ones, shapes))
    assert str(shapes[-1]) in str(caught.value)


def test_concatenate_refuses_no_inputs():
    with pytest.raises(nl.ShapeError, match="no inputs"):
        nl.Concatenate().forward()


@pytest.mark.parametrize("axis", [None, "columns", 1.0])
def test_concatenate_refuses_an_axis_that_is_no_whole_number(axis):
    with pytest.raises(nl.NetlibError):
        nl.Concatenate(axis).forward([[1.0]], [[2.0]])


def test_transpose_of_a_vector_by_a_bare_number_works_both_ways_or_is_refused():
    layer = nl.Transpose(0)
    try:
        layer.forward(np.ones(3))
    except nl.NetlibError:
        return
    assert layer.backward(np.ones(3)).shape == (3,)


@pytest.mark.parametrize(("sections", "axis"), [(3, 1), (2, -3), ([1], 2), ([1, 1, 3], -1), ([-1], 2), ((0, 9), 2), (np.array([2]), 1)])
def test_split_is_numpys_and_backward_joins_the_pieces(sections, axis):
    layer = nl.Split(sections, axis)
    ys, wanted = layer.forward(X), np.split(X, sections, axis)
    assert layer.n_outputs == len(ys) == len(wanted)
    for y, piece in zip(ys, wanted, strict=True):
        assert np.array_equal(y, piece)
    assert np.array_equal(layer.backward(ys), X)
    assert not any(np.shares_memory(y, X) for y in ys)


def test_a_split_of_an_empty_axis_and_into_one_piece():
    assert [y.shape for y in nl.Split(2).forward(np.ones((0, 3)))] == [(0, 3), (0, 3)]
    whole = nl.Split(1)
    assert np.array_equal(whole.forward(X), X)
    assert np.array_equal(whole.backward(X), X)


@pytest.mark.parametrize(
    ("sections", "axis", "told"),
    [(2, 1, "no 2 equal pieces"), (2, 3, "no axis 3"), (2, -4, "no axis -4"), ([2, 1], 1, "ascending"), ([-1, 1], 1, "ascending")],
)
def test_split_refuses_what_it_cannot_cut(sections, axis, told):
    with pytest.raises(nl.ShapeError, match=told):
        nl.Split(sections, axis).forward(X)


@pytest.mark.parametrize(
    ("sections", "error"), [(0, ValueError), (1.5, TypeError), ("two", TypeError), ([1.5], TypeError), (None, TypeError)]
)
def test_split_refuses_sections_that_are_none(sections, error):
    with pytest.raises(error, match="Split: sections is") as caught:
        nl.Split(sections)
    assert isinstance(caught.value, nl.NetlibError)


def test_a_graph_adds_up_what_the_pieces_of_a_split_send_back():
    x = nl.Input("x")
    left, right = nl.Split(2, axis=1)(x)
    graph = nl.Graph([x], [left * right])
    assert graph.forward([[1.0, 2.0, 3.0, 4.0]]).tolist() == [[3, 8]]
    assert graph.backward([[1.0, 10.0]]).tolist() == [[3, 40, 1, 20]]


@pytest.mark.parametrize(("axis", "shape"), [(None, (3,)), (0, (3, 1, 1)), (-1, (1, 3, 1)), ((0, 2), (3, 1)), ((), (1, 3, 1, 1))])
def test_squeeze_is_numpys_and_back(axis, shape):
    layer, x = nl.Squeeze(axis), np.arange(3.0).reshape(1, 3, 1, 1)
    y = layer.forward(x)
    assert y.shape == shape == np.squeeze(x, axis).shape
    assert np.array_equal(layer.backward(y), x)
    assert not np.shares_memory(y, x)


@pytest.mark.parametrize("axis", [1, (0, 1), 4, "rows"])
def test_squeeze_refuses_an_axis_that_is_longer_or_is_none(axis):
    with pytest.raises(nl.ShapeError, match=r"Squeeze.*got x of shape \(1, 3\)"):
        nl.Squeeze(axis).forward(np.ones((1, 3)))


@pytest.mark.parametrize("axis", [0, 1, -1, (0, 2), [0, -1]])
def test_expand_is_numpys_and_back(axis):
    layer, x = nl.Expand(axis), np.ones((2, 3))
    y = layer.forward(x)
    assert y.shape == np.expand_dims(x, tuple(np.atleast_1d(axis).tolist())).shape
    assert layer.backward(y).shape == x.shape
    assert not np.shares_memory(y, x)


@pytest.mark.parametrize("axis", [3, -4, (0, 0), None, 1.5])
def test_expand_refuses_an_axis_that_y_cannot_have(axis):
    with pytest.raises(nl.NetlibError) as caught:
        nl.Expand(axis).forward(np.ones((2, 3)))
    assert repr(axis) in str(caught.value)


@pytest.mark.parametrize(("shape", "y"), [((2, 3), (2, 3)), (3, (3,)), ((4, 2, -1), (4, 2, 3)), ((-1, 3), (1, 3)), ((0, 3), (0, 3))])
def test_broadcast_to_is_numpys_and_backward_the_sum_over_copies(shape, y):
    x = np.arange(3.0) if y == (3,) else np.arange(3.0)[np.newaxis]
    layer = nl.BroadcastTo(shape)
    assert np.array_equal(layer.forward(x), np.broadcast_to(x, y), equal_nan=False)
    assert layer.forward(x).flags.writeable
    assert np.array_equal(layer.backward(np.ones(y)), np.full(x.shape, np.prod(y) / 3))


@pytest.mark.parametrize("shape", [(2, 2), (3,), (-1, 2, 3), ()])
def test_broadcast_to_refuses_what_does_not_broadcast(shape):
    with pytest.raises(nl.ShapeError, match=r"BroadcastTo.*got x of shape \(2, 3\), which does not broadcast"):
        nl.BroadcastTo(shape).forward(np.ones((2, 3)))


@pytest.mark.parametrize(
    ("shape", "error"), [((2, -2), ValueError), (1.5, TypeError), ((2, None), TypeError), ("ab", TypeError), (None, TypeError)]
)
def test_broadcast_to_refuses_lengths_that_are_none(shape, error):
    with pytest.raises(error, match="BroadcastTo: shape is") as caught:
        nl.BroadcastTo(shape)
    assert isinstance(caught.value, nl.NetlibError)


def test_stack_begins_a_new_first_axis_unless_told_otherwise():
    assert nl.Stack().forward(X, X + 1).tolist() == np.stack([X, X + 1]).tolist()


@pytest.mark.parametrize("key", [[0, 1], True, (0, False), "a", 1.5, (slice(None), [0]), np.array([0])])
def test_a_slice_takes_integers_and_slices_alone(key):
    with pytest.raises(nl.InvalidTypeError, match="expected an integer or a slice"):
        nl.Slice(key)


def test_the_first_of_an_axis_may_be_counted_from_the_end_and_one_array_is_stacked_alone():
    assert nl.Take(1).forward(X, [-3, 2]).tolist() == np.take(X, [-3, 2], axis=1).tolist()
    with pytest.raises(nl.InvalidValueError, match="-4"):
        nl.Take(1).forward(X, [-4])
    alone = nl.Stack()
    assert alone.forward(X).shape == (1, 2, 3, 4)
    assert alone.backward(X[None]).tolist() == X.tolist()
