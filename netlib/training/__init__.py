"""Training: the loop, what it measures, what it remembers, and what may be hooked into it."""

from .callbacks import Callback, EarlyStopping
from .history import History
from .layer_statistics import LayerStatistics
from .metrics import (
    accuracy,
    confusion_matrix,
    f1_score,
    log_loss,
    mean_absolute_error,
    multilabel_accuracy,
    precision,
    r2_score,
    recall,
    roc_auc,
    top_k_accuracy,
)
from .trainer import Trainer

__all__ = [
    "Callback",
    "EarlyStopping",
    "History",
    "LayerStatistics",
    "Trainer",
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
