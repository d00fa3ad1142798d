"""Attention with several heads, between affine transformations."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

from ..arrays import RNG, ArrayLike, DTypeLike, as_count, as_number, as_rng, as_shaped
from ..errors import InvalidValueError, ShapeError
from ..initializers import Glorot, Initializer, Zeros
from ..layer import Layer
from ..layers.affine import Affine
from ..layers.attention_inputs import as_flag
from ..layers.head_attention import HeadAttention
from ..representation import call_text
from .container import Container
from .program import Wiring

Pair: TypeAlias = tuple[ArrayLike, ArrayLike]


class MultiHeadAttention(Container):
    """``y = output(attention(query(x), key(x), value(x)))``, with several heads.

    Four affine transformations, features → features, around `ScaledDotProductAttention`: each head
    attends separately with its part of the features, and `output` mixes the outputs of the heads.

    ``forward(x)`` is self-attention: x (…, T, features) is query, key and value, and its gradients
    from all three add up. ``forward(query, key, value)`` is cross-attention, with key and value
    (…, S, features). y is (…, T, features). Vaswani et al., "Attention is all you need", 2017.

    Parameters
    ----------
    features : int
        A multiple of `heads`.
    heads : int
    causal : bool
        Whether position i may attend to the positions 0 … i only.
    dropout : float
        The probability of dropping an attention weight in training mode.
    mask : bool
        Whether the last input is a mask: booleans that broadcast to (…, heads, T, S), True where a
        query may attend (PyTorch's `MultiheadAttention` takes the opposite, ``~mask``). A head
        returns 0 for a query that may attend nowhere. For a mask (N, S) of the keys of each sample,
        write ``mask[:, None, None, :]``. The mask has no gradient.
    init : Initializer
        Initializes the weights of the affine transformations.
    dtype : dtype
    rng : numpy.random.Generator or int, optional

    Raises
    ------
    InvalidValueError
        If the features cannot be divided among the heads.

    Examples
    --------
    >>> import netlib as nl
    >>> attention = MultiHeadAttention(6, heads=2, causal=True, rng=0)
    >>> y = attention.forward(np.ones((4, 3, 6)))
    >>> attention.backward(np.ones_like(y)).shape
    (4, 3, 6)
    >>> list(attention.parameters())[:4]
    ['query.weight', 'query.bias', 'key.weight', 'key.bias']
    """

    def __init__(self, features: int, heads: int, causal: bool = False, dropout: float = 0.0, mask: bool = False, *,
                 init: Initializer = Glorot(), dtype: DTypeLike = np.float32, rng: RNG = None) -> None:  # fmt: skip
        where = type(self).__name__
        self.features = as_count(features, "features", where, least=1)
        self.heads = as_count(heads, "heads", where, least=1)
        if self.features % self.heads:
            message = f"features is {self.features}, expected a multiple of heads, {self.heads}"
            raise InvalidValueError(message, where=where)
        self.causal, self.mask = causal, as_flag(mask, where)
        self.dropout = as_number(dropout, "dropout", where, least=0, below=1)
        self._rng = as_rng(rng, where)
        affines = [Affine(self.features, self.features, init=init, dtype=dtype, rng=self._rng) for _ in range(4)]
        self.query, self.key, self.value, output = affines
        self.attention = HeadAttention(self.heads, causal, dropout, mask, rng=self._rng)
        self.output = output
        self.n_nondifferentiable_inputs = self.attention.n_nondifferentiable_inputs
        self.dtype = self.query.dtype

    @classmethod
    def from_arrays(cls, query: Pair, key: Pair, value: Pair, output: Pair, heads: int, **options: Any) -> MultiHeadAttention:
        """Return a layer with copies of four pairs of a weight and a bias, in query's dtype.

        `options` are those of the class, such as ``causal=True``.
        """
        where = f"{cls.__name__}.from_arrays"
        affine = Affine.from_arrays(*query)
        layer = cls(affine.in_features, heads, init=Zeros(), dtype=affine.dtype, **options)
        for name, (weight, bias) in {"query": query, "key": key, "value": value, "output": output}.items():
            part = getattr(layer, name)
            part.weight.value = as_shaped(weight, part.weight.shape, f"{where}, weight of {name}")
            part.bias.value = as_shaped(bias, part.bias.shape, f"{where}, bias of {name}")
        return layer

    def wire(self, *sources: int) -> Wiring:
        """Wire one input to query, key and value, or one to each, and a mask to the attention."""
        n = len(sources) - bool(self.mask)
        if n not in (1, 3):
            expected = "x, or query, key and value" + (", and a mask" if self.mask else "")
            hint = "" if self.mask or n not in (2, 4) else "For a mask, make the layer with mask=True."
            raise ShapeError(f"got {len(sources)} inputs, expected {expected}", where=self.short, hint=hint)
        given, mask = sources[:n], sources[n:]
        query, key, value = given if n == 3 else given * 3
        name = self.short
        q = yield f"{name}.query", self.query, (query,)
        k = yield f"{name}.key", self.key, (key,)
        v = yield f"{name}.value", self.value, (value,)
        y = yield f"{name}.attention", self.attention, (*q, *k, *v, *mask)
        return (yield f"{name}.output", self.output, y)

    def text(self) -> list[str | Layer]:
        """Return the pieces of the ``repr``."""
        return [call_text(self)]
