from __future__ import annotations

import math

import numpy as np

from ..arrays import RNG, Array, ArrayLike, DTypeLike, Shape, as_count, as_counts, as_matrix
from ..errors import InvalidValueError
from ..initializers import Initializer, Normal, Zeros, initial_value
from ..layer import Layer
from ..parameter import Parameter
from .ids import as_ids, sum_by_id
from .rules import Shapes


class Embedding(Layer):
    """``y = weight[ids]``: a row of the table `weight` (entries, features) for each id.

    ids (…) are whole numbers, and y is (…, features). The id `padding`, if there is one, stands for
    no entry: y is zero there, and its row of weight is zero at first and gets no gradient.

    With the one-hot rows D of the ids, y = D @ weight is a dot node, Eq. (1.30), so that
    ∂L/∂weight = Dᵀ ∂L/∂y. D has a single 1 in each row: row i of ∂L/∂weight is the sum of the rows
    of ∂L/∂y whose id is i, and zero if there are none. Ids have no gradient: backward returns None.

    Notes
    -----
    Forward and backward take time for the ids of a batch, whatever the number of entries. An
    optimizer still updates all rows, since its running means change those without a gradient, too.

    >>> embedding = Embedding.from_arrays([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    >>> embedding.forward([2, 0, 2]).tolist()
    [[5.0, 6.0], [1.0, 2.0], [5.0, 6.0]]
    >>> embedding.backward([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    >>> embedding.weight.grad.tolist()
    [[0.0, 1.0], [0.0, 0.0], [2.0, 1.0]]
    """

    kernel_name = "embedding"
    n_nondifferentiable_inputs = 1
    is_positionwise = True

    def __init__(self, entries: int, features: int, padding: int | None = None, *,
                 init: Initializer = Normal(1.0), dtype: DTypeLike = np.float32, rng: RNG = None) -> None:  # fmt: skip
        self.entries, self.features = as_counts("Embedding", entries=entries, features=features)
        self.padding = None if padding is None else as_count(padding, "padding", "Embedding")
        if self.padding is not None and self.padding >= self.entries:
            raise InvalidValueError(f"padding is {padding}, expected 0 to {self.entries - 1}", where="Embedding")
        value = initial_value(init, (self.entries, self.features), dtype, rng, "Embedding")
        if self.padding is not None and value.flags.writeable:
            value[self.padding] = 0
        self.weight = Parameter.wrap(value)
        self.dtype = value.dtype

    @classmethod
    def from_arrays(cls, weight: ArrayLike, padding: int | None = None) -> Embedding:
        """Return a layer with a copy of `weight` (entries, features), in its dtype."""
        weight = as_matrix(weight, "Embedding.from_arrays")
        entries, features = weight.shape
        layer = cls(entries, features, padding, init=Zeros(), dtype=weight.dtype)
        layer.weight.value = weight
        return layer

    def forward(self, ids: ArrayLike) -> Array:
        """Return y, of shape (…, features)."""
        ids = as_ids(ids, self.entries, self)
        y = self.weight.value.take(ids, axis=0)
        if self.padding is not None:
            y[ids == self.padding] = 0
        return self.remember(y, ids)

    def backward(self, dout: ArrayLike) -> None:
        """Add to the gradient of weight."""
        dout, ids = self.recall(dout)
        rows, sums = sum_by_id(ids.reshape(-1), dout.reshape(ids.size, self.features))
        if self.padding is not None:
            sums[rows == self.padding] = 0
        self.weight.add_grad_rows(rows, sums)

    def rule(self, inputs: Shapes, output: Shape) -> str:
        """Return the product of the one-hot rows with weight, and its gradient over all ids."""
        (shape,), where = inputs, ""
        i, g = "ids", "dy"
        if len(shape) != 1:
            n = math.prod(shape)
            i, g, where = "i", "g", f", where i = (ids, reshaped to {n}), g = (dy, reshaped to {n}×{self.features})"
        y = f"onehot(ids, {self.entries})·weight"
        if self.padding is not None:
            y += f" ⊙ {'column' if shape else ''}([ids ≠ {self.padding}])"
            g = f"({g} ⊙ column([{i} ≠ {self.padding}]))"
        return f"y = {y}\ndweight = onehot({i}, {self.entries})ᵀ·{g}{where}"
