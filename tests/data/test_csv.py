"""CSV files as users bring them, well formed and not."""

import numpy as np
import pytest

import netlib as nl
from netlib.errors import InvalidTypeError, InvalidValueError, MissingError


@pytest.fixture
def read(tmp_path):
    path = tmp_path / "table.csv"

    def write_and_read(text, *args, **kwargs):
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return nl.data.read_csv(path, *args, **kwargs)

    return write_and_read


def test_the_last_column_is_the_target_unless_told_otherwise(read):
    x, t = read("1.5,2.5,0\n3.5,4.5,1\n")
    assert x.tolist() == [[1.5, 2.5], [3.5, 4.5]]
    assert t.tolist() == [0, 1]
    assert (x.dtype, t.dtype) == (np.float32, np.int64)


@pytest.mark.parametrize("target", [0, -3, np.int64(0), "size"])
def test_the_target_is_found_by_number_from_either_side_or_by_name(read, target):
    x, t = read("size,length,width\n7,1,2\n8,3,4\n", target)
    assert t.tolist() == [7, 8]
    assert x.tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize(
    ("cells", "dtype"),
    [
        (["0", "2", "-1"], np.int64),
        ([" 3", "+4", "9007199254740993"], np.int64),
        (["0", "2.0", "1"], np.float32),
        (["1e3", "1", "1"], np.float32),
        (["9223372036854775808", "1", "1"], np.float32),
    ],
)
def test_targets_are_int64_exactly_where_all_are_written_as_whole_numbers(read, cells, dtype):
    _, t = read("".join(f"0.5,{cell}\n" for cell in cells))
    assert t.dtype == dtype
    assert t.tolist() == [dtype(cell if dtype is np.float32 else int(cell)) for cell in cells]


@pytest.mark.parametrize("first", ["a,b,c", ",b,c", '"a","b","c"', "a, b ,c", "größe,b,c"])
def test_a_first_line_without_numbers_is_a_header(read, first):
    x, t = read(f"{first}\n1,2,3\n")
    assert (x.tolist(), t.tolist()) == ([[1, 2]], [3])


def test_header_overrides_what_the_first_line_looks_like(read):
    x, t = read("2001,2002,2003\n1,2,3\n", "2002", header=True)
    assert (x.tolist(), t.tolist()) == ([[1, 3]], [2])
    with pytest.raises(nl.FormatError, match=r"line 1, column 1: the cell is 'a'"):
        read("a,b\n1,2\n", header=False)


def test_a_first_line_of_numbers_and_something_else_is_no_header_but_a_mistake(read):
    with pytest.raises(nl.FormatError, match=r"line 1, column 2: the cell is 'n/a'.*missing=np.nan"):
        read("5.1,n/a,0\n6.2,2.9,1\n")


@pytest.mark.parametrize(
    "text",
    ["1,2\r\n3,4\r\n", "1,2\n3,4", "1,2\r3,4\r", "\ufeff1,2\n3,4\n", "\n1,2\n\n  \n3,4\n\n", '"1","2"\n"3","4"\n', " 1 ,\t2\n3 , 4\n"],
)
def test_line_ends_marks_quotes_and_blanks_do_not_matter(read, text):
    x, t = read(text)
    assert (x.tolist(), t.tolist()) == ([[1], [3]], [2, 4])


@pytest.mark.parametrize("delimiter", [";", "\t", " ", "|"])
def test_other_delimiters_work_when_named(read, delimiter):
    x, t = read("1,2,3\n".replace(",", delimiter), delimiter=delimiter)
    assert (x.tolist(), t.tolist()) == ([[1, 2]], [3])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the file is empty"),
        ("\n\n \n", "the file is empty"),
        ("a,b\n", "a header and no lines of numbers"),
        ("1,2\n3,\n", "line 2, column 2: the cell is missing"),
        ("a,b\n\n1,2\n,3\n", "line 4, column 1: the cell is missing"),
        (",\n1,2\n", "line 1, column 1: the cell is missing"),
        ("1,2\n3,x\n", "line 2, column 2: the cell is 'x'"),
        ("1,2\n3,4,5\n", "line 2: 3 cells, expected 2"),
        ("1,2\n3\n", "line 2: 1 cells, expected 2"),
        ("a,b,c\n1,2\n", "line 2: 2 cells, expected 3"),
        ("1,nan\n", "line 1, column 2: the cell is 'nan'"),
        ("1,2\n-inf,1\n", "line 2, column 1: the cell is '-inf'"),
        ("1,1e39\n", "line 1, column 2: the cell is '1e39', which is not a finite number in float32"),
        ("1,1_000\n", "line 1, column 2: the cell is '1_000'"),
        ("1,0x10\n", "line 1, column 2: the cell is '0x10'"),
        ("1;2\n3;4\n", "line 1: 1 cell, expected at least one feature and the target. Is ',' the delimiter?"),
        ('1,2\n"3,4\n', "line 2: unexpected end of data"),
        ("1," + "2" * 200_000 + "\n", "line 1: field larger"),
        (b"1,2\n3,\xff\n", "not UTF-8"),
        (b"1,2\n\0,3\n", "line 2"),
    ],
)
def test_a_table_that_is_none_is_refused_with_file_line_and_column(read, text, message):
    with pytest.raises(nl.FormatError) as caught:
        read(text)
    assert "table.csv: " in str(caught.value)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "target", "message"),
    [
        ("1,2\n", 2, "no column 2, the file has 2"),
        ("1,2\n", -3, "no column -3"),
        ("1,2\n", 10**30, "no column 1000"),
        ("a,b\n1,2\n", "c", "0 columns are called 'c', expected one; the names are a, b"),
        ("a,a\n1,2\n", "a", "2 columns are called 'a'"),
        ("1,2\n", "a", "the first line holds numbers"),
    ],
)
def test_a_target_that_is_not_there_is_refused_with_what_is(read, text, target, message):
    with pytest.raises(MissingError, match=message):
        read(text, target)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"target": 1.0}, InvalidTypeError),
        ({"columns": [1.5]}, InvalidTypeError),
        ({"decimal": ",,"}, InvalidValueError),
        ({"decimal": ","}, InvalidValueError),
        ({"encoding": "klingon"}, InvalidValueError),
        ({"dtype": int}, InvalidTypeError),
        ({"target": True}, InvalidTypeError),
        ({"delimiter": ""}, InvalidValueError),
        ({"delimiter": ",,"}, InvalidValueError),
        ({"delimiter": "\n"}, InvalidValueError),
        ({"delimiter": None}, InvalidValueError),
        ({"header": "yes"}, InvalidTypeError),
    ],
)
def test_bad_arguments_are_refused_by_name(read, arguments, error):
    with pytest.raises(error, match=f"read_csv: {next(iter(arguments))} is"):
        read("1,2\n", **arguments)


def test_what_names_no_file_is_refused_and_a_missing_file_is_pythons_own_error(tmp_path):
    with pytest.raises(InvalidTypeError, match="read_csv: path is 0"):
        nl.data.read_csv(0)
    with pytest.raises(FileNotFoundError):
        nl.data.read_csv(tmp_path / "nowhere.csv")


def test_the_arrays_are_the_callers_and_apart(read):
    x, t = read("1,2.5\n3,4.5\n")
    x[:], t[:] = 0, 1
    assert x.tolist() == [[0], [0]]
    assert t.tolist() == [1, 1]
    assert t.flags.owndata  # a view would keep the whole table in memory


# ---- files as they come


def test_a_nameless_column_that_counts_the_rows_is_left_out(read):
    text = ",length,width,kind\n0,5,3,0\n1,6,2,1\n2,7,1,0\n"
    with pytest.warns(UserWarning, match="first column has no name and counts the rows"):
        x, _ = read(text)
    assert x.tolist() == [[5, 3], [6, 2], [7, 1]]
    x, t = read(text, columns=[0, "width"], target=None)
    assert x.tolist() == [[0, 3], [1, 2], [2, 1]]
    assert t is None
    x, _ = read(",length,kind\n7,5,0\n3,6,1\n9,7,1\n")  # no name, but it counts nothing
    assert x.shape == (3, 2)


@pytest.mark.parametrize("first", ["0,1,2", "2001,2002,2003"])
def test_a_first_line_of_numbers_that_counts_is_asked_about(read, first):
    with pytest.warns(UserWarning, match=r"the first line, .*, was read as a sample. Pass header=True"):
        x, _ = read(f"{first}\n0.5,1.5,0\n0.25,2.5,1\n")
    assert len(x) == 3
    assert len(read(f"{first}\n0.5,1.5,0\n0.25,2.5,1\n", header=False)[0]) == 3
    assert len(read(f"{first}\n0.5,1.5,0\n0.25,2.5,1\n", header=True)[0]) == 2
    assert len(read("1,2,3\n4,5,6\n")[0]) == 2  # all lines count


def test_times_that_float32_cannot_tell_apart_are_reported(read):
    text = "time,kind\n1700000001,0\n1700000002,1\n1700000010,1\n"
    with pytest.warns(UserWarning, match=r"column time: float32 can hardly tell numbers from 1700000001 to 1700000010 apart.*float64"):
        read(text)
    x, _ = read(text, dtype=np.float64)
    assert x[:, 0].tolist() == [1700000001, 1700000002, 1700000010]
    read("a,b\n0.1,0\n0.10000000001,1\n5,1\n")  # what is lost is far below the spread


def test_several_targets_and_chosen_columns(read):
    text = "a,b,c,d\n1,2,3,4\n5,6,7,8.5\n"
    x, t = read(text, target=["d", "a"], columns=["c"])
    assert x.tolist() == [[3], [7]]
    assert t.tolist() == [[4, 1], [8.5, 5]]
    x, t = read(text, target=[0, 1])
    assert (x.tolist(), t.tolist(), t.dtype) == ([[3, 4], [7, 8.5]], [[1, 2], [5, 6]], np.int64)
    with pytest.raises(MissingError, match="0 columns are called 'e'"):
        read(text, columns=["e"])


def test_labels_may_be_text_where_no_cell_is_a_number(read):
    x, t = read("a,kind\n1,setosa\n2, virginica \n")
    assert (x.tolist(), t.tolist()) == ([[1], [2]], ["setosa", "virginica"])
    with pytest.raises(nl.FormatError, match="line 3, column 2: the cell is 'x'"):
        read("a,kind\n1,0\n2,x\n")


def test_a_decimal_comma_and_other_encodings(read):
    text = "größe;preis\n1,5;2,25\n-3,0;1e3\n"
    x, t = read(text.encode("cp1252"), "preis", delimiter=";", decimal=",", encoding="cp1252")
    assert (x.tolist(), t.tolist()) == ([[1.5], [-3]], [2.25, 1000])
    with pytest.raises(nl.FormatError, match="Pass decimal=','"):
        read(text, delimiter=";", columns=[0])
    with pytest.raises(nl.FormatError, match=r"'1\.5'"):
        read("1.5;2\n", delimiter=";", decimal=",")
    with pytest.raises(nl.FormatError, match="encoding='cp1252'"):
        read(text.encode("cp1252"))


@pytest.mark.parametrize("cell", ["", "NA", "n/a", " NaN ", "null", "?"])
def test_missing_values_are_filled_if_said_so(read, cell):
    text = f"a,b,c\n1,2,0\n3,{cell},1\n"
    x, t = read(text, missing=-1)
    assert (x.tolist(), t.tolist()) == ([[1, 2], [3, -1]], [0, 1])
    assert np.isnan(read(text, missing=np.nan)[0][1, 1])
    with pytest.raises(nl.FormatError, match=r"line 3, column 2.*missing=np.nan"):
        read(text)


def test_it_says_what_it_read_when_asked_to(read, capsys):
    read("a,b,kind\n1,2,x\n3,4,y\n", verbose=True)
    assert capsys.readouterr().out == "table.csv: 2 rows; features a, b (float32); target kind (strings)\n"
