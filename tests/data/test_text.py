"""The shipped novel and names against their sources."""

import hashlib
import string
from importlib.resources import files

import netlib as nl


def sha256(text):
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def test_the_novel_is_the_file_that_was_made_from_the_canterbury_corpus():
    text = nl.data.text()
    assert len(text) == 142951
    assert sha256(text) == "79b3da08d3d28e32ad0490aa3671d10a3c68dd826e3525dd11d2666c3b8cd85e"


def test_the_novel_has_twelve_chapters_from_the_first_sentence_to_the_last():
    text = nl.data.text()
    chapters = text.split("CHAPTER ")[1:]
    assert [chapter.split("\n")[0] for chapter in chapters] == ["I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII"]
    assert chapters[0].startswith("I\n\nDown the Rabbit-Hole\n\nAlice was beginning to get very tired of sitting ")
    assert chapters[-1].endswith("remembering her own child-life, and the happy summer days.\n")


def test_the_novel_is_plain_ascii_without_markup_indents_or_anyone_elses_words():
    text = nl.data.text()
    assert set(text) == set(string.ascii_letters + "\n !\"'(),-.:;?")
    assert not any(mark in text for mark in ("  ", "\n ", " \n", "\n\n\n"))
    assert not any(word in text.lower() for word in ("gutenberg", "ebook", "copyright", "edition"))


def test_the_names_are_those_of_the_census():
    names = nl.data.names()
    assert len(names) == 5163
    assert sha256("".join(f"{name}\n" for name in names)) == "fdbbbe30a05f3cc27112622c76e6bbcde65b96596d1dc7f3e5ac5ef58e979681"
    assert {"Mary", "Patricia", "James", "John"} <= set(names)  # the most frequent of 1990


def test_names_are_sorted_unique_and_of_2_to_11_letters_with_one_capital():
    names = nl.data.names()
    assert names == sorted(set(names))
    assert all(name.isalpha() and name.isascii() and name == name.title() for name in names)
    assert (min(map(len, names)), max(map(len, names))) == (2, 11)


def test_each_call_gives_a_list_of_names_of_its_own():
    nl.data.names().clear()
    assert nl.data.names()[0] == "Aaron"


def test_the_notes_beside_the_files_name_author_year_source_and_licence():
    notes = {
        "ALICE.md": ["Lewis Carroll", "1865", "gutenberg.org/ebooks/11", "public domain", "alice29.txt"],
        "NAMES.md": ["U.S. Census Bureau", "1995", "census.gov", "public domain", "dist.female.first"],
    }
    for name, facts in notes.items():
        note = files(nl.data).joinpath(name).read_text(encoding="utf-8")
        assert [fact for fact in facts if fact not in note] == []
