"""Prints the dependencies without their upper bounds, for pip: `make test-newest`."""

import re
import tomllib
from pathlib import Path

PROJECT = Path(__file__).parent.parent / "pyproject.toml"
EXTRAS = ("raw", "jxl", "dask", "parquet", "tray")
HELD = ("typer",)
"""Dependencies that keep their upper bound. typer 0.29 loads pydantic at each call, and words the
errors of wrong numbers differently."""


def unbounded(project: dict[str, object]) -> list[str]:
    """Each dependency with only its lower bound, except those in HELD; EXTRAS are included."""
    match project:
        case {"dependencies": [*base], "optional-dependencies": {**extras}}:
            lines = [*base, *(line for extra in EXTRAS for line in extras[extra])]
            return sorted(
                line if line.startswith(HELD) else re.sub(r",<[\d.]+", "", line) for line in lines
            )
    raise SystemExit("pyproject.toml lists no dependencies")


if __name__ == "__main__":
    print("\n".join(unbounded(tomllib.loads(PROJECT.read_text())["project"])))
