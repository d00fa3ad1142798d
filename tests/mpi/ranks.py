"""Run a function of `programs` on several ranks, and return what it returns on each."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

FOLDER = Path(__file__).parent
MPIEXEC = Path(sys.executable).with_name("mpiexec")
SECONDS = 30
"""The longest that any job may take: a rank that waits for ever fails its test."""

START = """
import json, sys
sys.path.insert(0, sys.argv[1])
import warnings; warnings.simplefilter("error")
import programs
result = getattr(programs, sys.argv[2])(*json.loads(sys.argv[3]))
sys.stdout.write("\\n" + json.dumps([programs.RANK, result]) + "\\n")
"""


class Job(NamedTuple):
    returncode: int
    results: list
    """What each rank returned, in order; fewer if not all came to the end."""
    text: str
    errors: str


def start(n, function, *arguments, module=(), interrupts=False):
    """Run ``programs.function(*arguments)`` on n ranks, and press Ctrl-C once they write a line; they must all end in time."""
    command = [MPIEXEC, "-n", str(n), sys.executable, *module, "-c", START, str(FOLDER), function, json.dumps(arguments)]
    environment = os.environ | {"PYTHONPATH": str(FOLDER.parent.parent), "NETLIB_ACCELERATOR": "numpy", "OPENBLAS_NUM_THREADS": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment) as job:
        try:
            if interrupts:
                while job.stdout.readline() != "begun\n":
                    assert job.poll() is None
                job.send_signal(signal.SIGINT)
            text, errors = job.communicate(timeout=SECONDS)
        finally:
            job.kill()
    lines = [json.loads(line) for line in text.splitlines() if line.startswith(tuple(f"[{rank}," for rank in range(n)))]
    return Job(job.returncode, [result for _, result in sorted(lines)], text, errors)


def run(n, function, *arguments):
    """Return what ``programs.function(*arguments)`` returned on each of n ranks."""
    job = start(n, function, *arguments)
    assert job.returncode == 0, job.errors
    assert len(job.results) == n, job.text
    return job.results
