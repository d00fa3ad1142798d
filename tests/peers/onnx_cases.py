"""ONNX's own node cases through `nl.onnx.load`, and the table of them in docs/onnx.md.

python tests/peers/onnx_cases.py          # writes the table into docs/onnx.md
"""

import re
import tempfile
import warnings
from collections import defaultdict
from functools import cache
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper
from onnx.backend.test.loader import load_model_tests

import netlib as nl

PAGE = Path(__file__).parents[2] / "docs" / "onnx.md"
BEGIN, END = "<!-- written by tests/peers/onnx_cases.py -->", "<!-- end -->"
MUST_BE_CONSTANT = re.compile(r"input \d+, '([^']*)', must be constant")


@cache
def cases(with_twins=False):
    """Return the cases; twins are operators written out as those that define them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some cases overflow on purpose
        found = load_model_tests(kind="node")
    return [case for case in found if with_twins or "expanded" not in case.name]


class NotArraysError(Exception):
    """The case has inputs or outputs that are sequences, optional, or text."""


def as_array(value):
    value = numpy_helper.to_array(value) if isinstance(value, onnx.TensorProto) else value
    if value is None or isinstance(value, list | dict | onnx.SequenceProto | onnx.OptionalProto):
        raise NotArraysError("sequences")
    array = np.asarray(value)
    if array.dtype.kind in "OSU":
        raise NotArraysError("text")
    return array


def with_constants(model, values):
    """Return a copy of the model in which some inputs are constants of the file."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    inputs = [info for info in copy.graph.input if info.name not in values]
    del copy.graph.input[:]
    copy.graph.input.extend(inputs)
    copy.graph.initializer.extend(numpy_helper.from_array(array, name) for name, array in values.items())
    return copy


def load(model):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "case.onnx"
        path.write_bytes(model.SerializeToString())
        return nl.onnx.load(path)


def load_case(case, given):
    """Return the graph of a case. What netlib needs as a constant becomes one, as exporters write it."""
    constants = {}
    while True:
        try:
            return load(with_constants(case.model, constants))
        except nl.FormatError as error:
            new = [name for name in MUST_BE_CONSTANT.findall(str(error)) if name in given and name not in constants]
            if not new:
                raise
            constants |= {name: given[name] for name in new}


def inputs_of(graph, given):
    """Return the arrays for the graph's inputs, by their names."""
    by_name = {name.strip("/").replace(".", "/"): array for name, array in given.items()}
    return [by_name[node.name] for node in graph.inputs]


def run(case):
    """Run a case, and raise if it does not give the published numbers."""
    for inputs, outputs in case.data_sets:
        arrays = [as_array(value) for value in inputs]
        expected = [as_array(value) for value in outputs]
        given = {info.name: array for info, array in zip(case.model.graph.input, arrays, strict=True)}
        graph = load_case(case, given)
        found = graph.predict(*inputs_of(graph, given))
        found = found if isinstance(found, tuple) else (found,)
        assert len(found) == len(expected)
        for y, t in zip(found, expected, strict=True):
            assert (y.dtype, y.shape) == (t.dtype, t.shape)
            np.testing.assert_allclose(y, t, rtol=case.rtol, atol=case.atol)


def reason_for(error):
    """Return in a few words why a case is outside of what netlib has."""
    text = str(error)
    missing = re.search(r"does not have: (?:ai\.onnx\.)?([\w.]+) at", text)
    if isinstance(error, NotArraysError):
        return f"{error} instead of arrays"
    if missing and "branches and loops" in text:
        return "branches and loops"
    if missing and missing[1].rpartition(".")[2] in OPTIMIZERS:
        return f"one step of an optimizer: {OPTIMIZERS[missing[1].rpartition('.')[2]]}"
    if missing:
        return f"no {missing[1].rpartition('.')[2]}"
    if re.search(r"none of netlib's|which netlib does not have|of a type that netlib|got an array of (bfloat16|float8|u?int4)", text):
        return "types that NumPy does not have"
    option = re.search(r": has (\w+=\S+), expected", text)
    if option:
        return option[1].replace("'", "")
    for pattern, reason in REASONS.items():
        if re.search(pattern, text):
            return reason
    return None


OPTIMIZERS = {"Adagrad": "`nl.AdaGrad`", "Adam": "`nl.Adam`", "Momentum": "`nl.SGD`"}
REASONS = {
    "Everything in it is constant": "no inputs",
    "draws numbers": "random numbers",
    "has peepholes": "peepholes",
    "also returns indices": "indices of the largest",
    "expected elements along the axes to reduce": "the largest of no numbers",
}


def operator_of(case):
    """Return the operator that a case is about."""
    nodes = case.model.graph.node
    return " + ".join(node.op_type for node in nodes)


def results(some):
    """Run cases. Return by operator how many passed of how many, and the reasons for the rest."""
    table = defaultdict(lambda: [0, 0, set()])
    wrong = {}
    for case in some:
        row = table[operator_of(case)]
        row[1] += 1
        try:
            with np.errstate(all="ignore"):
                run(case)
            row[0] += 1
        except Exception as error:
            reason = reason_for(error)
            if reason is None or isinstance(error, AssertionError):
                wrong[case.name] = f"{type(error).__name__}: {error}"
            row[2].add(reason or "?")
    return dict(table), wrong


def as_markdown(table):
    lines = ["| operator | passed | cases | why not the rest |", "|---|---|---|---|"]
    for operator, (passed, total, reasons) in sorted(table.items()):
        lines.append(f"| {operator} | {passed} | {total} | {', '.join(sorted(reasons))} |")
    passed, total = (sum(row[i] for row in table.values()) for i in (0, 1))
    return "\n".join([f"{passed} of {total} cases pass.", "", *lines])


def written_table():
    """Return the table that the page has."""
    return PAGE.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0].strip()


def main():
    table, wrong = results(cases())
    for name, problem in wrong.items():
        print(name, problem)
    text = PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    PAGE.write_text(f"{before}{BEGIN}\n\n{as_markdown(table)}\n\n{END}{rest.partition(END)[2]}", encoding="utf-8")


if __name__ == "__main__":
    main()
