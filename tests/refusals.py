"""The check that a malformed file is refused."""

import re
import time
import tracemalloc

import pytest

import netlib as nl


def require_refusal(path, part):
    """Check that loading fails with the file and `part` in the message, at once and with little memory."""
    for load in (nl.load_state, nl.load):
        tracemalloc.start()
        started = time.process_time()
        with pytest.raises(nl.FormatError, match=re.escape(part)) as caught:
            load(path)
        seconds, (_, peak) = time.process_time() - started, tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert path.name in str(caught.value)
        assert seconds < 0.5  # 0.1 without tracemalloc
        assert peak < 64 << 20
