"""The students' files are run by the tests, each in its own process, and never imported."""

collect_ignore = ["students"]
