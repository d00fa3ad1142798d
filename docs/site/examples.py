"""Run the examples, and write a page for each: picture, output and code.

``python -m docs.site.examples`` runs them alone. One runs again only if it or netlib changed.
"""

from __future__ import annotations

import ast
import hashlib
import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from . import EXAMPLES, ROOT

SETTINGS = {  # a picture, and fewer steps where the whole training takes minutes
    "add_numbers": "--plot picture.svg",
    "chapter": "--draw picture.svg",
    "denoising": "--plot picture.svg",
    "digits": "--plot picture.svg",
    "digits_cnn": "--plot picture.svg",
    "gpt": "--steps 500 --draw picture.svg",
    "open_onnx": "--draw picture.svg",
    "residual_images": "--plot picture.svg",
    "series": "--epochs 50 --plot picture.svg",
    "spirals": "--plot picture.svg",
}
PROMISES = {  # what an example must reach, with any processor's rounding
    "add_numbers": (r"held-out sums that are right: ([\d.]+)%", 99),
    "digits_cnn": (r"held-out accuracy ([\d.]+)", 0.99),
}
LONGEST = ["add_numbers", "gpt", "char_lstm", "digits_cnn"]


def sources() -> list[Path]:
    """Return the examples, in the order of their names."""
    return sorted((ROOT / "examples").glob("*.py"))


def run_all() -> None:
    """Run every example without output of its present code, two at a time, longest first."""
    netlib = b"".join(path.read_bytes() for path in sorted((ROOT / "netlib").rglob("*.py")))
    version = hashlib.sha256(netlib).hexdigest()
    ordered = sorted(sources(), key=lambda path: path.stem not in LONGEST)
    with ThreadPoolExecutor(2) as threads:
        for _ in threads.map(lambda path: _run(path, version), ordered):
            pass


def _run(path: Path, version: str) -> None:
    folder, settings = EXAMPLES / path.stem, SETTINGS.get(path.stem, "")
    key = hashlib.sha256(path.read_bytes() + f"{settings} {version}".encode()).hexdigest()
    done = folder / "key"
    if done.exists() and done.read_text() == key:
        return
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    environment = os.environ | {"MPLBACKEND": "agg", "OPENBLAS_NUM_THREADS": "1", "NETLIB_ACCELERATOR": "numpy", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-W", "error", str(path), *settings.split()]
    result = subprocess.run(command, check=False, cwd=folder, env=environment, capture_output=True, text=True, encoding="utf-8")
    if result.returncode:
        raise RuntimeError(f"examples/{path.name} failed:\n{result.stdout}{result.stderr}")
    if path.stem in PROMISES:
        pattern, least = PROMISES[path.stem]
        reached = re.findall(pattern, result.stdout)[-1:]
        if not reached or float(reached[0]) < least:
            raise RuntimeError(f"examples/{path.name} reached {reached} instead of {least}:\n{result.stdout}")
    (folder / "output.txt").write_text(result.stdout, encoding="utf-8")
    done.write_text(key)


def pages() -> dict[str, str | bytes]:
    """Return the pages of the examples and their pictures, by path."""
    run_all()
    made: dict[str, str | bytes] = {}
    cards = []
    for path in sources():
        name = path.stem
        title, _, text = (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").partition("\n")
        title = title.rstrip(".")
        picture = EXAMPLES / name / "picture.svg"
        settings = "".join(f" {word}" for word in SETTINGS.get(name, "").split()).replace("picture.svg", f"{name}.svg")
        shown, card = "", ""
        if picture.exists():
            made[f"examples/{name}.svg"] = picture.read_bytes()
            shown = f"![What the example draws: {title}]({name}.svg)\n"
            card = f":img-top: {name}.svg\n:img-alt: What the example draws\n"
        made[f"examples/{name}.md"] = (
            f"# {title}\n{text}\n\n{shown}\n## Output\n\n```console\n$ python examples/{path.name}{settings}\n"
            f"{(EXAMPLES / name / 'output.txt').read_text(encoding='utf-8')}```\n\n## Code\n\n"
            f"[Download {path.name}](../files/{path.name})\n\n```{{literalinclude}} ../files/{path.name}\n:language: python\n```\n"
        )
        made[f"files/{path.name}"] = path.read_bytes()
        cards.append(f":::{{grid-item-card}} {title}\n:link: {name}\n:link-type: doc\n{card}\n`{path.name}`\n:::\n")
    made["examples/index.md"] = (
        "# Examples\n\nScripts to start from. Each has `--help`, and the same seed always gives the same output. Each page shows\n"
        "what the script printed and drew when this site was built.\n\n::::{grid} 1 2 3 3\n:gutter: 3\n\n"
        + "\n".join(cards)
        + "::::\n\n```{toctree}\n:hidden:\n\n"
        + "\n".join(path.stem for path in sources())
        + "\n```\n"
    )
    return made


if __name__ == "__main__":
    run_all()
