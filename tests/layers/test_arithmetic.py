"""Add, Subtract, Multiply, Divide: what their broadcasting and their two sides have in common."""

import numpy as np
import pytest

import netlib as nl

KINDS = {nl.Add: np.add, nl.Subtract: np.subtract, nl.Multiply: np.multiply, nl.Divide: np.divide}
every_kind = pytest.mark.parametrize("kind", KINDS)
BROADCASTS = [
    ((4, 3), (3,)),
    ((4, 3), (1, 3)),
    ((4, 3), (4, 1)),
    ((4, 3), ()),
    ((), (4, 3)),
    ((4, 1), (1, 3)),
    ((2, 1, 3), (4, 1)),
    ((1,), (5,)),
    ((0, 3), (3,)),
]
RNG = np.random.default_rng(0)


@every_kind
@pytest.mark.parametrize(("a", "b"), BROADCASTS)
def test_broadcasting_gives_what_the_operands_written_out_give_with_the_copies_summed(kind, a, b):
    a, b = RNG.uniform(0.5, 2, a), RNG.uniform(0.5, 2, b)
    layer, written_out = kind(), kind()
    y = layer.forward(a, b)
    assert np.array_equal(y, KINDS[kind](a, b))
    wide = [np.array(x) for x in np.broadcast_arrays(a, b)]
    written_out.forward(*wide)
    dout = RNG.normal(size=np.shape(y))
    for x, dx, wide_dx in zip((a, b), layer.backward(dout), written_out.backward(dout), strict=True):
        origin = np.broadcast_to(np.arange(x.size).reshape(x.shape), np.shape(y))  # which element of x each copy is of
        summed = np.bincount(origin.ravel(), wide_dx.ravel(), minlength=x.size)
        assert dx.shape == x.shape
        assert np.allclose(dx, summed.reshape(x.shape), rtol=1e-13, atol=1e-14)


def test_the_plus_node_sends_dout_on_and_the_times_node_times_the_other_input():
    add, multiply = nl.Add(), nl.Multiply()
    assert add.forward(2.0, 3.0) == 5
    assert add.backward(7.0) == (7, 7)
    assert multiply.forward(2.0, 3.0) == 6
    assert multiply.backward(7.0) == (21, 14)


def test_the_minus_node_turns_the_sign_and_the_division_node_divides_by_the_square():
    subtract, divide = nl.Subtract(), nl.Divide()
    assert subtract.forward(2.0, 3.0) == -1
    assert subtract.backward(7.0) == (7, -7)
    assert divide.forward(6.0, 2.0) == 3
    assert divide.backward(4.0) == (2, -6)


@every_kind
def test_the_same_array_on_both_sides_gets_a_gradient_for_each_and_neither_is_the_other(kind):
    x = np.array([1.0, 2.0, 4.0])
    layer = kind()
    layer.forward(x, x)
    da, db = layer.backward(np.array([1.0, 10.0, 100.0]))
    total = {nl.Add: [2, 20, 200], nl.Subtract: [0, 0, 0], nl.Multiply: [2, 40, 800], nl.Divide: [0, 0, 0]}
    assert (da + db).tolist() == total[kind]
    assert not np.shares_memory(da, db)


def test_the_sum_of_one_input_is_a_copy_of_it():
    add, x = nl.Add(), np.array([1.0, 2.0])
    y = add.forward(x)
    assert np.array_equal(y, x)
    assert not np.shares_memory(y, x)
    assert add.backward([3.0, 4.0]).tolist() == [3, 4]


@pytest.mark.parametrize("n", [1, 2, 3, 20])
def test_add_takes_any_number_of_inputs(n):
    add = nl.Add()
    assert add.forward(*[[float(i), 1.0] for i in range(n)]).tolist() == [n * (n - 1) / 2, n]
    dx = add.backward([5.0, 6.0])
    assert [d.tolist() for d in (dx if n > 1 else (dx,))] == [[5, 6]] * n


def test_add_refuses_no_inputs():
    with pytest.raises(nl.ShapeError, match=r"Add\(\): got no inputs"):
        nl.Add().forward()


@every_kind
@pytest.mark.parametrize(("a", "b"), [((2,), (3,)), ((4, 3), (4,)), ((4, 3), (2, 3)), ((2, 3, 4), (2, 3)), ((0,), (2,))])
def test_shapes_that_do_not_broadcast_are_refused_and_named(kind, a, b):
    with pytest.raises(nl.ShapeError) as caught:
        kind().forward(np.ones(a), np.ones(b))
    assert str(caught.value).startswith(f"{kind.__name__}(): ")
    assert f"{a} and {b}" in str(caught.value)


@every_kind
def test_two_floating_types_meet_in_the_wider_one(kind):
    layer = kind()
    y = layer.forward(np.ones(2, np.float32), np.ones(2, np.float64))
    assert y.dtype == np.float64
    assert np.array_equal(y, KINDS[kind](np.ones(2), np.ones(2)))


@every_kind
@pytest.mark.parametrize("number", [2, 2.0])
def test_a_python_number_takes_the_arrays_type(kind, number):
    for dtype in (np.float16, np.float32):
        x = np.ones(3, dtype)
        assert kind().forward(x, number).dtype == dtype
        assert kind().forward(number, x).dtype == dtype


@every_kind
def test_a_refused_forward_leaves_the_last_one_in_place(kind):
    layer = kind()
    layer.forward([1.0, 2.0], [4.0, 8.0])
    wanted = layer.backward([1.0, 1.0])
    with pytest.raises(nl.ShapeError):
        layer.forward([1.0, 2.0], [1.0, 2.0, 3.0])
    assert np.array_equal(layer.backward([1.0, 1.0]), wanted)


def test_division_by_0_is_as_numpy_has_it():
    with np.errstate(divide="ignore", invalid="ignore"):
        assert np.array_equal(nl.Divide().forward([1.0, -1.0, 0.0], 0.0), [np.inf, -np.inf, np.nan], equal_nan=True)
    with pytest.warns(RuntimeWarning, match="divide by zero"):
        nl.Divide().forward([1.0], [0.0])
