import numpy as np
import pytest

import netlib as nl

RNG = np.random.default_rng(0)


def test_a_row_times_a_matrix_by_hand():
    dot = nl.MatMul()
    assert dot.forward([[1, 2]], [[1, 2, 3], [4, 5, 6]]).tolist() == [[9, 12, 15]]
    da, db = dot.backward([[1, 10, 100]])
    assert da.tolist() == [[321, 654]]
    assert db.tolist() == [[1, 10, 100], [2, 20, 200]]


def test_of_two_vectors_each_gradient_is_the_other():
    dot = nl.MatMul()
    assert dot.forward([1.0, 2.0, 3.0], [4.0, 5.0, 6.0]) == 32
    da, db = dot.backward(2.0)
    assert da.tolist() == [8, 10, 12]
    assert db.tolist() == [2, 4, 6]


@pytest.mark.parametrize(
    ("a", "b", "y", "formula_a", "formula_b"),
    [
        ("i", "i", "", ",i->i", ",i->i"),
        ("i", "ij", "j", "j,ij->i", "j,i->ij"),
        ("ij", "j", "i", "i,j->ij", "i,ij->j"),
        ("ij", "jk", "ik", "ik,jk->ij", "ik,ij->jk"),
        ("nij", "njk", "nik", "nik,njk->nij", "nik,nij->njk"),
        ("nij", "jk", "nik", "nik,jk->nij", "nik,nij->jk"),
        ("ij", "njk", "nik", "nik,njk->ij", "nik,ij->njk"),
        ("nij", "j", "ni", "ni,j->nij", "ni,nij->j"),
        ("i", "nij", "nj", "nj,nij->i", "nj,i->nij"),
        ("mnij", "njk", "mnik", "mnik,njk->mnij", "mnik,mnij->njk"),
        ("nij", "mnjk", "mnik", "mnik,mnjk->nij", "mnik,nij->mnjk"),
    ],
)
def test_every_case_of_shapes_is_the_sum_over_indices_that_it_stands_for(a, b, y, formula_a, formula_b):
    sizes = dict(zip("mnijk", (2, 3, 4, 5, 6), strict=True))
    left, right, dout = (RNG.normal(size=[sizes[i] for i in indices]) for indices in (a, b, y))
    dot = nl.MatMul()
    assert np.allclose(dot.forward(left, right), np.einsum(f"{a},{b}->{y}", left, right), rtol=1e-13, atol=1e-13)
    da, db = dot.backward(dout)
    assert np.allclose(da, np.einsum(formula_a, dout, right), rtol=1e-13, atol=1e-13)
    assert np.allclose(db, np.einsum(formula_b, dout, left), rtol=1e-13, atol=1e-13)


def test_a_batch_axis_of_1_on_either_side_is_broadcast_and_summed_back():
    a, b, dout = RNG.normal(size=(3, 1, 2, 4)), RNG.normal(size=(1, 5, 4, 6)), RNG.normal(size=(3, 5, 2, 6))
    dot = nl.MatMul()
    assert dot.forward(a, b).shape == (3, 5, 2, 6)
    da, db = dot.backward(dout)
    assert np.allclose(da[:, 0], np.einsum("mnik,njk->mij", dout, b[0]), rtol=1e-13, atol=1e-13)
    assert np.allclose(db[0], np.einsum("mnik,mij->njk", dout, a[:, 0]), rtol=1e-13, atol=1e-13)
    assert (da.shape, db.shape) == (a.shape, b.shape)


@pytest.mark.parametrize(("a", "b"), [((0, 3), (3, 2)), ((2, 0), (0, 3)), ((0,), (0,)), ((0, 2, 3), (3, 2)), ((2, 3), (3, 0))])
def test_axes_of_length_0_work(a, b):
    dot = nl.MatMul()
    y = dot.forward(np.ones(a), np.ones(b))
    assert np.array_equal(y, np.ones(a) @ np.ones(b))
    da, db = dot.backward(np.ones_like(y))
    assert (da.shape, db.shape) == (a, b)


def test_the_same_array_on_both_sides_gets_a_gradient_for_each():
    x, dout = RNG.normal(size=(3, 3)), RNG.normal(size=(3, 3))
    dot = nl.MatMul()
    dot.forward(x, x)
    da, db = dot.backward(dout)
    assert np.allclose(da, dout @ x.T)
    assert np.allclose(db, x.T @ dout)


def test_an_array_times_its_own_transpose_gets_both_gradients():
    x, dout = RNG.normal(size=(2, 3)), RNG.normal(size=(2, 2))
    dot = nl.MatMul()
    dot.forward(x, x.T)
    da, db = dot.backward(dout)
    assert np.allclose(da + db.T, (dout + dout.T) @ x)


@pytest.mark.parametrize(("a", "b"), [((2, 3), (2, 3)), ((3,), (2,)), ((2, 2, 3), (3, 3, 2)), ((2, 3), (2,)), ((2,), (3, 2))])
def test_shapes_that_do_not_fit_are_refused_and_named(a, b):
    with pytest.raises(nl.ShapeError) as caught:
        nl.MatMul().forward(np.ones(a), np.ones(b))
    assert str(a) in str(caught.value)
    assert str(b) in str(caught.value)


@pytest.mark.parametrize(("a", "b"), [(2.0, [1.0]), ([[1.0]], 2.0), (2.0, 2.0)])
def test_a_number_is_refused_in_favour_of_multiply(a, b):
    with pytest.raises(nl.ShapeError, match="Multiply"):
        nl.MatMul().forward(a, b)


def test_a_refused_forward_leaves_the_last_one_in_place():
    a, b = RNG.normal(size=(2, 3)), RNG.normal(size=(3, 4))
    dot = nl.MatMul()
    dot.forward(a, b)
    with pytest.raises(nl.ShapeError):
        dot.forward(a, a)
    assert np.allclose(dot.backward(np.ones((2, 4)))[0], np.ones((2, 4)) @ b.T)


def test_dot_is_its_other_name():
    assert nl.Dot is nl.MatMul
