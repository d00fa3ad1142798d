"""Writing the history to a file during training."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

from ..data.path import Path, as_folder_of, as_path
from .callbacks import Callback

if TYPE_CHECKING:
    from .trainer import Trainer


class CSVLog(Callback):
    """A CSV file of the history: each epoch adds a row, which can be read during training.

    Training with ``resume`` continues the file; otherwise it is overwritten.

    Parameters
    ----------
    path : str or path
        The file.

    Raises
    ------
    InvalidValueError
        At the start of training, if the folder does not exist.

    Examples
    --------
    >>> import netlib as nl, os, tempfile
    >>> x, t = nl.data.xor(64, rng=0)
    >>> model = nl.Sequential(nl.Affine(2, 2, rng=0))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "log.csv")
    ...     loss, optimizer = nl.SoftmaxCrossEntropy(), nl.SGD(model, lr=0.1)
    ...     trainer = nl.Trainer(model, loss, optimizer, callbacks=[CSVLog(path)])
    ...     history = trainer.fit(x, t, epochs=2, progress=False)
    ...     with open(path, encoding="utf-8") as file:
    ...         [line.split(",")[0] for line in file]
    ['epoch', '1', '2']
    """

    needed_to_resume = False

    def __init__(self, path: Path) -> None:
        self.path = as_path(path, "CSVLog")
        self._has_begun = False

    def on_fit_begin(self, trainer: Trainer) -> None:
        """Raise now if the file could not be written later."""
        self._has_begun = False
        if trainer.rank == 0:
            as_folder_of(self.path, self)

    def on_epoch_end(self, trainer: Trainer) -> None:
        """Write the row of the epoch, and the rows before it if this is the first write."""
        if trainer.rank:
            return
        if not self._has_begun:
            trainer.history.to_csv(self.path)
            self._has_begun = True
            return
        with open(self.path, "a", newline="", encoding="utf-8") as file:
            csv.writer(file, lineterminator="\n").writerow(trainer.history.row(-1).values())
