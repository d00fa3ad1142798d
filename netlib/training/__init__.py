"""Training: the loop, what it measures, what it remembers, and what may be hooked into it."""

from .callbacks import Callback as Callback
from .callbacks import EarlyStopping as EarlyStopping
from .history import History as History
from .layer_statistics import LayerStatistics as LayerStatistics
from .metrics import accuracy as accuracy
from .metrics import confusion_matrix as confusion_matrix
from .metrics import mean_absolute_error as mean_absolute_error
from .metrics import r2_score as r2_score
from .trainer import Trainer as Trainer
