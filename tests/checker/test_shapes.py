"""Missing and extra sums, masks before an output, and gradients that are added in pieces."""

import numpy as np
import pytest

import netlib as nl
from netlib.checker import check_gradients


def normal(*shape, seed=1):
    return np.random.default_rng(seed).normal(size=shape)


class Queries(nl.Layer):
    """y = sin(q + k), each q (N, H) with each of its keys k (N, T, H), times a gain."""

    def __init__(self, of_q):
        self.of_q = of_q
        self.gain = nl.Parameter(normal(5))

    def forward(self, q, k):
        self.q, self.k = np.array(q), np.array(k)
        return np.sin(self.q[:, None] + self.k) * self.gain.value

    def backward(self, dout):
        s = self.q[:, None] + self.k
        self.gain.grad += (dout * np.sin(s)).sum(axis=(0, 1))
        dk = dout * self.gain.value * np.cos(s)
        return self.of_q(dk), dk


SHAPES = {
    "not summed": (lambda dk: dk.copy(), [("missing-batch-sum", "g.sum(axis=1) is right")]),
    "not summed, and negative": (lambda dk: -dk, [("missing-batch-sum", "g.sum(axis=1)"), ("wrong-sign", "minus your gradient is right")]),
    "summed over all": (lambda dk: dk.sum(), [("wrong-shape", "too much is summed")]),
    "summed over the samples, too": (lambda dk: dk.sum(axis=(0, 1)), [("wrong-shape", "too much is summed")]),
    "summed over other axes": (lambda dk: dk.sum(axis=2), [("wrong-shape", "the gradient has shape (2, 3), expected (2, 5)")]),
    "right": (lambda dk: dk.sum(axis=1), []),
}


@pytest.mark.parametrize("how", SHAPES)
def test_a_gradient_of_an_input_with_another_shape_is_told_with_its_cause(how):
    of_q, told = SHAPES[how]
    findings = check_gradients(Queries(of_q), normal(2, 5), normal(2, 3, 5)).findings
    assert [(finding.mistake, finding.where) for finding in findings] == [(mistake, "input 0") for mistake, _ in told]
    assert all(said in finding.cause for finding, (_, said) in zip(findings, told, strict=True))


class Both(nl.Layer):
    """y_i = x W_i for two stacked weights, whose gradients are added part by part."""

    def __init__(self, factor=1, whole=False):
        self.factor, self.whole = factor, whole
        self.w = nl.Parameter(normal(2, 4, 3))

    def forward(self, x):
        self.x = np.array(x)
        return np.sin(x @ self.w.value[0]) * np.cos(x @ self.w.value[1])

    def backward(self, dout):
        a, b = self.x @ self.w.value[0], self.x @ self.w.value[1]
        da, db = dout * np.cos(a) * np.cos(b), -dout * np.sin(a) * np.sin(b)
        if self.whole:
            self.w.grad += np.stack([self.x.T @ da, self.factor * self.x.T @ db])
        else:
            self.w.grad[0] += self.x.T @ da
            self.w.grad[1] += self.factor * self.x.T @ db
        return da @ self.w.value[0].T + db @ self.w.value[1].T


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize(("factor", "slug"), [(-1, "wrong-sign"), (2, "double-counted"), (0, "missing-term")])
def test_a_part_of_a_gradient_that_is_wrong_is_no_matter_of_axes(factor, slug, whole):
    assert check_gradients(Both(whole=whole), normal(6, 4)).ok
    (finding,) = check_gradients(Both(factor, whole), normal(6, 4)).findings
    assert (finding.mistake, finding.where) == (slug, "w")


class Biased(Both):
    """The same with a bias, whose gradient is added after that of the weights."""

    def __init__(self, *additions):
        super().__init__()
        self.additions = additions
        self.b = nl.Parameter(normal(3))

    def forward(self, x):
        return super().forward(x) + self.b.value

    def backward(self, dout):
        dx = super().backward(dout)
        for of in self.additions:
            self.b.grad += of(dout)
        return dx


def over_samples(dout):
    return dout.sum(axis=0)


@pytest.mark.parametrize(("additions", "slug"), [((over_samples, over_samples), "double-counted"), ((np.copy,), "missing-batch-sum")])
def test_what_is_added_to_a_part_hides_nothing_that_is_added_to_a_whole(additions, slug):
    assert check_gradients(Biased(over_samples), normal(6, 4)).ok
    (finding,) = check_gradients(Biased(*additions), normal(6, 4)).findings
    assert (finding.mistake, finding.where) == (slug, "b")


class Experts(nl.Layer):
    """y = Σ_k g_k x W_k with g = softmax(x): the shares add up to one."""

    def __init__(self, how=""):
        self.how = how
        self.w = nl.Parameter(normal(4, 4, 3))

    def forward(self, x):
        self.x = np.array(x)
        e = np.exp(self.x)
        self.g = e / e.sum(axis=1, keepdims=True)
        self.each = np.einsum("nd,kdh->nkh", x, self.w.value)
        return np.einsum("nk,nkh->nh", self.g, self.each)

    def backward(self, dout):
        if self.how == "equal":
            self.w.grad += np.einsum("nd,nk,nh->kdh", self.x, np.ones_like(self.g), dout)
        else:
            self.w.grad += np.einsum("nd,nk,nh->kdh", self.x, self.g, dout)
        if self.how == "rest":
            self.w.grad += np.einsum("nd,nk,nh->kdh", self.x, 1 - self.g, dout)
        if self.how == "twice":
            self.w.grad += np.einsum("nd,nk,nh->kdh", self.x, self.g, dout)
        dg = np.einsum("nh,nkh->nk", dout, self.each)
        return np.einsum("nk,nh,kdh->nd", self.g, dout, self.w.value) + self.g * (dg - (dg * self.g).sum(axis=1, keepdims=True))


@pytest.mark.parametrize(("how", "slug"), [("equal", "wrong-formula"), ("rest", "wrong-formula"), ("twice", "double-counted")])
def test_equal_numbers_along_an_axis_that_backward_wrote_itself_are_no_sum_over_it(how, slug):
    assert check_gradients(Experts(), normal(5, 4)).ok
    (finding,) = check_gradients(Experts(how), normal(5, 4)).findings
    assert (finding.mistake, finding.where) == (slug, "w")


class Largest(nl.Layer):
    """y = max_k x W_k: which piece was the largest differs from sample to sample."""

    def __init__(self, masked):
        self.masked = masked
        self.w = nl.Parameter(normal(4, 5, 3))

    def forward(self, x):
        self.x = np.array(x)
        z = np.einsum("nd,dhk->nhk", x, self.w.value)
        self.mask = z == z.max(axis=2, keepdims=True)
        return z.max(axis=2)

    def backward(self, dout):
        dz = dout[..., None] * self.mask
        self.w.grad += np.einsum("nd,nhk->dhk", self.x, dz if self.masked else dout[..., None] * np.ones(3))
        return np.einsum("nhk,dhk->nd", dz, self.w.value)


def test_a_mask_between_the_outputs_and_a_weight_that_is_missing_is_named():
    assert check_gradients(Largest(masked=True), normal(6, 4)).ok
    (finding,) = check_gradients(Largest(masked=False), normal(6, 4)).findings
    assert (finding.mistake, finding.where) == ("missing-mask", "w")
