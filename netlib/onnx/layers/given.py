from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...arrays import ArrayLike, as_floats
from ...layer import Layer


class Given(Layer):
    """A layer whose parameters are inputs, computed by other nodes.

    `kind` is the class of the layer, `options` are its arguments, and `names` its parameters, which
    are the inputs after the first. So backward returns ∂L/∂x, then the gradients of the parameters,
    and then those of other inputs.

    >>> import netlib as nl
    >>> norm = Given(nl.RMSNorm, ["weight"], {"shape": 2, "eps": 0.0})
    >>> norm.forward([[7.0, 1.0]], [1.0, 2.0]), norm.backward([[1.0, 3.5]])
    (array([[1.4, 0.4]]), (array([[-0.192,  1.344]]), array([1.4, 0.7])))
    """

    def __init__(self, kind: type[Layer], names: Sequence[str], options: Mapping[str, Any], n_outputs: int = 1) -> None:
        self.kind, self.names, self.options = kind, tuple(names), dict(options)
        self.n_outputs = n_outputs

    def forward(self, x: ArrayLike, *inputs: ArrayLike) -> Any:
        """Return the output of the layer with these parameters."""
        n = len(self.names)
        arrays = [as_floats(each, where=self) for each in inputs[:n]]
        layer = self.kind(**self.options, dtype=arrays[0].dtype)  # type: ignore[call-arg]
        layer.train(self.training)
        for name, array in zip(self.names, arrays, strict=True):
            getattr(layer, name).value = array
        return self.remember(layer.forward(x, *inputs[n:]), layer)

    def backward(self, dout: Any) -> tuple[Any, ...]:
        """Return ∂L/∂x, and the gradients of the parameters and of other inputs."""
        dout, layer = self.recall(dout)
        parameters = [getattr(layer, name) for name in self.names]
        for parameter in parameters:
            parameter.zero_grad()
        dx = layer.backward(dout)
        first, *others = dx if isinstance(dx, tuple) else (dx,)
        return (first, *[parameter.grad.copy() for parameter in parameters], *others)

    def count_differentiable(self, n_inputs: int) -> int:
        """Return the number of inputs, without the lengths of sequences."""
        return n_inputs - bool(self.options.get("lengths"))
