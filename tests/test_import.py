"""What `import netlib` costs and brings, looked at in processes of their own."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
STANDARD = {*sys.stdlib_module_names, "_missing_stdlib_info"}
"""The standard library; the list of Python 3.15 lacks the module that says what a distribution left out."""


def run(code, **environment):
    """Return what a fresh Python prints, as JSON."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False, cwd=ROOT, env={"PATH": "", **environment}
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def brought():
    """The modules that `import netlib` adds to those of `import numpy`."""
    return run(
        "import sys, json, numpy; before = set(sys.modules); import netlib; print(json.dumps(sorted(set(sys.modules) - before)))",
    )


def test_import_brings_nothing_but_netlib_numpy_and_the_standard_library(brought):
    roots = {name.partition(".")[0] for name in brought}
    assert "netlib" in roots
    assert roots - STANDARD <= {"netlib", "numpy"}


def test_import_brings_nothing_that_is_dear(brought):
    dear = {"tqdm", "csv", "gzip", "pathlib", "dataclasses", "inspect", "json", "subprocess", "matplotlib", "numba"}
    assert dear.isdisjoint(brought)
    assert not [name for name in brought if name.startswith(("numpy.random", "numpy.testing", "numpy.linalg"))]


def test_import_brings_no_layer_until_one_is_used(brought):
    assert not [name for name in brought if name.startswith(("netlib.layer", "netlib.loss", "netlib.containers"))]
    used = run("import sys, json, netlib; netlib.ReLU; print(json.dumps([name for name in sys.modules if name.startswith('netlib.')]))")
    assert "netlib.layers.relu" in used
    assert not [name for name in used if name.startswith(("netlib.containers", "netlib.optimizers", "netlib.training", "netlib.drawing"))]


def test_using_every_public_name_brings_nothing_else_either():
    brought = run(
        "import sys, json, numpy; before = set(sys.modules); import netlib as nl; everything = [getattr(nl, name) for name in nl.__all__]\n"
        "model = nl.Sequential(nl.Affine(2, 2, rng=0)); trainer = nl.Trainer(model, nl.MeanSquaredError(), nl.SGD(model, lr=0.1), seed=0)\n"
        "trainer.fit(numpy.ones((4, 2)), numpy.ones((4, 2)), epochs=1, batch_size=2, progress=False)\n"
        "print(json.dumps(sorted(set(sys.modules) - before)))",
        NETLIB_ACCELERATOR="numpy",
    )
    roots = {name.partition(".")[0] for name in brought}
    assert "netlib.training" in brought
    assert {root for root in roots if "cython" not in root} - STANDARD <= {"netlib", "numpy"}  # numpy.random is Cython


def test_every_public_name_is_there_once_in_order_and_says_what_it_is():
    names, mute, listed = run(
        "import json, netlib as nl\n"
        "mute = [name for name in nl.__all__ if not getattr(nl, name).__doc__]\n"
        "print(json.dumps([list(nl.__all__), mute, set(nl.__all__) <= set(dir(nl))]))"
    )
    assert len(names) == len(set(names)) > 60
    assert mute == []
    assert listed is True


def test_making_a_model_with_a_seed_leaves_numpys_global_state_alone():
    same = run(
        "import json, numpy as np; state = np.random.get_state()[1].tolist()\n"
        "import netlib as nl; model = nl.Sequential(nl.Affine(3, 3), nl.Dropout(0.5), nl.Affine(3, 3, rng=1))\n"
        "model.forward(np.ones((4, 3)))\n"
        "print(json.dumps(np.random.get_state()[1].tolist() == state))"
    )
    assert same is True


def test_parameters_have_one_order_and_one_start_whatever_the_hash_seed():
    code = (
        "import json, netlib as nl\n"
        "class Own(nl.Layer):\n"
        "    def __init__(self):\n"
        "        self.zeta, self.alpha = nl.Parameter([1.0]), nl.Parameter([2.0])\n"
        "        self.parts = {name: nl.Affine(2, 2, rng=0) for name in ('one', 'two', 'three')}\n"
        "x = nl.Input('x')\n"
        "left, right = nl.Affine(2, 2, rng=1)(x, name='left'), nl.Affine(2, 2, rng=2)(x, name='right')\n"
        "graph = nl.Graph([x], [left + right * nl.Weight('w', [1.0])])\n"
        "model = nl.Sequential(('own', Own()), graph, nl.Residual(nl.Affine(2, 2, rng=3)))\n"
        "print(json.dumps([(path, p.value.tolist()) for path, p in model.parameters().items()]))"
    )
    one, two, three = (run(code, PYTHONHASHSEED=seed) for seed in ("0", "1", "4242"))
    assert one == two == three
    assert [path for path, _ in one][:4] == ["own.zeta", "own.alpha", "own.parts.one.weight", "own.parts.one.bias"]
    assert [path for path, _ in one if path.startswith("1.")] == ["1.w", "1.left.weight", "1.left.bias", "1.right.weight", "1.right.bias"]
