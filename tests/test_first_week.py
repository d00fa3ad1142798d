"""Every line of netlib on the page of the first week runs."""

import matplotlib as mpl
import pytest
from first_week import PAGE, SECTIONS, lines_of, our_names, run
from matplotlib import pyplot


@pytest.fixture
def namespace(tmp_path, monkeypatch):
    """Return what the lines start from: the names of the page's set-up, and files to load."""
    monkeypatch.chdir(tmp_path)
    mpl.use("agg")
    yield our_names()
    pyplot.close("all")


@pytest.mark.parametrize("section", SECTIONS)
def test_there_are_fifty_things_from_each_library_and_no_aim_comes_twice_in_a_table(section):
    lines = lines_of(section)
    assert len(lines) >= 50
    assert len({line.ours for line in lines}) >= 45


def test_no_row_is_left_out_by_the_test():
    rows = [row for row in PAGE.splitlines() if row.startswith("| ") and not row.startswith("| to …")]
    assert len(rows) == sum(len(lines_of(section)) for section in SECTIONS)


@pytest.mark.parametrize(
    "line", [pytest.param(line.ours, id=f"{section}: {line.aim}") for section in SECTIONS for line in lines_of(section)]
)
def test_a_line_runs(line, namespace, capsys):
    run(line, namespace)
