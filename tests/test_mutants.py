"""The mutation test itself, on little code; over all of netlib it takes too long for every day."""

import re
import subprocess
import sys

import mutants
import pytest

SUBTRACT = "netlib/layers/subtract.py"


def test_every_mistake_in_the_arithmetic_of_subtract_is_made():
    assert [mutant.change for mutant in mutants.mutants_of(SUBTRACT)] == [
        "return self.remember(a ⟦- → +⟧ b, a.shape, b.shape)",
        "return self.remember(⟦a - b → b - a⟧, a.shape, b.shape)",
        "return self.remember(⟦a - b → -(a - b)⟧, a.shape, b.shape)",
        "return (⟦ → -⟧unbroadcast(dout, a).copy(), u…",
        "…(unbroadcast(dout, a).copy(), ⟦ → -⟧unbroadcast(-dout, b))",
        "…(dout, a).copy(), unbroadcast(⟦- → ⟧dout, b))",
    ]


@pytest.mark.parametrize(
    ("was", "mistakes"),
    [
        ("Y = x @ w", ["Y = x * w", "Y = w @ x", "Y = x.T @ w", "Y = x @ w.T", "Y = -(x @ w)"]),
        ("Y = f(x.T)", ["Y = f(x)"]),
        ("Y = x.swapaxes(n, 0)", ["Y = x", "Y = x.swapaxes(n, 1)"]),
        ("Y = f(x, axis=0)", ["Y = f(x, axis=-1)"]),
        ("Y = f(x, axis=n)", ["Y = f(x, axis=0)", "Y = f(x, axis=-1)"]),
        ("Y = f(x, keepdims=True)", ["Y = f(x, keepdims=False)"]),
        ("Y = f(x, keepdims=k)", ["Y = f(x, keepdims=not k)"]),
        ("Y = np.maximum(x, 1)", ["Y = np.minimum(x, 1)", "Y = -np.maximum(x, 1)", "Y = np.maximum(x, 2)"]),
        ("Y = 0.5", ["Y = 1.5", "Y = -0.5"]),
        ("Y = n / 0", ["Y = n * 0", "Y = 0 / n", "Y = -(n / 0)", "Y = n / 1"]),
        ("Y = x.sum() < 1", ["Y = x.mean() < 1", "Y = -x.sum() < 1", "Y = x.sum() <= 1", "Y = x.sum() >= 1", "Y = x.sum() < 2"]),
        ("Y = a and not b", ["Y = a or not b", "Y = a and b"]),
        ("x **= 2", ["x *= 2", "x **= 3"]),
        ("raise ValueError(1 + 2)", []),
        ("def f(x: 1 | 2) -> 3: '4 + 5'", []),
        ("def f(n):\n    hint = 1 + n\n    raise ValueError(hint)", []),
    ],
)  # fmt: skip
def test_the_mistakes_that_a_line_allows_are_made_one_at_a_time(was, mistakes):
    changes = [mutant.change for mutant in mutants.mutants_of(SUBTRACT, was)]
    assert sorted(re.sub("⟦.* → (.*)⟧", r"\1", change) for change in changes) == sorted(mistakes)


@pytest.mark.exhaustive
@pytest.mark.parametrize(("tests", "status", "share"), [("layers/test_arithmetic.py", 0, "100.0%"), ("layers/test_gelu.py", 1, "0.0%")])
def test_a_mutant_is_caught_by_tests_that_see_it_and_survives_others(tests, status, share):
    command = [sys.executable, "tests/mutants.py", "--only", SUBTRACT, "--tests", f"tests/{tests}"]
    run = subprocess.run(command, cwd=mutants.ROOT, capture_output=True, text=True, check=False)
    assert f"{share} caught" in run.stdout
    assert run.returncode == status
