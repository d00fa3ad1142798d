"""Plots with matplotlib (extra ``plot``). Each function takes and returns the axes it draws on."""

from .boundary import decision_boundary
from .confusion import confusion
from .histograms import activations, gradients
from .weights import weights

__all__ = ["activations", "confusion", "decision_boundary", "gradients", "weights"]
