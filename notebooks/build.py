"""Make the notebooks from the pages in source/: run each page, and keep what it shows.

    python -m notebooks.build                  all of them
    python -m notebooks.build 02 04            those that begin so

Run it in the root of the repository, with the extras `dev` and `docs`, after each change of a page.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Any

import jupytext
import nbformat

HERE = Path(__file__).parent
SOURCES = sorted((HERE / "source").glob("*.md"))
STRICT, LENIENT = ("import warnings; warnings.simplefilter('error')", "warnings.simplefilter('ignore')")
ENVIRONMENT = {"PYTHONPATH": str(HERE.parent), "NETLIB_ACCELERATOR": "numpy", "OPENBLAS_NUM_THREADS": "1"}


def read(source: Path) -> Any:
    """Return a page as a notebook that has not run."""
    notebook = jupytext.read(source, fmt="md")
    notebook.metadata = {
        "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
        "language_info": {"name": "python"},
    }
    for i, cell in enumerate(notebook.cells):
        cell.id, cell.metadata = f"cell-{i}", {}
    return notebook


def run(notebook: Any) -> Any:
    """Run all cells, with warnings as errors, and return the notebook with what they show."""
    from nbclient import NotebookClient

    strict, lenient = nbformat.v4.new_code_cell(STRICT), nbformat.v4.new_code_cell(LENIENT)
    notebook.cells = [strict, *notebook.cells, lenient]
    client = NotebookClient(notebook, timeout=300, record_timing=False, coalesce_streams=True, extra_arguments=["--log-level=ERROR"])
    client.execute(env={**os.environ, **ENVIRONMENT})
    notebook.cells = notebook.cells[1:-1]
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.execution_count -= 1
            for output in cell.outputs:
                if "execution_count" in output:
                    output.execution_count -= 1
                if "text" in output:
                    output.text = re.sub(r"\S*ipykernel_\d+/\d+\.py", "this cell", output.text)
    return notebook


def main() -> None:
    """Build the notebooks whose names begin with one of the arguments."""
    for source in SOURCES:
        if source.name.startswith(tuple(sys.argv[1:]) or ""):
            nbformat.write(run(read(source)), HERE / f"{source.stem}.ipynb")
            print(source.stem)


if __name__ == "__main__":
    main()
