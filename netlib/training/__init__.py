"""Training: the loop, metrics, the history, and callbacks."""

from .callbacks import Callback, EarlyStopping
from .history import History
from .layer_statistics import LayerStatistics
from .metrics import accuracy, confusion_matrix, mean_absolute_error, r2_score
from .trainer import Trainer

__all__ = [
    "Callback",
    "EarlyStopping",
    "History",
    "LayerStatistics",
    "Trainer",
    "accuracy",
    "confusion_matrix",
    "mean_absolute_error",
    "r2_score",
]
