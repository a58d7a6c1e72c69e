"""`python -m bench [NAME…]`: runs the benches, prints their figures, keeps them in RESULTS.md."""

from __future__ import annotations

import argparse
import importlib
import os
import shutil
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from bench.figures import RESULTS, Figure, Setting, commit, corpus_of, machine, merged, row

BENCHES = (
    "embed", "decode", "latency", "train", "score", "order", "order_session", "retrain", "rescan",
    "event", "idle", "startup", "size", "scale",
)  # fmt: skip
DRAWN = 480


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHES)}")
    parser.add_argument(
        "--corpus",
        type=Path,
        default=os.environ.get("IMGSCORE_CORPUS"),
        help="real images; default $IMGSCORE_CORPUS, else the demo's pictures",
    )
    parser.add_argument(
        "--scratch",
        type=Path,
        default=Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "imgscore-bench",
        help="where to work; a folder on a real disk",
    )
    parser.add_argument("--quick", action="store_true", help="smaller; RESULTS.md stays as it is")
    options = parser.parse_args()
    unknown = set(options.names) - set(BENCHES)
    if unknown:
        parser.error(f"no such bench: {', '.join(sorted(unknown))}")
    if options.corpus is not None and not options.corpus.is_dir():
        parser.error(f"{options.corpus} is no folder")
    return options


def _corpus(folder: Path | None, scratch: Path) -> tuple[tuple[Path, ...], str]:
    """The images, and where they come from, in words."""
    if folder is not None:
        found = corpus_of(folder)
        return found, f"{len(found)} images of --corpus {folder.name}"
    from imgscore.demo.pictures import draw_all, save

    place = scratch / "pictures"
    place.mkdir()
    for number, (name, image) in enumerate(draw_all(DRAWN)):
        save(image, place / name, (1_700_000_000 + number) * 10**9)
    return corpus_of(place), f"{DRAWN} pictures drawn by imgscore.demo"


def _say(figure: Figure) -> None:
    verdict = {True: "met", False: "MISSED", None: ""}[figure.met]
    floor = f"   floor {figure.floor}" if figure.floor else ""
    ratio = f"   ratio {figure.ratio:.2f}" if figure.ratio is not None else ""
    target = f"   target {figure.target} {verdict}" if figure.target else ""
    print(f"  {figure.what}: {figure.figure}{floor}{ratio}{target}", flush=True)


def main() -> int:
    """Exit code 1 where a target is missed."""
    options = _options()
    options.scratch.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix="run-", dir=options.scratch))
    missed = False
    try:
        corpus, source = _corpus(options.corpus, work)
        print(f"{machine()}\n{source}", flush=True)
        for name in options.names or BENCHES:
            print(f"{name}:", flush=True)
            place = work / name
            place.mkdir()
            bench = importlib.import_module(f"bench.{name}")
            figures: list[Figure] = []
            for figure in bench.measure(Setting(corpus, options.quick, place)):
                _say(figure)
                figures.append(figure)
                missed |= figure.met is False
            shutil.rmtree(place)
            if not options.quick:
                _keep(name, figures, source)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return int(missed)


def _keep(name: str, figures: list[Figure], source: str) -> None:
    """Written after each bench, so that a long run that is stopped has not been for nothing."""
    when = f"{datetime.now(UTC):%Y-%m-%d} {commit()}"
    head = (
        "# Results\nWritten by `make bench`; a rerun of one bench replaces its rows. "
        "Floor and figure are of one run.\n\n"
        f"Last run: {machine()}; {source}."
    )
    before = RESULTS.read_text(encoding="utf-8") if RESULTS.exists() else ""
    rows = {name: [row(name, figure, when) for figure in figures]}
    RESULTS.write_text(merged(before, rows, head, BENCHES), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
