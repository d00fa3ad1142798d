"""A file that cannot be written leaves the old one as it was, and nothing beside it."""

import os
import shutil
import signal
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import netlib as nl
from netlib.files import npz, write_file, writing

OLD = b"what was there before"


def to_csv(path):
    history = nl.History(["loss"])
    history.append({"loss": 0.5})
    history.to_csv(path)


def draw(path):
    nl.draw(nl.Affine(2, 2, rng=0), np.ones((3, 2))).save(path)


def state(n):
    return {"x": np.ones(n), "y": np.zeros(3)}


WRITERS = {
    "save, npz": (lambda path: nl.save(nl.Affine(2, 2, rng=0), path), "model.npz"),
    "save, safetensors": (lambda path: nl.save(nl.Affine(2, 2, rng=0), path), "model.safetensors"),
    "save_state, npz": (lambda path: nl.save_state(state(500_000), path), "state.npz"),
    "save_state, safetensors": (lambda path: nl.save_state(state(500_000), path), "state.safetensors"),
    "History.to_csv": (to_csv, "history.csv"),
    "Drawing.save": (draw, "net.dot"),
    "write_file": (lambda path: write_file(path, b"new"), "file"),
}


@pytest.fixture(params=WRITERS.values(), ids=WRITERS)
def writer(request, tmp_path):
    write, name = request.param
    path = tmp_path / name
    path.write_bytes(OLD)
    return write, path


def test_a_file_is_replaced_as_a_whole(writer):
    write, path = writer
    write(path)
    assert path.read_bytes() != OLD
    assert os.listdir(path.parent) == [path.name]


@pytest.mark.parametrize("error", [OSError("No space left on device"), KeyboardInterrupt()], ids=repr)
@pytest.mark.parametrize("name", ["fsync", "replace"])
def test_a_failure_in_the_middle_leaves_the_old_file(writer, monkeypatch, error, name):
    def fail(*arguments):
        raise error

    write, path = writer
    monkeypatch.setattr(writing.os, name, fail)
    with pytest.raises(type(error)):
        write(path)
    assert path.read_bytes() == OLD
    assert os.listdir(path.parent) == [path.name]


CHILD = """
import os, resource, signal, sys
sys.path[:0] = {path!r}
import numpy as np
import netlib as nl
from netlib.files import write_file
{before}
{write}
"""


def run_child(before, file, write="write_file({file!r}, b'x' * 100_000)"):
    code = CHILD.format(path=[str(Path(nl.__file__).parents[1])], before=before, write=write.format(file=str(file)))
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


@pytest.mark.skipif(sys.platform == "win32", reason="limits of a process are POSIX")
@pytest.mark.parametrize("name", ["file", "state.npz", "state.safetensors"])
def test_a_full_disk_leaves_the_old_file(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(OLD)
    before = "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))"
    write = "write_file({file!r}, b'x' * 100_000)" if name == "file" else "nl.save_state({{'x': np.ones(100_000)}}, {file!r})"
    done = run_child(before, path, write)
    assert "OSError" in done.stderr
    assert "File too large" in done.stderr
    assert path.read_bytes() == OLD
    assert os.listdir(tmp_path) == [name]


@pytest.mark.skipif(sys.platform == "win32", reason="users of a process are POSIX")
def test_a_folder_that_is_read_only_leaves_the_old_file(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(OLD)
    for folder in (tmp_path, *tmp_path.parents[:3]):
        folder.chmod(0o755)
    tmp_path.chmod(0o555)
    done = run_child("import netlib.files.writing; os.getuid() or os.setuid(65534)", path)
    tmp_path.chmod(0o755)
    assert "PermissionError" in done.stderr
    assert path.read_bytes() == OLD
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX")
def test_a_process_that_is_killed_while_it_writes_leaves_the_old_file(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(OLD)
    done = run_child("os.fsync = lambda descriptor: os.kill(os.getpid(), signal.SIGKILL)", path)
    assert done.returncode == -signal.SIGKILL
    assert path.read_bytes() == OLD


def test_a_symbolic_link_stays_and_its_target_is_replaced(tmp_path):
    target, link = tmp_path / "target", tmp_path / "link"
    (tmp_path / "folder").mkdir()
    target.write_bytes(OLD)
    link.symlink_to(target)
    write_file(link, b"new")
    assert link.is_symlink()
    assert target.read_bytes() == b"new"
    dangling = tmp_path / "dangling"
    dangling.symlink_to(tmp_path / "folder" / "later")
    write_file(dangling, b"new")
    assert (tmp_path / "folder" / "later").read_bytes() == b"new"


def test_permissions_are_those_of_the_old_file_or_of_any_new_one(tmp_path):
    old = tmp_path / "old"
    old.write_bytes(OLD)
    old.chmod(0o640)
    write_file(old, b"new")
    assert stat.S_IMODE(old.stat().st_mode) == 0o640
    write_file(tmp_path / "new", b"new")
    (tmp_path / "reference").touch()
    assert (tmp_path / "new").stat().st_mode == (tmp_path / "reference").stat().st_mode


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_both_formats_keep_links_and_permissions(tmp_path, suffix):
    target, link = tmp_path / f"target{suffix}", tmp_path / f"link{suffix}"
    target.write_bytes(OLD)
    target.chmod(0o640)
    link.symlink_to(target)
    nl.save_state(state(2), link)
    assert link.is_symlink()
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
    assert nl.load_state(target)["x"].tolist() == [1.0, 1.0]
    nl.save_state(state(2), tmp_path / f"new{suffix}")
    (tmp_path / "reference").touch()
    assert (tmp_path / f"new{suffix}").stat().st_mode == (tmp_path / "reference").stat().st_mode


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_what_is_replaced_was_flushed_to_the_disk(tmp_path, suffix, monkeypatch):
    synced = []
    fsync = os.fsync
    monkeypatch.setattr(writing.os, "fsync", lambda descriptor: (synced.append(os.fstat(descriptor).st_ino), fsync(descriptor)))
    nl.save_state(state(2), tmp_path / f"state{suffix}")
    assert (tmp_path / f"state{suffix}").stat().st_ino in synced
    assert synced[-1] == tmp_path.stat().st_ino


@pytest.mark.skipif(sys.platform == "win32", reason="users of a process are POSIX")
def test_a_file_that_is_read_only_is_not_replaced(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(OLD)
    path.chmod(0o444)
    for folder in (tmp_path, *tmp_path.parents[:3]):
        folder.chmod(0o777)
    done = run_child("import netlib.files.writing; os.getuid() or os.setuid(65534)", path)
    assert "PermissionError" in done.stderr
    assert path.read_bytes() == OLD
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize("name", ["x" * 255, "é" * 127, "🙂" * 63, "a" * 251 + ".npz"])
def test_a_name_may_be_as_long_as_the_system_allows(tmp_path, name):
    write_file(tmp_path / name, b"new")
    assert os.listdir(tmp_path) == [name]


def test_what_a_killed_writer_left_is_removed_later_and_nothing_else(tmp_path):
    temporary = f".file.{'0a' * 16}.tmp"
    names = [temporary, ".file.backup.tmp", f".other.{'0a' * 16}.tmp", f"file.{'0a' * 16}.tmp", f".file.{'0a' * 16}.tmp.old"]
    for name in names:
        (tmp_path / name).write_bytes(b"half")
        os.utime(tmp_path / name, (0, 0))
    folder = tmp_path / f"{temporary}.d"
    folder.mkdir()
    (folder / ".tmpAbCdEf").write_bytes(b"half, by a library")
    fresh = f".file.{'1b' * 16}.tmp"
    (tmp_path / fresh).write_bytes(b"of a writer that has just begun")
    write_file(tmp_path / "file", b"new")
    assert set(os.listdir(tmp_path)) == {"file", fresh, *names[1:]}


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not remove open files anyway")
def test_a_slow_writer_is_not_taken_for_a_killed_one(tmp_path):
    with writing.open_replacement(tmp_path / "file") as slow:
        slow.write(b"slow")
        slow.flush()
        os.utime(slow.name, (0, 0))
        write_file(tmp_path / "file", b"fast")
        assert (tmp_path / "file").read_bytes() == b"fast"
    assert (tmp_path / "file").read_bytes() == b"slow"
    assert os.listdir(tmp_path) == ["file"]


def test_a_folder_that_vanishes_is_an_error_of_the_system(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    with pytest.raises(FileNotFoundError), writing.open_replacement(folder / "file") as file:  # noqa: PT012
        file.write(b"new")
        shutil.rmtree(folder)
    assert not folder.exists()


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(28, "No space left on device"), MemoryError()], ids=repr)
def test_an_interrupt_in_the_middle_of_the_numbers_leaves_the_old_file(tmp_path, suffix, error, monkeypatch):
    path = tmp_path / f"state{suffix}"
    nl.save_state(state(2), path)
    before = path.read_bytes()

    def fail(*arguments, **options):
        raise error

    if suffix == ".npz":
        monkeypatch.setattr(npz, "_write_member", fail)
    else:
        monkeypatch.setattr("safetensors.serialize_file", fail)
    with pytest.raises(type(error)):
        nl.save_state(state(500_000), path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == [path.name]


WRITER = """
import sys
sys.path[:0] = {path!r}
import numpy as np
import netlib as nl
for i in range({n}):
    nl.save_state({{"x": np.full(200_000, {number}), "y": np.full(50_000, {number})}}, {file!r})
"""


@pytest.mark.one_in(2)
@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_two_writers_never_mix_and_readers_never_see_half_a_file(tmp_path, suffix):
    path = tmp_path / f"state{suffix}"
    nl.save_state({"x": np.full(200_000, 0.0), "y": np.full(50_000, 0.0)}, path)
    root = [str(Path(nl.__file__).parents[1])]
    codes = [WRITER.format(path=root, n=15, number=number, file=str(path)) for number in (1.0, 2.0)]
    writers = [subprocess.Popen([sys.executable, "-c", code]) for code in codes]
    seen = set()
    while any(writer.poll() is None for writer in writers):
        loaded = nl.load_state(path)
        values = {float(value) for array in loaded.values() for value in (array.min(), array.max())}
        assert len(values) == 1
        seen |= values
    assert [writer.returncode for writer in writers] == [0, 0]
    assert len(seen) > 1
    assert os.listdir(tmp_path) == [path.name]


def test_what_is_no_regular_file_is_written_to(tmp_path):
    write_file(os.devnull, b"new")
    assert not stat.S_ISREG(os.stat(os.devnull).st_mode)
    reader, writer = os.pipe()
    write_file(f"/dev/fd/{writer}", b"new")
    assert os.read(reader, 10) == b"new"
    os.close(reader)
    os.close(writer)


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        write_file(tmp_path / "nowhere" / "file", b"new")


KILLED_IN_THE_LIBRARY = """
import os, signal, sys
from pathlib import Path
import safetensors
import netlib as nl

def write_half(specs, path, metadata):
    (Path(path).parent / ".tmpAbCdEf").write_bytes(b"half")
    os.kill(os.getpid(), signal.SIGKILL)

safetensors.serialize_file = write_half
nl.save(nl.Affine(2, 2, rng=1), sys.argv[1])
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_a_kill_inside_the_safetensors_library_leaves_nothing_for_ever(tmp_path):
    path = tmp_path / "model.safetensors"
    nl.save(nl.Affine(2, 2, rng=0), path)
    before = path.read_bytes()
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", KILLED_IN_THE_LIBRARY, path], check=False, env=environment)
    assert done.returncode == -signal.SIGKILL
    assert path.read_bytes() == before
    left = [each for each in tmp_path.iterdir() if each != path]
    assert left
    for each in left:
        os.utime(each, (0, 0))
    nl.save(nl.load(path), path)
    assert list(tmp_path.iterdir()) == [path]
