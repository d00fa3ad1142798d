"""What a refusal says and what it can be caught as."""

import copy
import pickle

import pytest

import netlib as nl

BUILTIN = {
    nl.InvalidValueError: (ValueError,),
    nl.InvalidTypeError: (TypeError,),
    nl.ShapeError: (ValueError,),
    nl.FormatError: (ValueError,),
    nl.OrderError: (RuntimeError,),
    nl.MissingError: (KeyError, IndexError),
    nl.NonFiniteError: (ArithmeticError,),
    nl.RankError: (RuntimeError,),
}


def test_every_public_error_is_in_the_table():
    public = {each for each in (getattr(nl, name) for name in nl.__all__) if isinstance(each, type) and issubclass(each, BaseException)}
    assert public == {*BUILTIN, nl.NetlibError}


@pytest.mark.parametrize("kind", BUILTIN)
def test_an_error_is_netlibs_and_the_one_python_programmers_catch(kind):
    error = kind("got 3", where="Affine(4, 2)", hint="Take 4.")
    assert isinstance(error, nl.NetlibError)
    assert all(isinstance(error, builtin) for builtin in BUILTIN[kind])
    assert str(error) == "Affine(4, 2): got 3. Take 4."


@pytest.mark.parametrize(
    ("where", "path", "hint", "text"),
    [
        ("", [], "", "got 3"),
        ("Add()", [], "", "Add(): got 3"),
        ("", ["Sequential[1]"], "", "Sequential[1]: got 3"),
        ("Add()", ["Sequential[1]", "Residual.layer"], "", "Residual.layer.Sequential[1] Add(): got 3"),
        ("", [], "Take 4.", "got 3. Take 4."),
        ("Add()", ["Sequential[1]"], "Take 4.", "Sequential[1] Add(): got 3. Take 4."),
    ],
)
def test_a_message_begins_with_the_place_and_ends_with_the_hint(where, path, hint, text):
    error = nl.ShapeError("got 3", where=where, hint=hint)
    for place in path:  # from the inside out
        assert error.add_location(place) is error
    assert str(error) == text


def test_a_sentence_that_ends_in_a_stop_gets_no_second_one():
    assert str(nl.ShapeError("got 3.", hint="Take 4.")) == "got 3. Take 4."


def test_the_place_may_be_the_layer_itself():
    assert str(nl.ShapeError("got 3", where=nl.Affine(2, 3, bias=False))) == "Affine(2, 3, bias=False): got 3"


def test_errors_survive_pickles_and_copies():
    error = nl.ShapeError("got 3", where="Add()", hint="Take 4.").add_location("Sequential[1]")
    for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(twin) is nl.ShapeError
        assert str(twin) == str(error) == "Sequential[1] Add(): got 3. Take 4."
