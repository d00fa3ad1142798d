"""Fused recurrent layers compute what the pages of their layers compute, with all options."""

import copy
import itertools

import numpy as np
import pytest

import netlib as nl
from netlib.kernels.fused import TABLE, recurrent
from netlib.kernels.recurrent import multiply_rows, padded_width, tiled, tiled_transpose
from netlib.kernels.vectors import row_starts

from .versions import VERSIONS, use

N, T, TOLERANCE = 9, 5, {np.float32: 2e-5, np.float64: 1e-12}
KINDS = {
    "LSTM": nl.LSTM,
    "GRU": nl.GRU,
    "RNN": nl.RNN,
    "RNN with ReLU": lambda *args, **options: nl.RNN(*args, nonlinearity="relu", **options),
}
OPTIONS = {
    "alone": {},
    "whole tiles": {"hidden_features": 8},
    "two layers": {"layers": 2},
    "both directions": {"bidirectional": True},
    "last state": {"return_sequences": False},
    "states": {"return_state": True},
    "dropout": {"layers": 3, "dropout": 0.4, "return_state": True},
    "lengths": {"lengths": True},
    "everything": {"layers": 2, "bidirectional": True, "dropout": 0.3, "return_state": True, "return_sequences": False, "lengths": True},
}


@pytest.fixture(params=[each for each in VERSIONS if each != "numpy"], autouse=True)
def _version(request, monkeypatch):
    use(request.param, monkeypatch)
    monkeypatch.setattr(recurrent, "in_use", lambda dtype, family: "numba")


@pytest.fixture
def fusions(monkeypatch):
    """Return the list of which parts of fusions have run."""
    ran = []

    def noted(name, function):
        return lambda *args: ran.append(name) or function(*args)

    def prepare(*args):
        operation = recurrent.FUSION.prepare(*args)
        functions = zip(operation._fields[:3], operation[:3], strict=True)
        return operation._replace(**{name: noted(name, function) for name, function in functions})

    for kind in ("lstm", "gru", "rnn"):
        fusion = recurrent.FUSION._replace(infer=noted("infer", recurrent.FUSION.infer), prepare=prepare)
        monkeypatch.setitem(TABLE, (kind,), fusion)
    return ran


def make(kind, options, dtype):
    options = {"hidden_features": 5, **options}
    return KINDS[kind](3, options.pop("hidden_features"), **options, rng=0, dtype=dtype)


def inputs_for(layer, has_states, seed):
    rng = np.random.default_rng(seed)
    shapes = [(N, T, 3), *[layer._state_shape(N)] * (len(layer.state_names) * has_states)]
    lengths = [np.array([2, 5, 0, 4, 4, 1, 5, 3, 0])] * layer.lengths
    return [*(rng.normal(size=shape).astype(layer.dtype) for shape in shapes), *lengths]


def graph_of(layer, n_inputs):
    nodes = [nl.Input(f"x{i}") for i in range(n_inputs)]
    outputs = layer(*nodes)
    return nl.Graph(nodes, list(outputs) if isinstance(outputs, tuple) else [outputs])


def as_list(arrays):
    return [each for each in (arrays if isinstance(arrays, list | tuple) else [arrays]) if each is not None]


def assert_close(found, expected, dtype):
    found, expected = as_list(found), as_list(expected)
    assert [(each.shape, each.dtype) for each in found] == [(each.shape, each.dtype) for each in expected]
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])


def assert_gradients_are_close(layer, page, dtype):
    for name, parameter in layer.parameters().items():
        np.testing.assert_allclose(
            parameter.grad, page.parameters()[name].grad, rtol=TOLERANCE[dtype], atol=10 * TOLERANCE[dtype], err_msg=name
        )


@pytest.mark.parametrize("dtype", [np.float32, pytest.param(np.float64, marks=pytest.mark.exhaustive)])
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
@pytest.mark.parametrize("kind", KINDS)
def test_it_is_the_page(kind, options, dtype, fusions):
    for has_states in (False, True):
        layer, page = make(kind, options, dtype), make(kind, options, dtype)
        inputs = inputs_for(layer, has_states, 0)
        model = graph_of(layer, len(inputs))
        for step in range(4):
            inputs = inputs_for(layer, has_states, step)
            y, expected = model.forward(*inputs), page.forward(*inputs)
            assert_close(y, expected, dtype)
            before = copy.deepcopy(y)
            douts = [np.random.default_rng(9).normal(size=each.shape).astype(dtype) for each in as_list(y)]
            douts = tuple(douts) if layer.return_state else douts[0]
            dx, expected = model.backward(douts, input_gradient=step != 2), page.backward(douts)
            if step != 2:
                assert_close(dx, expected, dtype)
                kept = copy.deepcopy(dx)
                assert_close(layer.backward(douts), page.backward(douts), dtype)  # its own, from what was kept
                assert_close(dx, kept, dtype)
            assert_gradients_are_close(layer, page, dtype)
            np.testing.assert_equal(y, before)
        assert_close(model.predict(*inputs), page.predict(*inputs), dtype)
        assert fusions == [*["forward", "backward"] * 2, "forward", "backward_parameters", "forward", "backward", "infer"]
        fusions.clear()


@pytest.mark.parametrize("kind", KINDS)
def test_within_a_network_it_writes_into_work_arrays(kind, fusions):
    """Its neighbours are fused, so that x, y and their gradients have memory of the plan."""

    def layers():
        return [nl.Affine(4, 3, rng=0), make(kind, {"layers": 2}, np.float32), nl.Affine(5, 4, rng=1)]

    model, page = nl.Sequential(*layers()), nl.Sequential(*layers())
    for step in range(4):
        x, dout = np.random.default_rng(step).normal(size=(2, N, T, 4)).astype(np.float32)
        y = expected = x
        for layer in page:
            expected = layer.forward(expected)
        y = model.forward(x)
        assert_close(y, expected, np.float32)
        dx, expected = model.backward(dout), dout
        for layer in reversed(list(page)):
            expected = layer.backward(expected)
        assert_close(dx, expected, np.float32)
        assert_gradients_are_close(model, page, np.float32)
    assert fusions == ["forward", "backward"] * 4


@pytest.mark.parametrize("kind", KINDS)
def test_a_state_between_two_layers_reaches_the_second(kind):
    """An encoder and a decoder, as in translation: the last states of one are the first of the other."""

    def make_model():
        x, z = nl.Input("x"), nl.Input("z")
        _, *states = make(kind, {"return_state": True}, np.float64)(x)
        return nl.Graph([x, z], [make(kind, {}, np.float64)(z, *states)])

    model, encoder, decoder = make_model(), make(kind, {"return_state": True}, np.float64), make(kind, {}, np.float64)
    for step in range(3):
        x, z = np.random.default_rng(step).normal(size=(2, N, T, 3))
        y, *states = encoder.forward(x)
        expected = decoder.forward(z, *states)
        assert_close(model.forward(x, z), expected, np.float64)
        dz, *dstates = decoder.backward(expected)
        assert_close(model.backward(expected), [encoder.backward((np.zeros_like(y), *dstates)), dz], np.float64)


@pytest.mark.parametrize("kind", KINDS)
def test_nan_goes_where_the_page_says(kind, fusions):
    layer, page = make(kind, {"lengths": True}, np.float64), make(kind, {"lengths": True}, np.float64)
    model = graph_of(layer, 2)
    x, lengths = inputs_for(layer, False, 0)
    x[1, 2], x[3, 4] = np.nan, np.nan  # a number of the second, and padding of the fourth
    for _ in range(2):
        y, expected = model.forward(x, lengths), page.forward(x, lengths)
    assert_close(y, expected, np.float64)
    assert np.isnan(y[1, 2:]).all()
    assert np.isnan(y).sum() == np.isnan(y[1, 2:]).sum()
    assert fusions == ["forward"] * 2


def test_extreme_numbers_saturate_the_gates():
    for kind, dtype in itertools.product(["LSTM", "GRU", "RNN"], TOLERANCE):
        layer, page = make(kind, {}, dtype), make(kind, {}, dtype)
        x = 1e4 * inputs_for(layer, False, 0)[0]
        with np.errstate(over="ignore"):  # loops in Python warn
            assert_close(TABLE[(layer.kernel_name,)].infer([layer], x), page.forward(x), dtype)


def test_another_forward_of_the_layer_makes_what_was_fused_stale():
    layer = make("LSTM", {}, np.float64)
    model, x = nl.Sequential(layer), np.ones((N, T, 3))
    for _ in range(2):
        y = model.forward(x)
    layer.forward(x)
    with pytest.raises(nl.OrderError, match="another forward"):
        model.backward(y)


def test_it_fits_what_the_layer_takes_in_its_own_type():
    layer = make("LSTM", {"lengths": True}, np.float64)
    x, h, lengths = np.ones((2, 4, 3)), np.ones((2, 5)), np.ones(2, int)
    fits = TABLE["lstm",].fits
    assert fits([layer], x, lengths)
    assert fits([layer], x, h, h, lengths)
    for wrong in [(x[0], lengths), (x[:0], lengths), (x[:, :0], lengths), (x.astype("f4"), lengths), (x[..., :2], lengths),
                  (x, h, lengths), (x, h, h.astype("f4"), lengths), (x, h, h[:1], lengths), (x,), (x, h, h)]:  # fmt: skip
        assert not fits([layer], *wrong)


def test_without_compiled_loops_the_page_runs(monkeypatch):
    monkeypatch.setattr(recurrent, "in_use", lambda dtype, family: "numpy")
    assert not TABLE["lstm",].fits([make("LSTM", {}, np.float64)], np.ones((2, 4, 3)))


@pytest.mark.parametrize("shape", [(3, 20), (20, 3), (40, 70)])
def test_weights_are_laid_out_in_tiles(shape):
    w = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    width = padded_width(shape[1], 4)
    padded = np.zeros((shape[0], width), np.float32)
    padded[:, : shape[1]] = w
    tile = 8 if shape[1] == 3 else 32
    expected = np.concatenate([padded[:, i : i + tile].reshape(-1) for i in range(0, width, tile)])
    np.testing.assert_array_equal(tiled(w), expected)
    np.testing.assert_array_equal(tiled_transpose(w.T.copy()), expected)


def test_rows_times_several_tiles_are_the_product():
    rng, n, length, width = np.random.default_rng(0), 9, 3, 40  # three tiles
    x, w, start = rng.normal(size=(n, length)), rng.normal(size=(length, width)), rng.normal(size=padded_width(width, 8))
    y = np.zeros((n, len(start)))
    in_y, in_start, in_x = row_starts(n, len(start)), row_starts(n, 0), row_starts(n, length)
    multiply_rows(y.reshape(-1), in_y, start, in_start, x.reshape(-1), in_x, n, tiled(w), length, width)
    np.testing.assert_allclose(y[:, :width], start[:width] + x @ w, rtol=1e-12, atol=1e-12)
