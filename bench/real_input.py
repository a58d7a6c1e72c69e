"""The main job on real images: 2,000 in an inbox, 30 labels, then 300, 100 more, and a kill -9.

`python -m bench.real_input CORPUS [--files N]`: CORPUS holds wallpapers/, screenshots/ and
clipart/<category>/; the taste is "mixed": photographs, animals and food against the rest.
"""

import argparse
import random
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from imgscore.testing import Sandbox

KEEP = ("wallpapers", "clipart/animals", "clipart/food")
TRASH = ("screenshots", "clipart/shapes", "clipart/computer")


def auc(inbox: Path, truth: dict[str, bool]) -> float:
    """Of the newest-first order: the share of (keep, trash) pairs that stand right."""
    files = [path for path in inbox.iterdir() if path.is_file()]
    files.sort(key=lambda path: path.stat().st_mtime)
    below = right = 0
    for path in files:
        if truth[path.name]:
            right += below
        else:
            below += 1
    keeps = sum(truth[path.name] for path in files)
    return right / (keeps * (len(files) - keeps))


def label(inbox: Path, truth: dict[str, bool], count: int, pick: random.Random) -> None:
    """Move `count` files of the inbox with mv, as a person would."""
    names = sorted(path.name for path in inbox.iterdir() if path.is_file())
    for name in pick.sample(names, count):
        folder = "keep" if truth[name] else "trash"
        subprocess.run(["mv", "--", inbox / name, inbox / folder / name], check=True)


def timed(what: str, since: float, sandbox: Sandbox, truth: dict[str, bool] | None = None) -> None:
    """Wait until nothing is pending; print the seconds since `since`, and the AUC by `truth`."""
    sandbox.ask("wait")
    seconds = time.monotonic() - since
    quality = f"   AUC {auc(sandbox.inbox, truth):.3f}" if truth else ""
    print(f"{what:<44}{seconds:7.1f} s{quality}")


def main() -> None:
    """Run the job in a sandbox beside the corpus."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--files", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    pick = random.Random(arguments.seed)
    pools = {
        good: sorted(path for name in names for path in (arguments.corpus / name).iterdir())
        for good, names in ((True, KEEP), (False, TRASH))
    }
    chosen = [(path, good) for good, files in pools.items() for path in files]
    chosen = pick.sample(chosen, min(len(chosen), arguments.files + 100))
    truth = {path.name: good for path, good in chosen}
    files = [path for path, _ in chosen]
    with (
        tempfile.TemporaryDirectory(prefix="imgscore-real-", dir=arguments.corpus.parent) as folder,
        Sandbox(Path(folder)) as sandbox,
    ):
        sandbox.configure()
        run(sandbox, files[:-100], files[-100:], truth, pick)


def run(
    sandbox: Sandbox,
    first: list[Path],
    later: list[Path],
    truth: dict[str, bool],
    pick: random.Random,
) -> None:
    """Drop, kill, label, and drop again; print the times, and what restore-times gives back."""
    originals = drop(first, sandbox.inbox)
    sandbox.start()
    start = time.monotonic()
    third = len(truth) // 3
    sandbox.until(lambda status: status["watches"][0]["files"] >= third, seconds=3600)
    sandbox.kill()
    print(f"{'killed (-9) with a third embedded, after':<44}{time.monotonic() - start:7.1f} s")
    start = time.monotonic()
    sandbox.start()
    timed("started again, all embedded", start, sandbox)
    for count in (30, 270):
        start = time.monotonic()
        label(sandbox.inbox, truth, count, pick)
        timed(f"{count} more labels by mv → in order", start, sandbox, truth)
    start = time.monotonic()
    originals |= drop(later, sandbox.inbox)
    timed("100 more dropped → in order", start, sandbox, truth)
    rows = sandbox.ask("restore-times")
    wrong = sum(
        path.stat().st_mtime_ns != originals[path.name]
        for path in sandbox.inbox.rglob("*")
        if path.is_file() and path.name not in {file.name for file in later}
    )
    print(f"restore-times: {len(rows)} files, {wrong} with a wrong date")
    status = sandbox.status()
    watch = status["watches"][0]
    print(f"labels {watch['labels']}, failed {len(status['failed'])}, head {status['head']}")


def drop(files: list[Path], inbox: Path) -> dict[str, int]:
    """Copy files into the inbox; their dates (ns) by name."""
    copies = [Path(shutil.copyfile(file, inbox / file.name)) for file in files]
    return {copy.name: copy.stat().st_mtime_ns for copy in copies}


if __name__ == "__main__":
    main()
