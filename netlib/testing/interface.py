"""The interface of a layer: its repr, its parameters, and gradients that match its forward."""

from __future__ import annotations

from ..checker.check import check_gradients
from ..inspection import attributes_of, walk_held
from ..layer import Layer
from ..parameter import Parameter
from .layer_under_test import LayerUnderTest
from .rule import Rule, skip_if_violated


def _has_repr(tested: LayerUnderTest) -> str:
    text = repr(tested.layer())
    return "" if text and isinstance(text, str) else f"{text!r}"


def _parameters_found(tested: LayerUnderTest) -> str:
    layer = tested.layer()
    found = {id(p) for p in layer.parameters().values()}
    kinds = [kind for kind in type(layer).__mro__ if kind not in Layer.__mro__]
    in_classes = {name: value for kind in kinds for name, value in vars(kind).items()}
    held = walk_held({**in_classes, **attributes_of(layer)})
    missing = [place for place, item in held if isinstance(item, Parameter) and id(item) not in found]
    return f"parameters() does not list {', '.join(missing)}" if missing else ""


def _gradients(tested: LayerUnderTest) -> str:
    skip_if_violated(tested, "repr")
    report = check_gradients(tested.layer(), *tested.inputs())
    for finding in report.findings:
        if not tested.violated & SAME_FAULT.get(finding.mistake, set()):
            return str(report)
    return ""


SAME_FAULT = {  # mistakes that the gradient checker finds: the rules that report the same fault
    "mutates-input": {"inputs unchanged"},
    "mutates-upstream": {"dout unchanged"},
    "mutates-parameters": {"parameters unchanged"},
    "aliases-output": {"new arrays", "results unchanged", "keeps copies"},
    "stale-cache": {"last forward", "keeps copies", "backward twice", "results unchanged"},
    "not-accumulated": {"gradients accumulate"},
    "nondeterministic": {
        "deterministic in evaluation",
        "global random state",
        "parameters unchanged",
        "backward twice",
    },
    "dtype-changed": {"dtype"},
}

RULES = {
    "repr": Rule(
        "repr(layer) returns a string that is not empty",
        "Keep the arguments of __init__ under their own names, and netlib's repr shows them; or fix your __repr__.",
        _has_repr,
    ),
    "parameters found": Rule(
        "parameters() lists every Parameter that the layer holds",
        "Assign it to an attribute in __init__: directly, or in a list, tuple or dict.",
        _parameters_found,
    ),
    "gradients": Rule(
        "backward agrees with netlib.check_gradients",
        "See above; netlib.check_gradients(layer, *inputs) returns the same report.",
        _gradients,
    ),
}
