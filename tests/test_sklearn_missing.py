"""nl.sklearn where scikit-learn is not installed."""

import sys

import pytest

import netlib as nl


@pytest.mark.parametrize("name", ["Classifier", "Regressor"])
def test_without_scikit_learn_the_error_names_the_extra(name, monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    monkeypatch.delitem(vars(nl.sklearn), name, raising=False)
    with pytest.raises(nl.MissingError, match=r"scikit-learn, which is not installed.*netlib\[sklearn\]"):
        getattr(nl.sklearn, name)


def test_the_room_lists_the_estimators_and_nothing_else_is_there():
    assert {"Classifier", "Regressor"} <= set(dir(nl.sklearn))
    with pytest.raises(AttributeError, match="Klassifier"):
        nl.sklearn.Klassifier
