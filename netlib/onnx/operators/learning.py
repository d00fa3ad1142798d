"""Operators of ``ai.onnx.ml``: what scikit-learn's pipelines with a neural network need."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...layers import Maximum, Norm, Take
from ..layers.discrete import Discrete
from ..operator import Operator
from ..values import constant_node
from .constants import cast_to

FLOAT = np.dtype(np.float32)


def _as_float(op: Operator) -> Any:
    return cast_to(op.node(0), op.dtype(0), FLOAT)


def scaler(op: Operator) -> Any:
    """Translate Scaler: ``(x - offset) scale``."""
    offset, scale = (constant_node(np.array(op.get(name), FLOAT)) for name in ("offset", "scale"))
    return (_as_float(op) - offset) * scale


def normalizer(op: Operator) -> Any:
    """Translate Normalizer: rows by their norm, rows of zeros as they are."""
    orders = {"MAX": np.inf, "L1": 1, "L2": 2}
    norm = Norm(1, keepdims=True, ord=orders[op.get("norm", "MAX")])(_as_float(op))
    return _as_float(op) / Maximum()(norm, constant_node(np.array(np.finfo(FLOAT).tiny)))


def binarizer(op: Operator) -> Any:
    """Translate Binarizer: 1 above the threshold, 0 elsewhere."""
    threshold = constant_node(np.array(op.get("threshold", 0.0), op.dtype(0)))
    return Discrete("cast", {"dtype": op.dtype(0).name})(Discrete("greater")(op.node(0), threshold))


def array_feature_extractor(op: Operator) -> Any:
    """Translate ArrayFeatureExtractor: columns by their numbers, such as the labels of classes."""
    if not op.is_float():
        return Discrete("columns")(op.node(0), op.node(1))
    if op.rank(0) == 1:
        op.refuse("chooses numbers of a vector, not columns")
    return Take(-1)(op.node(0), constant_node(op.constant(1).ravel()))


OPERATORS: dict[str, Callable[[Operator], Any]] = {
    "ai.onnx.ml.Scaler": scaler,
    "ai.onnx.ml.Normalizer": normalizer,
    "ai.onnx.ml.Binarizer": binarizer,
    "ai.onnx.ml.ArrayFeatureExtractor": array_feature_extractor,
}
