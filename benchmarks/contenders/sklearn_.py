"""scikit-learn's MLPClassifier, one batch at a time."""

from __future__ import annotations

from itertools import cycle
from typing import TYPE_CHECKING, Any

import sklearn
from sklearn.neural_network import MLPClassifier

from ..case import LR

if TYPE_CHECKING:
    from ..case import Case
    from . import Step


class PartialFit:
    """It initializes its own weights, and has one logistic output for two classes."""

    takes_weights = False

    def __init__(self, threads: int) -> None:
        self.versions = {"scikit-learn": sklearn.__version__}

    def train(self, case: Case) -> Step:
        """Return a training step."""
        model = MLPClassifier(case.widths[1:-1], alpha=0, batch_size=case.batch, learning_rate_init=LR, shuffle=False, random_state=0)
        x, targets = case.inputs(), cycle(case.targets())
        model.partial_fit(x, next(targets), classes=range(case.n_classes))

        def step() -> float:
            model.partial_fit(x, next(targets))
            return float(model.loss_)

        self.model = model
        return step

    def infer(self, case: Case) -> Step:
        """Return a forward pass, with the softmax that scikit-learn always adds."""
        self.train(case)
        model, x = self.model, case.inputs()

        def forward() -> Any:
            return model.predict_proba(x)

        return forward
