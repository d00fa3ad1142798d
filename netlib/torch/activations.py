"""Activations, whose argument names differ, and dropout."""

from __future__ import annotations

from typing import Any

from .. import layers as nl
from .counterpart import Counterpart, arrays, same

PLAIN = (nl.Sigmoid, nl.LogSigmoid, nl.Tanh, nl.Softsign)
WITH_INPLACE = (nl.ReLU, nl.ReLU6, nl.SiLU, nl.Mish, nl.Hardsigmoid, nl.Hardswish, nl.SELU)
ALONG_AN_AXIS = (nl.Softmax, nl.LogSoftmax, nl.Softmin, nl.GLU)
INPLACE = "no `inplace`"

ACTIVATIONS = [
    *[Counterpart(kind, kind.__name__) for kind in PLAIN],
    *[Counterpart(kind, kind.__name__, note=INPLACE) for kind in WITH_INPLACE],
    *[Counterpart(kind, kind.__name__, {"axis": "dim"}) for kind in ALONG_AN_AXIS],
    Counterpart(nl.LeakyReLU, "LeakyReLU", {"negative_slope": "negative_slope"}, note=INPLACE),
    Counterpart(nl.ELU, "ELU", {"alpha": "alpha"}, note=INPLACE),
    Counterpart(nl.CELU, "CELU", {"alpha": "alpha"}, note=INPLACE),
    Counterpart(nl.GELU, "GELU", {"approximate": "approximate"}),
    Counterpart(nl.Softplus, "Softplus", fixed={"beta": 1.0, "threshold": 20.0}),
    Counterpart(nl.Hardtanh, "Hardtanh", {"low": "min_val", "high": "max_val"}, note=INPLACE),
    Counterpart(nl.Threshold, "Threshold", {"threshold": "threshold", "value": "value"}, note=INPLACE),
    Counterpart(
        nl.PReLU,
        "PReLU",
        {"channels": "num_parameters", "negative_slope": "init"},
        arrays=arrays(*same("weight")),
    ),
]


def _drops(*axes: Any) -> Any:
    return lambda layer: layer.axes in axes


DROPOUT = [
    Counterpart(nl.Dropout, "Dropout", {"p": "p"}, fits=_drops((), []), note=INPLACE),
    Counterpart(nl.Dropout, "Dropout1d", {"p": "p"}, fits=_drops(2, (2,)), note="`axes=2`; no `inplace`"),
    Counterpart(nl.Dropout, "Dropout2d", {"p": "p"}, fits=_drops((2, 3)), note="`axes=(2, 3)`; no `inplace`"),
    Counterpart(nl.Dropout, "Dropout3d", {"p": "p"}, fits=_drops((2, 3, 4)), note="`axes=(2, 3, 4)`; no `inplace`"),
]
DROPPED_AXES = {"Dropout1d": 2, "Dropout2d": (2, 3), "Dropout3d": (2, 3, 4)}
