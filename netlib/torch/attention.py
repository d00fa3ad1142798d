"""Attention with heads, and the block of a transformer."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import Array
from ..containers import MultiHeadAttention, TransformerBlock
from .counterpart import Counterpart, Link, arrays

OPTIONS = {"causal": "causal", "dropout": "dropout", "mask": "mask"}


def _stack_weights(*weights: Array) -> tuple[Array, ...]:
    return (np.concatenate([weight.T for weight in weights]),)


def _unstack_weights(stacked: Array) -> tuple[Array, ...]:
    return tuple(weight.T for weight in np.split(stacked, 3))


def _stack(*biases: Array) -> tuple[Array, ...]:
    return (np.concatenate(biases),)


def _unstack(stacked: Array) -> tuple[Array, ...]:
    return tuple(np.split(stacked, 3))


def _of_inputs(name: str) -> tuple[str, ...]:
    return f"query.{name}", f"key.{name}", f"value.{name}"


def _has_bias(layer: Any) -> dict[str, bool]:
    return {"bias": layer.query.bias is not None}


def _sizes(module: Any) -> dict[str, Any]:
    """Return the arguments that an nn.TransformerEncoderLayer keeps in its parts."""
    attention = module.self_attn
    return {
        "d_model": attention.embed_dim,
        "nhead": attention.num_heads,
        "dim_feedforward": module.linear1.out_features,
        "dropout": module.dropout.p,
        "causal": getattr(attention, "causal", False),
        "mask": getattr(attention, "mask", False),
    }


ATTENTION = [
    Counterpart(
        MultiHeadAttention,
        "MultiheadAttention",
        {"features": "embed_dim", "heads": "num_heads", **OPTIONS},
        {"batch_first": True, "bias_k": None, "bias_v": None, "add_zero_attn": False, "_qkv_same_embed_dim": True},
        arrays=arrays(
            Link(_of_inputs("weight"), ("in_proj_weight",), _stack_weights, _unstack_weights),
            Link(_of_inputs("bias"), ("in_proj_bias",), _stack, _unstack),
        ),
        parts={"output": "out_proj"},
        more=_has_bias,
        note="`query`, `key` and `value` are transposed and stacked in `in_proj_weight`; masks are True where one may look",
    ),
    Counterpart(
        TransformerBlock,
        "TransformerEncoderLayer",
        {"features": "d_model", "heads": "nhead", "hidden": "dim_feedforward", "norm_first": "norm_first", **OPTIONS},
        parts={
            "attention": "self_attn",
            "expand": "linear1",
            "contract": "linear2",
            "attention_norm": "norm1",
            "feedforward_norm": "norm2",
            "activation": "activation",
        },
        read=_sizes,
        note="`attention` is `self_attn`, `expand` and `contract` are `linear1` and `linear2`, the norms are `norm1` and `norm2`",
    ),
]
