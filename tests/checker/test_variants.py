"""A backward with one slip belongs to a forward with one operation changed, which is found."""

import numpy as np
import pytest

import netlib as nl
from netlib.checker import check_gradients


def normal(*shape, seed=1):
    return np.random.default_rng(seed).normal(size=shape)


def found(layer, *inputs):
    return {finding.where: finding for finding in check_gradients(layer, *inputs).findings}


class Block(nl.Layer):
    """y = x + act(x W) V with a piecewise linear activation, of which backward uses `slopes`."""

    def __init__(self, slopes, low=0.0):
        self.slopes, self.low = slopes, low
        self.w, self.v = nl.Parameter(normal(4, 6, seed=2)), nl.Parameter(normal(6, 4, seed=3))

    def forward(self, x):
        self.x = x
        self.z = x @ self.w.value
        self.h = np.where(self.z > 0, self.z, self.low * self.z) if self.low else np.maximum(self.z, 0)
        return x + self.h @ self.v.value

    def backward(self, dout):
        self.v.grad += self.h.T @ dout
        dz = dout @ self.v.value.T * self.slopes(self.z)
        self.w.grad += self.x.T @ dz
        return dout + dz @ self.w.value.T


@pytest.mark.one_in(3)
@pytest.mark.parametrize(
    ("slopes", "low", "mistake"),
    [
        (lambda z: z > 0, 0.0, None),
        (lambda z: 1, 0.0, "missing-mask"),
        (lambda z: z <= 0, 0.0, "inverted-mask"),
        (lambda z: np.where(z > 0, 1, 0.1), 0.1, None),
        (lambda z: 1, 0.1, "missing-mask"),
        (lambda z: np.where(z > 0, 0.1, 1), 0.1, "inverted-mask"),
    ],
)
def test_a_mask_inside_that_is_missing_or_inverted_is_named_for_all_it_spoils(slopes, low, mistake):
    findings = found(Block(slopes, low), normal(5, 4))
    assert {f.mistake for f in findings.values()} == ({mistake} if mistake else set())
    assert {name for f in findings.values() for name in (f.where, *f.consequences)} == ({"input 0", "w"} if mistake else set())
    assert all("`self.h = np.where(self.z > 0" in f.cause for f in findings.values())


class Dropped(nl.Layer):
    """Dropout between two products; `factor` is what backward multiplies by."""

    def __init__(self, factor):
        self.factor, self.rng = factor, np.random.default_rng(3)
        self.u, self.w = normal(4, 5, seed=4), nl.Parameter(normal(5, 3, seed=2))

    def forward(self, x):
        self.kept = self.rng.uniform(size=(len(x), 5)) >= 0.4
        self.t = np.tanh(x @ self.u)
        self.h = self.t * self.kept / 0.6
        return self.h @ self.w.value

    def backward(self, dout):
        self.w.grad += self.h.T @ dout
        return dout @ self.w.value.T * self.factor(self.kept) * (1 - self.t**2) @ self.u.T


@pytest.mark.parametrize(
    ("factor", "mistake"),
    [(lambda kept: kept / 0.6, None), (lambda kept: 1, "missing-mask"), (lambda kept: ~kept / 0.6, "inverted-mask")],
)
def test_a_mask_that_several_operations_make_together_is_seen(factor, mistake):
    assert [f.mistake for f in found(Dropped(factor), normal(6, 4)).values()] == ([mistake] if mistake else [])


class Largest(nl.Layer):
    """The largest of each column of x W, over time."""

    def __init__(self, chosen):
        self.chosen = chosen
        self.w = nl.Parameter(normal(3, 4, seed=2))

    def forward(self, x):
        self.x, self.h = x, x @ self.w.value
        return self.h.max(axis=1)

    def backward(self, dout):
        dh = dout[:, None] * self.chosen(self.h == self.h.max(axis=1, keepdims=True))
        self.w.grad += np.einsum("ntd,nte->de", self.x, dh)
        return dh @ self.w.value.T


@pytest.mark.parametrize(
    ("chosen", "mistake"), [(lambda is_it: is_it, None), (np.ones_like, "missing-mask"), (np.logical_not, "inverted-mask")]
)
def test_the_largest_and_the_others_are_told_apart_inside(chosen, mistake):
    findings = found(Largest(chosen), normal(3, 5, 3))
    assert {f.mistake for f in findings.values()} == ({mistake} if mistake else set())
    assert {name for f in findings.values() for name in (f.where, *f.consequences)} == ({"input 0", "w"} if mistake else set())


class Weighted(nl.Layer):
    """A sum of values with weights softmax(q kᵀ); `through` is the softmax's backward."""

    def __init__(self, through, turned=False):
        self.through, self.turned = through, turned

    def forward(self, q, k, v):
        self.q, self.k, self.v = np.array(q), np.array(k), np.array(v)
        e = np.exp(self.q @ self.k.mT)
        self.p = e / e.sum(axis=-1, keepdims=True)
        return self.p @ self.v

    def backward(self, dout):
        ds = self.through(self.p, dout @ self.v.mT)
        return ds @ self.k, (ds if self.turned else ds.mT) @ self.q, self.p.mT @ dout


def along(axis):
    return lambda p, dp: p * (dp - (p * dp).sum(axis=axis, keepdims=True))


@pytest.mark.one_in(3)
@pytest.mark.parametrize(
    ("through", "mistake", "said"),
    [
        (along(-1), None, ""),
        (lambda p, dp: p * (1 - p) * dp, "diagonal-only", "the diagonal of its derivative alone"),
        (along(-2), "wrong-axis", "sums along 1 in its derivative"),
        (along((-1, -2)), "wrong-axis", "sums along (1, 2) in its derivative"),
    ],
)
def test_a_softmax_inside_with_its_diagonal_alone_or_along_another_axis_is_named(through, mistake, said):
    findings = found(Weighted(through), *(0.5 * normal(2, 4, 3, seed=i) for i in range(3)))
    assert {where: f.mistake for where, f in findings.items()} == ({"input 0": mistake} if mistake else {})
    if mistake:
        assert "the softmax along axis 2" in findings["input 0"].cause
        assert said in findings["input 0"].cause
        assert findings["input 0"].consequences == ["input 1"]


def test_a_product_inside_that_is_not_transposed_is_named_with_its_line_though_forward_copies_its_inputs():
    findings = found(Weighted(along(-1), turned=True), *(0.5 * normal(2, 4, 3, seed=i) for i in range(3)))
    assert {where: f.mistake for where, f in findings.items()} == {"input 1": "missing-transpose"}
    assert "`e = np.exp(self.q @ self.k.mT)`" in findings["input 1"].cause


class Grouped(nl.Layer):
    """Groups of channels with mean 0 and variance 1, or length 1; `axis` is that of backward."""

    def __init__(self, kind, axis):
        self.kind, self.axis = kind, axis

    def forward(self, x):
        v = x.reshape(len(x), 2, -1)
        self.centred = v - v.mean(axis=2, keepdims=True) if self.kind != "length" else v
        size = {"standard": np.mean, "length": np.sum, "mean": None}[self.kind]
        self.size = np.sqrt(size(self.centred**2, axis=2, keepdims=True)) if size else np.ones(1)
        self.hat = self.centred / self.size
        return np.tanh(self.hat.reshape(x.shape))

    def backward(self, dout):
        g = (dout * (1 - np.tanh(self.hat.reshape(dout.shape)) ** 2)).reshape(self.hat.shape)
        total = np.sum if self.kind == "length" else np.mean
        if self.kind != "mean":
            g = g - self.hat * total(g * self.hat, axis=self.axis, keepdims=True) - (self.kind == "standard") * self.mean(g)
        else:
            g = g - self.mean(g)
        return (g / self.size).reshape(dout.shape)

    def mean(self, g):
        return g.mean(axis=self.axis, keepdims=True)


@pytest.mark.exhaustive
@pytest.mark.parametrize("kind", ["mean", "standard", "length"])
def test_a_norm_along_another_axis_of_a_reshaped_array_is_named(kind):
    assert not found(Grouped(kind, 2), normal(3, 4, 5))
    for axis in (0, 1):
        (finding,) = found(Grouped(kind, axis), normal(3, 4, 5)).values()
        assert finding.mistake == "wrong-axis"


class Trilinear(nl.Layer):
    """y_nk = Σ_ij x_ni z_nj T_ijk, in which backward may take T for T_jik."""

    def __init__(self, labels):
        self.labels, self.t = labels, normal(4, 4, 2)

    def forward(self, x, z):
        self.x, self.z = x, z
        return np.einsum("ni,nj,ijk->nk", x, z, self.t)

    def backward(self, dout):
        dx = np.einsum(f"nk,nj,{self.labels}->ni", dout, self.z, self.t)
        return dx, np.einsum("nk,ni,ijk->nj", dout, self.x, self.t)


def test_an_array_of_three_axes_with_two_of_them_exchanged_is_named():
    assert not found(Trilinear("ijk"), normal(5, 4), normal(5, 4, seed=2))
    (finding,) = found(Trilinear("jik"), normal(5, 4), normal(5, 4, seed=2)).values()
    assert (finding.mistake, finding.where) == ("missing-transpose", "input 0")
    assert "operand 3 with axes (0, 1) exchanged" in finding.cause


class Running(nl.Layer):
    """tanh of running sums along axis 1, which backward undoes along another."""

    def __init__(self, axis):
        self.axis = axis

    def forward(self, x):
        self.y = np.tanh(np.cumsum(x, axis=1)) + x.sum(axis=0)
        self.t = np.tanh(np.cumsum(x, axis=1))
        return self.y.copy()

    def backward(self, dout):
        g = np.flip(dout * (1 - self.t**2), self.axis)
        return np.flip(np.cumsum(g, axis=self.axis), self.axis) + dout.sum(axis=0)


def test_an_operation_along_another_axis_is_named_with_its_line():
    assert not found(Running(1), normal(4, 5))
    (finding,) = found(Running(0), normal(4, 5)).values()
    assert finding.mistake == "wrong-axis"
    assert "goes along axis 0" in finding.cause


class Messages(nl.Layer):
    """tanh(h_i - h_j) along the edges of a graph, h = x W; some nodes have several edges."""

    def __init__(self, adds_at):
        self.adds_at = adds_at
        self.i, self.j = np.array([0, 1, 2, 0, 3, 3]), np.array([1, 2, 0, 3, 1, 2])
        self.w = nl.Parameter(normal(3, 4, seed=2))

    def forward(self, x):
        self.x, h = x, x @ self.w.value
        self.m = np.tanh(h[self.i] - h[self.j])
        return self.m.copy()

    def backward(self, dout):
        dm, dh = dout * (1 - self.m**2), np.zeros((len(self.x), 4))
        for index, d in ((self.i, dm), (self.j, -dm)):
            if self.adds_at:
                np.add.at(dh, index, d)
            else:
                dh[index] += d
        self.w.grad += self.x.T @ dh
        return dh @ self.w.value.T


def test_an_index_that_comes_twice_and_counts_once_is_named_wherever_it_stands():
    assert not found(Messages(adds_at=True), normal(4, 3))
    findings = found(Messages(adds_at=False), normal(4, 3))
    assert {where: f.mistake for where, f in findings.items()} == {"input 0": "not-accumulated"}
    assert findings["input 0"].consequences == ["w"]
    assert "takes each element once: of a repeated index only the last use counts" in findings["input 0"].cause


class Divergence(nl.Layer):
    """(exp(a) + m²) / exp(b) by row; the derivative by b lacks a term of the numerator."""

    def __init__(self, forgets):
        self.forgets = forgets

    def forward(self, a, m, b):
        self.u, self.m, self.v = np.exp(a), m, np.exp(b)
        return ((self.u + m**2) / self.v + np.sin(b)).sum(axis=1)

    def backward(self, dout):
        d = dout[:, None]
        top = self.u + (0 if self.forgets else self.m**2)
        return d * self.u / self.v, d * 2 * self.m / self.v, d * (np.cos(np.log(self.v)) - top / self.v)


def test_a_term_forgotten_in_what_else_goes_into_an_operation_is_named():
    inputs = [normal(4, 3, seed=i) for i in range(3)]
    assert not found(Divergence(forgets=False), *inputs)
    (finding,) = found(Divergence(forgets=True), *inputs).values()
    assert (finding.mistake, finding.where) == ("missing-term", "input 2")


class Signed(nl.Layer):
    """(x², y²) of points, one coordinate of whose gradient is multiplied by something."""

    def __init__(self, factor):
        self.factor = factor

    def forward(self, p):
        self.p = np.array(p)
        return np.exp(p).sum(axis=1)

    def backward(self, dout):
        return dout[:, None] * np.exp(self.p) * np.array([1, self.factor])


@pytest.mark.parametrize(("factor", "mistake"), [(-1, "wrong-sign"), (3, "wrong-scale"), (0, "missing-term")])
def test_what_is_wrong_by_one_factor_in_one_column_is_named_by_the_factor(factor, mistake):
    assert not found(Signed(1), normal(4, 2))
    (finding,) = found(Signed(factor), normal(4, 2)).values()
    assert finding.mistake == mistake


class Onwards(nl.Layer):
    """The axes of a cube moved on by one, and by one more, or not at all, on the way back."""

    def __init__(self, axes):
        self.axes = axes

    def forward(self, x):
        return np.transpose(x, (1, 2, 0)).copy()

    def backward(self, dout):
        return np.transpose(dout, self.axes).copy()


@pytest.mark.parametrize(("axes", "mistakes"), [((2, 0, 1), []), ((1, 2, 0), ["missing-transpose"]), ((0, 1, 2), ["missing-transpose"])])
def test_an_order_that_is_not_undone_is_a_missing_transpose(axes, mistakes):
    assert [f.mistake for f in found(Onwards(axes), normal(3, 3, 3)).values()] == mistakes


class Taps(nl.Layer):
    """A causal filter whose backward has the first tap alone: only ∂y_i/∂x_i is right."""

    def __init__(self):
        self.w = nl.Parameter(normal(3))

    def forward(self, x):
        self.x, y = x, np.zeros_like(x)
        for k, w in enumerate(self.w.value):
            y[:, k:] += w * x[:, : x.shape[1] - k]
        return y

    def backward(self, dout):
        for k in range(3):
            self.w.grad[k] += (dout[:, k:] * self.x[:, : dout.shape[1] - k]).sum()
        return self.w.value[0] * dout


def test_a_diagonal_that_is_a_path_of_its_own_is_a_missing_term():
    (finding,) = found(Taps(), normal(3, 6)).values()
    assert finding.mistake == "missing-term"


class Long(nl.Layer):
    """A recurrence of 30 steps with a mistake that has no name."""

    calls = 0

    def __init__(self):
        self.w = nl.Parameter(0.3 * normal(2, 2))

    def forward(self, x):
        Long.calls += 1
        self.x, self.h = x, [np.zeros((len(x), 2))]
        for t in range(x.shape[1]):
            self.h.append(np.tanh(x[:, t] + self.h[-1] @ self.w.value))
        return self.h[-1].copy()

    def backward(self, dout):
        dx, dh = np.zeros(self.x.shape), dout
        for t in reversed(range(self.x.shape[1])):
            dx[:, t] = dz = dh * (1 - np.abs(self.h[t + 1]))
            self.w.grad += self.h[t].T @ dz
            dh = dz @ self.w.value.T
        return dx


@pytest.mark.parametrize(("seconds", "least", "most"), [(0.0, 0, 1330), (0.14, 1330, 1480)])
def test_the_experiments_on_a_long_forward_come_to_an_end(monkeypatch, seconds, least, most):
    monkeypatch.setattr("netlib.checker.context.WATCHING", seconds)
    monkeypatch.setattr("netlib.checker.correcting.search.MOST_TRIALS", 0)
    Long.calls = 0
    findings = found(Long(), normal(2, 30, 2))
    assert {f.mistake for f in findings.values()} == {"wrong-formula"}
    assert least <= Long.calls <= most


def test_the_experiments_leave_numpy_and_the_classes_of_a_layer_as_they_were():
    layer, before = Weighted(along(-2)), np.array
    found(layer, *(0.5 * normal(2, 4, 3, seed=i) for i in range(3)))
    assert np.array is before
    assert type(layer) is Weighted
    assert Weighted.forward.__globals__["np"] is np


class Chosen(nl.Layer):
    """softmax(x W) at the class of each row, with only the diagonal of the derivative."""

    n_nondifferentiable_inputs = 1

    def __init__(self):
        self.w = nl.Parameter(normal(3, 4, seed=2))

    def forward(self, x, t):
        e = np.exp(x @ self.w.value)
        self.x, self.t, self.p = x, t, e / e.sum(axis=1, keepdims=True)
        return self.p[np.arange(len(t)), t]

    def backward(self, dout):
        dz = self.p * (1 - self.p) * (np.eye(4)[self.t] * dout[:, None])
        self.w.grad += self.x.T @ dz
        return dz @ self.w.value.T


def test_what_explains_one_gradient_is_tried_first_for_the_others(monkeypatch):
    monkeypatch.setattr("netlib.checker.correcting.search.MOST_TRIALS", 0)
    findings = found(Chosen(), normal(5, 3), np.array([0, 2, 1, 3, 2]))
    assert {where: (f.mistake, f.consequences) for where, f in findings.items()} == {"input 0": ("diagonal-only", ["w"])}


class Elu(nl.Layer):
    """x, or (exp(x) - 1) / 2 where x is negative, with the half missing in backward."""

    def forward(self, x):
        self.x = np.array(x)
        return np.where(self.x > 0, self.x, 0.5 * np.expm1(self.x))

    def backward(self, dout):
        return dout * np.where(self.x > 0, 1, np.exp(self.x))


def test_a_branch_with_twice_its_slope_is_not_counted_twice():
    (finding,) = found(Elu(), normal(4, 5)).values()
    assert finding.mistake == "wrong-formula"


class Inner(nl.Layer):
    """What a test defines in two functions: y = forward(x), and dx = backward(x, dout)."""

    def __init__(self, ahead, back):
        self.ahead, self.back = ahead, back

    def forward(self, *inputs):
        self.inputs = [np.array(x) for x in inputs]
        return self.ahead(*self.inputs)

    def backward(self, dout):
        return self.back(*self.inputs, dout)


def named(forward, right, wrong, *inputs):
    assert not found(Inner(forward, right), *inputs)
    return {f.mistake for f in found(Inner(forward, wrong), *inputs).values()}


def softmax(z, axis=-1):
    e = np.exp(z - z.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


def through_softmax(p, dp, axis=-1):
    return p * (dp - (p * dp).sum(axis=axis, keepdims=True))


def test_a_mask_that_the_whole_forward_of_backward_lacks_is_named_value_and_all():
    def hard_swish(x):
        return x * np.clip(x + 3, 0, 6) / 6

    def right(x, dout):
        return dout * np.where(np.abs(x) < 3, (2 * x + 3) / 6, x > 3)

    assert named(hard_swish, right, lambda x, dout: dout * (2 * x + 3) / 6, 4 * normal(4, 5)) == {"missing-mask"}


PAST = np.tri(5, dtype=bool)


def where_infinite(x):
    return np.where(PAST, x, -np.inf)


def assigned(x):
    z = x.copy()
    z[~PAST] = -1e9
    return z


@pytest.mark.parametrize("masked", [where_infinite, assigned, lambda x: x + np.where(PAST, 0, -1e9)])
@pytest.mark.parametrize(
    ("p", "axis", "mistake"), [(softmax, -1, "missing-mask"), (lambda x: softmax(np.where(PAST, x, -np.inf)), 0, "wrong-axis")]
)
def test_a_softmax_with_the_future_masked_is_seen_however_that_is_written(masked, p, axis, mistake):
    v = normal(5, 5, seed=3)

    def right(x, dout):
        return through_softmax(softmax(masked(x)), dout @ v.T)

    assert named(lambda x: softmax(masked(x)) @ v, right, lambda x, dout: through_softmax(p(x), dout @ v.T, axis), normal(5, 5)) == {
        mistake
    }


def log_sum_exp(z):
    m = z.max(axis=1, keepdims=True)
    return (m + np.log(np.exp(z - m).sum(axis=1, keepdims=True)))[:, 0]


def length(z):
    return np.sqrt((z**2).sum(axis=1))


@pytest.mark.parametrize(
    ("total", "weights"), [(log_sum_exp, softmax), (length, lambda z, axis: z / np.sqrt((z**2).sum(axis=axis, keepdims=True)))]
)
def test_weights_that_are_normalised_along_another_axis_are_named(total, weights):
    w = normal(3, 4, seed=2)

    def back(axis):
        return lambda x, dout: dout[:, None] * weights(x @ w, axis) @ w.T

    assert named(lambda x: total(x @ w), back(1), back(0), normal(5, 3)) == {"wrong-axis"}


def test_a_product_of_three_without_any_transpose_is_named():
    def back(t):
        return lambda a, dout: dout @ t(a) @ t(a) + t(a) @ dout @ t(a) + t(a) @ t(a) @ dout

    assert named(lambda a: a @ a @ a, back(lambda a: a.mT), back(lambda a: a), normal(2, 3, 3)) == {"missing-transpose"}


def test_a_path_that_would_be_subtracted_is_missing_and_none_counts_twice():
    def right(a, b, dout):
        return dout @ b.T - b.T @ dout, a.T @ dout - dout @ a.T

    def product_only(a, b, dout):
        return dout @ b.T, a.T @ dout

    assert named(lambda a, b: a @ b - b @ a, right, product_only, normal(4, 4), normal(4, 4, seed=2)) == {"missing-term"}


def test_a_parameter_copied_along_another_axis_in_several_operations_is_named():
    class Snake(nl.Layer):
        def __init__(self, axis):
            self.axis, self.a = axis, nl.Parameter(0.5 + np.abs(normal(4, seed=2)))

        def forward(self, x):
            self.x, a = np.array(x), self.a.value
            return x + np.sin(a * x) ** 2 / a

        def backward(self, dout):
            x, a = self.x, self.a.value
            self.a.grad += (dout * (x * np.sin(2 * a * x) / a - np.sin(a * x) ** 2 / a**2)).sum(axis=self.axis)
            return dout * (1 + np.sin(2 * a * x))

    assert not found(Snake(0), normal(4, 4))
    assert {where: f.mistake for where, f in found(Snake(1), normal(4, 4)).items()} == {"a": "wrong-axis"}


def test_padding_through_which_nothing_goes_back_is_named():
    def forward(x):
        p = np.pad(x, ((0, 0), (1, 1)), "reflect")
        return np.tanh(p[:, :-2] + 2 * p[:, 1:-1] - p[:, 2:])

    def back(cuts):
        def backward(x, dout):
            d, dp = dout * (1 - forward(x) ** 2), np.zeros((x.shape[0], x.shape[1] + 2))
            dp[:, :-2] += d
            dp[:, 1:-1] += 2 * d
            dp[:, 2:] -= d
            dx = dp[:, 1:-1].copy()
            if not cuts:
                dx[:, 1] += dp[:, 0]
                dx[:, -2] += dp[:, -1]
            return dx

        return backward

    assert named(forward, back(False), back(True), normal(4, 5)) == {"missing-term"}


def over_windows(after, slope):
    """y = after(Σ_t w_t x[t : t + 3]), and its backward with += or = for each window."""
    w = normal(4, 3, seed=2)

    def forward(x):
        return after(np.stack([(w[t] * x[:, t : t + 3]).sum(axis=1) for t in range(4)], axis=1))

    def back(adds):
        def backward(x, dout):
            d = slope(np.stack([(w[t] * x[:, t : t + 3]).sum(axis=1) for t in range(4)], axis=1), dout)
            dx = np.zeros_like(x)
            for t in range(4):
                dx[:, t : t + 3] = w[t] * d[:, t : t + 1] + (dx[:, t : t + 3] if adds else 0)
            return dx

        return backward

    return forward, back(True), back(False)


@pytest.mark.parametrize(
    ("after", "slope"),
    [(np.tanh, lambda z, d: d * (1 - np.tanh(z) ** 2)), (softmax, lambda z, d: through_softmax(softmax(z), d))],
    ids=["each window apart", "all windows together"],
)
def test_windows_of_which_the_last_wins_are_not_accumulated(after, slope):
    assert named(*over_windows(after, slope), normal(5, 6)) == {"not-accumulated"}


def test_one_half_of_an_output_alone_is_a_missing_term_though_it_is_the_last_use():
    def back(also_cos):
        def backward(x, dout):
            dc, ds = np.split(dout, 2, axis=1)
            return ds * np.cos(x) - also_cos * dc * np.sin(x)

        return backward

    def forward(x):
        return np.concatenate([np.cos(x), np.sin(x)], axis=1)

    assert named(forward, back(1), back(0), normal(5, 3)) == {"missing-term"}


def test_a_bias_that_hears_of_one_sample_misses_its_sum_over_the_batch():
    class Biased(nl.Layer):
        def __init__(self, first_only):
            self.b, self.first_only = nl.Parameter(normal(3)), first_only

        def forward(self, x):
            return x + self.b.value

        def backward(self, dout):
            self.b.grad += dout[0] if self.first_only else dout.sum(axis=0)
            return dout.copy()

    assert not found(Biased(False), normal(5, 3))
    assert {where: f.mistake for where, f in found(Biased(True), normal(5, 3)).items()} == {"b": "missing-batch-sum"}


def test_a_root_of_four_that_is_forgotten_is_a_factor_and_no_path_that_counts_twice():
    def gated(x, z):
        return x + np.tanh(x @ z.T / 2)

    def back_gated(root):
        def backward(x, z, dout):
            ds = dout * (1 - np.tanh(x @ z.T / 2) ** 2) / root
            return dout + ds @ z, ds.T @ x

        return backward

    inputs = normal(4, 4), normal(4, 4, seed=2)
    assert named(gated, back_gated(2), back_gated(1), *inputs) == {"wrong-scale"}


class Parts(nl.Layer):
    """The first two columns, and the mean of the others; `factors` spoil dout of each output."""

    n_outputs = 2

    def __init__(self, factors):
        self.factors = factors

    def forward(self, x):
        self.shape = x.shape
        return x[:, :2].copy(), x[:, 2:].mean(axis=1)

    def backward(self, dout):
        a, b = (c * d for c, d in zip(self.factors, dout, strict=True))
        return np.concatenate([a, np.repeat(b[:, None] / 3, 3, axis=1)], axis=1)


@pytest.mark.parametrize(("factors", "mistakes"), [((1, 1), []), ((1, 5), ["wrong-scale"]), ((0.2, 1), ["wrong-scale"])])
def test_the_one_output_whose_dout_counts_wrongly_is_named(factors, mistakes):
    assert [f.mistake for f in found(Parts(factors), normal(4, 5)).values()] == mistakes


class Recurrent(nl.Layer):
    """h ← h / 2 + tanh(h W + x_t), all states; `carries` is the share passed to the step before."""

    def __init__(self, carries):
        self.carries, self.w = carries, nl.Parameter(normal(3, 3, seed=2))

    def forward(self, x):
        self.h, self.a = [np.zeros((len(x), 3))], []
        for t in range(x.shape[1]):
            self.a.append(np.tanh(self.h[-1] @ self.w.value + x[:, t]))
            self.h.append(self.h[-1] / 2 + self.a[-1])
        return np.stack(self.h[1:], axis=1)

    def backward(self, dout):
        dx, dh = np.zeros(dout.shape), 0
        for t in reversed(range(dout.shape[1])):
            d = dout[:, t] + dh
            dx[:, t] = dz = d * (1 - self.a[t] ** 2)
            self.w.grad += self.h[t].T @ dz
            dh = self.carries * (d / 2 + dz @ self.w.value.T)
        return dx


def test_a_state_that_two_operations_carry_on_and_backward_does_not_is_a_missing_term():
    assert not found(Recurrent(1), normal(4, 4, 3))
    (finding,) = found(Recurrent(0), normal(4, 4, 3)).values()
    assert (finding.mistake, finding.where, finding.consequences) == ("missing-term", "input 0", ["w"])


class Summed(nl.Layer):
    """tanh(x w) + sin(x w), whose two terms for w backward may put one over the other."""

    def __init__(self, adds):
        self.adds, self.w = adds, nl.Parameter(normal(3))

    def forward(self, x):
        self.x = np.array(x)
        return np.tanh(x * self.w.value) + np.sin(x * self.w.value)

    def backward(self, dout):
        z = self.x * self.w.value
        da, db = dout * (1 - np.tanh(z) ** 2), dout * np.cos(z)
        for d in (da, db):
            g = (d * self.x).sum(axis=0)
            self.w.grad = self.w.grad + g if self.adds else g
        return (da + db) * self.w.value


def test_terms_of_a_parameter_that_are_set_one_over_the_other_are_not_accumulated_and_nothing_else():
    assert {f.mistake for f in found(Summed(False), normal(5, 3)).values()} == {"not-accumulated"}


def test_a_gradient_through_single_numbers_is_followed():
    def forward(x):
        return np.cumsum(np.array([x[t] * x[t + 1] + x[t] for t in range(len(x) - 1)]))

    def back(both):
        def backward(x, dout):
            dx, d = np.zeros_like(x), np.cumsum(dout[::-1])[::-1]
            dx[:-1] += d * (x[1:] + 1)
            if both:
                dx[1:] += d * x[:-1]
            return dx

        return backward

    assert named(forward, back(True), back(False), normal(6)) == {"missing-term"}


def test_both_ends_of_a_difference_are_paths_of_their_own():
    def forward(x):
        return np.cumprod(1 + np.diff(np.log(x)) / 10)

    def back(also_left):
        def backward(x, dout):
            y = forward(x)
            d = np.cumsum((dout * y)[::-1])[::-1] / (1 + np.diff(np.log(x)) / 10) / 10
            dl = np.zeros_like(x)
            dl[1:] += d
            dl[:-1] -= also_left * d
            return dl / x

        return backward

    inputs = np.random.default_rng(1).uniform(1, 2, 6)
    assert named(forward, back(1), back(0), inputs) == {"missing-term"}
    assert named(forward, back(1), back(-1), inputs) == {"wrong-sign"}


def test_a_sum_over_another_axis_that_spreads_like_the_right_one_is_named():
    w = normal(3, 4, seed=2)

    def forward(x):
        return np.tanh((h := x @ w) + np.sum(h, 2, keepdims=True))

    def back(axis):
        def backward(x, dout):
            d = dout * (1 - forward(x) ** 2)
            return (d + d.sum(axis=axis, keepdims=True)) @ w.T

        return backward

    assert named(forward, back(2), back(1), normal(2, 5, 3)) == {"wrong-axis"}


def test_a_softmax_that_backward_computes_anew_along_another_axis_is_named():
    w, v = normal(3, 4, seed=2), normal(4, 2, seed=3)

    def back(axis):
        return lambda x, dout: through_softmax(softmax(x @ w, axis), dout @ v.T, axis) @ w.T

    assert named(lambda x: softmax(x @ w) @ v, back(2), back(1), normal(2, 5, 3)) == {"wrong-axis"}


def test_a_difference_of_which_the_other_part_is_taken_with_the_wrong_sign_is_no_forgotten_term():
    def back(gate):
        return lambda z, h, dout: (-dout * h, dout * gate(z))

    forward = lambda z, h: (1 - z) * h  # noqa: E731
    assert named(forward, back(lambda z: 1 - z), back(lambda z: z), normal(4, 3), normal(4, 3, seed=2)) == {"wrong-formula"}
