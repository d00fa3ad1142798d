"""A safetensors file that is not exactly what the format demands is refused, and the message says where it is wrong.

The rows follow the list of malformed files in section 6 of the project's research on users.
"""

import json
import re
import struct
import time
import warnings

import numpy as np
import pytest
from refusals import require_refusal

import netlib as nl


def st(header, data=b"", length=None):
    """Return a file with this header, a dict or a text."""
    text = header if isinstance(header, bytes) else (header if isinstance(header, str) else json.dumps(header)).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def tensor(dtype="F32", shape=(2,), offsets=(0, 8), **more):
    return {"dtype": dtype, "shape": list(shape) if isinstance(shape, tuple) else shape, "data_offsets": list(offsets), **more}


GOOD = st({"a": tensor()}, bytes(8))
TWO = {"a": tensor(), "b": tensor(offsets=(8, 16))}
BAD = {
    "1 empty": (b"", "the file is empty"),
    "2 seven bytes": (bytes(7), "file of 7 bytes"),
    "3 no header": (st(""), "start of the header"),
    "4 header longer than the file": (st("{}", length=3), "a header of 3 bytes in a file of 10 bytes"),
    "5 header of 2^63 bytes": (st("{}", length=2**63), f"a header of {2**63} bytes"),
    "6 header above the limit": (st("{}", length=100_000_001), "a header of 100000001 bytes"),
    "7 not UTF-8": (st(b'{"\xff"}'), "byte 10, in the header, is not UTF-8"),
    "8 byte order mark": (st(b"\xef\xbb\xbf{}"), "byte 8, the start of the header"),
    "9 not JSON": (st("{a}"), "character 1 of the JSON text"),
    "10 a list": (st("[]"), "byte 8, the start of the header"),
    "11 padded with NUL": (st("{}\0\0"), "character 2 of the JSON text"),
    "12 spaces in front": (st("  {}"), "byte 8, the start of the header"),
    "13 duplicate": (st('{"a": 0, "b": 1, "a": 0}'), "has the key 'a' twice"),
    "13 duplicate inside": (st('{"a": {"dtype": "F32", "dtype": "F32"}}'), "has the key 'dtype' twice"),
    "14 nested": (st('{"a":' * 201 + "0" + "}" * 201), "nested more than 200 times"),
    "14 nested too deeply for the stack": (st('{"a":' * 200_000), "nested too deeply"),
    "15 NaN": (st('{"a": NaN}'), "the number NaN, which is not JSON"),
    "15 Infinity": (st('{"a": -Infinity}'), "the number -Infinity, which is not JSON"),
    "16 1e400": (st('{"a": 1e400}'), "the number 1e400, which is too large"),
    "16 a float": (st({"a": tensor(shape=(2.0,))}, bytes(8)), "'a': has the shape [2.0]"),
    "16 true": (st({"a": tensor(shape=(True, 2))}, bytes(8)), "'a': has the shape [True, 2]"),
    "16 a text": (st({"a": tensor(shape=("2",))}, bytes(8)), "'a': has the shape ['2']"),
    "16 a negative number": (st({"a": tensor(shape=(-2,))}, bytes(8)), "'a': has the shape [-2]"),
    "16 5000 digits": (st('{"a": ' + "9" * 5000 + "}"), "a number of 5000 digits"),
    "17 hole in front": (st({"a": tensor(offsets=(8, 16))}, bytes(16)), "'a': begins at byte 8 of the data, expected byte 0"),
    "17 hole in the middle": (st({**TWO, "b": tensor(offsets=(9, 17))}, bytes(17)), "'b': begins at byte 9 of the data, expected byte 8"),
    "17 hole at the end": (st({"a": tensor()}, bytes(9)), "describes 77 bytes, the file has 78"),
    "18 overlap": (st({**TWO, "b": tensor(offsets=(4, 12))}, bytes(12)), "'b': begins at byte 4 of the data, expected byte 8"),
    "19 reversed": (st({"a": tensor(offsets=(8, 0))}, bytes(8)), "'a': has -8 bytes, expected 8"),
    "20 past the end": (st(TWO, bytes(8)), "describes 147 bytes, the file has 139"),
    "21 trailing bytes": (GOOD + b"\0", "describes 77 bytes, the file has 78"),
    "24 dtype and size": (st({"a": tensor("F64")}, bytes(8)), "'a': has 8 bytes, expected 16 for F64 of shape (2,)"),
    "25 overflow": (st({"a": tensor(shape=(2**32, 2**32))}, bytes(8)), f"expected {2**66} for F32"),
    "26 overflow times zero": (
        st({"a": tensor(shape=(0, 2**40, 2**40), offsets=(0, 0))}),
        "'a': has the shape (0, 1099511627776, 1099511627776)",
    ),
    "28 seventy axes": (st({"a": tensor(shape=(1,) * 70, offsets=(0, 4))}, bytes(4)), "expected at most 64 whole numbers"),
    "29 8 bits": (st({"a": tensor("F8_E4M3", (8,))}, bytes(8)), "Convert it to F16, BF16 or F32"),
    "30 unknown dtype": (st({"a": tensor("X32")}, bytes(8)), "'a': has the type 'X32', expected one of BOOL"),
    "30 dtype in lower case": (st({"a": tensor("f32")}, bytes(8)), "'a': has the type 'f32'"),
    "30 dtype of another type": (st({"a": tensor(["F32"])}, bytes(8)), "'a': has the type ['F32']"),
    "31 missing field": (st({"a": {"dtype": "F32", "shape": [2]}}, bytes(8)), "expected dtype, shape and data_offsets"),
    "31 one field more": (st({"a": tensor(x=1)}, bytes(8)), "expected dtype, shape and data_offsets"),
    "31 no fields": (st({"a": 3}), "'a': has the entry 3"),
    "32 three offsets": (st({"a": tensor(offsets=(0, 8, 8))}, bytes(8)), "'a': has the data_offsets [0, 8, 8]"),
    "33 metadata of numbers": (st({"__metadata__": {"a": 1}}), "__metadata__ is not a dict of strings"),
    "33 metadata in a list": (st({"__metadata__": ["a"]}), "__metadata__ is not a dict of strings"),
    "34 a boolean of 2": (st({"a": tensor("BOOL", (2,), (0, 2))}, b"\1\2"), "'a': holds the boolean 2, expected 0 or 1"),
    "37 Git LFS": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "is a Git LFS pointer, not the file itself"),
}  # fmt: skip


@pytest.mark.parametrize(("content", "part"), BAD.values(), ids=BAD)
def test_a_malformed_file_is_refused(content, part, tmp_path):
    path = tmp_path / "bad.safetensors"
    path.write_bytes(content)
    require_refusal(path, part)


FINE = {
    "27 an empty array between others": (
        st({"a": tensor(), "b": tensor(shape=(0, 3), offsets=(8, 8)), "c": tensor(offsets=(8, 16))}, bytes(16)),
        "a b c",
    ),
    "33 metadata null": (st({"__metadata__": None, "a": tensor()}, bytes(8)), "a"),
    "35 numbers at odd places": (
        st('{"a":{"dtype":"F64","shape":[1],"data_offsets":[1,9]},"b":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}', bytes(9)),
        "a b",
    ),
    "38 a name like a path": (st({"../../x": tensor(), "/etc/passwd": tensor(offsets=(8, 16))}, bytes(16)), "../../x /etc/passwd"),
    "spaces at the end of the header": (st('{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}   ', bytes(8)), "a"),
    "a header of 640 bytes, which begins like a pickle": (st(json.dumps({"a": tensor()}).ljust(640), bytes(8)), "a"),
}  # fmt: skip


@pytest.mark.parametrize(("content", "names"), FINE.values(), ids=FINE)
def test_an_unusual_file_is_read(content, names, tmp_path):
    path = tmp_path / "fine.safetensors"
    path.write_bytes(content)
    assert " ".join(sorted(nl.load_state(path))) == " ".join(sorted(names.split()))


def test_a_file_that_ends_early_is_refused_wherever_it_ends(tmp_path):
    path = tmp_path / "short.safetensors"
    for end in range(len(GOOD)):
        path.write_bytes(GOOD[:end])
        with pytest.raises(nl.FormatError, match=re.escape("short.safetensors")):
            nl.load_state(path)


def test_no_flipped_bit_of_the_header_leads_to_anything_but_a_refusal_or_a_renamed_array(tmp_path):
    path = tmp_path / "flipped.safetensors"
    read = 0
    for i in range(8 * (len(GOOD) - 8)):
        content = bytearray(GOOD)
        content[i // 8] ^= 1 << i % 8
        path.write_bytes(content)
        try:
            state = nl.load_state(path)
        except nl.FormatError:
            continue
        read += 1
        assert [array.nbytes for array in state.values()] == [8]
    assert 0 < read < 40  # another name, or I32 in place of F32


def test_bfloat16_becomes_float32_with_a_warning(tmp_path):
    path = tmp_path / "half.safetensors"
    upper = np.array([1.0, -0.0, np.pi, np.inf, 1e-40], np.float32).view(np.uint32) >> 16
    header = {"a": tensor("BF16", (5,), (0, 10)), "b": tensor("BF16", (), (10, 12)), "c": tensor("F32", (1,), (12, 16))}
    path.write_bytes(st(header, upper.astype("<u2").tobytes() + bytes(6)))
    with pytest.warns(UserWarning, match="2 arrays of bfloat16 became float32"):
        state = nl.load_state(path)
    assert state["a"].dtype == state["b"].dtype == np.float32
    assert state["a"].view(np.uint32).tolist() == (upper << 16).tolist()


def test_many_tiny_arrays_take_no_more_than_their_share(tmp_path):
    path = tmp_path / "many.safetensors"
    path.write_bytes(st({str(i): tensor("U8", (0,), (0, 0)) for i in range(5_000)}))
    started = time.process_time()
    assert len(nl.load_state(path)) == 5_000
    assert time.process_time() - started < 1


def test_the_first_of_many_keys_that_is_there_twice_is_found_at_once(tmp_path):
    path = tmp_path / "twice.safetensors"
    path.write_bytes(st("{" + ",".join(f'"{i}":0' for i in [*range(30_000), 29_999]) + "}"))
    started = time.process_time()
    with pytest.raises(nl.FormatError, match="has the key '29999' twice"):
        nl.load_state(path)
    assert time.process_time() - started < 1


def test_a_file_that_shrinks_while_it_is_read_is_refused(tmp_path, monkeypatch):
    from netlib.files import safetensors

    path = tmp_path / "shrinking.safetensors"
    nl.save_state({"a": np.ones(100_000)}, path)

    def check_and_cut(file, where):
        path.write_bytes(path.read_bytes()[:100])

    monkeypatch.setattr(safetensors, "_library_check", check_and_cut)
    with pytest.raises(nl.FormatError, match="became shorter"):
        nl.load_state(path)


def test_the_library_has_the_last_word(tmp_path, monkeypatch):
    from netlib.files import safetensors

    path = tmp_path / "bad.safetensors"
    path.write_bytes(GOOD + b"\0")
    with open(path, "rb") as file, pytest.raises(nl.FormatError, match="the safetensors library does not accept it"):
        safetensors._library_check(file, "bad.safetensors")


def test_the_library_reads_what_netlib_wrote_and_the_other_way_round(tmp_path):
    from safetensors.numpy import load_file, save_file

    rng = np.random.default_rng(0)
    base = rng.normal(size=(4, 6))
    for dtype in ("f4", "f8", ">f4", "i8", "?", "f2", "u1", ">u2"):
        a = (base * 10).astype(dtype)
        views = {
            "T": a.T,
            "F": np.asfortranarray(a),
            "step": a[:, ::2],
            "back": a[::-1],
            "part": a[:, :4],
            "same": np.broadcast_to(a[0], (5, 6)),
        }
        before = {name: view.tobytes() for name, view in views.items()}
        nl.save_state({**views, "one": a[0, 0], "none": a[:0]}, tmp_path / "ours.safetensors")
        assert {name: view.tobytes() for name, view in views.items()} == before
        read = load_file(tmp_path / "ours.safetensors")
        for name, view in {**views, "one": a[0, 0], "none": a[:0]}.items():
            assert (read[name].dtype, read[name].shape) == (a.dtype.newbyteorder("="), view.shape)
            np.testing.assert_array_equal(read[name], view)
        plain = {name: np.ascontiguousarray(view, view.dtype.newbyteorder("=")) for name, view in views.items()}
        save_file(plain, tmp_path / "theirs.safetensors")
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            loaded = nl.load_state(tmp_path / "theirs.safetensors")
        for name, view in plain.items():
            assert loaded[name].dtype == view.dtype
            np.testing.assert_array_equal(loaded[name], view)
            assert loaded[name].flags.writeable
            assert loaded[name].flags.owndata or loaded[name].base.flags.owndata
