"""Models saved as ONNX files, run by onnxruntime."""

import math

import numpy as np
import onnx
import onnxruntime
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun
from table import Row, one_row_of_each_kind_and_all_at_last

import netlib as nl
from netlib.onnx.saving import as_onnx

OPTIONS = onnxruntime.SessionOptions()
OPTIONS.log_severity_level = 4
OPTIONS.intra_op_num_threads = OPTIONS.inter_op_num_threads = 1
UNABLE = (onnxruntime.capi.onnxruntime_pybind11_state.NotImplemented, onnxruntime.capi.onnxruntime_pybind11_state.RuntimeException)


class Erf(OpRun):
    """The error function in float64, which the reference of onnx computes in float32."""

    op_domain = ""

    def _run(self, x):
        return (np.vectorize(math.erf, otypes=[np.float64])(x).astype(x.dtype),)


def run(model, arrays):
    """Return what onnxruntime computes."""
    session = onnxruntime.InferenceSession(model.SerializeToString(), OPTIONS, providers=["CPUExecutionProvider"])
    return session.run(None, feed(model, arrays))


def feed(model, arrays):
    return {info.name: np.array(x) for info, x in zip(model.graph.input, arrays, strict=True)}


def is_free(info):
    """Return whether the first axis of an input takes any length."""
    dims = info.type.tensor_type.shape.dim
    return bool(dims) and dims[0].dim_param == "N"


def batches(model, arrays):
    """Return the example, and another batch of its rows."""
    free = [is_free(info) for info in model.graph.input]
    longer = tuple(np.concatenate([x, x[::-1], x]) if f else x for x, f in zip(arrays, free, strict=True))
    return [arrays, longer] if any(free) else [arrays]


def require_equal(got, expected, tolerance):
    expected = expected if isinstance(expected, tuple) else (expected,)
    assert [(y.shape, y.dtype) for y in got] == [(y.shape, y.dtype) for y in expected]
    for a, b in zip(got, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


@one_row_of_each_kind_and_all_at_last
def test_onnxruntime_gives_the_same_numbers_in_float32(row: Row):
    model, inputs = row.make(np.float32), row.inputs_in(np.float32)
    proto = as_onnx(model, inputs)
    free = {i for i, info in enumerate(proto.graph.input) if is_free(info)}
    assert free >= set(row.batched) or str(row) == "MatMul() (4, 3) (2, 3, 2)"  # there, the rows of the first are free
    for arrays in batches(proto, inputs):
        require_equal(run(proto, arrays), model.predict(*arrays), 1e-5)


WITHOUT_REFEREE = (nl.LSTM, nl.GRU, nl.RNN, nl.ConvTranspose1d)
"""The reference of onnx leaves out lengths, a second direction and Relu in them, and fails for groups."""


@one_row_of_each_kind_and_all_at_last
def test_float64_is_computed_in_float64(row: Row):
    model, inputs = row.make(np.float64), row.inputs
    proto = as_onnx(model, inputs)
    for arrays in batches(proto, inputs):
        expected = model.predict(*arrays)
        try:
            got = run(proto, arrays)
        except UNABLE:  # onnxruntime computes this operator in float32 alone
            if isinstance(model, WITHOUT_REFEREE):
                assert {tensor.data_type for tensor in proto.graph.initializer} == {onnx.TensorProto.DOUBLE}
                continue
            got = ReferenceEvaluator(proto, new_ops=[Erf]).run(None, feed(proto, arrays))
        require_equal(got, expected, 1e-10)
