"""Use one weight twice: in an autoencoder whose decoder is the transpose of its encoder.

Y = (X W) Wᵀ compresses the 64 pixels of a digit to a few numbers and reconstructs them. W affects Y
in two places, and by the chain rule the gradients of both add up. The best possible error is known:
principal component analysis gives the optimal linear code.
"""

from __future__ import annotations

import argparse

import numpy as np
from numpy.typing import ArrayLike

import netlib as nl


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--code", type=int, default=8, help="size of the code of a digit (default: %(default)s)")
    parser.add_argument("--epochs", type=int, default=60, help="number of passes over the digits (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="random seed (default: %(default)s)")
    return parser.parse_args()


def autoencoder(encoder: nl.Weight, decoder: nl.Weight) -> nl.Graph:
    """Return the graph of Y = (X E) Dᵀ; E and D may be the same weight."""
    X = nl.Input("X")
    return nl.Graph(inputs=[X], outputs=[X @ encoder @ nl.Transpose()(decoder)])


def gradients(model: nl.Graph, x: ArrayLike) -> dict[str, np.ndarray]:
    """Return the gradient of each weight of the model, for L = mean of (Y - X)²."""
    loss = nl.MeanSquaredError()
    loss.forward(model.forward(x), x)
    model.backward(loss.backward())
    found = {name: parameter.grad.copy() for name, parameter in model.parameters().items()}
    model.zero_grad()
    return found


def show_digit(*digits: np.ndarray) -> None:
    """Print images of 64 pixels side by side."""
    for row in range(8):
        print("   ".join("".join(" .:+#"[min(4, int(5 * max(0.0, pixel)))] for pixel in digit.reshape(8, 8)[row]) for digit in digits))


def main() -> None:
    """Show that the gradients add up, train, and compare with the optimum."""
    args = arguments()
    rng = np.random.default_rng(args.seed)
    digits, _ = nl.data.digits()
    mean = digits.mean(axis=0)
    x = digits - mean

    start = rng.normal(0, 0.1, (64, args.code)).astype(np.float32)
    W = nl.Weight("W", start)
    tied = autoencoder(W, W)
    apart = autoencoder(nl.Weight("E", start), nl.Weight("D", start))  # the same values in two weights
    together, alone = gradients(tied, x), gradients(apart, x)
    difference = float(np.abs(together["W"] - (alone["E"] + alone["D"])).max())
    print("             dL/dW[2, 0]")
    for name, gradient in {"as encoder": alone["E"], "as decoder": alone["D"], "shared": together["W"]}.items():
        print(f"{name:12} {gradient[2, 0]:11.6f}")
    print(f"largest difference between the shared gradient and the sum of the two: {difference:.1e}\n")
    if not difference < 1e-6:
        raise SystemExit("The gradients of the two uses did not add up.")

    steps = args.epochs * -(-len(x) // 64)
    trainer = nl.Trainer(tied, nl.MeanSquaredError(), nl.Adam(tied, lr=nl.schedules.Cosine(0.01, steps)), seed=args.seed)
    history = trainer.fit(x, x, epochs=args.epochs, batch_size=64, progress=False)
    error = trainer.evaluate(x, x)["loss"]

    singular_values = np.linalg.svd(x, compute_uv=False)
    best = float((singular_values[args.code :] ** 2).sum() / x.size)
    print(f"{args.code} numbers for 64 pixels: mean squared error {history['loss'][0]:.4f} after the first epoch, {error:.4f} at the end")
    print(f"principal component analysis, the optimal linear code: {best:.4f}\n")
    print("three digits and their reconstructions")
    show_digit(*digits[:3])
    print()
    show_digit(*trainer.predict(x[:3]) + mean)
    if not error < 1.02 * best:
        raise SystemExit("The error is more than 2 % above that of the optimal linear code. Increase --epochs.")


if __name__ == "__main__":
    main()
