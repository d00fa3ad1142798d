"""Fused attention computes what the layers compute, and their own backward works after it."""

import copy

import numpy as np
import pytest

import netlib as nl
from netlib.kernels import attention
from netlib.kernels.fused import TABLE
from netlib.kernels.fused import attention as fused
from netlib.layers.head_attention import HeadAttention

from .versions import VERSIONS, use

SHAPES = {  # leading axes, T, S, heads (0 for attention without heads), d, d_v
    "whole tiles": ((2,), 16, 16, 2, 16, 16),
    "no whole tiles": ((1,), 11, 37, 3, 5, 7),
    "one query": ((2,), 1, 5, 2, 4, 4),
    "one key": ((2,), 3, 1, 1, 3, 2),
    "more queries than keys": ((1,), 19, 9, 1, 8, 24),
    "without leading axes": ((), 4, 6, 2, 3, 3),
    "without heads": ((2, 3), 4, 9, 0, 2, 5),
    "a matrix": ((), 5, 7, 0, 3, 4),
    "far between rows": ((1,), 9, 9, 40, 4, 4),
    "several blocks of queries": ((1,), 27, 33, 1, 3, 2),
}
LARGE = {
    "several blocks": ((2,), 131, 150, 2, 24, 40),
    "rows of whole kilobytes": ((1,), 70, 256, 2, 16, 16),
    "wide tiles": ((1,), 64, 64, 1, 64, 56),
    "long": ((1,), 530, 600, 1, 8, 8),
}
"""Too slow for loops in Python."""
MASKS = {  # whether the mask has its own rows for each sample, head, query and key
    "no mask": None,
    "for keys": (True, False, False, True),
    "for queries": (True, False, True, False),
    "for heads": (False, True, True, True),
    "for all": (True, True, True, True),
    "one for everything": (False, False, False, False),
}
TYPES = {np.float32: 3e-6, np.float64: 1e-13}
COMPILED = [("numba", dtype) for dtype in TYPES] * ("numba" in VERSIONS)


@pytest.fixture(params=[("loops in Python", np.float64), *COMPILED], autouse=True, ids=lambda each: f"{each[0]}, {each[1].__name__}")
def dtype(request, monkeypatch):
    """Run the fused operation with loops in Python, too, where compiled ones are missing."""
    version, dtype = request.param
    use(version, monkeypatch)
    monkeypatch.setattr(fused, "in_use", lambda dtype, family: "numba")
    if version != "numba":  # several blocks, though arrays are small
        monkeypatch.setattr(attention, "BLOCK", 1024)
        monkeypatch.setattr(attention, "QUERIES", 16)
    with np.errstate(all="ignore"):
        yield dtype


def layer_of(heads, *arguments, **options):
    return HeadAttention(heads, *arguments, **options) if heads else nl.ScaledDotProductAttention(*arguments, **options)


def inputs_of(shape, dtype, seed=0, mask=None):
    lead, t, s, heads, d, d_v = shape
    rng, n = np.random.default_rng(seed), max(heads, 1)
    arrays = [rng.normal(size=(*lead, *last)).astype(dtype) for last in ((t, n * d), (s, n * d), (s, n * d_v))]
    if mask:
        has_lead, has_heads, *has_rows = mask
        of_heads = ((heads if has_heads else 1),) if heads else ()
        rows = (t if has_rows[0] else 1, s if has_rows[1] else 1)
        allowed = rng.random((*(lead if has_lead else [1] * len(lead)), *of_heads, *rows)) > 0.4
        if has_rows[0]:
            allowed[..., 0, :] = False
        arrays.append(allowed)
    return arrays


def graph_of(layer, n_inputs, before=nl.Identity):
    nodes = [nl.Input(name) for name in "qkvm"[:n_inputs]]
    return nl.Graph(nodes, [layer(*(before()(node) for node in nodes[:3]), *nodes[3:])])


def assert_close(found, expected, dtype):
    assert (found.shape, found.dtype) == (expected.shape, expected.dtype)
    scale = np.abs(expected, where=np.isfinite(expected), out=np.ones_like(expected)).max(initial=1)
    np.testing.assert_allclose(found, expected, rtol=0, atol=TYPES[dtype] * scale)


def assert_same(shape, dtype, causal=False, mask=None, steps=2):
    """Compare a graph, which runs attention as a fused operation, with the layer by itself."""
    model_layer, layer = (layer_of(shape[3], causal, mask=mask is not None) for _ in range(2))
    graph = graph_of(model_layer, 3 + (mask is not None))
    for step in range(steps):
        inputs = inputs_of(shape, dtype, step, mask)
        y, expected = graph.forward(*inputs), layer.forward(*inputs)
        dout = np.random.default_rng(step).normal(size=y.shape).astype(dtype)
        found, gradients = graph.backward(dout)[:3], layer.backward(dout)
        assert runs_fused(graph, model_layer, len(inputs)) == [True] * (step > 0)
        own = model_layer.backward(dout)
        for a, b in zip((y, *found, *own, graph.predict(*inputs)), (expected, *gradients, *gradients, expected), strict=True):
            assert_close(a, b, dtype)


def runs_fused(graph, layer, n_inputs):
    """Return for each plan of the graph whether attention is a fused operation of it."""
    plans = graph.program(n_inputs).thread_local.plans._plans
    return [not op.calls_layer for plan in plans for op in plan.ops if op.first.layer is layer]


@pytest.mark.parametrize("causal", [False, True], ids=["", "causal"])
@pytest.mark.parametrize("name", SHAPES)
def test_fused_attention_is_its_layer(name, dtype, causal):
    assert_same(SHAPES[name], dtype, causal)
    assert_same(SHAPES[name], dtype, causal, MASKS["for keys"])


@pytest.mark.parametrize("n", [1, 16, 17, 240, 250, 256, 500])
def test_a_row_of_scores_is_whole_vectors_and_no_whole_kilobytes(n):
    length = attention.row_length(n)
    assert n <= length < n + 32
    assert length % 16 == 0 < length % 256


@pytest.mark.parametrize("causal", [False, True], ids=["", "causal"])
@pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS)
def test_a_mask_may_be_the_same_along_any_axis(mask, dtype, causal):
    assert_same(((2, 3), 4, 9, 0, 2, 5), dtype, causal, mask)
    assert_same(((2,), 11, 21, 3, 5, 7), dtype, causal, mask)
    assert_same(((2,), 2, 9, 1, 5, 7), dtype, causal, mask)


@pytest.mark.parametrize("shape", [(5,), (4, 5), (1, 4, 1), (2, 1, 1, 5)], ids=str)
def test_a_mask_may_have_fewer_axes(shape, dtype):
    layer, twin = (HeadAttention(2, mask=True) for _ in range(2))
    graph, inputs = graph_of(layer, 4), [*inputs_of(((2,), 4, 5, 2, 3, 3), dtype), np.random.default_rng(0).random(shape) > 0.3]
    for _ in range(3):
        assert_close(graph.forward(*inputs), twin.forward(*inputs), dtype)
    assert runs_fused(graph, layer, 4) == [True]


@pytest.mark.parametrize("name", LARGE)
def test_large_attention_is_its_layer(name, monkeypatch):
    for dtype in [dtype for _, dtype in COMPILED]:
        use("numba", monkeypatch)
        for causal in (False, True):
            assert_same(LARGE[name], dtype, causal)
            assert_same(LARGE[name], dtype, causal, MASKS["for keys"])


def test_where_no_key_is_allowed_there_are_zeros(dtype):
    layer, inputs = HeadAttention(2, mask=True), inputs_of(SHAPES["whole tiles"], dtype)
    graph, mask = graph_of(layer, 4), np.ones((2, 1, 1, 16), bool)
    mask[0] = False
    for _ in range(2):
        y = graph.forward(*inputs, mask)
        gradients = graph.backward(np.ones_like(y))[:3]
    assert all((array[0] == 0).all() and array[1].any() for array in (y, graph.predict(*inputs, mask), *gradients))


def test_scores_may_be_thousands_apart(dtype):
    for causal in (False, True):
        layer, twin = (HeadAttention(2, causal) for _ in range(2))
        graph, (q, k, v) = graph_of(layer, 3), inputs_of(SHAPES["whole tiles"], dtype)
        q, k = np.round(q), np.round(k)  # so that scores are exact
        for scale in (100, -100, 1e4):
            y, expected = graph.forward(q * dtype(scale), k, v), twin.forward(q * dtype(scale), k, v)
            assert_close(y, expected, dtype)
            for a, b in zip(graph.backward(y), twin.backward(expected), strict=True):
                assert_close(a, b, dtype)


@pytest.mark.parametrize("special", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", range(4), ids=["q", "k", "v", "dout"])
def test_what_is_not_finite_spreads_as_in_the_layer(place, special, dtype):
    layer, twin = (HeadAttention(3, mask=True) for _ in range(2))
    graph, inputs = graph_of(layer, 4), inputs_of(SHAPES["no whole tiles"], dtype, 0, MASKS["for keys"])
    dout = np.random.default_rng(1).normal(size=(1, 11, 21)).astype(dtype)
    if place < 3:
        inputs[place][0, 5, 8] = special
    else:
        dout[0, 5, 8] = special
    for _ in range(2):
        y, expected = graph.forward(*inputs), twin.forward(*inputs)
        gradients = zip(graph.backward(dout)[:3], twin.backward(dout), strict=True)
    assert runs_fused(graph, layer, 4) == [True]
    for a, b in [(y, expected), *gradients]:
        assert np.isfinite(a).tolist() == np.isfinite(b).tolist()
        assert_close(np.where(np.isfinite(a), a, 0), np.where(np.isfinite(b), b, 0), dtype)


def test_causal_may_change_between_steps(dtype):
    layer, twin = (HeadAttention(1, True) for _ in range(2))
    graph, (q, k, v) = graph_of(layer, 3), inputs_of(SHAPES["several blocks of queries"], dtype)
    for causal in (True, True, False, True):
        layer.causal = twin.causal = causal
        y, expected = graph.forward(q, k, v), twin.forward(q, k, v)
        assert_close(y, expected, dtype)
        for a, b, c in zip(graph.backward(y), layer.backward(y), twin.backward(expected), strict=True):
            assert_close(a, c, dtype)
            assert_close(b, c, dtype)


def test_another_forward_makes_what_was_fused_stale(dtype):
    layer, inputs = HeadAttention(2), inputs_of(SHAPES["whole tiles"], dtype)
    graph = graph_of(layer, 3)
    for _ in range(3):
        y = graph.forward(*inputs)
    layer.forward(*inputs)
    with pytest.raises(nl.OrderError, match="another forward"):
        graph.backward(y)


def test_inputs_may_be_read_only_and_none_is_changed(dtype):
    layer, inputs = HeadAttention(2, mask=True), inputs_of(SHAPES["whole tiles"], dtype, 0, MASKS["for keys"])
    graph, before = nl.Graph(nodes := [nl.Input(name) for name in "qkvm"], [layer(*nodes)]), copy.deepcopy(inputs)
    for array in inputs:
        array.flags.writeable = False
    for _ in range(3):
        y = graph.forward(*inputs)
        assert_close(graph.predict(*inputs), y, dtype)
        graph.backward(y)
    assert [array.tolist() for array in inputs] == [array.tolist() for array in before]


def test_inputs_may_change_after_the_forward(dtype):
    layer, twin = nl.ScaledDotProductAttention(), nl.ScaledDotProductAttention()
    graph, inputs = nl.Graph(nodes := [nl.Input(name) for name in "qkv"], [layer(*nodes)]), inputs_of(SHAPES["without heads"], dtype)
    for _ in range(3):
        given = copy.deepcopy(inputs)
        y, expected = graph.forward(*given), twin.forward(*inputs)
        for array in given:
            array.fill(0)
        for a, b in zip(graph.backward(y), twin.backward(expected), strict=True):
            assert_close(a, b, dtype)


def test_only_what_is_read_only_or_in_another_layout_is_copied_for_the_kernels():
    x, read_only = np.ones((2, 3)), np.ones((2, 3))
    read_only.flags.writeable = False
    assert fused._writable(x) is x
    assert all(fused._writable(each).flags.carray for each in (read_only, np.asfortranarray(x)))


def test_attention_in_self_attention_adds_up_the_gradients_of_one_input(dtype):
    layer, twin, x = HeadAttention(2), HeadAttention(2), inputs_of(SHAPES["whole tiles"], dtype)[0]
    node = nl.Input("x")
    h = nl.Tanh()(node)
    graph = nl.Graph([node], [layer(h, h, h)])
    for _ in range(3):
        y, t = graph.forward(x), np.tanh(x)
        assert_close(y, twin.forward(t, t, t), dtype)
        assert_close(graph.backward(y), (1 - t * t) * sum(twin.backward(y)), dtype)


def test_with_dropout_only_a_prediction_is_fused(dtype):
    layer, inputs = HeadAttention(2, dropout=0.5, rng=0), inputs_of(SHAPES["whole tiles"], dtype)
    graph, twin = graph_of(layer, 3), HeadAttention(2, dropout=0.5, rng=0)
    for _ in range(3):
        assert_close(graph.forward(*inputs), twin.forward(*inputs), dtype)
    assert not TABLE["head_attention",].fits([layer], *inputs)
    assert_close(graph.predict(*inputs), twin.eval().forward(*inputs), dtype)


Q, WIDE, SHORT = np.ones((2, 3, 4)), np.ones((2, 3, 6)), np.ones((2, 5, 4))
MASK = np.ones((2, 1, 3, 3), bool)


@pytest.mark.parametrize(
    ("inputs", "fits"),
    [
        ([Q, Q, Q], True),
        ([Q, Q, WIDE], True),
        ([Q, SHORT, SHORT], True),
        ([Q, Q, Q, MASK], True),
        ([Q[0], Q[0], Q[0], MASK[0]], True),
        ([Q, Q[:1], Q[:1]], False),
        ([Q, Q, SHORT], False),
        ([Q, WIDE, Q], False),
        ([Q[..., :3], Q[..., :3], Q], False),
        ([Q, Q, Q[..., :3]], False),
        ([Q[0, 0], Q[0, 0], Q[0, 0]], False),
        ([Q[0], Q[0, 0], Q[0]], False),
        ([Q[:0], Q[:0], Q[:0]], False),
        ([Q, Q.astype("f4"), Q], False),
        ([Q, Q, Q.astype("f4")], False),
        ([Q, Q, Q, MASK.astype(float)], False),
        ([Q, Q, Q, MASK[..., :2]], False),
        ([Q, Q, Q, MASK[np.newaxis]], False),
        ([Q, Q], False),
    ],
)
def test_the_row_of_attention_takes_what_needs_no_broadcasting_but_of_the_mask(inputs, fits):
    layer = HeadAttention(2, mask=len(inputs) == 4)
    assert TABLE["head_attention",].fits([layer], *inputs) == fits


def test_the_row_of_attention_waits_for_compiled_loops(monkeypatch):
    monkeypatch.setattr(fused, "in_use", lambda dtype, family: "numpy")
    assert not TABLE["attention",].fits([nl.ScaledDotProductAttention()], Q, Q, Q)


def test_a_prediction_keeps_the_weights_of_one_head_alone(dtype, monkeypatch):
    shapes, run = [], attention.attend.run
    monkeypatch.setattr(attention.attend, "run", lambda *arguments: shapes.append(arguments[7].shape) or run(*arguments))
    graph_of(HeadAttention(2), 3).predict(*inputs_of(SHAPES["whole tiles"], dtype))
    assert shapes == [(1, 1, 16, 16)]
