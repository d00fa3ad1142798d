"""Losses in ONNX, for graphs that end in one.

Each has a function that adds its terms. `reduced` turns it into a translation, which weights the
terms and takes their mean or sum. `CTC` has none: its sum over paths is a loop.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from ... import losses
from ...losses.labels import LabelLoss
from ..writing import GraphBuilder, Value
from .translation import Translation

Terms: TypeAlias = Callable[..., Any]


def reduced(terms: Terms, of_rows: bool = False) -> Translation:
    """Return the translation of a loss with these terms, one for each row if `of_rows`."""

    def translate(loss: Any, graph: GraphBuilder, *inputs: Value) -> Any:
        n = loss.n_differentiable_inputs + loss.n_nondifferentiable_inputs
        given = [*inputs[: loss.n_differentiable_inputs], *[graph.cast(t, graph.dtype) for t in inputs[loss.n_differentiable_inputs : n]]]
        weights = [graph.cast(w, graph.dtype) for w in inputs[n:]]
        tail = inputs[0].shape[: inputs[0].ndim - of_rows]
        return _reduce(loss, graph, terms(loss, graph, *given), None, weights, tail)

    return translate


def labelled(terms: Terms) -> Translation:
    """Return the translation of a loss for labels, whose classes may have weights."""

    def translate(loss: LabelLoss, graph: GraphBuilder, y: Value, t: Value, *weights: Value) -> Any:
        labels = graph.cast(t, np.int64)
        counts = _counts(loss, graph, labels)
        one_hot = _one_hot(loss, graph, y, labels)
        result = terms(loss, graph, y, one_hot)
        if counts is not None:
            result = product_or_zero(graph, counts, result)
        return _reduce(loss, graph, result, counts, [graph.cast(w, graph.dtype) for w in weights], t.shape)

    return translate


def _reduce(loss: Any, graph: GraphBuilder, terms: Any, counts: Any, weights: list[Value], shape: Any) -> Any:
    """Return the weighted terms, reduced."""
    factor: float = 1.0
    if weights:
        (w,) = weights
        factor = math.prod(Value(shape).lengths(w.ndim))
        w = graph.add("Unsqueeze", w, list(range(w.ndim, len(shape)))) if w.ndim < len(shape) else w
        terms = product_or_zero(graph, w, terms)
        counts, factor = (w, factor) if counts is None else (graph.add("Mul", counts, w), 1.0)
    if loss.reduction == "none":
        return terms
    if loss.reduction == "mean" and counts is None:
        return graph.add("ReduceMean", terms, keepdims=0)
    total = graph.add("ReduceSum", terms, keepdims=0)
    if loss.reduction == "sum":
        return total
    n = graph.add("ReduceSum", counts, keepdims=0)
    return graph.add("Div", total, n if factor == 1 else graph.add("Mul", n, float(factor)))


def product_or_zero(graph: GraphBuilder, share: Any, x: Any) -> Any:
    """Return share · x, and 0 where the share is 0, even if x is infinite."""
    return graph.add("Where", graph.add("Equal", share, 0.0), 0.0, graph.add("Mul", share, x))


def row_sum(graph: GraphBuilder, x: Any, keepdims: int = 0) -> Any:
    """Return the sum over the last axis."""
    return graph.add("ReduceSum", x, [-1], keepdims=keepdims)


def _one_hot(loss: LabelLoss, graph: GraphBuilder, y: Value, labels: Value) -> Any:
    """Return booleans in the shape of y, True at the label."""
    return graph.add("Equal", graph.add("Unsqueeze", labels, [-1]), np.arange(y.length(-1)))


def _counts(loss: LabelLoss, graph: GraphBuilder, labels: Any) -> Any:
    """Return the weight of each label, or None if all are 1."""
    if loss.ignore_index is None:
        if loss.class_weight is None:
            return None
        return graph.add("Gather", loss.class_weight.astype(graph.dtype), labels, axis=0)
    is_ignored = graph.add("Equal", labels, loss.ignore_index)
    if loss.class_weight is None:
        return graph.add("Where", is_ignored, 0.0, 1.0)
    known = graph.add("Where", is_ignored, 0, labels)
    return graph.add("Where", is_ignored, 0.0, graph.add("Gather", loss.class_weight.astype(graph.dtype), known, axis=0))


def softmax_cross_entropy(loss: losses.SoftmaxCrossEntropy, graph: GraphBuilder, y: Value, t: Value, *weights: Value) -> Any:
    """Return −Σ p log(softmax(y)), by ONNX's own operator for plain labels of (N, classes)."""
    n, share = y.length(-1), loss.label_smoothing
    of_labels = t.ndim < y.ndim
    labels = graph.cast(t, np.int64) if of_labels else t
    if of_labels and y.ndim == 2 and not share and not weights:
        class_weight = None if loss.class_weight is None else loss.class_weight.astype(graph.dtype)
        options = {} if loss.ignore_index is None else {"ignore_index": int(loss.ignore_index)}
        return graph.add("SoftmaxCrossEntropyLoss", y, labels, class_weight, reduction=loss.reduction, **options)
    log_p = graph.add("LogSoftmax", y, axis=-1)
    if of_labels:
        p = graph.add("Where", _one_hot(loss, graph, y, labels), 1 - share + share / n, share / n)
    else:
        p = graph.add("Add", graph.add("Mul", graph.cast(t, graph.dtype), 1 - share), share / n)
    counts = _counts(loss, graph, labels) if of_labels else None
    if loss.class_weight is not None:
        p = graph.add("Mul", p, loss.class_weight.astype(graph.dtype))
    terms = graph.add("Neg", row_sum(graph, product_or_zero(graph, p, log_p)))
    if loss.ignore_index is not None:
        terms = graph.add("Where", graph.add("Equal", labels, loss.ignore_index), 0.0, terms)
    return _reduce(loss, graph, terms, counts, [graph.cast(w, graph.dtype) for w in weights], y.shape[:-1])


def negative_log_likelihood(loss: losses.NegativeLogLikelihood, graph: GraphBuilder, y: Value, one_hot: Any) -> Any:
    """Return −y at the label."""
    return graph.add("Neg", _at_label(graph, y, one_hot))


def _at_label(graph: GraphBuilder, y: Any, one_hot: Any, keepdims: int = 0) -> Any:
    return row_sum(graph, graph.add("Where", one_hot, y, 0.0), keepdims)


def focal(loss: losses.Focal, graph: GraphBuilder, y: Value, one_hot: Any) -> Any:
    """Return −q^γ log(p), with p the share of the label and q that of the others."""
    log_softmax = graph.add("LogSoftmax", y, axis=-1)
    q = row_sum(graph, graph.add("Where", one_hot, 0.0, graph.add("Exp", log_softmax)))
    focus = graph.add("Pow", q, loss.gamma)
    return graph.add("Neg", product_or_zero(graph, focus, _at_label(graph, log_softmax, one_hot)))


def multi_margin(loss: losses.MultiMargin, graph: GraphBuilder, y: Value, one_hot: Any) -> Any:
    """Return the mean over the classes of max(0, margin − y_t + y_k)."""
    closeness = graph.add("Add", graph.add("Sub", y, _at_label(graph, y, one_hot, keepdims=1)), loss.margin)
    excess = graph.add("Where", one_hot, 0.0, graph.add("Max", closeness, 0.0))
    return graph.add("Div", row_sum(graph, excess), float(y.length(-1)))


def mean_squared_error(loss: Any, graph: GraphBuilder, y: Value, t: Value) -> Any:
    """Return (y − t)²."""
    difference = graph.add("Sub", y, t)
    return graph.add("Mul", difference, difference)


def mean_absolute_error(loss: Any, graph: GraphBuilder, y: Value, t: Value) -> Any:
    """Return |y − t|."""
    return graph.add("Abs", graph.add("Sub", y, t))


def huber(loss: losses.Huber, graph: GraphBuilder, y: Value, t: Value) -> Any:
    """Return a square near 0, and a straight line beyond δ."""
    difference = graph.add("Sub", y, t)
    clipped = graph.add("Clip", difference, -loss.delta, loss.delta)
    return graph.add("Mul", clipped, graph.add("Sub", difference, graph.add("Div", clipped, 2.0)))


def hinge(loss: Any, graph: GraphBuilder, y: Value, t: Value) -> Any:
    """Return max(1 − t y, 0)."""
    return graph.add("Max", graph.add("Sub", 1.0, graph.add("Mul", t, y)), 0.0)


def binary_cross_entropy(loss: Any, graph: GraphBuilder, y: Value, t: Value) -> Any:
    """Return −t log(y) − (1 − t) log(1 − y)."""
    positive = product_or_zero(graph, t, graph.add("Log", y))
    negative = product_or_zero(graph, graph.add("Sub", 1.0, t), graph.add("Log", graph.add("Sub", 1.0, y)))
    return graph.add("Neg", graph.add("Add", positive, negative))


def sigmoid_cross_entropy(loss: losses.SigmoidCrossEntropy, graph: GraphBuilder, y: Value, t: Value) -> Any:
    """Return t softplus(−y) + (1 − t) softplus(y), with the weight of positive targets."""
    positive = t if loss.pos_weight is None else graph.add("Mul", t, loss.pos_weight.astype(graph.dtype))
    for_positive = product_or_zero(graph, positive, graph.add("Softplus", graph.add("Neg", y)))
    return graph.add("Add", for_positive, product_or_zero(graph, graph.add("Sub", 1.0, t), graph.add("Softplus", y)))


def kl_divergence(loss: Any, graph: GraphBuilder, y: Value, t: Value) -> Any:
    """Return Σ t (log(t) − y)."""
    log_t = graph.add("Log", graph.add("Where", graph.add("Equal", t, 0.0), 1.0, t))
    return row_sum(graph, product_or_zero(graph, t, graph.add("Sub", log_t, y)))


def poisson_nll(loss: losses.PoissonNLL, graph: GraphBuilder, y: Value, t: Value) -> Any:
    """Return rate − t log(rate), with Stirling's approximation of log(t!) if it is full."""
    if loss.log_input:
        terms = graph.add("Sub", graph.add("Exp", y), graph.add("Mul", t, y))
    else:
        terms = graph.add("Sub", y, product_or_zero(graph, t, graph.add("Log", y)))
    if not loss.full:
        return terms
    counts = graph.add("Max", t, 1.0)
    log_factorial = graph.add(
        "Add",
        graph.add("Sub", graph.add("Mul", t, graph.add("Log", counts)), t),
        graph.add("Div", graph.add("Log", graph.add("Mul", counts, 2 * math.pi)), 2.0),
    )
    return graph.add("Add", terms, graph.add("Where", graph.add("Greater", t, 1.0), log_factorial, 0.0))


def gaussian_nll(loss: losses.GaussianNLL, graph: GraphBuilder, y: Value, variance: Value, t: Value) -> Any:
    """Return half of log(variance) + (y − t)² / variance, and of log(2π) if it is full."""
    squares = graph.add("Div", mean_squared_error(loss, graph, y, t), variance)
    terms = graph.add("Add", graph.add("Log", variance), squares)
    return graph.add("Div", graph.add("Add", terms, math.log(2 * math.pi)) if loss.full else terms, 2.0)


def margin_ranking(loss: losses.MarginRanking, graph: GraphBuilder, x1: Value, x2: Value, t: Value) -> Any:
    """Return max(margin − t (x1 − x2), 0)."""
    return graph.add("Max", graph.add("Sub", loss.margin, graph.add("Mul", t, graph.add("Sub", x1, x2))), 0.0)


def cosine_embedding(loss: losses.CosineEmbedding, graph: GraphBuilder, x1: Value, x2: Value, t: Value) -> Any:
    """Return 1 − cos for pairs that belong together, and max(cos − margin, 0) for the others."""

    def unit(x: Value) -> Any:
        length = graph.add("ReduceL2", x, [-1])
        return graph.add("Div", x, graph.add("Where", graph.add("Equal", length, 0.0), 1.0, length))

    cosine = row_sum(graph, graph.add("Mul", unit(x1), unit(x2)))
    apart = graph.add("Max", graph.add("Sub", cosine, loss.margin), 0.0)
    return graph.add("Where", graph.add("Greater", t, 0.0), graph.add("Sub", 1.0, cosine), apart)


def triplet_margin(loss: losses.TripletMargin, graph: GraphBuilder, anchor: Value, positive: Value, negative: Value) -> Any:
    """Return max(|anchor − positive| − |anchor − negative| + margin, 0)."""
    near, far = (graph.add("ReduceL2", graph.add("Sub", anchor, x), [-1], keepdims=0) for x in (positive, negative))
    return graph.add("Max", graph.add("Add", graph.add("Sub", near, far), loss.margin), 0.0)


LOSSES: dict[type, Translation] = {
    losses.BinaryCrossEntropy: reduced(binary_cross_entropy),
    losses.CosineEmbedding: reduced(cosine_embedding, of_rows=True),
    losses.Focal: labelled(focal),
    losses.GaussianNLL: reduced(gaussian_nll),
    losses.Hinge: reduced(hinge),
    losses.Huber: reduced(huber),
    losses.KLDivergence: reduced(kl_divergence, of_rows=True),
    losses.MarginRanking: reduced(margin_ranking),
    losses.MeanAbsoluteError: reduced(mean_absolute_error),
    losses.MeanSquaredError: reduced(mean_squared_error),
    losses.MultiMargin: labelled(multi_margin),
    losses.NegativeLogLikelihood: labelled(negative_log_likelihood),
    losses.PoissonNLL: reduced(poisson_nll),
    losses.SigmoidCrossEntropy: reduced(sigmoid_cross_entropy),
    losses.SoftmaxCrossEntropy: softmax_cross_entropy,
    losses.TripletMargin: reduced(triplet_margin, of_rows=True),
}
