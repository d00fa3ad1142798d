"""Forecast a chaotic series with a GRU, a linear autoregression, and the last value.

In the series of Mackey and Glass, the growth depends on the value some time ago. It is computed
here, from a random start. All methods learn from its first part to forecast the next value, and are
tested on the rest. To look further ahead, each feeds its forecasts back; the GRU keeps its state.
The linear autoregression is fitted by least squares.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

import netlib as nl

AHEAD = 1, 2, 5, 10, 20, 40


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--values", type=int, default=4000, help="length of the series; a quarter is held out (default: %(default)s)")
    parser.add_argument("--hidden", type=int, default=32, help="features of the GRU's state (default: %(default)s)")
    parser.add_argument("--order", type=int, default=50, help="values that the linear autoregression sees (default: %(default)s)")
    parser.add_argument("--epochs", type=int, default=200, help="number of passes over the first part (default: %(default)s)")
    parser.add_argument("--lr", type=float, default=1e-2, help="initial learning rate, decreasing to zero (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="random seed (default: %(default)s)")
    parser.add_argument("--plot", metavar="FILE", help="save a picture, such as series.png or .svg; needs the extra 'plot'")
    return parser.parse_args()


def mackey_glass(n: int, rng: np.random.Generator, delay: int = 17, every: int = 3) -> np.ndarray:
    """Return every third value of x' = x + 0.2 x_d / (1 + x_d^10) - 0.1 x, where x_d is delayed.

    The first values, which still depend on the beginning, are left out.
    """
    x = rng.uniform(0.5, 1.5, delay + 1).tolist()
    for _ in range(every * (n + 100)):
        x.append(0.9 * x[-1] + 0.2 * x[-1 - delay] / (1 + x[-1 - delay] ** 10))
    return np.array(x[-every * n :: every])


def windows(series: np.ndarray, length: int, stride: int = 1) -> np.ndarray:
    """Return pieces of the series that overlap (n, length)."""
    return np.lib.stride_tricks.sliding_window_view(series, length)[::stride]


def train(series: np.ndarray, args: argparse.Namespace) -> nl.Sequential:
    """Return a GRU that has learned to forecast each value of a series from those before it."""
    rng = np.random.default_rng(args.seed)
    model = nl.Sequential(nl.GRU(1, args.hidden, rng=rng), nl.Affine(args.hidden, 1, rng=rng))
    pieces = windows(series, 101, stride=10)[:, :, np.newaxis].astype(np.float32)
    optimizer = nl.Adam(model, lr=nl.schedules.Cosine(args.lr, args.epochs * -(-len(pieces) // 16)))
    trainer = nl.Trainer(model, nl.MeanSquaredError(), optimizer, clip_norm=1.0, seed=args.seed)
    start = time.perf_counter()
    history = trainer.fit(pieces[:, :-1], pieces[:, 1:], epochs=args.epochs, batch_size=16, progress=False)
    seconds = time.perf_counter() - start
    print(f"GRU: loss {history['loss'][0]:.4f} in the first epoch, {history['loss'][-1]:.6f} in the last, {seconds:.1f} s")
    return model


def forecast_gru(model: nl.Sequential, seen: np.ndarray, steps: int) -> np.ndarray:
    """Continue series (n, length) by feeding each forecast back, with the state carried on."""
    y, past = model.forward_next(None, seen[:, :, np.newaxis].astype(np.float32))
    forecasts = [y[:, -1:]]
    for _ in range(steps - 1):
        y, past = model.forward_next(past, forecasts[-1])
        forecasts.append(y)
    return np.concatenate(forecasts, axis=1)[:, :, 0]


def forecast_linear(weights: np.ndarray, seen: np.ndarray, steps: int) -> np.ndarray:
    """Continue series (n, length) by feeding each forecast back."""
    order = len(weights) - 1
    values = seen
    for _ in range(steps):
        following = values[:, -order:] @ weights[:-1] + weights[-1]
        values = np.column_stack([values, following])
    return values[:, -steps:]


def fit_linear(series: np.ndarray, order: int) -> np.ndarray:
    """Return weights (order + 1,) for the last values and for 1, by least squares."""
    pieces = windows(series, order + 1)
    a = np.column_stack([pieces[:, :-1], np.ones(len(pieces))])
    weights: np.ndarray = np.linalg.lstsq(a, pieces[:, -1])[0]
    return weights


def save_picture(file: str, seen: np.ndarray, true: np.ndarray, forecasts: dict[str, np.ndarray], errors: dict[str, np.ndarray]) -> None:
    """Plot a forecast beside the true values, and the errors over the steps ahead.

    The suffix of the file determines the format.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(14, 4.5), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=[2, 1])
    steps = np.arange(1, len(true) + 1)
    left.plot(np.arange(1 - len(seen), 1), seen, color="0.6", label="seen")
    left.plot(steps, true, color="black", linewidth=3, label="true")
    for name, forecast in forecasts.items():
        left.plot(steps, forecast, label=name)
        right.semilogy(steps, errors[name], label=name)
    left.set(title="a forecast of held-out values", xlabel="steps ahead")
    right.set(title="root of the mean squared error", xlabel="steps ahead")
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=5)
    figure.savefig(file)


def main() -> None:
    """Train, and print the errors of all methods by the number of steps ahead."""
    args = arguments()
    series = mackey_glass(args.values, np.random.default_rng(args.seed))
    end = 3 * args.values // 4
    model = train(series[:end], args)
    weights = fit_linear(series[:end], args.order)

    steps = AHEAD[-1]
    held_out = windows(series[end:], 100 + steps, stride=2)
    seen, true = held_out[:, :100], held_out[:, 100:]
    forecasts = {
        "last value": np.repeat(seen[:, -1:], steps, axis=1),
        "linear autoregression": forecast_linear(weights, seen, steps),
        "GRU": forecast_gru(model, seen, steps),
    }
    errors = {name: np.sqrt(((forecast - true) ** 2).mean(axis=0)) for name, forecast in forecasts.items()}
    print(f"\nroot of the mean squared error of {len(seen)} forecasts of held-out values (standard deviation {series.std():.3f})")
    print("steps ahead" + "".join(f"{name:>24}" for name in errors))
    for ahead in AHEAD:
        print(f"{ahead:11}" + "".join(f"{error[ahead - 1]:24.4f}" for error in errors.values()))
    if args.plot:
        save_picture(args.plot, seen[0], true[0], {name: forecast[0] for name, forecast in forecasts.items()}, errors)


if __name__ == "__main__":
    main()
