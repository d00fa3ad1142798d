"""Normalizing layers, with their running statistics."""

from __future__ import annotations

from .. import layers as nl
from .counterpart import Counterpart, arrays, constant, same

AFFINE = {"eps": "eps", "affine": "elementwise_affine"}

NORMALIZATION = [
    Counterpart(
        nl.BatchNorm,
        "BatchNorm",
        {"channels": "num_features", "eps": "eps", "momentum": "momentum", "affine": "affine"},
        {"track_running_stats": True},
        arrays=arrays(*same("weight", "bias", "running_mean", "running_var"), constant("num_batches_tracked", 0)),
        also=("BatchNorm1d", "BatchNorm2d", "BatchNorm3d"),
        note="`num_batches_tracked` is 0",
    ),
    Counterpart(
        nl.LayerNorm,
        "LayerNorm",
        {"shape": "normalized_shape", **AFFINE, "bias": "bias"},
        arrays=arrays(*same("weight", "bias")),
    ),
    Counterpart(
        nl.RMSNorm,
        "RMSNorm",
        {"shape": "normalized_shape", **AFFINE},
        arrays=arrays(*same("weight")),
    ),
    Counterpart(
        nl.GroupNorm,
        "GroupNorm",
        {"groups": "num_groups", "channels": "num_channels", "eps": "eps", "affine": "affine"},
        arrays=arrays(*same("weight", "bias")),
    ),
    Counterpart(
        nl.InstanceNorm,
        "InstanceNorm",
        {"channels": "num_features", "eps": "eps", "affine": "affine"},
        {"track_running_stats": False},
        arrays=arrays(*same("weight", "bias")),
        also=("InstanceNorm1d", "InstanceNorm2d", "InstanceNorm3d"),
    ),
]
