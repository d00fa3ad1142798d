"""IDX files written by hand, byte by byte, and every way of damaging them."""

import gzip
import itertools
import random
import struct
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

import netlib as nl
from netlib.errors import InvalidTypeError, InvalidValueError

# Two rows of three bytes: the type is unsigned byte (08), there are two dimensions (02).
SMALL = bytes.fromhex("00 00 08 02  00 00 00 02  00 00 00 03  01 02 03 fd fe ff")
HEADER = 12


@pytest.fixture
def written(tmp_path):
    def write(data, name="file"):
        path = tmp_path / name
        path.write_bytes(data)
        return path

    return write


@pytest.mark.parametrize(
    ("code", "data", "expected"),
    [
        ("08", "00 7f 80 ff", np.array([0, 127, 128, 255], np.uint8)),
        ("09", "00 7f 80 ff", np.array([0, 127, -128, -1], np.int8)),
        ("0b", "0102 7fff 8000 ffff", np.array([258, 32767, -32768, -1], np.int16)),
        ("0c", "01020304 7fffffff 80000000 ffffffff", np.array([16909060, 2**31 - 1, -(2**31), -1], np.int32)),
        ("0d", "3f800000 c0200000 7f800000 00000001", np.array([1.0, -2.5, np.inf, 2.0**-149], np.float32)),
        ("0e", "3ff0000000000000 c004000000000000 7ff0000000000000 0000000000000001", np.array([1.0, -2.5, np.inf, 5e-324])),
    ],
)
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_each_type_is_read_into_the_machines_own_byte_order(written, code, data, expected, pack):
    got = nl.data.read_idx(written(pack(bytes.fromhex(f"0000{code}01 00000004 {data}"))))
    assert got.dtype == expected.dtype
    assert got.dtype.isnative
    assert got.tolist() == expected.tolist()


def test_the_last_index_runs_fastest(written):
    assert nl.data.read_idx(written(SMALL)).tolist() == [[1, 2, 3], [253, 254, 255]]


def test_any_number_of_dimensions_is_read(written):
    assert nl.data.read_idx(written(bytes.fromhex("00000800 07"))).tolist() == 7
    cube = nl.data.read_idx(written(bytes.fromhex("00000803 00000002 00000001 00000002 01020304")))
    assert cube.tolist() == [[[1, 2]], [[3, 4]]]
    deepest = nl.data.read_idx(written(bytes([0, 0, 8, 64]) + struct.pack(">64I", *[1] * 64) + b"\x05"))
    assert deepest.shape == (1,) * 64


def test_a_dimension_of_zero_is_an_empty_array(written):
    assert nl.data.read_idx(written(bytes.fromhex("00000d02 00000000 0000001c"))).shape == (0, 28)


def test_the_array_is_the_callers_to_write_to(written):
    got = nl.data.read_idx(written(SMALL))
    got[0, 0] = 9
    assert got[0, 0] == 9


def test_compression_shows_in_the_bytes_and_not_in_the_name(written):
    plain = nl.data.read_idx(written(SMALL, "plain.gz"))
    packed = nl.data.read_idx(written(gzip.compress(SMALL), "packed-idx2-ubyte"))
    assert plain.tolist() == packed.tolist() == [[1, 2, 3], [253, 254, 255]]


def test_a_path_may_be_a_string_or_a_path(written):
    path = written(SMALL)
    assert nl.data.read_idx(str(path)).tolist() == nl.data.read_idx(Path(path)).tolist()


def test_a_file_larger_than_one_read_comes_whole(written):
    values = np.random.default_rng(0).integers(0, 256, 2_500_000).astype(np.uint8)
    data = bytes([0, 0, 8, 1]) + struct.pack(">I", values.size) + values.tobytes()
    assert (nl.data.read_idx(written(data)) == values).all()
    assert (nl.data.read_idx(written(gzip.compress(data, 1))) == values).all()


@pytest.mark.parametrize("length", range(len(SMALL)))
def test_a_file_cut_off_anywhere_is_refused_by_name_and_length(written, length):
    path = written(SMALL[:length], "cut-short")
    with pytest.raises(nl.FormatError, match=f"empty|ends after {length} bytes") as caught:
        nl.data.read_idx(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("length", range(2, len(gzip.compress(SMALL))))
def test_a_compressed_file_cut_off_anywhere_is_refused(written, length):
    path = written(gzip.compress(SMALL)[:length], "cut-short")
    with pytest.raises(nl.FormatError, match="gzip") as caught:
        nl.data.read_idx(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("byte", range(HEADER))
def test_a_flipped_bit_of_the_header_is_refused(written, byte):
    for bit, pack in itertools.product(range(8), [bytes, gzip.compress]):
        data = bytearray(SMALL)
        data[byte] ^= 1 << bit
        path = written(pack(data))
        if data[2] == 0x09:  # the one flip that makes another whole file: signed bytes
            assert nl.data.read_idx(path).tolist() == [[1, 2, 3], [-3, -2, -1]]
        else:
            with pytest.raises(nl.FormatError, match="byte"):
                nl.data.read_idx(path)


def test_every_flipped_bit_of_a_compressed_file_is_refused_or_harmless(written):
    packed = gzip.compress(SMALL, mtime=0)
    refused = 0
    for bit in range(8 * len(packed)):
        data = bytearray(packed)
        data[bit // 8] ^= 1 << bit % 8
        try:
            assert nl.data.read_idx(written(data)).tolist() == [[1, 2, 3], [253, 254, 255]]
        except nl.FormatError:
            refused += 1
    assert refused > 8 * len(SMALL)


def test_random_bytes_are_refused(written):
    chance = random.Random(0)
    for _ in range(300):
        with pytest.raises(nl.FormatError):
            nl.data.read_idx(written(b"\0\0" + chance.randbytes(chance.randrange(40))))
        with pytest.raises(nl.FormatError):
            nl.data.read_idx(written(b"\x1f\x8b" + chance.randbytes(chance.randrange(40))))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("", "the file is empty"),
        ("00 00 08", "ends after 3 bytes, in the 4 bytes of the magic number"),
        ("50 4b 03 04", "bytes 0 and 1 are 50 4b"),
        ("00 00 0a 01 00000000", "byte 2, the type, is 0a"),
        ("00 00 08 41", "byte 3, the number of dimensions, is 65"),
        ("00 00 08 02 00000001 0000", r"ends after 10 bytes, in the 12 bytes of a header of 2 dimensions"),
        ("00 00 0b 01 00000002 000100", r"ends after 11 bytes, expected 12 for its header \(2,\)"),
        ("00 00 08 01 00000002 010203", r"continues after byte 10"),
        ("00 00 0e 02 ffffffff ffffffff 00", r"bytes 4 to 11, the dimensions, are \(4294967295, 4294967295\)"),
        ("00 00 08 03 00000000 ffffffff ffffffff", r"bytes 4 to 15, the dimensions"),
    ],
)
def test_the_message_says_which_bytes_are_wrong(written, data, message):
    with pytest.raises(nl.FormatError, match=message):
        nl.data.read_idx(written(bytes.fromhex(data)))


def test_bytes_after_the_end_of_a_compressed_file_are_refused(written):
    for rest in (b"rest", gzip.compress(b"x")):
        with pytest.raises(nl.FormatError, match=r"gzip|continues"):
            nl.data.read_idx(written(gzip.compress(SMALL) + rest))


def peak_memory(path):
    tracemalloc.start()
    try:
        with pytest.raises(nl.FormatError):
            nl.data.read_idx(path)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_header_that_announces_terabytes_takes_no_memory(written):
    assert sys.maxsize > 2**40
    huge = bytes([0, 0, 8, 2]) + struct.pack(">2I", 2**20, 2**20) + b"few"
    assert peak_memory(written(huge)) < 5e6
    assert peak_memory(written(gzip.compress(huge))) < 5e6


def test_a_bomb_of_gzip_goes_off_no_further_than_its_header_announces(written):
    bomb = gzip.compress(SMALL + bytes(100_000_000), 1)
    assert peak_memory(written(bomb)) < 5e6


@pytest.mark.parametrize(("path", "error"), [(3, InvalidTypeError), (None, InvalidTypeError), ("a\0b", InvalidValueError)])
def test_what_names_no_file_is_refused(path, error):
    with pytest.raises(error, match="read_idx: path is"):
        nl.data.read_idx(path)


def test_a_missing_file_is_pythons_own_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        nl.data.read_idx(tmp_path / "nowhere")
