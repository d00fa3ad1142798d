from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import Array, ArrayLike, as_array, as_count
from ..errors import InvalidTypeError, InvalidValueError, ShapeError
from ..kernels.softmax_cross_entropy import log_softmax
from .labels import as_whole_numbers
from .loss import Loss


class CTC(Loss):
    """``-log p(t | y)`` for a target without alignment: connectionist temporal classification.

    Graves, Fernández, Gomez and Schmidhuber, 2006. y (N, T, classes) are logits of each frame, one
    class being a blank. A path is one class for each frame; removing repeats, and then blanks,
    turns it into a target. p(t | y) sums the probabilities of all paths that give t.

    Let l be the target with blanks before, between and after its labels, and q(τ, s) the softmax of
    frame τ at the class l_s. The total probability of the path beginnings that are at s in frame τ
    is α(τ, s) = q(τ, s) (α(τ-1, s) + α(τ-1, s-1) + α(τ-1, s-2)), the last only where l_s is neither
    blank nor l_{s-2} (Eqs. 6 and 7); β(τ, s) is that of the endings after it, computed likewise
    from the end (Eqs. 10 and 11). Paths through s in frame τ have the probability α β, so

    p = Σ_s α β in any frame, and ∂L/∂y(τ, k) = softmax(y)(τ, k) - Σ_{s: l_s = k} α β / p (Eq. 16).

    Everything is computed in logarithms, and sums over frames in float64. Frames after the end of a
    sequence have no gradient.

    Parameters
    ----------
    blank : int
        The class that stands for no label.
    reduction : {"mean", "sum", "none"}
        Over the samples. As in PyTorch, each loss is divided by its number of labels for the mean.

    Raises
    ------
    InvalidValueError
        On a call, for labels that are blank or not a class, lengths that do not fit, and targets
        that no path gives, unless their weight is 0: each label needs a frame, and equal neighbours
        a blank between them.

    Notes
    -----
    PyTorch's ``ctc_loss`` takes log-probabilities (T, N, classes). Its gradient with respect to the
    underlying logits is the same.

    >>> loss = CTC()
    >>> p = np.log([[[0.5, 0.25, 0.25], [0.5, 0.25, 0.25]]])  # two frames of blank, a and b
    >>> float(np.exp(-loss.forward(p, [[1]], [2], [1])).round(4))  # aa, a-, -a
    0.3125
    >>> loss.backward().round(2)
    array([[[ 0.1 , -0.35,  0.25],
            [ 0.1 , -0.35,  0.25]]])
    """

    n_nondifferentiable_inputs = 3
    rule = (
        "L = −log p, where p adds up the paths that make t, of one class in each step\n"
        "dy = softmax(y) − the share of these paths at each class"
    )

    def __init__(self, blank: int = 0, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.blank = as_count(blank, "blank", "CTC")

    def forward(  # type: ignore[override]
        self, y: ArrayLike, t: ArrayLike, input_lengths: ArrayLike, target_lengths: ArrayLike, weight: ArrayLike | None = None
    ) -> Any:
        """Return the loss: a float, or an array (N,) for ``reduction="none"``.

        Parameters
        ----------
        y : array_like (N, T, classes)
            Logits.
        t : array_like of int (N, S)
            The labels; values after the end of a target are ignored.
        input_lengths, target_lengths : array_like of int (N,)
            The numbers of frames and of labels of each sample.
        weight : array_like (N,), optional
            At least 0.
        """
        return self.reduce(weight, y, t, input_lengths, target_lengths, weight)

    @np.errstate(invalid="ignore")  # logaddexp warns about NaN, which a sample of weight 0 may hold
    def terms(
        self, y: Array, t: ArrayLike, input_lengths: ArrayLike, target_lengths: ArrayLike, weight: ArrayLike | None = None
    ) -> tuple[Array, ...]:
        """Return the losses, the softmax, the share of paths at each class, and scales.

        A sample of weight 0 may have a target that no path gives.
        """
        if y.ndim != 3 or not self.blank < y.shape[2]:
            raise ShapeError(f"got y of shape {y.shape}, expected (N, T, classes), with more than {self.blank} classes", where=self)
        n, n_frames, _ = y.shape
        frames = self._as_lengths(input_lengths, n, n_frames, "input_lengths")
        labels, lengths = self._as_labels(y, t, target_lengths, frames, weight)
        path = np.full((n, 2 * labels.shape[1] + 1), self.blank)
        path[:, 1::2] = labels
        is_frame = np.arange(n_frames) < frames[:, np.newaxis]
        log_y = np.where(is_frame[:, :, np.newaxis], log_softmax.of(y.dtype)(y), -np.inf)
        log_q = np.take_along_axis(log_y, path[:, np.newaxis, :], axis=-1).astype(np.float64)
        skips = (path[:, 2:] != self.blank) & (path[:, 2:] != path[:, :-2])
        to_end = 2 * lengths[:, np.newaxis] - np.arange(path.shape[1])
        end = np.where((to_end == 0) | (to_end == 1), 0.0, -np.inf)

        alpha = np.full((n, n_frames + 1, path.shape[1]), -np.inf)
        alpha[:, 0, 0] = 0  # as if there were a blank before the first frame
        for i in range(n_frames):
            alpha[:, i + 1] = _arrivals(alpha[:, i], skips) + log_q[:, i]
        log_p = np.logaddexp.reduce(alpha[np.arange(n), frames] + end, axis=-1)
        beta, after = np.empty_like(log_q), end
        for i in reversed(range(n_frames)):
            beta[:, i] = np.where(frames[:, np.newaxis] == i + 1, end, after)
            after = _departures(beta[:, i] + log_q[:, i], skips)
        share = _shares(alpha[:, 1:] + beta)
        at_class = np.zeros_like(y)
        samples, times = np.ogrid[:n, :n_frames]
        np.add.at(at_class, (samples[:, :, np.newaxis], times[:, :, np.newaxis], path[:, np.newaxis, :]), share)
        factor = 1 / np.maximum(lengths, 1) if self.reduction == "mean" else np.ones(n)
        return (-log_p * factor).astype(y.dtype), np.exp(log_y), at_class, factor.astype(y.dtype)

    def derivative(self, softmax: Array, at_class: Array, factor: Array) -> Array:
        """Return the softmax minus the share of paths that are at each class."""
        return (softmax - at_class) * factor[:, np.newaxis, np.newaxis]

    def _as_lengths(self, lengths: ArrayLike, n: int, most: int, name: str) -> Array:
        lengths = as_array(lengths, self)
        if lengths.shape != (n,) or lengths.dtype.kind not in "iu":
            message = f"got {name} of shape {lengths.shape} and type {lengths.dtype}, expected {n} whole numbers"
            raise (ShapeError if lengths.shape != (n,) else InvalidTypeError)(message, where=self)
        if n and not 0 <= lengths.min() <= lengths.max() <= most:
            message = f"got {name} from {lengths.min()} to {lengths.max()}, expected 0 to {most}"
            raise InvalidValueError(message, where=self)
        return lengths.astype(np.int64)

    def _as_labels(self, y: Array, t: ArrayLike, target_lengths: ArrayLike, frames: Array, weight: ArrayLike | None) -> tuple[Array, Array]:
        """Return the labels, with blanks after the end of each target, and the lengths."""
        t = as_array(t, self)
        if t.ndim != 2 or len(t) != len(y):
            raise ShapeError(f"got y of shape {y.shape} and t of shape {t.shape}, expected t (N, labels)", where=self)
        t = as_whole_numbers(t, self)
        lengths = self._as_lengths(target_lengths, len(t), t.shape[1], "target_lengths")
        is_label = np.arange(t.shape[1]) < lengths[:, np.newaxis]
        given = t[is_label]
        if given.size and (given.min() < 0 or given.max() >= y.shape[2] or (given == self.blank).any()):
            message = f"got labels from {given.min()} to {given.max()}, expected 0 to {y.shape[2] - 1} without the blank, {self.blank}"
            raise InvalidValueError(message, where=self)
        repeats = (is_label[:, 1:] & (t[:, 1:] == t[:, :-1])).sum(axis=-1)
        missing = lengths + repeats - frames
        if weight is not None and np.shape(weight) == missing.shape:  # another shape is refused later
            missing[as_array(weight, self) == 0] = 0
        if (missing > 0).any():
            i = int(missing.argmax())
            message = (
                f"no path makes the target of sample {i}: its {lengths[i]} labels and {repeats[i]} repeats "
                f"need {lengths[i] + repeats[i]} frames, got {frames[i]}"
            )
            raise InvalidValueError(message, where=self, hint="Leave such samples out, or let the model return more frames.")
        return np.where(is_label, t, self.blank), lengths


def _shares(paths: Array) -> Array:
    """Return the share of the paths that is at each s in each frame, 0 in frames without paths."""
    share: Array = np.exp(paths - paths.max(axis=-1, keepdims=True, initial=np.finfo(paths.dtype).min))
    share /= np.maximum(share.sum(axis=-1, keepdims=True), 1)
    return share


def _arrivals(a: Array, skips: Array) -> Array:
    """Return the log of the sum over s, s - 1 and, where allowed, s - 2, for each s."""
    result = a.copy()
    result[:, 1:] = np.logaddexp(result[:, 1:], a[:, :-1])
    result[:, 2:] = np.logaddexp(result[:, 2:], np.where(skips, a[:, :-2], -np.inf))
    return result


def _departures(a: Array, skips: Array) -> Array:
    """Return the log of the sum over s, s + 1 and, where allowed, s + 2, for each s."""
    result = a.copy()
    result[:, :-1] = np.logaddexp(result[:, :-1], a[:, 1:])
    result[:, :-2] = np.logaddexp(result[:, :-2], np.where(skips, a[:, 2:], -np.inf))
    return result
