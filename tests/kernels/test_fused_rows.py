"""Fused normalization of rows and activations compute what the pages of their layers compute."""

import copy
from itertools import product

import numpy as np
import pytest

import netlib as nl
from netlib.kernels.fused import TABLE, affine_gelu, elementwise, embedding, row_norm

from .versions import VERSIONS, use

TOLERANCE = {np.float32: 2e-5, np.float64: 1e-12}
X = np.random.default_rng(0).normal(size=(5, 3, 37)) * 3


@pytest.fixture(params=[each for each in VERSIONS if each != "numpy"], autouse=True)
def _version(request, monkeypatch):
    use(request.param, monkeypatch)
    for module in (affine_gelu, elementwise, embedding, row_norm):
        monkeypatch.setattr(module, "in_use", lambda dtype, family: "numba")


@pytest.fixture
def ran(monkeypatch):
    """Return the list of which rows have run, and how."""
    found = []

    def noted(row, name, function):
        return lambda *args: found.append((row, name)) or function(*args)

    for row, fusion in list(TABLE.items()):
        prepare = noted(row, "train", fusion.prepare)
        monkeypatch.setitem(TABLE, row, fusion._replace(infer=noted(row, "infer", fusion.infer), prepare=prepare))
    return found


def with_parameters(layer):
    for i, parameter in enumerate(layer.parameters().values()):
        parameter.value = np.random.default_rng(i).normal(size=parameter.shape)
    return layer


LAYERS = {
    "layer norm": (("layer_norm",), lambda dtype: [with_parameters(nl.LayerNorm(37, dtype=dtype))]),
    "layer norm of two axes": (("layer_norm",), lambda dtype: [with_parameters(nl.LayerNorm((3, 37), eps=0.5, dtype=dtype))]),
    "layer norm without bias": (("layer_norm",), lambda dtype: [with_parameters(nl.LayerNorm(37, bias=False, dtype=dtype))]),
    "RMS norm": (("rms_norm",), lambda dtype: [with_parameters(nl.RMSNorm(37, dtype=dtype))]),
    "GELU": (("gelu",), lambda dtype: [nl.GELU()]),
    "SiLU": (("silu",), lambda dtype: [nl.SiLU()]),
    "Mish": (("mish",), lambda dtype: [nl.Mish()]),
    "hardswish": (("hardswish",), lambda dtype: [nl.Hardswish()]),
    "sigmoid": (("sigmoid",), lambda dtype: [nl.Sigmoid()]),
    "learned positions": (("positional_embedding",), lambda dtype: [nl.PositionalEmbedding(5, 37, rng=0, dtype=dtype)]),
    "sinusoidal encoding": (("sinusoidal_encoding",), lambda dtype: [nl.SinusoidalEncoding(37)]),
    "affine and GELU": (("affine", "gelu"), lambda dtype: [with_parameters(nl.Affine(37, 21, dtype=dtype)), nl.GELU()]),
}


def forward(layers, x):
    for layer in layers:
        x = layer.forward(x)
    return x


def backward(layers, dout):
    for layer in reversed(layers):
        dout = layer.backward(dout)
    return dout


def assert_close(found, expected, dtype):
    assert (found.shape, found.dtype) == (expected.shape, expected.dtype)
    np.testing.assert_allclose(found, expected, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])


@pytest.mark.parametrize("shape", [(5, 3, 37), (1, 3, 37), (3, 37)], ids=str)
@pytest.mark.parametrize("place", ["alone", "between others"])
@pytest.mark.parametrize("dtype", TOLERANCE, ids=lambda each: each.__name__)
@pytest.mark.parametrize("name", LAYERS)
def test_an_operation_is_its_layers(name, dtype, place, shape, ran):
    row, make = LAYERS[name]
    layers = make(dtype)
    if place == "between others":
        layers = [nl.Affine(37, 37, rng=1, dtype=dtype), nl.SiLU(), *layers, nl.Sigmoid()]
    model, x = nl.Sequential(*copy.deepcopy(layers)), X.reshape(-1, *X.shape[1:])[: shape[0]].astype(dtype)
    x = x[0] if len(shape) == 2 else x
    for step in range(4):
        only_parameters = step == 2 and bool(model.parameters())
        y, expected = model.forward(x), forward(layers, x)
        assert_close(y, expected, dtype)
        kept, dout = y.copy(), np.random.default_rng(step).normal(size=y.shape).astype(dtype)
        if only_parameters:
            model.backward(dout, input_gradient=False)
            backward(layers, dout)
        else:
            dx = model.backward(dout)
            assert_close(dx, backward(layers, dout), dtype)
            assert not np.may_share_memory(dx, dout)
        for mine, own in zip(model.parameters().values(), nl.Sequential(*layers).parameters().values(), strict=True):
            np.testing.assert_allclose(mine.grad, own.grad, rtol=TOLERANCE[dtype], atol=20 * TOLERANCE[dtype])
        np.testing.assert_array_equal(y, kept)
        assert_close(model.predict(x), expected, dtype)
    assert (row, "train") in ran
    assert (row, "infer") in ran


@pytest.mark.parametrize("name", LAYERS)
def test_each_layer_can_go_back_by_itself_and_another_forward_is_noticed(name, ran):
    row, make = LAYERS[name]
    layers = make(np.float64)
    model = nl.Sequential(*copy.deepcopy(layers))
    for _ in range(3):
        y = model.forward(X)
        dout = np.cos(np.arange(y.size)).reshape(y.shape)
        forward(layers, X)
        assert_close(backward(list(model), dout), backward(layers, dout), np.float64)
    assert (row, "train") in ran
    for position, layer in enumerate(model):
        model.forward(X)
        layer.forward(X if position == 0 else y)
        with pytest.raises(nl.OrderError, match="another forward"):
            model.backward(dout)


@pytest.mark.parametrize("name", LAYERS)
def test_any_layout_is_read_and_nothing_is_written_into_the_input(name, ran):
    row, make = LAYERS[name]
    layers = make(np.float64)
    model, x = nl.Sequential(*copy.deepcopy(layers)), np.asfortranarray(X)
    x.flags.writeable = False
    for _ in range(3):
        y, expected = model.forward(x), forward(layers, X)
        assert_close(y, expected, np.float64)
        assert_close(model.predict(x), expected, np.float64)
        dout = np.asfortranarray(np.cos(expected))
        assert_close(model.backward(dout), backward(layers, dout), np.float64)
    assert (row, "train") in ran


@pytest.mark.parametrize("dtype", TOLERANCE, ids=lambda each: each.__name__)
@pytest.mark.parametrize("name", ["GELU", "SiLU", "Mish", "hardswish", "sigmoid"])
def test_an_activation_far_from_zero_is_its_page(name, dtype, ran):
    x = np.array(
        [[0.0, -0.0, 1e-30, -1e-30, 3.0, -3.0, 12.0, -12.0, 14.0, -14.0, 39.0, -39.0, 1e4, -1e4, 1e30, -1e30, np.nan, np.inf]], dtype
    )
    (layer,) = LAYERS[name][1](dtype)
    model = nl.Sequential(copy.deepcopy(layer))
    with np.errstate(all="ignore"):  # compiled code never warns
        for _ in range(2):
            found, expected = model.forward(x), layer.forward(x)
        dx, expected_dx = model.backward(np.ones_like(x)), layer.backward(np.ones_like(x))
    tiny = 1e-36 if dtype == np.float32 else 1e-300
    np.testing.assert_allclose(found, expected, rtol=TOLERANCE[dtype], atol=tiny)
    cancels = name == "sigmoid"  # 1 - y, in the page, too
    np.testing.assert_allclose(dx, expected_dx, rtol=TOLERANCE[dtype], atol=4 * np.finfo(dtype).eps if cancels else tiny)
    assert ran


@pytest.mark.parametrize("mean", [0, 1e4])
def test_layer_norm_keeps_its_digits_far_from_zero(mean, ran):
    x = (X + mean).astype(np.float32)
    layer = nl.LayerNorm(37, dtype="float64")
    model = nl.Sequential(nl.LayerNorm(37))
    for _ in range(2):
        y = model.forward(x)
    np.testing.assert_allclose(y, layer.forward(x.astype(np.float64)), rtol=1e-5, atol=2e-6)
    assert ran


def test_rows_are_used_for_what_they_take():
    norm, affine = nl.LayerNorm(37, dtype="float64"), nl.Affine(37, 2, dtype="float64")
    fits = TABLE["layer_norm",].fits
    shapes = {(5, 37): True, (37,): True, (2, 5, 37): True, (5, 36): False, (0, 37): False, (): False}
    assert {shape: fits([norm], np.ones(shape)) for shape in shapes} == shapes
    assert not fits([norm], np.ones((5, 37), np.float32))
    assert not fits([nl.LayerNorm(37, affine=False)], X)
    fits = TABLE["affine", "gelu"].fits
    assert fits([affine, nl.GELU()], X)
    affine.bias = None
    assert not fits([affine, nl.GELU()], X)


def test_an_embedding_takes_ids_of_the_usual_type_where_loops_are_compiled(monkeypatch):
    fits, layer = TABLE["embedding",].fits, nl.Embedding(9, 3)
    shapes = {(1,): True, (2, 3): True, (): True, (0,): False, (2, 0): False}
    assert {shape: fits([layer], np.ones(shape, int)) for shape in shapes} == shapes
    assert not fits([layer], np.ones(3, np.int32))
    monkeypatch.setattr(embedding, "in_use", lambda dtype, family: "numpy")
    assert not fits([layer], np.ones(3, int))


def test_activations_take_arrays_of_two_axes_of_compiled_types_and_not_the_approximate_gelu(monkeypatch):
    fits = TABLE["gelu",].fits
    assert [fits([nl.GELU()], x) for x in (X, X[0], X[0, 0])] == [True, True, False]
    assert not fits([nl.GELU("tanh")], X)
    monkeypatch.setattr(elementwise, "in_use", lambda dtype, family: "numpy")
    assert not fits([nl.GELU()], X)


@pytest.mark.parametrize("padding", [None, 2])
@pytest.mark.parametrize("shape", [(4, 6), (7,)], ids=str)
@pytest.mark.parametrize("place", ["alone", "before others"])
def test_an_embedding_is_its_layer(padding, shape, place, ran):
    layer = nl.Embedding(9, 37, padding, rng=0, dtype="float64")
    layers = [layer] if place == "alone" else [layer, nl.LayerNorm(37, dtype="float64"), nl.Affine(37, 3, rng=1, dtype="float64")]
    model, rng = nl.Sequential(*copy.deepcopy(layers)), np.random.default_rng(0)
    for step in range(4):
        ids = rng.integers(0, 8, shape)
        given = ids.copy()
        y, expected = model.forward(given), forward(layers, ids)
        given[...] = 0
        assert_close(y, expected, np.float64)
        assert_close(model.predict(ids), expected, np.float64)
        dout = rng.normal(size=y.shape)
        assert model.backward(dout, input_gradient=step < 2) is None
        backward(layers, dout)
        for mine, own in zip(model.parameters().values(), nl.Sequential(*layers).parameters().values(), strict=True):
            np.testing.assert_allclose(mine.grad, own.grad, rtol=1e-11, atol=1e-12)
            if step == 2:
                mine.zero_grad()
                own.zero_grad()
    assert (("embedding",), "train") in ran
    assert (("embedding",), "infer") in ran
    for bad, at in product((-1, 9, 2**40), (0, -1)):
        ids = np.zeros(shape, int)
        ids[at] = bad
        for run in (model.forward, model.predict):
            with pytest.raises(nl.InvalidValueError, match=f"got the id {bad} at index .*, expected 0 to 8"):
                run(ids)


def test_another_forward_of_an_embedding_is_noticed(ran):
    layer, ids = nl.Embedding(9, 3, rng=0), np.arange(8)
    model = nl.Sequential(layer)
    for disturb in (lambda: layer.forward(ids), layer.forget):
        for _ in range(2):
            y = model.forward(ids)
        disturb()
        with pytest.raises(nl.OrderError, match=r"^Sequential\[0\] Embedding"):
            model.backward(y)
    assert (("embedding",), "train") in ran


def test_the_row_of_padding_is_zero_whatever_its_weight(ran):
    model = nl.Sequential(nl.Embedding.from_arrays([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], padding=1))
    for _ in range(2):
        for run in (model.forward, model.predict):
            assert run(np.array([1, 0, 2])).tolist() == [[0, 0], [1, 2], [5, 6]]
    assert (("embedding",), "infer") in ran


def test_ids_of_other_types_and_layouts_are_read(ran):
    layer = nl.Embedding(9, 3, rng=0)
    model, ids = nl.Sequential(copy.deepcopy(layer)), np.arange(8).reshape(2, 4)
    for each in (ids.astype(np.uint8), np.asfortranarray(ids), ids[:, ::-1]):
        for _ in range(3):
            np.testing.assert_array_equal(model.forward(each), layer.forward(each))
            np.testing.assert_array_equal(model.predict(each), layer.forward(each))
        model.backward(np.ones((2, 4, 3)))
        layer.backward(np.ones((2, 4, 3)))
        np.testing.assert_array_equal(model[0].weight.grad, layer.weight.grad)
    assert ran
