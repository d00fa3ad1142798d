"""Optimizers, learning-rate schedules, and gradient clipping."""

from . import schedules as schedules
from .adadelta import AdaDelta as AdaDelta
from .adagrad import AdaGrad as AdaGrad
from .adam import Adam as Adam
from .adamax import Adamax as Adamax
from .adamw import AdamW as AdamW
from .clipping import clip_grad_norm as clip_grad_norm
from .clipping import grad_norm as grad_norm
from .lbfgs import LBFGS as LBFGS
from .lion import Lion as Lion
from .nadam import NAdam as NAdam
from .optimizer import Optimizer as Optimizer
from .radam import RAdam as RAdam
from .rmsprop import RMSProp as RMSProp
from .sgd import SGD as SGD
