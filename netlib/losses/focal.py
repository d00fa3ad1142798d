from __future__ import annotations

import numpy as np

from ..arrays import Array, ArrayLike, as_number
from ..kernels.softmax_cross_entropy import log_softmax
from ..layers.rules import Shape, Shapes, format_number
from .labels import LabelLoss
from .loss import product_or_zero


class Focal(LabelLoss):
    """``-(1 - p)^gamma log p`` for logits y (…, classes), with the label's probability p.

    Cross-entropy in which samples that are already right count little (Lin et al., 2017). With
    q = 1 - p: ∂/∂log p = q^gamma (gamma p log(p) / q - 1), and ∂log p/∂y = onehot(t) - softmax(y).
    Here q is computed as the sum of the other probabilities and log p as log(1 - q), so that loss
    and gradient agree where p rounds to 1.

    Parameters
    ----------
    gamma : float
        How strongly well-classified samples are down-weighted; 0 gives `SoftmaxCrossEntropy`.
    reduction : {"mean", "sum", "none"}
        Over the samples.
    class_weight : array_like (classes,), optional
        The weight of the labels of each class, in the loss and in the denominator of the mean:
        alpha in the paper.
    ignore_index : int, optional
        The label of samples that do not count.

    >>> loss = Focal()
    >>> loss.forward([[0.0, 0.0]], [0]), loss.backward()
    (0.17328679513998632, array([[-0.2982868,  0.2982868]]))
    """

    def __init__(
        self,
        gamma: float = 2.0,
        reduction: str = "mean",
        class_weight: ArrayLike | None = None,
        ignore_index: int | None = None,
    ) -> None:
        super().__init__(reduction, class_weight, ignore_index)
        self.gamma = as_number(gamma, "gamma", "Focal", least=0)

    def terms(self, y: Array, t: ArrayLike) -> tuple[Array, ...]:
        """Return the losses and the derivatives."""
        one_hot, counts = self.one_hot(y, t)
        log_softmax_y = log_softmax.of(y.dtype)(y)
        p = np.exp(log_softmax_y)
        others = np.where(one_hot, 0, p)
        q = np.add.reduce(others, axis=-1, keepdims=True)
        log_p = np.add.reduce(product_or_zero(one_hot, log_softmax_y), axis=-1, keepdims=True)
        is_right = q < 0.5
        log_p = np.where(is_right, np.log1p(-np.where(is_right, q, 0)), log_p)
        focus = q**self.gamma
        ratio = np.divide(log_p, q, out=np.zeros_like(q), where=q > 0)  # times a focus of 0 there
        slope = product_or_zero(counts, focus * (self.gamma * np.exp(log_p) * ratio - 1))
        dy = product_or_zero(slope, np.where(one_hot, q, -p))
        return -product_or_zero(counts, product_or_zero(focus, log_p))[..., 0], dy

    def derivative(self, dy: Array) -> Array:
        """Return ∂/∂log p, times onehot(t) - softmax(y)."""
        return dy.copy()

    def rule(self, inputs: Shapes, output: Shape) -> str:
        """Return −(1 − p)^gamma log p, reduced over the samples."""
        t, gamma = f"onehot(t, {inputs[0][-1]})", format_number(self.gamma)
        p, q = f"sum[axis=-1]({t} ⊙ softmax(y))", f"sum[axis=-1]((1 − {t}) ⊙ softmax(y))"
        log_p = f"sum[axis=-1]({t} ⊙ logsoftmax(y))"
        derivative = f"({q})^{gamma} ⊙ ({gamma} {p} ⊙ {log_p} / {q} − 1) ⊙ ({t} − softmax(y))"
        term = f"−({q})^{gamma} ⊙ {log_p}"
        return self.reduction_rule(term, derivative, inputs, of_rows=True, count=self.count_rule(inputs))
