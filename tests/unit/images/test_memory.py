"""What a process that decodes may take."""

import subprocess
import sys

CAPPED = """
import resource
from imgscore.images import memory
resource.setrlimit(resource.RLIMIT_DATA, (1 << 30, 1 << 30))
memory.cap(3 << 30)
print(*resource.getrlimit(resource.RLIMIT_DATA))
"""


def test_a_limit_that_is_lower_already_stays() -> None:
    """Who is not root may not raise it: the worker would not start."""
    done = subprocess.run(
        [sys.executable, "-c", CAPPED], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.split() == [str(1 << 30)] * 2
