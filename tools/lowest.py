"""Prints the lowest versions that pyproject.toml allows, as constraints for pip."""

import re
import tomllib
from pathlib import Path

PROJECT = Path(__file__).parent.parent / "pyproject.toml"
BOUND = re.compile(r"([\w.-]+)>=([\d.]+)")


def constraints(project: dict[str, object]) -> list[str]:
    """`name==version` for each dependency with a lower bound, extras included."""
    match project:
        case {"dependencies": [*base], "optional-dependencies": {**extras}}:
            bounds = [BOUND.match(line) for lines in (base, *extras.values()) for line in lines]
            return sorted({f"{bound[1]}=={bound[2]}" for bound in bounds if bound})
    raise SystemExit("pyproject.toml lists no dependencies")


if __name__ == "__main__":
    print("\n".join(constraints(tomllib.loads(PROJECT.read_text())["project"])))
