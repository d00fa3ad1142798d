"""How weights begin: the variance that the papers ask for, in the type that was asked for."""

import numpy as np
import pytest

import netlib as nl

SHAPE = 300, 200
N = 300 * 200

VARIANCES = {
    "He": (nl.He(), 2 / 300),
    "He, uniform": (nl.He(uniform=True), 2 / 300),
    "Glorot": (nl.Glorot(), 2 / 500),
    "Glorot, uniform": (nl.Glorot(uniform=True), 2 / 500),
    "LeCun": (nl.LeCun(), 1 / 300),
    "LeCun, uniform": (nl.LeCun(uniform=True), 1 / 300),
    "Normal": (nl.Normal(0.3), 0.09),
    "Uniform": (nl.Uniform(0.3), 0.03),  # (2 · 0.3)² / 12
}


@pytest.mark.parametrize("case", VARIANCES)
def test_mean_and_variance_lie_within_the_samples_error(case):
    init, variance = VARIANCES[case]
    w = init(SHAPE, np.random.default_rng(0))
    assert (w.shape, w.dtype) == (SHAPE, np.float64)
    excess = np.mean(w**4) / variance**2 - 1  # Var(w²) / σ⁴: 2 for a normal, 4/5 for a uniform law
    assert abs(w.mean()) < 4 * np.sqrt(variance / N)
    assert abs((w**2).mean() / variance - 1) < 4 * np.sqrt(excess / N)


@pytest.mark.parametrize("case", VARIANCES)
def test_the_law_is_the_one_that_was_asked_for(case):
    init, variance = VARIANCES[case]
    w = init(SHAPE, np.random.default_rng(1)) / np.sqrt(variance)
    if "niform" in case:
        assert 1.7 < np.abs(w).max() <= np.sqrt(3)  # bounded by √3 σ and coming close to it
        assert abs((np.abs(w) < np.sqrt(3) / 2).mean() - 0.5) < 4 * 0.5 / np.sqrt(N)
    else:
        assert abs((np.abs(w) < 1).mean() - 0.682689) < 4 * 0.4655 / np.sqrt(N)  # the share within one σ
        assert np.abs(w).max() > 3.5


@pytest.mark.parametrize(("init", "variance"), [(nl.He(), 2 / 12), (nl.Glorot(), 2 / 17), (nl.LeCun(), 1 / 12)])
def test_all_axes_but_the_last_are_the_fan_in(init, variance):
    w = np.stack([init((3, 4, 5), rng) for rng in np.random.default_rng(0).spawn(400)])
    assert abs((w**2).mean() / variance - 1) < 4 * np.sqrt(2 / w.size)


@pytest.mark.parametrize("shape", [(4, 4), (7, 3), (3, 7), (1, 5), (5, 1), (2, 3, 4), (0, 3), (3, 0)])
@pytest.mark.parametrize("gain", [1.0, 2.5])
def test_rows_or_columns_whichever_are_fewer_are_orthonormal_times_the_gain(shape, gain):
    w = nl.Orthogonal(gain)(shape, np.random.default_rng(0))
    assert w.shape == shape
    w = w.reshape(int(np.prod(shape[:-1])), shape[-1])
    product = w.T @ w if w.shape[0] >= w.shape[1] else w @ w.T
    np.testing.assert_allclose(product, gain**2 * np.eye(len(product)), atol=1e-12)


def test_orthogonal_matrices_favour_no_sign():
    traces = [np.trace(nl.Orthogonal()((2, 2), rng)) for rng in np.random.default_rng(0).spawn(500)]
    # uniform on O(2): half are rotations, of trace 2 cos θ, half reflections, of trace 0
    assert abs(np.mean(traces)) < 4 / np.sqrt(500)
    assert 0.8 < np.var(traces) < 1.2


def test_zeros_are_zeros_and_draw_nothing():
    rng = np.random.default_rng(0)
    before = rng.bit_generator.state
    assert not nl.Zeros()((2, 3), rng).any()
    assert rng.bit_generator.state == before


def test_xavier_is_glorot():
    assert nl.Xavier is nl.Glorot


@pytest.mark.parametrize("init", [nl.He(), nl.Glorot(uniform=True), nl.Orthogonal(), nl.Normal(), nl.Uniform()])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_a_layer_draws_its_weight_in_its_dtype_from_its_seed(init, dtype):
    one, two, other = (nl.Affine(5, 4, init=init, dtype=dtype, rng=seed) for seed in (0, np.random.default_rng(0), 1))
    assert one.weight.dtype == one.bias.dtype == dtype
    assert one.weight.value.tobytes() == two.weight.value.tobytes() != other.weight.value.tobytes()
    expected = init((5, 4), np.random.default_rng(0), dtype)
    assert one.weight.value.tolist() == expected.tolist()
    assert not one.bias.value.any()


def test_affine_begins_with_he():
    assert nl.Affine(5, 4, rng=0).weight.value.tolist() == nl.Affine(5, 4, init=nl.He(), rng=0).weight.value.tolist()


@pytest.mark.parametrize("init", ["he", "xavier", None, nl.He, 0.1, np.zeros, lambda shape, rng: np.zeros(shape)])
def test_an_initializer_is_an_object_never_a_string_or_a_class(init):
    with pytest.raises(nl.InvalidTypeError, match=r"Affine: init is .*expected an initializer.*netlib\.He\(\)"):
        nl.Affine(2, 2, init=init)


def test_a_users_initializer_is_a_class_with_a_call():
    class Eye(nl.Initializer):
        def __call__(self, shape, rng, dtype):
            return np.eye(*shape)

    layer = nl.Affine(2, 2, init=Eye())
    assert layer.weight.value.tolist() == [[1.0, 0.0], [0.0, 1.0]]
    assert layer.weight.dtype == np.float32


@pytest.mark.parametrize("make", [nl.Normal, nl.Uniform, nl.Orthogonal])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, "0.1", None])
def test_invalid_numbers_are_refused(make, value):
    with pytest.raises(nl.NetlibError, match=f"^{make.__name__}: "):
        make(value)


@pytest.mark.parametrize("make", [nl.Normal, nl.Uniform])
def test_negative_widths_are_refused(make):
    with pytest.raises(nl.InvalidValueError, match="expected a finite number of at least 0"):
        make(-0.1)


@pytest.mark.parametrize(
    "text",
    [
        "He()",
        "He(uniform=True)",
        "Glorot()",
        "LeCun(uniform=True)",
        "Normal(std=0.2)",
        "Normal()",
        "Uniform(bound=1.0)",
        "Orthogonal(gain=2.0)",
        "Zeros()",
    ],
)
def test_repr_is_the_call_that_makes_it_and_equal_calls_are_equal(text):
    init = eval(text, vars(nl))
    assert repr(init) == text
    assert init == eval(text, vars(nl))
    assert hash(init) == hash(eval(text, vars(nl)))
    assert init != nl.Uniform(0.123)


def test_no_seed_touches_numpys_global_state():
    before = np.random.get_state()[1].tolist()  # noqa: NPY002  # the state that must not change is the legacy one
    for init, _ in VARIANCES.values():
        nl.Affine(2, 2, init=init)
    assert np.random.get_state()[1].tolist() == before  # noqa: NPY002
