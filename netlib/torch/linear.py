"""Affine transformations, and containers of arrays."""

from __future__ import annotations

from .. import layers as nl
from .counterpart import Counterpart, arrays, same, transposed

LINEAR = [
    Counterpart(
        nl.Affine,
        "Linear",
        {"in_features": "in_features", "out_features": "out_features", "bias": "bias"},
        arrays=arrays(*transposed("weight"), *same("bias")),
        note="`weight` is transposed",
    ),
    Counterpart(
        nl.Embedding,
        "Embedding",
        {"entries": "num_embeddings", "features": "embedding_dim", "padding": "padding_idx"},
        {"max_norm": None, "scale_grad_by_freq": False, "sparse": False},
        arrays=arrays(*same("weight")),
        note="the row of padding must be zeros",
    ),
    Counterpart(
        nl.PositionalEmbedding,
        "PositionalEmbedding",
        {"length": "length", "features": "features"},
        arrays=arrays(*same("weight")),
        note="`torch.nn` has none",
    ),
    Counterpart(nl.Flatten, "Flatten", {"start_axis": "start_dim"}, {"end_dim": -1}),
    Counterpart(nl.Identity, "Identity"),
]
