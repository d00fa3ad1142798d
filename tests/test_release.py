"""What a release says of itself in several places."""

import re
from pathlib import Path

import netlib as nl

ROOT = Path(__file__).parents[1]


def test_changelog_and_citation_name_the_version_and_its_date():
    changelog, citation = ((ROOT / name).read_text(encoding="utf-8") for name in ("CHANGELOG.md", "CITATION.cff"))
    version, date = re.findall(r"^## (\d+\.\d+\.\d+) - (\d{4}-\d\d-\d\d)$", changelog, re.MULTILINE)[0]
    assert version == nl.__version__
    assert f"\nversion: {version}\n" in citation
    assert f'\ndate-released: "{date}"\n' in citation


def test_every_data_set_has_a_note_that_the_readme_lists():
    data = ROOT / "netlib" / "data"
    files = {path.stem for path in data.iterdir() if path.suffix in (".npz", ".txt")}
    notes = {path.name for path in data.glob("*.md")}
    assert notes == {f"{name.upper()}.md" for name in files}
    assert notes <= set(re.findall(r"netlib/data/(\w+\.md)", (ROOT / "README.md").read_text(encoding="utf-8")))
