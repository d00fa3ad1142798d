"""Learn XOR, the smallest problem that needs a hidden layer.

No straight line separates (0,0) and (1,1) from (0,1) and (1,0), so a single Affine layer stays
undecided. With eight hidden units, the same training loop gets all four right. The script shows the
complete loop.
"""

from __future__ import annotations

import argparse

import numpy as np

import netlib as nl


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=500, help="number of training steps, each on all four points (default: %(default)s)")
    parser.add_argument("--lr", type=float, default=0.05, help="learning rate (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="random seed (default: %(default)s)")
    return parser.parse_args()


def probabilities(model: nl.Layer, args: argparse.Namespace) -> list[float]:
    """Train the model on the four points and return the predicted probability of a 1 for each."""
    x, t = nl.data.xor()
    t = t[:, np.newaxis]  # shape (4, 1), like the model's output: losses reject (4,)
    loss, optimizer = nl.SigmoidCrossEntropy(), nl.Adam(model, lr=args.lr)
    for step in range(1, args.steps + 1):
        L = loss.forward(model.forward(x), t)
        model.backward(loss.backward())
        optimizer.step()  # also zeroes the gradients, so no zero_grad()
        if step % max(1, args.steps // 5) == 0:
            print(f"  step {step:4d}   loss {L:.4f}")
    p: list[float] = nl.Sigmoid().forward(model.forward(x))[:, 0].tolist()
    return p


def main() -> None:
    """Train without and with a hidden layer, and print the four outputs of both."""
    args = arguments()
    rng = np.random.default_rng(args.seed)
    alone = nl.Sequential(nl.Affine(2, 1, rng=rng))
    hidden = nl.Sequential(nl.Affine(2, 8, rng=rng), nl.Tanh(), nl.Affine(8, 1, rng=rng))

    columns = []
    for model in (alone, hidden):
        print(model)
        columns.append(probabilities(model, args))

    print("\n x1 xor x2    no hidden layer    8 hidden units")
    x, t = nl.data.xor()
    for (x1, x2), answer, p_alone, p_hidden in zip(x, t, *columns, strict=True):
        print(f"  {x1:.0f} xor {x2:.0f} = {answer}      {p_alone:10.3f}        {p_hidden:10.3f}")
    if not all(abs(p - answer) < 0.1 for p, answer in zip(columns[1], t, strict=True)):
        raise SystemExit("XOR was not learned: an output is off by 0.1 or more. Increase --steps.")


if __name__ == "__main__":
    main()
