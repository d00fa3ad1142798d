"""Each kernel, in NumPy and compiled, against its formula worked out in float64 by other means."""

import inspect
from importlib.util import find_spec

import numpy as np
import pytest

import netlib as nl
from netlib import kernels
from netlib.kernels.kernel import Kernel

KERNELS = {name: each for name, each in kernels.members().items() if isinstance(each, Kernel)}


class Versions:
    """The kernels in one of their versions, as attributes."""

    def __init__(self, name):
        self.name = name

    def __getattr__(self, name):
        kernel = KERNELS[name]
        if self.name == "numpy" or kernel.loops is None:
            return kernel.numpy
        if not kernels._is_loaded:
            for each in kernels.members().values():
                if isinstance(each, kernels.Loops):
                    each.compile()
        return kernel.loops.run


SETS = [Versions("numpy"), *([Versions("numba")] if find_spec("numba") else [])]
SHAPES = [(1, 1), (5, 3), (64, 17), (3, 200), (0, 4)]
TYPES = {np.float32: 1e-5, np.float64: 1e-12}


@pytest.fixture(params=SETS, ids=lambda each: each.name)
def these(request):
    return request.param


@pytest.fixture(params=TYPES, ids=lambda each: each.__name__)
def dtype(request):
    return request.param


@pytest.fixture(params=SHAPES, ids=str)
def y(request, dtype):
    return np.random.default_rng(0).normal(size=request.param).astype(dtype)


def agree(got, expected):
    np.testing.assert_allclose(got, expected, rtol=TYPES[got.dtype.type], atol=TYPES[got.dtype.type])


def test_both_versions_of_a_kernel_take_the_same():
    assert {"adam", "rectify", "log_softmax"} <= KERNELS.keys()
    for kernel in KERNELS.values():
        if kernel.loops is not None:
            assert inspect.signature(kernel.loops.__wrapped__) == inspect.signature(kernel.numpy)


def test_every_kernel_with_loops_is_tested_here():
    tests = inspect.getsource(inspect.getmodule(Versions))
    assert [name for name, each in KERNELS.items() if each.loops is not None and f"these.{name}(" not in tests] == []


def test_add_bias_adds_the_bias_to_each_row(these, y):
    bias = np.arange(y.shape[1]).astype(y.dtype)
    expected = [[value + j for j, value in enumerate(row)] for row in y.tolist()]
    these.add_bias(y, bias)
    agree(y, np.reshape(expected, y.shape))


def test_add_bias_relu_keeps_what_is_positive_and_says_where(these, y):
    bias = np.full(y.shape[1], 0.25, y.dtype)
    positive = np.empty(y.shape, bool)
    sums = y.astype(np.float64) + 0.25
    these.add_bias_relu(y, bias, positive)
    agree(y, np.where(sums > 0, sums, 0))
    assert positive.tolist() == (sums > 0).tolist()


def test_rectify_is_that_without_saying_where(these, y):
    bias = np.full(y.shape[1], 0.25, y.dtype)
    sums = y.astype(np.float64) + 0.25
    these.rectify(y, bias)
    agree(y, np.where(sums > 0, sums, 0))


def test_rectify_keeps_nan(these, dtype):
    y = np.array([[np.nan, 0.0, -1.0, np.inf]], dtype)
    with np.errstate(invalid="ignore"):
        these.rectify(y, np.zeros(4, dtype))
    np.testing.assert_array_equal(y, [[np.nan, 0, 0, np.inf]])


def test_relu_of_nan_is_nan_and_of_zero_is_zero_and_not_positive(these, dtype):
    y, positive = np.array([[np.nan, 0.0, -0.0, np.inf, -np.inf]], dtype), np.empty((1, 5), bool)
    with np.errstate(invalid="ignore"):
        these.add_bias_relu(y, np.zeros(5, dtype), positive)
    np.testing.assert_array_equal(y, [[np.nan, 0, 0, np.inf, 0]])
    assert positive.tolist() == [[False, False, False, True, False]]


def test_relu_backward_masks_and_sums_the_rows(these, y):
    positive = np.random.default_rng(1).random(y.shape) > 0.5
    dx, dbias = np.empty_like(y), np.empty(y.shape[1], y.dtype)
    these.relu_backward(y, positive, dx, dbias)
    agree(dx, np.where(positive, y, 0))
    agree(dbias, np.where(positive, y, 0).astype(np.float64).sum(axis=0))


def test_relu_backward_works_in_place(these, y):
    positive = np.random.default_rng(1).random(y.shape) > 0.5
    expected = np.where(positive, y, 0)
    these.relu_backward(y, positive, y, np.empty(y.shape[1], y.dtype))
    agree(y, expected)


def test_sum_rows_sums_over_axis_0(these, y):
    total = np.empty(y.shape[1], y.dtype)
    these.sum_rows(y, total)
    agree(total, y.astype(np.float64).sum(axis=0))


@pytest.mark.parametrize("scale", [1.0, 1000.0])
def test_log_softmax_is_the_logarithm_of_shares_that_add_up_to_one(these, y, scale):
    given = (scale * y).astype(y.dtype)
    before = given.copy()
    got = these.log_softmax(given)
    shifted = before.astype(np.float64) - before.max(axis=1, keepdims=True, initial=-np.inf)
    agree(got, shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)))
    assert got.dtype == y.dtype
    assert given.tobytes() == before.tobytes()


@pytest.mark.parametrize("layout", ["Fortran", "reversed", "read-only", "three axes"])
def test_log_softmax_takes_any_layout_and_returns_rows_in_order(these, dtype, layout):
    x = np.random.default_rng(0).normal(size=(6, 4)).astype(dtype)
    given = {"Fortran": np.asfortranarray(x), "reversed": x[::-1].copy()[::-1], "three axes": x.reshape(2, 3, 4)}.get(layout, x.copy())
    given.flags.writeable = layout != "read-only"
    got = these.log_softmax(given)
    assert got.flags.c_contiguous
    agree(got.reshape(6, 4), these.log_softmax(x))


def test_a_row_with_nan_is_nan_and_the_others_are_not(these, dtype):
    x = np.array([[0.0, np.nan, 1.0], [np.nan, 0.0, 1.0], [0.0, 0.0, 0.0]], dtype)
    with np.errstate(invalid="ignore"):
        got = these.log_softmax(x)
    assert np.isnan(got).tolist() == [[True] * 3, [True] * 3, [False] * 3]


def test_the_sum_in_double_precision_is_exact_to_the_last_digit_of_its_terms(these, dtype):
    terms = np.full(1000, 0.1, dtype)
    assert abs(these.total(terms) - 1000 * float(dtype(0.1))) < 1e-10


def test_negative_log_likelihood_picks_the_column_of_the_label(these, y):
    labels = np.random.default_rng(2).integers(y.shape[1], size=len(y))
    terms = np.empty(len(y), y.dtype)
    assert these.negative_log_likelihood(y, labels, terms)
    assert terms.tolist() == [-row[label] for row, label in zip(y.tolist(), labels.tolist(), strict=True)]


@pytest.mark.parametrize("bad", [3, -1, 2**62, -(2**62)])
def test_negative_log_likelihood_says_when_a_label_is_no_column(these, dtype, bad):
    assert not these.negative_log_likelihood(np.zeros((2, 3), dtype), np.array([0, bad]), np.empty(2, dtype))


def test_subtract_labels_takes_away_at_the_labels_alone(these, y):
    labels = np.random.default_rng(2).integers(y.shape[1], size=len(y))
    expected = y.astype(np.float64)
    for i, label in enumerate(labels):
        expected[i, label] -= 0.75
    these.subtract_labels(y, labels, 0.75)
    agree(y, expected)


def test_adam_is_its_three_formulas(these, dtype):
    rng = np.random.default_rng(0)
    value, grad, total, squares = (rng.normal(size=50).astype(dtype) for _ in range(4))
    squares = np.abs(squares)
    given = [a.astype(np.float64) for a in (value, grad, total, squares)]
    these.adam(value, grad, np.empty(50, dtype), total, squares, 0.9, 0.99, 1e-3, 0.25)
    new_total, new_squares = 0.9 * given[2] + given[1], 0.99 * given[3] + given[1] ** 2
    agree(total, new_total)
    agree(squares, new_squares)
    agree(value, given[0] - 0.25 * new_total / (np.sqrt(new_squares) + 1e-3))


# ---- which set is in use


def none_loaded(monkeypatch):
    """Begin as a process does, with no compiled kernels in use."""
    monkeypatch.setattr(kernels, "_is_loaded", False)
    for each in KERNELS.values():
        monkeypatch.setattr(each, "_in_loops", {})


def test_half_and_extended_precision_use_numpy():
    nl.SGD(nl.Parameter([1.0]))
    for dtype in (np.float16, np.longdouble):
        if np.dtype(dtype) != np.float64:
            assert kernels.in_use(np.dtype(dtype)) == "numpy"
            assert all(each.of(np.dtype(dtype)) is each.numpy for each in KERNELS.values())


def test_the_variable_switches_the_compiled_kernels_off(monkeypatch):
    monkeypatch.setenv("NETLIB_ACCELERATOR", "numpy")
    none_loaded(monkeypatch)
    assert nl.accelerator() == "numpy"
    nl.SGD(nl.Parameter([1.0]))
    assert kernels.in_use(np.dtype(np.float32)) == "numpy"


def test_without_the_variable_numba_is_used_where_it_is_installed(monkeypatch):
    monkeypatch.delenv("NETLIB_ACCELERATOR", raising=False)
    assert nl.accelerator() == ("numba" if find_spec("numba") else "numpy")


def test_a_variable_that_says_anything_else_is_refused(monkeypatch):
    monkeypatch.setenv("NETLIB_ACCELERATOR", "cuda")
    with pytest.raises(nl.InvalidValueError, match="'cuda', wanted 'numba' or 'numpy'"):
        nl.accelerator()


def test_insisting_on_numba_where_it_is_missing_names_the_extra(monkeypatch):
    monkeypatch.setenv("NETLIB_ACCELERATOR", "numba")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(nl.InvalidValueError, match=r"pip install 'netlib\[fast\]'"):
        nl.accelerator()


# ---- both ways come to the same


def _trained(these, dtype, monkeypatch, steps=100, seen_before=False):
    monkeypatch.setenv("NETLIB_ACCELERATOR", these.name)
    none_loaded(monkeypatch)
    rng = np.random.default_rng(0)
    x, t = rng.normal(size=(32, 6)).astype(dtype), rng.integers(4, size=32)
    model = nl.Sequential(nl.Affine(6, 20, rng=1, dtype=dtype), nl.ReLU(), nl.Affine(20, 20, rng=2, dtype=dtype), nl.Tanh(),
                          nl.Affine(20, 4, rng=3, dtype=dtype), nl.ReLU())  # fmt: skip
    loss, optimizer = nl.SoftmaxCrossEntropy(), nl.Adam(model, lr=1e-3)
    assert kernels.in_use(np.dtype(dtype)) == these.name
    for _ in range(3 * seen_before):
        model.forward(x)
    for _ in range(steps):
        loss.forward(model.forward(x), t)
        model.backward(loss.backward(), input_gradient=False)
        optimizer.step()
    return np.concatenate([p.value.ravel() for p in model.parameters().values()])


def test_a_hundred_steps_come_to_the_same_with_either_set(dtype, monkeypatch):
    ways = [_trained(these, dtype, monkeypatch) for these in SETS]
    for way in ways[1:]:
        assert np.linalg.norm(way - ways[0]) <= TYPES[dtype] * np.linalg.norm(ways[0])


def test_a_plan_changes_no_bit_so_what_came_by_before_does_not_matter(these, dtype, monkeypatch):
    fresh, used = (_trained(these, dtype, monkeypatch, steps=5, seen_before=seen) for seen in (False, True))
    assert fresh.tobytes() == used.tobytes()
