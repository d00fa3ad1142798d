"""The names that a user types."""

import ast
import re
from pathlib import Path

import pytest

import netlib as nl

HOUSE = Path(nl.__file__).parent


def names_in(path: Path) -> set[str]:
    """Return the names that a file exports by importing them; a star means the whole other file."""
    names: set[str] = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom):
            stars = node.names[0].name == "*"
            names |= names_in(path.parent / (node.module or "") / "__init__.py") if stars else {alias.asname for alias in node.names}
    return names


def test_type_checkers_and_the_running_package_see_the_same_names():
    assert names_in(HOUSE / "__init__.pyi") == {*nl.__all__, *nl._MODULES}


@pytest.mark.parametrize("room", ["layers", "losses"])
def test_a_layer_is_exported_by_one_line_in_the_list_of_its_room(room):
    listed = names_in(HOUSE / room / "__init__.py")
    pages = {path.stem for path in (HOUSE / room).glob("[a-z]*.py")}
    homes = {getattr(nl, name).__module__.rpartition(".")[2] for name in listed}
    assert listed <= set(nl.__all__)
    of_images = {
        *("adaptive_pooling", "batch_statistics", "convolution", "images", "interpolation", "normalization"),
        *("per_axis", "pooling", "sliding_kernel", "standardization", "windows"),
    }
    of_sequences = {"attention_inputs", "attention_rule", "head_attention", "ids", "positions", "recurrent_layer", "rows", "sequence_order"}
    assert pages - homes <= {"axes", "broadcasting", "labels", "reduction", "rules", *of_images, *of_sequences}  # what several pages share
    stub = (HOUSE / "__init__.pyi").read_text(encoding="utf-8")
    assert listed & set(re.findall(r"\w+", stub)) == set()


def test_a_star_brings_every_public_name():
    names: dict[str, object] = {}
    exec("from netlib import *", names)
    assert set(names) - {"__builtins__"} == set(nl.__all__)
    assert names["Affine"] is nl.Affine is nl.layers.Affine


@pytest.mark.parametrize("name", nl.__all__)
def test_every_public_name_is_there_and_has_a_docstring(name):
    assert getattr(nl, name).__doc__


def test_dir_lists_every_public_name():
    assert set(nl.__all__) <= set(dir(nl))


def test_a_name_that_netlib_lacks_is_an_attribute_error_that_says_so():
    with pytest.raises(AttributeError, match=r"netlib.*'Afine'"):
        nl.Afine
