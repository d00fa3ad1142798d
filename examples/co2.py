"""Forecast the carbon dioxide in the air, and see why a random split of a time series misleads.

A network whose only input is the time learns the years 1975 to 1989. On random held-out weeks of
the same years it looks fair; on the years that follow it is far off, because nothing tells it how
to continue. The second network learns only the residuals of a straight line, by season.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np

import netlib as nl


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--since", type=float, default=1975, help="the first year to learn from (default: %(default)s)")
    parser.add_argument("--until", type=float, default=1990, help="the first year to forecast (default: %(default)s)")
    parser.add_argument("--epochs", type=int, default=200, help="number of passes over the weeks to learn from (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="random seed (default: %(default)s)")
    return parser.parse_args()


def train(x: np.ndarray, t: np.ndarray, args: argparse.Namespace) -> nl.Trainer:
    """Return the trainer of a network with one hidden layer, fitted to inputs of similar scale."""
    rng = np.random.default_rng(args.seed)
    model = nl.Sequential(nl.Affine(x.shape[1], 64, rng=rng), nl.Tanh(), nl.Affine(64, 1, rng=rng))
    steps = args.epochs * -(-len(x) // 32)
    trainer = nl.Trainer(model, nl.MeanSquaredError(), nl.Adam(model, lr=nl.schedules.Cosine(1e-2, steps)), seed=args.seed)
    trainer.fit(x, t, epochs=args.epochs, batch_size=32, progress=False)
    return trainer


def scaled(year: np.ndarray, args: argparse.Namespace) -> np.ndarray:
    """Return the time as a number from -1, where learning begins, to 1, where the forecast does."""
    begin, end = args.since, args.until
    return np.asarray((2 * year - begin - end) / (end - begin))


def season(year: np.ndarray) -> np.ndarray:
    """Return the time of the year as a point on a circle, on which December is next to January."""
    angle = 2 * np.pi * year
    return np.hstack([np.sin(angle), np.cos(angle)])


def main() -> None:
    """Train both networks, and compare their errors before and after the forecast begins."""
    args = arguments()
    year, ppm = nl.data.co2()
    is_known = (year[:, 0] >= args.since) & (year[:, 0] < args.until)
    is_future = year[:, 0] >= args.until
    future, ppm_future = year[is_future], ppm[is_future]
    past, held_out, ppm_past, ppm_held_out = nl.data.train_test_split(year[is_known], ppm[is_known], rng=args.seed)
    mean = ppm_past.mean()

    of_time = train(scaled(past, args), ppm_past - mean, args)

    line = np.polynomial.Polynomial.fit(past[:, 0], ppm_past[:, 0], deg=1)
    of_season = train(season(past), (ppm_past - line(past)).astype(np.float32), args)

    predictions: dict[str, Callable[[np.ndarray], np.ndarray]] = {
        "a network of the time": lambda x: of_time.predict(scaled(x, args)) + mean,
        "a straight line": lambda x: np.asarray(line(x)),
        "a straight line and a network of the season": lambda x: line(x) + of_season.predict(season(x)),
    }
    print(f"mean error in parts per million   weeks before {args.until:.0f}   weeks from {args.until:.0f} on")
    errors = {}
    for name, predict in predictions.items():
        before = nl.mean_absolute_error(predict(held_out), ppm_held_out)
        errors[name] = nl.mean_absolute_error(predict(future), ppm_future)
        print(f"{name:42}{before:9.2f}{errors[name]:19.2f}")
    if not errors["a straight line and a network of the season"] < errors["a network of the time"]:
        raise SystemExit("The network of the season forecasts no better.")


if __name__ == "__main__":
    main()
