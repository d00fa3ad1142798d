"""Fix layers that have one mistake each, and let the gradient checker grade them.

The docstring of each class says what it computes, and that is correct. The mistake is somewhere in
the code, nearly always in backward. Fix the classes in a copy of this file and run it again, until
every line of the table says that the gradients agree.

    python examples/broken_layers.py                  what the checker says about each layer
    python examples/broken_layers.py --list           the layers, and what each computes
    python examples/broken_layers.py --hint ReLU2     a hint
    python examples/broken_layers.py --show ReLU2     the whole report of the checker, with numbers
"""

# ruff: noqa: D102
# mypy: disable-error-code="no-any-return"

from __future__ import annotations

import argparse
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

import netlib as nl

Array = NDArray[Any]


def weights(*shape: int) -> nl.Parameter:
    """Return a parameter with the same random numbers every time."""
    return nl.Parameter(np.random.default_rng(7).normal(size=shape))


class Affine1(nl.Layer):
    """y = x W + b."""

    def __init__(self) -> None:
        self.weight, self.bias = weights(4, 4), weights(4)

    def forward(self, x: Array) -> Array:
        self.x = np.array(x)
        return x @ self.weight.value + self.bias.value

    def backward(self, dout: Array) -> Array:
        self.weight.grad += self.x.T @ dout
        self.bias.grad += dout.sum(axis=0)
        return dout @ self.weight.value


class Affine2(nl.Layer):
    """y = x W + b."""

    def __init__(self) -> None:
        self.weight, self.bias = weights(4, 3), weights(3)

    def forward(self, x: Array) -> Array:
        self.x = np.array(x)
        return x @ self.weight.value + self.bias.value

    def backward(self, dout: Array) -> Array:
        self.weight.grad += self.x.T @ dout
        self.bias.grad += dout
        return dout @ self.weight.value.T


class Affine3(nl.Layer):
    """y = x W + b."""

    def __init__(self) -> None:
        self.weight, self.bias = weights(4, 3), weights(3)

    def forward(self, x: Array) -> Array:
        self.x = np.array(x)
        return x @ self.weight.value + self.bias.value

    def backward(self, dout: Array) -> Array:
        self.weight.grad += self.x.T @ dout
        self.bias.grad += dout.mean(axis=0)
        return dout @ self.weight.value.T


class Affine4(nl.Layer):
    """y = x W + b."""

    def __init__(self) -> None:
        self.weight, self.bias = weights(4, 3), weights(3)

    def forward(self, x: Array) -> Array:
        self.x = np.array(x)
        return x @ self.weight.value + self.bias.value

    def backward(self, dout: Array) -> Array:
        self.weight.grad = self.x.T @ dout
        self.bias.grad += dout.sum(axis=0)
        return dout @ self.weight.value.T


class Affine5(nl.Layer):
    """y = x W + b."""

    def __init__(self) -> None:
        self.weight, self.bias = weights(4, 3), weights(3)

    def forward(self, x: Array) -> Array:
        self.x = np.array(x)
        return x @ self.weight.value + self.bias.value

    def backward(self, dout: Array) -> None:
        self.weight.grad += self.x.T @ dout
        self.bias.grad += dout.sum(axis=0)
        dout @ self.weight.value.T


class Affine6(nl.Layer):
    """y = x W + b."""

    def __init__(self) -> None:
        self.weight, self.bias = weights(4, 3), weights(3)

    def forward(self, x: Array) -> Array:
        self.x = np.array(x)
        return x @ self.weight.value + self.bias.value

    def backward(self, dout: Array) -> Array:
        dw = self.x.T @ dout
        self.weight.grad += dw
        self.bias.grad += dout.sum(axis=0)
        self.weight.value -= 0.01 * dw
        return dout @ self.weight.value.T


class Affine7(nl.Layer):
    """y = x W."""

    def __init__(self) -> None:
        self.weight = weights(4, 4)

    def forward(self, x: Array) -> Array:
        self.x = np.array(x)
        return x @ self.weight.value

    def backward(self, dout: Array) -> Array:
        self.weight.grad += dout.T @ self.x
        return dout @ self.weight.value.T


class Scale1(nl.Layer):
    """y = w x, with a weight for each feature."""

    def __init__(self) -> None:
        self.weight = weights(4)

    def forward(self, x: Array) -> Array:
        self.x = np.array(x)
        return x * self.weight.value

    def backward(self, dout: Array) -> Array:
        self.weight.grad += (dout * self.x).sum()
        return dout * self.weight.value


class Scale2(nl.Layer):
    """y = w x, with a weight for each feature."""

    def __init__(self) -> None:
        self.weight = weights(4)
        self.x: Array | None = None

    def forward(self, x: Array) -> Array:
        if self.x is None:
            self.x = np.array(x)
        return x * self.weight.value

    def backward(self, dout: Array) -> Array:
        self.weight.grad += (dout * self.x).sum(axis=0)
        return dout * self.weight.value


class ReLU1(nl.Layer):
    """y = max(x, 0)."""

    def forward(self, x: Array) -> Array:
        return np.maximum(x, 0)

    def backward(self, dout: Array) -> Array:
        return dout.copy()


class ReLU2(nl.Layer):
    """y = max(x, 0)."""

    def forward(self, x: Array) -> Array:
        self.off = x <= 0
        return np.maximum(x, 0)

    def backward(self, dout: Array) -> Array:
        dout[self.off] = 0
        return dout.copy()


class ReLU3(nl.Layer):
    """y = max(x, 0)."""

    def forward(self, x: Array) -> Array:
        self.off = x <= 0
        return np.maximum(x, 0)

    def backward(self, dout: Array) -> Array:
        return dout * self.off


class ReLU4(nl.Layer):
    """y = max(x, 0)."""

    def forward(self, x: Array) -> Array:
        self.on = x > 0
        x[~self.on] = 0
        return x.copy()

    def backward(self, dout: Array) -> Array:
        return dout * self.on


class LeakyReLU1(nl.Layer):
    """y = x where x > 0, else x / 8, in the dtype of x, here float32."""

    def forward(self, x: Array) -> Array:
        self.slope = np.where(x > 0, np.float64(1), np.float64(1 / 8))
        return (x * self.slope).astype(x.dtype)

    def backward(self, dout: Array) -> Array:
        return dout * self.slope


class Sigmoid1(nl.Layer):
    """y = 1 / (1 + exp(-x))."""

    def forward(self, x: Array) -> Array:
        self.y = 1 / (1 + np.exp(-x))
        return self.y.copy()

    def backward(self, dout: Array) -> Array:
        return self.y * (1 - self.y)


class Sigmoid2(nl.Layer):
    """y = 1 / (1 + exp(-x))."""

    def forward(self, x: Array) -> Array:
        self.x = np.array(x)
        return 1 / (1 + np.exp(-x))

    def backward(self, dout: Array) -> Array:
        return dout * self.x * (1 - self.x)


class Tanh1(nl.Layer):
    """y = tanh(x)."""

    y: Array | None = None

    def forward(self, x: Array) -> Array:
        if self.y is None or self.y.shape != x.shape or self.y.dtype != x.dtype:
            self.y = np.empty_like(x)
        self.slope = 1 - np.tanh(x) ** 2
        return np.tanh(x, out=self.y)

    def backward(self, dout: Array) -> Array:
        return dout * self.slope


class Tanh2(nl.Layer):
    """y = tanh(x)."""

    def forward(self, x: Array) -> Array:
        self.y = np.tanh(x)
        return self.y.copy()

    def backward(self, dout: Array) -> Array:
        return dout * (self.y**2 - 1)


class Softmax1(nl.Layer):
    """y = exp(x) / Σ exp(x), row by row."""

    def forward(self, x: Array) -> Array:
        e = np.exp(x - x.max(axis=1, keepdims=True))
        self.y = e / e.sum(axis=1, keepdims=True)
        return self.y.copy()

    def backward(self, dout: Array) -> Array:
        return dout * self.y * (1 - self.y)


class Softmax2(nl.Layer):
    """y = exp(x) / Σ exp(x), row by row."""

    def forward(self, x: Array) -> Array:
        e = np.exp(x - x.max(axis=1, keepdims=True))
        self.y = e / e.sum(axis=1, keepdims=True)
        return self.y.copy()

    def backward(self, dout: Array) -> Array:
        return self.y * (dout - (dout * self.y).sum(axis=0, keepdims=True))


class Softmax3(nl.Layer):
    """y = exp(x) / Σ exp(x), row by row, for arbitrarily large x."""

    def forward(self, x: Array) -> Array:
        with np.errstate(over="ignore", invalid="ignore"):
            e = np.exp(x)
            self.y = e / e.sum(axis=1, keepdims=True)
        return self.y.copy()

    def backward(self, dout: Array) -> Array:
        return self.y * (dout - (dout * self.y).sum(axis=1, keepdims=True))


class Dropout1(nl.Layer):
    """y = x / (1 - p) for the numbers that are kept, 0 for the others."""

    def __init__(self) -> None:
        self.p = 0.4
        self.rng = np.random.default_rng(0)

    def forward(self, x: Array) -> Array:
        self.kept = self.rng.random(x.shape) >= self.p
        return x * self.kept / (1 - self.p)

    def backward(self, dout: Array) -> Array:
        return dout * self.kept


class Dropout2(nl.Layer):
    """y = x / (1 - p) for the numbers that are kept, 0 for the others."""

    def __init__(self) -> None:
        self.p = 0.4
        self.rng = np.random.default_rng(0)

    def forward(self, x: Array) -> Array:
        return x * (self.rng.random(x.shape) >= self.p) / (1 - self.p)

    def backward(self, dout: Array) -> Array:
        return dout * (self.rng.random(dout.shape) >= self.p) / (1 - self.p)


class LayerNorm1(nl.Layer):
    """y = (x - mean) / std, both of each row."""

    def forward(self, x: Array) -> Array:
        self.std = np.sqrt(x.var(axis=1, keepdims=True) + 1e-5)
        self.y = (x - x.mean(axis=1, keepdims=True)) / self.std
        return self.y.copy()

    def backward(self, dout: Array) -> Array:
        return (dout - self.y * (dout * self.y).mean(axis=1, keepdims=True)) / self.std


class SquaredError1(nl.Layer):
    """L = the mean of (y - t)² over all elements."""

    n_nondifferentiable_inputs = 1

    def forward(self, y: Array, t: Array) -> float:
        self.difference = y - t
        return float((self.difference**2).mean())

    def backward(self, dout: float = 1.0) -> Array:
        return dout * self.difference / self.difference.size


class SquaredError2(nl.Layer):
    """L = the mean of (y - t)² over all elements."""

    n_nondifferentiable_inputs = 1

    def forward(self, y: Array, t: Array) -> float:
        self.difference = y - t
        return float((self.difference**2).mean())

    def backward(self, dout: float = 1.0) -> Array:
        return dout * 2 * self.difference / len(self.difference)


class CrossEntropy1(nl.Layer):
    """L = the mean of -log softmax(y)[n, t_n] over the rows n."""

    n_nondifferentiable_inputs = 1

    def forward(self, y: Array, t: Array) -> float:
        shifted = y - y.max(axis=1, keepdims=True)
        log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        self.p, self.t = np.exp(log_p), np.array(t)
        return float(-log_p[np.arange(len(t)), t].mean())

    def backward(self, dout: float = 1.0) -> Array:
        return dout * self.p / len(self.p)


class Block1(nl.Layer):
    """y = x + tanh(x W)."""

    def __init__(self) -> None:
        self.weight = weights(4, 4)

    def forward(self, x: Array) -> Array:
        self.x = np.array(x)
        self.h = np.tanh(x @ self.weight.value)
        return x + self.h

    def backward(self, dout: Array) -> Array:
        da = dout * (1 - self.h**2)
        self.weight.grad += self.x.T @ da
        return da @ self.weight.value.T


class Block2(nl.Layer):
    """y = x + tanh(x W)."""

    def __init__(self) -> None:
        self.weight = weights(4, 4)

    def forward(self, x: Array) -> Array:
        self.x = np.array(x)
        self.h = np.tanh(x @ self.weight.value)
        return x + self.h

    def backward(self, dout: Array) -> Array:
        da = dout * (1 - self.h**2)
        self.weight.grad += self.x.T @ da
        dx = dout + da @ self.weight.value.T
        return dx + dout


class Product1(nl.Layer):
    """y = a b, element by element."""

    def forward(self, a: Array, b: Array) -> Array:
        self.a, self.b = np.array(a), np.array(b)
        return a * b

    def backward(self, dout: Array) -> tuple[Array, Array]:
        return dout * self.a, dout * self.b


class Difference1(nl.Layer):
    """y = a - b, element by element."""

    def forward(self, a: Array, b: Array) -> Array:
        return a - b

    def backward(self, dout: Array) -> tuple[Array, Array]:
        return dout.copy(), dout.copy()


class AddRow1(nl.Layer):
    """y = a + b, where a is a matrix and b is a vector that is added to each row."""

    def forward(self, a: Array, b: Array) -> Array:
        return a + b

    def backward(self, dout: Array) -> tuple[Array, Array]:
        return dout.copy(), dout.copy()


class Gate1(nl.Layer):
    """y = g a + (1 - g) b."""

    def forward(self, g: Array, a: Array, b: Array) -> Array:
        self.g = np.array(g)
        return g * a + (1 - g) * b

    def backward(self, dout: Array) -> tuple[None, Array, Array]:
        return None, dout * self.g, dout * (1 - self.g)


class Mean1(nl.Layer):
    """y = the mean of each row."""

    def forward(self, x: Array) -> Array:
        self.shape = x.shape
        return x.mean(axis=1)

    def backward(self, dout: Array) -> Array:
        return dout[:, None] / self.shape[1]


class Max1(nl.Layer):
    """y = the maximum of each row."""

    def forward(self, x: Array) -> Array:
        self.shape = x.shape
        return x.max(axis=1)

    def backward(self, dout: Array) -> Array:
        return np.broadcast_to(dout[:, None], self.shape).copy()


class Embedding1(nl.Layer):
    """y_n = row index_n of a table."""

    n_nondifferentiable_inputs = 1

    def __init__(self) -> None:
        self.table = weights(4, 3)

    def forward(self, index: Array) -> Array:
        self.index = np.array(index)
        return self.table.value[index]

    def backward(self, dout: Array) -> tuple[()]:
        self.table.grad[self.index] += dout
        return ()


class Exercise(NamedTuple):
    """A layer to fix, a hint, and the inputs for the check."""

    layer: type[nl.Layer]
    hint: str
    inputs: tuple[Any, ...]  # shapes of random inputs, or the inputs themselves
    dtype: Any = np.float64

    def arrays(self, seed: int) -> list[Array]:
        """Return the inputs that the layer is checked on."""
        rng = np.random.default_rng(seed)
        return [rng.normal(size=x).astype(self.dtype) if isinstance(x, tuple) else np.array(x) for x in self.inputs]


EXERCISES = [
    Exercise(Affine1, "x is (N, in), dout is (N, out). What would not fit if W were not square?", ((5, 4),)),
    Exercise(Affine2, "One b serves all N rows. What happens to the N gradients that come back to it?", ((5, 4),)),
    Exercise(Affine3, "If you double the batch, how much should db grow?", ((5, 4),)),
    Exercise(Affine4, "Run backward twice, as for two batches before one step. What is in grad?", ((5, 4),)),
    Exercise(Affine5, "What does the layer before this one get?", ((5, 4),)),
    Exercise(Affine6, "Which component should change a weight, and which weight does dL/dx need?", ((5, 4),)),
    Exercise(Affine7, "dW[i, j] belongs to input i and output j. Write one element as a sum over the samples.", ((5, 4),)),
    Exercise(Scale1, "Is every weight used by every feature?", ((5, 4),)),
    Exercise(Scale2, "It is correct for the first batch. What about the second?", ((5, 4),)),
    Exercise(ReLU1, "Change a negative x slightly. Does y change?", ((4, 5),)),
    Exercise(ReLU2, "Print dout before and after. What if other code still needs it?", ((4, 5),)),
    Exercise(ReLU3, "For which x does y depend on x?", ((4, 5),)),
    Exercise(ReLU4, "Print x before and after forward. Whose array is it?", ((4, 5),)),
    Exercise(LeakyReLU1, "What is the dtype of x, and what is the dtype of its gradient?", ((4, 5),), np.float32),
    Exercise(Sigmoid1, "Double dout. What should happen to dx?", ((4, 5),)),
    Exercise(Sigmoid2, "The well-known formula s (1 - s): what is s?", ((4, 5),)),
    Exercise(Tanh1, "Keep a y, run forward on another x, and look at the first y again.", ((4, 5),)),
    Exercise(Tanh2, "tanh increases everywhere. What is the sign of its slope?", ((4, 5),)),
    Exercise(Softmax1, "Change x[0, 0] slightly. Does y[0, 1] stay the same?", ((4, 5),)),
    Exercise(Softmax2, "Which numbers share a denominator?", ((4, 5),)),
    Exercise(
        Softmax3, "What is exp(1000), and what can you subtract from a row without changing y?", ([[1.0, 2.0, 3.0], [1000.0, 0.0, -1.0]],)
    ),
    Exercise(Dropout1, "Where a number is kept, is y equal to x?", ((5, 6),)),
    Exercise(Dropout2, "Does backward drop the same numbers as forward?", ((5, 6),)),
    Exercise(LayerNorm1, "x affects y in three ways: directly, through std, and …?", ((5, 4),)),
    Exercise(SquaredError1, "What is the derivative of d²?", ((5, 3), (5, 3))),
    Exercise(SquaredError2, "Over how many numbers is the mean taken?", ((5, 3), (5, 3))),
    Exercise(CrossEntropy1, "Does L depend on t? Does dL/dy?", ((4, 3), [2, 0, 1, 0])),
    Exercise(Block1, "Count the paths from x to y.", ((5, 4),)),
    Exercise(Block2, "Count the paths from x to y again.", ((5, 4),)),
    Exercise(Product1, "With b = 2 fixed, how much does y change when a changes?", ((4, 5), (4, 5))),
    Exercise(Difference1, "When b increases, what happens to y?", ((4, 5), (4, 5))),
    Exercise(AddRow1, "What is the shape of b, and what is the shape of its gradient?", ((4, 3), (3,))),
    Exercise(Gate1, "Does y stay the same when g changes?", ((4, 5), (4, 5), (4, 5))),
    Exercise(Mean1, "What is the shape of x, and what is the shape of its gradient?", ((5, 4),)),
    Exercise(Max1, "Which numbers of a row does its maximum depend on?", ((5, 4),)),
    Exercise(Embedding1, "Row 2 is used twice. How often does it get a gradient?", ([0, 2, 2, 1],)),
]


def report(exercise: Exercise, seed: int) -> nl.GradientReport:
    """Return the checker's report on a layer."""
    return nl.check_gradients(exercise.layer(), *exercise.arrays(seed))


def print_table(seed: int) -> None:
    """Print what the checker says about each layer, and how many are fixed."""
    n_fixed = 0
    for exercise in EXERCISES:
        found = report(exercise, seed)
        n_fixed += found.ok
        says = "; ".join(dict.fromkeys(f"{finding.mistake} in {finding.where}" for finding in found.findings))
        print(f"{exercise.layer.__name__:15}{says or 'gradients agree'}")
    print(f"\n{n_fixed} of {len(EXERCISES)} layers are fixed.")


def arguments() -> argparse.Namespace:
    """Read the command line."""
    names = [exercise.layer.__name__ for exercise in EXERCISES]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--list", action="store_true", help="list the layers, and what each computes")
    what.add_argument("--show", metavar="NAME", choices=names, help="print the whole report on a layer")
    what.add_argument("--hint", metavar="NAME", choices=names, help="print a hint for a layer")
    parser.add_argument("--seed", type=int, default=0, help="random seed for the inputs (default: %(default)s)")
    return parser.parse_args()


def main() -> None:
    """Print the table, the list, a hint or a report."""
    args = arguments()
    by_name = {exercise.layer.__name__: exercise for exercise in EXERCISES}
    if args.list:
        for name, exercise in by_name.items():
            print(f"{name:15}{exercise.layer.__doc__}")
    elif args.hint:
        print(by_name[args.hint].hint)
    elif args.show:
        print(report(by_name[args.show], args.seed))
    else:
        print_table(args.seed)


if __name__ == "__main__":
    main()
