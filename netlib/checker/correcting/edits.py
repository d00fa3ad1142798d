"""Edits of a method that undo a slip, from the most likely to the least.

Each replaces a piece of source by another: a sign, a transpose, an axis, a name, a factor.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from itertools import permutations

from .source import ATOM, Edit, Method, Place, is_name, precedence

SWAPPED_FUNCTIONS = {
    "sum": "mean", "mean": "sum", "max": "min", "min": "max", "sin": "cos", "cos": "sin", "maximum": "minimum", "minimum": "maximum",
    "sinh": "cosh", "cosh": "sinh", "argmax": "argmin", "argmin": "argmax", "floor": "ceil", "ceil": "floor", "var": "std", "std": "var",
    "exp": "log", "log": "exp", "vstack": "hstack", "hstack": "vstack", "logical_and": "logical_or", "logical_or": "logical_and",
    "triu": "tril", "tril": "triu", "zeros": "ones", "ones": "zeros", "zeros_like": "ones_like", "tan": "tanh",
}  # fmt: skip
SWAPPED_COMPARISONS: dict[type[ast.cmpop], str] = {
    ast.Gt: "<", ast.GtE: "<", ast.Lt: ">", ast.LtE: ">", ast.Eq: "!=", ast.NotEq: "==",
}  # fmt: skip
SWAPPED_OPERATORS: dict[type[ast.operator], str] = {ast.Add: "-", ast.Sub: "+", ast.Mult: "/", ast.Div: "*"}
MISTAKE_OF_OPERATOR: dict[type[ast.operator], str] = {ast.Add: "wrong-sign", ast.Sub: "wrong-sign"}


def structural_edits(method: Method) -> Iterator[Edit]:
    """Yield edits of the signs, operators, orders, axes, numbers and functions in the source."""
    for place in method.places():
        node = place.node
        if isinstance(node, ast.stmt):
            yield from _statements(method, place, node)
        elif isinstance(node, ast.BinOp):
            yield from _operations(method, place, node)
        elif isinstance(node, ast.UnaryOp):
            yield Edit(place, method.text(node.operand), "inverted-mask" if isinstance(node.op, ast.Invert | ast.Not) else "wrong-sign")
        elif isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in SWAPPED_COMPARISONS:
            sides = method.text(node.left), method.text(node.comparators[0])
            yield Edit(place, f" {SWAPPED_COMPARISONS[type(node.ops[0])]} ".join(sides), "inverted-mask")
        elif isinstance(node, ast.Call):
            yield from _calls(method, place, node)
        elif isinstance(node, ast.Attribute):
            if node.attr in ("T", "mT"):
                yield Edit(place, method.text(node.value), "missing-transpose")
        elif isinstance(node, ast.Constant):
            yield from _constants(place, node)
        elif isinstance(node, ast.Tuple):
            yield from _tuples(method, place, node)
        elif isinstance(node, ast.Subscript):
            yield Edit(place, method.text(node.value), "wrong-formula")


def _statements(method: Method, place: Place, node: ast.stmt) -> Iterator[Edit]:
    if isinstance(node, ast.AugAssign) and isinstance(node.op, ast.Add | ast.Sub):
        target, value = method.text(node.target), method.text(node.value)
        is_add = isinstance(node.op, ast.Add)
        yield Edit(place, f"{target} {'-' if is_add else '+'}= {value}", "wrong-sign")
        if isinstance(node.target, ast.Subscript):
            base, index = method.text(node.target.value), method.text(node.target.slice)
            yield Edit(place, f"np.add.at({base}, {_index(index)}, {value})", "not-accumulated")
        yield Edit(place, f"{target} = {value}", "double-counted")
    elif isinstance(node, ast.Assign) and len(node.targets) == 1 and not isinstance(node.targets[0], ast.Tuple):
        target, value = method.text(node.targets[0]), method.text(node.value)
        yield Edit(place, f"{target} += {value}", "not-accumulated")
        if isinstance(node.targets[0], ast.Subscript):
            base, index = method.text(node.targets[0].value), method.text(node.targets[0].slice)
            yield Edit(place, f"np.add.at({base}, {_index(index)}, {value})", "not-accumulated")
    if isinstance(node, ast.AugAssign | ast.Expr | ast.Assign):
        yield Edit(place, "pass", "double-counted")
    if isinstance(node, ast.AugAssign | ast.Assign | ast.Return):
        yield from _along_another_axis(method, place, node)


def _along_another_axis(method: Method, place: Place, node: ast.stmt) -> Iterator[Edit]:
    """Yield edits of all axes in a statement at once."""
    text = method.text(node)
    for axis in ("0", "1", "-1", "2"):
        if f"axis={axis}" in text:
            for other in ("0", "1", "-1", "2"):
                if other != axis:
                    moved = text.replace(f"axis={axis}", f"axis={other}")
                    yield Edit(place, moved, "wrong-axis")
                    if "[::-1]" in text:
                        yield Edit(place, moved.replace("[::-1]", "[:, ::-1]"), "wrong-axis")
                    if "[:, ::-1]" in text:
                        yield Edit(place, moved.replace("[:, ::-1]", "[::-1]"), "wrong-axis")


def fitted_results(method: Method, came: tuple[int, ...], shape: tuple[int, ...], written: str) -> Iterator[Edit]:
    """Yield edits that give a returned gradient its shape."""
    for place in method.places():
        if isinstance(place.node, ast.Tuple) or not isinstance(place.parent, ast.Return | ast.Tuple):
            continue
        text = method.atom(place.node)
        yield Edit(place, f"{text}.reshape({written})", "wrong-shape")
        if len(came) == len(shape):
            for start in (0, 1, 2):
                ends = [(m - n - start, m - n) for m, n in zip(came, shape, strict=True)]
                cut = [":" if not more else f"{start or ''}:{-end if end > 0 else ''}" for end, more in ends]
                if all(end >= 0 or not more for end, more in ends):
                    yield Edit(place, f"{text}[{', '.join(cut)}]", "wrong-shape")


def _index(text: str) -> str:
    return f"np.s_[{text}]" if ":" in text else f"({text})" if "," in text else text


def _operations(method: Method, place: Place, node: ast.BinOp) -> Iterator[Edit]:
    left, right, operator = method.factor(node.left), method.factor(node.right), type(node.op)
    if operator is ast.MatMult:
        yield from _products(method, place, node)
        return
    if operator in SWAPPED_OPERATORS:
        yield Edit(place, f"{left} {SWAPPED_OPERATORS[operator]} {right}", MISTAKE_OF_OPERATOR.get(operator, "wrong-formula"))
    if operator is ast.Sub:
        yield Edit(place, f"{right} - {left}", "wrong-sign")
        if isinstance(node.left, ast.Constant) and precedence(node.right) == ATOM:
            yield Edit(place, f"{left} - {right}**2", "wrong-formula")
    if operator is ast.Div:
        yield Edit(place, f"{right} / {left}", "wrong-formula")
    what = "double-counted" if operator in (ast.Add, ast.Sub) else "wrong-formula"
    yield Edit(place, method.text(node.left), what)
    if operator is not ast.Pow:
        yield Edit(place, method.text(node.right), what)
        if operator is ast.Sub:
            yield Edit(place, f"-{right}", what)


def diagonal_completions(method: Method) -> Iterator[Edit]:
    """Yield edits that turn p * d, or p * (1 - p) * d, into the gradient of a softmax."""
    for place in method.places():
        node = place.node
        if not (isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult)):
            continue
        for p, d in _pairs(method, node):
            for axis in ("-1", "1", "0"):
                yield Edit(place, f"{p} * ({d} - ({d} * {p}).sum(axis={axis}, keepdims=True))", "diagonal-only")


def _pairs(method: Method, node: ast.BinOp) -> Iterator[tuple[str, str]]:
    """Yield a factor and the rest of a product, without (1 - the factor)."""
    factors = [method.factor(each) for each in _factors_of(node)]
    for p in dict.fromkeys(factors):
        rest = [each for each in factors if each not in (p, f"(1 - {p})")]
        if rest and not p.startswith("("):
            yield p, " * ".join(rest)


def _factors_of(node: ast.expr) -> list[ast.expr]:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        return [*_factors_of(node.left), *_factors_of(node.right)]
    return [node]


def finite_edits(method: Method) -> Iterator[Edit]:
    """Yield edits against overflow and division by zero."""
    for place in method.places():
        node = place.node
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
            below = method.text(node.right)
            yield Edit(place, f"{method.factor(node.left)} / np.where({below} == 0, 1, {below})", "non-finite")
            yield Edit(place, f"{method.factor(node.left)} / np.maximum({below}, 1e-12)", "non-finite")
        elif isinstance(node, ast.Call) and len(node.args) == 1 and method.text(node.func) in ("np.exp", "np.log", "np.sqrt"):
            x = method.text(node.args[0])
            a = method.atom(node.args[0])
            if method.text(node.func) == "np.exp":
                yield Edit(place, f"np.exp({x} - {a}.max(axis=-1, keepdims=True))", "non-finite")
                yield Edit(place, f"np.exp(np.minimum({x}, 500))", "non-finite")
            else:
                yield Edit(place, f"{method.text(node.func)}(np.maximum({x}, 1e-12))", "non-finite")
                yield Edit(place, f"{method.text(node.func)}({x} + 1e-12)", "non-finite")
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow):
            yield Edit(place, f"np.maximum({method.text(node.left)}, 1e-12)**{method.atom(node.right)}", "non-finite")


def scaled_operands(method: Method, factors: list[str]) -> Iterator[Edit]:
    """Yield edits with an additional factor."""
    places = [place for place in method.places() if _is_operand(place)]
    for factor in factors:
        yield from (Edit(place, f"{method.factor(place.node)} {factor}", "wrong-scale") for place in places)


def _products(method: Method, place: Place, node: ast.BinOp) -> Iterator[Edit]:
    a, b = method.atom(node.left), method.atom(node.right)
    for first, second in ((a, b), (b, a)):
        for x in (first, _transposed(first)):
            for y in (second, _transposed(second)):
                if (x, y) != (a, b):
                    yield Edit(place, f"{x} @ {y}", "missing-transpose")
    yield Edit(place, f"({a} @ {b}).T", "missing-transpose")
    for first, second in ((a, f"{b}.swapaxes(-1, -2)"), (f"{a}.swapaxes(-1, -2)", b)):
        yield Edit(place, f"{first} @ {second}", "missing-transpose")


def _transposed(text: str) -> str:
    return text.removesuffix(".T") if text.endswith(".T") else f"{text}.T"


def _calls(method: Method, place: Place, node: ast.Call) -> Iterator[Edit]:
    inside = method.text(node)
    name = method.text(node.func)
    base, _, last = name.rpartition(".")
    if last in SWAPPED_FUNCTIONS and base:
        mistake = "wrong-scale" if last in ("sum", "mean") else "wrong-formula"
        yield Edit(place, f"{base}.{SWAPPED_FUNCTIONS[last]}{inside[len(name) :]}", mistake)
    texts = [method.text(each) for each in [*node.args, *(keyword.value for keyword in node.keywords)]]
    if isinstance(node.func, ast.Attribute) and not is_name(node.func.value, "np"):
        yield Edit(place, method.text(node.func.value), "wrong-axis" if last in ("sum", "mean") else "wrong-formula")
    elif node.args:
        yield Edit(place, texts[0], "wrong-formula")
    for i in range(len(node.args)):
        for j in range(i):
            swapped = [method.text(each) for each in node.args]
            swapped[i], swapped[j] = swapped[j], swapped[i]
            rest = [f"{keyword.arg}={method.text(keyword.value)}" for keyword in node.keywords if keyword.arg]
            yield Edit(place, f"{name}({', '.join([*swapped, *rest])})", "inverted-mask" if last == "where" else "wrong-formula")
    if last in ("sum", "mean", "max", "min") and not node.keywords:
        for axis in ("0", "1", "-1"):
            arguments = [*([texts[0]] if is_name(node.func, "np") or base == "np" else []), f"axis={axis}"]
            yield Edit(place, f"{name}({', '.join(arguments)})", "wrong-axis")
            yield Edit(place, f"{name}({', '.join(arguments)}, keepdims=True)", "wrong-axis")
    if last in ("sum", "mean") and all(keyword.arg != "keepdims" for keyword in node.keywords):
        yield Edit(place, f"{inside[:-1]}{', ' * bool(texts)}keepdims=True)", "wrong-shape")


def _constants(place: Place, node: ast.Constant) -> Iterator[Edit]:
    value = node.value
    if isinstance(value, bool) or value is None:
        if isinstance(value, bool):
            yield Edit(place, str(not value), "wrong-formula")
    elif isinstance(value, int | float):
        is_axis = isinstance(place.parent, ast.keyword) and place.parent.arg == "axis"
        mistake = "wrong-axis" if is_axis or isinstance(place.parent, ast.Tuple | ast.Call) else "wrong-scale"
        others: list[object] = [0, 1, 2, -1, -2, (0, 1), (0, 2), (0, 2, 3), (2, 3), None] if is_axis else []
        others += [value + 1, value - 1, -value, 2 * value, 0, 1, 2, 3]
        if isinstance(value, float) or isinstance(place.parent, ast.BinOp):
            others += [f"{value} / 2", f"1 / {value}" if value else "1", f"1 - {value}"]
        for other in dict.fromkeys(map(str, others)):
            if other != str(value):
                yield Edit(place, other, mistake)
    elif isinstance(value, str) and "->" in value:
        yield from _subscripts(place, value)


def _subscripts(place: Place, value: str) -> Iterator[Edit]:
    """Yield einsum's subscripts with two letters exchanged in one operand."""
    inputs, _, output = value.replace(" ", "").partition("->")
    parts = [*inputs.split(","), output]
    for n, part in enumerate(parts):
        for i in range(len(part)):
            for j in range(i):
                letters = list(part)
                letters[i], letters[j] = letters[j], letters[i]
                others = [*parts[:n], "".join(letters), *parts[n + 1 :]]
                yield Edit(place, repr(f"{','.join(others[:-1])}->{others[-1]}"), "wrong-axis")


def _tuples(method: Method, place: Place, node: ast.Tuple) -> Iterator[Edit]:
    texts = [method.text(each) for each in node.elts]
    is_index = isinstance(place.parent, ast.Subscript)
    brackets = ("", "") if is_index or method.text(node)[:1] != "(" else ("(", ")")
    is_returned = isinstance(place.parent, ast.Return)
    if 1 < len(texts) <= 5 and isinstance(node.ctx, ast.Load):
        for order in permutations(texts):
            if list(order) != texts:
                mistake = "swapped" if is_returned else "wrong-axis"
                yield Edit(place, f"{brackets[0]}{', '.join(order)}{brackets[1]}", mistake)
        if not is_returned and brackets[0]:
            for i in range(len(texts)):
                left = texts[:i] + texts[i + 1 :]
                yield Edit(place, f"({', '.join(left)}{',' * (len(left) == 1)})", "wrong-axis")


def names_used(method: Method) -> list[str]:
    """Return the arrays and numbers that a method reads or writes, as written in the source."""
    found: dict[str, None] = {}
    for node in ast.walk(method.definition):
        text = _dotted(node)
        if text and text not in ("self", "np"):
            found[text] = None
    return [text for text in found if not any(other.startswith(f"{text}.value") for other in found if other != text)]


def _dotted(node: ast.AST) -> str:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and node.attr not in ("grad", "T", "mT", "shape", "ndim", "dtype"):
        base = _dotted(node.value)
        return f"{base}.{node.attr}" if base else ""
    return ""


def exchanged_names(method: Method, names: list[str], shapes: Mapping[str, tuple[int, ...]]) -> Iterator[Edit]:
    """Yield edits that read another array or number of the same shape."""
    for place in method.places():
        if not isinstance(getattr(place.node, "ctx", None), ast.Load) or _dotted(place.node) not in names:
            continue
        is_part = isinstance(place.parent, ast.Attribute) and place.parent.attr not in ("T", "mT", "sum", "mean")
        if not is_part and place.field != "func":
            name = _dotted(place.node)
            alike = (other for other in names if other != name and shapes.get(other) == shapes.get(name))
            yield from (Edit(place, other, "wrong-formula") for other in alike)


def completed_operands(method: Method, names: list[str], flags: set[str], words: Mapping[str, bool]) -> Iterator[Edit]:
    """Yield edits that complete an operand by a sign, a transpose, a sum, a factor or a term.

    `words` are the expressions of forward, and whether each is a mask.
    """
    places = [place for place in method.places() if _is_operand(place)]
    for place in places:
        text = method.atom(place.node)
        yield Edit(place, f"-{method.factor(place.node)}", "wrong-sign")
        yield Edit(place, f"{text}.T", "missing-transpose")
        yield Edit(place, f"{text}.sum(axis=0)", "missing-batch-sum")
    for place in places:
        text = method.atom(place.node)
        for axis in ("1", "-1", "(0, 1)", "(0, 2)", "(0, 2, 3)", "(1, 2)", "(0, 1, 2)"):
            yield Edit(place, f"{text}.sum(axis={axis})", "missing-batch-sum")
        for axis in ("0", "1", "-1", "(2, 3)", "(0, 2)", "(0, 2, 3)"):
            yield Edit(place, f"{text}.sum(axis={axis}, keepdims=True)", "missing-batch-sum")
        yield Edit(place, f"{text}.sum()", "missing-batch-sum")
        yield Edit(place, f"{text}.swapaxes(-1, -2)", "missing-transpose")
        yield Edit(place, f"{text}[::-1]", "wrong-axis")
        yield Edit(place, f"{text}[..., ::-1]", "wrong-axis")
        yield Edit(place, f"{text}[..., ::-1, ::-1]", "wrong-axis")
        yield Edit(place, f"{text}[..., None]", "wrong-shape")
        yield Edit(place, f"{text}[:, None]", "wrong-shape")
        yield Edit(place, f"np.cumsum({method.text(place.node)}[::-1], axis=0)[::-1]", "missing-term")
    for word, is_mask in words.items():
        for place in places:
            yield Edit(place, f"{method.factor(place.node)} * {word}", "missing-mask" if is_mask else "wrong-formula")
    for factor, mistake in _factors(names, flags):
        for place in places:
            yield Edit(place, f"{method.factor(place.node)} {factor}", mistake)
    for name in names:
        for place in places:
            if not isinstance(place.parent, ast.BinOp) or isinstance(place.parent.op, ast.Add | ast.Sub):
                yield Edit(place, f"{method.text(place.node)} + {name}", "missing-term")
                yield Edit(place, f"{method.text(place.node)} - {name}", "missing-term")


def _factors(names: list[str], flags: set[str]) -> Iterator[tuple[str, str]]:
    for name in names:
        yield f"* {name}", "missing-mask" if name in flags else "wrong-formula"
    for index in ("[:, None]", "[..., None]", "[:, None, None]"):
        yield f"* {names[0]}{index}", "ignores-upstream"
    for number in ("2", "3", "0.5"):
        yield f"* {number}", "wrong-scale"
    for name in names:
        yield f"/ {name}", "wrong-formula"
        yield f"* (1 - {name})", "wrong-formula"
        if name in flags:
            yield f"* ~{name}", "missing-mask"
        else:
            yield f"* {name} * (1 - {name})", "wrong-formula"
            yield f"* (1 - {name}**2)", "wrong-formula"
            yield f"* ({name} > 0)", "missing-mask"
            yield f"* np.sign({name})", "missing-mask"
            yield f"/ {name}**2", "wrong-formula"
            yield f"/ len({name})", "wrong-scale"
            yield f"* len({name})", "wrong-scale"


def _is_operand(place: Place) -> bool:
    """Return whether a place holds a value used in a computation."""
    node = place.node
    if not isinstance(node, ast.expr) or isinstance(node, ast.Constant | ast.Tuple | ast.Slice | ast.Starred):
        return False
    if not isinstance(getattr(node, "ctx", ast.Load()), ast.Load):
        return False
    if isinstance(place.parent, ast.BinOp | ast.UnaryOp | ast.Return):
        return True
    if isinstance(place.parent, ast.Assign | ast.AugAssign):
        return place.field == "value"
    if isinstance(place.parent, ast.Tuple | ast.List):
        return True
    return isinstance(place.parent, ast.Call) and place.field == "args"
