"""A file that cannot be written leaves the old one as it was, and nothing beside it."""

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import netlib as nl
from netlib.files import write_file, writing

OLD = b"what was there before"


def to_csv(path):
    history = nl.History(["loss"])
    history.append({"loss": 0.5})
    history.to_csv(path)


def draw(path):
    nl.draw(nl.Affine(2, 2, rng=0), np.ones((3, 2))).save(path)


WRITERS = {
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
from netlib.files import write_file
{before}
write_file({file!r}, b"x" * 100_000)
"""


def run_child(before, file):
    code = CHILD.format(path=[str(Path(nl.__file__).parents[1])], before=before, file=str(file))
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


@pytest.mark.skipif(sys.platform == "win32", reason="limits of a process are POSIX")
def test_a_full_disk_leaves_the_old_file(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(OLD)
    done = run_child("signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))", path)
    assert "OSError" in done.stderr
    assert path.read_bytes() == OLD
    assert os.listdir(tmp_path) == ["file"]


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
