"""One file a layer: forward is the equation, backward its derivation."""

from .add import Add
from .affine import Affine
from .concatenate import Concatenate
from .divide import Divide
from .dropout import Dropout
from .elu import ELU
from .flatten import Flatten
from .gelu import GELU
from .identity import Identity
from .leaky_relu import LeakyReLU
from .log_softmax import LogSoftmax
from .matmul import Dot, MatMul
from .mean import Mean
from .multiply import Multiply
from .relu import ReLU
from .reshape import Reshape
from .sigmoid import Sigmoid
from .silu import SiLU
from .softmax import Softmax
from .softplus import Softplus
from .subtract import Subtract
from .sum import Sum
from .tanh import Tanh
from .transpose import Transpose

__all__ = [
    "ELU", "GELU", "Add", "Affine", "Concatenate", "Divide", "Dot", "Dropout", "Flatten", "Identity", "LeakyReLU", "LogSoftmax",
    "MatMul", "Mean", "Multiply", "ReLU", "Reshape", "SiLU", "Sigmoid", "Softmax", "Softplus", "Subtract", "Sum", "Tanh", "Transpose",
]  # fmt: skip
