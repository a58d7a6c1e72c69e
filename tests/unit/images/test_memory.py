"""The memory limits of a process that decodes."""

import subprocess
import sys

LOWER_LIMIT = """
import resource
from imgscore.images import memory
resource.setrlimit(resource.RLIMIT_DATA, (1 << 30, 1 << 30))
memory.set_hard_limit(3 << 30)
print(*resource.getrlimit(resource.RLIMIT_DATA))
"""


def test_set_hard_limit_above_present_limit_keeps_it() -> None:
    """Only root may raise a limit: the worker would not start."""
    done = subprocess.run(
        [sys.executable, "-c", LOWER_LIMIT], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.split() == [str(1 << 30)] * 2
