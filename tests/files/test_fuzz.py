"""Damaged files are refused: a short run of `tests/files/fuzz.py`."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ENVIRONMENT = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}


@pytest.mark.skipif(sys.platform != "linux", reason="limits of memory are Linux's")
@pytest.mark.parametrize("files", ["500", pytest.param("20,000", marks=pytest.mark.sweep)])
def test_no_damaged_file_leads_to_anything_but_a_refusal(files):
    script = Path(__file__).with_name("fuzz.py")
    command = [sys.executable, str(script), "--files", files.replace(",", ""), "--seed", "1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=script.parents[2], env=ENVIRONMENT)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert f"{files} files, 0 wrong" in done.stdout
