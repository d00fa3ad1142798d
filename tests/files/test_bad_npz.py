"""An npz file that holds anything but whole plain arrays is refused, and the message names file and member."""

import io
import pickle
import struct
import warnings
import zipfile

import numpy as np
import pytest
from refusals import require_refusal

import netlib as nl


def npy(array):
    file = io.BytesIO()
    np.lib.format.write_array(file, np.asarray(array))
    return file.getvalue()


def with_header(text, data=b"", version=b"\1\0"):
    """Return a .npy file with any header."""
    return b"\x93NUMPY" + version + struct.pack("<H", len(text)) + text.encode("latin-1") + data


def header(descr="'<f4'", order="False", shape="(2,)", more=""):
    return f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, {more}}}\n"


def archive(*members, method=zipfile.ZIP_STORED, comment=b""):
    file = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(file, "w", method) as target:
        warnings.simplefilter("ignore")  # a name that occurs twice
        for name, content in members:
            target.writestr(zipfile.ZipInfo(name), content, method)
        target.comment = comment
    return file.getvalue()


def encrypted():
    content = bytearray(GOOD)
    for sign, offset in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        content[content.index(sign) + offset] |= 1
    return bytes(content)


def with_gap():
    """Return an archive with 100 bytes between two members that belong to none."""
    first, second = archive(("a.npy", npy([1.0]))), archive(("b.npy", npy([2.0])))
    a, b = first.index(b"PK\1\2"), second.index(b"PK\1\2")
    moved = bytearray(second[b : second.index(b"PK\5\6")])
    struct.pack_into("<I", moved, 42, a + 100)
    body = first[:a] + b"#!/bin/sh".ljust(100) + second[:b]
    listing = first[a : first.index(b"PK\5\6")] + bytes(moved)
    return body + listing + struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 2, 2, len(listing), len(body), 0)


def changed(content, i):
    return content[:i] + bytes([content[i] ^ 1]) + content[i + 1 :]


ONE = npy(np.ones(2, np.float32))
GOOD = archive(("a.npy", ONE))
BAD = {
    "empty": (b"", "the file is empty"),
    "an empty archive with junk": (b"PK\3\4" + archive(), "the members end at byte 0, and their list begins at byte 4"),
    "truncated": (GOOD[:-1], "are not the end of an archive. Is the download complete?"),
    "trailing bytes": (GOOD + b"\0", "are not the end of an archive"),
    "a comment": (archive(("a.npy", ONE), comment=b"x" * 22), "are not the end of an archive"),
    "bytes in front": (b"#!/bin/sh\n" + GOOD, "the member 'a.npy' begins at byte 10, expected byte 0"),
    "bytes between members": (with_gap(), "the member 'b.npy' begins at byte"),
    "a damaged number": (changed(GOOD, GOOD.index(ONE) + len(ONE) - 1), "the archive is damaged: Bad CRC-32"),
    "a damaged header": (changed(GOOD, GOOD.index(ONE) + 20), "the archive is damaged: Bad CRC-32 for file 'a.npy'"),
    "no .npy file": (archive(("a.txt", b"text")), "the member 'a.txt' is no .npy file"),
    "two members of one name": (archive(("a.npy", ONE), ("a.npy", ONE)), "the member 'a.npy' occurs twice"),
    "no name": (archive((".npy", ONE)), "the member '.npy' is empty"),
    "a path upwards": (archive(("../a.npy", ONE)), "the member '../a.npy' is a path"),
    "a path from the root": (archive(("/etc/a.npy", ONE)), "the member '/etc/a.npy' is a path"),
    "a path of Windows": (archive(("..\\a.npy", ONE)), "is a path"),
    "encrypted": (encrypted(), "the member 'a.npy' is encrypted"),
    "an unusual compression": (archive(("a.npy", ONE), method=zipfile.ZIP_BZIP2), "is compressed by method 12, expected 0 or 8"),
    "no array inside": (archive(("a.npy", b"x" * 100)), "'a': bytes 0 to 5 are b'xxxxxx', expected b'\\x93NUMPY'"),
    "an empty member": (archive(("a.npy", b"")), "'a': bytes 0 to 5 are b''"),
    "version 9": (archive(("a.npy", with_header(header(), bytes(8), b"\x09\0"))), "the version, are 09 00"),
    "a header of 60,000 bytes": (
        archive(("a.npy", with_header(header().ljust(60_000)))),
        "the header has 60000 bytes, expected at most 10000",
    ),
    "objects": (archive(("a.npy", npy(np.array([{}], object)))), "'a': holds Python objects in a pickle"),
    "records": (archive(("a.npy", npy(np.zeros(2, [("x", "f4")])))), "An array of records must be split into its fields"),
    "text": (archive(("a.npy", npy(["ab"]))), "'a': has the type '<U2'"),
    "void": (archive(("a.npy", npy(np.zeros(2, "V4")))), "'a': has the type '|V4'"),
    "dates": (archive(("a.npy", npy(np.zeros(2, "M8[s]")))), "'a': has the type '<M8[s]'"),
    "complex": (archive(("a.npy", npy(np.zeros(2, complex)))), "'a': has the type '<c16'"),
    "empty strings, a billion": (archive(("a.npy", with_header(header("'|S0'", shape="(1000000000,)")))), "'a': has the type '|S0'"),
    "a shape of terabytes": (
        archive(("a.npy", with_header(header(shape="(1000000, 1000000)"), bytes(8)))),
        "expected 4000000000000 for float32",
    ),
    "a shape with a minus": (archive(("a.npy", with_header(header(shape="(-1,)"), bytes(8)))), "the header is"),
    "a shape with a boolean": (archive(("a.npy", with_header(header(shape="(True,)"), bytes(8)))), "the header is"),
    "a shape of huge numbers": (archive(("a.npy", with_header(header(shape=f"(0, {10**30})")))), f"the shape is (0, {10**30})"),
    "a shape of 5000 digits": (archive(("a.npy", with_header(header(shape=f"({'9' * 5000},)")))), "expected whole numbers"),
    "a shape of 70 axes": (archive(("a.npy", with_header(header(shape=f"({'1, ' * 70})"), bytes(4)))), "the shape is (1, 1"),
    "code in the header": (archive(("a.npy", with_header(header(shape="(__import__('os').getpid(),)"), bytes(8)))), "the header is"),
    "one key more": (archive(("a.npy", with_header(header(more="'x': 1, "), bytes(8)))), "the header is"),
    "too few numbers": (archive(("a.npy", with_header(header(), bytes(7)))), "the array has 7 bytes, expected 8 for float32 of shape (2,)"),
    "too many numbers": (archive(("a.npy", with_header(header(), bytes(9)))), "the array has 9 bytes, expected 8"),
    "a boolean of 2": (archive(("a.npy", with_header(header("'|b1'"), b"\1\2"))), "'a': holds the boolean 2, expected 0 or 1"),
    "a bomb": (
        archive(("a.npy", npy(np.zeros(25_000_000))), method=zipfile.ZIP_DEFLATED),
        "bytes expand to 200000128, expected at most 16777216",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("content", "part"), BAD.values(), ids=BAD)
def test_a_malformed_file_is_refused(content, part, tmp_path):
    path = tmp_path / "bad.npz"
    path.write_bytes(content)
    require_refusal(path, part)


def test_a_damaged_number_in_a_large_array_is_found(tmp_path):
    path = tmp_path / "large.npz"
    nl.save_state({"a": np.ones(1_000_000)}, path)
    with open(path, "r+b") as file:
        file.seek(5_000_000)
        file.write(b"\1")
    with pytest.raises(nl.FormatError, match=r"'a': the numbers do not match their checksum\. The file is damaged"):
        nl.load_state(path)


def test_a_file_that_ends_early_is_refused_wherever_it_ends(tmp_path):
    path = tmp_path / "short.npz"
    for end in range(len(GOOD)):
        path.write_bytes(GOOD[:end])
        with pytest.raises(nl.FormatError, match=r"short\.npz"):
            nl.load_state(path)


def test_no_flipped_bit_changes_a_number(tmp_path):
    nl.save_state({"a": np.arange(3.0)}, tmp_path / "good.npz")
    good, path = (tmp_path / "good.npz").read_bytes(), tmp_path / "flipped.npz"
    for i in range(0, 8 * len(good), 3):
        content = bytearray(good)
        content[i // 8] ^= 1 << i % 8
        path.write_bytes(content)
        try:
            (array,) = nl.load_state(path).values()
        except nl.FormatError:
            continue
        assert array.tolist() == [0.0, 1.0, 2.0]


def test_numpy_reads_what_netlib_wrote_and_the_other_way_round(tmp_path):
    rng = np.random.default_rng(0)
    base = rng.normal(size=(4, 6))
    for dtype in ("f4", "f8", ">f4", "i8", "?", "f2", "u1", ">u2"):
        a = (base * 10).astype(dtype)
        views = {
            "T": a.T,
            "F": np.asfortranarray(a),
            "step": a[:, ::2],
            "back": a[::-1],
            "same": np.broadcast_to(a[0], (5, 6)),
            "one": a[0, 0],
            "none": a[:0],
        }
        nl.save_state(views, tmp_path / "ours.npz")
        for save in (np.savez, np.savez_compressed):
            save(tmp_path / "theirs.npz", **views)
            loaded = nl.load_state(tmp_path / "theirs.npz")
            with np.load(tmp_path / "ours.npz", allow_pickle=False) as read:
                for name, view in views.items():
                    for each in (read[name], loaded[name]):
                        assert (each.dtype, each.shape) == (a.dtype.newbyteorder("="), view.shape)
                        np.testing.assert_array_equal(each, view)
                    assert loaded[name].flags.writeable


def test_a_weight_in_fortran_order_becomes_one_in_c_order(tmp_path):
    nl.save(nl.Affine(3, 4, rng=0), tmp_path / "model.npz")
    with np.load(tmp_path / "model.npz") as file:
        arrays = {name: np.asfortranarray(file[name]) for name in file}
    np.savez(tmp_path / "fortran.npz", **arrays)
    loaded = nl.load(tmp_path / "fortran.npz")
    assert loaded.weight.value.flags.c_contiguous
    assert loaded.weight.value.tolist() == arrays["weight"].tolist()


@pytest.mark.parametrize("name", ["file", "allow_pickle", "a.npy", "a/b", "a.npy.npy", "ä 🙂", "x" * 60_000])
def test_any_word_names_an_array(name, tmp_path):
    nl.save_state({name: np.ones(1)}, tmp_path / "state.npz")
    assert list(nl.load_state(tmp_path / "state.npz")) == [name]
    with np.load(tmp_path / "state.npz") as file:
        assert file[f"{name}.npy"].tolist() == [1.0]


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
@pytest.mark.parametrize(
    ("state", "part"),
    [
        ({"": np.ones(1)}, "'' cannot name an array: it is empty"),
        ({"a\0b": np.ones(1)}, "has a NUL"),
        ({"\ud800": np.ones(1)}, "has half a surrogate pair"),
        ({"../a": np.ones(1)}, "is a path"),
        ({"__metadata__": np.ones(1)}, "is reserved"),
        ({"__netlib__.x": np.ones(1)}, "is reserved"),
        ({3: np.ones(1)}, "got the name 3, expected a str"),
        ({"a": [1.0]}, "'a' is list, expected an array"),
        ({"a": np.array(["x"])}, "'a' has the type <U1"),
        ({"a": np.array([{}])}, "'a' has the type object"),
        ({"a": np.ones(1, np.longdouble)}, "which is not portable"),
        ({"a": np.ones(1, complex)}, "'a' has the type complex128"),
        ({"a": np.ma.array([1.0], mask=[True])}, "'a' is a masked array"),
        ([np.ones(1)], "got list, expected a dict of arrays"),
        (nl.Affine(1, 1), "Use nl.save for a model"),
    ],
)
def test_what_cannot_be_stored_is_refused_and_no_file_is_written(state, part, suffix, tmp_path):
    path = tmp_path / f"state{suffix}"
    path.write_bytes(b"old")
    with pytest.raises(nl.NetlibError, match=r"^save_state: ") as caught:
        nl.save_state(state, path)
    assert part in str(caught.value)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_shrinks_while_it_is_read_is_refused(tmp_path, monkeypatch):
    from netlib.files import npz

    path = tmp_path / "shrinking.npz"
    for size in (100_000, 2_000_000):  # read through zipfile, and directly
        nl.save_state({"a": np.ones(size)}, path)
        read_header = npz._read_header

        def cut_and_read(source, where, read_header=read_header):
            try:
                return read_header(source, where)
            finally:
                with open(path, "r+b") as file:
                    file.truncate(2000)

        monkeypatch.setattr(npz, "_read_header", cut_and_read)
        with pytest.raises(nl.FormatError, match=r"shrinking\.npz"):
            nl.load_state(path)
        monkeypatch.undo()


def pytorch_archive():
    return archive(("archive/data.pkl", pickle.dumps({})), ("archive/data/0", bytes(8)))


FOREIGN = {
    "PyTorch": (pytorch_archive(), "is a file of PyTorch, with a pickle", "safetensors.torch.save_file"),
    "old PyTorch": (
        b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.",
        "is a file of PyTorch, with a pickle", "safetensors.torch.save_file",
    ),
    "pickle": (pickle.dumps({"a": np.ones(2)}), "is a Python pickle, which netlib never loads", "nl.save_state"),
    "pickle, protocol 2": (pickle.dumps([1, 2], 2), "is a Python pickle", "nl.save_state"),
    "pickle, protocol 0": (pickle.dumps({"a": 1}, 0), "is a Python pickle", "nl.save_state"),
    "Git LFS": (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n", "is a Git LFS pointer", "git lfs pull"),
    "HTML": (b"\n<!DOCTYPE html><html><body>404</body></html>", "is an HTML page", "in a browser"),
    "HTML without a type": (b"\xef\xbb\xbf<html lang='en'>", "is an HTML page", "in a browser"),
    "XML": (b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', "is an XML page", "in a browser"),
    "HDF5": (b"\x89HDF\r\n\x1a\n" + bytes(100), "is an HDF5 file, such as Keras writes", "h5py"),
    "Keras": (archive(("metadata.json", b"{}"), ("config.json", b"{}"), ("model.weights.h5", b"")), "is a Keras file", "nl.save_state"),
    "npy": (npy([1.0]), "is a single array of NumPy", "np.load"),
    "gzip": (b"\x1f\x8b\x08" + bytes(20), "is compressed by gzip", "gunzip"),
}  # fmt: skip


@pytest.mark.parametrize("suffix", [".npz", ".safetensors", ".pt", ".pkl", ".h5", ""])
@pytest.mark.parametrize(("content", "what", "hint"), FOREIGN.values(), ids=FOREIGN)
def test_a_file_of_another_program_is_named(content, what, hint, suffix, tmp_path):
    path = tmp_path / f"file{suffix}"
    path.write_bytes(content)
    for load in (nl.load, nl.load_state):
        with pytest.raises(nl.FormatError) as caught:
            load(path)
        assert str(caught.value).startswith(f"{path}: {what}")
        assert hint in caught.value.hint


def test_the_two_formats_are_told_apart(tmp_path):
    nl.save_state({"a": np.ones(2)}, tmp_path / "a.npz")
    nl.save_state({"a": np.ones(2)}, tmp_path / "b.safetensors")
    (tmp_path / "a.npz").rename(tmp_path / "a.safetensors")
    (tmp_path / "b.safetensors").rename(tmp_path / "b.npz")
    with pytest.raises(nl.FormatError, match=r"a\.safetensors: has the format of \.npz\. Rename it to end in \.npz\."):
        nl.load_state(tmp_path / "a.safetensors")
    with pytest.raises(nl.FormatError, match=r"b\.npz: has the format of \.safetensors"):
        nl.load_state(tmp_path / "b.npz")


@pytest.mark.parametrize("name", ["model.pt", "model", "model.npy", "model.npz.bak", ".npz"])
def test_an_unknown_suffix_is_refused_with_the_known_ones(name, tmp_path):
    nl.save(nl.Affine(1, 1), tmp_path / "model.npz")
    (tmp_path / "model.npz").rename(tmp_path / name)
    for call in (nl.load, nl.load_state, lambda path: nl.save(nl.Affine(1, 1), path), lambda path: nl.save_state({}, path)):
        with pytest.raises(nl.InvalidValueError, match=r"has the suffix .*, expected one of \.npz, \.safetensors"):
            call(tmp_path / name)
    assert len(list(tmp_path.iterdir())) == 1


def test_a_missing_file_and_a_folder_are_errors_of_the_system(tmp_path):
    for load in (nl.load, nl.load_state):
        with pytest.raises(FileNotFoundError):
            load(tmp_path / "nothing.npz")
        with pytest.raises(OSError):  # noqa: PT011 - Windows has another one
            load(tmp_path)
