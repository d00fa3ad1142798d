"""How good predictions are: plain functions of outputs y and targets t, as `Trainer` takes them."""

from .classification import accuracy, confusion_matrix, f1_score, multilabel_accuracy, precision, recall
from .ranking import log_loss, roc_auc, top_k_accuracy
from .regression import mean_absolute_error, r2_score

__all__ = [
    "accuracy",
    "confusion_matrix",
    "f1_score",
    "log_loss",
    "mean_absolute_error",
    "multilabel_accuracy",
    "precision",
    "r2_score",
    "recall",
    "roc_auc",
    "top_k_accuracy",
]
