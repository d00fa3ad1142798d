# mypy: disable-error-code="misc, call-arg"
"""PyTorch modules for netlib layers that are called differently, or can do more.

Each is a subclass of the module in ``torch.nn`` with the same name and parameters, or stands for a
layer that ``torch.nn`` does not have. This module is imported on use, since it imports PyTorch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence
from torch.utils.checkpoint import checkpoint

from ..layers.per_axis import as_pads
from ..layers.windows import kernel_windows, spans_of


class Sequential(nn.Sequential):
    """An ``nn.Sequential`` in which a module may take or return several tensors."""

    def forward(self, *inputs: Any) -> Any:
        """Return the output of the last module."""
        for module in self:
            y = module(*inputs)
            inputs = y if isinstance(y, tuple) else (y,)
        return inputs if len(inputs) != 1 else inputs[0]


class Residual(nn.Module):
    """``x + layer(x)``."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        """Return the sum."""
        return x + self.layer(x)


class Recompute(nn.Module):
    """A module that runs again in the backward pass."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, *inputs: Any) -> Any:
        """Return the output of the module."""
        return checkpoint(self.layer, *inputs, use_reentrant=False)


class Recurrent(nn.Module):
    """A module for one step, run over all steps."""

    def __init__(self, cell: nn.Module, sizes: Sequence[int], return_sequences: bool, return_state: bool) -> None:
        super().__init__()
        self.cell, self.sizes = cell, tuple(sizes)
        self.return_sequences, self.return_state = return_sequences, return_state

    def forward(self, x: Tensor, *states: Tensor) -> Any:
        """Return y, and the last states if requested."""
        states = states or tuple(x.new_zeros(len(x), size) for size in self.sizes)
        firsts = []
        for step in x.unbind(1):
            states = self.cell(step, *states)
            states = states if isinstance(states, tuple) else (states,)
            firsts.append(states[0])
        y = torch.stack(firsts, 1) if self.return_sequences else firsts[-1]
        return (y, *states) if self.return_state else y


class Graph(nn.Module):
    """Modules wired as the nodes of a `netlib.Graph`.

    `calls` are the names of the nodes, each with its sources: pairs of the index of a call and the
    index of its output, or (-1, i) for input i. A node is a module, a parameter, or a constant
    buffer.
    """

    def __init__(self, input_names: Sequence[str], calls: Sequence[Any], outputs: Sequence[Any]) -> None:
        super().__init__()
        self._input_names, self._wiring, self._output_places = tuple(input_names), tuple(calls), tuple(outputs)

    def forward(self, *inputs: Any) -> Any:
        """Return the output, or a tuple of several."""
        values = {(-1, i): x for i, x in enumerate(inputs)}
        for number, (name, sources) in enumerate(self._wiring):
            node = self.held(name)
            y = node(*(values[source] for source in sources)) if isinstance(node, nn.Module) else node
            values |= {(number, i): each for i, each in enumerate(y if isinstance(y, tuple) else (y,))}
        outputs = tuple(values[place] for place in self._output_places)
        return outputs if len(outputs) != 1 else outputs[0]

    def held(self, name: str) -> Any:
        """Return the module or tensor of a node."""
        owner, last = self.place(name)
        return getattr(owner, last)

    def place(self, name: str) -> tuple[nn.Module, str]:
        """Return the module that holds a node, and its name in it: blocks/0 is 0 in blocks."""
        owner: nn.Module = self
        *outer, last = name.split("/")
        for part in outer:
            if not hasattr(owner, part):
                owner.add_module(part, nn.Module())
            owner = getattr(owner, part)
        return owner, last


class Function(nn.Module):
    """A layer without parameters as a function of tensors: ``function(layer, *tensors)``."""

    def __init__(self, layer: Any, function: Any) -> None:
        super().__init__()
        self.layer, self.function = layer, function

    def forward(self, *inputs: Any) -> Any:
        """Return the output of the function."""
        return self.function(self.layer, *inputs)

    def train(self, mode: bool = True) -> Function:
        """Also set the mode of the layer."""
        self.layer.train(mode)
        super().train(mode)
        return self

    def extra_repr(self) -> str:
        """Return the layer as a text."""
        return repr(self.layer)


class PositionalEmbedding(nn.Module):
    """``x + weight``, with a row for each position."""

    def __init__(self, length: int, features: int) -> None:
        super().__init__()
        self.length, self.features = length, features
        self.weight = nn.Parameter(torch.empty(length, features))
        nn.init.normal_(self.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Return the sum."""
        return x + self.weight[: x.shape[-2]]


class Embedding(nn.Embedding):
    """An ``nn.Embedding`` that returns zeros for `padding_idx`, whatever its row holds."""

    def forward(self, ids: Tensor) -> Tensor:
        """Return a row for each id."""
        y = super().forward(ids)
        return y if self.padding_idx is None else y.masked_fill((ids == self.padding_idx)[..., None], 0)


class BatchNorm(nn.BatchNorm1d):
    """A batch norm for any number of axes after the channels."""

    def _check_input_dim(self, input: Tensor) -> None:
        pass


class InstanceNorm(nn.InstanceNorm1d):
    """An instance norm for any number of axes after the channels."""

    def forward(self, input: Tensor) -> Tensor:
        """Return y, of x's shape."""
        return functional.instance_norm(input, weight=self.weight, bias=self.bias, eps=self.eps)


class _PaddedConv:
    """A convolution with unequal borders, or with "same" and a stride."""

    def __init__(self, *, padding: Any, **options: Any) -> None:
        super().__init__(**options)
        self.padding = padding

    def forward(self: Any, x: Tensor) -> Tensor:
        """Return the convolution of the image with its border."""
        lengths = tuple(x.shape[2:])
        pads = as_pads(self.padding, len(lengths), self)
        windows = kernel_windows(lengths, self.kernel_size, self.stride, self.dilation, pads, self)
        convolve = (functional.conv1d, functional.conv2d, functional.conv3d)[len(lengths) - 1]
        padded = functional.pad(x, _flat(windows.pads))
        return convolve(padded, self.weight, self.bias, self.stride, 0, self.dilation, self.groups)


class PaddedConv1d(_PaddedConv, nn.Conv1d):
    """Over one axis."""


class PaddedConv2d(_PaddedConv, nn.Conv2d):
    """Over two axes."""


class PaddedConv3d(_PaddedConv, nn.Conv3d):
    """Over three axes."""


class _PaddedConvTranspose(_PaddedConv):
    """A transposed convolution with unequal borders, or with "same"."""

    def forward(self: Any, x: Tensor) -> Tensor:
        """Return the transposed convolution without its border."""
        lengths = tuple(x.shape[2:])
        pads = as_pads(self.padding, len(lengths), self)
        spans = spans_of(self.kernel_size, self.dilation)
        if pads is None:
            outer = tuple(n * s for n, s in zip(lengths, self.stride, strict=True))
            pads = kernel_windows(outer, self.kernel_size, self.stride, self.dilation, None, self).pads
        else:
            axes = zip(lengths, self.stride, pads, spans, self.output_padding, strict=True)
            outer = tuple((n - 1) * s - sum(pad) + span + extra for n, s, pad, span, extra in axes)
        transpose = (functional.conv_transpose1d, functional.conv_transpose2d, functional.conv_transpose3d)[len(lengths) - 1]
        y = transpose(x, self.weight, None, self.stride, 0, 0, self.groups, self.dilation)
        y = functional.pad(
            y, _flat([(-before, n + before - whole) for (before, _), n, whole in zip(pads, outer, y.shape[2:], strict=True)])
        )
        return y if self.bias is None else y + self.bias.reshape(-1, *[1] * len(lengths))


class PaddedConvTranspose1d(_PaddedConvTranspose, nn.ConvTranspose1d):
    """Over one axis."""


class PaddedConvTranspose2d(_PaddedConvTranspose, nn.ConvTranspose2d):
    """Over two axes."""


class PaddedConvTranspose3d(_PaddedConvTranspose, nn.ConvTranspose3d):
    """Over three axes."""


def _flat(pads: Sequence[tuple[int, int]]) -> list[int]:
    """Return the widths from the last axis to the first, as ``F.pad`` takes them."""
    return [width for pair in reversed(pads) for width in pair]


class _Recurrent:
    """A recurrent module called like the layer: x, states with the batch first, lengths."""

    def __init__(self, *, return_sequences: bool = True, return_state: bool = False, lengths: bool = False,
                 **options: Any) -> None:  # fmt: skip
        super().__init__(batch_first=True, **options)
        self.return_sequences, self.return_state, self.lengths = return_sequences, return_state, lengths

    def forward(self: Any, x: Tensor, *states: Tensor) -> Any:
        """Return y, and the last states if requested."""
        lengths = None
        if self.lengths:
            *states, lengths = states  # type: ignore[assignment]
        n_passes = self.num_layers * (1 + self.bidirectional)
        starts = [state.reshape(len(x), n_passes, -1).transpose(0, 1).contiguous() for state in states]
        y, ends = self._run(x, starts, lengths, n_passes)
        ends = [end.transpose(0, 1) for end in ends]
        if not self.return_sequences:
            y = ends[0][:, -(1 + self.bidirectional) :].flatten(1)
        if not self.return_state:
            return y
        return (y, *[end[:, 0] if n_passes == 1 else end for end in ends])

    def _run(self: Any, x: Tensor, starts: list[Tensor], lengths: Tensor | None, n_passes: int) -> tuple[Tensor, list[Tensor]]:
        given = None if not starts else starts[0] if len(starts) == 1 else tuple(starts)
        if lengths is None:
            y, ends = super().forward(x, given)
            return y, list(ends) if isinstance(ends, tuple) else [ends]
        # PyTorch takes no sequence without steps: it gets one, of which nothing is kept.
        packed = pack_padded_sequence(x, lengths.clamp(min=1).cpu(), batch_first=True, enforce_sorted=False)
        y, ends = super().forward(packed, given)
        y, _ = pad_packed_sequence(y, batch_first=True, total_length=x.shape[1])
        ends = list(ends) if isinstance(ends, tuple) else [ends]
        is_empty = (lengths == 0).to(x.device)
        starts = starts or [torch.zeros_like(end) for end in ends]
        ends = [torch.where(is_empty[:, None], start, end) for start, end in zip(starts, ends, strict=True)]
        return y.masked_fill(is_empty[:, None, None], 0), ends


class RNN(_Recurrent, nn.RNN):
    """An ``nn.RNN`` that is called like `netlib.RNN`."""


class LSTM(_Recurrent, nn.LSTM):
    """An ``nn.LSTM`` that is called like `netlib.LSTM`."""


class GRU(_Recurrent, nn.GRU):
    """An ``nn.GRU`` that is called like `netlib.GRU`."""


def attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, causal: bool, dropout: float) -> Tensor:
    """Return scaled dot-product attention; zeros for a query that may attend nowhere."""
    t, s = q.shape[-2], k.shape[-2]
    if causal:
        up_to_now = torch.ones(t, s, dtype=torch.bool, device=q.device).tril()
        mask = up_to_now if mask is None else mask & up_to_now
    scores = q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5
    if mask is None:
        p = scores.softmax(-1)
    else:
        p = scores.masked_fill(~mask, torch.finfo(q.dtype).min).softmax(-1).masked_fill(~mask, 0)
    return functional.dropout(p, dropout) @ v


class MultiheadAttention(nn.MultiheadAttention):
    """An ``nn.MultiheadAttention`` that is called like `netlib.MultiHeadAttention`."""

    def __init__(self, embed_dim: int, num_heads: int, *, causal: bool = False, mask: bool = False, **options: Any) -> None:
        super().__init__(embed_dim, num_heads, batch_first=True, **options)
        self.causal, self.mask = causal, mask

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return y for x, or query, key and value, and then a mask if there is one."""
        mask = inputs[-1] if self.mask else None
        given = inputs[: len(inputs) - self.mask]
        given = given * 3 if len(given) == 1 else given
        weights, biases = self.in_proj_weight.chunk(3), [None] * 3 if self.in_proj_bias is None else self.in_proj_bias.chunk(3)
        q, k, v = (self._cut(functional.linear(*each)) for each in zip(given, weights, biases, strict=True))
        y = attend(q, k, v, mask, self.causal, self.dropout if self.training else 0.0)
        return self.out_proj(y.transpose(-2, -3).flatten(-2))

    def _cut(self, x: Tensor) -> Tensor:
        """Return (…, T, features) as (…, heads, T, features of a head)."""
        return x.unflatten(-1, (self.num_heads, self.head_dim)).transpose(-2, -3)


class TransformerEncoderLayer(nn.TransformerEncoderLayer):
    """An ``nn.TransformerEncoderLayer`` that is called like `netlib.TransformerBlock`."""

    def __init__(self, d_model: int, nhead: int, dim_feedforward: int, *, causal: bool = False, mask: bool = False,
                 dropout: float = 0.0, norm_first: bool = True, **options: Any) -> None:  # fmt: skip
        super().__init__(d_model, nhead, dim_feedforward, dropout, norm_first=norm_first, batch_first=True, **options)

    def forward(self, x: Tensor, *mask: Tensor) -> Tensor:
        """Return y for x, and a mask if there is one."""
        if self.norm_first:
            h = x + self.dropout1(self.self_attn(self.norm1(x), *mask))
            return h + self._feedforward(self.norm2(h))
        h = self.norm1(x + self.dropout1(self.self_attn(x, *mask)))
        return self.norm2(h + self._feedforward(h))

    def _feedforward(self, x: Tensor) -> Tensor:
        return self.dropout2(self.linear2(self.dropout(self.activation(self.linear1(x)))))


def index_along(x: Tensor, axis: int, places: Any) -> Tensor:
    """Return the slices of x at these positions along an axis."""
    return x.index_select(axis, torch.as_tensor(np.asarray(places), device=x.device))
