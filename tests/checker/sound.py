"""Sound layers, on inputs that are hard for a checker.

These are kinks and ties, tiny and huge numbers, float32, jumps, randomness and memory.

That the layers are sound is proven in test_broken_and_sound.py by differences of forward.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from checker import user_layers as own

import netlib as nl


class Sound(NamedTuple):
    """A sound layer, and what to check it on."""

    name: str
    layer: Callable[[Any], nl.Layer]  # takes a dtype, and returns the same layer every time
    draws: tuple[Callable[[np.random.Generator], np.ndarray], ...]  # each returns an input, in float64 or of whole numbers
    dtype: Any = np.float64
    input_dtype: Any = None  # where it is another than the layer's
    jumps: bool = False  # whether forward jumps at these very inputs, so that no slope is there to compare with

    def make(self, dtype=None):
        """Return the layer in its dtype or another."""
        return self.layer(dtype or self.dtype)

    def exact_inputs(self, seed):
        """Return the inputs of this seed in float64."""
        rng = np.random.default_rng(seed)
        return tuple(np.asarray(draw(rng)) for draw in self.draws)

    def inputs(self, seed):
        """Return the inputs of this seed in the dtype of the row."""
        return tuple(np.asarray(x, self.input_dtype or self.dtype) if x.dtype.kind == "f" else x for x in self.exact_inputs(seed))


def normal(*shape, scale=1.0):
    """Return a drawer of normal numbers."""
    return lambda rng: scale * rng.normal(size=shape)


def positive(*shape, scale=1.0):
    """Return a drawer of numbers from 0.5 to 2 times a scale."""
    return lambda rng: scale * rng.uniform(0.5, 2, size=shape)


def nonzero(*shape, scale=1.0):
    """Return a drawer of the same with both signs."""
    return lambda rng: scale * rng.uniform(0.5, 2, size=shape) * rng.choice([-1, 1], size=shape)


def whole(*shape, low=-2, high=2):
    """Return a drawer of floats that are whole numbers: many equal ones, many at 0, 1 and -1."""
    return lambda rng: rng.integers(low, high, size=shape, endpoint=True).astype(np.float64)


def spread(*shape, gap=0.25):
    """Return a drawer of numbers that keep a distance from each other."""
    return lambda rng: gap * rng.permutation(np.arange(np.prod(shape)) - np.prod(shape) // 2).reshape(shape) + 0.1


def some_zeros(*shape):
    """Return a drawer of normal numbers of which about a third are 0, and some of those -0."""
    return lambda rng: rng.normal(size=shape) * rng.choice([0, 1, -1], size=shape)


def labels(n, below):
    """Return a drawer of class numbers."""
    return lambda rng: rng.integers(0, below, size=n)


def chances(*shape):
    """Return a drawer of numbers between 0 and 1."""
    return lambda rng: rng.uniform(0.05, 0.95, size=shape)


def signs(*shape):
    """Return a drawer of -1 and 1."""
    return lambda rng: rng.choice([-1.0, 1.0], size=shape)


def read_only(*shape):
    """Return a drawer of normal numbers that cannot be written to."""

    def draw(rng):
        x = rng.normal(size=shape)
        x.flags.writeable = False
        return x

    return draw


def plain(make, **arguments):
    """Return a maker of a layer that has no dtype."""
    return lambda dtype: make(**arguments)


def typed(make, **arguments):
    """Return a maker of a layer that takes a dtype."""
    return lambda dtype: make(dtype=dtype, **arguments)


def frozen(layer):
    """Return the layer with its first parameter not trainable; its gradient is still computed."""
    next(iter(layer.parameters().values())).trainable = False
    return layer


def evaluated(make):
    """Return a maker of the same layers in evaluation mode."""
    return lambda dtype: make(dtype).eval()


def warmed(make, *shape):
    """Return a maker of layers that have seen a batch before."""

    def made(dtype):
        layer = make(dtype)
        layer.forward(np.random.default_rng(5).normal(size=shape).astype(dtype))
        return layer

    return made


class LooseEmbedding(own.Embedding):
    """Says nothing about its input having no gradient, and returns None for it."""

    n_nondifferentiable_inputs = 0

    def backward(self, dout):
        super().backward(dout)


class KeepsTheVeryInput(own.Dense):
    """Keeps x itself and not a copy, as most people write it."""

    def forward(self, x):
        self.x = x
        return x @ self.weight.value + self.bias.value


class SingleAlone(own.Tanh):
    """Refuses all but float32."""

    def forward(self, x):
        if x.dtype != np.float32:
            raise TypeError(f"float32 alone, not {x.dtype}")
        return super().forward(x)


class SingleInside(own.Tanh):
    """Computes in float32, whatever comes."""

    def forward(self, x):
        return super().forward(x.astype(np.float32))

    def backward(self, dout):
        return super().backward(dout.astype(np.float32))


class Constantly(nl.Layer):
    """y = 3, whatever x is."""

    def forward(self, x):
        return np.full_like(x, 3)

    def backward(self, dout):
        return np.zeros_like(dout)


class Warmup(nl.Layer):
    """The identity, with a counter on the class and a list of what it saw: both are allowed."""

    total = 0

    def __init__(self, dtype=None):
        self.seen = {}

    def forward(self, x):
        type(self).total += 1
        self.seen[len(self.seen)] = x.shape
        return x * 1

    def backward(self, dout):
        return dout * 1


class Centred(nl.Layer):
    """x minus the mean of its batch, so the sum of y is always 0."""

    def forward(self, x):
        return x - x.mean(axis=0)

    def backward(self, dout):
        return dout - dout.mean(axis=0)


class SoftThreshold(own.Elementwise):
    def f(self, x):
        return np.sign(x) * np.maximum(np.abs(x) - 1, 0)

    def slope(self, x):
        return np.abs(x) > 1


class HalfSlopeReLU(own.ReLU):
    """Takes 1/2 at 0, which is as good as 0 or 1."""

    def slope(self, x):
        return np.where(x > 0, 1, np.where(x == 0, 0.5, 0)).astype(x.dtype)


def network(dtype, activation=nl.ReLU):
    return nl.Sequential(nl.Affine(4, 6, rng=0, dtype=dtype), activation(), nl.Affine(6, 3, rng=1, dtype=dtype))


def dropout_network(dtype):
    hidden, out = nl.Affine(4, 6, rng=0, dtype=dtype), nl.Affine(6, 3, rng=1, dtype=dtype)
    return nl.Sequential(hidden, nl.Dropout(0.4, rng=2), nl.ReLU(), nl.Dropout(0.2, rng=3), out)


def tied_network(dtype):
    shared = nl.Affine(4, 4, rng=0, dtype=dtype)
    return nl.Sequential(shared, nl.Tanh(), shared.tied_copy(), nl.Sigmoid(), shared.tied_copy())


def own_network(dtype):
    return nl.Sequential(own.Dense(4, 5, dtype), own.Tanh(), own.BatchNorm(5, dtype), own.Dropout(), nl.Affine(5, 2, rng=0, dtype=dtype))


def doubled(dtype):
    x = nl.Input("x")
    a = x + x
    return nl.Graph([x], [a * a])


def diamond(dtype):
    x = nl.Input("x")
    w, c = nl.Weight("w", np.array([[1.0, -0.5], [0.25, 2.0], [-1.5, 0.75]], dtype)), nl.Constant("c", np.array([0.5, -2.0], dtype))
    h = nl.Tanh()(x @ w)
    return nl.Graph([x], [h * h + nl.Affine(3, 2, rng=0, dtype=dtype)(x) - h / c])


def two_outputs(dtype):
    x, z = nl.Input("x"), nl.Input("z")
    h = nl.Affine(3, 2, rng=0, dtype=dtype)(x)
    return nl.Graph([x, z], [h * z, nl.Softplus()(h)])


def unused_input(dtype):
    x, z = nl.Input("x"), nl.Input("z")
    return nl.Graph([x, z], [nl.Tanh()(x) + z * nl.Constant("zero", np.zeros(3, dtype))])


def _netlib():
    f32 = np.float32
    for make in (nl.ReLU, nl.LeakyReLU, nl.ELU, nl.GELU, nl.SiLU, nl.Sigmoid, nl.Tanh, nl.Softplus, nl.Identity):
        name = make.__name__
        yield Sound(f"nl.{name} at whole numbers", plain(make), (whole(3, 5),))
        yield Sound(f"nl.{name} of tiny numbers", plain(make), (nonzero(3, 4, scale=1e-6),))
        yield Sound(f"nl.{name} of huge numbers", plain(make), (nonzero(3, 4, scale=1e5),))
        yield Sound(f"nl.{name} in float32", plain(make), (normal(3, 4),), f32)
    for make in (nl.Softmax, nl.LogSoftmax):
        name = make.__name__
        yield Sound(f"nl.{name}", plain(make), (normal(3, 4),))
        yield Sound(f"nl.{name} over samples", plain(make, axis=0), (normal(3, 4),))
        yield Sound(f"nl.{name} of ties", plain(make), (whole(3, 4),))
        yield Sound(f"nl.{name} of huge numbers", plain(make), (spread(3, 4, gap=1e4),))
        yield Sound(f"nl.{name} in float32", plain(make), (normal(3, 4, scale=5),), f32)

    def affine(dtype):
        return nl.Affine(4, 3, rng=0, dtype=dtype)

    yield Sound("nl.Affine", affine, (normal(5, 4),))
    yield Sound("nl.Affine in float32", affine, (normal(5, 4),), f32)
    yield Sound("nl.Affine of huge float32", affine, (nonzero(5, 4, scale=1e5),), f32)
    yield Sound("nl.Affine of tiny numbers", affine, (nonzero(5, 4, scale=1e-6),))
    yield Sound("nl.Affine of one sample without a batch", affine, (normal(4),))
    yield Sound("nl.Affine of sequences", affine, (normal(2, 3, 4),))
    yield Sound("nl.Affine of one sample", affine, (normal(1, 4),))
    yield Sound("nl.Affine square", lambda dtype: nl.Affine(4, 4, rng=0, dtype=dtype), (normal(4, 4),))
    yield Sound("nl.Affine to one", lambda dtype: nl.Affine(3, 1, rng=0, dtype=dtype), (normal(4, 3),))
    yield Sound("nl.Affine of zeros", affine, (lambda rng: np.zeros((3, 4)),))
    yield Sound("nl.Affine frozen", lambda dtype: frozen(affine(dtype)), (normal(5, 4),))
    yield Sound("nl.Affine in float32, of float64", affine, (normal(5, 4),), f32, input_dtype=np.float64)
    yield Sound("nl.Affine in float64, of float32", affine, (normal(5, 4),), np.float64, input_dtype=f32)
    yield Sound("nl.Affine of integers", affine, (lambda rng: rng.integers(-3, 4, size=(5, 4)),))
    yield Sound("nl.Affine of no samples", affine, (normal(0, 4),))
    yield Sound("nl.Affine of a Fortran array", affine, (lambda rng: np.asfortranarray(rng.normal(size=(5, 4))),))
    yield Sound("nl.Affine of a reversed array", affine, (lambda rng: rng.normal(size=(5, 4))[::-1, ::-1],))
    yield Sound("nl.Affine of a read-only array", affine, (read_only(5, 4),))
    yield Sound("nl.Affine of zeros for weights", lambda dtype: nl.Affine(4, 3, init=nl.Zeros(), dtype=dtype), (normal(5, 4),))
    yield Sound("nl.ReLU of integers", plain(nl.ReLU), (lambda rng: rng.integers(-3, 4, size=(5, 4)),), f32)
    yield Sound("nl.Tanh in float16", plain(nl.Tanh), (normal(3, 4),), np.float16)
    yield Sound("nl.Multiply in float16", plain(nl.Multiply), (normal(3, 4), normal(4)), np.float16)
    yield Sound("nl.Tanh of no samples", plain(nl.Tanh), (normal(0, 3),))
    yield Sound("nl.Tanh of a number", plain(nl.Tanh), (normal(),))
    yield Sound("nl.Dropout", lambda dtype: nl.Dropout(0.3, rng=0), (normal(4, 5),))
    yield Sound("nl.Dropout in float32", lambda dtype: nl.Dropout(0.5, rng=0), (normal(4, 5),), f32)
    yield Sound("nl.Dropout of zeros", lambda dtype: nl.Dropout(0.5, rng=0), (some_zeros(4, 5),))
    yield Sound("nl.Dropout of nearly all", lambda dtype: nl.Dropout(0.95, rng=0), (normal(3, 4),))
    yield Sound("nl.Dropout in evaluation", evaluated(lambda dtype: nl.Dropout(0.5, rng=0)), (normal(4, 5),))
    for make in (nl.Add, nl.Subtract, nl.Multiply, nl.Divide):
        name = make.__name__
        yield Sound(f"nl.{name}", plain(make), (normal(3, 4), nonzero(3, 4)))
        yield Sound(f"nl.{name} of a row", plain(make), (normal(3, 4), nonzero(4)))
        yield Sound(f"nl.{name} of a column and a row", plain(make), (normal(3, 1), nonzero(1, 4)))
        yield Sound(f"nl.{name} of a number in float32", plain(make), (normal(3, 4), nonzero()), f32)
    yield Sound("nl.Divide by tiny numbers", plain(nl.Divide), (normal(3, 4), nonzero(3, 4, scale=1e-6)))
    yield Sound("nl.Multiply tiny by huge", plain(nl.Multiply), (nonzero(3, 4, scale=1e-6), nonzero(3, 4, scale=1e5)))
    yield Sound("nl.Multiply by zeros", plain(nl.Multiply), (normal(3, 4), lambda rng: np.zeros((3, 4))))
    yield Sound("nl.Add of three", plain(nl.Add), (normal(3, 4), normal(4), normal(3, 1)))
    yield Sound("nl.Add of equals", plain(nl.Add), (whole(3, 4), whole(3, 4)))
    yield Sound("nl.MatMul", plain(nl.MatMul), (normal(3, 4), normal(4, 2)))
    yield Sound("nl.MatMul square", plain(nl.MatMul), (normal(3, 3), normal(3, 3)))
    yield Sound("nl.MatMul stacked in float32", plain(nl.MatMul), (normal(2, 3, 4), normal(4, 2)), f32)
    yield Sound("nl.Concatenate", plain(nl.Concatenate), (normal(3, 2), normal(3, 4)))
    yield Sound("nl.Concatenate of equal shapes", plain(nl.Concatenate), (normal(3, 3), normal(3, 3)))
    yield Sound("nl.Sum", plain(nl.Sum, axis=0), (normal(3, 4),))
    yield Sound("nl.Sum of all", plain(nl.Sum), (normal(3, 4),))
    yield Sound("nl.Mean", plain(nl.Mean, axis=(0, 2)), (normal(2, 3, 2),))
    yield Sound("nl.Mean in float32", plain(nl.Mean, axis=1, keepdims=True), (normal(3, 4, scale=1e3),), f32)
    yield Sound("nl.Transpose", plain(nl.Transpose), (normal(3, 3),))
    yield Sound("nl.Reshape", lambda dtype: nl.Reshape((-1, 2, 2)), (normal(3, 4),))
    yield Sound("nl.Flatten", plain(nl.Flatten), (normal(2, 3, 2),))


def _netlib_losses():
    f32 = np.float32
    for reduction in ("mean", "sum", "none"):
        squared, entropy = partial(nl.MeanSquaredError, reduction), partial(nl.SoftmaxCrossEntropy, reduction=reduction)
        yield Sound(f"nl.MeanSquaredError {reduction}", plain(squared), (normal(4, 3), normal(4, 3)))
        yield Sound(f"nl.SoftmaxCrossEntropy {reduction}", plain(entropy), (normal(4, 3), labels(4, 3)))
    yield Sound(
        "nl.MeanSquaredError of nothing wrong", plain(nl.MeanSquaredError), (whole(4, 3, low=1, high=1), whole(4, 3, low=1, high=1))
    )
    yield Sound("nl.MeanSquaredError in float32", plain(nl.MeanSquaredError), (normal(4, 3), normal(4, 3)), f32)
    yield Sound("nl.MeanSquaredError of huge numbers", plain(nl.MeanSquaredError), (nonzero(4, 3, scale=1e5), normal(4, 3)))
    yield Sound("nl.SoftmaxCrossEntropy in float32", plain(nl.SoftmaxCrossEntropy), (normal(4, 3, scale=3), labels(4, 3)), f32)
    yield Sound("nl.SoftmaxCrossEntropy of huge logits", plain(nl.SoftmaxCrossEntropy), (nonzero(4, 3, scale=1e5), labels(4, 3)))
    yield Sound("nl.SoftmaxCrossEntropy of ties", plain(nl.SoftmaxCrossEntropy), (whole(4, 3), labels(4, 3)))
    yield Sound("nl.SoftmaxCrossEntropy smoothed", plain(nl.SoftmaxCrossEntropy, label_smoothing=0.1), (normal(4, 3), labels(4, 3)))
    yield Sound("nl.SoftmaxCrossEntropy of one sample", plain(nl.SoftmaxCrossEntropy), (normal(1, 3), labels(1, 3)))
    yield Sound("nl.SigmoidCrossEntropy", plain(nl.SigmoidCrossEntropy), (normal(4, 3), chances(4, 3)))
    yield Sound("nl.SigmoidCrossEntropy of huge logits", plain(nl.SigmoidCrossEntropy), (nonzero(4, 3, scale=1e5), chances(4, 3)))
    yield Sound("nl.Huber at its joints", plain(nl.Huber), (whole(4, 3), whole(4, 3)))
    yield Sound("nl.MeanAbsoluteError at no error", plain(nl.MeanAbsoluteError), (whole(4, 3), whole(4, 3)))
    yield Sound("nl.MeanAbsoluteError in float32", plain(nl.MeanAbsoluteError), (normal(4, 3), normal(4, 3)), f32)
    yield Sound("nl.Hinge at its margin", plain(nl.Hinge), (whole(4, 3), signs(4, 3)))


def _containers():
    f32 = np.float32
    yield Sound("a network", network, (normal(5, 4),))
    yield Sound("a network in float32", network, (normal(5, 4),), f32)
    yield Sound("a network at zeros", partial(network, activation=nl.Tanh), (lambda rng: np.zeros((3, 4)),))
    yield Sound("a network of huge float32", partial(network, activation=nl.LeakyReLU), (nonzero(3, 4, scale=1e5),), f32)
    yield Sound("a network of tiny numbers", partial(network, activation=nl.Tanh), (nonzero(3, 4, scale=1e-6),))
    yield Sound("a network with dropout", dropout_network, (normal(5, 4),))
    yield Sound("a network with dropout, evaluated", evaluated(dropout_network), (normal(5, 4),))
    yield Sound("a network with tied weights", tied_network, (normal(3, 4),))
    yield Sound("a network of users' layers", own_network, (normal(6, 4),))
    yield Sound("a frozen network", lambda dtype: frozen(network(dtype)), (normal(3, 4),))
    yield Sound("a residual", lambda dtype: nl.Residual(nl.Affine(4, 4, rng=0, dtype=dtype)), (normal(3, 4),))
    yield Sound(
        "a deep residual", lambda dtype: nl.Residual(nl.Sequential(nl.Affine(3, 3, rng=0, dtype=dtype), nl.Sigmoid())), (normal(4, 3),)
    )
    yield Sound("b = a + a, c = b b", doubled, (normal(3, 4),))
    yield Sound("b = a + a, c = b b, at zeros", doubled, (some_zeros(3, 4),))
    yield Sound("a diamond", diamond, (normal(4, 3),))
    yield Sound("a graph of two outputs", two_outputs, (normal(4, 3), normal(4, 1)))
    yield Sound("a graph with a branch times zero", unused_input, (normal(4, 3), normal(4, 3)))


def _own():
    f32 = np.float32
    yield Sound("Dense", typed(own.Dense), (normal(7, 5),))
    yield Sound("Dense in float32", typed(own.Dense), (normal(7, 5),), f32)
    yield Sound("Dense square", typed(own.Dense, n_in=4, n_out=4), (normal(4, 4),))
    yield Sound("Dense of one sample", typed(own.Dense), (normal(1, 5),))
    yield Sound("Dense keeping the very input", lambda dtype: KeepsTheVeryInput(dtype=dtype), (normal(7, 5),))
    yield Sound("Dense frozen", lambda dtype: frozen(own.Dense(dtype=dtype)), (normal(7, 5),))
    yield Sound("DenseOnSequences", typed(own.DenseOnSequences), (normal(2, 3, 5),))
    yield Sound("Scale of huge numbers in float32", typed(own.Scale), (nonzero(5, 4, scale=1e5),), f32)
    yield Sound("Temperature", typed(own.Temperature), (normal(3, 4),))
    yield Sound("PReLU at zeros", typed(own.PReLU), (some_zeros(5, 4),))
    yield Sound("Bilinear", typed(own.Bilinear), (normal(5, 4), normal(5, 3)))
    yield Sound("Embedding", typed(own.Embedding), (labels(6, 4),))
    yield Sound("Embedding of one row", typed(own.Embedding), (lambda rng: np.zeros(3, int),))
    yield Sound("Embedding that declares nothing", lambda dtype: LooseEmbedding(dtype=dtype), (labels(6, 4),))
    yield Sound("Embedding in float32", typed(own.Embedding), (labels(6, 4),), f32)
    yield Sound("GatherRows", plain(own.GatherRows), (normal(4, 3), labels(6, 4)))
    yield Sound("Convolution", typed(own.Convolution), (normal(2, 2, 6),))
    yield Sound("Convolution in float32", typed(own.Convolution), (normal(2, 2, 6),), f32)
    yield Sound("TiedAutoencoder", typed(own.TiedAutoencoder), (normal(6, 5),))
    yield Sound("Recurrent", typed(own.Recurrent), (normal(3, 4, 3),))
    yield Sound("DenseBlock", typed(own.DenseBlock), (normal(5, 4),))
    yield Sound("Bottleneck", typed(own.Bottleneck), (normal(6, 5),))
    for make in (own.ReLU, own.LeakyReLU, own.Clip, own.Abs, SoftThreshold, HalfSlopeReLU, own.ELU):
        yield Sound(f"{make.__name__} at whole numbers", plain(make), (whole(4, 5),))
        yield Sound(f"{make.__name__} at zeros in float32", plain(make), (some_zeros(4, 5),), f32)
    yield Sound("Clip of huge numbers", plain(own.Clip), (nonzero(4, 5, scale=1e5),))
    yield Sound("Abs of tiny numbers", plain(own.Abs), (nonzero(4, 5, scale=1e-6),))
    yield Sound("ReLU of tiny numbers", plain(own.ReLU), (nonzero(4, 5, scale=1e-6),))
    yield Sound("ReLU of nothing alive", plain(own.ReLU), (lambda rng: -rng.uniform(1, 2, size=(4, 5)),))
    yield Sound("Square of huge numbers", plain(own.Square), (nonzero(3, 4, scale=1e5),))
    yield Sound("Square of tiny numbers", plain(own.Square), (nonzero(3, 4, scale=1e-6),))
    yield Sound("Cube at zeros", plain(own.Cube), (some_zeros(3, 4),))
    yield Sound("Cube of huge float32", plain(own.Cube), (nonzero(3, 4, scale=1e5),), f32)
    yield Sound("Exp of large numbers", plain(own.Exp), (spread(3, 4, gap=5),))
    yield Sound("Log of tiny numbers", plain(own.Log), (positive(3, 4, scale=1e-6),))
    yield Sound("Log of huge numbers", plain(own.Log), (positive(3, 4, scale=1e5),))
    yield Sound("Sqrt of tiny numbers", plain(own.Sqrt), (positive(3, 4, scale=1e-6),))
    yield Sound("Sqrt in float32", plain(own.Sqrt), (positive(3, 4),), f32)
    yield Sound("Sin of large numbers", plain(own.Sin), (normal(3, 4, scale=100),))
    for make in (own.Sign, own.Round, own.Step):
        yield Sound(f"{make.__name__}", plain(make), (spread(3, 4),))
        yield Sound(f"{make.__name__} where it jumps", plain(make), (lambda rng: whole(3, 4)(rng) / 2,), jumps=True)
    yield Sound("Sign in float32", plain(own.Sign), (normal(3, 4),), f32)
    yield Sound("HardestClass", plain(own.HardestClass), (spread(4, 3),))
    yield Sound("HardestClass of ties", plain(own.HardestClass), (whole(4, 3),), jumps=True)
    yield Sound("Constantly", plain(Constantly), (normal(3, 4),))
    for make in (SingleAlone, SingleInside):  # proven with the layer that each is based on
        yield Sound(make.__name__, lambda dtype, make=make: make() if dtype == f32 else own.Tanh(), (normal(3, 4),), f32)
    yield Sound("Softmax", plain(own.Softmax), (normal(3, 4),))
    yield Sound("Softmax of tiny numbers", plain(own.Softmax), (nonzero(3, 4, scale=1e-6),))
    yield Sound("Softmax over one class", plain(own.Softmax), (normal(4, 1),))
    yield Sound("LogSoftmax in float32", plain(own.LogSoftmax), (normal(3, 4),), f32)
    yield Sound("BatchNorm", typed(own.BatchNorm), (normal(6, 4),))
    yield Sound("BatchNorm in float32", typed(own.BatchNorm), (normal(8, 4),), f32)
    yield Sound("BatchNorm of huge numbers", typed(own.BatchNorm), (normal(6, 4, scale=1e5),))
    yield Sound("BatchNorm of tiny numbers", typed(own.BatchNorm), (normal(6, 4, scale=1e-6),))
    yield Sound("BatchNorm evaluated", evaluated(warmed(typed(own.BatchNorm), 6, 4)), (normal(6, 4),))
    yield Sound("BatchNorm after a batch", warmed(typed(own.BatchNorm), 6, 4), (normal(6, 4),))
    yield Sound("LayerNorm", typed(own.LayerNorm), (normal(5, 4),))
    yield Sound("LayerNorm in float32", typed(own.LayerNorm), (normal(5, 4),), f32)
    yield Sound("Centred", plain(Centred), (normal(5, 4),))
    yield Sound("Unit", plain(own.Unit), (nonzero(4, 3),))
    yield Sound("Unit of tiny numbers", plain(own.Unit), (nonzero(4, 3, scale=1e-6),))
    yield Sound("Length of huge numbers", plain(own.Length), (nonzero(4, 3, scale=1e5),))
    yield Sound("Dropout", plain(own.Dropout), (normal(5, 6),))
    yield Sound("Dropout in float32, of zeros", plain(own.Dropout), (some_zeros(5, 6),), f32)
    yield Sound("Dropout evaluated", evaluated(plain(own.Dropout)), (normal(5, 6),))
    yield Sound("Dropout after a batch", warmed(plain(own.Dropout), 5, 6), (normal(5, 6),))
    yield Sound("Jitter", plain(own.Jitter), (normal(4, 5),))
    yield Sound("Counter", plain(own.Counter), (normal(4, 5),))
    yield Sound("Warmup", plain(Warmup), (normal(4, 5),))
    yield Sound("Mean over samples", plain(own.Mean, axis=0), (normal(5, 4),))
    yield Sound("Total", plain(own.Total), (normal(4, 4),))
    for make in (own.Max, own.EvenMax):
        yield Sound(f"{make.__name__}", plain(make), (spread(4, 5),))
        yield Sound(f"{make.__name__} of ties", plain(make), (whole(4, 5),))
    yield Sound("MaxPool of ties", plain(own.MaxPool), (whole(3, 8, low=-1, high=1),))
    yield Sound("MaxPool in float32", plain(own.MaxPool), (normal(2, 3, 6),), f32)
    yield Sound("AveragePool", plain(own.AveragePool), (normal(2, 3, 6),))
    yield Sound("Sort", plain(own.Sort), (spread(3, 5),))
    yield Sound("Sort of huge numbers", plain(own.Sort), (spread(3, 4, gap=1e4),))
    yield Sound("LogSumExp", plain(own.LogSumExp), (normal(4, 5),))
    yield Sound("LogSumExp of huge numbers", plain(own.LogSumExp), (spread(3, 4, gap=1e4),))
    yield Sound("Variance", plain(own.Variance), (normal(4, 5),))
    yield Sound("Variance of equals", plain(own.Variance), (lambda rng: np.full((3, 4), rng.normal()),))
    yield Sound("RunningTotal", plain(own.RunningTotal), (normal(3, 5),))
    yield Sound("Take", plain(own.Take), (normal(4, 3),))
    yield Sound("Flip", plain(own.Flip), (normal(3, 4),))
    yield Sound("Shift", plain(own.Shift), (normal(3, 5),))
    yield Sound("Rotate", plain(own.Rotate), (normal(3, 3, 3),))
    yield Sound("Product", plain(own.Product), (normal(4, 5), normal(4, 5)))
    yield Sound("Product of equals", plain(own.Product), (lambda rng: np.full((3, 4), 1.5), lambda rng: np.full((3, 4), 1.5)))
    yield Sound("Difference", plain(own.Difference), (normal(4, 5), normal(4, 5)))
    yield Sound("Quotient by tiny numbers", plain(own.Quotient), (normal(3, 4), nonzero(3, 4, scale=1e-6)))
    yield Sound("Larger of ties", plain(own.Larger), (whole(4, 5), whole(4, 5)))
    yield Sound("Larger in float32", plain(own.Larger), (normal(4, 5), normal(4, 5)), f32)
    yield Sound("Hypotenuse", plain(own.Hypotenuse), (nonzero(4, 5), nonzero(4, 5)))
    yield Sound("Hypotenuse of tiny numbers", plain(own.Hypotenuse), (nonzero(4, 5, scale=1e-6), nonzero(4, 5, scale=1e-6)))
    yield Sound("MatrixProduct", plain(own.MatrixProduct), (normal(3, 4), normal(4, 2)))
    yield Sound("MatrixProduct square, in float32", plain(own.MatrixProduct), (normal(3, 3), normal(3, 3)), f32)
    yield Sound("Outer", plain(own.Outer), (normal(3, 4), normal(3, 2)))
    yield Sound("AddRow", plain(own.AddRow), (normal(4, 3), normal(3)))
    yield Sound("AddRow square", plain(own.AddRow), (normal(4, 4), normal(4)))
    yield Sound("TimesColumn", plain(own.TimesColumn), (normal(4, 3), normal(4, 1)))
    yield Sound("Beside", plain(own.Beside), (normal(3, 4), normal(3, 4)))
    yield Sound("Gate", plain(own.Gate), (chances(3, 4), normal(3, 4), normal(3, 4)))
    yield Sound("Gate in float32", plain(own.Gate), (chances(3, 4), normal(3, 4), normal(3, 4)), f32)
    yield Sound("Gate between equals", plain(own.Gate), (chances(3, 4), whole(3, 4, low=1, high=1), whole(3, 4, low=1, high=1)))
    yield Sound("Attention", plain(own.Attention), (normal(3, 4), normal(5, 4), normal(5, 2)))
    yield Sound("Halves", plain(own.Halves), (normal(3, 6),))
    yield Sound("Penalty", typed(own.Penalty), (normal(4, 3),))


def _own_losses():
    f32 = np.float32
    yield Sound("SquaredError", plain(own.SquaredError), (normal(5, 3), normal(5, 3)))
    yield Sound("SquaredError in float32", plain(own.SquaredError), (normal(5, 3), normal(5, 3)), f32)
    yield Sound("SquaredError at no error", plain(own.SquaredError), (whole(5, 3, low=2, high=2), whole(5, 3, low=2, high=2)))
    yield Sound("SquaredError of huge targets", plain(own.SquaredError), (normal(5, 3), nonzero(5, 3, scale=1e5)))
    yield Sound("AbsoluteError at whole numbers", plain(own.AbsoluteError), (whole(5, 3), whole(5, 3)))
    yield Sound("CrossEntropy", plain(own.CrossEntropy), (normal(6, 4), labels(6, 4)))
    yield Sound("CrossEntropy of huge logits", plain(own.CrossEntropy), (nonzero(6, 4, scale=1e5), labels(6, 4)))
    yield Sound("CrossEntropy in float32", plain(own.CrossEntropy), (normal(6, 4), labels(6, 4)), f32)
    yield Sound("CrossEntropy of one class", plain(own.CrossEntropy), (normal(6, 1), labels(6, 1)))
    yield Sound("BinaryCrossEntropy", plain(own.BinaryCrossEntropy), (normal(5, 3), chances(5, 3)))
    yield Sound("Huber at its joints", plain(own.Huber), (whole(5, 3), whole(5, 3)))
    yield Sound("Hinge at its margin", plain(own.Hinge), (whole(4, 5), signs(4, 5)))


ROWS = [*_netlib(), *_netlib_losses(), *_containers(), *_own(), *_own_losses()]
