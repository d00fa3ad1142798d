"""The losses, one per file."""

from .hinge import Hinge as Hinge
from .huber import Huber as Huber
from .loss import Loss as Loss
from .mean_absolute_error import MeanAbsoluteError as MeanAbsoluteError
from .mean_squared_error import MeanSquaredError as MeanSquaredError
from .sigmoid_cross_entropy import SigmoidCrossEntropy as SigmoidCrossEntropy
from .softmax_cross_entropy import SoftmaxCrossEntropy as SoftmaxCrossEntropy
