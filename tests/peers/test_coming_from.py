"""The table of formulas in docs/coming-from.md: NumPy's, PyTorch's and netlib's expressions of a row give the same numbers."""

import re
from pathlib import Path

import numpy as np
import pytest
import scipy.special
import torch

import netlib as nl

PAGE = (Path(__file__).parents[2] / "docs/coming-from.md").read_text(encoding="utf-8")
TABLE = PAGE.partition("## Formulas of NumPy and PyTorch\n")[2].partition("```")[0]
ROWS = [[re.findall(r"`([^`]+)`", cell) for cell in line.split(" | ")] for line in TABLE.splitlines() if line.startswith("| `")]
A = np.random.default_rng(0).uniform(0.5, 2.0, size=(4, 4))
B = np.random.default_rng(1).uniform(0.5, 2.0, size=(4, 4))
IDS, CONDITION = np.array([2, 0, 2]), A > B
ALONE = {"np.squeeze(x, 1)": A[:, :1], "np.broadcast_to(x, (4, 3))": A[:, :1]}


def values_of(expressions, x, make, **names):
    """Return the values of expressions of x, a, b, ids and condition, which are made of arrays."""
    known = {"x": x, "a": A, "b": B, "ids": IDS, "condition": CONDITION}
    return [eval(text, {**names, **{name: make(value) for name, value in known.items()}}) for text in expressions]


def computed(text, x):
    """Return what the graph of an expression of netlib computes."""
    inputs = {name: nl.Input(name) for name in ("x", "a", "b", "ids", "condition") if re.search(rf"(?<![\w.]){name}\b(?!=)", text)}
    outputs = eval(text, {"nl": nl, "np": np, **inputs})
    given = {"x": x, "a": A, "b": B, "ids": IDS, "condition": CONDITION}
    return nl.Graph(inputs=[*inputs.values()], outputs=outputs).forward(*(given[name] for name in inputs))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0][0])
def test_the_three_expressions_of_a_row_are_equal(row):
    numpys, torchs, ours = row
    if "nl.Slice" in str(ours) or not torchs:
        torchs = numpys
    scalars = "nl.Scalar" in str(ours)
    ours = numpys if scalars else [text for text in ours if text.startswith("nl.")]
    assert len(ours) == len(numpys) == len(torchs)
    for theirs, pytorchs, text in zip(numpys, torchs, ours, strict=True):
        x = ALONE.get(theirs, A)
        (expected,) = values_of([theirs], x, lambda value: value, np=np, scipy=scipy)
        (tensor,) = values_of([pytorchs], x, torch.tensor, torch=torch)
        got = computed(text, x)
        for each, of_torch, of_numpy in zip(*(y if isinstance(y, list | tuple) else [y] for y in (got, tensor, expected)), strict=True):
            np.testing.assert_allclose(each, of_numpy, rtol=1e-14)
            np.testing.assert_allclose(of_torch.numpy(), of_numpy, rtol=1e-14)
