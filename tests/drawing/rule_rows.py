"""More layers, and losses, whose rules are read in Python and in the browser."""

from collections.abc import Callable
from functools import partial
from itertools import product
from typing import NamedTuple

import numpy as np
from table import Row, fixed, numbers

import netlib as nl
from netlib.containers.residual import ResidualAdd
from netlib.drawing.rules import rule_of
from netlib.layers.head_attention import HeadAttention


def evaluated(norm):
    """Return a batch norm in evaluation mode, after a batch."""
    norm.forward(np.random.default_rng(2).normal(1.0, 2.0, (9, norm.channels)))
    return norm.eval()


def constant(number):
    """Return how to draw nothing but this number."""
    return lambda rng, shape: np.full(shape, number)


MORE = [
    fixed(ResidualAdd, (4, 3), (4, 3)),
    fixed(nl.Add, (4, 3)),
    fixed(lambda: nl.Dropout(0.3, rng=0).eval(), (4, 3)),
    fixed(lambda: nl.Dropout(0.3, axes=2, rng=0), (2, 3, 4)),
    Row(lambda dtype: evaluated(nl.BatchNorm(3, dtype=dtype)), ((4, 3),), ()),
    Row(lambda dtype: evaluated(nl.BatchNorm(2, affine=False, dtype=dtype)), ((2, 2, 3, 2),), ()),
    Row(lambda dtype: nl.GroupNorm(2, 4, dtype=dtype), ((2, 4, 3, 2),), ()),
    Row(lambda dtype: nl.GroupNorm(2, 4, affine=False, dtype=dtype), ((2, 4, 3),), ()),
    Row(lambda dtype: nl.ConvTranspose2d(1, 2, 2, dilation=3, output_padding=(2, 1), rng=0, dtype=dtype), ((1, 1, 2, 2),), ()),
    Row(lambda dtype: nl.Conv1d(1, 1, 1, stride=3, rng=0, dtype=dtype), ((2, 1, 6),), ()),
    fixed(lambda: nl.AvgPool1d(3, stride=2, padding=1, ceil_mode=True), (1, 2, 6)),
    fixed(lambda: nl.MaxPool1d(2, ceil_mode=True), (1, 2, 5)),
    fixed(lambda: nl.AvgPool2d(2, padding=((0, 1), (1, 1)), ceil_mode=True, count_include_pad=False), (1, 1, 4, 3)),
    fixed(nl.GlobalMaxPool, (2, 3)),
    fixed(lambda: nl.Pad(0), (2, 3)),
    fixed(lambda: nl.Dropout(0.0, rng=0), (4, 3)),
    fixed(lambda: nl.Transpose((1, 0)), (2, 3)),
    fixed(lambda: nl.Transpose((-1, -2)), (2, 3)),
    fixed(lambda: nl.Transpose((0, 1)), (2, 3)),
    fixed(lambda: nl.Transpose(-1), (3,)),
    fixed(lambda: nl.Transpose((2, 0, 1)), (2, 3, 4)),
    Row(lambda dtype: nl.Affine.from_arrays([[1.0, 2.0], [3.0, 4.0]], [0.5, -0.5]), ((2, 3, 4, 2),), ()),
    fixed(nl.MatMul, (3, 2, 4), (2, 3, 4, 5)),
    fixed(nl.MatMul, (3,), (4, 2, 3, 5)),
    fixed(nl.MatMul, (4, 2, 3, 5), (5,)),
    fixed(nl.MatMul, (1,), (1, 1)),
    fixed(nl.MatMul, (2, 1, 3, 2), (1, 4, 2, 3)),
    fixed(lambda: nl.ScaledDotProductAttention(causal=True, dropout=0.3, rng=0).eval(), (2, 3, 2), (2, 4, 2), (2, 4, 1)),
    fixed(lambda: HeadAttention(2, causal=True), (2, 3, 4), (2, 4, 4), (2, 4, 6)),
    fixed(lambda: HeadAttention(1), (2, 3, 2), (3, 2), (1, 3, 2)),
    fixed(lambda: HeadAttention(2, dropout=0.3, rng=0), (3, 4), (2, 4), (2, 2)),
    fixed(nl.CTC, (1, 4, 3), (1, 2), (1,), (1,), draws=(numbers, constant(1), constant(4), constant(2))),
]


def is_no_formula(row):
    """Return whether a rule speaks of a layer, of steps, or of places, which is no formula for y."""
    layer = row.make(np.float64)
    y = layer.forward(*row.inputs)
    rule = rule_of(layer, [x.shape for x in row.inputs], np.shape(y[0] if layer.n_outputs > 1 else y))
    return "layer(" in rule or "each step" in rule or "at the places of" in rule


class Case(NamedTuple):
    """A loss, and how its targets are drawn."""

    make: Callable[[], nl.Loss]
    shape: tuple[int, ...]
    targets: str

    def __str__(self) -> str:
        return f"{self.make()} {self.shape} {self.targets}"

    def inputs(self, seed: int) -> list[np.ndarray]:
        """Return y and t, the same for each seed."""
        rng = np.random.default_rng(seed)
        y = rng.normal(size=self.shape)
        if self.targets == "labels":
            return [y, rng.integers(self.shape[-1], size=self.shape[:-1])]
        if self.targets == "signs":
            return [y, rng.choice([-1.0, 1.0], self.shape)]
        t = np.asarray(rng.uniform(0, 1, self.shape))
        return [y, t / t.sum(axis=-1, keepdims=True) if self.targets == "distributions" else t]


REDUCTIONS = ("mean", "sum", "none")
LOSSES = [
    Case(lambda make=make, reduction=reduction: make(reduction=reduction), shape, "signs" if make is nl.Hinge else "shares")
    for make in (nl.MeanSquaredError, nl.MeanAbsoluteError, nl.Huber, nl.Hinge, nl.SigmoidCrossEntropy)
    for reduction, shape in product(REDUCTIONS, [(), (5,), (4, 3), (2, 3, 2)])
]
LOSSES += [Case(lambda: nl.Huber(0.3), (4, 3), "shares")]
LOSSES += [
    Case(lambda smoothing=smoothing, reduction=reduction: nl.SoftmaxCrossEntropy(smoothing, reduction), shape, targets)
    for smoothing, reduction in product((0.0, 0.1, 1 / 3), REDUCTIONS)
    for shape, targets in product([(3,), (4, 3), (2, 3, 2)], ["labels", "distributions", "shares"])
]


class Drawn(NamedTuple):
    """A loss, and how all its arguments are drawn: by a function of a generator."""

    make: Callable[[], nl.Loss]
    draw: Callable[[np.random.Generator], list[np.ndarray]]
    name: str = ""

    def __str__(self) -> str:
        return f"{self.make()} {self.name}".replace("\n", "")

    def inputs(self, seed: int) -> list[np.ndarray]:
        """Return the arguments, the same for each seed."""
        return self.draw(np.random.default_rng(seed))


def _signs(rng, *shape):
    return rng.choice([-1.0, 1.0], shape)


def _labelled(rng, *shape):
    return [rng.normal(size=shape), rng.integers(shape[-1], size=shape[:-1])]


def _drawn_losses():
    weights, pairs = [1.0, 0.5, 2.0], [(4, 3), (2, 3, 3)]
    for reduction in REDUCTIONS:
        labelled = [
            lambda reduction=reduction, **options: nl.NegativeLogLikelihood(reduction, **options),
            lambda reduction=reduction, **options: nl.MultiMargin(0.5, reduction, **options),
            lambda reduction=reduction, **options: nl.Focal(1.5, reduction, **options),
            lambda reduction=reduction, **options: nl.SoftmaxCrossEntropy(0.0, reduction, **options),
            lambda reduction=reduction, **options: nl.SoftmaxCrossEntropy(0.1, reduction, **options),
        ]
        for make in labelled:
            yield Drawn(lambda make=make: make(class_weight=weights, ignore_index=0), lambda rng: [*_labelled(rng, 2, 3, 3), rng.random(2)])
            if reduction == "mean":
                yield Drawn(make, lambda rng: _labelled(rng, 3), "(3,)")
                yield Drawn(make, lambda rng: [*_labelled(rng, 4, 3), rng.random(4)], "weighted")
                yield Drawn(lambda make=make: make(class_weight=weights), lambda rng: _labelled(rng, 4, 3))
        for shape in [(), *pairs] if reduction == "mean" else pairs[:1]:

            def named(make, draw, shape=shape, reduction=reduction):
                return Drawn(lambda: make(reduction=reduction), lambda rng: draw(rng, shape), str(shape))

            yield named(nl.BinaryCrossEntropy, lambda rng, shape: [rng.random(shape), rng.random(shape)])
            yield named(nl.PoissonNLL, lambda rng, shape: [rng.normal(size=shape), rng.poisson(2.0, shape).astype(float)])
            rates = partial(nl.PoissonNLL, False, True)
            yield named(rates, lambda rng, shape: [rng.random(shape) + 0.1, rng.poisson(2.0, shape).astype(float)])
            yield named(
                partial(nl.GaussianNLL, True), lambda rng, shape: [rng.normal(size=shape), rng.random(shape) + 0.1, rng.normal(size=shape)]
            )
            yield named(
                partial(nl.MarginRanking, 0.5), lambda rng, shape: [rng.normal(size=shape), rng.normal(size=shape), _signs(rng, *shape)]
            )
        for shape in [(3,), *pairs] if reduction == "mean" else pairs[:1]:

            def of_rows(make, draw, shape=shape, reduction=reduction):
                return Drawn(lambda: make(reduction=reduction), lambda rng: draw(rng, shape), str(shape))

            yield of_rows(nl.KLDivergence, lambda rng, shape: [rng.normal(size=shape), np.maximum(rng.random(shape) - 0.3, 0)])
            yield of_rows(
                partial(nl.CosineEmbedding, 0.2),
                lambda rng, shape: [rng.normal(size=shape), rng.normal(size=shape), np.asarray(_signs(rng, *shape[:-1]))],
            )
            yield of_rows(nl.TripletMargin, lambda rng, shape: [rng.normal(size=shape) for _ in range(3)])
        yield Drawn(
            lambda reduction=reduction: nl.MeanSquaredError(reduction),
            lambda rng: [rng.normal(size=(2, 3, 2)), rng.random((2, 3, 2)), rng.random(2)],
        )
        yield Drawn(
            lambda reduction=reduction: nl.SigmoidCrossEntropy(reduction, 3.0),
            lambda rng: [rng.normal(size=(4, 3)), rng.random((4, 3)), rng.random((4, 3))],
        )
        yield Drawn(
            lambda reduction=reduction: nl.SigmoidCrossEntropy(reduction, [0.5, 1.0, 3.0]),
            lambda rng: [rng.normal(size=(2, 4, 3)), rng.random((2, 4, 3))],
        )
        yield Drawn(
            lambda reduction=reduction: nl.TripletMargin(reduction=reduction),
            lambda rng: [*(rng.normal(size=(4, 3)) for _ in range(3)), rng.random(4)],
        )


DRAWN_LOSSES = list(_drawn_losses())
