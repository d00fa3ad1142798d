"""A block of a transformer: attention and a feedforward network, each with a skip connection."""

from __future__ import annotations

from typing import Literal

import numpy as np

from ..arrays import RNG, DTypeLike, as_count, as_rng
from ..errors import ShapeError
from ..initializers import Glorot, Initializer
from ..layer import Layer, as_layer
from ..layers.affine import Affine
from ..layers.dropout import Dropout
from ..layers.layer_norm import LayerNorm
from ..layers.relu import ReLU
from ..representation import call_text
from .container import Container
from .multi_head_attention import MultiHeadAttention
from .program import Slots, Wiring
from .residual import ResidualAdd


class TransformerBlock(Container):
    """``h = x + attention(norm(x))``, ``y = h + contract(activation(expand(norm(h))))``.

    Positions exchange information in `attention`, a `MultiHeadAttention`. `expand` and `contract`
    are affine transformations, features → hidden → features, that work on each position separately.
    At the fan-out before each +, the gradients of both paths add up.

    x and y are (…, T, features). Xiong et al., "On layer normalization in the transformer
    architecture", 2020, compare both positions of the norms.

    Parameters
    ----------
    features, heads : int
        As in `MultiHeadAttention`.
    hidden : int, optional
        By default, 4 · features.
    causal : bool
        Whether position i may attend to the positions 0 … i only, as in a GPT.
    dropout : float
        The probability, in training mode, of dropping attention weights, elements of both parts'
        outputs, and hidden elements.
    norm_first : bool
        Whether each part normalizes its input. If False, the norm follows the +.
    mask : bool
        Whether the last input is a mask, as in `MultiHeadAttention`.
    activation : Layer, optional
        By default, ``ReLU()``.
    init : Initializer
        Initializes the weights of the affine transformations.
    dtype : dtype
    rng : numpy.random.Generator or int, optional

    Examples
    --------
    >>> import netlib as nl
    >>> block = TransformerBlock(8, heads=2, causal=True, activation=nl.GELU(), rng=0)
    >>> y = block.forward(np.ones((4, 3, 8)))
    >>> block.backward(np.ones_like(y)).shape
    (4, 3, 8)
    """

    def __init__(self, features: int, heads: int, hidden: int | None = None, causal: bool = False, dropout: float = 0.0,
                 norm_first: bool = True, *, mask: bool = False, activation: Layer | None = None,
                 init: Initializer = Glorot(), dtype: DTypeLike = np.float32, rng: RNG = None) -> None:  # fmt: skip
        where = type(self).__name__
        self._rng = rng = as_rng(rng, where)
        attention = MultiHeadAttention(features, heads, causal, dropout, mask, init=init, dtype=dtype, rng=rng)
        attention_dropout, hidden_dropout, feedforward_dropout = [Dropout(dropout, rng=rng) if dropout else None for _ in range(3)]
        self.features, self.heads = attention.features, attention.heads
        self.hidden = 4 * self.features if hidden is None else as_count(hidden, "hidden", where, least=1)
        self.causal, self.dropout, self.norm_first, self.mask = causal, attention.dropout, norm_first, attention.mask
        self.n_nondifferentiable_inputs = attention.n_nondifferentiable_inputs
        self.dtype = attention.dtype
        self.attention_norm = LayerNorm(self.features, dtype=dtype)
        self.attention = attention
        self.attention_dropout = attention_dropout
        self.attention_add = ResidualAdd()
        self.feedforward_norm = LayerNorm(self.features, dtype=dtype)
        self.expand = Affine(self.features, self.hidden, init=init, dtype=dtype, rng=rng)
        self.activation = ReLU() if activation is None else as_layer(activation, f"{where}, activation")
        self.hidden_dropout = hidden_dropout
        self.contract = Affine(self.hidden, self.features, init=init, dtype=dtype, rng=rng)
        self.feedforward_dropout = feedforward_dropout
        self.feedforward_add = ResidualAdd()

    def wire(self, *sources: int) -> Wiring:
        """Wire the layers of both parts, the skip connections, and the norms."""
        if len(sources) != 1 + bool(self.mask):
            expected = "x and a mask" if self.mask else "one array"
            hint = "" if self.mask or len(sources) != 2 else "For a mask, make the block with mask=True."
            raise ShapeError(f"got {len(sources)} inputs, expected {expected}", where=self.short, hint=hint)
        x, mask = sources[:1], sources[1:]
        before, behind = bool(self.norm_first), not self.norm_first
        y = yield from self._chain(x, before and "attention_norm")
        y = yield from self._chain((*y, *mask), "attention", "attention_dropout")
        h = yield from self._chain((*x, *y), "attention_add", behind and "attention_norm")
        y = yield from self._chain(
            h, before and "feedforward_norm", "expand", "activation", "hidden_dropout", "contract", "feedforward_dropout"
        )
        return (yield from self._chain((*h, *y), "feedforward_add", behind and "feedforward_norm"))

    def _chain(self, slots: Slots, *names: str | Literal[False]) -> Wiring:
        """Wire these attributes in sequence, without those that the block does not have."""
        for name in names:
            layer = getattr(self, name) if name else None
            if layer is not None:
                slots = yield f"{self.short}.{name}", layer, slots
        return slots

    def text(self) -> list[str | Layer]:
        """Return the pieces of the ``repr``."""
        return [call_text(self).replace(", activation=ReLU()", "")]
