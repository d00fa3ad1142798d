"""The losses, one per file."""

from .binary_cross_entropy import BinaryCrossEntropy as BinaryCrossEntropy
from .cosine_embedding import CosineEmbedding as CosineEmbedding
from .focal import Focal as Focal
from .gaussian_nll import GaussianNLL as GaussianNLL
from .hinge import Hinge as Hinge
from .huber import Huber as Huber
from .kl_divergence import KLDivergence as KLDivergence
from .loss import Loss as Loss
from .margin_ranking import MarginRanking as MarginRanking
from .mean_absolute_error import MeanAbsoluteError as MeanAbsoluteError
from .mean_squared_error import MeanSquaredError as MeanSquaredError
from .multi_margin import MultiMargin as MultiMargin
from .negative_log_likelihood import NegativeLogLikelihood as NegativeLogLikelihood
from .poisson_nll import PoissonNLL as PoissonNLL
from .sigmoid_cross_entropy import SigmoidCrossEntropy as SigmoidCrossEntropy
from .softmax_cross_entropy import SoftmaxCrossEntropy as SoftmaxCrossEntropy
from .triplet_margin import TripletMargin as TripletMargin
