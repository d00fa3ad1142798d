"""check_layer: each of its rules is broken by a layer that breaks nothing else."""

import copy
import re
import sys
import threading
from contextlib import suppress

import numpy as np
import pytest

import netlib as nl
from netlib.testing import check_layer
from netlib.testing.interleaving import run_interrupted
from netlib.testing.rules import RULES

X = np.random.default_rng(3).normal(size=(4, 3))


class Scale(nl.Layer):
    """y = x · weight: a user's layer that keeps every rule."""

    def __init__(self, weight=(1.5, -2.0, 0.5)):
        self.weight = nl.Parameter(np.array(weight))

    def forward(self, x):
        x = np.array(x, self.weight.dtype)
        if x.shape[-1:] != self.weight.shape:
            raise nl.ShapeError(f"got x of shape {x.shape}, wanted (…, {self.weight.size})", where=self)
        self.x = x
        return x * self.weight.value

    def backward(self, dout):
        x = self.checked(dout)
        self.weight.grad += (dout * x).sum(axis=tuple(range(x.ndim - 1)))
        return dout * self.weight.value

    def checked(self, dout):
        if not hasattr(self, "x"):
            raise nl.OrderError("backward came before any forward", where=self)
        if dout.shape != self.x.shape:
            raise nl.ShapeError(f"got dout of shape {dout.shape}, wanted {self.x.shape}", where=self)
        return self.x


class Square(nl.Layer):
    """y = x²: a user's layer without parameters that keeps every rule."""

    def forward(self, x):
        x = np.array(x)
        self.x = x
        return x * x

    def backward(self, dout):
        return 2 * dout * self.checked(dout)

    checked = Scale.checked


def failures(layer, *inputs, **options):
    """Return the names of the rules that an AssertionError lists, and its text."""
    with pytest.raises(AssertionError) as caught:
        check_layer(layer, *inputs, **options)
    text = str(caught.value)
    return re.findall(r"^  (?! |The )(.+)$", text, re.MULTILINE), text


# One layer for each rule, that breaks it and no other


class SharesItsWeight(Scale):
    def __deepcopy__(self, memo):
        twin = SharesItsWeight()
        twin.weight = self.weight
        return twin


class ForgetsToReturn(Square):
    def backward(self, dout):
        super().backward(dout)


class DrawsUnseeded(Square):
    def forward(self, x):
        y = super().forward(x)
        self.x = self.x * np.random.default_rng().choice([1.0, 2.0], size=x.shape)
        return y


class MaskOnlyInTraining(Square):
    def forward(self, x):
        y = super().forward(x)
        if self.training:
            self.factor = 2.0
        return y

    def backward(self, dout):
        x = self.checked(dout)
        return self.factor * dout * x


class DrawsInEvaluation(Square):
    def __init__(self):
        self.rng = np.random.default_rng(0)

    def forward(self, x):
        x = np.array(x)
        factor = self.rng.choice([1.0, 2.0, 4.0], size=x.shape).astype(np.result_type(x, np.float16))
        self.x, self.factor = x, factor
        return factor * x * x

    def backward(self, dout):
        return super().backward(dout) * self.factor


class ReadsItselfWhileComputing(Square):
    def forward(self, x):
        self.x = np.array(x)
        return self.x * self.x


class MakesFloat64(Square):
    def forward(self, x):
        return super().forward(x) * np.ones(1)

    def backward(self, dout):
        return super().backward(dout) * np.ones(1)


class FillsAnArrayLikeX(Square):
    def forward(self, x):
        y = np.empty_like(x)
        y[...] = super().forward(x) * 0.5
        return y

    def backward(self, dout):
        return super().backward(dout) * 0.5


class GoesByMemory(Square):
    def forward(self, x):
        return super().forward(x.ravel(order="K").reshape(x.shape))


class BorrowsX(Square):
    def forward(self, x):
        np.negative(x, out=x)
        y = super().forward(x)
        np.negative(x, out=x)
        self.x = -self.x
        return y


class Squeezes(Square):
    def forward(self, x):
        return super().forward(np.squeeze(x))


class CountsRows(Square):
    def forward(self, x):
        return super().forward(np.array(x).reshape(len(x), -1))


class WritesIntoX(Square):
    def forward(self, x):
        y = super().forward(x)
        x[x < 0] = 0
        return y


class WritesIntoDout(Square):
    def backward(self, dout):
        dx = super().backward(dout)
        dout[dout < 0] = 0
        return dx


class LearnsByItself(Scale):
    def backward(self, dout):
        dx = super().backward(dout)
        self.weight.value = self.weight.value - 0.1 * self.weight.grad
        return dx


class SeedsNumPy(Square):
    def forward(self, x):
        np.random.seed(0)  # noqa: NPY002
        return super().forward(x)


class ReturnsDout(nl.Layer):
    def forward(self, x):
        self.x = np.array(x)
        return np.array(x)

    checked = Scale.checked

    def backward(self, dout):
        self.checked(dout)
        return dout


class UsesABufferAgain(Square):
    def backward(self, dout):
        dx = super().backward(dout)
        if getattr(self, "buffer", np.empty(0)).shape != dx.shape or self.buffer.dtype != dx.dtype:
            self.buffer = np.empty_like(dx)
        self.buffer[...] = dx
        return self.buffer


class UsesUpWhatItKept(Square):
    def backward(self, dout):
        dx = super().backward(dout)
        self.x *= 0
        return dx


class KeepsX(Square):
    def forward(self, x):
        self.x = x
        return x * x


class RemembersTheFirstForward(Square):
    def forward(self, x):
        if not hasattr(self, "x") or self.x.shape != x.shape:
            self.x = np.array(x)
        return x * x


class ReplacesGrad(Scale):
    def backward(self, dout):
        self.weight.zero_grad()
        return super().backward(dout)


class ForgetsTheWeightOnTheShortWay(Scale):
    def backward_parameters(self, dout):
        self.checked(dout)


class KeepsInTheClass(Square):
    cache = {}  # noqa: RUF012

    def forward(self, x):
        y = super().forward(x)
        self.cache["x"] = np.array(x)
        return y

    def backward(self, dout):
        self.checked(dout)
        return 2 * dout * self.cache["x"]


class HasNoOrder(Square):
    def checked(self, dout):
        if dout.shape != self.x.shape:
            raise ValueError(f"shape {dout.shape}, wanted {self.x.shape}")
        return self.x


class TakesAnyDout(Square):
    def checked(self, dout):
        if not hasattr(self, "x"):
            raise nl.OrderError("backward came before any forward", where=self)
        return self.x


class RunsOutOfColumns(Scale):
    def forward(self, x):
        x = np.array(x, self.weight.dtype)
        self.x = x
        return np.stack([x[:, i] * self.weight.value[i] for i in range(x.shape[1])], axis=1)


class CannotBeShown(Square):
    def __repr__(self):
        return self.name


class HidesItsWeight(Scale):
    def __init__(self):
        super().__init__()
        self.weight, self.box = None, {1.5}
        self.box = frozenset([nl.Parameter([1.5, -2.0, 0.5])])

    def forward(self, x):
        (weight,) = self.box
        x = np.array(x)
        self.x = x
        return x * weight.value.astype(x.dtype if x.dtype.kind == "f" else np.float32)

    def backward(self, dout):
        (weight,) = self.box
        weight.grad += (dout * self.checked(dout)).sum(axis=0)
        return dout * weight.value.astype(dout.dtype)


class ForgetsTheTwo(Square):
    def backward(self, dout):
        return dout * self.checked(dout)


class LearnsInAnAttribute(Square):
    """Counts the batches of training, and adds their number in evaluation."""

    def __init__(self):
        self.seen = 0

    def forward(self, x):
        y = super().forward(x)
        if self.training:
            self.seen += 1
            return y
        return y + y.dtype.type(self.seen)


class CountsInEvaluation(Square):
    def __init__(self):
        self.seen = nl.Buffer(0)

    def forward(self, x):
        self.seen.value = self.seen.value + 1
        return super().forward(x)


class SaysThatPositionsAreAlone(Square):
    """y = x² plus the sum over all rows."""

    is_positionwise = True

    def forward(self, x):
        return super().forward(x) + np.sum(x, axis=-2, keepdims=True)

    def backward(self, dout):
        return super().backward(dout) + np.sum(dout, axis=-2, keepdims=True)


BREAKERS = {
    "deep copy": SharesItsWeight,
    "forward and backward": ForgetsToReturn,
    "deterministic": DrawsUnseeded,
    "training and evaluation": MaskOnlyInTraining,
    "deterministic in evaluation": DrawsInEvaluation,
    "state": LearnsInAnAttribute,
    "buffers in evaluation": CountsInEvaluation,
    "threads": ReadsItselfWhileComputing,
    "dtype": MakesFloat64,
    "integer inputs": FillsAnArrayLikeX,
    "memory layout": GoesByMemory,
    "read-only inputs": BorrowsX,
    "batch of 1": Squeezes,
    "batch of 0": CountsRows,
    "inputs unchanged": WritesIntoX,
    "dout unchanged": WritesIntoDout,
    "parameters unchanged": LearnsByItself,
    "global random state": SeedsNumPy,
    "new arrays": ReturnsDout,
    "results unchanged": UsesABufferAgain,
    "backward twice": UsesUpWhatItKept,
    "keeps copies": KeepsX,
    "last forward": RemembersTheFirstForward,
    "gradients accumulate": ReplacesGrad,
    "backward_parameters": ForgetsTheWeightOnTheShortWay,
    "independent copies": KeepsInTheClass,
    "continued sequences": SaysThatPositionsAreAlone,
    "backward before forward": HasNoOrder,
    "wrong dout shape": TakesAnyDout,
    "wrong input shape": RunsOutOfColumns,
    "repr": CannotBeShown,
    "parameters found": HidesItsWeight,
    "gradients": ForgetsTheTwo,
}


def test_every_rule_has_a_layer_that_breaks_it():
    assert set(BREAKERS) == set(RULES)


@pytest.mark.parametrize("rule", BREAKERS)
def test_a_layer_with_one_fault_breaks_one_rule(rule):
    names, text = failures(BREAKERS[rule](), X)
    assert names == [rule], text
    assert f"{BREAKERS[rule].__name__} violates 1 of the {len(RULES)} rules" in text
    assert RULES[rule].expected in text
    assert RULES[rule].hint in text
    assert re.search(r"^    got       \S", text, re.MULTILINE)


# Other ways to break them


class ReturnsX(ReturnsDout):
    def forward(self, x):
        self.x = np.array(x)
        return x

    def backward(self, dout):
        self.checked(dout)
        return dout.copy()


class ReturnsAView(ReturnsX):
    def forward(self, x):
        self.x = np.array(x)
        return x[:]


class ReturnsItsWeight(Scale):
    def forward(self, x):
        super().forward(x)
        return self.weight.value

    def backward(self, dout):
        return np.zeros_like(self.x)


class FillsOneOutputArray(Square):
    def forward(self, x):
        y = super().forward(x)
        if getattr(self, "y", np.empty(0)).shape != y.shape or self.y.dtype != y.dtype:
            self.y = np.empty_like(y)
        self.y[...] = y
        return self.y


class KeepsTheGradientItReturned(Square):
    def backward(self, dout):
        self.checked(dout)
        if getattr(self, "made_for", None) is not self.x:
            self.made_for, self.dx = self.x, super().backward(dout)
        return self.dx


class KeepsY(Square):
    def forward(self, x):
        self.x, y = np.array(x), np.exp(x)
        self.y = y
        return y

    def backward(self, dout):
        self.checked(dout)
        return dout * self.y


class DeletesWhatItKept(Square):
    def backward(self, dout):
        dx = super().backward(dout)
        del self.x
        return dx


class SaysTwoOutputs(Square):
    n_outputs = 2


class ReturnsAList(Square):
    def backward(self, dout):
        return super().backward(dout).tolist()


class ReturnsText(Square):
    def forward(self, x):
        return "y"


class SumsAway(Square):
    def backward(self, dout):
        return super().backward(dout).sum(axis=0)


class ForgetsAnInput(nl.Layer):
    def forward(self, a, b):
        return a + b

    def backward(self, dout):
        return dout.copy()


class AveragesItsGradient(Scale):
    def backward(self, dout):
        x = self.checked(dout)
        self.weight.grad += (dout * x).mean(axis=0) * len(x)
        return dout * self.weight.value


class DrawsFromNumPy(Square):
    def forward(self, x):
        np.random.rand()  # noqa: NPY002
        return super().forward(x)


class AddsWeightDecay(Scale):
    def backward(self, dout):
        self.weight.grad += 0.1 * self.weight.value
        return super().backward(dout)


class RefusesNegativeStrides(Square):
    def forward(self, x):
        if min(x.strides, default=0) < 0:
            raise ValueError("strides must not be negative")
        return super().forward(x)


class RefusesGaps(Square):
    def forward(self, x):
        if abs(x.strides[-1]) > x.itemsize and x.strides[0] > x.strides[-1]:
            raise ValueError("elements must be neighbours")
        return super().forward(x)


class SumsAwayABatchOfOne(Square):
    def backward(self, dout):
        dx = super().backward(dout)
        return dx[0] if len(dx) == 1 else dx


class KeepsTheModeToItself(Square):
    @property
    def training(self):
        return True

    @training.setter
    def training(self, mode):
        pass


class GrowsInEvaluation(Square):
    def forward(self, x):
        y = super().forward(x)
        return y if self.training else y[None]

    def backward(self, dout):
        return super().backward(dout if self.training else dout[0])


class Bag:
    def __init__(self, parameter):
        self.parameter = parameter


class PutsItInABag(Square):
    def __init__(self):
        self.bag = Bag(nl.Parameter([1.0]))


class PutsItInTheClass(Square):
    weight = nl.Parameter([1.0])


class RefusesTooLate(Scale):
    def backward(self, dout):
        self.weight.grad += 1
        return super().backward(dout)


class SplitsHairs(Scale):
    def checked(self, dout):
        if not hasattr(self, "x"):
            raise nl.OrderError("backward came before any forward", where=self)
        assert dout.shape == self.x.shape
        return self.x


class DoublesWithoutAMemory(nl.Layer):
    def forward(self, x):
        return 2 * x

    def backward(self, dout):
        return 2 * dout


class GrowsTheSecondTime(Square):
    def forward(self, x):
        y = super().forward(x)
        self.shapes = [*getattr(self, "shapes", []), x.shape]
        return y[None] if len(self.shapes) == 2 else y


class HasAnEmptyName(Square):
    def __repr__(self):
        return ""


class CannotBeCopied(Square):
    def __init__(self):
        self.lock = threading.Lock()


class LosesItsWeightInCopies(Scale):
    def __deepcopy__(self, memo):
        return Square()


@pytest.mark.parametrize(
    ("rule", "layer"),
    [
        ("new arrays", ReturnsX()),
        ("new arrays", ReturnsAView()),
        ("new arrays", ReturnsItsWeight()),
        ("new arrays", nl.Sequential(ReturnsX())),
        ("results unchanged", FillsOneOutputArray()),
        ("keeps copies", KeepsY()),
        ("keeps copies", KeepsTheGradientItReturned()),
        ("backward twice", DeletesWhatItKept()),
        ("forward and backward", SaysTwoOutputs()),
        ("forward and backward", ReturnsAList()),
        ("forward and backward", ReturnsText()),
        ("forward and backward", SumsAway()),
        ("batch of 0", AveragesItsGradient()),
        ("batch of 0", AddsWeightDecay()),
        ("batch of 1", SumsAwayABatchOfOne()),
        ("global random state", DrawsFromNumPy()),
        ("training and evaluation", KeepsTheModeToItself()),
        ("training and evaluation", GrowsInEvaluation()),
        ("parameters found", PutsItInABag()),
        ("parameters found", PutsItInTheClass()),
        ("wrong dout shape", RefusesTooLate()),
        ("wrong dout shape", SplitsHairs()),
        ("deterministic in evaluation", GrowsTheSecondTime()),
        ("backward before forward", DoublesWithoutAMemory()),
        ("repr", HasAnEmptyName()),
        ("deep copy", CannotBeCopied()),
        ("deep copy", LosesItsWeightInCopies()),
    ],
    ids=lambda each: each if isinstance(each, str) else type(each).__name__,
)
def test_other_ways_to_break_a_rule_are_seen_too(rule, layer):
    names, _ = failures(layer, X)
    assert rule in names


@pytest.mark.parametrize(
    ("layer", "words"),
    [(GoesByMemory(), "in Fortran order"), (RefusesGaps(), "must be neighbours"), (RefusesNegativeStrides(), "not be negative")],
)
def test_every_layout_is_tried(layer, words):
    names, text = failures(layer, X)
    assert names == ["memory layout"]
    assert words in text


def test_a_fault_is_not_blamed_on_what_it_disturbs():
    class WritesIntoDoutOfScale(Scale):
        def backward(self, dout):
            dx = super().backward(dout)
            dout *= 3
            return dx

    class LearnsTheSquareOfItsWeight(Scale):
        def forward(self, x):
            return super().forward(x) * self.weight.value

        def backward(self, dout):
            x = self.checked(dout)
            dw = (2 * dout * x * self.weight.value).sum(axis=0)
            dx = dout * self.weight.value**2
            self.weight.grad += dw
            self.weight.value = self.weight.value - 0.1 * dw
            return dx

    assert failures(WritesIntoDoutOfScale(), X)[0] == ["dout unchanged"]
    assert failures(LearnsTheSquareOfItsWeight(), X)[0] == ["parameters unchanged"]


def test_too_few_gradients_are_counted():
    names, text = failures(ForgetsAnInput(), X, X)
    assert names == ["forward and backward"]
    assert "1 gradients for 2 inputs" in text


# What is kept


def test_the_outcome_names_every_rule():
    assert list(check_layer(Square(), X)) == list(RULES)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_a_layer_of_a_short_type_keeps_every_rule(dtype):
    check_layer(nl.Affine(3, 2, rng=0, dtype=dtype), X.astype(dtype))


@pytest.mark.parametrize("layer", [Scale(), Square()], ids=repr)
def test_a_careful_layer_of_a_user_keeps_every_rule(layer):
    outcome = check_layer(layer, X)
    assert {became for became in outcome.values() if became != "passed"} <= {"does not apply: the layer has no parameters"}


class Standardize(nl.Layer):
    """Batch statistics in training, running ones in evaluation."""

    def __init__(self, features):
        self.features = features
        self.mean, self.variance = nl.Buffer(np.zeros(features)), nl.Buffer(np.ones(features))

    def forward(self, x):
        x = np.array(x, float)
        mean, variance = self.mean.value, self.variance.value
        if self.training:
            mean, variance = x.mean(axis=0), x.var(axis=0)
            self.mean.value = 0.9 * self.mean.value + 0.1 * mean
            self.variance.value = 0.9 * self.variance.value + 0.1 * variance
        std = np.sqrt(variance + 1e-5)
        z = (x - mean) / std
        self.z, self.std, self.drew = z, std, self.training
        return z.copy()

    def backward(self, dout):
        if not hasattr(self, "z"):
            raise nl.OrderError("backward came before any forward", where=self)
        if dout.shape != self.z.shape:
            raise nl.ShapeError(f"got dout of shape {dout.shape}, wanted {self.z.shape}", where=self)
        if self.drew:
            dout = dout - dout.mean(axis=0) - self.z * (dout * self.z).mean(axis=0)
        return dout / self.std


def test_batch_statistics_need_an_excuse_for_a_batch_of_0_and_for_computing_in_float64_alone():
    names, _ = failures(Standardize(3), X)
    assert names == ["dtype", "batch of 0"]
    outcome = check_layer(Standardize(3), X, excuse={"dtype": "float64 alone", "batch of 0": "no mean of no rows"})
    assert outcome["dtype"] == "excused: float64 alone"


def test_rows_that_meet_are_no_batch():
    outcome = check_layer(nl.Softmax(axis=0), X)
    assert outcome["batch of 0"].startswith("does not apply: the rows")


def test_a_layer_that_wants_rows_to_differ_has_no_batch():
    class Whitened(Square):
        def forward(self, x):
            if len(np.unique(x, axis=0)) < len(x):
                raise ValueError("two rows are the same")
            return super().forward(x)

    assert check_layer(Whitened(), X)["batch of 0"].startswith("does not apply")


def test_a_type_that_the_layer_refuses_is_no_fault():
    class Float64Alone(Square):
        def forward(self, x):
            if np.asarray(x).dtype == np.float16:
                raise TypeError("float16 is too short")
            return super().forward(x)

    assert check_layer(Float64Alone(), X)["dtype"] == "passed"


def test_whole_numbers_where_the_layer_has_a_pole_prove_nothing():
    class Pole(Square):
        def forward(self, x):
            x = np.array(x)
            self.x = x
            return 1 / (1 - x)

        def backward(self, dout):
            return dout / (1 - self.checked(dout)) ** 2

    assert check_layer(Pole(), X / 10)["integer inputs"] == "does not apply: y is not finite for integers"


def test_a_layer_over_whole_numbers_alone_keeps_the_rules_that_apply():
    class Lookup(nl.Layer):
        n_nondifferentiable_inputs = 1

        def __init__(self):
            self.weight = nl.Parameter(np.random.default_rng(0).normal(size=(5, 2)))

        def forward(self, i):
            self.i = np.array(i)
            return self.weight.value[i]

        def backward(self, dout):
            if not hasattr(self, "i"):
                raise nl.OrderError("backward came before any forward", where=self)
            if dout.shape != (*self.i.shape, 2):
                raise nl.ShapeError(f"got dout of shape {dout.shape}, wanted {(*self.i.shape, 2)}", where=self)
            np.add.at(self.weight.grad, self.i, dout)
            return ()

    outcome = check_layer(Lookup(), np.array([0, 2, 2, 4]))
    assert outcome["integer inputs"].startswith("does not apply: no input has a floating type")
    assert outcome["dtype"] == outcome["gradients"] == outcome["batch of 0"] == "passed"


def test_equal_rows_prove_nothing_about_a_batch():
    outcome = check_layer(nl.Tanh(), np.ones((3, 3)))
    assert outcome["batch of 1"].startswith("does not apply")


def test_a_layer_that_has_run_before_is_checked_as_well():
    layer = Square()
    layer.forward(X)
    assert check_layer(layer, X)["backward before forward"] == "does not apply: the layer has run forward before"
    affine = nl.Affine(3, 2, rng=0, dtype=np.float64)
    affine.forward(X)
    assert check_layer(affine, X)["backward before forward"] == "passed"


# Several at once, and excuses


class BreaksThree(Scale):
    def backward(self, dout):
        x = self.checked(dout)
        self.weight.grad = (dout * x).sum(axis=0) * 3
        dx = dout * self.weight.value
        dout[...] = 0
        return dx


def test_all_failures_are_listed_together():
    names, text = failures(BreaksThree(), X)
    assert names == ["dout unchanged", "gradients accumulate", "gradients"]
    assert "violates 3 of the" in text


def test_what_another_rule_says_already_is_not_said_again_by_the_gradient_check():
    for breaker in (WritesIntoX, WritesIntoDout, ReplacesGrad, ReturnsDout):
        assert "gradients" not in failures(breaker(), X)[0]


def test_excused_rules_may_be_broken_and_the_others_not():
    names, text = failures(BreaksThree(), X, excuse={"dout unchanged": "old code"})
    assert names == ["gradients accumulate", "gradients"]
    assert "violates 2 of the" in text
    outcome = check_layer(WritesIntoDout(), X, excuse={"dout unchanged": "old code"})
    assert outcome["dout unchanged"] == "excused: old code"


def test_an_excuse_that_is_not_needed_is_a_failure():
    names, text = failures(nl.Tanh(), X, excuse={"batch of 0": "needs one row", "gradients accumulate": "no idea"})
    assert names == ["batch of 0", "gradients accumulate"]
    assert "needs no excuse: passed" in text
    assert "needs no excuse: does not apply: the layer has no parameters" in text


def test_an_excuse_from_no_rule_is_refused_with_the_list_of_rules():
    with pytest.raises(nl.MissingError, match=r"no rule 'batch of none'.*'deep copy', .*'gradients'"):
        check_layer(nl.Tanh(), X, excuse={"batch of none": "needs one row"})


@pytest.mark.parametrize("excuse", ["batch of 0", ["batch of 0"], {"batch of 0": ""}, {"batch of 0": "  "}, {"batch of 0": True}], ids=repr)
def test_an_excuse_without_a_reason_is_refused(excuse):
    with pytest.raises(nl.NetlibError):
        check_layer(nl.Tanh(), X, excuse=excuse)


def test_a_rule_that_all_others_need_ends_the_list():
    _, text = failures(ForgetsToReturn(), X)
    assert "The rules after this one need it and were not checked" in text


def test_what_is_no_layer_and_what_is_no_array_is_refused():
    with pytest.raises(nl.InvalidTypeError, match="with parentheses"):
        check_layer(Square, X)
    with pytest.raises(nl.InvalidTypeError):
        check_layer(Square(), "x")


def test_an_error_of_the_layer_is_shown_with_its_place():
    _, text = failures(CountsRows(), X)
    assert re.search(r"ValueError: cannot reshape .* \(test_testing\.py, line \d+\)", text)


# It leaves no trace


@pytest.mark.parametrize("make", [*BREAKERS.values(), lambda: nl.Sequential(nl.Affine(3, 2, rng=0), nl.Dropout(rng=0))])
def test_the_layer_its_inputs_and_numpys_random_state_stay_as_they_were(make):
    layer, x = make(), X.copy()
    for parameter in layer.parameters().values():
        parameter.grad += 1
    held = [(each, dict(vars(each))) for _, each in layer.walk()]
    values = [(p.value.copy(), p.grad.copy()) for p in layer.parameters().values()]
    generators = [copy.deepcopy(v.bit_generator.state) for each, kept in held for v in kept.values() if hasattr(v, "bit_generator")]
    numpys = np.random.get_state()[1].copy()  # noqa: NPY002
    with suppress(AssertionError):
        check_layer(layer, x)
    assert all(vars(each) == kept for each, kept in held)
    for parameter, (value, grad) in zip(layer.parameters().values(), values, strict=True):
        assert np.array_equal(parameter.value, value)
        assert np.array_equal(parameter.grad, grad)
    assert generators == [v.bit_generator.state for each, kept in held for v in kept.values() if hasattr(v, "bit_generator")]
    assert np.array_equal(np.random.get_state()[1], numpys)  # noqa: NPY002
    assert np.array_equal(x, X)


def test_the_layer_is_checked_in_the_mode_it_has():
    class WrongInEvaluation(Square):
        def backward(self, dout):
            return super().backward(dout) * (1 if self.training else 3)

    check_layer(WrongInEvaluation(), X)
    assert failures(WrongInEvaluation().eval(), X)[0] == ["gradients"]


# Threads


def test_an_interruption_that_waits_for_a_lock_does_not_hang():
    class Locked(Square):
        def __init__(self):
            self.lock = threading.Lock()

        def __deepcopy__(self, memo):
            return Locked()

        def forward(self, x):
            with self.lock:
                self.x = np.array(x)
                return self.x * self.x

    layer = Locked()
    mine, yours, answers = np.ones(2), np.full(2, 3.0), []
    for at in range(4):
        y, _ = run_interrupted(lambda: layer.forward(mine), at, lambda: answers.append(layer.forward(yours)))
        assert y.tolist() == [1, 1]
    assert [a.tolist() for a in answers] == [[9, 9]] * len(answers)
    assert answers


def test_the_tracer_of_a_debugger_is_put_back():
    def tracer(frame, event, argument):
        return None

    before = sys.gettrace()
    sys.settrace(tracer)
    try:
        check_layer(nl.Tanh(), X)
        assert sys.gettrace() is tracer
    finally:
        sys.settrace(before)


def test_an_error_in_the_other_thread_is_reported():
    class FailsWhenInterrupted(Square):
        busy = None

        def forward(self, x):
            x = np.array(x)
            if self.busy is not None:
                raise RuntimeError("busy")
            self.busy = True
            y = super().forward(x)
            self.busy = None
            return y

    names, text = failures(FailsWhenInterrupted(), X)
    assert names == ["threads"]
    assert "RuntimeError: busy" in text
