"""Without the packages of an extra, whatever needs them names the extra that installs them."""

import re
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

import netlib as nl

ROOT = Path(__file__).parents[1]
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
X = np.ones((2, 3))


NEEDS = [  # what is missing, its name on PyPI, the extra, and a call that needs it
    ("resvg_py", "resvg-py", "draw", lambda: nl.draw(nl.ReLU(), X).png),
    ("matplotlib", "matplotlib", "plot", lambda: nl.History(["loss"]).plot()),
    ("matplotlib", "matplotlib", "plot", lambda: nl.plot.weights(nl.Affine(2, 2))),
    ("PIL", "pillow", "images", lambda: nl.data.read_images(".")),
    ("safetensors", "safetensors", "safetensors", lambda: nl.save(nl.ReLU(), "model.safetensors")),
    ("onnx", "onnx", "onnx", lambda: nl.onnx.save(nl.ReLU(), "model.onnx", X)),
    ("onnx", "onnx", "onnx", lambda: nl.onnx.load("model.onnx")),
    ("sklearn", "scikit-learn", "sklearn", lambda: nl.sklearn.Classifier),
    ("sklearn", "scikit-learn", "sklearn", lambda: nl.sklearn.Regressor),
    ("torch", "torch", "torch", lambda: nl.torch.convert(nl.ReLU())),
    ("torch", "torch", "torch", lambda: nl.torch.module(nl.ReLU())),
]


@pytest.mark.parametrize(("module", "package", "extra", "call"), NEEDS, ids=[f"{module}-{i}" for i, (module, *_) in enumerate(NEEDS)])
def test_without_its_package_a_call_names_the_extra_and_leaves_no_file(module, package, extra, call, monkeypatch, tmp_path):
    for name in [name for name in sys.modules if name == module or name.startswith(f"{module}.")]:
        monkeypatch.delitem(sys.modules, name)
    for name in ("Classifier", "Regressor"):
        monkeypatch.delitem(vars(nl.sklearn), name, raising=False)
    monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(nl.MissingError, match=r"needs .*, which is not installed\. Install it with: pip install ") as caught:
        call()
    assert f"netlib[{extra}]" in str(caught.value)
    assert package in [re.match(r"[\w-]+", each)[0] for each in EXTRAS[extra]]
    assert list(tmp_path.iterdir()) == []


def test_what_needs_no_extra_works_without(monkeypatch):
    for module in ("graphlay", "torch"):
        monkeypatch.setitem(sys.modules, module, None)
    drawing = nl.draw(nl.ReLU(), X)
    assert "ReLU" in drawing.dot
    assert "ReLU" in drawing.mermaid
    affine = nl.Affine(3, 2)
    nl.torch.load_state_dict(affine, nl.torch.state_dict(affine))


def test_the_room_of_scikit_learn_lists_its_estimators_and_has_nothing_else():
    assert {"Classifier", "Regressor"} <= set(dir(nl.sklearn))
    with pytest.raises(AttributeError, match="Klassifier"):
        nl.sklearn.Klassifier


def test_every_extra_that_a_message_or_a_page_names_is_declared():
    named = set()
    pages = [page for pattern in ("*.md", "docs/*.md", "examples/*.py") for page in ROOT.glob(pattern)]
    for path in [*pages, *Path(nl.__file__).parent.rglob("*.py")]:
        text = path.read_text(encoding="utf-8")
        named |= {name for names in re.findall(r"netlib\[([\w,]+)\]", text) for name in names.split(",")}
        named |= set(re.findall(r'not_installed\("[\w-]+", "(\w+)"', text))
    assert {"draw", "fast", "images", "onnx", "plot", "safetensors", "sklearn", "torch"} <= named <= EXTRAS.keys()


def test_the_table_of_the_readme_lists_every_extra_for_users():
    rows = re.findall(r"^\| `(\w+)` \|", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert set(rows) == EXTRAS.keys() - {"dev", "bench", "browser", "docs", "peers", "release"}
