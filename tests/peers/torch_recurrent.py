"""The parameters of PyTorch's recurrent modules under netlib's names, for several referees."""

import numpy as np
import torch

import netlib as nl


def names(layer):
    """Return pairs of suffixes, netlib's and PyTorch's, in PyTorch's order."""
    directions = ["", "_reverse"] if layer.bidirectional else [""]
    return [((f"_{i}" if i else "") + each, f"_l{i}{each}") for i in range(layer.layers) for each in directions]


def translated(layer, weight_x, weight_h, bias_x, bias_h):
    """Return parameters by netlib's names: transposed, the two biases added except for GRU's candidate."""
    bias, n = bias_x + bias_h, layer.hidden_features
    arrays = {"weight_x": weight_x.T, "weight_h": weight_h.T, "bias": bias}
    if isinstance(layer, nl.GRU):
        arrays["bias"] = np.concatenate([bias[:-n], bias_x[-n:]])
        arrays["bias_h"] = bias_h[-n:]
    return arrays


def with_parameters(layer, module):
    """Return the layer with the parameters of a module."""
    for ours, theirs in names(layer):
        arrays = [getattr(module, name + theirs, None) for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]
        zeros = torch.zeros(len(arrays[0]), dtype=torch.float64)
        arrays = [(zeros if array is None else array).detach().numpy() for array in arrays]
        for name, array in translated(layer, *arrays).items():
            getattr(layer, name + ours).value = array
    return layer


def gradients(layer, module):
    """Yield pairs of gradients, ours and theirs; without biases, those of the weights."""
    for ours, theirs in names(layer):
        weight_x, weight_h = (getattr(module, name + theirs).grad.numpy() for name in ("weight_ih", "weight_hh"))
        yield getattr(layer, "weight_x" + ours).grad, weight_x.T
        yield getattr(layer, "weight_h" + ours).grad, weight_h.T
        if module.bias:
            yield getattr(layer, "bias" + ours).grad, getattr(module, "bias_ih" + theirs).grad.numpy()
            if isinstance(layer, nl.GRU):
                n = layer.hidden_features
                yield getattr(layer, "bias_h" + ours).grad, getattr(module, "bias_hh" + theirs).grad.numpy()[-n:]


def as_state(theirs):
    """Return a state (layers·directions, N, hidden) of PyTorch in netlib's shape."""
    state = np.moveaxis(theirs.detach().numpy(), 0, 1)
    return state[:, 0] if state.shape[1] == 1 else state


def as_their_state(ours):
    """Return a state of netlib in PyTorch's shape, as a tensor that has a gradient."""
    state = ours[:, None] if ours.ndim == 2 else ours
    return torch.tensor(np.ascontiguousarray(np.moveaxis(state, 1, 0)), requires_grad=True)
