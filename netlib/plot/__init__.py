"""Pictures of training, by matplotlib (extra ``plot``): each function returns the axes it drew on, and takes ``ax=``."""

from .boundary import decision_boundary
from .confusion import confusion
from .histograms import activations, gradients
from .weights import weights

__all__ = ["activations", "confusion", "decision_boundary", "gradients", "weights"]
