"""Classify three interleaved spirals, and show the decision regions as text or as a picture.

The arms wind around each other, so a few straight lines cannot separate them; two hidden layers
can. A quarter of the points is held out: the picture shows them on top of the regions, and the
accuracy is measured on them.
"""

from __future__ import annotations

import argparse

import numpy as np

import netlib as nl

REGIONS = ".:+"
POINTS = "ABC"


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=600, help="number of points on all three arms (default: %(default)s)")
    parser.add_argument("--noise", type=float, default=0.03, help="standard deviation of the noise (default: %(default)s)")
    parser.add_argument("--hidden", type=int, default=32, help="units in each hidden layer (default: %(default)s)")
    parser.add_argument("--epochs", type=int, default=100, help="number of passes over the points (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="random seed (default: %(default)s)")
    parser.add_argument("--plot", metavar="FILE", help="save a picture, such as spirals.png or .svg; needs the extra 'plot'")
    return parser.parse_args()


def picture(trainer: nl.Trainer, x: np.ndarray, t: np.ndarray, width: int = 60, height: int = 26) -> str:
    """Return the square from -1.1 to 1.1 as text: predicted classes, and points x of classes t."""
    across, down = np.linspace(-1.1, 1.1, width), np.linspace(1.1, -1.1, height)
    grid = np.stack(np.meshgrid(across, down), axis=-1).reshape(-1, 2)
    classes = trainer.predict(grid).argmax(axis=1).reshape(height, width)
    cells = [[REGIONS[c] for c in row] for row in classes]
    guesses = trainer.predict(x).argmax(axis=1)
    for (x1, x2), truth, guess in zip(x, t, guesses, strict=True):
        column, row = np.abs(across - x1).argmin(), np.abs(down - x2).argmin()
        cells[row][column] = POINTS[truth] if truth == guess else "!"
    return "\n".join("".join(row) for row in cells)


def save_picture(file: str, history: nl.History, trainer: nl.Trainer, x: np.ndarray, t: np.ndarray) -> None:
    """Plot the regions with the points x, and the learning curves.

    The suffix of the file determines the format.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 5), layout="constrained")
    left, right = figure.subplots(1, 2)
    nl.plot.decision_boundary(trainer.model, x, t, ax=left)
    history.plot(ax=right)
    figure.savefig(file)


def main() -> None:
    """Train, then show the regions and the held-out accuracy."""
    args = arguments()
    rng = np.random.default_rng(args.seed)
    x, t = nl.data.spirals(args.points, classes=3, noise=args.noise, rng=rng)
    x_train, x_held_out, t_train, t_held_out = nl.data.train_test_split(x, t, test=0.25, rng=rng)

    h = args.hidden
    model = nl.Sequential(nl.Affine(2, h, rng=rng), nl.ReLU(), nl.Affine(h, h, rng=rng), nl.ReLU(), nl.Affine(h, 3, rng=rng))
    trainer = nl.Trainer(model, nl.SoftmaxCrossEntropy(), nl.Adam(model, lr=0.01), metrics={"accuracy": nl.accuracy}, seed=args.seed)
    history = trainer.fit(x_train, t_train, epochs=args.epochs, batch_size=32, validation=(x_held_out, t_held_out), progress=False)
    print(history)

    print(f"\nregions {' '.join(REGIONS)} and held-out points {' '.join(POINTS)}, with ! for a wrong prediction\n")
    print(picture(trainer, x_held_out, t_held_out))
    accuracy = trainer.evaluate(x_held_out, t_held_out)["accuracy"]
    print(f"\nheld-out accuracy {accuracy:.3f} ({len(t_held_out)} points)")
    if args.plot:
        save_picture(args.plot, history, trainer, x_held_out, t_held_out)
    if accuracy < 0.9:
        raise SystemExit("The held-out accuracy is below 0.9. Increase --epochs.")


if __name__ == "__main__":
    main()
