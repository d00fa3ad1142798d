"""How a layer is seen from outside: its text, its parameters, and the derivatives of its forward."""

from __future__ import annotations

from ..derivatives.check import check_gradients
from ..inspection import attributes_of, walk_held
from ..layer import Layer
from ..parameter import Parameter
from .case import Case, Rule


def _has_repr(case: Case) -> str:
    text = repr(case.layer())
    return "" if text and isinstance(text, str) else f"{text!r}"


def _parameters_found(case: Case) -> str:
    layer = case.layer()
    found = {id(p) for p in layer.parameters().values()}
    kinds = [kind for kind in type(layer).__mro__ if kind not in Layer.__mro__]
    in_classes = {name: value for kind in kinds for name, value in vars(kind).items()}
    held = walk_held({**in_classes, **attributes_of(layer)})
    lost = [place for place, thing in held if isinstance(thing, Parameter) and id(thing) not in found]
    return f"parameters() does not list {', '.join(lost)}" if lost else ""


def _gradients(case: Case) -> str:
    case.unless("repr")
    report = check_gradients(case.layer(), *case.inputs())
    news = [finding for finding in report.findings if not case.broken & TOLD_BY.get(finding.mistake, set())]
    return str(report) if news else ""


TOLD_BY = {  # findings of the gradient check, and the rules that say the same
    "mutates-input": {"inputs unchanged"},
    "mutates-upstream": {"dout unchanged"},
    "mutates-parameters": {"parameters unchanged"},
    "aliases-output": {"new arrays", "results stay", "keeps copies"},
    "stale-cache": {"last forward", "keeps copies", "backward twice", "results stay"},
    "not-accumulated": {"gradients accumulate"},
    "nondeterministic": {"evaluation without chance", "global random state", "parameters unchanged", "backward twice"},
    "dtype-changed": {"dtype"},
}

RULES = {
    "repr": Rule(
        "repr(layer) is a text",
        "Keep the arguments of __init__ under their own names, and netlib's repr shows them; or fix your __repr__.",
        _has_repr,
    ),
    "parameters found": Rule(
        "parameters() lists every Parameter that the layer holds",
        "Assign it to an attribute of the layer, in __init__: alone, or in a list, tuple or dict.",
        _parameters_found,
    ),
    "gradients": Rule(
        "gradients as netlib.check_gradients finds them",
        "See above; netlib.check_gradients(layer, *inputs) says the same.",
        _gradients,
    ),
}
