"""Build the page "Try it" as a folder for any web server: its files, and netlib as a wheel.

    python docs/try-it/build.py FOLDER
    python -m http.server --directory FOLDER

Python itself comes from a public server when a reader presses the button. With ``--runtime PATH``
it comes from the copy of Pyodide in that folder, which becomes part of the page.
"""

import argparse
import json
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
PUBLIC_RUNTIME = "https://cdn.jsdelivr.net/pyodide/v0.27.7/full/"
FILES = ("index.html", "try-it.css", "try-it.js", "worker.js", "runner.py")


def build(folder: Path, runtime: Path | None = None) -> None:
    """Write the page into `folder`, which is created if missing."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.whl"):
        old.unlink()
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, HERE.parents[1], "tqdm"]
    subprocess.run(command, check=True)
    for name in FILES:
        shutil.copy(HERE / name, folder)
    if runtime:
        shutil.copytree(runtime, folder / "pyodide", dirs_exist_ok=True)
    settings = {
        "runtime": "pyodide/" if runtime else PUBLIC_RUNTIME,
        "wheels": sorted(wheel.name for wheel in folder.glob("*.whl")),
    }
    (folder / "settings.js").write_text(f"const SETTINGS = {json.dumps(settings)};\n", encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--runtime", type=Path, help="a folder with Pyodide and the NumPy wheel of its release")
    arguments = parser.parse_args()
    build(arguments.folder, arguments.runtime)
