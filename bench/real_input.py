"""The main use on real images: 2,000 files in an inbox, 30 and 300 labels, 100 more files, SIGKILL.

`python -m bench.real_input CORPUS [--files N]`: CORPUS has wallpapers/, screenshots/ and
clipart/<category>/. The labels are keep for photographs, animals and food, and trash for others.
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


def compute_auc(inbox: Path, truth: dict[str, bool]) -> float:
    """The share of (keep, trash) pairs in which the keep file has the newer date."""
    files = [path for path in inbox.iterdir() if path.is_file()]
    files.sort(key=lambda path: path.stat().st_mtime)
    older_trash = right = 0
    for path in files:
        if truth[path.name]:
            right += older_trash
        else:
            older_trash += 1
    keeps = sum(truth[path.name] for path in files)
    return right / (keeps * (len(files) - keeps))


def label(inbox: Path, truth: dict[str, bool], count: int, pick: random.Random) -> None:
    """Label `count` files of the inbox by moving them with mv."""
    names = sorted(path.name for path in inbox.iterdir() if path.is_file())
    for name in pick.sample(names, count):
        folder = "keep" if truth[name] else "trash"
        subprocess.run(["mv", "--", inbox / name, inbox / folder / name], check=True)


def print_duration(
    name: str, start: float, sandbox: Sandbox, truth: dict[str, bool] | None = None
) -> None:
    """Wait until nothing is pending; print the seconds since `start`, and the AUC by `truth`."""
    sandbox.ask("wait")
    seconds = time.monotonic() - start
    auc = f"   AUC {compute_auc(sandbox.inbox, truth):.3f}" if truth else ""
    print(f"{name:<44}{seconds:7.1f} s{auc}")


def main() -> None:
    """Run all steps in a sandbox beside the corpus."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--files", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    pick = random.Random(arguments.seed)
    pools = {
        keep: sorted(path for name in names for path in (arguments.corpus / name).iterdir())
        for keep, names in ((True, KEEP), (False, TRASH))
    }
    chosen = [(path, keep) for keep, files in pools.items() for path in files]
    chosen = pick.sample(chosen, min(len(chosen), arguments.files + 100))
    truth = {path.name: keep for path, keep in chosen}
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
    """Add files, kill, label, and add more files; print the times and the restored dates."""
    originals = add_files(first, sandbox.inbox)
    sandbox.start()
    start = time.monotonic()
    third = len(truth) // 3
    sandbox.until(lambda status: status["watches"][0]["files"] >= third, seconds=3600)
    sandbox.kill()
    print(f"{'SIGKILL when a third is embedded, after':<44}{time.monotonic() - start:7.1f} s")
    start = time.monotonic()
    sandbox.start()
    print_duration("restarted → all embedded", start, sandbox)
    for count in (30, 270):
        start = time.monotonic()
        label(sandbox.inbox, truth, count, pick)
        print_duration(f"{count} more labels by mv → in order", start, sandbox, truth)
    start = time.monotonic()
    originals |= add_files(later, sandbox.inbox)
    print_duration("100 more files → in order", start, sandbox, truth)
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


def add_files(files: list[Path], inbox: Path) -> dict[str, int]:
    """Copy files into the inbox; returns name → date in ns."""
    copies = [Path(shutil.copyfile(file, inbox / file.name)) for file in files]
    return {copy.name: copy.stat().st_mtime_ns for copy in copies}


if __name__ == "__main__":
    main()
