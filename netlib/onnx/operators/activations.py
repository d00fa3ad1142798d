"""Activations, the softmax family, and dropout."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...layer import Layer
from ...layers import (
    CELU,
    ELU,
    GELU,
    SELU,
    Clip,
    Dropout,
    Exp,
    Hardsigmoid,
    Hardswish,
    LeakyReLU,
    LogSoftmax,
    LogSumExp,
    Mish,
    ReLU,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Softsign,
    Tanh,
    Threshold,
    Where,
)
from ...node import Node
from ..layers.discrete import Discrete
from ..operator import Operator
from .arithmetic import number


def activation(make: Callable[[Operator], Layer]) -> Callable[[Operator], Any]:
    """Return the translation of an operator that is one layer of one input."""

    def translate(op: Operator) -> Any:
        return op.apply(make(op), op.node(0))

    return translate


def hard_sigmoid(op: Operator) -> Any:
    """Translate HardSigmoid, whose slope differs from netlib's by default."""
    alpha, beta = op.get("alpha", 0.2), op.get("beta", 0.5)
    if np.float32(alpha) == np.float32(1 / 6) and beta == 0.5:
        return Hardsigmoid()(op.node(0))
    return Clip(0, 1)(number(op, alpha) * op.node(0) + number(op, beta))


def selu(op: Operator) -> Any:
    """Translate Selu: ``gamma ELU(x, alpha)``."""
    alpha, gamma = op.get("alpha", 1.6732632), op.get("gamma", 1.0507010)
    if abs(alpha - 1.6732632) < 1e-6 and abs(gamma - 1.0507010) < 1e-6:
        return SELU()(op.node(0))
    return number(op, gamma) * ELU(alpha)(op.node(0))


def swish(op: Operator) -> Any:
    """Translate Swish: ``x sigmoid(alpha x)``."""
    alpha, x = op.get("alpha", 1.0), op.node(0)
    return SiLU()(x) if alpha == 1 else x * Sigmoid()(number(op, alpha) * x)


def gelu(op: Operator) -> Layer:
    """Return the layer for Gelu."""
    return GELU(op.get("approximate", "none"))


def softmax_axes(op: Operator) -> tuple[int, ...]:
    """Return the axes along which y sums to 1: up to version 12, `axis` and all after it."""
    if op.version >= 13:
        return (op.get("axis", -1),)
    rank = op.rank(0)
    axes = tuple(range(op.get("axis", 1) % rank, rank))
    return tuple(axis for axis in axes if op.shape(0)[axis] != 1) or axes[:1]


def softmax(op: Operator) -> Any:
    """Translate Softmax."""
    axes, x = softmax_axes(op), op.node(0)
    return Softmax(axes[0])(x) if len(axes) == 1 else Exp()(x - LogSumExp(axes, keepdims=True)(x))


def log_softmax(op: Operator) -> Any:
    """Translate LogSoftmax."""
    axes, x = softmax_axes(op), op.node(0)
    return LogSoftmax(axes[0])(x) if len(axes) == 1 else x - LogSumExp(axes, keepdims=True)(x)


def hardmax(op: Operator) -> Any:
    """Translate Hardmax."""
    axes = softmax_axes(op)
    if len(axes) > 1:
        op.refuse("flattens the axes after the first, as ONNX did up to version 12")
    return Discrete("hardmax", {"axis": axes[0]})(op.node(0))


def dropout(op: Operator) -> Any:
    """Translate Dropout, which acts only in training."""
    ratio = float(op.get("ratio", 0.5) if op.version < 12 else op.constant(1, np.array(0.5)).reshape(()))
    x = op.node(0)
    y: Node = Dropout(ratio)(x) if 0 < ratio < 1 else x
    if op.has(2) and not (op.is_constant(2) and not op.constant(2).any()) and ratio > 0:
        op.refuse("draws numbers in training mode, which differ from ONNX's")
    if op.n_outputs == 1:
        return y
    return y, Discrete("equal")(x, x)


def shrink(op: Operator) -> Any:
    """Translate Shrink: towards 0 by `bias`, and 0 between -lambd and lambd."""
    lambd, bias = op.get("lambd", 0.5), op.get("bias", 0.0)
    if not op.is_float(0):
        op.refuse("shrinks whole numbers")
    x = op.node(0)
    zero, small, large = (number(op, each) for each in (0, -lambd, lambd))
    below = Where()(x + number(op, bias), zero, Discrete("less")(x, small))
    return Where()(x - number(op, bias), below, Discrete("greater")(x, large))


OPERATORS: dict[str, Callable[[Operator], Any]] = {
    "Relu": activation(lambda op: ReLU()),
    "Sigmoid": activation(lambda op: Sigmoid()),
    "Tanh": activation(lambda op: Tanh()),
    "LeakyRelu": activation(lambda op: LeakyReLU(op.get("alpha", 0.01))),
    "Elu": activation(lambda op: ELU(op.get("alpha", 1.0))),
    "Celu": activation(lambda op: CELU(op.get("alpha", 1.0))),
    "Selu": selu,
    "HardSigmoid": hard_sigmoid,
    "HardSwish": activation(lambda op: Hardswish()),
    "Softplus": activation(lambda op: Softplus()),
    "Softsign": activation(lambda op: Softsign()),
    "Mish": activation(lambda op: Mish()),
    "Gelu": activation(gelu),
    "Swish": swish,
    "ThresholdedRelu": activation(lambda op: Threshold(op.get("alpha", 1.0), 0.0)),
    "Shrink": shrink,
    "Softmax": softmax,
    "LogSoftmax": log_softmax,
    "Hardmax": hardmax,
    "Dropout": dropout,
}
