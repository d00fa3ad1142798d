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
    with pytest.raises(nl.FormatError, match=r"line 1, column 2: the cell is 'n/a'.*header=True"):
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
        ("1,2\n3,4,5\n", "line 2: 3 cells, wanted 2"),
        ("1,2\n3\n", "line 2: 1 cells, wanted 2"),
        ("a,b,c\n1,2\n", "line 2: 2 cells, wanted 3"),
        ("1,nan\n", "line 1, column 2: the cell is 'nan'"),
        ("1,2\n-inf,1\n", "line 2, column 1: the cell is '-inf'"),
        ("1,1e39\n", "line 1, column 2: the cell is '1e39', which is no finite number in float32"),
        ("1,1_000\n", "line 1, column 2: the cell is '1_000'"),
        ("1,0x10\n", "line 1, column 2: the cell is '0x10'"),
        ("1;2\n3;4\n", "line 1: 1 cell, wanted at least one feature and the target. Is ',' the delimiter?"),
        ('1,2\n"3,4\n', "line 2: unexpected end of data"),
        ("1," + "2" * 200_000 + "\n", "line 1: field larger"),
        (b"1,2\n3,\xff\n", "no UTF-8 text"),
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
        ("a,b\n1,2\n", "c", "0 columns are called 'c', wanted one; the names are a, b"),
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
        ({"target": None}, InvalidTypeError),
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
