"""The shipped digits against what their publishers say of them."""

import numpy as np

import netlib as nl


def test_there_are_1797_digits_of_64_pixels_in_the_types_that_training_wants():
    x, t = nl.data.digits()
    assert (x.shape, x.dtype) == ((1797, 64), np.float32)
    assert (t.shape, t.dtype) == ((1797,), np.int64)


def test_every_class_is_as_frequent_as_the_uci_description_says():
    published = [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert np.bincount(nl.data.digits()[1]).tolist() == published


def test_pixels_are_sixteenths_from_0_to_1():
    x, _ = nl.data.digits()
    counts = x * 16
    assert (counts == counts.round()).all()
    assert (counts.min(), counts.max()) == (0, 16)


def test_the_first_image_is_the_zero_that_opens_the_original_file():
    x, t = nl.data.digits()
    assert t[:10].tolist() == list(range(10))
    assert (x[0].reshape(8, 8)[:2] * 16).tolist() == [[0, 0, 5, 13, 9, 1, 0, 0], [0, 0, 13, 15, 10, 15, 5, 0]]


def test_each_call_gives_arrays_of_its_own():
    x, t = nl.data.digits()
    x[:], t[:] = -1, -1
    again = nl.data.digits()
    assert again[0].min() == 0
    assert again[1].min() == 0
    assert again[0].flags.writeable
    assert again[1].flags.writeable


def test_the_note_beside_the_file_names_creators_source_and_licence():
    from importlib.resources import files

    note = files(nl.data).joinpath("DIGITS.md").read_text(encoding="utf-8")
    for fact in ("E. Alpaydin", "C. Kaynak", "archive.ics.uci.edu", "CC BY 4.0", "creativecommons.org/licenses/by/4.0"):
        assert fact in note
