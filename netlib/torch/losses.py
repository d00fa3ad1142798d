"""Losses, whose names differ; class weights are arrays in netlib and tensors in PyTorch."""

from __future__ import annotations

from typing import Any

from .. import losses as nl
from .counterpart import Counterpart, as_numpy


def _as_tensor(array: Any) -> Any:
    if array is None:
        return None
    import torch

    return torch.tensor(array, dtype=torch.get_default_dtype(), device="cpu")


def _weights(name: str) -> dict[str, Any]:
    return {"to": {name: _as_tensor}, "back": {name: as_numpy}}


def _labels(ignored: Any) -> int:
    return -100 if ignored is None else int(ignored)


CLASSES: dict[str, str] = {"class_weight": "weight", "ignore_index": "ignore_index", "reduction": "reduction"}
OF_CLASSES: dict[str, Any] = {
    "to": {"class_weight": _as_tensor, "ignore_index": _labels},
    "back": {"class_weight": as_numpy},
}
REDUCTION = {"reduction": "reduction"}

LOSSES = [
    Counterpart(nl.MeanSquaredError, "MSELoss", REDUCTION),
    Counterpart(nl.MeanAbsoluteError, "L1Loss", REDUCTION),
    Counterpart(nl.Huber, "HuberLoss", {"delta": "delta", **REDUCTION}),
    Counterpart(
        nl.SoftmaxCrossEntropy,
        "CrossEntropyLoss",
        {"label_smoothing": "label_smoothing", **CLASSES},
        **OF_CLASSES,
        note="classes are on the last axis, not on axis 1",
    ),
    Counterpart(nl.NegativeLogLikelihood, "NLLLoss", CLASSES, **OF_CLASSES, note="classes are on the last axis, not on axis 1"),
    Counterpart(
        nl.SigmoidCrossEntropy,
        "BCEWithLogitsLoss",
        {"pos_weight": "pos_weight", **REDUCTION},
        {"weight": None},
        **_weights("pos_weight"),
    ),
    Counterpart(nl.BinaryCrossEntropy, "BCELoss", REDUCTION, {"weight": None}),
    Counterpart(nl.CosineEmbedding, "CosineEmbeddingLoss", {"margin": "margin", **REDUCTION}),
    Counterpart(nl.MarginRanking, "MarginRankingLoss", {"margin": "margin", **REDUCTION}),
]
"""The losses that are called with the same arrays, and give the same numbers."""
