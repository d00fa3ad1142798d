"""Tell circles, squares and triangles apart with a residual network, with and without batch norm.

The images are drawn here: one shape each, of any size and place, bright or dark, with noise. Both
networks have the same blocks, the same images and the same optimizer; only the batch norms differ.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

import netlib as nl

SHAPES = "circle", "square", "triangle"


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=1200, help="number of images; a quarter is held out (default: %(default)s)")
    parser.add_argument("--size", type=int, default=16, help="height and width of an image (default: %(default)s)")
    parser.add_argument("--noise", type=float, default=0.3, help="standard deviation of the noise (default: %(default)s)")
    parser.add_argument("--channels", type=int, default=8, help="channels of the first blocks (default: %(default)s)")
    parser.add_argument("--epochs", type=int, default=8, help="number of passes over the images (default: %(default)s)")
    parser.add_argument("--lr", type=float, default=0.02, help="initial learning rate, decreasing to zero (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="random seed (default: %(default)s)")
    parser.add_argument("--plot", metavar="FILE", help="save a picture, such as shapes.png or .svg; needs the extra 'plot'")
    return parser.parse_args()


def draw_shapes(n: int, size: int, noise: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return n images (n, 1, size, size), and the number of the shape in each (n,)."""
    t = rng.integers(len(SHAPES), size=n)
    radius = rng.uniform(0.2, 0.4, (n, 1, 1)) * size
    centre_x, centre_y = rng.uniform(radius, size - radius, (2, n, 1, 1))
    y, x = np.mgrid[:size, :size]
    x, y = (x + 0.5 - centre_x) / radius, (y + 0.5 - centre_y) / radius
    inside = np.stack([x**2 + y**2 < 1, np.maximum(abs(x), abs(y)) < 0.9, (y < 0.8) & (2 * abs(x) - y < 1)])
    brightness = rng.choice([-1.0, 1.0], (n, 1, 1))
    images = brightness * inside[t, np.arange(n)] + rng.normal(0, noise, (n, size, size))
    return images[:, np.newaxis].astype(np.float32), t


def convolution(n_in: int, n_out: int, has_norm: bool, rng: np.random.Generator, stride: int = 1) -> list[nl.Layer]:
    """Return a convolution, and a batch norm after it, which makes its bias superfluous."""
    conv = nl.Conv2d(n_in, n_out, 3, stride, padding="same", bias=not has_norm, rng=rng)
    return [conv, nl.BatchNorm(n_out)] if has_norm else [conv]


def block(channels: int, has_norm: bool, rng: np.random.Generator) -> list[nl.Layer]:
    """Return a residual block: ReLU of x plus two convolutions of x."""
    inner = [*convolution(channels, channels, has_norm, rng), nl.ReLU(), *convolution(channels, channels, has_norm, rng)]
    return [nl.Residual(nl.Sequential(*inner)), nl.ReLU()]


def residual_network(channels: int, has_norm: bool, rng: np.random.Generator) -> nl.Sequential:
    """Return three residual blocks. Between them, images are halved and channels doubled."""
    a, b, c = channels, 2 * channels, 4 * channels
    return nl.Sequential(
        *convolution(1, a, has_norm, rng),
        nl.ReLU(),
        *block(a, has_norm, rng),
        *convolution(a, b, has_norm, rng, stride=2),
        nl.ReLU(),
        *block(b, has_norm, rng),
        *convolution(b, c, has_norm, rng, stride=2),
        nl.ReLU(),
        *block(c, has_norm, rng),
        nl.GlobalAvgPool(),
        nl.Affine(c, len(SHAPES), rng=rng),
    )


def save_picture(file: str, x: np.ndarray, histories: dict[str, nl.History]) -> None:
    """Plot the first images of x, and the held-out losses and accuracies of both networks.

    The suffix of the file determines the format.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(16, 5), layout="constrained")
    left, *others = figure.subplots(1, 3)
    rows = [np.concatenate([*x[i : i + 6, 0]], axis=1) for i in range(0, 30, 6)]
    left.imshow(np.concatenate(rows), cmap="gray")
    left.set(title="some of the images", xticks=[], yticks=[])
    for ax, column in zip(others, ["val_loss", "val_accuracy"], strict=True):
        for name, history in histories.items():
            ax.plot(range(1, len(history) + 1), history[column], label=name)
        ax.set(title=column.replace("val_", "held-out "), xlabel="epoch")
        ax.legend()
    figure.savefig(file)


def main() -> None:
    """Train both networks, and print their held-out losses and accuracies by epoch."""
    args = arguments()
    images, shapes = draw_shapes(args.images, args.size, args.noise, np.random.default_rng(args.seed))
    x, x_held_out, t, t_held_out = nl.data.train_test_split(images, shapes, test=0.25, rng=args.seed)

    histories = {}
    for name, has_norm in [("without batch norm", False), ("with batch norm", True)]:
        model = residual_network(args.channels, has_norm, np.random.default_rng(args.seed))
        summary = model.summary(x[:1].shape)
        steps = args.epochs * -(-len(x) // 32)
        optimizer = nl.SGD(model, lr=nl.schedules.Cosine(args.lr, steps), momentum=0.9)
        trainer = nl.Trainer(model, nl.SoftmaxCrossEntropy(), optimizer, metrics={"accuracy": nl.accuracy}, seed=args.seed)
        start = time.perf_counter()
        histories[name] = trainer.fit(x, t, epochs=args.epochs, batch_size=32, validation=(x_held_out, t_held_out), progress=False)
        seconds = time.perf_counter() - start
        print(f"{name}: {summary.parameters:,} parameters, {summary.multiply_adds:,} multiply-adds for an image, {seconds:.1f} s")

    print("\nheld-out loss and accuracy")
    print("epoch" + "".join(f"{name:>24}" for name in histories))
    for epoch in range(args.epochs):
        row = [f"{history['val_loss'][epoch]:14.3f}{history['val_accuracy'][epoch]:10.1%}" for history in histories.values()]
        print(f"{epoch + 1:5}" + "".join(row))
    if args.plot:
        save_picture(args.plot, x, histories)


if __name__ == "__main__":
    main()
