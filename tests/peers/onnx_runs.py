"""Running models that were saved as ONNX files."""

import math

import numpy as np
import onnxruntime
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun

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


def run_reference(model, arrays):
    """Return what onnx's own reference computes."""
    return ReferenceEvaluator(model, new_ops=[Erf]).run(None, feed(model, arrays))


def require_same_as_netlib(model, *inputs, free=True):
    """Save a model, and compare what onnxruntime computes on two batches. Return ONNX's model."""
    proto = as_onnx(model, inputs)
    runs = batches(proto, inputs)
    assert len(runs) == 1 + free
    for arrays in runs:
        require_equal(run(proto, arrays), model.predict(*arrays), 1e-5)
    return proto


def images(rng, *shape):
    return rng.normal(size=shape).astype(np.float32)
