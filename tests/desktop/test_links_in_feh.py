"""feh, sorted by name, shows a folder of links in the order of the ranks."""

import os
import subprocess
from pathlib import Path

from tests.e2e.test_links import links, taught
from tests.support import needs


def test_feh_sorted_by_name_shows_links_in_the_order_of_ranks(inbox: Path, tmp_path: Path) -> None:
    needs.program("feh", "feh")
    needs.program("Xvfb", "xvfb")
    needs.program("xvfb-run", "xvfb")
    taught(inbox)
    best = tmp_path / "best"
    rows = links(best, "--top", "15", "--rank-prefix")
    listed = subprocess.run(
        ["xvfb-run", "-a", "feh", "--sort", "name", "--list", best],
        env={**os.environ, "XAUTHORITY": os.fspath(tmp_path / "authority")},
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    found = [line.rpartition("\t")[2] for line in listed.stdout.splitlines()[1:]]
    assert found == [row["path"] for row in rows]
