"""The names that a user types."""

import ast
from pathlib import Path

import pytest

import netlib as nl


def _names_in_the_stub() -> set[str]:
    tree = ast.parse(Path(nl.__file__).with_suffix(".pyi").read_text())
    return {alias.name for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names}


def test_type_checkers_and_the_running_package_see_the_same_names():
    assert _names_in_the_stub() == {*nl.__all__, *nl._MODULES}


@pytest.mark.parametrize("name", nl.__all__)
def test_every_public_name_is_there_and_has_a_docstring(name):
    assert getattr(nl, name).__doc__


def test_dir_lists_every_public_name():
    assert set(nl.__all__) <= set(dir(nl))


def test_a_name_that_netlib_lacks_is_an_attribute_error_that_says_so():
    with pytest.raises(AttributeError, match=r"netlib.*'Afine'"):
        nl.Afine
