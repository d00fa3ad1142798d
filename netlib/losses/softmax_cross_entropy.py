import numpy as np

from ..arrays import Array, ArrayLike, as_array, as_number
from ..errors import InvalidTypeError, InvalidValueError, ShapeError
from ..layers.log_softmax import log_softmax
from .loss import Loss, same_shape


class SoftmaxCrossEntropy(Loss):
    """``-Σ t log softmax(y)`` over the last axis, for logits y (…, classes).

    With log p = log_softmax(y): ∂/∂y = p Σt - t, and p is exp of the very logarithms that the loss is made of, so both agree
    however far apart the logits are. Section 1.2.2 with L a scalar: ∂L/∂y_k = Σ_i ∂L/∂p_i ∂p_i/∂y_k.

    Parameters
    ----------
    label_smoothing : float
        This share e of each target is spread evenly: (1 - e) t + e / classes (Szegedy et al., 2016).
    reduction : {"mean", "sum", "none"}
        Over the samples.

    Notes
    -----
    Targets are class numbers, an integer array of shape (…); or probabilities or one-hot, of y's shape. Which of them is told by
    the number of axes, never by sizes.

    >>> loss = SoftmaxCrossEntropy()
    >>> loss.forward([[0.0, 1000.0]], [0]), loss.backward()
    (1000.0, array([[-1.,  1.]]))
    """

    def __init__(self, label_smoothing: float = 0.0, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.label_smoothing = as_number(label_smoothing, "label_smoothing", "SoftmaxCrossEntropy", least=0, below=1)

    def terms(self, y: Array, t: ArrayLike) -> tuple[Array, ...]:
        """Return the losses, log p, and the targets."""
        if not y.ndim or not y.shape[-1]:
            raise ShapeError(f"got y of shape {y.shape}, wanted (…, classes)", where=self)
        t = as_array(t, self)
        log_p = log_softmax(y, -1)
        if t.ndim == y.ndim:
            t = self._smooth(same_shape(y, t, self))
            return -np.add.reduce(t * log_p, axis=-1), log_p, t
        t = self._labels(y, t)
        loss = -log_p.take(t)
        if self.label_smoothing:
            loss = (1 - self.label_smoothing) * loss - self.label_smoothing * log_p.mean(axis=-1)
        return loss, log_p, t

    def derivative(self, log_p: Array, t: Array) -> Array:
        """Return p Σt - t."""
        p: Array = np.exp(log_p)
        if t.ndim == p.ndim:
            p *= t.sum(axis=-1, keepdims=True)
            p -= t
            return p
        if self.label_smoothing:
            p -= self.label_smoothing / p.shape[-1]
        p.reshape(-1)[t] -= 1 - self.label_smoothing
        return p

    def _smooth(self, t: Array) -> Array:
        smooth: Array = (1 - self.label_smoothing) * t + self.label_smoothing / t.shape[-1]
        return smooth

    def _labels(self, y: Array, t: Array) -> Array:
        """Return where the right class of each sample stands in y, counted through all of y."""
        if t.shape != y.shape[:-1]:
            wanted = f"labels of shape {y.shape[:-1]} or probabilities of shape {y.shape}"
            raise ShapeError(f"got y of shape {y.shape} and t of shape {t.shape}, wanted {wanted}", where=self)
        if t.dtype.kind not in "iu":
            raise InvalidTypeError(f"got labels of {t.dtype}, wanted whole numbers", where=self, mend="Convert them with t.astype(int).")
        labels = t.astype(np.intp)
        if labels.size and np.maximum.reduce(labels.view(np.uintp), axis=None) >= y.shape[-1]:  # as unsigned, a negative one is huge
            worst = int(t.max() if t.max() >= y.shape[-1] else t.min())
            raise InvalidValueError(f"got the label {worst}, wanted 0 to {y.shape[-1] - 1}", where=self)
        starts: Array = np.arange(0, y.size, y.shape[-1]).reshape(t.shape)
        return starts + labels
