"""Einsum, the reductions and their ties, zeros and infinities, against PyTorch's."""

import math
from functools import partial

import numpy as np
import pytest
import torch

import netlib as nl

LISTED = """
    i->i i-> ij->ji ij-> ij->i ij->j ii->i ii-> ii iij->ij iij->j iij->i iji->j iijj-> iijj->ij iiij->j ijk->kij abc->b
    i,i-> i,i->i i,j->ij i,j->ji i,j-> i,j->j ij,j->i ij,j->ij ij,i-> ij,jk->ik ij,jk ij,kj->ik ji,jk->ik ij,ij-> ij,ij->i ij,ji->
    ij,kl->ijkl ij,kl->il ii,i->i ii,i-> ii,jj->ij ii,ij->j ij,k->i ij,kk->j iij,jk->k iij,jjk->ik bij,bjk->bik bij,jk->bik
    bij,bkj->bik bhtd,bhsd->bhts bhts,bhsd->bhtd nci,co->noi ij,i,j-> ij,jk,kl->il i,i,i->i ij,ij,ij->j ij,ik,il->jkl
    ij,jk,ki-> ii,jj,kk-> abc,cd,de->abe ...->... ...i->... ...ij->...ji ...i,...i->... ...ij,...jk->...ik i...,i...->...
    ...ij,jk->...ik ...,i->...i ...ii->...i ik,jk->ij ik,ij->jk i,ij->j
"""
EQUATIONS = LISTED.split()
"""Among them the chapter's: X·W, its gradients dY·Wᵀ and Xᵀ·dY, and Dᵀ·dY, the gradient of a bias."""


def operands_for(equation, rng):
    """Return random operands, some with broadcast axes in the ellipsis."""
    length = {letter: int(rng.integers(1, 4)) for letter in "abcdehijklmnopstu"}
    dots = rng.integers(1, 4, int(rng.integers(0, 3)))
    shapes = []
    for term in equation.partition("->")[0].split(","):
        own = np.where(rng.random(len(dots)) < 0.3, 1, dots)
        before, ellipsis, after = term.partition("...")
        shapes.append([length[letter] for letter in before] + list(own if ellipsis else []) + [length[letter] for letter in after])
    return [rng.normal(size=shape) for shape in shapes]


def assert_equal(layer, function, xs, dout=None, tolerance=1e-12):
    """Assert the same y and gradients, in float64."""
    tensors = [torch.tensor(x, requires_grad=True) for x in xs]
    theirs, ours = function(*tensors), layer.forward(*xs)
    np.testing.assert_allclose(ours, theirs.detach().numpy(), rtol=tolerance, atol=tolerance, strict=isinstance(ours, np.ndarray))
    dout = np.random.default_rng(5).normal(size=np.shape(ours)) if dout is None else dout
    theirs.backward(torch.tensor(dout))
    grads = layer.backward(dout)
    for grad, tensor in zip(grads if isinstance(grads, tuple) else (grads,), tensors, strict=True):
        np.testing.assert_allclose(grad, tensor.grad.numpy(), rtol=tolerance, atol=tolerance, strict=True)


@pytest.mark.parametrize("equation", EQUATIONS)
def test_an_einsum_and_its_gradients_are_pytorchs(equation):
    for seed in range(3):
        xs = operands_for(equation, np.random.default_rng(seed))
        assert_equal(nl.Einsum(equation), lambda *tensors: torch.einsum(equation, *tensors), xs)


@pytest.mark.exhaustive
@pytest.mark.parametrize("seed", range(300))
def test_any_einsum_and_its_gradients_are_pytorchs(seed):
    rng = np.random.default_rng(seed)
    terms = ["".join(rng.choice(list("ijkl"), rng.integers(0, 4))) for _ in range(rng.integers(1, 4))]
    if has_dots := rng.random() < 0.3:
        places = [rng.integers(0, len(term) + 1) for term in terms]
        terms = [term[:i] + "..." + term[i:] for term, i in zip(terms, places, strict=True)]
    found = sorted(set("".join(terms)) - {"."})
    output = "".join(rng.permutation(found)[: rng.integers(0, len(found) + 1)]) + "..." * has_dots
    equation = ",".join(terms) + (f"->{output}" if rng.random() < 0.8 else "")
    assert_equal(nl.Einsum(equation), lambda *tensors: torch.einsum(equation, *tensors), operands_for(equation, rng))


def test_a_letter_of_length_1_broadcasts_as_in_pytorch():
    a, b = np.random.default_rng(0).normal(size=(2, 1)), np.random.default_rng(1).normal(size=(3, 4))
    for equation in ("ij,jk->ik", "ij,jk->ijk", "ij,jk->", "ij,jk->j"):
        for xs in ([a, b], [a[:1], b], [np.ones((1, 3)), b[:1]]):
            assert_equal(nl.Einsum(equation), lambda *tensors, equation=equation: torch.einsum(equation, *tensors), xs)


EXTREME = np.array([[1e4, -1e4, 1e4], [0.0, 0.0, 0.0], [3.0, 3.0, -3.0], [math.inf, 1.0, -1.0], [1.0, math.nan, 2.0]])
REDUCTIONS = [
    (nl.Max, torch.amax),
    (nl.Min, torch.amin),
    (nl.LogSumExp, torch.logsumexp),
    *[(partial(nl.Norm, ord=p), partial(torch.linalg.vector_norm, ord=p)) for p in (1, 1.5, 2, 3, math.inf)],
]


@pytest.mark.parametrize(("make", "function"), REDUCTIONS, ids=lambda each: str(each(0)) if each in dict(REDUCTIONS) else "")
def test_ties_zeros_and_large_numbers_are_reduced_as_in_pytorch(make, function):
    x = EXTREME[:3]
    for axis in (1, 0):
        assert_equal(make(axis), lambda x, axis=axis: function(x, dim=axis), [x], tolerance=1e-12)


@pytest.mark.parametrize("make", [nl.Max, nl.Min])
def test_nan_is_passed_on_as_in_pytorch(make):
    assert_equal(make(1), lambda x: dict(REDUCTIONS)[make](x, 1), [EXTREME])


POWERS = [  # x, p: nothing to the power 0, roots and reciprocals of 0, bases below 0, numbers that nearly overflow, infinity, NaN
    *[(0.0, p) for p in (0, 1, 2, 0.5, -1, -2)],
    *[(-2.0, p) for p in (0, 1, 2, 3, -1, 0.5)],
    *[(1e4, p) for p in (0, 2, 77, -77, 0.25)],
    *[(-1e4, p) for p in (3, -2)],
    *[(x, p) for x in (math.inf, -math.inf, math.nan) for p in (0, 2, -1)],
    (2.0, 1e4), (2.0, -1e4), (0.5, math.inf), (1.0, math.nan), (1e-300, 1e-4),
]  # fmt: skip


@pytest.mark.filterwarnings("ignore:(overflow|divide by zero|invalid value) encountered")
def test_powers_and_both_slopes_are_pytorchs_where_numbers_are_extreme():
    x, p = np.array(POWERS).T
    assert_equal(nl.Power(), torch.pow, [x, p], np.ones_like(x), tolerance=1e-14)
    for exponent in sorted(set(p[np.isfinite(p)])):
        bases = x[x > -math.inf] if exponent == 0.5 else x  # of √-∞, PyTorch's slope is NaN and that of x^p 0
        assert_equal(nl.Power(exponent), lambda x, e=exponent: torch.pow(x, e), [bases], np.ones_like(bases), tolerance=1e-14)


@pytest.mark.filterwarnings("ignore:overflow encountered")
def test_exp_and_its_slope_are_pytorchs_to_where_it_overflows_and_beyond():
    x = np.array([-1e4, -746.0, -745.0, -708.0, 0.0, 1e-300, 709.0, 710.0, 1e4, math.inf, -math.inf, math.nan])
    assert_equal(nl.Exp(), torch.exp, [x], np.ones_like(x), tolerance=1e-15)


@pytest.mark.parametrize(("kind", "function"), [(nl.Maximum, torch.amax), (nl.Minimum, torch.amin)])
def test_several_inputs_share_the_gradient_of_a_tie_equally_as_a_maximum_over_an_axis_does_in_pytorch(kind, function):
    """torch.maximum of two, taken twice, would give the third input half of a tie of three."""

    def theirs(*xs):
        return function(torch.stack(torch.broadcast_tensors(*xs)), dim=0)

    a = np.array([[1.0, 2.0, 3.0, -1e4], [0.0, 0.0, 1e4, 7.0]])
    b = np.array([[1.0], [0.0]])
    c = np.array([1.0, 2.0, 1e4, 7.0])
    for xs in ([a, b, c], [c, b, a], [a, b], [a, a.copy(), a.copy(), c], [b, np.array(1.0), c]):
        assert_equal(kind(), theirs, xs, tolerance=1e-15)
