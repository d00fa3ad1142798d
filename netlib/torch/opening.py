"""The functions that need PyTorch, which is imported when they are called."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from ..errors import not_installed
from ..layer import Layer, as_layer


def module(model: Layer, *, translations: Mapping[type[Any], Any] | None = None) -> Any:
    """Return a model as an ``nn.Module``, to train it under autograd on any device.

    Layers become the corresponding modules of ``torch.nn``, with copies of their arrays, so that
    the names in its ``state_dict`` are PyTorch's. Layers that ``torch.nn`` lacks become small
    modules. Call the module like the model: sequences and states have the batch first, and several
    inputs are separate arguments. It has the model's types, frozen parameters and mode. Use
    `load_state_dict` or `convert` for the way back.

    Parameters
    ----------
    model : Layer
    translations : mapping of type to callable, optional
        For each of your own layer classes, a function from the layer to a PyTorch module.

    Returns
    -------
    torch.nn.Module

    Raises
    ------
    InvalidTypeError
        If layers have no counterpart. The message lists all of them by path.
    MissingError
        If PyTorch is not installed.

    See Also
    --------
    convert, load_state_dict

    Examples
    --------
    >>> import netlib as nl
    >>> module(nl.Sequential(nl.Affine(4, 8), nl.ReLU(), nl.Affine(8, 2)))
    Sequential(
      (0): Linear(in_features=4, out_features=8, bias=True)
      (1): ReLU()
      (2): Linear(in_features=8, out_features=2, bias=True)
    )
    """
    _require("torch.module")
    return import_module(f"{__package__}.building").build(as_layer(model, "torch.module"), translations or {})


def convert(module: Any, *inputs: Any, translations: Mapping[type[Any], Any] | None = None) -> Layer:
    """Convert a PyTorch module to a model with the same forward and the same gradients.

    Modules with a counterpart become layers, and an ``nn.Sequential`` a `Sequential`. A module with
    its own forward becomes a `Graph`: ``torch.fx`` traces its forward once, which fixes its
    branches. The paths of its layers are those of the modules. The model has the module's types,
    frozen parameters and mode.

    Parameters
    ----------
    module : torch.nn.Module
    *inputs : tensor or array_like
        Example inputs, for sizes that its forward uses, such as ``x.shape[1]``. The size of the
        batch remains variable.
    translations : mapping of type to callable, optional
        For each other class of modules, a function from the module to a layer.

    Returns
    -------
    Layer

    Raises
    ------
    InvalidTypeError
        If `module` is not a module of PyTorch.
    InvalidValueError
        If netlib lacks modules, functions or options. The message lists all of them by path.
    MissingError
        If PyTorch is not installed.

    See Also
    --------
    module, state_dict

    Examples
    --------
    >>> import torch
    >>> convert(torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU()))
    Sequential(Affine(4, 8), ReLU())
    """
    _require("torch.convert")
    found: Layer = import_module(f"{__package__}.converting").convert(module, inputs, translations or {})
    return found


def _require(where: str) -> None:
    try:
        import torch  # noqa: F401
    except ImportError:
        raise not_installed("PyTorch", "torch", where) from None
