"""The main job on real images: 2,000 in an inbox, 30 labels, then 300, 100 more, and a kill -9.

`python -m bench.real_input CORPUS [--files N]`: CORPUS holds wallpapers/, screenshots/ and
clipart/<category>/; the taste is "mixed": photographs, animals and food against the rest.
"""

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from imgscore import client, paths
from imgscore.messages import Result
from imgscore.testing import Row

KEEP = ("wallpapers", "clipart/animals", "clipart/food")
TRASH = ("screenshots", "clipart/shapes", "clipart/computer")


def ask(verb: str, **arguments: object) -> list[Row]:
    """What the daemon answers."""
    connection = client.connect(paths.socket_path())
    if connection is None:
        raise SystemExit("the daemon does not answer")
    with connection:
        messages = client.exchange(connection, verb, arguments)
        return [one.row for one in messages if isinstance(one, Result)]


def begin() -> "subprocess.Popen[bytes]":
    """A daemon that answers."""
    process = subprocess.Popen([sys.executable, "-m", "imgscored.main"], stderr=subprocess.DEVNULL)
    while True:
        connection = client.connect(paths.socket_path())
        if connection is not None:
            connection.close()
            return process
        time.sleep(0.01)


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


def timed(what: str, since: float, inbox: Path, truth: dict[str, bool], ordered: bool) -> None:
    """Wait until the daemon has nothing to do, and say how long it took."""
    ask("wait")
    seconds = time.monotonic() - since
    print(f"{what:<44}{seconds:7.1f} s" + (f"   AUC {auc(inbox, truth):.3f}" if ordered else ""))


def main() -> None:
    """Run the whole story in a temporary home."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--files", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    pick = random.Random(arguments.seed)
    base = Path(tempfile.mkdtemp(prefix="imgscore-real-", dir=arguments.corpus.parent))
    for variable in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME", "XDG_RUNTIME_DIR"):
        os.environ[variable] = str(base / variable.lower())
    inbox = base / "inbox"
    subprocess.run([Path(sys.executable).parent / "imgscore", "init", inbox], check=True)
    pools = {
        good: sorted(path for name in names for path in (arguments.corpus / name).iterdir())
        for good, names in ((True, KEEP), (False, TRASH))
    }
    chosen = [(path, good) for good, files in pools.items() for path in files]
    chosen = pick.sample(chosen, min(len(chosen), arguments.files + 100))
    truth = {path.name: good for path, good in chosen}
    first, later = chosen[:-100], chosen[-100:]
    for path, _ in first:
        shutil.copyfile(path, inbox / path.name)
    originals = {path.name: path.stat().st_mtime_ns for path in inbox.iterdir()}
    daemon = begin()
    try:
        start = time.monotonic()
        while ask("status")[0]["watches"][0]["files"] < len(truth) // 3:
            time.sleep(0.05)
        daemon.send_signal(signal.SIGKILL)
        daemon.wait()
        print(f"{'killed (-9) with a third embedded, after':<44}{time.monotonic() - start:7.1f} s")
        start = time.monotonic()
        daemon = begin()
        timed("started again, all embedded", start, inbox, truth, ordered=False)
        for count in (30, 270):
            start = time.monotonic()
            label(inbox, truth, count, pick)
            timed(f"{count} more labels by mv → in order", start, inbox, truth, ordered=True)
        start = time.monotonic()
        for path, _ in later:
            shutil.copyfile(path, inbox / path.name)
            originals[path.name] = (inbox / path.name).stat().st_mtime_ns
        timed("100 more dropped → in order", start, inbox, truth, ordered=True)
        rows = ask("restore-times")
        wrong = sum(
            path.stat().st_mtime_ns != originals[path.name]
            for path in inbox.rglob("*")
            if path.is_file() and path.name not in {one.name for one, _ in later}
        )
        print(f"restore-times: {len(rows)} files, {wrong} with a wrong date")
        status = ask("status")[0]
        watch = status["watches"][0]
        print(f"labels {watch['labels']}, failed {len(status['failed'])}, head {status['head']}")
    finally:
        daemon.terminate()
        daemon.wait()
        shutil.rmtree(base)


if __name__ == "__main__":
    main()
