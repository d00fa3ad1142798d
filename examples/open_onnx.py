"""Open an ONNX file: see its layers, look at its gradients, train it further, save it again.

Without a file, the script first makes one, from a small convolutional network trained on the digits
for one epoch. It could come from PyTorch or Keras as well. Pass your own file and the shape of its
input for the summary, the check and the picture. Needs ONNX: in a clone, pip install '.[onnx]'.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np

import netlib as nl


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", nargs="?", type=Path, help="an ONNX file of your own, with one input")
    parser.add_argument("--shape", type=int, nargs="+", default=[1, 8, 8], help="the shape of one sample of its input (default: 1 8 8)")
    parser.add_argument("--epochs", type=int, default=5, help="number of further passes over the digits (default: %(default)s)")
    parser.add_argument("--draw", metavar="FILE", help="draw the graph with values and gradients to this .svg, .png or .html file")
    parser.add_argument("--seed", type=int, default=0, help="random seed (default: %(default)s)")
    return parser.parse_args()


def train(model: nl.Layer, epochs: int, seed: int) -> nl.History:
    """Train on the digits, as images of one channel."""
    x, t = nl.data.digits()
    optimizer = nl.Adam(model, lr=2e-3)
    trainer = nl.Trainer(model, nl.SoftmaxCrossEntropy(), optimizer, {"accuracy": nl.accuracy}, seed=seed)
    return trainer.fit(x.reshape(-1, 1, 8, 8), t, epochs=epochs, batch_size=32, validation=0.2)


def make_file(path: Path, seed: int) -> None:
    """Save a network that has seen the digits once."""
    rng = np.random.default_rng(seed)
    model = nl.Sequential(
        ("conv", nl.Conv2d(1, 8, 3, padding=1, rng=rng)), nl.ReLU(), nl.MaxPool2d(2), nl.Flatten(),
        ("scores", nl.Affine(128, 10, rng=rng)),
    )  # fmt: skip
    train(model, epochs=1, seed=seed)
    nl.onnx.save(model, path, np.zeros((1, 1, 8, 8), np.float32))


def main() -> None:
    """Open the file and look at it; go on training if it is the one made here."""
    args = arguments()
    rng = np.random.default_rng(args.seed)
    with tempfile.TemporaryDirectory() as folder:
        path = args.file or Path(folder, "digits.onnx")
        if args.file is None:
            make_file(path, args.seed)
        graph = nl.onnx.load(path)
        print(graph.summary((1, *args.shape)))
        x = rng.standard_normal((2, *args.shape)).astype(np.float32)
        print(nl.check_gradients(graph, x))
        if args.draw:
            nl.draw(graph, x).save(args.draw)
        if args.file is None:
            history = train(graph, args.epochs, args.seed)
            nl.onnx.save(graph, path, x)
            if not history["val_accuracy"][-1] > 0.9 or not np.allclose(nl.onnx.load(path).predict(x), graph.predict(x), atol=1e-5):
                raise SystemExit("The file was not trained, or not saved again as it was.")


if __name__ == "__main__":
    main()
