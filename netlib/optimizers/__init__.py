"""What changes the parameters: optimizers, the rates they use over time, and the clipping of gradients."""

from . import schedules
from .adagrad import AdaGrad
from .adam import Adam
from .adamw import AdamW
from .clipping import clip_grad_norm, grad_norm
from .optimizer import Optimizer
from .rmsprop import RMSProp
from .sgd import SGD

__all__ = ["SGD", "AdaGrad", "Adam", "AdamW", "Optimizer", "RMSProp", "clip_grad_norm", "grad_norm", "schedules"]
