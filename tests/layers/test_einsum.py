"""Einsum: its gradients by hand, what its rule says, and what it refuses."""

import numpy as np
import pytest

import netlib as nl


def test_the_gradients_of_the_chapters_product_are_its_own_products():
    rng = np.random.default_rng(0)
    x, w, dout = rng.normal(size=(4, 3)), rng.normal(size=(3, 2)), rng.normal(size=(4, 2))
    dot = nl.Einsum("ij,jk->ik")
    assert np.allclose(dot.forward(x, w), x @ w, rtol=1e-14)
    dx, dw = dot.backward(dout)
    assert np.allclose(dx, dout @ w.T, rtol=1e-14)  # Eq. (1.30)
    assert np.allclose(dw, x.T @ dout, rtol=1e-14)


def test_letters_that_stand_alone_are_repeated_and_those_that_repeat_are_diagonal():
    rows, trace, diagonal = nl.Einsum("ij->i"), nl.Einsum("ii"), nl.Einsum("iij->ij")
    assert rows.forward([[1.0, 2.0], [3.0, 4.0]]).tolist() == [3, 7]
    assert rows.backward([5.0, 6.0]).tolist() == [[5, 5], [6, 6]]
    assert trace.forward([[1.0, 2.0], [3.0, 4.0]]).tolist() == 5
    assert trace.backward(2.0).tolist() == [[2, 0], [0, 2]]
    assert diagonal.forward(np.arange(8.0).reshape(2, 2, 2)).tolist() == [[0, 1], [6, 7]]
    assert diagonal.backward([[1.0, 2.0], [3.0, 4.0]]).tolist() == [[[1, 2], [0, 0]], [[0, 0], [3, 4]]]


@pytest.mark.parametrize(
    ("equation", "shapes", "y"),
    [("ba", [(2, 3)], (3, 2)), ("... a, b ... -> ... b", [(4, 3), (2, 4)], (4, 2)), ("b...a", [(2, 5, 3)], (5, 3, 2))],
)
def test_an_equation_without_arrow_and_one_with_blanks_are_read_as_by_numpy(equation, shapes, y):
    xs = [np.random.default_rng(1).normal(size=shape) for shape in shapes]
    layer = nl.Einsum(equation)
    assert layer.forward(*xs).shape == y
    assert np.allclose(layer.forward(*xs), np.einsum(equation, *xs), rtol=1e-14)
    assert repr(layer) == f"Einsum({equation!r})"


def test_what_is_returned_is_no_view_of_what_was_given():
    x = np.ones((2, 3))
    layer = nl.Einsum("ij->ji")
    layer.forward(x)[...] = 5
    layer.backward(dout := np.ones((3, 2)))[...] = 7
    assert x.tolist() == np.ones((2, 3)).tolist()
    assert dout.tolist() == np.ones((3, 2)).tolist()


@pytest.mark.parametrize("equation", ["i1->i", "ij.->i", "i....->i", "i->j", "ij->ii", "ij=>i", "i->i->i", "......->", "é->é"])
def test_an_equation_that_says_nothing_is_refused_at_once(equation):
    with pytest.raises(nl.InvalidValueError, match="Einsum: equation is"):
        nl.Einsum(equation)


def test_an_equation_that_is_no_text_is_a_type_error():
    with pytest.raises(nl.InvalidTypeError, match="equation is None"):
        nl.Einsum(None)


@pytest.mark.parametrize(
    ("equation", "shapes", "told"),
    [
        ("ij,jk->ik", [(2, 3)], "got 1 operands, expected 2"),
        ("ij->i", [(2,)], r"got an operand of shape \(2,\) for 'ij'"),
        ("ij->i", [(2, 3, 4)], r"got an operand of shape \(2, 3, 4\) for 'ij'"),
        ("...ij->i", [(2,)], r"got an operand of shape \(2,\) for '...ij'"),
        ("ij,jk->ik", [(2, 3), (4, 5)], r"shapes \(2, 3\) and \(4, 5\), expected one length for 'j'"),
        ("ii->i", [(2, 3)], "one length for 'i'"),
        ("ii->i", [(1, 3)], "one length for 'i'"),
        ("...i,...i->i", [(2, 3), (4, 3)], "expected one length"),
    ],
)
def test_operands_that_do_not_fit_are_refused(equation, shapes, told):
    with pytest.raises(nl.ShapeError, match=told):
        nl.Einsum(equation).forward(*map(np.ones, shapes))


@pytest.mark.parametrize(
    ("equation", "shapes", "lines"),
    [
        ("ij,jk", [(2, 3), (3, 4)], ["y = einsum[ij,jk→ik](x1, x2)", "dx1 = einsum[ik,jk→ij](dy, x2)", "dx2 = einsum[ik,ij→jk](dy, x1)"]),
        ("ij->i", [(2, 3)], ["y = einsum[ij→i](x)", "dx = einsum[i→i](dy), spread to 2×3 along axis 1"]),
        ("iij->", [(2, 2, 3)], ["y = einsum[iij→](x)", "dx = einsum[ij→iij]((einsum[→](dy), spread to 2×3 along axis (0, 1)))"]),
        ("xy->yx", [(2, 3)], ["y = einsum[ab→ba](x)", "dx = einsum[ba→ab](dy)"]),
    ],
)
def test_a_rule_is_the_equation_and_says_x_and_y_only_of_arrays(equation, shapes, lines):
    layer = nl.Einsum(equation)
    y = layer.forward(*map(np.ones, shapes))
    assert layer.rule(shapes, y.shape).splitlines() == lines


@pytest.mark.parametrize(
    ("equation", "shapes", "n"), [("ij,jk->ik", [(4, 3), (3, 2)], 24), ("ij->i", [(4, 3)], 0), ("i...,i,i", [(4, 3), (4,), (1,)], 24)]
)
def test_the_multiply_adds_of_an_einsum_are_one_less_than_its_operands_for_each_term(equation, shapes, n):
    assert nl.Einsum(equation).multiply_adds(*shapes) == n
