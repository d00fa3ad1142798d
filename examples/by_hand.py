"""Wire a network node by node, without a container, and do by hand what a container does.

    X ──→ dot ──→ + ──→ relu ──→ dot ──→ + ──→ loss ──→ L
    W1 ───↗   b1 ─↗        W2 ───↗   b2 ─↗      ↖── T

Forward runs the nodes from left to right. Backward runs the same nodes from right to left: each takes dL/d(its output) and gives
dL/d(each of its inputs). At the end a Sequential with the same weights gets the same gradients.
"""

from __future__ import annotations

import argparse

import numpy as np

import netlib as nl


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=500, help="training steps, each on all points (default: %(default)s)")
    parser.add_argument("--lr", type=float, default=0.5, help="learning rate (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="same seed, same result (default: %(default)s)")
    args = parser.parse_args()
    if args.steps < 0:
        parser.error(f"--steps is {args.steps}, wanted 0 or more")
    return args


def main() -> None:
    """Train on noisy XOR, then compare with a Sequential."""
    args = arguments()
    rng = np.random.default_rng(args.seed)
    X, T = nl.data.xor(n=200, noise=0.1, rng=rng)  # X (200, 2): a point in each row; T (200,): 0 or 1

    # What is learned: plain NumPy arrays. √(2 / inputs) keeps the size of the values the same through a ReLU (He et al., 2015).
    W1, b1 = rng.normal(scale=np.sqrt(2 / 2), size=(2, 16)), np.zeros(16)
    W2, b2 = rng.normal(scale=np.sqrt(2 / 16), size=(16, 2)), np.zeros(2)

    # The nodes. Each keeps what its backward needs, so every place in the network has a node of its own.
    dot1, add1, relu, dot2, add2 = nl.MatMul(), nl.Add(), nl.ReLU(), nl.MatMul(), nl.Add()
    loss = nl.SoftmaxCrossEntropy()

    for step in range(args.steps + 1):
        # Forward, from left to right.
        XW1 = dot1.forward(X, W1)  # (200, 16)
        Y1 = add1.forward(XW1, b1)  # b1 is added to each of the 200 rows
        H = relu.forward(Y1)
        HW2 = dot2.forward(H, W2)  # (200, 2)
        Y2 = add2.forward(HW2, b2)
        L = loss.forward(Y2, T)  # a number

        # Backward, the same lines from the last to the first. dA is short for dL/dA, and has the shape of A.
        dY2 = loss.backward()  # starts with dL/dL = 1
        dHW2, db2 = add2.backward(dY2)  # db2 is summed over the rows, since b2 went to each of them
        dH, dW2 = dot2.backward(dHW2)  # dHW2 W2ᵀ, and Hᵀ dHW2
        dY1 = relu.backward(dH)
        dXW1, db1 = add1.backward(dY1)
        dX, dW1 = dot1.backward(dXW1)

        if step % max(1, args.steps // 5) == 0:
            correct = (Y2.argmax(axis=1) == T).mean()
            print(f"step {step:4d}   loss {L:.4f}   correct {correct:6.1%}")
        if step == args.steps:
            break  # keep the weights that these gradients belong to

        # The update: a small step downhill. The arrays are ours, so we may change them in place.
        W1 -= args.lr * dW1
        b1 -= args.lr * db1
        W2 -= args.lr * dW2
        b2 -= args.lr * db2

    # A Sequential does all of this in two calls. An Affine is dot and + in one layer.
    model = nl.Sequential(nl.Affine.from_arrays(W1, b1), nl.ReLU(), nl.Affine.from_arrays(W2, b2))
    loss.forward(model.forward(X), T)
    gradients = {"X": model.backward(loss.backward())}
    gradients |= {path: parameter.grad for path, parameter in model.parameters().items()}

    print("\nlargest difference between the gradients by hand and those of the Sequential")
    for (path, theirs), ours in zip(gradients.items(), (dX, dW1, db1, dW2, db2), strict=True):
        difference = np.abs(theirs - ours).max()
        print(f"  {path:10}{theirs.shape!s:10}{difference:.1e}")
        if difference > 1e-12:
            raise SystemExit(f"The gradient of {path} is another one.")


if __name__ == "__main__":
    main()
