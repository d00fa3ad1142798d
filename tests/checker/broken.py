"""Layers that are wrong on purpose, with what is wrong, where, and inputs on which it shows.

Written from mistakes in people's code, without a look at the checker's rules. That each layer is
wrong as it says, and nowhere else, is proven in test_broken_and_sound.py by differences of forward.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from checker import user_layers as right

import netlib as nl


class Case(NamedTuple):
    """A broken layer, the inputs to see it on, and what is wrong with it."""

    name: str
    layer: Callable[..., nl.Layer]
    arguments: dict[str, Any]
    draws: tuple[Any, ...]  # shapes of normal numbers, or functions of a generator
    dtype: Any  # the proof is in float64 all the same
    mistakes: tuple[frozenset[str], ...]  # for each mistake the names that are right for it, nearly always one
    places: tuple[frozenset[str], ...]  # for each mistake the inputs and parameters where it shows; none where it is not of a gradient

    def make(self, dtype=None):
        """Return the layer, the same every time."""
        return self.layer(**self.arguments, **({"dtype": dtype or self.dtype} if self.takes_dtype else {}))

    @property
    def takes_dtype(self):
        """Whether the layer has parameters whose type is to be said."""
        return self.layer.__init__ is not object.__init__

    def inputs(self, seed=0):
        """Return the inputs in the dtype of the case; whole numbers stay whole."""
        return tuple(np.asarray(x, self.dtype) if x.dtype.kind == "f" else x for x in self.exact_inputs(seed))

    def exact_inputs(self, seed=0):
        """Return the inputs in float64."""
        rng = np.random.default_rng(seed)
        return tuple(np.asarray(draw(rng) if callable(draw) else rng.normal(size=draw)) for draw in self.draws)


CASES = []


def broken(mistakes, places="", *draws, name="", dtype=np.float64, **arguments):
    """Add the class below to the table.

    Several mistakes: "a, b"; several right names of one mistake: "a|b"; places likewise.
    """

    def note(layer):
        split = [tuple(frozenset(filter(None, part.split("|"))) for part in text.split(", ")) for text in (mistakes, places)]
        same = sum(case.layer is layer for case in CASES)
        CASES.append(Case(name or layer.__name__ + (f"_{same + 1}" if same else ""), layer, arguments, draws, dtype, *split))
        return layer

    return note


def classes(n, below):
    """Return a drawer of n class numbers, each class at least once where there is room."""
    return lambda rng: rng.permutation(np.arange(n) % below)


def between(low, high, *shape):
    """Return a drawer of evenly spread numbers."""
    return lambda rng: rng.uniform(low, high, size=shape)


def constant(values):
    """Return a drawer of just these numbers."""
    return lambda rng: np.array(values, dtype=np.float64)


def signs(*shape):
    """Return a drawer of -1 and 1."""
    return lambda rng: rng.choice([-1.0, 1.0], size=shape)


# Dense: weights, bias, and what goes back


@broken("missing-transpose", "weight", (7, 4), n_in=4, n_out=4)
@broken("missing-transpose", "weight", (7, 5))
class WeightGradientTransposed(right.Dense):
    def backward(self, dout):
        self.weight.grad += dout.T @ self.x
        self.bias.grad += dout.sum(axis=0)
        return dout @ self.weight.value.T


@broken("missing-transpose", "input 0", (7, 4), n_in=4, n_out=4)
@broken("missing-transpose", "input 0", (3, 6), n_in=6, n_out=6, dtype=np.float32)
@broken("missing-transpose|wrong-shape", "input 0", (7, 5))
class WeightNotTransposed(right.Dense):
    def backward(self, dout):
        self.weight.grad += self.x.T @ dout
        self.bias.grad += dout.sum(axis=0)
        return dout @ self.weight.value


@broken("missing-batch-sum", "bias", (7, 5))
class BiasNotSummed(right.Dense):
    def backward(self, dout):
        self.weight.grad += self.x.T @ dout
        self.bias.grad += dout
        return dout @ self.weight.value.T


@broken("missing-batch-sum", "bias", (7, 5))
class BiasNotSummedByAssignment(right.Dense):
    def backward(self, dout):
        self.weight.grad += self.x.T @ dout
        self.bias.grad = self.bias.grad + dout
        return dout @ self.weight.value.T


@broken("wrong-scale", "bias", (7, 5))
@broken("wrong-scale", "bias", (6, 5), dtype=np.float32)
class BiasMean(right.Dense):
    def backward(self, dout):
        self.weight.grad += self.x.T @ dout
        self.bias.grad += dout.mean(axis=0)
        return dout @ self.weight.value.T


@broken("wrong-axis", "bias", (4, 5), n_out=4)
@broken("wrong-axis|wrong-shape", "bias", (7, 5))
class BiasSummedOverFeatures(right.Dense):
    def backward(self, dout):
        self.weight.grad += self.x.T @ dout
        self.bias.grad += dout.sum(axis=1)
        return dout @ self.weight.value.T


@broken("wrong-axis", "bias", (7, 5))
class BiasSummedOverAll(right.Dense):
    def backward(self, dout):
        self.weight.grad += self.x.T @ dout
        self.bias.grad += dout.sum()
        return dout @ self.weight.value.T


@broken("wrong-shape", "bias", (7, 5))
class BiasKeepsItsRow(right.Dense):
    def backward(self, dout):
        self.weight.grad += self.x.T @ dout
        self.bias.grad += dout.sum(axis=0, keepdims=True)
        return dout @ self.weight.value.T


@broken("wrong-scale", "weight", (7, 5))
@broken("wrong-scale", "weight", (2, 3), n_in=3, n_out=1)
class WeightMean(right.Dense):
    def backward(self, dout):
        self.weight.grad += self.x.T @ dout / len(dout)
        self.bias.grad += dout.sum(axis=0)
        return dout @ self.weight.value.T


@broken("not-accumulated", "weight", (7, 5))
class WeightAssigned(right.Dense):
    def backward(self, dout):
        self.weight.grad = self.x.T @ dout
        self.bias.grad += dout.sum(axis=0)
        return dout @ self.weight.value.T


@broken("not-accumulated", "bias", (7, 5), dtype=np.float32)
class BiasWrittenInPlace(right.Dense):
    def backward(self, dout):
        self.weight.grad += self.x.T @ dout
        self.bias.grad[:] = dout.sum(axis=0)
        return dout @ self.weight.value.T


@broken("missing-gradient|zero-gradient", "weight", (7, 5))
class WeightForgotten(right.Dense):
    def backward(self, dout):
        self.bias.grad += dout.sum(axis=0)
        return dout @ self.weight.value.T


@broken("wrong-sign", "weight", (7, 5))
class WeightDescends(right.Dense):
    def backward(self, dout):
        self.weight.grad -= self.x.T @ dout
        self.bias.grad += dout.sum(axis=0)
        return dout @ self.weight.value.T


@broken("missing-gradient", "input 0", (7, 5))
class ReturnForgotten(right.Dense):
    def backward(self, dout):
        self.weight.grad += self.x.T @ dout
        self.bias.grad += dout.sum(axis=0)
        dout @ self.weight.value.T


@broken("zero-gradient", "input 0", (7, 5))
class SendsBackZeros(right.Dense):
    def backward(self, dout):
        self.weight.grad += self.x.T @ dout
        self.bias.grad += dout.sum(axis=0)
        return np.zeros_like(self.x)


@broken("mutates-parameters", "", (7, 5))
class LearnsInBackward(right.Dense):
    def backward(self, dout):
        dw = self.x.T @ dout
        self.weight.grad += dw
        self.bias.grad += dout.sum(axis=0)
        self.weight.value -= 0.1 * dw
        return dout @ self.weight.value.T


@broken("mutates-parameters", "", (7, 5))
class NormalizesItsWeight(right.Dense):
    def forward(self, x):
        self.weight.value /= np.sqrt((self.weight.value**2).sum())
        return super().forward(x)


@broken("double-counted|wrong-scale", "weight", (7, 5))
class WeightAddedTwice(right.Dense):
    def backward(self, dout):
        for _ in range(2):
            self.weight.grad += self.x.T @ dout
        self.bias.grad += dout.sum(axis=0)
        return dout @ self.weight.value.T


@broken("missing-batch-sum|wrong-shape|wrong-axis", "bias", (2, 4, 5))
class SequenceBiasSummedOverSamplesAlone(right.DenseOnSequences):
    def backward(self, dout):
        self.weight.grad += np.einsum("nli,nlo->io", self.x, dout)
        self.bias.grad += dout.sum(axis=0)
        return dout @ self.weight.value.T


@broken("missing-term|missing-batch-sum", "weight", (3, 4, 5))
class FirstSequenceOnly(right.DenseOnSequences):
    def backward(self, dout):
        self.weight.grad += self.x[0].T @ dout[0]
        self.bias.grad += dout.sum(axis=(0, 1))
        return dout @ self.weight.value.T


@broken("ignores-upstream", "weight", (7, 5))
class WeightWithoutUpstream(right.Dense):
    def backward(self, dout):
        self.weight.grad += self.x.T @ np.ones_like(dout)
        self.bias.grad += dout.sum(axis=0)
        return dout @ self.weight.value.T


@broken("ignores-upstream", "input 0", (7, 5))
class SendsBackItsWeights(right.Dense):
    def backward(self, dout):
        self.weight.grad += self.x.T @ dout
        self.bias.grad += dout.sum(axis=0)
        return np.tile(self.weight.value.sum(axis=1), (len(dout), 1))


@broken("stale-cache", "", (7, 5))
class KeepsTheFirstInput(right.Dense):
    def forward(self, x):
        if not hasattr(self, "x"):
            self.x = np.array(x)
        return x @ self.weight.value + self.bias.value


@broken("stale-cache", "", (7, 5))
class KeepsTheFirstWeight(right.Dense):
    def forward(self, x):
        if not hasattr(self, "kept"):
            self.kept = self.weight.value.copy()
        return super().forward(x)

    def backward(self, dout):
        super().backward(dout)
        return dout @ self.kept.T


@broken("dtype-changed", "", (7, 5), dtype=np.float32)
class ComputesInDouble(right.Dense):
    def forward(self, x):
        return super().forward(x).astype(np.float64)

    def backward(self, dout):
        return super().backward(dout.astype(self.x.dtype))


@broken("mutates-input", "", (7, 5))
class CentresInPlace(right.Dense):
    def forward(self, x):
        x -= x.mean(axis=0)
        return super().forward(x)

    def backward(self, dout):
        dx = super().backward(dout)
        return dx - dx.mean(axis=0)


@broken("wrong-formula|missing-term", "weight", (6, 4))
class ScaleWithoutInput(right.Scale):
    def backward(self, dout):
        self.weight.grad += dout.sum(axis=0)
        self.bias.grad += dout.sum(axis=0)
        return dout * self.weight.value


@broken("missing-batch-sum", "weight", (6, 4))
class ScaleNotSummed(right.Scale):
    def backward(self, dout):
        self.weight.grad += dout * self.x
        self.bias.grad += dout.sum(axis=0)
        return dout * self.weight.value


@broken("wrong-axis", "weight", (5, 5), features=5)
class ScaleSummedOverFeatures(right.Scale):
    def backward(self, dout):
        self.weight.grad += (dout * self.x).sum(axis=1)
        self.bias.grad += dout.sum(axis=0)
        return dout * self.weight.value


@broken("wrong-formula", "input 0", (6, 4))
class ScaleDividesBack(right.Scale):
    def backward(self, dout):
        super().backward(dout)
        return dout / self.weight.value


@broken("wrong-scale", "s", (3, 4))
class TemperatureMean(right.Temperature):
    def backward(self, dout):
        self.s.grad += (dout * self.y).mean()
        return dout * np.exp(self.s.value)


@broken("missing-mask", "slope", (6, 4))
class PReLUSlopeEverywhere(right.PReLU):
    def backward(self, dout):
        self.slope.grad += (dout * self.x).sum(axis=0)
        return np.where(self.x > 0, dout, dout * self.slope.value)


@broken("inverted-mask", "slope", (6, 4))
class PReLUSlopeOfTheOtherSide(right.PReLU):
    def backward(self, dout):
        self.slope.grad += np.where(self.x > 0, dout * self.x, 0).sum(axis=0)
        return np.where(self.x > 0, dout, dout * self.slope.value)


# Element by element


@broken("missing-mask", "input 0", (4, 5))
@broken("missing-mask", "input 0", (2, 3, 4), dtype=np.float32)
class ReLUPassesAll(right.ReLU):
    def backward(self, dout):
        return dout.copy()


@broken("inverted-mask", "input 0", (4, 5))
class ReLUTheOtherWayRound(right.ReLU):
    def slope(self, x):
        return x <= 0


@broken("missing-mask|wrong-formula", "input 0", (4, 5))
class ReLUMaskOfUpstream(right.ReLU):
    def backward(self, dout):
        return dout * (dout > 0)


@broken("ignores-upstream", "input 0", (4, 5))
class ReLUSendsItsMask(right.ReLU):
    def backward(self, dout):
        return (self.x > 0).astype(dout.dtype)


@broken("mutates-input", "", (4, 5))
class ReLUInPlace(right.ReLU):
    def forward(self, x):
        self.x = np.array(x)
        x[x < 0] = 0
        return x.copy()


@broken("mutates-upstream", "", (4, 5))
@broken("mutates-upstream", "", (9,), dtype=np.float32)
class ReLUWritesIntoUpstream(right.ReLU):
    def backward(self, dout):
        dout[self.x <= 0] = 0
        return dout.copy()


@broken("zero-gradient", "input 0", (4, 5))
class ReLUSendsZeros(right.ReLU):
    def backward(self, dout):
        return np.zeros_like(dout)


@broken("wrong-formula", "input 0", (4, 5))
class LeakyReLUSlopeUpsideDown(right.LeakyReLU):
    def slope(self, x):
        return np.where(x > 0, 1, 8)


@broken("missing-mask|wrong-formula", "input 0", (4, 5))
class LeakyReLUPassesAll(right.LeakyReLU):
    def slope(self, x):
        return np.ones_like(x)


@broken("missing-mask", "input 0", (4, 6))
class ClipPassesAll(right.Clip):
    def backward(self, dout):
        return dout.copy()


@broken("inverted-mask", "input 0", (4, 6))
class ClipPassesOutside(right.Clip):
    def slope(self, x):
        return np.abs(x) >= 1


@broken("wrong-formula", "input 0", (4, 5))
class SigmoidOfTheWrongVariable(right.Sigmoid):
    def slope(self, x):
        return x * (1 - x)


@broken("wrong-formula", "input 0", (5,))
class SigmoidOfTheOutputAgain(right.Sigmoid):
    def slope(self, x):
        return super().slope(self.f(x))


@broken("wrong-formula|missing-term", "input 0", (4, 5))
class SigmoidHalfTheProduct(right.Sigmoid):
    def slope(self, x):
        return 1 - self.f(x)


@broken("ignores-upstream", "input 0", (4, 5))
class SigmoidWithoutUpstream(right.Sigmoid):
    def backward(self, dout):
        return self.slope(self.x)


@broken("wrong-formula", "input 0", (4, 5))
@broken("wrong-formula", "input 0", (4, 5), dtype=np.float32)
class TanhOfTheInput(right.Tanh):
    def slope(self, x):
        return 1 - x**2


@broken("wrong-formula", "input 0", (2, 3, 2))
class TanhNotSquared(right.Tanh):
    def slope(self, x):
        return 1 - np.tanh(x)


@broken("wrong-sign", "input 0", (4, 5))
class TanhMinus(right.Tanh):
    def slope(self, x):
        return np.tanh(x) ** 2 - 1


@broken("wrong-formula", "input 0", (4, 5))
class SoftplusMirrored(right.Softplus):
    def slope(self, x):
        return 1 - super().slope(x)


@broken("wrong-formula", "input 0", (4, 5))
class ELUWithoutAlpha(right.ELU):
    def slope(self, x):
        return np.where(x > 0, 1, np.exp(np.minimum(x, 0)))


@broken("missing-term|wrong-formula", "input 0", (4, 5))
class SwishWithoutProductRule(right.Swish):
    def slope(self, x):
        return 0.5 * (1 + np.tanh(0.5 * x))


@broken("wrong-scale", "input 0", (4, 5))
@broken("wrong-scale", "input 0", ())
class SquareWithoutTwo(right.Square):
    def slope(self, x):
        return x


@broken("wrong-formula", "input 0", (4, 5))
class CubeNotSquared(right.Cube):
    def slope(self, x):
        return 3 * x


@broken("wrong-formula", "input 0", (4, 5))
class ExpLikeAPower(right.Exp):
    def slope(self, x):
        return x * np.exp(x - 1)


@broken("wrong-formula", "input 0", between(0.5, 3, 4, 5))
class LogOfTheOutput(right.Log):
    def slope(self, x):
        return 1 / np.log(x + 1)


@broken("wrong-scale", "input 0", between(0.5, 3, 4, 5), dtype=np.float32)
class SqrtWithoutHalf(right.Sqrt):
    def slope(self, x):
        return 1 / np.sqrt(x)


@broken("wrong-sign", "input 0", (4, 5))
class AbsMinus(right.Abs):
    def slope(self, x):
        return -np.sign(x)


@broken("wrong-sign|wrong-formula|missing-mask", "input 0", (4, 5))
class AbsPassesAll(right.Abs):
    def slope(self, x):
        return np.ones_like(x)


@broken("wrong-formula", "input 0", (4, 5))
class SinNotCos(right.Sin):
    def slope(self, x):
        return np.sin(x)


@broken("non-finite", "", constant([[1.0, 800.0, -2.0], [0.5, -900.0, 0.1]]))
class NaiveSoftplus(right.Softplus):
    def f(self, x):
        with np.errstate(over="ignore"):
            return np.log(1 + np.exp(x))


@broken("non-finite", "", constant([[1.0, 0.0, 2.0], [0.5, 3.0, 0.1]]))
class LogOfZero(right.Log):
    def f(self, x):
        with np.errstate(divide="ignore"):
            return np.log(x)

    def slope(self, x):
        with np.errstate(divide="ignore"):
            return 1 / x


@broken("non-finite", "", constant([[1.0, 2.0, -1.0], [800.0, 0.0, 3.0]]))
class NaiveSoftmax(right.Softmax):
    def forward(self, x):
        with np.errstate(over="ignore", invalid="ignore"):
            e = np.exp(x)
            self.y = e / e.sum(axis=-1, keepdims=True)
        return self.y.copy()


@broken("non-finite", "input 0", constant([[1.0, 2.0, -1.0], [0.0, 0.0, 0.0]]))
class LengthOfZeros(right.Length):
    def backward(self, dout):
        with np.errstate(invalid="ignore"):
            return super().backward(dout)


@broken("aliases-output", "", (4, 5))
class ReLUReusesItsOutput(right.ReLU):
    def forward(self, x):
        self.x = np.array(x)
        if getattr(self, "y", np.empty(0)).shape != x.shape or self.y.dtype != x.dtype:
            self.y = np.empty_like(x)
        return np.maximum(x, 0, out=self.y)


@broken("aliases-output", "", (4, 5))
class TanhReusesItsGradient(right.Tanh):
    def backward(self, dout):
        if getattr(self, "dx", np.empty(0)).shape != dout.shape or self.dx.dtype != dout.dtype:
            self.dx = np.empty_like(dout)
        return np.multiply(dout, self.slope(self.x), out=self.dx)


@broken("dtype-changed", "input 0", (4, 5), dtype=np.float32)
class LeakyReLUDoubleGradient(right.LeakyReLU):
    def slope(self, x):
        return np.where(x > 0, np.float64(1), np.float64(1 / 8))


@broken("dtype-changed", "", (4, 5), dtype=np.float32)
class SquareTimesADouble(right.Square):
    def f(self, x):
        return x * x * np.float64(1)

    def backward(self, dout):
        return (dout * 2 * self.x).astype(self.x.dtype)


@broken("stale-cache", "", (4, 5))
class TanhOfTheFirstInput(right.Tanh):
    def forward(self, x):
        if "x" not in vars(self):
            self.x = np.array(x)
        return self.f(x)


@broken("stale-cache", "", (4, 5))
class RemembersAll(right.Tanh):
    def __init__(self, dtype=None):
        self.xs = []

    def forward(self, x):
        self.xs.append(np.array(x))
        return np.tanh(x)

    def backward(self, dout):
        return dout * self.slope(self.xs[0])


# Softmax


@broken("diagonal-only", "input 0", (4, 5))
@broken("diagonal-only", "input 0", (4, 3, 2), axis=0)
@broken("diagonal-only", "input 0", (6,), dtype=np.float32)
class SoftmaxDiagonal(right.Softmax):
    def backward(self, dout):
        return dout * self.y * (1 - self.y)


@broken("diagonal-only|missing-term", "input 0", (4, 5))
class SoftmaxLikeExp(right.Softmax):
    def backward(self, dout):
        return dout * self.y


@broken("wrong-axis", "input 0", (4, 5))
@broken("wrong-axis", "input 0", (3, 3))
class SoftmaxSumsOverSamples(right.Softmax):
    def backward(self, dout):
        return self.y * (dout - (dout * self.y).sum(axis=0, keepdims=True))


@broken("wrong-axis", "input 0", (4, 5))
class SoftmaxSumsOverAll(right.Softmax):
    def backward(self, dout):
        return self.y * (dout - (dout * self.y).sum())


@broken("wrong-sign", "input 0", (3, 4))
class SoftmaxMinus(right.Softmax):
    def backward(self, dout):
        return self.y * ((dout * self.y).sum(axis=-1, keepdims=True) - dout)


@broken("diagonal-only", "input 0", (4, 5))
class LogSoftmaxDiagonal(right.LogSoftmax):
    def backward(self, dout):
        return dout * (1 - self.p)


@broken("ignores-upstream|missing-term|wrong-formula", "input 0", (4, 5))
class LogSoftmaxSumOfOne(right.LogSoftmax):
    def backward(self, dout):
        return dout - self.p


# Dropout


@broken("missing-mask", "input 0", (5, 6))
class DropoutPassesAll(right.Dropout):
    def backward(self, dout):
        return dout / (1 - self.p)


@broken("wrong-scale", "input 0", (5, 6))
@broken("wrong-scale", "input 0", (5, 6), p=0.25, dtype=np.float32)
class DropoutWithoutScale(right.Dropout):
    def backward(self, dout):
        return dout * (self.mask > 0)


@broken("wrong-scale", "input 0", (5, 6))
class DropoutScalesTwice(right.Dropout):
    def backward(self, dout):
        return dout * self.mask / (1 - self.p)


@broken("inverted-mask", "input 0", (5, 6), p=0.4)
class DropoutPassesTheDropped(right.Dropout):
    def backward(self, dout):
        return dout * (self.mask == 0) / (1 - self.p)


@broken("nondeterministic", "", (5, 6))
class DropoutDrawsAgain(right.Dropout):
    def backward(self, dout):
        return dout * (self.rng.random(dout.shape) >= self.p) / (1 - self.p)


@broken("nondeterministic", "", (5, 6))
class DropoutByTheWind(right.Dropout):
    def forward(self, x):
        self.rng = np.random.default_rng()
        return super().forward(x)


@broken("stale-cache", "", (5, 6))
class DropoutFirstMask(right.Dropout):
    def forward(self, x):
        y = super().forward(x)
        if not hasattr(self, "first"):
            self.first = self.mask
        return y

    def backward(self, dout):
        return dout * self.first


# Normalization


@broken("missing-term|diagonal-only", "input 0", (6, 4))
class BatchNormStatisticsAreConstants(right.BatchNorm):
    def backward(self, dout):
        super().backward(dout)
        return dout * self.gamma.value / self.std


@broken("missing-term", "input 0", (6, 4))
class BatchNormWithoutTheMean(right.BatchNorm):
    def backward(self, dout):
        super().backward(dout)
        du = dout * self.gamma.value
        return (du - self.u * (du * self.u).mean(axis=0)) / self.std


@broken("missing-term", "input 0", (6, 4), dtype=np.float32)
class BatchNormWithoutTheVariance(right.BatchNorm):
    def backward(self, dout):
        super().backward(dout)
        du = dout * self.gamma.value
        return (du - du.mean(axis=0)) / self.std


@broken("wrong-formula|wrong-scale", "input 0", (6, 4))
class BatchNormWithoutGamma(right.BatchNorm):
    def backward(self, dout):
        self.gamma.grad += (dout * self.u).sum(axis=0)
        self.beta.grad += dout.sum(axis=0)
        return (dout - dout.mean(axis=0) - self.u * (dout * self.u).mean(axis=0)) / self.std


@broken("wrong-scale", "beta", (6, 4))
class BatchNormBetaMean(right.BatchNorm):
    def backward(self, dout):
        self.gamma.grad += (dout * self.u).sum(axis=0)
        self.beta.grad += dout.mean(axis=0)
        du = dout * self.gamma.value
        return (du - du.mean(axis=0) - self.u * (du * self.u).mean(axis=0)) / self.std


@broken("wrong-formula|missing-term", "gamma", (6, 4))
class BatchNormGammaWithoutInput(right.BatchNorm):
    def backward(self, dout):
        self.gamma.grad += dout.sum(axis=0)
        self.beta.grad += dout.sum(axis=0)
        du = dout * self.gamma.value
        return (du - du.mean(axis=0) - self.u * (du * self.u).mean(axis=0)) / self.std


@broken("wrong-axis|wrong-formula", "input 0", (5, 4))
class LayerNormMeansOverSamples(right.LayerNorm):
    def backward(self, dout):
        super().backward(dout)
        du = dout * self.gamma.value
        return (du - du.mean(axis=0) - self.u * (du * self.u).mean(axis=0)) / self.std


@broken("missing-term", "input 0", (5, 4))
@broken("missing-term", "input 0", (2, 3, 4), name="LayerNormWithoutTheMean_on_sequences")
class LayerNormWithoutTheMean(right.LayerNorm):
    def backward(self, dout):
        self.gamma.grad += (dout * self.u).reshape(-1, dout.shape[-1]).sum(axis=0)
        self.beta.grad += dout.reshape(-1, dout.shape[-1]).sum(axis=0)
        du = dout * self.gamma.value
        return (du - self.u * (du * self.u).mean(axis=-1, keepdims=True)) / self.std


@broken("missing-term|diagonal-only", "input 0", (5, 4))
class UnitLengthIsConstant(right.Unit):
    def backward(self, dout):
        return dout / self.length


# Losses


@broken("wrong-scale", "input 0", (5, 3), (5, 3))
class SquaredErrorWithoutTwo(right.SquaredError):
    def backward(self, dout=1.0):
        return dout * self.difference / self.difference.size


@broken("wrong-scale", "input 0", (5, 3), (5, 3))
class SquaredErrorByRows(right.SquaredError):
    def backward(self, dout=1.0):
        return dout * 2 * self.difference / len(self.difference)


@broken("wrong-scale", "input 0", (5, 3), (5, 3), dtype=np.float32)
class SquaredErrorNotDivided(right.SquaredError):
    def backward(self, dout=1.0):
        return dout * 2 * self.difference


@broken("wrong-sign", "input 0", (5, 3), (5, 3))
class SquaredErrorTargetFirst(right.SquaredError):
    def backward(self, dout=1.0):
        return dout * -2 * self.difference / self.difference.size


@broken("ignores-upstream", "input 0", (5, 3), (5, 3))
class SquaredErrorWithoutUpstream(right.SquaredError):
    def backward(self, dout=1.0):
        return 2 * self.difference / self.difference.size


@broken("wrong-shape|missing-batch-sum", "input 0", (5, 1), (5,))
class SquaredErrorOfAColumnAndARow(right.SquaredError):
    pass


@broken("missing-term", "input 0", (6, 4), classes(6, 4))
class CrossEntropyWithoutTheTarget(right.CrossEntropy):
    def backward(self, dout=1.0):
        return dout * self.p / len(self.p)


@broken("wrong-scale", "input 0", (6, 4), classes(6, 4))
class CrossEntropyNotDivided(right.CrossEntropy):
    def backward(self, dout=1.0):
        return super().backward(dout) * len(self.p)


@broken("wrong-scale", "input 0", (6, 4), classes(6, 4))
class CrossEntropyDividedByClasses(right.CrossEntropy):
    def backward(self, dout=1.0):
        return super().backward(dout) / self.p.shape[1]


@broken("ignores-upstream", "input 0", (6, 4), classes(6, 4), dtype=np.float32)
class CrossEntropyWithoutUpstream(right.CrossEntropy):
    def backward(self, dout=1.0):
        return super().backward(1.0)


@broken("wrong-sign", "input 0", (6, 4), classes(6, 4))
class CrossEntropyTargetMinusProbability(right.CrossEntropy):
    def backward(self, dout=1.0):
        return -super().backward(dout)


@broken("non-finite", "", constant([[800.0, 0.0, 1.0], [2.0, 1.0, 0.5]]), lambda rng: np.array([1, 0]))
class CrossEntropyOfTheLog(right.CrossEntropy):
    def forward(self, y, t):
        super().forward(y, t)
        with np.errstate(divide="ignore"):
            return float(-np.log(self.p[np.arange(len(t)), t]).mean())


@broken("wrong-formula", "input 0", (5, 3), between(0.1, 0.9, 5, 3))
class BinaryCrossEntropyOfTheLogit(right.BinaryCrossEntropy):
    def backward(self, dout=1.0):
        return dout * (self.p - self.t) * self.p * (1 - self.p) / self.t.size


@broken("wrong-formula", "input 0", (5, 3), (5, 3))
class AbsoluteErrorLikeSquared(right.AbsoluteError):
    def backward(self, dout=1.0):
        return dout * self.difference / self.difference.size


@broken("missing-mask|wrong-formula", "input 0", (5, 3), (5, 3))
class HuberNeverLinear(right.Huber):
    def backward(self, dout=1.0):
        return dout * self.d


@broken("missing-mask", "input 0", (4, 5), signs(4, 5))
class HingePassesAll(right.Hinge):
    def backward(self, dout=1.0):
        return dout * -self.t / self.t.size


# Values that go several ways


@broken("missing-term", "input 0", (5, 4))
class BlockForgetsTheSkip(right.DenseBlock):
    def backward(self, dout):
        da = dout * (1 - self.h**2)
        self.weight.grad += self.x.T @ da
        return da @ self.weight.value.T


@broken("missing-term", "input 0", (5, 4), dtype=np.float32)
class BlockForgetsTheBranch(right.DenseBlock):
    def backward(self, dout):
        da = dout * (1 - self.h**2)
        self.weight.grad += self.x.T @ da
        return dout.copy()


@broken("double-counted", "input 0", (5, 4))
class BlockCountsTheSkipTwice(right.DenseBlock):
    def backward(self, dout):
        da = dout * (1 - self.h**2)
        self.weight.grad += self.x.T @ da
        return dout + dout + da @ self.weight.value.T


@broken("double-counted", "input 0", (6, 5))
class BottleneckCountsTheBranchTwice(right.Bottleneck):
    def backward(self, dout):
        inner = self.down.backward(self.relu.backward(self.up.backward(dout)))
        return dout + inner + inner


@broken("missing-term", "input 0", (6, 5))
class BottleneckForgetsTheSkip(right.Bottleneck):
    def backward(self, dout):
        return self.down.backward(self.relu.backward(self.up.backward(dout)))


@broken("missing-term", "weight", (6, 5))
class TiedDecoderForgotten(right.TiedAutoencoder):
    def backward(self, dout):
        da = (dout @ self.weight.value) * (1 - self.code**2)
        self.weight.grad += self.x.T @ da
        return da @ self.weight.value.T


@broken("missing-term", "weight", (6, 5))
class TiedEncoderForgotten(right.TiedAutoencoder):
    def backward(self, dout):
        self.weight.grad += dout.T @ self.code
        da = (dout @ self.weight.value) * (1 - self.code**2)
        return da @ self.weight.value.T


@broken("missing-term", "weight", (4, 3, 3))
class RecurrentLastStepOnly(right.Recurrent):
    def backward(self, dout):
        dx, dh = [], dout
        for after in self.h[:0:-1]:
            dx.append(dh * (1 - after**2))
            dh = dx[-1] @ self.weight.value.T
        self.weight.grad += self.h[-2].T @ dx[0]
        return np.stack(dx[::-1], axis=1)


@broken("missing-transpose", "input 0", (4, 3, 3))
class RecurrentNotTransposed(right.Recurrent):
    def backward(self, dout):
        true, dx, dh = dout, [], dout
        for before, after in zip(self.h[-2::-1], self.h[:0:-1], strict=True):
            self.weight.grad += before.T @ (true * (1 - after**2))
            true = true * (1 - after**2) @ self.weight.value.T
            dx.append(dh * (1 - after**2))
            dh = dx[-1] @ self.weight.value
        return np.stack(dx[::-1], axis=1)


# Several inputs


@broken("swapped", "input 0|input 1", (4, 5), (4, 5))
class ProductOfItself(right.Product):
    def backward(self, dout):
        return dout * self.a, dout * self.b


@broken("swapped", "input 0|input 1", (4, 5), (5, 3))
class MatrixProductSwapped(right.MatrixProduct):
    def backward(self, dout):
        return super().backward(dout)[::-1]


@broken("missing-transpose", "input 0", (4, 4), (4, 4))
class MatrixProductLeft(right.MatrixProduct):
    def backward(self, dout):
        return dout @ self.b, self.a.T @ dout


@broken("missing-transpose", "input 1", (4, 4), (4, 4), dtype=np.float32)
class MatrixProductRight(right.MatrixProduct):
    def backward(self, dout):
        return dout @ self.b.T, self.a @ dout


@broken("wrong-sign", "input 1", (4, 5), (4, 5))
class DifferenceLikeASum(right.Difference):
    def backward(self, dout):
        return dout.copy(), dout.copy()


@broken("swapped", "input 0|input 1", (4, 5), (4, 5))
class DifferenceSwapped(right.Difference):
    def backward(self, dout):
        return -dout, dout.copy()


@broken("wrong-sign", "input 1", (3, 4), between(0.5, 2, 3, 4))
class QuotientWithoutMinus(right.Quotient):
    def backward(self, dout):
        return dout / self.b, dout * self.a / self.b**2


@broken("wrong-formula", "input 1", (3, 4), between(0.5, 2, 3, 4))
class QuotientNotSquared(right.Quotient):
    def backward(self, dout):
        return dout / self.b, -dout * self.a / self.b


@broken("missing-batch-sum", "input 1", (4, 3), (3,))
class AddRowNotSummed(right.AddRow):
    def backward(self, dout):
        return dout.copy(), dout.copy()


@broken("wrong-axis", "input 1", (4, 4), (4,))
class AddRowSummedOverFeatures(right.AddRow):
    def backward(self, dout):
        return dout.copy(), dout.sum(axis=1)


@broken("missing-batch-sum|wrong-shape", "input 1", (4, 3), (4, 1))
class TimesColumnNotSummed(right.TimesColumn):
    def backward(self, dout):
        return dout * self.b, dout * self.a


@broken("wrong-shape", "input 1", (4, 3), (4, 1))
class TimesColumnLosesItsAxis(right.TimesColumn):
    def backward(self, dout):
        return dout * self.b, (dout * self.a).sum(axis=1)


@broken("wrong-scale", "input 1", (4, 3), (4, 1))
class TimesColumnMean(right.TimesColumn):
    def backward(self, dout):
        return dout * self.b, (dout * self.a).mean(axis=1, keepdims=True)


@broken("missing-gradient", "input 0", (3, 4), (3, 4), (3, 4))
class GateHasNoGradient(right.Gate):
    def backward(self, dout):
        return None, dout * self.g, dout * (1 - self.g)


@broken("swapped", "input 1|input 2", (3, 4), (3, 4), (3, 4))
class GateSwapped(right.Gate):
    def backward(self, dout):
        return dout * self.difference, dout * (1 - self.g), dout * self.g


@broken("missing-gradient", "input 1", (3, 4), (3, 4))
class LargerSendsOneBack(right.Larger):
    def backward(self, dout):
        return dout * (self.a >= self.b)


@broken("missing-mask", "input 1", (3, 4), (3, 4))
class LargerSendsAllRight(right.Larger):
    def backward(self, dout):
        return dout * (self.a >= self.b), dout.copy()


@broken("inverted-mask|swapped", "input 0|input 1", (3, 4), (3, 4))
class LargerSendsToTheSmaller(right.Larger):
    def backward(self, dout):
        return dout * (self.a < self.b), dout * (self.a >= self.b)


@broken("wrong-scale", "input 0", (3, 4), (5, 4), (5, 2))
class AttentionQueryNotDivided(right.Attention):
    def backward(self, dout):
        dq, dk, dv = super().backward(dout)
        return dq * self.root, dk, dv


@broken("diagonal-only|missing-term|wrong-formula", "input 0|input 1", (3, 4), (5, 4), (5, 2))
class AttentionSoftmaxDiagonal(right.Attention):
    def backward(self, dout):
        ds = self.p * (1 - self.p) * (dout @ self.v.T) / self.root
        return ds @ self.k, ds.T @ self.q, self.p.T @ dout


@broken("missing-term|wrong-formula", "input 0|input 1", (3, 4), (5, 4), (5, 2))
class AttentionSumForgotten(right.Attention):
    def backward(self, dout):
        ds = self.p * (dout @ self.v.T) / self.root
        return ds @ self.k, ds.T @ self.q, self.p.T @ dout


@broken("wrong-scale", "input 1", (3, 4), (5, 4), (5, 2))
class AttentionKeyNotDivided(right.Attention):
    def backward(self, dout):
        dq, dk, dv = super().backward(dout)
        return dq, dk * self.root, dv


@broken("missing-transpose", "weight", (6, 3), (6, 3), n_a=3, n_b=3)
class BilinearTransposed(right.Bilinear):
    def backward(self, dout):
        self.weight.grad += np.einsum("n,ni,nj->ji", dout, self.a, self.b)
        return dout[:, None] * (self.b @ self.weight.value.T), dout[:, None] * (self.a @ self.weight.value)


@broken("swapped", "input 0|input 1", (3, 4), (3, 4))
class BesideSwapped(right.Beside):
    def backward(self, dout):
        n = self.b.shape[-1]
        return dout[..., n:].copy(), dout[..., :n].copy()


@broken("zero-gradient", "input 1", (3, 4), (3, 2))
class BesideForgetsTheRight(right.Beside):
    def backward(self, dout):
        return dout[..., : self.a.shape[-1]].copy(), np.zeros_like(self.b)


# Reductions and choices


@broken("wrong-scale", "input 0", (5, 4))
class MeanLikeASum(right.Mean):
    def backward(self, dout):
        return super().backward(dout) * self.shape[self.axis]


@broken("wrong-axis|missing-transpose", "input 0", (4, 4))
class TotalSpreadOverSamples(right.Total):
    def backward(self, dout):
        return np.broadcast_to(dout, self.shape).copy()


@broken("wrong-shape", "input 0", (5, 4))
class TotalNotSpread(right.Total):
    def backward(self, dout):
        return dout[:, None].copy()


@broken("missing-mask", "input 0", (5, 4))
class MaxSendsToAll(right.Max):
    def backward(self, dout):
        return np.broadcast_to(dout[..., None], self.shape).copy()


@broken("wrong-formula", "input 0", (5, 4))
class MaxSendsToTheFirst(right.Max):
    def backward(self, dout):
        dx = np.zeros(self.shape, dout.dtype)
        dx[:, 0] = dout
        return dx


@broken("inverted-mask", "input 0", (5, 6))
class MaxPoolSendsToTheSmaller(right.MaxPool):
    def forward(self, x):
        y = super().forward(x)
        self.left = ~self.left
        return y


@broken("wrong-scale", "input 0", (2, 3, 6))
class AveragePoolLikeASum(right.AveragePool):
    def backward(self, dout):
        return np.repeat(dout, 2, axis=-1)


@broken("wrong-formula", "input 0", (5, 4))
class LogSumExpEvenly(right.LogSumExp):
    def backward(self, dout):
        return np.full_like(self.p, 1 / self.p.shape[-1]) * dout[..., None]


@broken("wrong-scale", "input 0", (5, 4))
class VarianceByOneLess(right.Variance):
    def backward(self, dout):
        n = self.deviation.shape[-1]
        return super().backward(dout) * n / (n - 1)


@broken("missing-transpose|wrong-formula", "input 0", (3, 5))
class RunningTotalForwards(right.RunningTotal):
    def backward(self, dout):
        return dout.cumsum(axis=-1)


@broken("missing-term|not-accumulated", "input 0", (4, 3))
class TakeLosesTheSecond(right.Take):
    def backward(self, dout):
        dx = np.zeros(self.shape, dout.dtype)
        dx[:, self.index] += dout
        return dx


@broken("missing-term|not-accumulated", "table", lambda rng: np.array([0, 2, 2, 1, 0, 2]))
class EmbeddingLosesTheSecond(right.Embedding):
    def backward(self, dout):
        self.table.grad[self.index] += dout
        return ()


@broken("not-accumulated", "table", lambda rng: np.array([0, 2, 3]))
class EmbeddingAssigns(right.Embedding):
    def backward(self, dout):
        self.table.grad[self.index] = dout
        return ()


@broken("wrong-formula", "table", lambda rng: np.array([0, 2, 2, 1]))
class EmbeddingOneRowLater(right.Embedding):
    def backward(self, dout):
        np.add.at(self.table.grad, self.index + 1, dout)
        return ()


@broken("missing-term|not-accumulated", "input 0", (4, 3), lambda rng: np.array([3, 1, 1, 0, 3]))
class GatherLosesTheSecond(right.GatherRows):
    def backward(self, dout):
        dx = np.zeros(self.shape, dout.dtype)
        dx[self.index] = dout
        return dx


@broken("wrong-formula|missing-transpose", "input 0", (3, 4))
class FlipNotFlippedBack(right.Flip):
    def backward(self, dout):
        return dout.copy()


@broken("wrong-formula|missing-transpose", "input 0", (3, 5))
class ShiftToTheRightAgain(right.Shift):
    def backward(self, dout):
        return self.forward(dout)


@broken("missing-transpose|wrong-axis", "input 0", (3, 3, 3))
@broken("missing-transpose|wrong-axis|wrong-shape", "input 0", (2, 3, 4))
class RotateOnwards(right.Rotate):
    def backward(self, dout):
        return dout.transpose(1, 2, 0).copy()


@broken("missing-batch-sum|wrong-shape|wrong-axis", "bias", (2, 2, 6))
class ConvolutionBiasSummedOverSamplesAlone(right.Convolution):
    def backward(self, dout):
        dx = np.zeros_like(self.x)
        for k in range(self.width):
            part = np.einsum("nfl,ncl->fc", dout, self.x[:, :, k : k + self.length])
            self.weight.grad[:, :, k] += part
            dx[:, :, k : k + self.length] += np.einsum("nfl,fc->ncl", dout, self.weight.value[:, :, k])
        self.bias.grad += dout.sum(axis=0)
        return dx


@broken("wrong-scale", "weight", (4, 2, 6))
class ConvolutionWeightMean(right.Convolution):
    def backward(self, dout):
        dx = np.zeros_like(self.x)
        for k in range(self.width):
            part = np.einsum("nfl,ncl->fc", dout, self.x[:, :, k : k + self.length])
            self.weight.grad[:, :, k] += part / len(dout)
            dx[:, :, k : k + self.length] += np.einsum("nfl,fc->ncl", dout, self.weight.value[:, :, k])
        self.bias.grad += dout.sum(axis=(0, 2))
        return dx


@broken("missing-term", "input 0", (2, 2, 6))
class ConvolutionFirstTapOnly(right.Convolution):
    def backward(self, dout):
        super().backward(dout)
        dx = np.zeros_like(self.x)
        dx[:, :, : self.length] = np.einsum("nfl,fc->ncl", dout, self.weight.value[:, :, 0])
        return dx


@broken("wrong-formula|wrong-axis|missing-transpose", "weight", (2, 2, 6))
class ConvolutionKernelFlipped(right.Convolution):
    def backward(self, dout):
        dx = np.zeros_like(self.x)
        for k in range(self.width):
            part = np.einsum("nfl,ncl->fc", dout, self.x[:, :, k : k + self.length])
            self.weight.grad[:, :, -1 - k] += part
            dx[:, :, k : k + self.length] += np.einsum("nfl,fc->ncl", dout, self.weight.value[:, :, k])
        self.bias.grad += dout.sum(axis=(0, 2))
        return dx


@broken("zero-gradient", "input 0", (3, 6))
class HalvesSendZeros(right.Halves):
    def backward(self, dout):
        return np.zeros_like(np.concatenate(dout, axis=-1))


@broken("missing-term", "weight", (4, 3))
class PenaltyForgotten(right.Penalty):
    def backward(self, dout):
        self.weight.grad += (dout[0] * self.x).sum(axis=0)
        return dout[0] * self.weight.value


# Two mistakes in one layer


@broken("wrong-scale, wrong-sign", "bias, weight", (7, 5))
class TwoDenseMeanAndSign(right.Dense):
    def backward(self, dout):
        self.weight.grad -= self.x.T @ dout
        self.bias.grad += dout.mean(axis=0)
        return dout @ self.weight.value.T


@broken("missing-transpose, not-accumulated", "weight, bias", (7, 4), n_in=4, n_out=4)
class TwoDenseTransposedAndAssigned(right.Dense):
    def backward(self, dout):
        self.weight.grad += dout.T @ self.x
        self.bias.grad = dout.sum(axis=0)
        return dout @ self.weight.value.T


@broken("not-accumulated, missing-gradient", "weight, input 0", (7, 5))
class TwoDenseAssignedAndNoReturn(right.Dense):
    def backward(self, dout):
        self.weight.grad = self.x.T @ dout
        self.bias.grad += dout.sum(axis=0)


@broken("mutates-input, missing-transpose", ", input 0", (7, 4), n_in=4, n_out=4)
class TwoDenseInPlaceAndTransposed(right.Dense):
    def forward(self, x):
        x *= 0.5
        return super().forward(x)

    def backward(self, dout):
        super().backward(dout)
        return 0.5 * dout @ self.weight.value


@broken("mutates-parameters, wrong-scale", ", bias", (7, 5))
class TwoDenseLearnsAndMeans(right.Dense):
    def backward(self, dout):
        dw = self.x.T @ dout
        self.weight.grad += dw
        self.bias.grad += dout.mean(axis=0)
        dx = dout @ self.weight.value.T
        self.weight.value -= 0.1 * dw
        return dx


@broken("missing-mask, mutates-input", "input 0, ", (4, 5))
class TwoReLUInPlaceWithoutMask(right.ReLU):
    def forward(self, x):
        x[x < 0] = 0
        return x.copy()

    def backward(self, dout):
        return dout.copy()


@broken("wrong-formula, mutates-upstream", "input 0, ", (4, 5))
class TwoSigmoidWrongAndInPlace(right.Sigmoid):
    def backward(self, dout):
        dout *= self.x * (1 - self.x)
        return dout.copy()


@broken("swapped, dtype-changed", "input 0|input 1, ", (4, 5), (4, 5), dtype=np.float32)
class TwoProductSwappedAndDouble(right.Product):
    def backward(self, dout):
        return (dout * self.a).astype(np.float64), (dout * self.b).astype(np.float64)


@broken("wrong-sign, missing-batch-sum|wrong-shape", "input 1, input 1", (4, 3), (3,))
class TwoDifferenceOfARow(right.Difference):
    def backward(self, dout):
        return dout.copy(), dout.copy()


@broken("missing-term|diagonal-only, wrong-scale", "input 0, beta", (6, 4))
class TwoBatchNormConstantsAndMean(right.BatchNorm):
    def backward(self, dout):
        self.gamma.grad += (dout * self.u).sum(axis=0)
        self.beta.grad += dout.mean(axis=0)
        return dout * self.gamma.value / self.std


@broken("wrong-scale, mutates-upstream", "input 0, ", (5, 6))
class TwoDropoutNoScaleInPlace(right.Dropout):
    def backward(self, dout):
        dout *= self.mask > 0
        return dout.copy()


@broken("diagonal-only, dtype-changed", "input 0, ", (4, 5), dtype=np.float32)
class TwoSoftmaxDiagonalAndDouble(right.Softmax):
    def backward(self, dout):
        return (dout * self.y * (1 - self.y)).astype(np.float64)


@broken("wrong-sign, ignores-upstream", "input 0, input 0", (5, 3), (5, 3))
class TwoSquaredErrorSignAndUpstream(right.SquaredError):
    def backward(self, dout=1.0):
        return -2 * self.difference / self.difference.size


@broken("missing-term, ignores-upstream", "input 0, input 0", (6, 4), classes(6, 4))
class TwoCrossEntropyTargetAndUpstream(right.CrossEntropy):
    def backward(self, dout=1.0):
        return self.p / len(self.p)


@broken("not-accumulated, wrong-scale", "table, table", lambda rng: np.array([0, 2, 3]))
class TwoEmbeddingAssignsAndMeans(right.Embedding):
    def backward(self, dout):
        self.table.grad[self.index] = dout / len(dout)
        return ()


@broken("missing-term, wrong-sign", "input 0, weight", (5, 4))
class TwoBlockSkipAndSign(right.DenseBlock):
    def backward(self, dout):
        da = dout * (1 - self.h**2)
        self.weight.grad -= self.x.T @ da
        return da @ self.weight.value.T


@broken("wrong-formula, aliases-output", "input 0, ", (4, 5))
class TwoTanhWrongAndReused(right.Tanh):
    def forward(self, x):
        self.x = np.array(x)
        if getattr(self, "y", np.empty(0)).shape != x.shape or self.y.dtype != x.dtype:
            self.y = np.empty_like(x)
        return np.tanh(x, out=self.y)

    def slope(self, x):
        return 1 - np.tanh(x)


@broken("wrong-sign, stale-cache", "input 0, ", (4, 5))
class TwoTanhMinusAndStale(right.Tanh):
    def forward(self, x):
        if "x" not in vars(self):
            self.x = np.array(x)
        return self.f(x)

    def slope(self, x):
        return np.tanh(x) ** 2 - 1


@broken("wrong-scale, wrong-sign", "bias, weight", (4, 2, 6))
class TwoConvolutionMeanAndSign(right.Convolution):
    def backward(self, dout):
        dx = np.zeros_like(self.x)
        for k in range(self.width):
            part = np.einsum("nfl,ncl->fc", dout, self.x[:, :, k : k + self.length])
            self.weight.grad[:, :, k] -= part
            dx[:, :, k : k + self.length] += np.einsum("nfl,fc->ncl", dout, self.weight.value[:, :, k])
        self.bias.grad += dout.sum(axis=2).mean(axis=0)
        return dx


@broken("wrong-axis, ignores-upstream", "weight, input 0", (6, 4))
class TwoScaleAllAndUpstream(right.Scale):
    def backward(self, dout):
        self.weight.grad += (dout * self.x).sum()
        self.bias.grad += dout.sum(axis=0)
        return np.tile(self.weight.value, (len(dout), 1))


@broken("missing-gradient, wrong-sign", "input 1, input 0", (3, 4), (3, 4), (3, 4))
class TwoGateNoneAndSign(right.Gate):
    def backward(self, dout):
        return -dout * self.difference, None, dout * (1 - self.g)


@broken("wrong-formula, wrong-sign", "input 0, input 1", (3, 4), between(0.5, 2, 3, 4))
class TwoQuotientTimesAndSign(right.Quotient):
    def backward(self, dout):
        return dout * self.b, dout * self.a / self.b**2


@broken("zero-gradient|missing-gradient, double-counted|wrong-scale", "gamma, beta", (5, 4))
class TwoLayerNormGammaAndBeta(right.LayerNorm):
    def backward(self, dout):
        self.beta.grad += dout.sum(axis=0)
        du = dout * self.gamma.value
        dx = du - du.mean(axis=-1, keepdims=True) - self.u * (du * self.u).mean(axis=-1, keepdims=True)
        self.beta.grad += dout.sum(axis=0)
        return dx / self.std


@broken("wrong-scale, mutates-upstream", "input 0, ", (5, 4))
class TwoMeanLikeASumInPlace(right.Mean):
    def backward(self, dout):
        dx = np.broadcast_to(np.expand_dims(dout, self.axis), self.shape).copy()
        dout /= self.shape[self.axis]
        return dx


@broken("missing-mask, nondeterministic", "slope, ", (6, 4))
class TwoPReLUEverywhereAndNoise(right.PReLU):
    def backward(self, dout):
        self.slope.grad += (dout * self.x).sum(axis=0)
        noise = np.random.default_rng().normal(1, 0.1, size=dout.shape)
        return np.where(self.x > 0, dout, dout * self.slope.value) * noise


ONE_MISTAKE = [case for case in CASES if len(case.mistakes) == 1]
TWO_MISTAKES = [case for case in CASES if len(case.mistakes) > 1]


# A broken layer among sound ones


def affine(n_in, n_out, dtype, seed=0):
    """Return one of netlib's own."""
    return nl.Affine(n_in, n_out, rng=seed, dtype=dtype)


def diamond(make_left):
    """Return a maker of a graph: the left and the right branch of tanh(x W), added up."""

    def make(dtype):
        x = nl.Input("x")
        h = nl.Tanh()(affine(5, 4, dtype)(x))
        return nl.Graph([x], [make_left(dtype)(h) + nl.Sigmoid()(h)])

    return make


def nested(name, mistakes, places, make, dtype=np.float64):
    """Return a case of a container that takes an x of shape (7, 5)."""
    split = [tuple(frozenset(part.split("|")) for part in text.split(", ")) for text in (mistakes, places)]
    return Case(name, make, {}, ((7, 5),), dtype, *split)


NESTED = [
    nested("bias in the middle", "wrong-scale", "1.bias|1: bias",
           lambda dtype: nl.Sequential(affine(5, 4, dtype), BiasMean(4, 3, dtype), nl.Tanh(), affine(3, 2, dtype))),
    nested("weight at the end", "not-accumulated", "2.weight|2: weight",
           lambda dtype: nl.Sequential(affine(5, 4, dtype), nl.ReLU(), WeightAssigned(4, 3, dtype))),
    nested("activation in the middle", "missing-mask", "1: input 0",
           lambda dtype: nl.Sequential(affine(5, 4, dtype), ReLUPassesAll(), affine(4, 3, dtype))),
    nested("activation at the beginning", "wrong-sign", "0: input 0|input 0",
           lambda dtype: nl.Sequential(TanhMinus(), affine(5, 4, dtype), nl.ReLU())),
    nested("softmax at the end", "diagonal-only", "1: input 0",
           lambda dtype: nl.Sequential(affine(5, 4, dtype), SoftmaxDiagonal())),
    nested("dropout in float32", "wrong-scale", "1: input 0", dtype=np.float32,
           make=lambda dtype: nl.Sequential(affine(5, 6, dtype), DropoutWithoutScale(), nl.Tanh())),
    nested("activation in a residual", "inverted-mask", "layer.1: input 0",
           lambda dtype: nl.Residual(nl.Sequential(affine(5, 5, dtype), ReLUTheOtherWayRound()))),
    nested("activation three containers deep", "wrong-formula", "0.1.0: input 0",
           lambda dtype: nl.Sequential(nl.Sequential(affine(5, 4, dtype), nl.Sequential(TanhNotSquared())), affine(4, 2, dtype))),
    nested("two layers of a chain", "missing-mask, wrong-scale", "1: input 0, 2.bias|2: bias",
           lambda dtype: nl.Sequential(affine(5, 4, dtype), ReLUPassesAll(), BiasMean(4, 3, dtype))),
    nested("block of a chain", "missing-term", "1: input 0",
           lambda dtype: nl.Sequential(affine(5, 4, dtype), BlockForgetsTheSkip(4, dtype), nl.Tanh())),
]  # fmt: skip
