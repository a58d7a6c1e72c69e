"""Commands that run a daemon with fewer rights. Where they do not work, the test is skipped."""

import subprocess
from collections.abc import Sequence

import pytest

from tests.support import needs


def usable(prefix: Sequence[str]) -> list[str]:
    """A prefix, after a trial with the program `true`."""
    done = subprocess.run([*prefix, "true"], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"cannot run {prefix[0]} here: {done.stderr.strip()}")
    return [*prefix]


def limited(name: str, value: int) -> list[str]:
    """Runs a command in a user namespace, with a limit of /proc/sys/user."""
    needs.program("unshare", "util-linux")
    script = f'echo {value} > /proc/sys/user/{name}; exec "$@"'
    return usable(["unshare", "-Ur", "bash", "-c", script, "bash"])


def without_access() -> list[str]:
    """Runs a command without the right of root to read every file."""
    needs.root("to have the right that it gives up")
    needs.program("setpriv", "util-linux")
    rights = "-dac_override,-dac_read_search"
    return usable(["setpriv", f"--bounding-set={rights}", f"--inh-caps={rights}"])
