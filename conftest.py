"""Pages are tests: every python block of every page runs, in order, in one namespace a page. (Docstrings: --doctest-modules.)"""

from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser

pytest_collect_file = Sybil(parsers=[PythonCodeBlockParser()], patterns=["*.md"], excludes=["netlib/data/*.md"]).pytest()
