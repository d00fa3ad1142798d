"""Train a network to recognize handwritten digits: the main use of netlib, from start to finish.

The package includes 1,797 real digits of 8 by 8 pixels. A fifth of them is held out for evaluation.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

import netlib as nl


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=50, help="number of passes over the digits (default: %(default)s)")
    parser.add_argument("--batch-size", type=int, default=64, help="digits per step (default: %(default)s)")
    parser.add_argument("--lr", type=float, default=1e-2, help="initial learning rate, decreasing to zero (default: %(default)s)")
    parser.add_argument("--hidden", type=int, default=128, help="hidden units (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="random seed (default: %(default)s)")
    parser.add_argument("--plot", metavar="FILE", help="save a picture, such as digits.png or .svg; needs the extra 'plot'")
    return parser.parse_args()


def save_picture(file: str, history: nl.History, confusion: np.ndarray, first: nl.Layer) -> None:
    """Plot the learning curves, the confusion matrix and the weights of the first layer.

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
    """Train, then print the held-out accuracy and the confusion matrix."""
    args = arguments()
    rng = np.random.default_rng(args.seed)
    x, t = nl.data.digits()
    x_train, x_held_out, t_train, t_held_out = nl.data.train_test_split(x, t, test=0.2, rng=rng)

    model = nl.Sequential(
        nl.Affine(64, args.hidden, rng=rng),
        nl.ReLU(),
        nl.Dropout(0.2, rng=rng),
        nl.Affine(args.hidden, 10, rng=rng),
    )
    print(model.summary(64))

    steps = args.epochs * -(-len(x_train) // args.batch_size)
    optimizer = nl.AdamW(model, lr=nl.schedules.Cosine(args.lr, steps))
    trainer = nl.Trainer(model, nl.SoftmaxCrossEntropy(), optimizer, metrics={"accuracy": nl.accuracy}, seed=args.seed)

    start = time.perf_counter()
    history = trainer.fit(x_train, t_train, epochs=args.epochs, batch_size=args.batch_size, validation=(x_held_out, t_held_out))
    seconds = time.perf_counter() - start

    y = trainer.predict(x_held_out)
    confusion = nl.confusion_matrix(y, t_held_out)
    print(f"\nheld-out accuracy {nl.accuracy(y, t_held_out):.4f} after {seconds:.1f} s of training\n")
    print("confusion matrix: a row for each true digit, a column for each prediction")
    print("     " + "".join(f"{digit:4d}" for digit in range(10)))
    for digit, row in enumerate(confusion):
        print(f"{digit:4d} " + "".join(f"{count:4d}" if count else "   ." for count in row))
    if args.plot:
        save_picture(args.plot, history, confusion, model[0])


if __name__ == "__main__":
    main()
