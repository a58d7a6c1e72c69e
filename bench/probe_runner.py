"""Runs in a process of its own: measures the probes of whatever tree its `sys.path` begins with.

bench.check starts it for the working tree and for an earlier commit. Of either it uses only
`bench.probes.probes(scratch)` and each probe's `name` and `seconds()`, and nothing of its own tree.

It first writes {"names": […], "error": …}. Each line [name, count] that it reads it answers with
{"seconds": …}, the CPU time of `count` runs, or {"error": …}.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any, TextIO


def main() -> None:
    """`probe_runner.py SCRATCH`, an empty folder."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # probes may print
    probes: dict[str, Any] = {}
    error = ""
    try:
        from bench.probes import probes as all_probes

        for probe in all_probes(Path(sys.argv[1])):
            probes[probe.name] = probe
    except Exception as problem:  # noqa: BLE001 - another tree's code, whose error is reported
        error = f"{type(problem).__name__}: {problem}"
    _write(answers, {"names": list(probes), "error": error})
    for line in sys.stdin:
        name, count = json.loads(line)
        try:
            seconds = sum(probes[name].seconds() for _ in range(count))
        except Exception as problem:  # noqa: BLE001
            _write(answers, {"error": f"{type(problem).__name__}: {problem}"})
        else:
            _write(answers, {"seconds": seconds})


def _write(answers: TextIO, row: dict[str, Any]) -> None:
    answers.write(json.dumps(row) + "\n")
    answers.flush()


if __name__ == "__main__":
    main()
