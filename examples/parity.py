"""Tell whether the number of ones in a string of bits is odd, with a recurrent network.

The strings have different lengths, and the rest of each row is filled with random bits, which the
network must not count: with `lengths=True` it gets the lengths as a second input. It is trained on
short strings only. Longer strings show whether it has learned the rule: each 1 flips a state.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

import netlib as nl


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cell", choices=["LSTM", "GRU", "RNN"], default="LSTM", help="kind of the layer (default: %(default)s)")
    parser.add_argument("--hidden", type=int, default=16, help="features of the state (default: %(default)s)")
    parser.add_argument("--strings", type=int, default=4000, help="number of strings to train on (default: %(default)s)")
    parser.add_argument("--train-length", type=int, default=10, help="bits of the longest string in training (default: %(default)s)")
    parser.add_argument("--test-length", type=int, default=30, help="bits of the longest string in the test (default: %(default)s)")
    parser.add_argument("--epochs", type=int, default=30, help="number of passes over the strings (default: %(default)s)")
    parser.add_argument("--lr", type=float, default=1e-2, help="initial learning rate, decreasing to zero (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="random seed (default: %(default)s)")
    return parser.parse_args()


def draw_strings(lengths: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return strings of these lengths (n, longest, 1), and whether their ones are odd (n, 1)."""
    bits = rng.integers(2, size=(len(lengths), lengths.max()))
    belongs = np.arange(lengths.max()) < lengths[:, np.newaxis]
    return bits[:, :, np.newaxis].astype(np.float32), (bits * belongs).sum(axis=1, keepdims=True) % 2


def main() -> None:
    """Train on short strings, and print the accuracy for each length."""
    args = arguments()
    rng = np.random.default_rng(args.seed)
    lengths = rng.integers(1, args.train_length + 1, size=args.strings)
    x, t = draw_strings(lengths, rng)

    layer = getattr(nl, args.cell)
    model = nl.Sequential(
        layer(1, args.hidden, return_sequences=False, lengths=True, rng=rng),
        nl.Affine(args.hidden, 1, rng=rng),
    )
    optimizer = nl.Adam(model, lr=nl.schedules.Cosine(args.lr, args.epochs * -(-args.strings // 64)))
    metrics = {"accuracy": nl.accuracy}
    trainer = nl.Trainer(model, nl.SigmoidCrossEntropy(), optimizer, metrics=metrics, clip_norm=1.0, seed=args.seed)
    start = time.perf_counter()
    history = trainer.fit((x, lengths), t, epochs=args.epochs, batch_size=64, progress=False)
    print(f"{args.strings} strings of 1 to {args.train_length} bits, {time.perf_counter() - start:.1f} s of training")
    print("epoch   loss   accuracy")
    for epoch in range(1, args.epochs + 1):
        if epoch <= 5 or epoch % 5 == 0:
            print(f"{epoch:5} {history['loss'][epoch - 1]:6.3f} {history['accuracy'][epoch - 1]:10.1%}")

    lengths = np.repeat(np.arange(1, args.test_length + 1), 500)
    x, t = draw_strings(lengths, rng)
    y = trainer.predict((x, lengths))
    print("\naccuracy on 500 new strings of each length")
    for length in range(1, args.test_length + 1):
        rows = lengths == length
        note = "  longer than in training" if length > args.train_length else ""
        print(f"{length:3} bits {nl.accuracy(y[rows], t[rows]):7.1%}{note}")

    filler = np.arange(args.test_length) >= lengths[:, np.newaxis]
    flipped = np.where(filler[:, :, np.newaxis], 1 - x, x)
    difference = abs(trainer.predict((flipped, lengths)) - y).max()
    print(f"\nlargest change of a score when all bits after the ends are flipped: {difference:g}")


if __name__ == "__main__":
    main()
