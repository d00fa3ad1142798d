"""Which version of the kernels is in use, and that it makes no difference to training."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import count
from pathlib import Path
from time import sleep
from types import SimpleNamespace

import numpy as np
import pytest

import netlib as nl
from netlib import kernels
from netlib.kernels.kernel import Kernel, Loops

from .versions import IN_USE, VERSIONS, use

TYPES = {np.float32: 1e-5, np.float64: 1e-12}


def test_every_file_of_kernels_is_named_as_a_family():
    files = {path.stem for path in Path(kernels.__file__).parent.glob("*.py")}
    assert files - {"__init__", "kernel", "constants", "exponentials", "threads", "vectors"} == set(kernels.FAMILIES)


@pytest.mark.parametrize("version", IN_USE)
def test_the_first_optimizer_brings_the_compiled_kernels_in_unless_the_variable_switches_them_off(monkeypatch, version):
    use("numpy", monkeypatch)
    monkeypatch.setenv("NETLIB_ACCELERATOR", version)
    nl.Affine(2, 2)
    assert kernels.in_use(np.dtype(np.float32), "adam") == "numpy"
    nl.SGD(nl.Parameter([1.0]))
    assert nl.accelerator() == version
    for dtype in map(np.dtype, TYPES):
        assert {kernels.in_use(dtype, family) for family in kernels.FAMILIES} == {version}
        for kernel in kernels.every(Kernel):
            assert kernel.of(dtype) is (kernel.numpy if version == "numpy" else kernel.loops.run)
    assert kernels.in_use(np.dtype(np.float16), "adam") == "numpy"


@pytest.mark.parametrize("version", IN_USE)
def test_a_second_process_compiles_nothing(monkeypatch, version):
    use(version, monkeypatch)  # the first process
    code = (
        "import json, sys, netlib as nl; from netlib import kernels; from netlib.kernels.kernel import Loops\n"
        "kernels.SECONDS_BEFORE_NOTICE = 600; nl.SGD(nl.Parameter([1.0]))\n"  # on a busy machine, reading the cache takes a while too
        "versions = [kernels.in_use(dtype, family) for dtype in kernels.COMPILED for family in kernels.FAMILIES]\n"
        "stats = [loops.run.stats for loops in kernels.every(Loops) if loops.run is not loops.__wrapped__]\n"
        "count = lambda kind: sum(sum(getattr(each, kind).values()) for each in stats)\n"
        "print(json.dumps([count('cache_hits'), count('cache_misses'), 'numba' in sys.modules]))"
    )
    environment = {**os.environ, "NETLIB_ACCELERATOR": version, "PYTHONPATH": str(Path(nl.__file__).parents[1])}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    signatures = {(loops, loops.signature_for(dtype)) for loops in kernels.every(Loops) if loops.signature for dtype in kernels.COMPILED}
    assert json.loads(done.stdout) == ([len(signatures), 0, True] if version == "numba" else [0, 0, False])
    assert done.stderr == ""


NETWORKS = {
    "activations": (lambda: nl.Sequential(nl.Affine(5, 3, rng=0), nl.GELU()), (4, 5), set()),
    "attention": (lambda: nl.Sequential(nl.MultiHeadAttention(4, 2, rng=0), nl.ReLU()), (3, 5, 4), {"bias_relu"}),
    "convolution": (lambda: nl.Sequential(nl.Conv1d(2, 3, 2, rng=0), nl.ReLU()), (4, 2, 5), set()),
    "normalization": (lambda: nl.Sequential(nl.Affine(5, 3, rng=0), nl.BatchNorm(3)), (4, 5), {"bias_relu"}),
    "recurrent": (lambda: nl.Sequential(nl.LSTM(2, 3, rng=0), nl.ReLU()), (4, 5, 2), {"rectify"}),
}
"""Networks that use the kernels of a family, and of others."""


@pytest.mark.parametrize("family", NETWORKS)
def test_kernels_are_compiled_for_a_type_when_a_network_needs_them(monkeypatch, family):
    use("numpy", monkeypatch)
    compiled = []
    monkeypatch.setattr(Loops, "compile", lambda self, dtype: compiled.append((family_of(self), dtype)))
    monkeypatch.setattr(kernels, "_works", {})
    monkeypatch.setattr(kernels, "wants_numba", lambda: True)
    make, shape, others = NETWORKS[family]
    model, x = make(), np.random.default_rng(0).normal(size=shape).astype(np.float32)
    expected = model.forward(x)
    optimizer = nl.SGD(model, lr=0)
    assert {name for name, _ in compiled} == {"team"}
    compiled.clear()
    for _ in range(3):
        np.testing.assert_allclose(model.forward(x), expected, rtol=1e-5, atol=1e-6)  # by loops in Python
        model.backward(expected)
        optimizer.step()
    assert set(compiled) == {(name, x.dtype) for name in {family, *others}}
    assert len(compiled) == sum(family_of(loops) in {family, *others} for loops in kernels.every(Loops))


@pytest.mark.parametrize("family", NETWORKS)
def test_where_a_family_cannot_be_compiled_numpy_takes_its_place_with_one_warning(monkeypatch, family):
    use("numpy", monkeypatch)

    def refuse(self, dtype):
        if family_of(self) == family:
            raise NotImplementedError("no such instruction")

    monkeypatch.setattr(kernels, "_works", {})
    monkeypatch.setattr(kernels, "wants_numba", lambda: True)
    monkeypatch.setattr(Loops, "compile", refuse)
    monkeypatch.delenv("NETLIB_ACCELERATOR", raising=False)
    make, shape, _ = NETWORKS[family]
    model, x = make(), np.random.default_rng(0).normal(size=shape).astype(np.float32)
    expected = model.forward(x)
    nl.SGD(model)

    def train():
        for _ in range(3):
            np.testing.assert_allclose(model.forward(x), expected, rtol=1e-5, atol=1e-6)
            model.backward(expected)

    with pytest.warns(RuntimeWarning, match="no such instruction.*Reinstall it") as warned:
        train()
    assert len(warned) == 1
    assert [kernels.in_use(x.dtype, each) for each in (family, "adam")] == ["numpy", "numba"]


def test_threads_that_need_kernels_at_once_compile_them_one_after_the_other(monkeypatch):
    use("numpy", monkeypatch)
    monkeypatch.setattr(kernels, "_works", {})
    monkeypatch.setattr(kernels, "_is_loaded", True)
    compiling, most = [], []

    def compile_slowly(self, dtype):
        compiling.append(self)
        sleep(0.001)
        most.append(len(compiling))
        compiling.remove(self)

    monkeypatch.setattr(Loops, "compile", compile_slowly)
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(partial(kernels.in_use, np.dtype(np.float32)), ["adam", "bias_relu", "adam", "rectify"] * 3))
    assert set(found) == {"numba"}
    assert set(most) == {1}


def family_of(loops):
    return loops.__wrapped__.__module__.rpartition(".")[2]


def test_where_nothing_can_be_compiled_numpy_is_the_accelerator_with_one_warning(monkeypatch):
    def refuse(self, dtype):
        raise RuntimeError("cannot cache function 'adam': no locator available")

    monkeypatch.delenv("NETLIB_ACCELERATOR", raising=False)
    monkeypatch.setattr(kernels, "_is_loaded", False)
    monkeypatch.setattr(kernels, "_has_failed", False)
    monkeypatch.setattr(kernels, "wants_numba", lambda: True)
    monkeypatch.setattr(Loops, "compile", refuse)
    with pytest.warns(RuntimeWarning, match="Set NUMBA_CACHE_DIR to a writable folder") as warned:
        assert [nl.accelerator(), nl.accelerator()] == ["numpy", "numpy"]
    assert len(warned) == 1


@pytest.mark.parametrize("is_cached", [False, True])
def test_a_compilation_that_takes_more_than_two_seconds_is_announced_once(monkeypatch, is_cached):
    use("numpy", monkeypatch)
    compiled, told = [], []
    monkeypatch.setattr(kernels, "monotonic", partial(next, count(100)))  # a second later whenever it is looked at
    monkeypatch.setattr(Loops, "compile", lambda self, dtype: compiled.append(self) or not is_cached)
    monkeypatch.setattr(sys, "stderr", SimpleNamespace(write=lambda text: told.append((len(compiled), text))))
    monkeypatch.setattr(kernels, "wants_numba", lambda: True)
    monkeypatch.setattr(kernels, "_works", {})
    kernels.load_compiled()
    at_first = len(compiled)
    assert kernels.in_use(np.dtype(np.float32), "recurrent") == "numba"
    monkeypatch.undo()
    assert told == ([] if is_cached else [(at_first + 3, "netlib: compiling its fast kernels of recurrent, once on this machine ...\n")])


def test_without_the_variable_numba_is_used_where_it_is_installed(monkeypatch):
    monkeypatch.delenv("NETLIB_ACCELERATOR", raising=False)
    monkeypatch.setattr(kernels, "find_spec", lambda name: name)
    assert kernels.wants_numba()
    monkeypatch.setattr(kernels, "find_spec", lambda name: None)
    assert not kernels.wants_numba()
    assert nl.accelerator() == "numpy"


def test_a_variable_that_says_anything_else_is_refused(monkeypatch):
    monkeypatch.setenv("NETLIB_ACCELERATOR", "cuda")
    with pytest.raises(nl.InvalidValueError, match="'cuda', expected 'numba' or 'numpy'"):
        nl.accelerator()


def test_insisting_on_numba_where_it_is_missing_names_the_extra(monkeypatch):
    monkeypatch.setenv("NETLIB_ACCELERATOR", "numba")
    monkeypatch.setattr(kernels, "find_spec", lambda name: None)
    monkeypatch.setattr(kernels, "_is_loaded", False)
    with pytest.raises(nl.InvalidValueError, match=r"pip install 'netlib\[fast\]'"):
        nl.accelerator()


BROKEN = {
    "refuses this NumPy": (
        "raise ImportError('Numba needs NumPy 2.3 or less. Got NumPy 2.4.')",
        "(ImportError: Numba needs NumPy 2.3 or less. Got NumPy 2.4.). Reinstall it: pip install 'netlib[fast]'.",
    ),
    "fails within": ("import ctypes\nctypes.CDLL('libnowhere.so')", "(OSError: libnowhere.so"),
    "has no folder for its cache": (
        "def njit(*a, **k): raise RuntimeError(\"cannot cache function 'adam': no locator available for file 'adam.py'\")",
        "Set NUMBA_CACHE_DIR to a writable folder.",
    ),
}


def run_with_numba_as(code, folder, accelerator=""):
    """Run a training step in a process in which numba is a module of this code."""
    (folder / "numba.py").write_text(code)
    script = (
        "import netlib as nl\n"
        "model = nl.Affine(2, 2, rng=0); optimizer = nl.SGD(model)\n"
        "y = model.forward([[1.0, 2.0]]); model.backward(y); optimizer.step(); nl.Adam(nl.Affine(2, 2))\n"
        "print(nl.accelerator())"
    )
    path = os.pathsep.join([str(folder), str(Path(nl.__file__).parents[1])])
    environment = {**os.environ, "NETLIB_ACCELERATOR": accelerator, "PYTHONPATH": path}
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, env=environment)


@pytest.mark.parametrize(("code", "said"), BROKEN.values(), ids=BROKEN)
def test_a_broken_numba_costs_one_warning_and_the_truth_is_told(code, said, tmp_path):
    done = run_with_numba_as(code, tmp_path)
    assert done.returncode == 0
    assert done.stdout == "numpy\n"
    assert done.stderr.count("RuntimeWarning: netlib trains with NumPy alone") == 1
    assert said in done.stderr


def test_a_broken_numba_is_not_asked_where_the_variable_says_numpy(tmp_path):
    done = run_with_numba_as("raise ImportError", tmp_path, "numpy")
    assert (done.returncode, done.stdout, done.stderr) == (0, "numpy\n", "")


def test_insisting_on_a_broken_numba_is_an_error(tmp_path):
    done = run_with_numba_as("raise ImportError('broken')", tmp_path, "numba")
    assert "InvalidValueError: netlib.accelerator: NETLIB_ACCELERATOR is 'numba', and numba is installed but does not work" in done.stderr


# ---- both ways come to the same


@pytest.fixture(params=TYPES, ids=lambda each: each.__name__)
def dtype(request):
    return request.param


def trained(version, dtype, monkeypatch, steps=100, seen_before=False):
    use(version, monkeypatch)
    rng = np.random.default_rng(0)
    x, t = rng.normal(size=(32, 6)).astype(dtype), rng.integers(4, size=32)
    model = nl.Sequential(nl.Affine(6, 20, rng=1, dtype=dtype), nl.ReLU(), nl.Affine(20, 20, rng=2, dtype=dtype), nl.Tanh(),
                          nl.Affine(20, 4, rng=3, dtype=dtype), nl.ReLU())  # fmt: skip
    monkeypatch.setenv("NETLIB_ACCELERATOR", version)
    loss, optimizer = nl.SoftmaxCrossEntropy(), nl.Adam(model, lr=1e-3)
    assert kernels.in_use(np.dtype(dtype), "adam") == version
    for _ in range(3 * seen_before):
        model.forward(x)
    for _ in range(steps):
        loss.forward(model.forward(x), t)
        model.backward(loss.backward(), input_gradient=False)
        optimizer.step()
    return np.concatenate([p.value.ravel() for p in model.parameters().values()])


def test_a_hundred_steps_come_to_the_same_with_either_version(dtype, monkeypatch):
    ways = [trained(version, dtype, monkeypatch) for version in IN_USE]
    for way in ways[1:]:
        assert np.linalg.norm(way - ways[0]) <= TYPES[dtype] * np.linalg.norm(ways[0])


@pytest.mark.parametrize("version", IN_USE)
def test_a_plan_changes_no_bit_so_earlier_inputs_do_not_matter(version, dtype, monkeypatch):
    fresh, used = (trained(version, dtype, monkeypatch, steps=5, seen_before=seen) for seen in (False, True))
    assert fresh.tobytes() == used.tobytes()


@pytest.mark.parametrize("version", IN_USE)
def test_a_plan_takes_parameters_that_are_read_only(version, dtype, monkeypatch):
    use(version, monkeypatch)
    model = nl.Sequential(nl.Affine(3, 4, rng=0, dtype=dtype), nl.ReLU(), nl.Affine(4, 2, rng=1, dtype=dtype))
    x = np.random.default_rng(0).normal(size=(5, 3)).astype(dtype)
    before = model.forward(x)
    for parameter in model.parameters().values():
        parameter.value.flags.writeable = False
    for _ in range(3):
        np.testing.assert_allclose(model.forward(x), before, rtol=TYPES[dtype])


@pytest.mark.parametrize("version", VERSIONS)
def test_the_gradient_of_a_bias_is_the_sum_over_rows_in_any_layout(version, monkeypatch):
    use(version, monkeypatch)
    rows = np.random.default_rng(0).normal(size=(4, 3))
    for d in (rows, np.asfortranarray(rows), rows[::-1], rows.reshape(2, 2, 3), np.asfortranarray(rows.reshape(2, 2, 3))):
        bias = nl.Parameter(np.zeros(3))
        for n in (1, 2):
            bias.add_grad_sum(d)
            np.testing.assert_allclose(bias.grad, n * rows.sum(axis=0), rtol=1e-12)
