"""Remove the noise from handwritten digits with an autoencoder.

Two convolutions with stride 2 reduce an image of 8 by 8 pixels, each from 0 to 1, to 2 by 2, with
more channels; two transposed convolutions enlarge it again. The network sees digits with noise and
learns to return them without it. It is evaluated on digits that it has not seen.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

import netlib as nl

SHADES = " .:-=+*#%@"


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--noise", type=float, default=0.3, help="standard deviation of the noise (default: %(default)s)")
    parser.add_argument("--channels", type=int, default=16, help="channels after the first convolution (default: %(default)s)")
    parser.add_argument("--epochs", type=int, default=20, help="number of passes over the digits (default: %(default)s)")
    parser.add_argument("--lr", type=float, default=1e-2, help="initial learning rate, decreasing to zero (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="random seed (default: %(default)s)")
    parser.add_argument("--plot", metavar="FILE", help="save a picture, such as denoising.png or .svg; needs the extra 'plot'")
    return parser.parse_args()


def as_text(images: np.ndarray) -> str:
    """Return images (n, 1, height, width) side by side, as text."""
    rows = np.concatenate([*images[:, 0]], axis=1)
    shades = np.round(rows.clip(0, 1) * (len(SHADES) - 1)).astype(int)
    return "\n".join("".join(SHADES[shade] for shade in row) for row in shades)


def save_picture(file: str, rows: dict[str, np.ndarray], history: nl.History) -> None:
    """Plot a row of images (n, 1, 8, 8) for each title, and the learning curves.

    The suffix of the file determines the format.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(14, 4), layout="constrained")
    axes: dict[str, Any] = figure.subplot_mosaic([[title, "curves"] for title in rows], width_ratios=[2, 1])
    for title, images in rows.items():
        axes[title].imshow(np.concatenate([*images[:, 0]], axis=1), cmap="gray", vmin=0, vmax=1)
        axes[title].set(title=title, xticks=[], yticks=[])
    history.plot(ax=axes["curves"])
    figure.savefig(file)


def main() -> None:
    """Train, then print the error before and after, and a few digits."""
    args = arguments()
    rng = np.random.default_rng(args.seed)
    digits, _ = nl.data.digits()
    clean = digits.reshape(-1, 1, 8, 8)
    noisy = clean + rng.normal(0, args.noise, clean.shape).astype(clean.dtype)
    noisy_train, noisy_held_out, clean_train, clean_held_out = nl.data.train_test_split(noisy, clean, test=0.2, rng=rng)

    c = args.channels
    model = nl.Sequential(
        nl.Conv2d(1, c, 3, stride=2, padding="same", rng=rng),
        nl.ReLU(),
        nl.Conv2d(c, 2 * c, 3, stride=2, padding="same", rng=rng),
        nl.ReLU(),
        nl.ConvTranspose2d(2 * c, c, 3, stride=2, padding="same", rng=rng),
        nl.ReLU(),
        nl.ConvTranspose2d(c, 1, 3, stride=2, padding="same", rng=rng),
        nl.Sigmoid(),
    )
    print(model.summary(noisy[:1].shape), "\n")

    steps = args.epochs * -(-len(noisy_train) // 32)
    loss, optimizer = nl.MeanSquaredError(), nl.Adam(model, lr=nl.schedules.Cosine(args.lr, steps))
    trainer = nl.Trainer(model, loss, optimizer, seed=args.seed)
    history = trainer.fit(noisy_train, clean_train, epochs=args.epochs, validation=(noisy_held_out, clean_held_out), progress=False)

    denoised = trainer.predict(noisy_held_out)
    before, after = loss.forward(noisy_held_out, clean_held_out), loss.forward(denoised, clean_held_out)
    print(f"mean squared error of held-out digits: {before:.4f} with noise, {after:.4f} denoised ({before / after:.1f} times less)")
    rows = {"with noise": noisy_held_out, "denoised": denoised, "as they were": clean_held_out}
    for title, images in rows.items():
        print(f"\n{title}\n{as_text(images[:10])}")
    if args.plot:
        save_picture(args.plot, {title: images[:10] for title, images in rows.items()}, history)


if __name__ == "__main__":
    main()
