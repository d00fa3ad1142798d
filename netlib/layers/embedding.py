from __future__ import annotations

import math

import numpy as np

from ..arrays import RNG, Array, ArrayLike, DTypeLike, Shape, as_counts, as_matrix
from ..initializers import Initializer, Normal, Zeros, initial_value
from ..layer import Layer
from ..parameter import Parameter
from .ids import as_ids, as_padding, sum_by_id
from .rules import Shapes


class Embedding(Layer):
    """``y = weight[ids]``: a row of the table `weight` (entries, features) for each id.

    ids (…) are whole numbers, and y is (…, features). The id `padding`, if given, stands for no
    entry: y is zero there, and its row of weight starts as zeros and gets no gradient.

    With one-hot rows D of the ids, y = D @ weight is a dot node, Eq. (1.30): ∂L/∂weight = Dᵀ ∂L/∂y,
    whose row i is the sum of the rows of ∂L/∂y with id i. Ids have no gradient: backward returns
    None. Like forward, it works only on the rows of the ids in a batch. An optimizer still works on
    all rows, since its running means also change rows without a gradient.

    >>> embedding = Embedding.from_arrays([[1.0, 2.0], [3.0, 4.0]])
    >>> embedding.forward([1, 0, 1]).tolist()
    [[3.0, 4.0], [1.0, 2.0], [3.0, 4.0]]
    >>> embedding.backward([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]), embedding.weight.grad.tolist()
    (None, [[0.0, 1.0], [2.0, 1.0]])
    """

    kernel_name = "embedding"
    n_nondifferentiable_inputs = 1
    is_positionwise = True

    def __init__(self, entries: int, features: int, padding: int | None = None, *,
                 init: Initializer = Normal(1.0), dtype: DTypeLike = np.float32, rng: RNG = None) -> None:  # fmt: skip
        self.entries, self.features = as_counts("Embedding", entries=entries, features=features)
        self.padding = as_padding(padding, self.entries, "Embedding")
        self.weight = Parameter.wrap(initial_value(init, (self.entries, self.features), dtype, rng, "Embedding"))
        self.dtype = self.weight.dtype
        if self.padding is not None and self.weight.value.flags.writeable:
            self.weight.value[self.padding] = 0

    @classmethod
    def from_arrays(cls, weight: ArrayLike, padding: int | None = None) -> Embedding:
        """Return a layer with a copy of `weight` (entries, features), in its dtype."""
        weight = as_matrix(weight, "Embedding.from_arrays")
        layer = cls(len(weight), weight.shape[1], padding, init=Zeros(), dtype=weight.dtype)
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
        rows, sums = sum_by_id(ids.ravel(), dout.reshape(ids.size, self.features))
        if self.padding is not None:
            sums[rows == self.padding] = 0
        self.weight.add_grad_rows(rows, sums)

    def rule(self, inputs: Shapes, output: Shape) -> str:
        """Return the product of the one-hot rows with weight, and its gradient over all ids."""
        (shape,), i, g, where, rows = inputs, "ids", "dy", "", f"{math.prod(inputs[0])}"
        if len(shape) != 1:
            i, g, where = "i", "g", f", where i = (ids, reshaped to {rows}), g = (dy, reshaped to {rows}×{self.features})"
        y = f"onehot(ids, {self.entries})·weight"
        if self.padding is not None:
            y += f" ⊙ {'column' if shape else ''}([ids ≠ {self.padding}])"
            g = f"({g} ⊙ column([{i} ≠ {self.padding}]))"
        return f"y = {y}\ndweight = onehot({i}, {self.entries})ᵀ·{g}{where}"
