"""Work through the chapter "Deep Learning: Backpropagation" with numbers.

Read it beside the chapter. Under the number of each equation are its two sides, first as netlib
computes it, then as the chapter writes it. X is (1x2), W is (2x3), B is (1x3), and f is tanh. Where
the chapter only defines a derivative, the other side is a finite difference,
(f(x + h) - f(x - h)) / 2h. --draw also saves the last graph, Fig. 1.8, as a picture.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from itertools import zip_longest
from math import tanh

import numpy as np
from numpy.typing import ArrayLike, NDArray

import netlib as nl

Array = NDArray[np.float64]

INPUTS, OUTPUTS = range(2), range(3)  # the indices of x and of y, from 0 as Python counts
NUMERIC = "finite differences"


class Walk:
    """Prints both sides of each equation, and records those that disagree."""

    def __init__(self) -> None:
        self.shown = 0
        self.disagreeing: list[str] = []

    def show(self, number: str, equation: str, sides: dict[str, ArrayLike]) -> None:
        """Print each side below its label, and compare the others with the first."""
        arrays = {how: np.asarray(side, dtype=np.float64) for how, side in sides.items()}
        first, *others = arrays.values()
        within = 1e-8 if NUMERIC in sides else 1e-12
        agree = all(first.shape == other.shape and np.allclose(first, other, rtol=within, atol=within) for other in others)
        print(f"\n{number:8}{equation}\n{side_by_side(arrays, '=' if agree else '≠')}")
        self.shown += 1
        if not agree:
            self.disagreeing.append(number or equation)


def side_by_side(sides: dict[str, Array], sign: str) -> str:
    columns = [[how, *np.array2string(side.round(4) + 0.0, precision=4, floatmode="fixed").split("\n")] for how, side in sides.items()]
    widths = [max(map(len, column)) for column in columns]
    lines = []
    for row, cells in enumerate(zip_longest(*columns, fillvalue="")):
        between = f"  {sign if row == 1 else ' '}  "
        line = between.join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
        lines.append(f"        {line}".rstrip())
    return "\n".join(lines)


def numeric_jacobian(function: Callable[[Array], Array], a: Array, h: float = 1e-6) -> Array:
    """Return the Jacobian of `function` at `a` by central differences."""
    changes = np.empty((*function(a).shape, *a.shape))
    for place in np.ndindex(a.shape):
        step = np.zeros_like(a)
        step[place] = h
        changes[(..., *place)] = (function(a + step) - function(a - step)) / (2 * h)
    return changes


def partial_derivative(walk: Walk, rng: np.random.Generator) -> None:
    print("\n\n1.1 Partial derivative")
    x1, x2 = tenths(rng, 2)
    add = nl.Add()
    walk.show("(1.1)", "y = x1 + x2", {"add.forward(x1, x2)": add.forward(x1, x2), "x1 + x2": x1 + x2})
    walk.show("(1.2)", "∂y/∂x1 = ∂y/∂x2 = 1", {"add.backward(1.0)": add.backward(1.0), "1 and 1": [1.0, 1.0]})
    sent = add.backward(-0.7)
    walk.show("", "so the + node passes on the upstream gradient", {"add.backward(-0.7)": sent, "the same, twice": [-0.7, -0.7]})


def shapes(walk: Walk, X: Array, W: Array, B: Array) -> None:
    print("\n\n1.2.1 Shape of the matrices")
    ((x1, x2),) = X
    (w11, w12, w13), (w21, w22, w23) = W
    ((b1, b2, b3),) = B
    dot, affine, f = nl.MatMul(), nl.Affine.from_arrays(W, B[0]), nl.Tanh()
    sums = [sum(X[0, j] * W[j, i] for j in INPUTS) for i in OUTPUTS]

    walk.show("(1.3)", "X = (x1 x2)", {"X": X, "(x1 x2)": [[x1, x2]]})
    walk.show("(1.4)", "W = (w_ji)", {"affine.weight.value": affine.weight.value, "W": [[w11, w12, w13], [w21, w22, w23]]})
    walk.show("(1.5)", "B = (b1 b2 b3)", {"affine.bias.value": [affine.parameters()["bias"].value], "(b1 b2 b3)": [[b1, b2, b3]]})
    XW = dot.forward(X, W)
    terms = [[x1 * w11 + x2 * w21, x1 * w12 + x2 * w22, x1 * w13 + x2 * w23]]
    walk.show("(1.6)", "XW, element by element", {"dot.forward(X, W)": XW, "(x1 w11 + x2 w21  …)": terms})
    walk.show("(1.7)", "(XW)_i = Σ_j x_j w_ji", {"dot.forward(X, W)[0]": XW[0], "Σ_j x_j w_ji": sums})
    Y = affine.forward(X)
    walk.show("(1.8)", "Y = XW + B", {"affine.forward(X)": Y, "(x1 w11 + x2 w21 + b1  …)": np.add(terms, [[b1, b2, b3]])})
    walk.show(
        "(1.9)", "y_i = Σ_j x_j w_ji + b_i", {"affine.forward(X)[0]": Y[0], "Σ_j x_j w_ji + b_i": [sums[i] + B[0, i] for i in OUTPUTS]}
    )
    walk.show("(1.10)", "L = (f(y1) f(y2) f(y3))", {"f.forward(Y)": f.forward(Y), "(tanh(y1) …)": [[tanh(y) for y in Y[0]]]})


def to_x(walk: Walk, X: Array, W: Array, B: Array) -> None:
    print("\n\n1.2.2 Partial derivative ∂L/∂X; x is the only row of X, y that of Y")
    affine, f = nl.Affine.from_arrays(W, B[0]), nl.Tanh()
    network = nl.Sequential(affine, f)
    x, y = X[0], affine.forward(X)[0]

    # A Jacobian has one row per element of the output and one column per element of the input.
    dLdX, dLdY, dYdX = nl.jacobian(network, x), nl.jacobian(f, y), nl.jacobian(affine, x)

    walk.show("(1.11)", "∂L/∂X, a row for each L_i", {"jacobian(network, x)": dLdX, NUMERIC: numeric_jacobian(network.forward, x)})
    three = dLdY[0, 0] * dYdX[0, 0] + dLdY[0, 1] * dYdX[1, 0] + dLdY[0, 2] * dYdX[2, 0]
    walk.show("(1.12)", "∂L1/∂x1 by the chain rule", {"jacobian(network, x)[0, 0]": dLdX[0, 0], "Σ_k ∂L1/∂y_k ∂y_k/∂x1": three})
    chain = [[sum(dLdY[i, k] * dYdX[k, j] for k in OUTPUTS) for j in INPUTS] for i in OUTPUTS]
    walk.show("(1.13)", "∂L_i/∂x_j by the chain rule", {"jacobian(network, x)": dLdX, "Σ_k ∂L_i/∂y_k ∂y_k/∂x_j": chain})
    walk.show("(1.14)", "∂L/∂Y, a row for each L_i", {"dLdY = jacobian(f, y)": dLdY, NUMERIC: numeric_jacobian(f.forward, y)})
    walk.show("(1.15)", "∂L/∂X = ∂L/∂Y ∂Y/∂X", {"jacobian(network, x)": dLdX, "∂L/∂Y @ ∂Y/∂X": dLdY @ dYdX})
    walk.show("(1.16)", "∂Y/∂X, a row for each y_i", {"jacobian(affine, x)": dYdX, NUMERIC: numeric_jacobian(affine.forward, x)})
    walk.show("(1.17)", "∂y_i/∂x_j = w_ji, for i = 2 and j = 1", {"jacobian(affine, x)[1, 0]": dYdX[1, 0], "w12": W[0, 1]})
    turned = [[W[j, i] for j in INPUTS] for i in OUTPUTS]
    walk.show("(1.18)", "(∂Y/∂X)_ij = w_ji", {"jacobian(affine, x)": dYdX, "w_ji in row i, column j": turned})
    walk.show("(1.19)", "∂Y/∂X = Wᵀ", {"jacobian(affine, x)": dYdX, "W.T": W.T})
    walk.show("(1.20)", "∂L/∂X = ∂L/∂Y Wᵀ", {"jacobian(network, x)": dLdX, "∂L/∂Y @ W.T": dLdY @ W.T})


def to_w(walk: Walk, X: Array, W: Array, B: Array) -> None:
    print("\n\n1.2.3 Partial derivative ∂L/∂W; it has three indices: i of L_i, then j and k of w_jk")
    affine, f = nl.Affine.from_arrays(W, B[0]), nl.Tanh()
    network = nl.Sequential(affine, f)
    x, y = X[0], affine.forward(X)[0]

    # The Jacobian by a matrix is a tensor: dLdW[i, j, k] is ∂L_i/∂w_jk.
    dLdW, dYdW, dLdY = nl.jacobian(network, x, wrt="0.weight"), nl.jacobian(affine, x, wrt="weight"), nl.jacobian(f, y)

    def L(W: Array) -> Array:
        result: Array = np.tanh(x @ W + B[0])
        return result

    changes = numeric_jacobian(L, W)
    walk.show("(1.21)", "∂L/∂W, a matrix for each L_i", {"dLdW = jacobian(network, x, '0.weight')": dLdW, NUMERIC: changes})
    walk.show("(1.22)", "∂L/∂w11 = (∂L1/∂w11  ∂L2/∂w11  ∂L3/∂w11)", {"dLdW[:, 0, 0]": dLdW[:, 0, 0], NUMERIC: changes[:, 0, 0]})
    three = dLdY[0, 0] * dYdW[0, 0, 0] + dLdY[0, 1] * dYdW[1, 0, 0] + dLdY[0, 2] * dYdW[2, 0, 0]
    walk.show("(1.23)", "∂L1/∂w11 by the chain rule", {"dLdW[0, 0, 0]": dLdW[0, 0, 0], "Σ_k ∂L1/∂y_k ∂y_k/∂w11": three})
    walk.show("(1.24)", "∂y1/∂w11 = x1", {"dYdW[0, 0, 0]": dYdW[0, 0, 0], "x1": x[0]})
    kronecker = [[[x[j] * (i == k) for k in OUTPUTS] for j in INPUTS] for i in OUTPUTS]
    walk.show("(1.25)", "∂y_i/∂w_jk = x_j δ_ik", {"dYdW = jacobian(affine, x, 'weight')": dYdW, "x_j if i = k, else 0": kronecker})
    products = [[[dLdY[i, k] * x[j] for k in OUTPUTS] for j in INPUTS] for i in OUTPUTS]
    walk.show("(1.26)", "∂L_i/∂w_jk = ∂L_i/∂y_k x_j", {"dLdW": dLdW, "∂L_i/∂y_k x_j": products})
    walk.show(
        "(1.27)", "∂L/∂w_jk = x_j ∂L/∂y_k, for j = 2 and k = 3", {"dLdW[:, 1, 2]": dLdW[:, 1, 2], "x2 * dLdY[:, 2]": x[1] * dLdY[:, 2]}
    )
    outer = np.einsum("j,ik->ijk", x, dLdY)
    walk.show("(1.28)", "(∂L/∂W)_jk = x_j ∂L/∂y_k", {"dLdW": dLdW, "x_j ∂L/∂y_k for all j, k": outer})

    # Backward takes one row of ∂L/∂Y at a time. A 1 for L1 and 0 for the others selects the first.
    network.forward(X)
    row = f.backward([[1.0, 0.0, 0.0]])
    walk.show("(1.29)", "∂L/∂Y = (∂L1/∂y1  ∂L1/∂y2  ∂L1/∂y3)", {"f.backward([[1, 0, 0]])": row, "first row of ∂L/∂Y": dLdY[:1]})
    affine.backward(row)
    walk.show("(1.30)", "∂L/∂W = Xᵀ ∂L/∂Y", {"affine.weight.grad": affine.weight.grad, "X.T @ row": X.T @ row, "∂L1/∂W of (1.21)": dLdW[0]})


def to_b(walk: Walk, X: Array, W: Array, B: Array) -> None:
    print("\n\n1.2.4 Partial derivative ∂L/∂B, with a batch of two rows")
    D = np.ones((2, 1))
    affine, dot = nl.Affine.from_arrays(W, B[0]), nl.MatMul()
    walk.show("", "D copies B into each row", {"dot.forward(D, B)": dot.forward(D, B), "D B": [B[0], B[0]]})
    walk.show("(1.31)", "Y = XW + DB", {"affine.forward(X)": affine.forward(X), "X @ W + D @ B": X @ W + D @ B})
    dLdY = 1 - np.tanh(affine.forward(X)) ** 2  # of L = Σ tanh(y)
    affine.backward(dLdY)
    sent = dot.backward(dLdY)[1]
    bias = [affine.parameters()["bias"].grad]
    walk.show("Fig 1.7", "∂L/∂B = Dᵀ ∂L/∂Y", {"dot.backward(∂L/∂Y)[1]": sent, "D.T @ ∂L/∂Y": D.T @ dLdY, "affine.bias.grad": bias})
    walk.show(
        "", "which is a sum over the rows", {"dot.backward(∂L/∂Y)[1]": sent, "∂L/∂Y summed over axis 0": dLdY.sum(axis=0, keepdims=True)}
    )


def whole_graph(walk: Walk, X: Array, W: Array, B: Array) -> None:
    print("\n\n1.2.5 Computing graph with matrix input (Fig. 1.8), with the same two rows and L = f(Y) = Σ tanh(y)")
    print("\n        X ──→ dot ──→ + ──→ f ──→ L\n        W ────↗       B ↗")
    dot, add, f = nl.MatMul(), nl.Add(), nl.Sequential(nl.Tanh(), nl.Sum())

    print("\n        forward, from the left")
    XW = dot.forward(X, W)
    Y = add.forward(XW, B)
    L = f.forward(Y)
    walk.show("dot", "XW", {"dot.forward(X, W)": XW, "X @ W": X @ W})
    walk.show("+", "Y", {"add.forward(XW, B)": Y, "X @ W + B": X @ W + B})
    walk.show("f", "L", {"f.forward(Y)": L, "Σ tanh(y)": sum(tanh(y) for y in Y.flat)})

    print("\n        backward, from the right: f receives 1")
    dLdY = f.backward(1.0)
    dLdXW, dLdB = add.backward(dLdY)
    dLdX, dLdW = dot.backward(dLdXW)
    walk.show("f", "∂L/∂Y", {"f.backward(1.0)": dLdY, "1 - tanh(Y)²": 1 - np.tanh(Y) ** 2})
    walk.show("+", "dot receives ∂L/∂Y unchanged", {"add.backward(∂L/∂Y)[0]": dLdXW, "∂L/∂Y": dLdY})
    walk.show("+", "B receives the sum over axis 0", {"add.backward(∂L/∂Y)[1]": dLdB, "∂L/∂Y summed": dLdY.sum(axis=0, keepdims=True)})
    walk.show("dot", "X receives ∂L/∂Y Wᵀ", {"dot.backward(∂L/∂Y)[0]": dLdX, "∂L/∂Y @ W.T": dLdY @ W.T})
    walk.show("dot", "W receives Xᵀ ∂L/∂Y", {"dot.backward(∂L/∂Y)[1]": dLdW, "X.T @ ∂L/∂Y": X.T @ dLdY})

    print("\n        The same without calling each node: with an nl.Graph, and with an nl.Affine.")
    graph = figure_1_8(W, B)
    network = nl.Sequential(nl.Affine.from_arrays(W, B[0]), nl.Tanh(), nl.Sum())
    walk.show("", "L", {"graph": graph.forward(X), "Affine, Tanh, Sum": network.forward(X), "node by node": L})
    walk.show("", "∂L/∂X", {"graph": graph.backward(1.0), "Affine, Tanh, Sum": network.backward(1.0), "node by node": dLdX})
    in_graph, in_network = graph.parameters(), network.parameters()
    walk.show("", "∂L/∂W", {"graph": in_graph["W"].grad, "Affine, Tanh, Sum": in_network["0.weight"].grad, "node by node": dLdW})
    walk.show("", "∂L/∂B", {"graph": in_graph["B"].grad, "Affine, Tanh, Sum": [in_network["0.bias"].grad], "node by node": dLdB})


def figure_1_8(W: Array, B: Array) -> nl.Graph:
    x, w, b = nl.Input("X"), nl.Weight("W", W), nl.Weight("B", B)
    y = nl.Add()(nl.MatMul()(x, w, name="XW"), b, name="Y")
    return nl.Graph(inputs=[x], outputs=[nl.Sum()(nl.Tanh()(y, name="f(Y)"), name="L")])


def tenths(rng: np.random.Generator, *shape: int) -> Array:
    """Return multiples of 0.1 such as -0.7, with distinct absolute values."""
    sizes = rng.permutation(9)[: int(np.prod(shape))].reshape(shape) + 1
    return rng.choice([-1.0, 1.0], shape) * sizes / 10


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0, help="random seed for the numbers in the matrices (default: %(default)s)")
    parser.add_argument("--draw", metavar="FILE", help="save Fig. 1.8 as .html, .svg or .png; .png needs the extra 'draw'")
    args = parser.parse_args()
    rng = np.random.default_rng(args.seed)

    walk = Walk()
    X, W, B = tenths(rng, 1, 2), tenths(rng, 2, 3), tenths(rng, 1, 3)
    partial_derivative(walk, rng)
    shapes(walk, X, W, B)
    to_x(walk, X, W, B)
    to_w(walk, X, W, B)
    two_rows = np.concatenate([X, tenths(rng, 1, 2)])
    to_b(walk, two_rows, W, B)
    whole_graph(walk, two_rows, W, B)
    if args.draw:
        nl.draw(figure_1_8(W, B), two_rows).save(args.draw)

    if walk.disagreeing:
        print(f"\nThe sides disagree at {', '.join(walk.disagreeing)}.")
        return 1
    print(f"\nAll {walk.shown} comparisons agree.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
