"""Pictures of training, by matplotlib (extra ``plot``): each function returns the axes it drew on, and takes ``ax=``."""

from .boundary import decision_boundary as decision_boundary
from .confusion import confusion as confusion
from .histograms import activations as activations
from .histograms import gradients as gradients
from .weights import weights as weights
