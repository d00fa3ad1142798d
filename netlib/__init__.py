"""Neural networks out of explicit layers: a backward pass that can be read, checked and seen.

Examples
--------
>>> import netlib as nl
>>> model = nl.Sequential(nl.Affine(64, 128, rng=0), nl.ReLU(), nl.Affine(128, 10, rng=1))
>>> model.forward([[0.0] * 64] * 5).shape
(5, 10)
"""

from . import data
from .containers import Constant, Graph, Input, Residual, Sequential, Weight
from .derivatives import jacobian
from .errors import (
    FormatError,
    InvalidTypeError,
    InvalidValueError,
    MissingError,
    NetlibError,
    NonFiniteError,
    OrderError,
    ShapeError,
)
from .initializers import Glorot, He, Initializer, LeCun, Normal, Orthogonal, Uniform, Xavier, Zeros
from .layer import Layer, Parameter
from .layers import (
    ELU,
    GELU,
    Add,
    Affine,
    Concatenate,
    Divide,
    Dot,
    Dropout,
    Flatten,
    Identity,
    LeakyReLU,
    LogSoftmax,
    MatMul,
    Mean,
    Multiply,
    ReLU,
    Reshape,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Subtract,
    Sum,
    Tanh,
    Transpose,
)
from .losses import Hinge, Huber, Loss, MeanAbsoluteError, MeanSquaredError, SigmoidCrossEntropy, SoftmaxCrossEntropy
from .node import Node
from .optimizers import SGD, AdaGrad, Adam, AdamW, Optimizer, RMSProp, clip_grad_norm, grad_norm, schedules
from .training import (
    Callback,
    EarlyStopping,
    History,
    Trainer,
    accuracy,
    confusion_matrix,
    mean_absolute_error,
    r2_score,
)

__version__ = "0.1.0"

__all__ = [
    "ELU",
    "GELU",
    "SGD",
    "AdaGrad",
    "Adam",
    "AdamW",
    "Add",
    "Affine",
    "Callback",
    "Concatenate",
    "Constant",
    "Divide",
    "Dot",
    "Dropout",
    "EarlyStopping",
    "Flatten",
    "FormatError",
    "Glorot",
    "Graph",
    "He",
    "Hinge",
    "History",
    "Huber",
    "Identity",
    "Initializer",
    "Input",
    "InvalidTypeError",
    "InvalidValueError",
    "Layer",
    "LeCun",
    "LeakyReLU",
    "LogSoftmax",
    "Loss",
    "MatMul",
    "Mean",
    "MeanAbsoluteError",
    "MeanSquaredError",
    "MissingError",
    "Multiply",
    "NetlibError",
    "Node",
    "NonFiniteError",
    "Normal",
    "Optimizer",
    "OrderError",
    "Orthogonal",
    "Parameter",
    "RMSProp",
    "ReLU",
    "Reshape",
    "Residual",
    "Sequential",
    "ShapeError",
    "SiLU",
    "Sigmoid",
    "SigmoidCrossEntropy",
    "Softmax",
    "SoftmaxCrossEntropy",
    "Softplus",
    "Subtract",
    "Sum",
    "Tanh",
    "Trainer",
    "Transpose",
    "Uniform",
    "Weight",
    "Xavier",
    "Zeros",
    "accuracy",
    "clip_grad_norm",
    "confusion_matrix",
    "data",
    "grad_norm",
    "jacobian",
    "mean_absolute_error",
    "r2_score",
    "schedules",
]
