"""One file a loss: how far the output y is from the target t, and which way is down."""

from .hinge import Hinge
from .huber import Huber
from .loss import Loss
from .mean_absolute_error import MeanAbsoluteError
from .mean_squared_error import MeanSquaredError
from .sigmoid_cross_entropy import SigmoidCrossEntropy
from .softmax_cross_entropy import SoftmaxCrossEntropy

__all__ = ["Hinge", "Huber", "Loss", "MeanAbsoluteError", "MeanSquaredError", "SigmoidCrossEntropy", "SoftmaxCrossEntropy"]
