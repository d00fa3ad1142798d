"""Training: the loop, metrics, the history, and callbacks."""

from .callbacks import Callback as Callback
from .callbacks import EarlyStopping as EarlyStopping
from .checkpoint import Checkpoint as Checkpoint
from .csv_log import CSVLog as CSVLog
from .history import History as History
from .layer_statistics import LayerStatistics as LayerStatistics
from .learning_rates import LearningRates as LearningRates
from .learning_rates import find_lr as find_lr
from .metrics import accuracy as accuracy
from .metrics import confusion_matrix as confusion_matrix
from .metrics import f1_score as f1_score
from .metrics import log_loss as log_loss
from .metrics import mean_absolute_error as mean_absolute_error
from .metrics import multilabel_accuracy as multilabel_accuracy
from .metrics import precision as precision
from .metrics import r2_score as r2_score
from .metrics import recall as recall
from .metrics import roc_auc as roc_auc
from .metrics import top_k_accuracy as top_k_accuracy
from .plateau import ReduceOnPlateau as ReduceOnPlateau
from .time_limit import TimeLimit as TimeLimit
from .trainer import Trainer as Trainer
from .weight_average import WeightAverage as WeightAverage
