"""Write your own layer, check its backward, and train it.

RMSNorm (Zhang and Sennrich, 2019) divides each sample by its root mean square and multiplies each
feature by a learned gain. The task is to classify digits whose brightness varies 10,000-fold
between images. With the layer, the network does not depend on the brightness.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

import netlib as nl

Array = NDArray[Any]


class RMSNorm(nl.Layer):
    """``y = gain · u``, where ``u = x / r`` and ``r = √(mean(x²) + eps)`` over the features.

    dL/dgain = Σ dL/dy · u over the samples. With du = gain · dL/dy, x affects u directly and
    through r:
    dL/dx = du / r - u mean(du · u) / r.
    """

    def __init__(self, features: int, eps: float = 1e-8, dtype: DTypeLike = np.float32) -> None:
        self.features = features
        self.eps = eps
        self.gain = nl.Parameter(np.ones(features, dtype))

    def forward(self, x: Array) -> Array:
        """Return y, of x's shape (…, features)."""
        self.r = np.sqrt((x * x).mean(axis=-1, keepdims=True) + self.eps)
        self.u = x / self.r
        y: Array = self.u * self.gain.value
        return y

    def backward(self, dout: Array) -> Array:
        """Add to the gradient of gain, and return dL/dx."""
        self.gain.grad += (dout * self.u).reshape(-1, self.features).sum(axis=0)
        du = dout * self.gain.value
        dx: Array = (du - self.u * (du * self.u).mean(axis=-1, keepdims=True)) / self.r
        return dx


def numeric_gradient(f: Callable[[], float], a: Array, h: float = 1e-5) -> Array:
    """Return df/da by central differences; `a` is restored afterwards."""
    gradient = np.empty_like(a)
    for i in np.ndindex(a.shape):
        before = a[i]
        a[i] = before + h
        above = f()
        a[i] = before - h
        gradient[i] = (above - f()) / (2 * h)
        a[i] = before
    return gradient


def largest_error(rng: np.random.Generator) -> float:
    """Return the largest error of RMSNorm's backward against numeric gradients in float64."""
    layer = RMSNorm(4, dtype=np.float64)
    layer.gain.value = rng.normal(size=4)  # with all ones, a missing gain would go unnoticed
    x, dout = rng.normal(size=(3, 4)), rng.normal(size=(3, 4))

    def L() -> float:
        return float((dout * layer.forward(x)).sum())  # dL/dy is dout

    layer.forward(x)
    dx = layer.backward(dout)
    errors = []
    for name, exact, numeric in (("x", dx, numeric_gradient(L, x)), ("gain", layer.gain.grad, numeric_gradient(L, layer.gain.value))):
        errors.append(np.abs(exact - numeric).max())
        print(f"dL/d{name}: largest difference from the numeric gradient {errors[-1]:.1e}, largest element {np.abs(exact).max():.2f}")
    return float(np.max(errors))


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=20, help="number of passes over the digits (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="random seed (default: %(default)s)")
    return parser.parse_args()


def main() -> None:
    """Check the layer, then train without and with it."""
    args = arguments()
    rng = np.random.default_rng(args.seed)
    error = largest_error(rng)
    if not error < 1e-8:
        raise SystemExit(f"The backward of RMSNorm is wrong: off by {error:.1e}.")

    x, t = nl.data.digits()
    x *= 10 ** rng.uniform(-2, 2, size=(len(x), 1))
    x_train, x_held_out, t_train, t_held_out = nl.data.train_test_split(x, t, rng=rng)
    accuracy = {}
    for name, first in {"without": nl.Identity(), "with": RMSNorm(64)}.items():
        model = nl.Sequential(first, nl.Affine(64, 64, rng=args.seed), nl.ReLU(), nl.Affine(64, 10, rng=args.seed))
        trainer = nl.Trainer(model, nl.SoftmaxCrossEntropy(), nl.Adam(model, lr=3e-3), metrics={"accuracy": nl.accuracy}, seed=args.seed)
        trainer.fit(x_train, t_train, epochs=args.epochs, batch_size=64, progress=False)
        accuracy[name] = trainer.evaluate(x_held_out, t_held_out)["accuracy"]
        print(f"\n{model}\nheld-out accuracy {name} RMSNorm: {accuracy[name]:.3f}")
    if accuracy["with"] < 0.93:
        raise SystemExit("The network with RMSNorm did not learn: its held-out accuracy is below 0.93.")


if __name__ == "__main__":
    main()
