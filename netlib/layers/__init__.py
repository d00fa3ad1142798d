"""The layers, one per file: forward is the equation, backward its derivation."""

from .add import Add as Add
from .affine import Affine as Affine
from .concatenate import Concatenate as Concatenate
from .divide import Divide as Divide
from .dropout import Dropout as Dropout
from .elu import ELU as ELU
from .flatten import Flatten as Flatten
from .gelu import GELU as GELU
from .identity import Identity as Identity
from .leaky_relu import LeakyReLU as LeakyReLU
from .log_softmax import LogSoftmax as LogSoftmax
from .matmul import Dot as Dot
from .matmul import MatMul as MatMul
from .mean import Mean as Mean
from .multiply import Multiply as Multiply
from .relu import ReLU as ReLU
from .reshape import Reshape as Reshape
from .sigmoid import Sigmoid as Sigmoid
from .silu import SiLU as SiLU
from .softmax import Softmax as Softmax
from .softplus import Softplus as Softplus
from .subtract import Subtract as Subtract
from .sum import Sum as Sum
from .tanh import Tanh as Tanh
from .transpose import Transpose as Transpose
