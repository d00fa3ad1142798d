"""The page of messages says what the calls say."""

import messages
import pytest

ROWS = [row for rows in messages.ROWS.values() for row in rows]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.situation)
def test_every_message_says_what_to_do(row):
    text = messages.message(row)
    assert text.endswith((".", ")", "?"))
    assert text.count(". ") >= 1, "no hint follows"
    assert text.isprintable()


def test_the_page_is_the_table():
    assert messages.PAGE.read_text(encoding="utf-8") == messages.page(), "run: python tests/messages.py"
