"""Optimizers, learning-rate schedules, and gradient clipping."""

from . import schedules
from .adagrad import AdaGrad
from .adam import Adam
from .adamw import AdamW
from .clipping import clip_grad_norm, grad_norm
from .optimizer import Optimizer
from .rmsprop import RMSProp
from .sgd import SGD

__all__ = ["SGD", "AdaGrad", "Adam", "AdamW", "Optimizer", "RMSProp", "clip_grad_norm", "grad_norm", "schedules"]
