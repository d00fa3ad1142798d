"""Plots with matplotlib (extra ``plot``). Each function takes and returns the axes it draws on."""

from .attention_weights import attention as attention
from .boundary import decision_boundary as decision_boundary
from .confusion import confusion as confusion
from .histograms import activations as activations
from .histograms import gradients as gradients
from .weights import weights as weights
