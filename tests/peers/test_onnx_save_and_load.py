"""Models that are saved as ONNX files, opened, and saved again."""

import re
from collections import Counter

import numpy as np
import onnx
import onnx_cases
import pytest
from onnx_runs import UNABLE, batches, require_equal, run, run_reference
from onnxruntime.capi.onnxruntime_pybind11_state import Fail, InvalidGraph
from table import Row, one_row_of_each_kind_and_all_at_last

import netlib as nl
from netlib.onnx.saving import as_onnx


def opened(proto, tmp_path):
    onnx.save(proto, tmp_path / "model.onnx")
    return nl.onnx.load(tmp_path / "model.onnx")


def run_both_ways(model, inputs):
    """Return the outputs in evaluation mode, dL/d(input), and the gradients of all parameters that are not 0, sorted."""
    y = model.eval().forward(*inputs)
    rng = np.random.default_rng(0)
    douts = tuple(rng.normal(size=each.shape) for each in (y if isinstance(y, tuple) else (y,)))
    model.zero_grad()
    dx = model.backward(douts if isinstance(y, tuple) else douts[0])
    of_parameters = np.concatenate([parameter.grad.ravel() for parameter in model.parameters().values()] or [np.empty(0)])
    dx = [each for each in (dx if isinstance(dx, tuple) else (dx,)) if each is not None]
    return y, dx, np.sort(of_parameters[np.abs(of_parameters) > 1e-9])


@one_row_of_each_kind_and_all_at_last
def test_an_opened_model_has_the_same_outputs_and_gradients(row: Row, tmp_path):
    model, inputs = nl.Sequential(("model", row.make(np.float64))), row.inputs
    graph = opened(as_onnx(model, inputs), tmp_path)
    (y, dx, of_parameters), (y_again, dx_again, of_parameters_again) = run_both_ways(model, inputs), run_both_ways(graph, inputs)
    require_equal(y_again if isinstance(y_again, tuple) else (y_again,), y, 1e-10)
    for a, b in zip(dx, dx_again, strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-9, atol=1e-9)
    if model.parameters():  # a BatchNorm without weights is opened with weights of 1
        np.testing.assert_allclose(of_parameters_again, of_parameters, rtol=1e-9, atol=1e-9)


OPENED_AS_OTHERS = {
    nl.PReLU: "with one slope for all channels, the difference of two ReLUs",
    nl.Norm: "a root of a sum of powers",
    nl.GlobalAvgPool: "Mean",
    nl.GlobalMaxPool: "Max",
    nl.Upsample: "linear: a product with the weights of the pixels",
    nl.GroupNorm: "InstanceNorm, with the weight in a shape that broadcasts",
    nl.InstanceNorm: "InstanceNorm with weights of 1",
    nl.RNN: "with ONNX's order of the axes of both directions",
    nl.LSTM: "with ONNX's order of the axes of both directions",
    nl.GRU: "with the test of lengths twice",
    nl.Recurrent: "a product and a sum that share the weights of the steps",
    nl.PositionalEmbedding: "with the rows of the example",
}
"""Layers that are opened as other layers in some rows, which are then saved as they are."""


def operators(proto):
    """Return how often each operator occurs, with its attributes."""
    return Counter(
        (node.op_type, *[each.SerializeToString() for each in node.attribute]) for node in proto.graph.node if node.op_type != "Constant"
    )


@one_row_of_each_kind_and_all_at_last
def test_an_opened_model_is_saved_again(row: Row, tmp_path):
    model, inputs = row.make(np.float32), row.inputs_in(np.float32)
    first = as_onnx(model, inputs)
    second = as_onnx(opened(first, tmp_path), inputs)
    require_equal(run(second, inputs), tuple(run(first, inputs)), 1e-5)
    if type(model) not in OPENED_AS_OTHERS:
        assert operators(second) == operators(first)


TEXT = """
<ir_version: 9, opset_import: ["": 20]>
agraph (float[N, 3] x, float[3] w) => (float[N, M] a, float[N, 3] b, int64[N, 2] c, float[N, 2] d, int64[N, 2] e, float[N, 6] f)
<
    int64[1] start = {0}, int64[1] end = {1}, int64[1] last = {-1}, int64[1] k = {2}, int64[2] repeats = {1, 2},
    float zero = {0.0}, float divisor = {3.0}, int64 two = {2}
>
{
    moved = Sub(x, w)
    sine = Sin(moved)
    sizes = Shape(x)
    rows = Slice(sizes, start, end)
    wide = Concat<axis = 0>(rows, last)
    a = Reshape(sine, wide)
    is_positive = Greater(x, zero)
    flag = Cast<to = 1>(is_positive)
    rounded = Round(x)
    both = Add(flag, rounded)
    triangle = Trilu<upper = 0>(both)
    b = Mod<fmod = 1>(triangle, divisor)
    place = ArgMax<axis = 1, keepdims = 1>(x)
    twice = Mul(place, two)
    c = Concat<axis = 1>(twice, place)
    d, e = TopK<axis = 1>(x, k)
    f = Tile(x, repeats)
}
"""


@pytest.mark.parametrize("rows", ["N", "4"])
def test_what_only_opened_models_have_is_saved(rows, tmp_path):
    """Comparisons, positions, whole numbers, shapes that nodes compute, and functions that are no layer."""
    proto = onnx.parser.parse_model(TEXT.replace("[N,", f"[{rows},"))
    inputs = [np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32), np.float32([0.5, -1.0, 2.0])]
    graph = opened(proto, tmp_path)
    again = as_onnx(graph, inputs)
    assert [each.name for each in again.graph.input] == ["x", "w"]
    for arrays in batches(again, inputs):
        require_equal(run(again, arrays), graph.predict(*arrays), 1e-6)
    require_equal(run(again, inputs), tuple(run(proto, inputs)), 1e-6)


NOT_SAVED = {  # what the message says, and why
    "is float16": "few runtimes compute in it",
    "BitShift, .* has unsupported type: tensor\\(int": "the operator is for unsigned numbers",
    "ONNX: Discrete at 'BitCast": "opset 20 does not have it",
    "ONNX: CumulativeProduct at": "opset 20 does not have it",
    "ONNX: Discrete at 'QuantizeLinear": "8 bits are outside of what netlib makes",
    "ONNX: Given at '(RNN|LSTM|GRU)_": "weights of recurrent layers that other nodes compute",
    "TopK, .* \\(7\\) vs \\(13\\)": "whole numbers without a sign, as indices",
}
ODD_NUMBERS = ["test_mod_float_edge_cases_fmod_0_float32", "test_mod_float_edge_cases_fmod_0_float64"]
"""Remainders of infinity and the sign of 0: ONNX has no such remainder of floats in opset 20."""


@pytest.mark.sweep  # to make the cases takes as long as to save a tenth of them
def test_the_cases_of_onnx_are_saved_as_they_were_opened():
    with np.errstate(all="ignore"):
        outcomes = Counter(outcome_of(case) for case in onnx_cases.cases() if case.name not in ODD_NUMBERS)
    assert outcomes["saved"] >= 965


def outcome_of(case):
    """Save what a case opens as, if netlib opens it, and compare the numbers."""
    try:
        given = {info.name: onnx_cases.as_array(value) for info, value in zip(case.model.graph.input, case.data_sets[0][0], strict=True)}
        graph = onnx_cases.load_case(case, given)
    except (nl.NetlibError, onnx_cases.NotArraysError):
        return "not opened"
    arrays = onnx_cases.inputs_of(graph, given)
    try:
        expected = graph.predict(*arrays)
    except nl.NetlibError:
        return "not opened"
    try:
        proto = as_onnx(graph, arrays)
    except nl.NetlibError as error:
        if not any(re.search(reason, str(error)) for reason in NOT_SAVED):
            raise
        return "not saved"
    try:
        got = run(proto, arrays)
    except (*UNABLE, Fail, InvalidGraph):
        got = run_reference(proto, arrays)
    for a, b in zip(got, expected if isinstance(expected, tuple) else (expected,), strict=True):
        assert (np.shape(a), np.asarray(a).dtype) == (b.shape, b.dtype), case.name
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5, err_msg=case.name)
    return "saved"
