"""Use one weight at two places: an autoencoder that decodes with the transpose of the matrix it encodes with.

Y = (X W) Wᵀ squeezes a digit's 64 pixels into a few numbers and opens them again. W has two effects on Y, and by the chain rule the
gradients of both add up. How well it can do is known: the best linear code is that of principal component analysis.
"""

from __future__ import annotations

import argparse

import numpy as np
from numpy.typing import ArrayLike

import netlib as nl


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--code", type=int, default=8, help="numbers that stand for a digit (default: %(default)s)")
    parser.add_argument("--epochs", type=int, default=60, help="how often to go through the digits (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="same seed, same result (default: %(default)s)")
    return parser.parse_args()


def autoencoder(encoder: nl.Weight, decoder: nl.Weight) -> nl.Graph:
    """Return Y = (X E) Dᵀ; E and D may be the same weight."""
    X = nl.Input("X")
    return nl.Graph(inputs=[X], outputs=[X @ encoder @ nl.Transpose()(decoder)])


def gradients(model: nl.Graph, x: ArrayLike) -> dict[str, np.ndarray]:
    """Return dL/d(weight) of each weight of the model, for L = the mean square of Y - X."""
    loss = nl.MeanSquaredError()
    loss.forward(model.forward(x), x)
    model.backward(loss.backward())
    found = {name: parameter.grad.copy() for name, parameter in model.parameters().items()}
    model.zero_grad()
    return found


def show_digit(*digits: np.ndarray) -> None:
    """Print pictures of 64 pixels side by side."""
    for row in range(8):
        print("   ".join("".join(" .:+#"[min(4, int(5 * max(0.0, pixel)))] for pixel in digit.reshape(8, 8)[row]) for digit in digits))


def main() -> None:
    """Show that the gradients add up, train, and compare with the best there is."""
    args = arguments()
    rng = np.random.default_rng(args.seed)
    digits, _ = nl.data.digits()
    mean = digits.mean(axis=0)
    x = digits - mean

    start = rng.normal(0, 0.1, (64, args.code)).astype(np.float32)
    W = nl.Weight("W", start)
    tied = autoencoder(W, W)
    apart = autoencoder(nl.Weight("E", start), nl.Weight("D", start))  # the same numbers, in two weights
    together, alone = gradients(tied, x), gradients(apart, x)
    difference = float(np.abs(together["W"] - (alone["E"] + alone["D"])).max())
    print("             dL/dW[2, 0]")
    for name, gradient in {"as encoder": alone["E"], "as decoder": alone["D"], "shared": together["W"]}.items():
        print(f"{name:12} {gradient[2, 0]:11.6f}")
    print(f"largest difference between shared and the sum of the two, over all of W: {difference:.1e}\n")
    if not difference < 1e-6:
        raise SystemExit("The gradients of the two uses did not add up.")

    steps = args.epochs * -(-len(x) // 64)
    trainer = nl.Trainer(tied, nl.MeanSquaredError(), nl.Adam(tied, lr=nl.schedules.Cosine(0.01, steps)), seed=args.seed)
    history = trainer.fit(x, x, epochs=args.epochs, batch_size=64, progress=False)
    error = trainer.evaluate(x, x)["loss"]

    singular_values = np.linalg.svd(x, compute_uv=False)
    best = float((singular_values[args.code :] ** 2).sum() / x.size)
    print(f"{args.code} numbers for 64 pixels: mean squared error {history['loss'][0]:.4f} after the first epoch, {error:.4f} at the end")
    print(f"principal component analysis, the best linear code:   {best:.4f}\n")
    print("three digits, and what was left of them")
    show_digit(*digits[:3])
    print()
    show_digit(*trainer.predict(x[:3]) + mean)
    if not error < 1.02 * best:
        raise SystemExit("The autoencoder stayed more than 2 % above the best linear code. Give it more --epochs.")


if __name__ == "__main__":
    main()
