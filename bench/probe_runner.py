"""The child process of bench.check: measures the probes of the tree that is first in `sys.path`.

bench.check runs this file for the working tree and for an earlier commit. From a tree it uses only
`bench.probes.probes(scratch)`, and the `name` and `seconds()` of each probe.

Protocol, one JSON value a line: it writes {"names": […], "error": …} first. For each request
[name, count] on stdin it writes {"seconds": …}, the CPU time of `count` runs, or {"error": …}.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any, TextIO


def main() -> None:
    """Serve requests until stdin ends. The argument is an empty folder for the probes' files."""
    output = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # text that probes print goes to stderr
    probes: dict[str, Any] = {}
    error = ""
    try:
        from bench.probes import probes as all_probes

        for probe in all_probes(Path(sys.argv[1])):
            probes[probe.name] = probe
    except Exception as problem:  # noqa: BLE001 - the tree's own code, whose errors are reported
        error = f"{type(problem).__name__}: {problem}"
    _write(output, {"names": list(probes), "error": error})
    for line in sys.stdin:
        name, count = json.loads(line)
        try:
            seconds = sum(probes[name].seconds() for _ in range(count))
        except Exception as problem:  # noqa: BLE001
            _write(output, {"error": f"{type(problem).__name__}: {problem}"})
        else:
            _write(output, {"seconds": seconds})


def _write(output: TextIO, row: dict[str, Any]) -> None:
    output.write(json.dumps(row) + "\n")
    output.flush()


if __name__ == "__main__":
    main()
