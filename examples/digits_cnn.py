"""Train a convolutional network to recognize handwritten digits.

It sees the digits of `digits.py` as images, (N, 1, 8, 8): every kernel looks for the same pattern
everywhere. In training, each digit also appears moved by one pixel in the four directions. Over the
seeds 0 to 9, held-out accuracy was 0.986 to 1.000, and 0.993 on average. Rounding alone, which
depends on the machine and on the kernels in use, moves it by one or two of the 360 digits.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

import netlib as nl


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=10, help="number of passes over the digits (default: %(default)s)")
    parser.add_argument("--batch-size", type=int, default=64, help="digits per step (default: %(default)s)")
    parser.add_argument("--lr", type=float, default=1e-2, help="initial learning rate, decreasing to zero (default: %(default)s)")
    parser.add_argument("--channels", type=int, default=16, help="kernels of the first two convolutions (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="random seed (default: %(default)s)")
    parser.add_argument("--plot", metavar="FILE", help="save a picture, such as digits.png or .svg; needs the extra 'plot'")
    return parser.parse_args()


def with_moved_copies(images: np.ndarray) -> np.ndarray:
    """Return the images, and after them copies moved by one pixel down, up, right and left."""
    moves = [(0, 0), (1, 0), (-1, 0), (0, 1), (0, -1)]
    padded = np.pad(images, ((0, 0), (0, 0), (1, 1), (1, 1)))
    return np.concatenate([np.roll(padded, move, axis=(2, 3))[:, :, 1:-1, 1:-1] for move in moves])


def convolution(n_in: int, n_out: int, rng: np.random.Generator) -> list[nl.Layer]:
    """Return a convolution, batch norm and ReLU. The batch norm makes the bias superfluous."""
    return [nl.Conv2d(n_in, n_out, 3, padding="same", bias=False, rng=rng), nl.BatchNorm(n_out), nl.ReLU()]


def save_picture(file: str, history: nl.History, confusion: np.ndarray, first: nl.Layer) -> None:
    """Plot the learning curves, the confusion matrix and the kernels of the first layer.

    The suffix of the file determines the format.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(18, 5.5))
    figure.set_layout_engine("constrained", w_pad=0.2)
    left, middle, right = figure.subplots(1, 3)
    history.plot(ax=left)
    nl.plot.confusion(confusion, ax=middle)
    nl.plot.weights(first, ax=right)
    figure.savefig(file)


def main() -> None:
    """Train, then print the held-out accuracy and the digits that are misread."""
    args = arguments()
    rng = np.random.default_rng(args.seed)
    digits, t = nl.data.digits()
    x_train, x_held_out, t_train, t_held_out = nl.data.train_test_split(digits.reshape(-1, 1, 8, 8), t, test=0.2, rng=rng)
    x_train, t_train = with_moved_copies(x_train), np.tile(t_train, 5)

    c = args.channels
    model = nl.Sequential(
        *convolution(1, c, rng),
        *convolution(c, c, rng),
        nl.MaxPool2d(2),
        *convolution(c, 2 * c, rng),
        nl.MaxPool2d(2),
        nl.Flatten(),
        nl.Dropout(0.3, rng=rng),
        nl.Affine(2 * c * 2 * 2, 10, rng=rng),
    )
    print(model.summary((1, 1, 8, 8)))

    steps = args.epochs * -(-len(x_train) // args.batch_size)
    optimizer = nl.AdamW(model, lr=nl.schedules.Cosine(args.lr, steps))
    trainer = nl.Trainer(model, nl.SoftmaxCrossEntropy(), optimizer, metrics={"accuracy": nl.accuracy}, seed=args.seed)

    start = time.perf_counter()
    history = trainer.fit(x_train, t_train, epochs=args.epochs, batch_size=args.batch_size, validation=(x_held_out, t_held_out))
    seconds = time.perf_counter() - start

    y = trainer.predict(x_held_out)
    print(f"\nheld-out accuracy {nl.accuracy(y, t_held_out):.4f} after {seconds:.1f} s of training")
    guesses = y.argmax(axis=1)
    for i in np.flatnonzero(guesses != t_held_out):
        print(f"a {t_held_out[i]} was read as a {guesses[i]}")
    if args.plot:
        save_picture(args.plot, history, nl.confusion_matrix(y, t_held_out), model[0])


if __name__ == "__main__":
    main()
