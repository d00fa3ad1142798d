"""Fit a sine to noisy points with outliers, using two losses.

The squared error of an outlier is huge, so MeanSquaredError bends the curve towards it. Huber's
loss grows only linearly beyond delta, which limits the influence of each point. EarlyStopping ends
both runs and restores the best weights. R² is measured on held-out points of the true curve.
"""

from __future__ import annotations

import argparse

import numpy as np

import netlib as nl


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--noise", type=float, default=0.1, help="standard deviation of the noise (default: %(default)s)")
    parser.add_argument("--outliers", type=float, default=0.1, help="fraction of targets that are 4 too high (default: %(default)s)")
    parser.add_argument("--epochs", type=int, default=300, help="maximum number of epochs (default: %(default)s)")
    parser.add_argument("--patience", type=int, default=30, help="epochs without improvement before training stops (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="random seed (default: %(default)s)")
    return parser.parse_args()


def main() -> None:
    """Fit with both losses and compare."""
    args = arguments()
    rng = np.random.default_rng(args.seed)
    x, t = nl.data.sine(400, noise=args.noise, rng=rng)
    t = np.where(rng.random(t.shape) < args.outliers, t + 4, t)
    x_held_out, t_held_out = nl.data.sine(200, noise=0, rng=rng)
    x_shown = np.linspace(-3, 3, 7)[:, np.newaxis]

    scores, shown = {}, {}
    for loss in (nl.MeanSquaredError(), nl.Huber(delta=0.3)):
        weights = np.random.default_rng(args.seed)  # the same initial weights for both
        model = nl.Sequential(
            nl.Affine(1, 32, rng=weights),
            nl.Tanh(),
            nl.Affine(32, 32, rng=weights),
            nl.Tanh(),
            nl.Affine(32, 1, rng=weights),
        )
        stopping = nl.EarlyStopping("val_loss", patience=args.patience)
        trainer = nl.Trainer(model, loss, nl.Adam(model, lr=3e-3), callbacks=[stopping], seed=args.seed)
        history = trainer.fit(x, t, epochs=args.epochs, batch_size=32, validation=0.2, progress=False)

        name = type(loss).__name__
        scores[name] = nl.r2_score(trainer.predict(x_held_out), t_held_out)
        shown[name] = trainer.predict(x_shown)[:, 0]
        print(f"{name:16}  R² {scores[name]:.3f}   stopped after epoch {len(history)}, weights of epoch {stopping.best_epoch}")

    print(f"\n{'x':>6}{'sin x':>10}" + "".join(f"{name:>18}" for name in shown))
    for x_value, *outputs in zip(x_shown[:, 0], *shown.values(), strict=True):
        print(f"{x_value:6.1f}{np.sin(x_value):10.3f}" + "".join(f"{y:18.3f}" for y in outputs))
    if not scores["Huber"] > 0.95:
        raise SystemExit("The fit failed: R² with Huber's loss is below 0.95.")


if __name__ == "__main__":
    main()
