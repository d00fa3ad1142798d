"""Every layer with shapes it takes: the rows of the tests in tests/layers/test_table.py."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pytest

import netlib as nl
from netlib.random_state import held_generators

Shape = tuple[int, ...]
Draw = Callable[[np.random.Generator, Shape], np.ndarray]


def numbers(rng, shape):
    """Draw numbers of both signs, away from kinks and poles."""
    return np.array(rng.choice([-1.0, 1.0], shape) * rng.uniform(0.2, 2.0, shape))


def positive(rng, shape):
    """Draw positive numbers."""
    return np.array(rng.uniform(0.2, 2.0, shape))


def ids(below):
    """Return how to draw whole numbers below a bound, such as ids or lengths."""
    return lambda rng, shape: np.array(rng.integers(below, size=shape))


def mask(rng, shape):
    """Draw booleans."""
    return np.array(rng.random(shape) < 0.7)


class Row(NamedTuple):
    """A layer and the shapes of its inputs."""

    make: Callable[[Any], nl.Layer]  # takes a dtype, which layers without parameters ignore, and returns the same layer every time
    shapes: tuple[Shape, ...]
    batched: tuple[int, ...]  # the inputs whose first axis counts samples that do not meet each other, and so does the output's
    draws: tuple[Draw, ...] = ()  # how each input is drawn, where they are not all numbers; only numbers have a gradient

    def __str__(self) -> str:
        return f"{self.make(np.float64)} {' '.join(map(str, self.shapes))}".replace("netlib.", "")

    @property
    def inputs(self) -> tuple[np.ndarray, ...]:
        """Return the same inputs every time, numbers in float64."""
        return self.drawn(7)

    def drawn(self, seed: int) -> tuple[np.ndarray, ...]:
        """Return inputs, the same for each seed."""
        rng = np.random.default_rng(seed)
        draws = self.draws or (numbers,) * len(self.shapes)
        return tuple(draw(rng, shape) for draw, shape in zip(draws, self.shapes, strict=True))

    def inputs_in(self, dtype: Any) -> tuple[np.ndarray, ...]:
        """Return the inputs, with numbers in this type."""
        return self.with_numbers(lambda x: x.astype(dtype))

    def with_numbers(self, change: Callable[[np.ndarray], np.ndarray]) -> tuple[np.ndarray, ...]:
        """Return the inputs, with a change of those that are numbers."""
        return tuple(change(x) if x.dtype.kind == "f" else x for x in self.inputs)


def fixed(make, *shapes, batched=(), draws=()):
    """Return a row of a layer without parameters."""
    return Row(lambda dtype: make(), shapes, batched, draws)


def _elementwise():
    makers = [
        nl.Identity,
        nl.ReLU,
        nl.LeakyReLU,
        lambda: nl.LeakyReLU(0.2),
        nl.ELU,
        lambda: nl.ELU(0.5),
        nl.GELU,
        lambda: nl.GELU(approximate="tanh"),
        nl.SiLU,
        nl.Sigmoid,
        nl.Tanh,
        nl.Softplus,
        lambda: nl.Dropout(0.3, rng=0),
    ]
    return [fixed(make, shape, batched=(0,) if shape else ()) for make in makers for shape in [(), (5,), (4, 3), (2, 3, 2)]]


def _newer_elementwise():
    makers = [
        nl.LogSigmoid,
        nl.Softsign,
        nl.Mish,
        nl.Hardtanh,
        lambda: nl.Hardtanh(-0.75, 1.25),
        nl.ReLU6,
        nl.Hardsigmoid,
        nl.Hardswish,
        nl.SELU,
        lambda: nl.CELU(0.5),
        lambda: nl.Threshold(0.75, -0.25),
    ]
    return [
        *[fixed(make, (4, 3), batched=(0,)) for make in makers],
        *[fixed(make, ()) for make in (nl.Hardswish, nl.CELU, lambda: nl.Threshold(-0.1, 20.0))],
        Row(lambda dtype: nl.PReLU(dtype=dtype), ((),), ()),
        Row(lambda dtype: nl.PReLU(dtype=dtype), ((4, 3),), (0,)),
        Row(lambda dtype: nl.PReLU(3, 0.5, dtype=dtype), ((4, 3),), (0,)),
        Row(lambda dtype: nl.PReLU(3, -0.1, dtype=dtype), ((2, 3, 2),), (0,)),
    ]


def _formulas():
    return [
        *[fixed(make, (4, 3), batched=(0,)) for make in (nl.Negative, nl.Exp, nl.Abs, nl.Clip, lambda: nl.Clip(-0.75, 1.25))],
        *[fixed(make, (4, 3), batched=(0,), draws=(positive,)) for make in (nl.Log, nl.Sqrt)],
        fixed(nl.Abs, ()),
        fixed(lambda: nl.Clip(high=0.7), ()),
        fixed(lambda: nl.Clip(low=0.7), (5,)),
        *[fixed(make, (4, 3), (4, 1), batched=(0, 1)) for make in (nl.Maximum, nl.Minimum)],
        fixed(nl.Where, (4, 3), (4, 3), (4, 1), batched=(0, 1, 2), draws=(numbers, numbers, mask)),
        fixed(nl.Where, (), (3,), (2, 1), draws=(numbers, numbers, mask)),
        fixed(lambda: nl.Power(3), (4, 3), batched=(0,)),
        fixed(lambda: nl.Power(-0.5), (), draws=(positive,)),
        fixed(nl.Power, (4, 3), (4, 1), batched=(0, 1), draws=(positive, numbers)),
        fixed(nl.Power, (), (2, 3), draws=(positive, numbers)),
        fixed(nl.Take, (4, 3), (5,), draws=(numbers, ids(4))),
        fixed(lambda: nl.Take(-2), (2, 3, 2), (2, 2), draws=(numbers, ids(3))),
    ]


def _gates():
    return [
        fixed(lambda make=make, axis=axis: make(axis), shape, batched=batched)
        for make in (nl.GLU, nl.SwiGLU)
        for axis, shape, batched in [(-1, (4,), ()), (-1, (4, 6), (0,)), (1, (2, 4, 3), (0,)), (0, (4, 2), ())]
    ]


def _dropped_channels():
    return [fixed(lambda: nl.Dropout(0.3, axes=(2, 3), rng=0), (2, 3, 2, 2), batched=(0,))]


def _along_an_axis():
    return [
        fixed(lambda make=make, axis=axis: make(axis), shape, batched=batched)
        for make in (nl.Softmax, nl.LogSoftmax)
        for axis, shape, batched in [
            (-1, (5,), ()),
            (-1, (4, 3), (0,)),
            (-1, (2, 3, 2), (0,)),
            (0, (4, 3), ()),
            (1, (2, 3, 2), (0,)),
            (-3, (2, 3, 2), ()),
            (2, (2, 2, 3, 2), (0,)),
        ]
    ]


def _softmin():
    return [fixed(lambda: nl.Softmin(-1), (4, 3), batched=(0,)), fixed(lambda: nl.Softmin(1), (2, 3, 2), batched=(0,))]


def _reductions():
    return [
        fixed(lambda make=make, options=options: make(**options), shape, batched=batched)
        for make in (nl.Sum, nl.Mean)
        for options, shape, batched in [
            ({}, (), ()),
            ({}, (4, 3), ()),
            ({"keepdims": True}, (2, 3, 2), ()),
            ({"axis": 0}, (5,), ()),
            ({"axis": 0}, (4, 3), ()),
            ({"axis": -1}, (4, 3), (0,)),
            ({"axis": 1, "keepdims": True}, (4, 3), (0,)),
            ({"axis": (0, 2)}, (2, 3, 2), ()),
            ({"axis": (-1, 1)}, (2, 3, 2), (0,)),
            ({"axis": (1,), "keepdims": True}, (2, 3, 2), (0,)),
            ({"axis": ()}, (2, 3), (0,)),
            ({"axis": 1}, (3, 1), (0,)),
        ]
    ]


def _other_reductions():
    return [
        *[
            fixed(lambda make=make, options=options: make(**options), shape, batched=batched)
            for make in (nl.Max, nl.Min, nl.Norm, partial(nl.Norm, ord=3), partial(nl.Norm, ord=np.inf), nl.LogSumExp)
            for options, shape, batched in [
                ({}, (), ()),
                ({"axis": -1}, (4, 3), (0,)),
                ({"axis": (0, 2), "keepdims": True}, (2, 3, 2), ()),
            ]
        ],
        fixed(lambda: nl.Norm(1, ord=1), (4, 3), batched=(0,)),
        fixed(nl.CumulativeSum, (4, 3), batched=(0,)),
        fixed(lambda: nl.CumulativeSum(-2), (2, 3, 2), batched=(0,)),
    ]


def _movers():
    return [
        fixed(lambda: nl.Reshape((-1, 2, 3)), (4, 6), batched=(0,)),
        fixed(lambda: nl.Reshape(-1), (2, 3)),
        fixed(lambda: nl.Reshape((3, 2)), (6,)),
        fixed(lambda: nl.Reshape(()), (1, 1)),
        fixed(nl.Flatten, (4, 3), batched=(0,)),
        fixed(nl.Flatten, (2, 3, 2), batched=(0,)),
        fixed(lambda: nl.Flatten(0), (2, 3)),
        fixed(lambda: nl.Flatten(2), (2, 3, 2, 2), batched=(0,)),
        fixed(nl.Transpose, ()),
        fixed(nl.Transpose, (5,)),
        fixed(nl.Transpose, (4, 3)),
        fixed(nl.Transpose, (2, 3, 2)),
        fixed(lambda: nl.Transpose((0, 2, 1)), (2, 3, 2), batched=(0,)),
        fixed(lambda: nl.Transpose((-1, 0, 1)), (2, 3, 4)),
        fixed(lambda: nl.Slice(np.s_[:, 1:3]), (4, 3), batched=(0,)),
        fixed(lambda: nl.Slice(np.s_[:, -1]), (2, 3, 2), batched=(0,)),
        fixed(lambda: nl.Slice((1, slice(1, 2))), (2, 3, 2)),
        fixed(lambda: nl.Slice(np.s_[:, None, ::-2]), (2, 3)),
        fixed(lambda: nl.Slice(0), (3,)),
        fixed(lambda: nl.Squeeze(1), (4, 1, 2), batched=(0,)),
        fixed(nl.Squeeze, (1, 3, 1)),
        fixed(lambda: nl.Expand(1), (4, 3), batched=(0,)),
        fixed(lambda: nl.Expand((0, -1)), (3,)),
        fixed(lambda: nl.BroadcastTo((-1, 3)), (4, 1), batched=(0,)),
        fixed(lambda: nl.BroadcastTo((2, 2, 3)), (1, 3)),
        fixed(lambda: nl.Split(2, axis=1), (4, 4), batched=(0,)),
        fixed(lambda: nl.Split([1, -1], axis=-2), (2, 3, 2), batched=(0,)),
        fixed(lambda: nl.Split([]), (3,)),
        fixed(nl.Stack, (3,)),
        fixed(lambda: nl.Stack(1), (4, 3), (4, 3), (4, 3), batched=(0, 1, 2)),
        fixed(lambda: nl.Stack(-1), (2, 3), (2, 3), batched=(0, 1)),
        fixed(nl.Concatenate, (4, 3), batched=(0,)),
        fixed(nl.Concatenate, (2,), (3,)),
        fixed(nl.Concatenate, (4, 3), (4, 2), batched=(0, 1)),
        fixed(nl.Concatenate, (1, 3), (1, 1), (1, 2), batched=(0, 1, 2)),
        fixed(lambda: nl.Concatenate(0), (2, 3), (1, 3)),
        fixed(lambda: nl.Concatenate(1), (2, 1, 2), (2, 3, 2), batched=(0, 1)),
    ]


def _sums():
    return [
        fixed(nl.Add, (4, 3), batched=(0,)),
        fixed(nl.Add, (4, 3), (4, 3), (4, 3), batched=(0, 1, 2)),
        fixed(nl.Add, (4, 3), (3,), (4, 1), batched=(0, 2)),
        fixed(nl.Add, (1, 3), (1, 3), batched=(0, 1)),
    ]


def _pairs():
    return [
        fixed(make, a, b, batched=batched)
        for make in (nl.Add, nl.Subtract, nl.Multiply, nl.Divide)
        for a, b, batched in [
            ((), (), ()),
            ((5,), (5,), (0, 1)),
            ((4, 3), (4, 3), (0, 1)),
            ((4, 3), (3,), (0,)),
            ((3,), (4, 3), (1,)),
            ((4, 3), (1, 3), (0,)),
            ((4, 3), (4, 1), (0, 1)),
            ((4, 3), (), (0,)),
            ((), (2, 3), (1,)),
            ((4, 1), (1, 3), (0,)),
            ((2, 1, 3), (4, 1), (0,)),
        ]
    ]


def _products():
    return [
        fixed(nl.MatMul, a, b, batched=batched)
        for a, b, batched in [
            ((3,), (3,), ()),
            ((3,), (3, 2), ()),
            ((4, 3), (3,), (0,)),
            ((4, 3), (3, 2), (0,)),
            ((1, 3), (3, 1), (0,)),
            ((2, 4, 3), (2, 3, 2), (0, 1)),
            ((2, 4, 3), (3, 2), (0,)),
            ((4, 3), (2, 3, 2), (1,)),
            ((2, 4, 3), (3,), (0,)),
            ((3,), (2, 3, 2), (1,)),
            ((2, 1, 2, 3), (2, 3, 2), (0,)),
            ((1, 2, 3), (4, 3, 2), (1,)),
        ]
    ]


def _einsums():
    return [
        fixed(lambda equation=equation: nl.Einsum(equation), *shapes, batched=batched)
        for equation, shapes, batched in [
            ("ij,jk->ik", [(4, 3), (3, 2)], (0,)),  # Eq. (1.20)
            ("nij,nkj->nik", [(2, 3, 2), (2, 1, 2)], (0, 1)),
            ("ii", [(3, 3)], ()),
            ("iij->ji", [(2, 2, 3)], ()),
            ("ij->i", [(4, 3)], (0,)),
            ("kki,j->i", [(2, 2, 3), (2,)], ()),
            ("i,i,i->", [(3,), (3,), (3,)], ()),
            ("...x,x...y", [(2, 1, 3), (3, 4, 2)], ()),
            ("ij,ij->ij", [(4, 1), (4, 3)], (0, 1)),
        ]
    ]


def _affine():
    return [
        Row(lambda dtype: nl.Affine(3, 2, rng=0, dtype=dtype), ((3,),), ()),
        Row(lambda dtype: nl.Affine(3, 2, rng=0, dtype=dtype), ((4, 3),), (0,)),
        Row(lambda dtype: nl.Affine(3, 2, rng=0, dtype=dtype), ((2, 2, 3),), (0,)),
        Row(lambda dtype: nl.Affine(3, 2, bias=False, rng=0, dtype=dtype), ((4, 3),), (0,)),
        Row(lambda dtype: nl.Affine(3, 2, bias=False, rng=0, dtype=dtype), ((3,),), ()),
        Row(lambda dtype: nl.Affine(1, 1, rng=0, dtype=dtype), ((1, 1),), (0,)),
        Row(lambda dtype: nl.Affine(0, 2, rng=0, dtype=dtype), ((4, 0),), (0,)),
        Row(lambda dtype: nl.Affine(3, 0, rng=0, dtype=dtype), ((4, 3),), (0,)),
    ]


def _with_dtype(make, *shapes, batched=(0,), draws=()):
    """Return a row of a layer that takes a dtype."""
    return Row(make, shapes, batched, draws)


def _convolutions():
    return [
        _with_dtype(lambda dtype, kind=kind, args=args, options=options: kind(*args, **options, rng=0, dtype=dtype), shape)
        for kind, args, options, shape in [
            (nl.Conv1d, (2, 3, 3), {}, (2, 2, 5)),
            (nl.Conv1d, (2, 4, 2), {"stride": 2, "padding": ((0, 3),), "groups": 2, "bias": False}, (2, 2, 4)),
            (nl.Conv2d, (1, 2, (2, 3)), {"padding": 1}, (2, 1, 3, 4)),
            (nl.Conv2d, (2, 2, 2), {"stride": (2, 1), "dilation": (1, 2), "groups": 2}, (2, 2, 4, 3)),
            (nl.Conv2d, (1, 1, 3), {"stride": 2, "padding": "same"}, (2, 1, 4, 3)),
            (nl.Conv3d, (1, 1, (1, 2, 2)), {"padding": "valid", "stride": 3}, (1, 1, 2, 2, 5)),
            (nl.ConvTranspose1d, (2, 3, 3), {"stride": 2, "padding": 1, "output_padding": 1}, (2, 2, 3)),
            (nl.ConvTranspose1d, (2, 4, 2), {"groups": 2, "dilation": 2, "bias": False}, (2, 2, 2)),
            (nl.ConvTranspose2d, (1, 2, (2, 3)), {"stride": (1, 2), "padding": ((0, 1), (1, 0))}, (2, 1, 2, 3)),
            (nl.ConvTranspose2d, (2, 1, 1), {"stride": 2, "padding": "same"}, (2, 2, 2, 1)),
            (nl.ConvTranspose3d, (1, 1, 2), {}, (1, 1, 1, 2, 2)),
        ]
    ]


def _pooling():
    return [
        fixed(lambda kind=kind, args=args, options=options: kind(*args, **options), shape, batched=(0,))
        for kind, args, options, shape in [
            (nl.MaxPool1d, (2,), {}, (2, 2, 5)),
            (nl.MaxPool1d, (2,), {"stride": 3, "padding": 1, "ceil_mode": True}, (2, 2, 6)),
            (nl.MaxPool2d, ((2, 3),), {"stride": 1}, (2, 2, 3, 4)),
            (nl.MaxPool2d, (2,), {"padding": "same", "dilation": (1, 2)}, (2, 1, 3, 4)),
            (nl.MaxPool3d, (2,), {"stride": (1, 2, 2)}, (1, 2, 2, 2, 4)),
            (nl.AvgPool1d, (3,), {"stride": 2, "padding": 1}, (2, 2, 5)),
            (nl.AvgPool1d, (2,), {"stride": 3, "padding": ((1, 1),), "ceil_mode": True, "count_include_pad": False}, (2, 1, 6)),
            (nl.AvgPool2d, ((2, 1),), {}, (2, 2, 4, 3)),
            (nl.AvgPool3d, (2,), {"stride": 1}, (2, 1, 2, 3, 2)),
            (nl.AdaptiveAvgPool1d, (3,), {}, (2, 2, 5)),
            (nl.AdaptiveAvgPool2d, ((1, 2),), {}, (2, 2, 2, 3)),
            (nl.AdaptiveAvgPool3d, (2,), {}, (1, 2, 2, 3, 1)),
            (nl.AdaptiveMaxPool1d, (3,), {}, (2, 2, 5)),
            (nl.AdaptiveMaxPool2d, ((1, 2),), {}, (2, 2, 2, 3)),
            (nl.AdaptiveMaxPool3d, (2,), {}, (1, 2, 2, 3, 1)),
            (nl.GlobalAvgPool, (), {}, (2, 3, 2, 2)),
            (nl.GlobalMaxPool, (), {}, (2, 3, 2, 2)),
        ]
    ]


def _resizing():
    return [
        fixed(lambda: nl.Pad(1), (2, 2, 3), batched=(0,)),
        fixed(lambda: nl.Pad(((2, 0), (0, 1)), value=3.0), (2, 2, 3), batched=(0,)),
        fixed(lambda: nl.Pad(((3, 4),), mode="reflect"), (2, 3), batched=(0,)),
        fixed(lambda: nl.Pad(((1, 2), (0, 2)), mode="edge"), (2, 2, 2), batched=(0,)),
        fixed(lambda: nl.Pad(((3, 1),), mode="wrap"), (2, 2), batched=(0,)),
        fixed(lambda: nl.Upsample(2), (2, 1, 2, 3), batched=(0,)),
        fixed(lambda: nl.Upsample((1.5, 0.5)), (1, 2, 3, 4), batched=(0,)),
        fixed(lambda: nl.Upsample(3, mode="linear"), (2, 2, 2), batched=(0,)),
        fixed(lambda: nl.Upsample((2, 1.5), mode="linear"), (1, 1, 2, 3), batched=(0,)),
        fixed(lambda: nl.PixelShuffle(2), (2, 8, 1, 3), batched=(0,)),
    ]


def _norms():
    return [
        _with_dtype(lambda dtype, kind=kind, args=args, options=options: kind(*args, **options, dtype=dtype), shape, batched=batched)
        for kind, args, options, shape, batched in [
            (nl.BatchNorm, (3,), {}, (4, 3), (0,)),
            (nl.BatchNorm, (2,), {"affine": False, "momentum": 0.5}, (2, 2, 3), (0,)),
            (nl.BatchNorm, (2,), {"eps": 0.1}, (1, 2, 2, 2), (0,)),
            (nl.LayerNorm, (4,), {}, (3, 4), (0,)),
            (nl.LayerNorm, (4,), {}, (4,), ()),
            (nl.LayerNorm, ((3, 2),), {"bias": False, "eps": 0.1}, (2, 3, 2), (0,)),
            (nl.LayerNorm, (4,), {"affine": False}, (3, 4), (0,)),
            (nl.RMSNorm, (4,), {}, (3, 4), (0,)),
            (nl.RMSNorm, ((3, 2),), {"affine": False, "eps": 0.1}, (2, 3, 2), (0,)),
            (nl.GroupNorm, (2, 4), {}, (3, 4, 3), (0,)),
            (nl.GroupNorm, (1, 2), {"eps": 0.1}, (2, 2, 3), (0,)),
            (nl.InstanceNorm, (2,), {}, (2, 2, 3), (0,)),
            (nl.InstanceNorm, (2,), {"affine": True}, (1, 2, 2, 2), (0,)),
        ]
    ]


def _recurrent():
    rows = [
        _with_dtype(lambda dtype, kind=kind, options=options: kind(3, 2, **options, rng=0, dtype=dtype), *shapes, batched=batched)
        for kind, options, shapes, batched in [
            (nl.RNN, {}, ((2, 3, 3),), (0,)),
            (nl.RNN, {"nonlinearity": "relu", "bidirectional": True, "return_state": True}, ((2, 3, 3), (2, 2, 2)), (0, 1)),
            (nl.LSTM, {"return_state": True}, ((2, 3, 3), (2, 2), (2, 2)), (0, 1, 2)),
            (nl.LSTM, {"layers": 2, "bidirectional": True, "dropout": 0.3}, ((2, 2, 3), (2, 4, 2), (2, 4, 2)), (0, 1, 2)),
            (nl.LSTM, {"layers": 2, "return_sequences": False}, ((2, 2, 3),), (0,)),
            (nl.GRU, {}, ((2, 3, 3),), (0,)),
            (nl.GRU, {"bidirectional": True, "return_sequences": False, "return_state": True}, ((2, 2, 3), (2, 2, 2)), (0, 1)),
        ]
    ]
    with_lengths = [
        _with_dtype(
            lambda dtype, kind=kind, options=options: kind(3, 2, lengths=True, **options, rng=0, dtype=dtype),
            *shapes, batched=tuple(range(len(shapes))), draws=(*[numbers] * (len(shapes) - 1), ids(4)),
        )
        for kind, options, shapes in [
            (nl.RNN, {"bidirectional": True}, ((3, 3, 3), (3,))),
            (nl.LSTM, {"layers": 2, "return_state": True}, ((3, 3, 3), (3, 2, 2), (3, 2, 2), (3,))),
            (nl.GRU, {"return_sequences": False}, ((3, 3, 3), (3, 2), (3,))),
        ]
    ]  # fmt: skip

    def recurrent(dtype):
        cell = nl.Sequential(nl.Concatenate(), nl.Affine(5, 2, rng=0, dtype=dtype), nl.Tanh())
        return nl.Recurrent(cell, return_state=True)

    return [*rows, *with_lengths, Row(recurrent, ((2, 3, 3), (2, 2)), (0, 1))]


def _attention():
    return [
        fixed(
            lambda options=options: nl.ScaledDotProductAttention(**options, rng=0), *shapes, batched=(0, 1, 2) if len(shapes[0]) > 2 else ()
        )
        for options, *shapes in [
            ({}, (3, 2), (4, 2), (4, 3)),
            ({}, (2, 3, 2), (2, 4, 2), (2, 4, 1)),
            ({"causal": True}, (2, 3, 2), (2, 3, 2), (2, 3, 2)),
            ({"causal": True}, (2, 1, 3, 1), (2, 2, 2, 1), (2, 1, 2, 2)),
            ({"causal": True, "dropout": 0.3}, (2, 2, 3), (2, 4, 3), (2, 4, 2)),
        ]
    ]


def _reseeded(layer):
    """Return the layer with generators that have drawn no weights, whose number depends on the type."""
    for generator in held_generators(layer):
        generator.bit_generator.state = np.random.default_rng(0).bit_generator.state
    return layer


def _attention_with_heads():
    return [
        _with_dtype(
            lambda dtype, args=args, options=options: _reseeded(nl.MultiHeadAttention(*args, **options, rng=0, dtype=dtype)),
            *shapes,
            batched=batched,
        )
        for args, options, shapes, batched in [
            ((4, 2), {"causal": True}, [(2, 3, 4)], (0,)),
            ((4, 4), {"dropout": 0.3}, [(3, 4)], ()),
            ((2, 1), {}, [(2, 3, 2), (2, 2, 2), (2, 2, 2)], (0, 1, 2)),
            ((4, 2), {"causal": True}, [(2, 2, 4), (3, 4), (1, 3, 4)], (0,)),
        ]
    ]


def _transformer_blocks():
    return [
        _with_dtype(lambda dtype, args=args, options=options: _reseeded(nl.TransformerBlock(*args, **options, rng=0, dtype=dtype)), shape)
        for args, options, shape in [
            ((4, 2, 3), {"causal": True, "activation": nl.GELU()}, (2, 3, 4)),
            ((2, 1), {"norm_first": False, "activation": nl.Tanh()}, (2, 2, 2)),
            ((4, 2, 2), {"dropout": 0.3, "activation": nl.Softplus()}, (1, 3, 4)),
        ]
    ]


def _masked_attention():
    alone = [
        fixed(
            lambda causal=causal: nl.ScaledDotProductAttention(causal, mask=True), *shapes, batched=batched, draws=(numbers,) * 3 + (mask,)
        )
        for causal, shapes, batched in [
            (False, [(2, 3, 2), (2, 4, 2), (2, 4, 3), (2, 3, 4)], (0, 1, 2, 3)),
            (True, [(2, 3, 2), (2, 4, 2), (2, 4, 1), (4,)], (0, 1, 2)),
        ]
    ]
    return alone + [
        _with_dtype(lambda dtype, make=make: make(mask=True, rng=0, dtype=dtype), *shapes, batched=batched, draws=draws)
        for make, shapes, batched, draws in [
            (partial(nl.MultiHeadAttention, 4, 2), [(2, 3, 4), (2, 1, 1, 3)], (0, 1), (numbers, mask)),
            (partial(nl.MultiHeadAttention, 4, 2, True), [(2, 3, 4), (2, 2, 4), (2, 2, 4), (3, 2)], (0, 1, 2), (numbers,) * 3 + (mask,)),
            (partial(nl.TransformerBlock, 4, 2, 3, activation=nl.SiLU()), [(2, 3, 4), (2, 1, 3, 3)], (0, 1), (numbers, mask)),
        ]
    ]


def _embeddings():
    return [
        _with_dtype(
            lambda dtype, options=options: nl.Embedding(5, 3, **options, rng=0, dtype=dtype), shape, batched=batched, draws=(ids(5),)
        )
        for options, shape, batched in [
            ({}, (), ()),
            ({}, (4,), (0,)),
            ({}, (4, 3), (0,)),
            ({"padding": 0}, (), ()),
            ({"padding": 2}, (6,), (0,)),
            ({"padding": 4}, (2, 3, 2), (0,)),
        ]
    ]


def _positions():
    return [
        *[
            _with_dtype(lambda dtype, length=length: nl.PositionalEmbedding(length, 2, rng=0, dtype=dtype), shape, batched=batched)
            for length, shape, batched in [(3, (3, 2), ()), (5, (3, 2), ()), (3, (4, 3, 2), (0,)), (4, (2, 2, 3, 2), (0,))]
        ],
        *[
            fixed(lambda features=features: nl.SinusoidalEncoding(features), shape, batched=batched)
            for features, shape, batched in [(4, (3, 4), ()), (3, (2, 5, 3), (0,)), (1, (2, 2, 4, 1), (0,))]
        ],
        *[
            fixed(lambda features=features, options=options: nl.RotaryEncoding(features, **options), shape, batched=batched)
            for features, options, shape, batched in [
                (4, {}, (3, 4), ()),
                (4, {"base": 100.0}, (2, 2, 3, 4), (0,)),
                (6, {"interleaved": True}, (2, 3, 6), (0,)),
                (2, {"interleaved": True}, (4, 2), ()),
            ]
        ],
    ]


def _network(dtype):
    return nl.Sequential(("hidden", nl.Affine(3, 4, rng=0, dtype=dtype)), nl.Tanh(), nl.Sequential(nl.Affine(4, 2, rng=1, dtype=dtype)))


def _joined(dtype):
    return nl.Sequential(nl.Concatenate(), nl.Affine(5, 2, rng=0, dtype=dtype), nl.SiLU())


def _block(dtype):
    return nl.Residual(nl.Sequential(nl.Affine(3, 3, rng=0, dtype=dtype), nl.Sigmoid()))


def _recomputed(dtype):
    return nl.Recompute(nl.Sequential(nl.Affine(3, 3, rng=0, dtype=dtype), nl.Dropout(0.3, rng=0), nl.Tanh()))


def _square(dtype):
    x = nl.Input("x")
    return nl.Graph([x], [x @ x])


def _formula(dtype):
    x = nl.Input("x")
    return nl.Graph([x], [2 * nl.Tanh()(1 - x) + (x + 0.5) ** 2 / 3])


def _diamond(dtype):
    x = nl.Input("x")
    w, c = nl.Weight("w", np.array([[1.0, -0.5], [0.25, 2.0], [-1.5, 0.75]], dtype)), nl.Constant("c", np.array([0.5, -2.0], dtype))
    h = nl.Tanh()(x @ w)
    return nl.Graph([x], [h * h + nl.Affine(3, 2, rng=0, dtype=dtype)(x) - h / c])


def _two_in_two_out(dtype):
    x, z = nl.Input("x"), nl.Input("z")
    h = nl.Affine(3, 2, rng=0, dtype=dtype)(x)
    return nl.Graph([x, z], [h * z, nl.Softplus()(h)])


def _image_network(dtype):
    block = nl.Residual(nl.Sequential(nl.Conv2d(2, 2, 3, padding="same", rng=1, dtype=dtype), nl.BatchNorm(2, dtype=dtype), nl.ReLU()))
    return nl.Sequential(nl.Conv2d(1, 2, 3, padding=1, rng=0, dtype=dtype), nl.ReLU(), block, nl.MaxPool2d(2), nl.Flatten())


def _language_network(dtype):
    return nl.Sequential(nl.Embedding(5, 3, padding=1, rng=0, dtype=dtype), nl.Affine(3, 4, rng=1, dtype=dtype), nl.SiLU())


def _network_of_ids_and_numbers(dtype):
    """Return a graph of ids, which two embeddings take, and of numbers."""
    ids, x = nl.Input("ids"), nl.Input("x")
    one, other = (nl.Embedding(5, 3, padding=padding, rng=seed, dtype=dtype)(ids) for seed, padding in [(0, None), (1, 2)])
    h = one + other * nl.Affine(2, 3, rng=2, dtype=dtype)(x)
    return nl.Graph([ids, x], [nl.ReLU()(nl.Affine(3, 2, rng=3, dtype=dtype)(h))])


def _containers():
    return [
        Row(_language_network, ((4, 3),), (0,), (ids(5),)),
        Row(_network_of_ids_and_numbers, ((4, 3), (4, 3, 2)), (0, 1), (ids(5), numbers)),
        Row(_network, ((3,),), ()),
        Row(_network, ((4, 3),), (0,)),
        Row(_joined, ((4, 3), (4, 2)), (0, 1)),
        Row(_block, ((3,),), ()),
        Row(_block, ((2, 2, 3),), (0,)),
        Row(_recomputed, ((4, 3),), (0,)),
        Row(_square, ((3, 3),), ()),
        Row(_formula, ((3, 3),), ()),
        Row(_diamond, ((4, 3),), (0,)),
        Row(_two_in_two_out, ((4, 3), (4, 1)), (0, 1)),
        Row(_image_network, ((2, 1, 4, 4),), (0,)),
    ]


ROWS = [
    *_elementwise(),
    *_newer_elementwise(),
    *_formulas(),
    *_gates(),
    *_dropped_channels(),
    *_along_an_axis(),
    *_softmin(),
    *_reductions(),
    *_other_reductions(),
    *_movers(),
    *_sums(),
    *_pairs(),
    *_products(),
    *_einsums(),
    *_affine(),
    *_convolutions(),
    *_pooling(),
    *_resizing(),
    *_norms(),
    *_recurrent(),
    *_attention(),
    *_attention_with_heads(),
    *_transformer_blocks(),
    *_masked_attention(),
    *_embeddings(),
    *_positions(),
    *_containers(),
]

_last_of_each_kind = {type(row.make(np.float64)): row for row in ROWS}.values()  # with the most axes, or options
one_row_of_each_kind_and_all_at_last = pytest.mark.parametrize(
    "row", [row if row in _last_of_each_kind else pytest.param(row, marks=pytest.mark.exhaustive) for row in ROWS], ids=str
)
"""A test of every row, of which the ordinary run takes one for each layer."""
