"""Predict a car's miles per gallon, and compare with linear least squares.

The columns of the table have very different scales. Both methods get standardized columns: with
mean 0 and standard deviation 1 over the training rows. The network also trains on the columns as
they are, to show why. R² and the error in miles per gallon are measured on cars that no method has
seen.
"""

from __future__ import annotations

import argparse

import numpy as np

import netlib as nl


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hidden", type=int, default=32, help="units of the hidden layer (default: %(default)s)")
    parser.add_argument("--epochs", type=int, default=300, help="number of passes over the training rows (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="random seed (default: %(default)s)")
    return parser.parse_args()


def train(x: np.ndarray, t: np.ndarray, args: argparse.Namespace) -> nl.Trainer:
    """Return the trainer of a network with one hidden layer."""
    rng = np.random.default_rng(args.seed)
    model = nl.Sequential(nl.Affine(x.shape[1], args.hidden, rng=rng), nl.ReLU(), nl.Affine(args.hidden, 1, rng=rng))
    trainer = nl.Trainer(model, nl.MeanSquaredError(), nl.AdamW(model, lr=3e-3, weight_decay=0.1), seed=args.seed)
    trainer.fit(x, t, epochs=args.epochs, batch_size=32, progress=False)
    return trainer


def main() -> None:
    """Fit and compare."""
    args = arguments()
    x, t = nl.data.cars()
    x, x_test, t, t_test = nl.data.train_test_split(x, t, test=0.25, rng=args.seed)
    mean, deviation = x.mean(axis=0), x.std(axis=0)
    z, z_test = (x - mean) / deviation, (x_test - mean) / deviation
    t_mean, t_deviation = t.mean(), t.std()
    u = (t - t_mean) / t_deviation

    weight = np.linalg.lstsq(np.column_stack([z, np.ones(len(z))]), t, rcond=None)[0]
    predicted = {
        "mean of the training rows": np.full_like(t_test, t_mean),
        "least squares": np.column_stack([z_test, np.ones(len(z_test))]) @ weight,
        "network, columns as they are": train(x, u, args).predict(x_test) * t_deviation + t_mean,
        "network, standardized": train(z, u, args).predict(z_test) * t_deviation + t_mean,
    }
    scores = {name: nl.r2_score(y, t_test) for name, y in predicted.items()}
    for name, y in predicted.items():
        print(f"{name:30} R² {scores[name]:6.3f}   mean error {nl.mean_absolute_error(y, t_test):4.2f} miles per gallon")
    if not scores["network, standardized"] > scores["least squares"]:
        raise SystemExit("The network is no better than least squares.")


if __name__ == "__main__":
    main()
