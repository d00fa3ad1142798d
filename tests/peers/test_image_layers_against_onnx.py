"""ONNX's published node cases judge the forward of the image layers."""

import importlib

import numpy as np
import onnx.numpy_helper
import pytest
from onnx import helper
from onnx.backend.test.case.node import _NodeTestCases

import netlib as nl


class Node:
    """An ONNX node with its attributes, the arrays of its inputs by position, and its outputs."""

    def __init__(self, case):
        (node,) = case.model.graph.node
        self.op, self.name = node.op_type, case.name
        self.attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
        given = iter(case.data_sets[0][0])
        self.inputs = [as_array(next(given)) if name else None for name in node.input]
        self.outputs = [as_array(y) for y in case.data_sets[0][1]]
        self.rtol, self.atol = case.rtol, case.atol

    def __getitem__(self, attribute):
        return self.attributes[attribute]

    def get(self, attribute, default=None):
        return self.attributes.get(attribute, default)

    @property
    def axes(self):
        return self.inputs[0].ndim - 2


def as_array(value):
    return np.asarray(value) if isinstance(value, np.ndarray | np.generic) else onnx.numpy_helper.to_array(value)


def window_options(node, kernel):
    """Return stride, padding and, if any, dilation of a node."""
    axes = node.axes
    options = {"stride": tuple(node.get("strides", [1] * axes))}
    dilation = tuple(node.get("dilations", [1] * axes))
    if dilation != (1,) * axes:
        options["dilation"] = dilation
    pads, auto = node.get("pads", [0] * 2 * axes), node.get("auto_pad", b"NOTSET")
    options["padding"] = tuple(zip(pads[:axes], pads[axes:], strict=True))
    if auto == b"SAME_UPPER":
        options["padding"] = "same"
    elif auto == b"SAME_LOWER":  # as a pair for each axis, with the odd pixel first
        lengths = zip(node.inputs[0].shape[2:], kernel, options["stride"], strict=True)
        totals = [max((-(-n // s) - 1) * s + k - n, 0) for n, k, s in lengths]
        options["padding"] = tuple((total - total // 2, total // 2) for total in totals)
    return options


def conv(node):
    options = window_options(node, node.inputs[1].shape[2:])
    return getattr(nl, f"Conv{node.axes}d").from_arrays(*node.inputs[1:], groups=node.get("group", 1), **options)


def conv_transpose(node):
    options = window_options(node, node.inputs[1].shape[2:])
    options["output_padding"] = tuple(node.get("output_padding", [0] * node.axes))
    if "output_shape" in node.attributes:
        axes = zip(node["output_shape"], node.inputs[0].shape[2:], node.inputs[1].shape[2:], options["stride"], strict=True)
        options["output_padding"] = tuple(m - (n - 1) * s - k for m, n, k, s in axes)
    return getattr(nl, f"ConvTranspose{node.axes}d").from_arrays(*node.inputs[1:], groups=node.get("group", 1), **options)


def max_pool(node):
    kernel = tuple(node["kernel_shape"])
    return getattr(nl, f"MaxPool{node.axes}d")(kernel, ceil_mode=bool(node.get("ceil_mode")), **window_options(node, kernel))


def average_pool(node):
    kernel = tuple(node["kernel_shape"])
    options = window_options(node, kernel)
    if "dilation" in options:
        return None  # an average over a dilated window
    options |= {"ceil_mode": bool(node.get("ceil_mode")), "count_include_pad": bool(node.get("count_include_pad"))}
    return getattr(nl, f"AvgPool{node.axes}d")(kernel, **options)


def with_arrays(layer, weight, bias=None):
    layer.weight.value = weight
    if bias is not None:
        layer.bias.value = bias
    return layer


def batch_norm(node):
    _, weight, bias, mean, variance = node.inputs
    layer = with_arrays(nl.BatchNorm(len(weight), node.get("epsilon", 1e-5), momentum=0.1), weight, bias)
    layer.running_mean.value, layer.running_var.value = mean, variance
    return layer.train(bool(node.get("training_mode")))


def pad(node):
    x, pads, value, axes = (*node.inputs, None, None)[:4]
    widths = [(0, 0)] * x.ndim
    for axis, before, after in zip(range(x.ndim) if axes is None else axes, pads, pads[len(pads) // 2 :], strict=False):
        widths[axis] = int(before), int(after)
    return nl.Pad(tuple(widths), node["mode"].decode(), 0.0 if value is None else float(value))


def resize(node):
    x, mode = node.inputs[0], node["mode"].decode()
    known = {"mode", "nearest_mode", "coordinate_transformation_mode", "axes"}
    if (
        mode == "cubic"
        or not node.attributes.keys() <= known
        or (len(node.inputs) > 2 and node.inputs[1] is not None and node.inputs[1].size)
    ):
        return None  # cubic, antialiasing, aspect ratios, and regions
    if node.get("coordinate_transformation_mode", b"half_pixel") != b"half_pixel" or node.get("nearest_mode") is not None:
        return None
    given = next(each for each in reversed(node.inputs) if each is not None and each.size)
    scales = dict(zip(node.get("axes", range(x.ndim)), given.tolist(), strict=True))
    if given.dtype.kind == "i":
        scales = {axis: size / x.shape[axis] for axis, size in scales.items()}
    if mode == "nearest" and min(scales.values()) < 1:
        return None  # rounds half a pixel in another way
    return nl.Upsample(tuple(scales.get(axis, 1) for axis in range(2, x.ndim)), mode)


LAYERS = {
    "Conv": conv,
    "ConvTranspose": conv_transpose,
    "MaxPool": max_pool,
    "AveragePool": average_pool,
    "GlobalAveragePool": lambda node: nl.GlobalAvgPool(),
    "GlobalMaxPool": lambda node: nl.GlobalMaxPool(),
    "BatchNormalization": batch_norm,
    "LayerNormalization": lambda node: with_arrays(nl.LayerNorm(node.inputs[1].shape, node.get("epsilon", 1e-5)), *node.inputs[1:]),
    "RMSNormalization": lambda node: with_arrays(nl.RMSNorm(node.inputs[1].shape, node.get("epsilon", 1e-5)), node.inputs[1]),
    "GroupNormalization": lambda node: with_arrays(
        nl.GroupNorm(node["num_groups"], len(node.inputs[1]), node.get("epsilon", 1e-5)), *node.inputs[1:]
    ),
    "InstanceNormalization": lambda node: with_arrays(
        nl.InstanceNorm(len(node.inputs[1]), node.get("epsilon", 1e-5), affine=True), *node.inputs[1:]
    ),
    "Pad": pad,
    "Resize": resize,
    "DepthToSpace": lambda node: nl.PixelShuffle(node["blocksize"]) if node["mode"] == b"CRD" else None,
}  # what a function returns None for is outside netlib's options


MODULES = """averagepool batch_normalization conv convtranspose depthtospace globalaveragepool globalmaxpool groupnormalization
    instance_normalization layernormalization maxpool pad resize rmsnormalization"""
for module in MODULES.split():  # each adds its cases to a list; all modules of ONNX would take 10 s
    importlib.import_module(f"onnx.backend.test.case.node.{module}")
NODES = [Node(c) for c in _NodeTestCases if "expanded" not in c.name and c.model.graph.node[0].op_type in LAYERS]
INSIDE = [node for node in NODES if LAYERS[node.op](node) is not None]


def test_115_of_153_cases_are_within_the_options():
    assert (len(INSIDE), len(NODES)) == (115, 153)
    assert {node.op for node in INSIDE} == LAYERS.keys()


@pytest.mark.parametrize("node", INSIDE, ids=lambda node: node.name)
def test_forward_gives_the_published_numbers(node):
    layer = LAYERS[node.op](node)
    y, expected = layer.forward(node.inputs[0]), node.outputs[0]
    if node.op.startswith("Global"):
        expected = expected.reshape(y.shape)  # without the axes of length 1 that ONNX keeps
    assert y.shape == expected.shape
    assert np.allclose(y, expected, rtol=max(node.rtol, 1e-5), atol=max(node.atol, 1e-6))


@pytest.mark.parametrize("node", [node for node in INSIDE if node.get("training_mode")], ids=lambda node: node.name)
def test_running_statistics_are_the_published_ones_but_for_the_unbiased_variance(node):
    layer = LAYERS[node.op](node)
    layer.forward(node.inputs[0])
    n = node.inputs[0].size // layer.channels
    _, mean, variance = node.outputs
    old = 0.9 * node.inputs[4]
    assert np.allclose(layer.running_mean.value, mean, rtol=1e-5)
    assert np.allclose(layer.running_var.value - old, (variance - old) * n / (n - 1), rtol=1e-4)
