"""Metrics of predictions: plain functions of outputs y and targets t, as `Trainer` takes them."""

from .classification import accuracy as accuracy
from .classification import confusion_matrix as confusion_matrix
from .classification import f1_score as f1_score
from .classification import multilabel_accuracy as multilabel_accuracy
from .classification import precision as precision
from .classification import recall as recall
from .ranking import log_loss as log_loss
from .ranking import roc_auc as roc_auc
from .ranking import top_k_accuracy as top_k_accuracy
from .regression import mean_absolute_error as mean_absolute_error
from .regression import r2_score as r2_score
