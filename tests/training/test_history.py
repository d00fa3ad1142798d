"""The table of epochs."""

import csv

import pytest

from netlib import InvalidTypeError, MissingError
from netlib.training import History

ROWS = [{"epoch": 1, "loss": 0.1 + 0.2}, {"epoch": 2, "loss": 1e-9}]


def history(rows=ROWS):
    table = History(["epoch", "loss"])
    for row in rows:
        table.append(row)
    return table


def test_a_column_is_a_list_of_its_own():
    table = history()
    table["loss"].clear()
    assert table["loss"] == [0.1 + 0.2, 1e-9]


def test_it_is_as_long_as_there_are_epochs_and_goes_row_by_row():
    table = history()
    assert len(table) == 2
    assert list(table) == ROWS
    assert [table.row(-1), table.row(-2)] == [ROWS[1], ROWS[0]]
    assert table.columns == ("epoch", "loss")
    assert "loss" in table
    assert "val_loss" not in table


def test_its_dict_is_a_copy():
    table = history()
    copy = table.to_dict()
    assert copy == {"epoch": [1, 2], "loss": [0.1 + 0.2, 1e-9]}
    copy["loss"].clear()
    assert len(table["loss"]) == 2


def test_csv_brings_back_every_digit(tmp_path):
    history().to_csv(tmp_path / "history.csv")
    with open(tmp_path / "history.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [{"epoch": int(row["epoch"]), "loss": float(row["loss"])} for row in rows] == ROWS


def test_csv_of_no_epochs_has_the_names(tmp_path):
    history([]).to_csv(str(tmp_path / "history.csv"))
    assert (tmp_path / "history.csv").read_bytes() == b"epoch,loss\n"


def test_an_unknown_column_is_answered_with_those_there_are():
    with pytest.raises(MissingError, match=r"'val_loss'.*epoch, loss"):
        history()["val_loss"]


@pytest.mark.parametrize("i", [2, -3])
def test_a_row_that_there_is_not_is_refused(i):
    with pytest.raises(MissingError, match="2 rows"):
        history().row(i)


def test_the_number_of_an_open_file_is_no_path():
    with pytest.raises(InvalidTypeError):
        history().to_csv(2)


def test_a_row_that_lacks_a_column_leaves_the_table_as_it_was():
    table = history()
    with pytest.raises(KeyError):
        table.append({"epoch": 3})
    assert table.to_dict() == history().to_dict()


def test_it_shows_itself_as_an_aligned_table():
    assert repr(history()).splitlines() == ["epoch   loss", "    1    0.3", "    2  1e-09"]
    assert repr(history([])) == "epoch  loss"


def test_a_long_table_is_shown_with_its_two_ends():
    lines = repr(history([{"epoch": i, "loss": 1.0} for i in range(1, 101)])).splitlines()
    assert [line.split()[0] for line in lines] == ["epoch", "1", "2", "3", "4", "5", "...", "96", "97", "98", "99", "100"]


def test_a_table_of_ten_epochs_is_shown_whole():
    assert "..." not in repr(history([{"epoch": i, "loss": 1.0} for i in range(10)]))
