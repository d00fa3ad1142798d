"""Pages are tests: every python block of every page runs, in order, in one namespace a page. (Docstrings: --doctest-modules.)"""

import signal

from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser

pytest_collect_file = Sybil(parsers=[PythonCodeBlockParser()], patterns=["*.md"], excludes=["netlib/data/*.md"]).pytest()

# A shell that starts the suite in the background has it ignore Ctrl-C, of which there are tests.
signal.signal(signal.SIGINT, signal.default_int_handler)
