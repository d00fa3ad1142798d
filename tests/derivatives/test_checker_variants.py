"""A backward with one slip is the gradient of a forward with one operation changed, and that operation is found."""

import numpy as np
import pytest

import netlib as nl
from netlib.derivatives import check_gradients


def normal(*shape, seed=1):
    return np.random.default_rng(seed).normal(size=shape)


def found(layer, *inputs):
    return {finding.where: finding for finding in check_gradients(layer, *inputs).findings}


class Block(nl.Layer):
    """y = x + act(x W) V, with an activation in two straight pieces; `slopes` are what backward takes for its derivative."""

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
    assert {where: f.mistake for where, f in findings.items()} == ({"input 0": mistake, "w": mistake} if mistake else {})
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
    assert len(findings) == (2 if mistake else 0)


class Weighted(nl.Layer):
    """Values added up with weights softmax(q kᵀ); `through` is what backward takes for the softmax's derivative."""

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
    assert {where: f.mistake for where, f in findings.items()} == ({"input 0": mistake, "input 1": mistake} if mistake else {})
    if mistake:
        assert "the softmax along axis 2" in findings["input 1"].cause
        assert said in findings["input 1"].cause


def test_a_product_inside_that_is_not_transposed_is_named_with_its_line_though_forward_copies_its_inputs():
    findings = found(Weighted(along(-1), turned=True), *(0.5 * normal(2, 4, 3, seed=i) for i in range(3)))
    assert {where: f.mistake for where, f in findings.items()} == {"input 1": "missing-transpose"}
    assert "`e = np.exp(self.q @ self.k.mT)`" in findings["input 1"].cause


class Grouped(nl.Layer):
    """Channels made of mean 0 and variance 1 in groups, by `sizes` alone of length 1 where `root_only`; `axis` is that of backward."""

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


@pytest.mark.parametrize("kind", ["standard", "length", "mean"])
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


def test_an_index_that_comes_twice_and_counts_once_is_a_missing_term_wherever_it_stands():
    assert not found(Messages(adds_at=True), normal(4, 3))
    findings = found(Messages(adds_at=False), normal(4, 3))
    assert {where: f.mistake for where, f in findings.items()} == {"input 0": "missing-term", "w": "missing-term"}
    assert "takes each element once only" in findings["w"].cause


class Divergence(nl.Layer):
    """(exp(a) + m²) / exp(b) row by row, in whose derivative by b a term of the numerator is forgotten."""

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
    """A causal filter of which backward knows the first tap alone, where ∂y_i/∂x_i is right and other paths are missing."""

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


@pytest.mark.parametrize(("seconds", "least", "most"), [(0.0, 0, 1200), (0.2, 1200, 1350)])
def test_the_experiments_on_a_long_forward_come_to_an_end(monkeypatch, seconds, least, most):
    monkeypatch.setattr("netlib.derivatives.case.WATCHING", seconds)
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
    """The share that softmax(x W) gives to the class of each row, with the diagonal of the softmax's derivative alone."""

    n_constant_inputs = 1

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


def test_what_explains_one_gradient_is_tried_first_for_the_others():
    findings = found(Chosen(), normal(5, 3), np.array([0, 2, 1, 3, 2]))
    assert {where: f.mistake for where, f in findings.items()} == {"input 0": "diagonal-only", "w": "diagonal-only"}
    assert len({f.cause for f in findings.values()}) == 1


class Elu(nl.Layer):
    """x, or exp(x) - 1 halved where x is negative, whose half backward forgets: a branch is no path that counts twice."""

    def forward(self, x):
        self.x = np.array(x)
        return np.where(self.x > 0, self.x, 0.5 * np.expm1(self.x))

    def backward(self, dout):
        return dout * np.where(self.x > 0, 1, np.exp(self.x))


def test_a_branch_with_twice_its_slope_is_not_counted_twice():
    (finding,) = found(Elu(), normal(4, 5)).values()
    assert finding.mistake == "wrong-formula"
