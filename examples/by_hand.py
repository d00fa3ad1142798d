"""Wire a network node by node, without a container.

    X ──→ dot ──→ + ──→ relu ──→ dot ──→ + ──→ loss ──→ L
    W1 ───↗   b1 ─↗        W2 ───↗   b2 ─↗      ↖── T

Forward runs the nodes from left to right. Backward runs the same nodes from right to left: each
takes the gradient of its output and returns the gradient of each input. At the end, the script
compares the gradients with those of a Sequential with the same weights.
"""

from __future__ import annotations

import argparse

import numpy as np

import netlib as nl


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=500, help="number of training steps, each on all points (default: %(default)s)")
    parser.add_argument("--lr", type=float, default=0.5, help="learning rate (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="random seed (default: %(default)s)")
    args = parser.parse_args()
    if args.steps < 0:
        parser.error(f"--steps is {args.steps}, expected 0 or more")
    return args


def main() -> None:
    """Train on noisy XOR, then compare with a Sequential."""
    args = arguments()
    rng = np.random.default_rng(args.seed)
    X, T = nl.data.xor(n=200, noise=0.1, rng=rng)  # X (200, 2): a point in each row; T (200,): 0 or 1

    # The parameters are plain NumPy arrays. A standard deviation of √(2 / inputs) preserves the
    # scale of the values through a ReLU (He et al., 2015).
    W1, b1 = rng.normal(scale=np.sqrt(2 / 2), size=(2, 16)), np.zeros(16)
    W2, b2 = rng.normal(scale=np.sqrt(2 / 16), size=(16, 2)), np.zeros(2)

    # Each node caches what its backward needs, so each place in the network has its own node.
    dot1, add1, relu, dot2, add2 = nl.MatMul(), nl.Add(), nl.ReLU(), nl.MatMul(), nl.Add()
    loss = nl.SoftmaxCrossEntropy()

    for step in range(args.steps + 1):
        # Forward, from left to right.
        XW1 = dot1.forward(X, W1)  # (200, 16)
        Y1 = add1.forward(XW1, b1)  # b1 is added to each of the 200 rows
        H = relu.forward(Y1)
        HW2 = dot2.forward(H, W2)  # (200, 2)
        Y2 = add2.forward(HW2, b2)
        L = loss.forward(Y2, T)  # a float

        # Backward: the same lines in reverse. dA is short for dL/dA and has the shape of A.
        dY2 = loss.backward()  # starts with dL/dL = 1
        dHW2, db2 = add2.backward(dY2)  # db2 is summed over the rows, since b2 was added to each
        dH, dW2 = dot2.backward(dHW2)  # dHW2 W2ᵀ, and Hᵀ dHW2
        dY1 = relu.backward(dH)
        dXW1, db1 = add1.backward(dY1)
        dX, dW1 = dot1.backward(dXW1)

        if step % max(1, args.steps // 5) == 0:
            correct = (Y2.argmax(axis=1) == T).mean()
            print(f"step {step:4d}   loss {L:.4f}   correct {correct:6.1%}")
        if step == args.steps:
            break  # keep the weights that these gradients belong to

        # Gradient descent. The arrays are ours, so we can update them in place.
        W1 -= args.lr * dW1
        b1 -= args.lr * db1
        W2 -= args.lr * dW2
        b2 -= args.lr * db2

    # A Sequential does all this in two calls. An Affine combines dot and + in one layer.
    model = nl.Sequential(nl.Affine.from_arrays(W1, b1), nl.ReLU(), nl.Affine.from_arrays(W2, b2))
    loss.forward(model.forward(X), T)
    gradients = {"X": model.backward(loss.backward())}
    gradients |= {path: parameter.grad for path, parameter in model.parameters().items()}

    print("\nlargest difference between these gradients and those of the Sequential")
    for (path, theirs), ours in zip(gradients.items(), (dX, dW1, db1, dW2, db2), strict=True):
        difference = np.abs(theirs - ours).max()
        print(f"  {path:10}{theirs.shape!s:10}{difference:.1e}")
        if difference > 1e-12:
            raise SystemExit(f"The gradient of {path} differs.")


if __name__ == "__main__":
    main()
