"""The checker at kinks, in large layers, in low precision, at blind spots; unchanged layers."""

import threading
import time

import numpy as np
import pytest

import netlib as nl
from netlib.checker import check_gradients


def normal(*shape, seed=1):
    return np.random.default_rng(seed).normal(size=shape)


class Function(nl.Layer):
    """An elementwise layer out of two functions."""

    def __init__(self, f, slope):
        self.f, self.slope = f, slope

    def forward(self, x):
        self.x = np.array(x)
        return self.f(x)

    def backward(self, dout):
        return dout * self.slope(self.x)


AT_KINKS = np.array([[0.0, 1.0, -1.0], [2.0, 0.0, 3.0], [-2.0, 1e-8, -1e-9]])
KINKED = {
    "relu, 0 at 0": (lambda x: np.maximum(x, 0), lambda x: x > 0, 2),
    "relu, 1 at 0": (lambda x: np.maximum(x, 0), lambda x: x >= 0, 2),
    "relu, a half at 0": (lambda x: np.maximum(x, 0), lambda x: (np.sign(x) + 1) / 2, 2),
    "abs, 0 at 0": (np.abs, np.sign, 2),
    "abs, 1 at 0": (np.abs, lambda x: np.where(x >= 0, 1, -1), 2),
    "clip": (lambda x: np.clip(x, -1, 1), lambda x: (x > -1) & (x < 1), 2),
    "clip, closed": (lambda x: np.clip(x, -1, 1), lambda x: (x >= -1) & (x <= 1), 2),
}


@pytest.mark.parametrize("case", KINKED)
def test_any_slope_between_those_at_both_sides_of_a_kink_is_right_and_counted(case):
    f, slope, n = KINKED[case]
    report = check_gradients(Function(f, slope), AT_KINKS)
    assert report.ok, str(report)
    assert report.kinks == {"input 0": n}
    assert f"{n} at kinks, accepted" in str(report)


def test_a_slope_outside_those_at_both_sides_of_a_kink_is_wrong():
    report = check_gradients(Function(lambda x: np.maximum(x, 0), lambda x: np.where(x == 0, 2, x > 0)), AT_KINKS)
    assert [f.where for f in report.findings] == ["input 0"]
    assert report.findings[0].evidence.wrong.sum() == 2


def test_a_kink_does_not_hide_a_wrong_neighbour():
    report = check_gradients(Function(lambda x: np.maximum(x, 0), lambda x: np.where(x == 3, 5, x > 0)), AT_KINKS)
    (finding,) = report.findings
    assert finding.evidence.worst == (1, 2)
    assert finding.evidence.wrong.sum() == 1


class RowMaximum(nl.Layer):
    def __init__(self, share):
        self.share = share

    def forward(self, x):
        self.at = x == x.max(axis=1, keepdims=True)
        return x.max(axis=1)

    def backward(self, dout):
        at = self.at / self.at.sum(axis=1, keepdims=True) if self.share else self.at * (np.cumsum(self.at, axis=1) == 1)
        return dout[:, None] * at


@pytest.mark.parametrize("share", [True, False])
def test_a_maximum_of_equals_may_send_the_gradient_to_one_or_to_all(share):
    report = check_gradients(RowMaximum(share), np.array([[1.0, 1, 0], [2, 2, 2], [0, 1, 2]]))
    assert report.ok, str(report)
    assert report.kinks == {"input 0": 5}


def test_zero_inputs_to_a_network_with_kinks_are_no_false_alarm():
    model = nl.Sequential(nl.Affine(4, 6, rng=0), nl.ReLU(), nl.Affine(6, 3, rng=1))
    for seed in range(5):
        report = check_gradients(model, np.zeros((2, 4)), seed=seed)
        assert report.ok, str(report)
        assert sum(report.kinks.values()) > 0


class Handwritten(nl.Layer):
    """A network in one class, with a mistake or without."""

    def __init__(self, factor=1.0):
        self.factor = factor
        self.v, self.w = nl.Parameter(normal(4, 6)), nl.Parameter(normal(6, 3))

    def forward(self, x):
        self.x = np.array(x)
        self.h = np.maximum(x @ self.v.value, 0)
        return self.h @ self.w.value

    def backward(self, dout):
        self.w.grad += self.h.T @ dout
        dh = self.factor * dout @ self.w.value.T * (self.h > 0)
        self.v.grad += self.x.T @ dh
        return dh @ self.v.value.T


def test_kinks_that_mix_inside_a_layer_are_accepted_where_all_agrees_nearby():
    x = np.vstack([np.zeros(4), normal(4), normal(4)])
    assert check_gradients(Handwritten(), x).ok
    assert {f.where for f in check_gradients(Handwritten(0.9), x).findings} == {"input 0", "v"}


SCALES = {
    "tiny": (np.tanh, lambda x: 1 - np.tanh(x) ** 2, 1e-6),
    "huge": (lambda x: x**2, lambda x: 2 * x, 1e5),
    "huge, wavy": (np.sin, np.cos, 1e5),
    "tiny, steep": (np.log, lambda x: 1 / x, 1e-6),
    "tiny roots": (np.sqrt, lambda x: 0.5 / np.sqrt(x), 1e-6),
    "saturated": (np.tanh, lambda x: 1 - np.tanh(x) ** 2, 50),
}


@pytest.mark.parametrize("case", SCALES)
def test_tiny_and_huge_numbers_are_no_false_alarm(case):
    f, slope, scale = SCALES[case]
    x = scale * (0.5 + np.random.default_rng(0).random((3, 4)))
    report = check_gradients(Function(f, slope), x)
    assert report.ok, str(report)
    assert not check_gradients(Function(f, lambda x: 1.01 * slope(x)), x).ok or case == "saturated"


FLAT = {
    "beside a large constant": (lambda x: 1e3 + 1e-9 * np.sin(x), lambda x: 1e-9 * np.cos(x), np.array([[0.3]])),
    "beside a large constant, among others": (lambda x: 1e3 + np.exp(x), np.exp, np.array([[1.0, 0.5, -20.0, -24.0]])),
    "next to a minimum": (lambda x: 0.6 + (x - 1) ** 2, lambda x: 2 * (x - 1), np.array([[1 + 1e-6, 1 - 3e-7, 0.5, 2]])),
}


@pytest.mark.parametrize("case", FLAT)
def test_a_slope_that_drowns_in_the_rounding_of_the_output_is_no_false_alarm(case):
    f, slope, x = FLAT[case]
    report = check_gradients(Function(f, slope), x)
    assert report.ok, str(report)


def test_a_loss_next_to_its_minimum_is_no_false_alarm():
    logits = np.random.default_rng(0).normal(size=(5, 3))
    targets = 1 / (1 + np.exp(-logits))
    for gap in (1e-5, 3e-6, 1e-6, 1e-7):
        for i in range(5):
            given = np.where(np.arange(15).reshape(5, 3) == i, targets + gap, 0.5)
            report = check_gradients(nl.SigmoidCrossEntropy(), logits, given)
            assert report.ok, str(report)


WITHOUT_A_SLOPE = {
    "a root at 0": (np.sqrt, lambda x: 0.5 / np.sqrt(x)),
    "a cube root at 0": (np.cbrt, lambda x: np.cbrt(x) ** -2 / 3),
    "a root of both sides at 0": (lambda x: np.sqrt(np.abs(x)), lambda x: 0.5 * np.sign(x) / np.sqrt(np.abs(x))),
    "x log x at 0": (lambda x: x * np.log(np.where(x == 0, 1, x)), lambda x: 1 + np.log(x)),
}


@pytest.mark.parametrize("case", WITHOUT_A_SLOPE)
def test_an_infinite_gradient_is_non_finite_where_forward_has_no_slope_and_a_finite_one_is_accepted(case):
    f, slope = WITHOUT_A_SLOPE[case]
    x = np.array([[0.0, 1.0, 2.0]])
    (finding,) = check_gradients(Function(f, slope), x).findings
    assert (finding.mistake, finding.where) == ("non-finite", "input 0")
    assert "1 of 3 elements is infinite or NaN: forward has no finite slope there" in finding.cause
    assert "measured no slope" in finding.message
    report = check_gradients(Function(f, lambda x: np.nan_to_num(slope(x), posinf=0, neginf=0)), x)
    assert report.ok, str(report)
    assert report.covered == {"input 0": (2, 3)}


def test_a_jump_has_no_slope_to_disagree_with():
    for at in (0.0, 1e-12, 1e-7):
        report = check_gradients(Function(np.sign, lambda x: 0.0 * x), np.array([[at, 1.0, -2.0]]))
        assert report.ok, str(report)


def test_an_infinite_gradient_where_the_slope_is_finite_is_wrong():
    report = check_gradients(Function(np.tanh, lambda x: np.where(x > 0, np.inf, 1 - np.tanh(x) ** 2)), normal(3, 4))
    assert report.mistakes == ["non-finite"]


@pytest.mark.parametrize("odd", ["text", 1j, object(), [[1.0], [1.0, 2.0]]])
def test_a_gradient_that_holds_no_real_numbers_is_a_finding_and_no_crash(odd):
    class Odd(Function):
        def backward(self, dout):
            return dout * odd if odd == 1j else odd

    report = check_gradients(Odd(np.tanh, None), normal(3, 4))
    assert not report.ok


class InSingle(nl.Layer):
    """A layer that refuses float64."""

    def forward(self, x):
        if x.dtype != np.float32:
            raise nl.InvalidTypeError("wanted float32")
        self.x = x.copy()
        return np.tanh(x)

    def backward(self, dout):
        return dout * (1 - np.tanh(self.x) ** 2)


class RoundsInside(nl.Layer):
    def forward(self, x):
        self.x = np.array(x, np.float32)
        return np.tanh(self.x)

    def backward(self, dout):
        return np.asarray(dout * (1 - np.tanh(self.x) ** 2), np.float32)


@pytest.mark.parametrize("kind", [InSingle, RoundsInside])
def test_a_layer_that_refuses_float64_is_checked_in_its_own_type(kind):
    x = normal(3, 4).astype(np.float32)
    report = check_gradients(kind(), x)
    assert report.ok, str(report)
    assert "own type" in str(report)
    wrong = type("Wrong", (kind,), {"backward": lambda self, dout: (dout * (1 - self.x**2)).astype(np.float32)})
    assert check_gradients(wrong(), x).mistakes == ["wrong-formula"]


class Times(nl.Layer):
    """y = c x, with numbers that it holds, makes anew, or keeps in float64 for backward alone."""

    def __init__(self, how):
        self.how = how
        self.held = np.linspace(1, 2, 4)

    def forward(self, x):
        self.c = np.linspace(1, 2, 4) if self.how == "anew" else self.held
        return x * self.c

    def backward(self, dout):
        return dout * (np.linspace(1, 2, 4) if self.how == "backward" else self.c)


@pytest.mark.parametrize(("how", "place"), [("held", None), ("anew", "forward"), ("backward", "input 0")])
def test_a_dtype_that_float64_inputs_hide_is_noted(how, place):
    report = check_gradients(Times(how), normal(3, 4))
    assert report.ok, str(report)
    assert [(note.kind, note.where) for note in report.notes] == [("dtype-changed", place)] * (place is not None)


def test_a_layer_that_takes_float64_alone_is_not_told_about_float32():
    class InDouble(Times):
        def forward(self, x):
            if x.dtype != np.float64:
                raise nl.InvalidTypeError("expected float64")
            return super().forward(x)

    assert check_gradients(InDouble("anew"), normal(3, 4)).notes == []


class Lookup(nl.Layer):
    def __init__(self):
        self.table = nl.Parameter(normal(5, 3))

    def forward(self, index):
        self.index = np.array(index)
        return self.table.value[index]

    def backward(self, dout):
        np.add.at(self.table.grad, self.index, dout)


def test_whole_number_inputs_are_not_differentiated():
    report = check_gradients(Lookup(), np.array([0, 2, 2, 4]))
    assert report.ok, str(report)
    assert set(report.errors) == {"table"}


def test_losses_are_checked_without_their_targets():
    for loss in (nl.MeanSquaredError(), nl.Huber(), nl.MeanAbsoluteError(), nl.MeanSquaredError("none")):
        report = check_gradients(loss, normal(4, 3), normal(4, 3, seed=2))
        assert report.ok, str(report)
        assert set(report.errors) == {"input 0"}
    assert check_gradients(nl.SoftmaxCrossEntropy(), normal(4, 3), np.array([0, 2, 1, 1])).ok


class Halves(nl.Layer):
    n_outputs = 2

    def forward(self, x):
        left, right = np.split(x, 2, axis=-1)
        return left.copy(), 2 * right

    def backward(self, dout):
        return np.concatenate([dout[0], dout[1]], axis=-1)


def test_a_layer_with_several_outputs_is_checked_on_all():
    (finding,) = check_gradients(Halves(), normal(3, 4)).findings
    assert finding.where == "input 0"
    assert finding.evidence.wrong.sum() == 6


# no trace


def everything(layer):
    """Return all that a layer holds, as bytes and numbers."""
    held = []
    for path, each in layer.walk():
        for key, value in sorted(vars(each).items()):
            if isinstance(value, nl.Parameter):
                held.append((path, key, value.value.tobytes(), value.grad.tobytes(), id(value.value), id(value.grad)))
            elif isinstance(value, np.ndarray):
                held.append((path, key, value.tobytes(), id(value)))
            elif isinstance(value, np.random.Generator):
                held.append((path, key, str(value.bit_generator.state)))
            else:
                held.append((path, key, id(value)))
    return held


class Raises(nl.Layer):
    def __init__(self):
        self.rng = np.random.default_rng(3)
        self.weight = nl.Parameter(normal(3))

    def forward(self, x):
        self.noise = self.rng.normal(size=x.shape)
        self.weight.value[0] += 1
        if x.shape[0] == 2:
            raise RuntimeError("no")
        return x * self.weight.value

    def backward(self, dout):
        self.weight.grad += 1
        raise RuntimeError("never")


def test_the_layer_is_afterwards_what_it_was_bit_for_bit():
    model = nl.Sequential(nl.Affine(4, 3, rng=0), nl.Dropout(0.5, rng=1), nl.Tanh()).eval()
    model.forward(normal(2, 4))
    model.backward(normal(2, 3))
    x = normal(2, 4)
    held, before, outside = x.copy(), everything(model), np.random.get_state()[1].copy()  # noqa: NPY002
    assert check_gradients(model, x).ok
    assert everything(model) == before
    assert np.array_equal(x, held)
    assert np.array_equal(np.random.get_state()[1], outside)  # noqa: NPY002
    assert not model.training
    assert model.backward(normal(2, 3)).shape == (2, 4)


@pytest.mark.parametrize("rows", [2, 3])
def test_a_layer_that_raises_is_left_as_it_was_too(rows):
    layer = Raises()
    before = everything(layer)
    if rows == 2:
        with pytest.raises(RuntimeError, match="no"):
            check_gradients(layer, normal(rows, 3))
    else:
        assert "raises" in check_gradients(layer, normal(rows, 3)).mistakes
    assert everything(layer) == before


class SharedChance(nl.Layer):
    rng = np.random.default_rng(0)

    def forward(self, x):
        self.mask = self.rng.random(x.shape) < 0.5
        return x * self.mask

    def backward(self, dout):
        return dout * self.mask


def test_chance_that_a_class_shares_is_frozen_and_put_back():
    before = str(SharedChance.rng.bit_generator.state)
    report = check_gradients(SharedChance(), normal(3, 4))
    assert str(SharedChance.rng.bit_generator.state) == before
    assert report.ok, str(report)


class GlobalChance(nl.Layer):
    def forward(self, x):
        self.mask = np.random.rand(*x.shape)  # noqa: NPY002
        return x * self.mask

    def backward(self, dout):
        return 3 * dout * self.mask


def test_chance_out_of_the_global_state_of_numpy_is_nondeterministic_and_the_rest_is_checked_with_it_frozen():
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    report = check_gradients(GlobalChance(), normal(3, 4))
    assert np.array_equal(np.random.get_state()[1], before)  # noqa: NPY002
    assert [(f.mistake, f.where) for f in report.findings] == [("nondeterministic", "forward"), ("wrong-scale", "input 0")]
    assert "global random state" in report.findings[0].cause


def test_what_cannot_be_copied_is_refused_in_words():
    layer = nl.Tanh()
    layer.lock = threading.Lock()
    with pytest.raises(nl.InvalidTypeError, match="cannot be deep-copied"):
        check_gradients(layer, normal(2, 3))


def test_wrong_arguments_are_refused():
    with pytest.raises(nl.InvalidValueError, match="method"):
        check_gradients(nl.Tanh(), normal(2, 3), method="magic")
    with pytest.raises(nl.InvalidTypeError, match="layer"):
        check_gradients(np.tanh, normal(2, 3))


# sizes


class Wide(nl.Layer):
    """Many weights, and a mistake in a few or in all of them."""

    def __init__(self, spoil, n=300):
        self.spoil = spoil
        self.weight = nl.Parameter(np.random.default_rng(0).normal(size=(n, n)))

    def forward(self, x):
        self.x = np.array(x)
        return x @ self.weight.value

    def backward(self, dout):
        self.weight.grad += self.spoil(self.x.T @ dout)
        return dout @ self.weight.value.T


def one_row_negative(g):
    g[17] *= -3
    return g


@pytest.mark.parametrize(
    ("spoil", "mistakes"),
    [(lambda g: g, []), (lambda g: g.T, ["missing-transpose"]), (lambda g: 2 * g, ["wrong-scale"]), (one_row_negative, ["wrong-formula"])],
)
def test_a_large_layer_is_sampled_in_some_hundred_passes_and_nothing_large_is_missed(spoil, mistakes):
    layer, passes = Wide(spoil), []

    class Counted(Wide):
        def forward(self, x):
            passes.append(1)
            return super().forward(x)

    layer.__class__ = Counted
    report = check_gradients(layer, normal(3, 300))
    assert len(passes) < (3000 if mistakes else 2000)
    assert report.mistakes == mistakes, str(report)
    compared, of = report.covered["weight"]
    assert compared < of == 90_000
    assert f"weight {compared} of 90000" in str(report)


def work(seconds):
    stop = time.thread_time() + seconds
    while time.thread_time() < stop:
        pass


@pytest.mark.exhaustive
def test_where_a_pass_is_slow_a_check_is_some_dozens_of_them_and_says_what_it_covered():
    layer, x = Wide(lambda g: g, 100), normal(3, 100)
    passes = []

    class Slow(Wide):
        def forward(self, x):
            passes.append(1)
            work(0.02)
            return super().forward(x)

    layer.__class__ = Slow
    report = check_gradients(layer, x)
    assert report.ok, str(report)
    assert len(passes) < 50
    assert report.covered["weight"][0] >= 2
    assert f"weight {report.covered['weight'][0]} of 10000 and all along 1 random direction" in str(report)


@pytest.mark.exhaustive
def test_where_a_pass_is_slow_a_mistake_is_named_all_the_same():
    class Slow(Wide):
        def forward(self, x):
            work(0.006)
            return super().forward(x)

    layer = Wide(lambda g: g / 3, 100)
    layer.__class__ = Slow
    (finding,) = check_gradients(layer, normal(3, 100)).findings
    assert (finding.mistake, finding.where) == ("wrong-scale", "weight")


def test_a_network_of_usual_size_is_checked_wholly():
    model = nl.Sequential(nl.Affine(64, 128, rng=0), nl.ReLU(), nl.Affine(128, 10, rng=1))
    report = check_gradients(model, normal(5, 64))
    assert report.ok, str(report)
    assert all(n == of for n, of in report.covered.values())


@pytest.mark.exhaustive
def test_a_mistake_in_a_layer_too_large_to_be_put_right_is_the_only_one_told():
    class Thrice(nl.Affine):
        def backward_parameters(self, dout):
            super().backward_parameters(3 * dout)

    model = nl.Sequential(Thrice(64, 128, rng=0), nl.ReLU(), nl.Affine(128, 10, rng=1))
    findings = check_gradients(model, normal(5, 64)).findings
    assert [(finding.mistake, finding.where) for finding in findings] == [("wrong-scale", "0.weight"), ("wrong-scale", "0.bias")]


class Third(nl.Layer):
    """y = x weight with many weights, and a third of its gradient."""

    def __init__(self):
        self.weight = nl.Parameter(np.linspace(1, 2, 6_000))

    def forward(self, x):
        self.x = np.array(x)
        return x * self.weight.value

    def backward(self, dout):
        self.weight.grad += (dout * self.x).sum(axis=0) / 3
        return dout * self.weight.value


@pytest.mark.parametrize(("layer", "x"), [(nl.Affine(16, 32, rng=0), normal(5, 16)), (Third(), normal(1, 6_000))])
def test_a_busy_machine_changes_nothing_in_a_report(monkeypatch, layer, x):
    calm = check_gradients(layer, x)
    clock = time.thread_time
    monkeypatch.setattr(time, "thread_time", lambda: 5 * clock())
    busy = check_gradients(layer, x)
    assert (str(busy), busy.covered) == (str(calm), calm.covered)


# blind spots


class Scaled(nl.Layer):
    """y = g x, whose dx forgets g, or whose mask is missing."""

    def __init__(self):
        self.gain = nl.Parameter(np.ones(3))

    def forward(self, x):
        self.x = np.array(x)
        return x * self.gain.value

    def backward(self, dout):
        self.gain.grad += (dout * self.x).sum(axis=0)
        return dout * 1.0


def test_a_forgotten_weight_shows_though_all_weights_are_one():
    report = check_gradients(Scaled(), normal(5, 3))
    assert [f.where for f in report.findings] == ["input 0"]
    assert "other values of gain" in report.findings[0].cause


class FromTheIdentity(nl.Layer):
    """y = x W, whose dx forgets to transpose W, which is the identity at first."""

    def __init__(self):
        self.weight = nl.Parameter(np.eye(3))

    def forward(self, x):
        self.x = np.array(x)
        return x @ self.weight.value

    def backward(self, dout):
        self.weight.grad += self.x.T @ dout
        return dout @ self.weight.value


def test_a_missing_transpose_shows_though_the_weight_is_the_identity():
    (finding,) = check_gradients(FromTheIdentity(), normal(5, 3)).findings
    assert (finding.mistake, finding.where) == ("missing-transpose", "input 0")
    assert "other values of weight" in finding.cause


def test_a_missing_mask_is_noted_and_no_mistake_where_all_inputs_are_positive():
    report = check_gradients(Function(lambda x: np.maximum(x, 0), lambda x: 1.0), np.ones((2, 3)))
    assert report.ok
    (note,) = report.notes
    assert (note.kind, note.where) == ("other-numbers", "input 0")
    assert "missing-mask" in note.text
    assert "can the layer be given such inputs?" in note.text


class BatchMean(Scaled):
    def backward(self, dout):
        self.gain.grad += (dout * self.x).mean(axis=0)
        return dout * self.gain.value


def test_a_mean_in_place_of_a_sum_shows_in_a_batch_of_one():
    report = check_gradients(BatchMean(), normal(1, 3))
    assert [(f.mistake, f.where) for f in report.findings] == [("wrong-scale", "gain")]


def test_a_check_that_proves_nothing_says_so():
    report = check_gradients(Function(np.sign, lambda x: 0.0 * x), normal(2, 3))
    assert report.ok
    assert [(note.kind, note.where) for note in report.notes] == [("vacuous", "input 0")]
    assert "vacuous" in str(report)


def test_an_output_that_is_a_view_of_the_input_is_noted_and_no_mistake():
    report = check_gradients(Function(lambda x: x[:], lambda x: 1.0), normal(2, 3))
    assert report.ok
    assert [note.kind for note in report.notes] == ["aliases-output"]


# complex steps


def test_complex_steps_are_exact_where_forward_is_analytic():
    report = check_gradients(Function(np.tanh, lambda x: 1 - np.tanh(x) ** 2), normal(3, 4), method="complex")
    assert report.ok
    assert report.errors["input 0"] < 1e-14
    assert "complex steps" in str(report)
    off = check_gradients(Function(np.tanh, lambda x: 1 - np.tanh(x) ** 2 + 1e-4), normal(3, 4), method="complex")
    assert not off.ok


@pytest.mark.parametrize("f", [np.abs, np.sign, lambda x: np.linalg.norm(x, axis=1), lambda x: np.sqrt((x * x.conj()).real)])
def test_complex_steps_are_refused_where_they_would_be_silently_wrong(f):
    with pytest.raises(nl.InvalidValueError, match="complex"):
        check_gradients(Function(f, np.sign), normal(3, 4), method="complex")


# containers


class TanhWithoutSquare(nl.Tanh):
    def backward(self, dout):
        dout, y = self.recall(dout)
        return dout * (1 - y)


def test_in_a_container_the_layer_at_fault_is_named_and_not_those_before_it():
    model = nl.Sequential(nl.Affine(4, 3, rng=0), TanhWithoutSquare(), nl.Residual(nl.Affine(3, 3, rng=1)))
    report = check_gradients(model, normal(5, 4))
    assert [(f.mistake, f.where, f.layer) for f in report.findings] == [("wrong-formula", "1: input 0", "1 TanhWithoutSquare()")]
    assert set(report.errors) == {"input 0", "0.weight", "0.bias", "2.layer.weight", "2.layer.bias"}


class AssignsInside(nl.Affine):
    def backward(self, dout):
        dout, x = self.recall(dout)
        self.weight.grad = x.T @ dout
        self.bias.grad += dout.sum(axis=0)
        return dout @ self.weight.value.T


def test_a_parameter_inside_a_container_goes_by_its_path():
    report = check_gradients(nl.Sequential(nl.Tanh(), AssignsInside(4, 3, rng=0)), normal(5, 4))
    assert [(f.mistake, f.where) for f in report.findings] == [("not-accumulated", "1.weight")]


class MeanBias(nl.Affine):
    def backward(self, dout):
        dout, x = self.recall(dout)
        self.weight.grad += x.T @ dout
        self.bias.grad += dout.mean(axis=0)
        return dout @ self.weight.value.T


class Around(nl.Layer):
    """y = x + f(x), written right or without the way around."""

    def __init__(self, inner, forgets):
        self.inner, self.forgets = inner, forgets

    def forward(self, x):
        return x + self.inner.forward(x)

    def backward(self, dout):
        dx = self.inner.backward(dout)
        return dx if self.forgets else dout + dx


INNER, OUTER = ("wrong-scale", "inner.bias"), ("missing-term", "input 0")


@pytest.mark.parametrize(("inner", "forgets", "wanted"), [
    (MeanBias, True, [INNER, OUTER]), (MeanBias, False, [INNER]), (nl.Affine, True, [OUTER]), (nl.Affine, False, []),
])  # fmt: skip
def test_a_mistake_inside_and_one_in_the_wiring_are_both_told(inner, forgets, wanted):
    report = check_gradients(Around(inner(4, 4, rng=0), forgets), normal(6, 4))
    assert [(f.mistake, f.where) for f in report.findings] == wanted, str(report)


def test_mistakes_at_three_depths_are_all_told():
    model = Around(nl.Sequential(nl.Tanh(), Around(MeanBias(4, 4, rng=0), forgets=True)), forgets=True)
    report = check_gradients(model, normal(6, 4))
    assert [(f.mistake, f.where) for f in report.findings] == [
        ("wrong-scale", "inner.1.inner.bias"), ("missing-term", "inner.1: input 0"), ("missing-term", "input 0"),
    ], str(report)  # fmt: skip


def test_two_mistakes_at_two_depths_leave_no_trace_in_the_layers():
    model = Around(MeanBias(4, 4, rng=0), forgets=True)
    model.forward(normal(6, 4))
    before = everything(model)
    check_gradients(model, normal(6, 4))
    assert everything(model) == before
    assert type(model.inner) is MeanBias


class Segments(nl.Layer):
    """Sums of the rows with one number; the membership may be kept from an earlier forward."""

    n_nondifferentiable_inputs = 1

    def __init__(self, is_kept):
        self.is_kept, self.member = is_kept, None

    def forward(self, x, numbers):
        member = (numbers == np.arange(3)[:, None]).astype(x.dtype)
        if self.member is None or not self.is_kept(self.member, member):
            self.member = member
        return member @ x

    def backward(self, dout):
        return self.member.T @ dout


@pytest.mark.parametrize(
    ("is_kept", "mistakes"),
    [
        (lambda old, new: False, []),
        (np.array_equal, []),
        (lambda old, new: old.shape == new.shape, ["stale-cache"]),
        (lambda old, new: old.shape > new.shape or np.array_equal(old, new), ["stale-cache"]),
    ],
)
def test_what_is_kept_for_other_indices_or_for_more_samples_is_stale(is_kept, mistakes):
    report = check_gradients(Segments(is_kept), normal(5, 2), np.array([0, 2, 1, 2, 0])[::-1] % 3 + np.array([0, 0, 0, 0, 1]))
    assert [finding.mistake for finding in report.findings] == mistakes
