"""The source chapter, "Deep Learning: Backpropagation": a test for each equation and figure.

netlib's layers, and `jacobian`, which uses nothing but their backward, are compared with sums
written out, and with derivatives by definition: with a step h along the imaginary axis, ∂f/∂x is
Im f(x + ih) / h to the last digits, since nothing is subtracted (Squire and Trapp, 1998).

Every equation holds for random matrices, for a network of one Affine and for one of single nodes,
and for two f: tanh, one element at a time as in Eq. (1.10), and the logarithm of softmax, whose
Jacobian has no zero and is not symmetric.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import netlib as nl

PLAIN = {"tanh": np.tanh, "log_softmax": lambda y: y - np.log(np.exp(y).sum())}
LAYERS = {"tanh": nl.Tanh, "log_softmax": nl.LogSoftmax}
INPUTS, OUTPUTS = range(2), range(3)
DOCS_PAGE = Path(__file__).parents[1] / "docs" / "chapter-in-code.md"


def assert_same(ours, theirs):
    ours, theirs = np.asarray(ours), np.asarray(theirs)
    assert ours.dtype == np.float64
    assert ours.shape == theirs.shape
    np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-12)


def derivative(function, a):
    """Every ∂(function)_i / ∂a_j, by the definition, along the imaginary axis."""
    result = np.empty(np.shape(function(a)) + a.shape)
    for place in np.ndindex(a.shape):
        moved = a.astype(complex)
        moved[place] += 1e-30j
        result[(..., *place)] = np.imag(function(moved)) / 1e-30
    return result


class Sums:
    """The forward pass in sums: y_i = Σ_j x_j w_ji + b_i, and L = f(y)."""

    def __init__(self, rng, f):
        self.x, self.w, self.b, self.f = rng.normal(size=2), rng.normal(size=(2, 3)), rng.normal(size=3), PLAIN[f]

    def y(self, x=None, w=None):
        x, w = self.x if x is None else x, self.w if w is None else w
        return np.array([sum(x[j] * w[j, i] for j in INPUTS) + self.b[i] for i in OUTPUTS])

    def L(self, x=None, w=None):
        return self.f(self.y(x, w))

    def dL_dx(self):
        return derivative(lambda x: self.L(x=x), self.x)

    def dL_dy(self):
        return derivative(self.f, self.y())

    def dy_dx(self):
        return derivative(lambda x: self.y(x=x), self.x)

    def dL_dw(self):
        return derivative(lambda w: self.L(w=w), self.w)

    def dy_dw(self):
        return derivative(lambda w: self.y(w=w), self.w)


class Network:
    """Fig. 1.2 of the chapter in netlib's layers, over the same numbers: X is (1×2), L is (1×3)."""

    def __init__(self, sums, f, wiring):
        self.X, self.W, self.B = sums.x.reshape(1, 2), sums.w, sums.b.reshape(1, 3)
        self.f = LAYERS[f]()
        if wiring == "one Affine":
            self.affine = nl.Affine.from_arrays(self.W, sums.b)
            self.whole, self.w, self.whole_w = nl.Sequential(self.affine, self.f), "weight", "0.weight"
        else:
            x, w, b = nl.Input("X"), nl.Weight("W", self.W), nl.Weight("B", self.B)
            y = x @ w + b
            self.affine, self.whole, self.w, self.whole_w = nl.Graph([x], [y]), nl.Graph([x], [self.f(y)]), "W", "W"

    def Y(self):
        return self.affine.forward(self.X)

    def L(self):
        return self.whole.forward(self.X)

    def dL_dX(self):
        return nl.jacobian(self.whole, self.X)[0, :, 0, :]

    def dL_dY(self):
        return nl.jacobian(self.f, self.Y())[0, :, 0, :]

    def dY_dX(self):
        return nl.jacobian(self.affine, self.X)[0, :, 0, :]

    def dL_dW(self):
        return nl.jacobian(self.whole, self.X, wrt=self.whole_w)[0]

    def dY_dW(self):
        return nl.jacobian(self.affine, self.X, wrt=self.w)[0]


@pytest.fixture(params=range(3))
def rng(request):
    return np.random.default_rng(request.param)


@pytest.fixture(params=["tanh", "log_softmax"])
def f(request):
    return request.param


@pytest.fixture
def sums(rng, f):
    return Sums(rng, f)


@pytest.fixture(params=["one Affine", "single nodes"])
def net(request, sums, f):
    return Network(sums, f, request.param)


# 1.1 Partial derivative


def test_equation_1_01_the_plus_node_adds_x1_and_x2_and_f_takes_the_sum(rng, f):
    x1, x2 = rng.normal(size=(2, 3))
    node_1, node_2 = nl.Input("x1"), nl.Input("x2")
    y = node_1 + node_2
    graph = nl.Graph(inputs=[node_1, node_2], outputs=[y, LAYERS[f]()(y)])
    expected = np.array([x1[i] + x2[i] for i in OUTPUTS])
    for ours, theirs in zip(graph.forward(x1, x2), [expected, PLAIN[f](expected)], strict=True):
        assert_same(ours, theirs)


def test_equation_1_02_both_derivatives_of_the_plus_node_are_1(rng):
    x1, x2 = rng.normal(size=2)
    assert_same(nl.jacobian(nl.Add(), x1, x2, wrt=0), 1.0)
    assert_same(nl.jacobian(nl.Add(), x1, x2, wrt=1), 1.0)


def test_equation_1_02_the_plus_node_sends_what_comes_from_upstream_to_both_branches(rng):
    x1, x2, dout = rng.normal(size=(3, 4, 5))
    add = nl.Add()
    add.forward(x1, x2)
    for sent in add.backward(dout):
        assert_same(sent, dout)


# 1.2.1 Shape of the matrices


def test_equation_1_03_x_is_a_row_of_two_numbers(net, sums):
    assert net.X.shape == (1, 2)
    assert_same(net.affine.forward([[sums.x[0], sums.x[1]]]), sums.y().reshape(1, 3))


def test_equation_1_04_w_has_a_row_for_each_input_and_a_column_for_each_output(net):
    (w11, w12, w13), (w21, w22, w23) = net.W
    weight = net.affine.parameters()[net.w]
    assert_same(weight.value, [[w11, w12, w13], [w21, w22, w23]])
    assert nl.Affine(2, 3).weight.shape == (2, 3)


def test_equation_1_05_b_is_a_row_of_three_numbers(net, sums):
    b1, b2, b3 = sums.b
    assert nl.Affine(2, 3).bias.shape == (3,)
    assert_same(net.affine.forward(np.zeros((1, 2))), [[b1, b2, b3]])


def test_equation_1_06_the_dot_node_gives_xw_element_by_element(net, sums):
    (x1, x2), ((w11, w12, w13), (w21, w22, w23)) = sums.x, sums.w
    assert_same(nl.MatMul().forward(net.X, net.W), [[x1 * w11 + x2 * w21, x1 * w12 + x2 * w22, x1 * w13 + x2 * w23]])


def test_equation_1_07_element_i_of_xw_is_the_sum_of_x_j_w_ji(net, sums):
    xw = nl.MatMul().forward(net.X, net.W)
    for i in OUTPUTS:
        assert_same(xw[0, i], sum(sums.x[j] * sums.w[j, i] for j in INPUTS))


def test_equation_1_08_y_is_xw_plus_b_element_by_element(net, sums):
    (x1, x2), ((w11, w12, w13), (w21, w22, w23)), (b1, b2, b3) = sums.x, sums.w, sums.b
    assert_same(net.Y(), [[x1 * w11 + x2 * w21 + b1, x1 * w12 + x2 * w22 + b2, x1 * w13 + x2 * w23 + b3]])


def test_equation_1_09_y_i_is_the_sum_of_x_j_w_ji_plus_b_i(net, sums):
    for i in OUTPUTS:
        assert_same(net.Y()[0, i], sum(sums.x[j] * sums.w[j, i] for j in INPUTS) + sums.b[i])


@pytest.mark.parametrize("f", ["tanh"])
def test_equation_1_10_l_is_f_of_each_y(net, sums):
    y1, y2, y3 = sums.y()
    assert_same(net.L(), [[np.tanh(y1), np.tanh(y2), np.tanh(y3)]])


# 1.2.2 Partial derivative ∂L/∂X


def test_equation_1_11_the_jacobian_has_a_row_for_each_l_and_a_column_for_each_x(net, sums):
    assert net.dL_dX().shape == (3, 2)
    assert_same(net.dL_dX(), sums.dL_dx())


def test_equation_1_12_the_chain_rule_for_l_1_by_x_1_has_a_term_for_each_y(net, sums):
    dL_dy, dy_dx = sums.dL_dy(), sums.dy_dx()
    assert_same(net.dL_dX()[0, 0], dL_dy[0, 0] * dy_dx[0, 0] + dL_dy[0, 1] * dy_dx[1, 0] + dL_dy[0, 2] * dy_dx[2, 0])


def test_equation_1_13_every_derivative_of_l_by_x_is_a_sum_over_the_ys_between(net, sums):
    dL_dy, dy_dx = sums.dL_dy(), sums.dy_dx()
    for i in OUTPUTS:
        for j in INPUTS:
            assert_same(net.dL_dX()[i, j], sum(dL_dy[i, k] * dy_dx[k, j] for k in OUTPUTS))


def test_equation_1_14_the_jacobian_of_f_has_a_row_for_each_l_and_a_column_for_each_y(net, sums, f):
    y = sums.y()
    by_hand = {
        "tanh": [[(i == k) * (1 - np.tanh(y[k]) ** 2) for k in OUTPUTS] for i in OUTPUTS],
        "log_softmax": [[(i == k) - np.exp(y[k]) / sum(np.exp(y)) for k in OUTPUTS] for i in OUTPUTS],
    }
    assert_same(net.dL_dY(), by_hand[f])
    assert_same(net.dL_dY(), sums.dL_dy())


def test_equation_1_15_the_jacobian_of_the_whole_is_the_product_of_the_jacobians(net, sums):
    assert_same(net.dL_dY() @ net.dY_dX(), net.dL_dX())
    assert_same(net.dL_dX(), np.einsum("ik,kj->ij", sums.dL_dy(), sums.dy_dx()))


def test_equation_1_16_the_jacobian_of_affine_has_a_row_for_each_y_and_a_column_for_each_x(net, sums):
    assert net.dY_dX().shape == (3, 2)
    assert_same(net.dY_dX(), sums.dy_dx())


def test_equation_1_17_the_derivative_of_y_i_by_x_j_is_w_ji(net, sums):
    for i in OUTPUTS:
        for j in INPUTS:
            assert_same(net.dY_dX()[i, j], sums.w[j, i])


def test_equation_1_18_element_ij_of_the_dot_nodes_jacobian_is_w_ji(net, sums):
    dot = nl.jacobian(nl.MatMul(), net.X, net.W, wrt=0)[0, :, 0, :]
    assert_same(dot, [[sums.w[j, i] for j in INPUTS] for i in OUTPUTS])


def test_equation_1_19_the_derivative_of_y_by_x_is_w_transposed(net, sums):
    assert_same(net.dY_dX(), sums.w.T)


def test_equation_1_20_the_derivative_of_l_by_x_is_that_by_y_times_w_transposed(net, sums):
    assert_same(net.dL_dX(), np.einsum("ik,jk->ij", sums.dL_dy(), sums.w))


def test_equation_1_20_backward_multiplies_what_comes_from_upstream_by_w_transposed(net, sums, rng):
    dout = rng.normal(size=(1, 3))
    net.Y()
    assert_same(net.affine.backward(dout), [[sum(dout[0, k] * sums.w[j, k] for k in OUTPUTS) for j in INPUTS]])


# 1.2.3 Partial derivative ∂L/∂W


def test_equation_1_21_the_derivative_of_l_by_w_is_a_tensor_with_l_first_and_w_behind(net, sums):
    assert net.dL_dW().shape == (3, 2, 3)
    assert_same(net.dL_dW(), sums.dL_dw())


def test_equation_1_22_the_derivative_of_l_by_w_11_is_a_row_of_three(net, sums):
    def L(w11):
        return sums.L(w=np.array([[w11[0], *sums.w[0, 1:]], sums.w[1]]))

    assert_same(net.dL_dW()[:, 0, 0], derivative(L, sums.w[0, :1])[:, 0])


def test_equation_1_23_the_chain_rule_for_l_1_by_w_11_has_a_term_for_each_y(net, sums):
    dL_dy, dy_dw = sums.dL_dy(), sums.dy_dw()
    three_terms = dL_dy[0, 0] * dy_dw[0, 0, 0] + dL_dy[0, 1] * dy_dw[1, 0, 0] + dL_dy[0, 2] * dy_dw[2, 0, 0]
    assert_same(net.dL_dW()[0, 0, 0], three_terms)


def test_equation_1_24_the_derivative_of_y_1_by_w_11_is_x_1(net, sums):
    assert_same(net.dY_dW()[0, 0, 0], sums.x[0])


def test_equation_1_25_the_derivative_of_y_i_by_w_jk_is_x_j_where_i_is_k_and_else_0(net, sums):
    for i in OUTPUTS:
        for j in INPUTS:
            for k in OUTPUTS:
                assert_same(net.dY_dW()[i, j, k], sums.x[j] if i == k else 0.0)


def test_equation_1_26_the_derivative_of_l_i_by_w_jk_is_that_by_y_k_times_x_j(net, sums):
    dL_dy, dy_dw = sums.dL_dy(), sums.dy_dw()
    for i in OUTPUTS:
        for j in INPUTS:
            for k in OUTPUTS:
                ours = net.dL_dW()[i, j, k]
                assert_same(ours, sum(dL_dy[i, n] * dy_dw[n, j, k] for n in OUTPUTS))
                assert_same(ours, sum(dL_dy[i, n] * sums.x[j] * (n == k) for n in OUTPUTS))
                assert_same(ours, dL_dy[i, k] * sums.x[j])


def test_equation_1_27_the_row_of_l_by_w_jk_is_x_j_times_column_k_of_the_jacobian(net, sums):
    dL_dy = sums.dL_dy()
    for j in INPUTS:
        for k in OUTPUTS:
            assert_same(net.dL_dW()[:, j, k], sums.x[j] * dL_dy[:, k])


def test_equation_1_28_element_jk_of_the_tensor_is_x_j_times_the_derivative_by_y_k(net, sums):
    assert_same(net.dL_dW(), np.einsum("j,ik->ijk", sums.x, sums.dL_dy()))


def test_equation_1_29_a_one_sent_to_l_1_brings_the_first_row_of_the_jacobian(net, sums):
    net.f.forward(net.Y())
    row = net.f.backward([[1.0, 0.0, 0.0]])
    assert_same(row, sums.dL_dy()[:1])


def test_equation_1_30_the_gradient_of_w_is_x_transposed_times_the_row(net, sums):
    net.L()
    net.whole.backward([[1.0, 0.0, 0.0]])
    grad = net.whole.parameters()[net.whole_w].grad
    (x1, x2), (d1, d2, d3) = sums.x, sums.dL_dy()[0]
    assert_same(grad, [[x1 * d1, x1 * d2, x1 * d3], [x2 * d1, x2 * d2, x2 * d3]])
    assert_same(grad, sums.dL_dw()[0])


def test_equation_1_30_holds_for_each_l_in_its_turn(net, sums):
    for i in OUTPUTS:
        net.L()
        net.whole.zero_grad()
        net.whole.backward(np.eye(3)[i : i + 1])
        assert_same(net.whole.parameters()[net.whole_w].grad, sums.dL_dw()[i])


# 1.2.4 Partial derivative ∂L/∂B


@pytest.mark.parametrize("rows", [1, 2, 5])
def test_equation_1_31_the_bias_reaches_every_row_through_a_column_of_ones(rng, rows):
    X, W, B, D = rng.normal(size=(rows, 2)), rng.normal(size=(2, 3)), rng.normal(size=(1, 3)), np.ones((rows, 1))
    x, w, b, d = nl.Input("X"), nl.Weight("W", W), nl.Weight("B", B), nl.Constant("D", D)
    with_ones = nl.Graph(inputs=[x], outputs=[x @ w + d @ b])
    broadcast = nl.Affine.from_arrays(W, B[0])
    expected = [[sum(X[n, j] * W[j, i] for j in INPUTS) + D[n, 0] * B[0, i] for i in OUTPUTS] for n in range(rows)]
    assert_same(with_ones.forward(X), expected)
    assert_same(broadcast.forward(X), expected)


# The figures


def test_figure_1_1_what_f_sends_back_reaches_both_inputs(rng, f):
    x1, x2 = rng.normal(size=(2, 3))
    node_1, node_2 = nl.Input("x1"), nl.Input("x2")
    graph = nl.Graph(inputs=[node_1, node_2], outputs=[LAYERS[f]()(node_1 + node_2)])
    graph.forward(x1, x2)
    dout = rng.normal(size=3)
    expected = dout @ derivative(PLAIN[f], x1 + x2)
    for sent in graph.backward(dout):
        assert_same(sent, expected)


def test_figure_1_2_x_and_w_meet_in_dot_then_b_in_plus_then_f(net, sums):
    dot, add = nl.MatMul(), nl.Add()
    L = net.f.forward(add.forward(dot.forward(net.X, net.W), net.B))
    assert_same(L, sums.L().reshape(1, 3))
    assert_same(net.L(), L)


def test_figure_1_3_the_dot_node_takes_a_matrix_on_each_side(rng):
    X, W = rng.normal(size=(4, 2)), rng.normal(size=(2, 3))
    assert_same(nl.Dot().forward(X, W), [[sum(X[n, j] * W[j, i] for j in INPUTS) for i in OUTPUTS] for n in range(4)])


@pytest.mark.parametrize("rows", [1, 4])
def test_figure_1_4_the_dot_node_sends_upstream_times_w_transposed_to_x(rng, rows):
    X, W, dout = rng.normal(size=(rows, 2)), rng.normal(size=(2, 3)), rng.normal(size=(rows, 3))
    dot = nl.Dot()
    dot.forward(X, W)
    to_x, _ = dot.backward(dout)
    assert_same(to_x, [[sum(dout[n, i] * W[j, i] for i in OUTPUTS) for j in INPUTS] for n in range(rows)])
    assert_same(to_x, derivative(lambda x: (dout * np.einsum("nj,ji->ni", x, W)).sum(), X))


@pytest.mark.parametrize("rows", [1, 4])
def test_figure_1_5_the_dot_node_sends_x_transposed_times_upstream_to_w(rng, rows):
    X, W, dout = rng.normal(size=(rows, 2)), rng.normal(size=(2, 3)), rng.normal(size=(rows, 3))
    dot = nl.Dot()
    dot.forward(X, W)
    _, to_w = dot.backward(dout)
    assert_same(to_w, [[sum(X[n, j] * dout[n, i] for n in range(rows)) for i in OUTPUTS] for j in INPUTS])
    assert_same(to_w, derivative(lambda w: (dout * np.einsum("nj,ji->ni", X, w)).sum(), W))


def test_figure_1_6_d_dot_b_is_a_copy_of_b_in_each_row(rng):
    D, B = np.ones((2, 1)), rng.normal(size=(1, 3))
    b1, b2, b3 = B[0]
    assert_same(nl.Dot().forward(D, B), [[b1, b2, b3], [b1, b2, b3]])


def test_figure_1_7_what_reaches_b_is_d_transposed_times_upstream_and_that_is_the_sum_over_rows(rng):
    D, B, dout = np.ones((2, 1)), rng.normal(size=(1, 3)), rng.normal(size=(2, 3))
    dot, add = nl.Dot(), nl.Add()
    A = rng.normal(size=(2, 3))
    sum_over_rows = [[dout[0, i] + dout[1, i] for i in OUTPUTS]]

    add.forward(A, dot.forward(D, B))
    to_a, to_db = add.backward(dout)
    assert_same(to_a, dout)
    assert_same(dot.backward(to_db)[1], sum_over_rows)

    add.forward(A, B)
    assert_same(add.backward(dout)[1], sum_over_rows)

    assert_same(nl.Sum(axis=0, keepdims=True).forward(dout), sum_over_rows)


class Tap(nl.Layer):
    """An edge that can be looked at: passes everything on and keeps what came back."""

    def forward(self, x):
        return x

    def backward(self, dout):
        self.seen = dout
        return dout


@pytest.mark.parametrize("rows", [1, 2, 5])
def test_figure_1_8_a_one_sent_to_f_puts_the_chapters_gradient_on_every_edge(rng, rows):
    X, W, B = rng.normal(size=(rows, 2)), rng.normal(size=(2, 3)), rng.normal(size=(1, 3))
    x, w, b = nl.Input("X"), nl.Weight("W", W), nl.Weight("B", B)
    edge_xw, edge_y = Tap(), Tap()
    y = edge_y(edge_xw(x @ w) + b)
    graph = nl.Graph(inputs=[x], outputs=[nl.Sum()(y * y)])  # f(Y) = Σ y², a number

    Y = np.array([[sum(X[n, j] * W[j, i] for j in INPUTS) + B[0, i] for i in OUTPUTS] for n in range(rows)])
    assert_same(graph.forward(X), sum(each**2 for each in Y.flat))
    to_x = graph.backward(1.0)

    dL_dY = derivative(lambda each: (each * each).sum(), Y)
    assert_same(dL_dY, 2 * Y)
    assert_same(edge_y.seen, dL_dY)
    assert_same(edge_xw.seen, dL_dY)
    assert_same(to_x, np.einsum("ni,ji->nj", dL_dY, W))
    parameters = graph.parameters()
    assert_same(parameters["W"].grad, np.einsum("nj,ni->ji", X, dL_dY))
    assert_same(parameters["B"].grad, [[sum(dL_dY[n, i] for n in range(rows)) for i in OUTPUTS]])


@pytest.mark.parametrize("rows", [1, 2, 5])
@pytest.mark.parametrize("discarded", [0, 1])
def test_figure_1_8_an_affine_is_the_same_graph_in_one_layer(rng, rows, discarded):
    X, W, B = rng.normal(size=(rows, 2)), rng.normal(size=(2, 3)), rng.normal(size=3)
    affine, f = nl.Affine.from_arrays(W, B), nl.MeanSquaredError(reduction="sum")
    target = rng.normal(size=(rows, 3))
    for _ in range(discarded):
        affine.forward(X)
        affine.backward(target)
        affine.zero_grad()
    f.forward(affine.forward(X), target)
    to_x = affine.backward(f.backward(1.0))

    def L(X, W, B):
        return ((np.einsum("nj,ji->ni", X, W) + B - target) ** 2).sum()

    assert_same(to_x, derivative(lambda X: L(X, W, B), X))
    assert_same(affine.weight.grad, derivative(lambda W: L(X, W, B), W))
    assert_same(affine.bias.grad, derivative(lambda B: L(X, W, B), B))


# This file and the page that is read beside it


def test_every_equation_and_every_figure_of_the_chapter_has_a_test():
    equations = {name[len("test_equation_1_") :][:2] for name in globals() if name.startswith("test_equation_1_")}
    figures = {name[len("test_figure_1_") :][:1] for name in globals() if name.startswith("test_figure_1_")}
    assert equations == {f"{number:02}" for number in range(1, 32)}
    assert figures == set("12345678")


def test_the_page_the_chapter_in_code_names_exactly_these_tests():
    named = set(re.findall(r"`(test_(?:equation|figure)_\w+)`", DOCS_PAGE.read_text(encoding="utf-8")))
    assert named == {name for name in globals() if re.match("test_(equation|figure)_", name)}
