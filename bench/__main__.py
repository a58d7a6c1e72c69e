"""`python -m bench [NAME…]`: runs benchmarks, prints the figures and writes them to RESULTS.md."""

from __future__ import annotations

import argparse
import compileall
import importlib.util
import os
import shutil
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from bench.figures import (
    RESULTS,
    Figure,
    Setting,
    describe_commit,
    describe_machine,
    format_row,
    list_images,
    merge_rows,
)

BENCHES = (
    "embed", "decode", "latency", "train", "score", "order", "order_groups", "order_session",
    "retrain", "rescan", "event", "idle", "startup", "size", "scale", "workers", "search", "groups",
    "label_effect", "growth", "million", "dates", "answers",
)  # fmt: skip
DEMO_IMAGES = 480
"""images drawn where no corpus is given: enough for the quick benchmarks"""


def _parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"one or more of {', '.join(BENCHES)}"
    )
    parser.add_argument(
        "--corpus",
        type=Path,
        default=os.environ.get("IMGSCORE_CORPUS"),
        help="a folder of real images; default: $IMGSCORE_CORPUS, else images that the demo draws",
    )
    parser.add_argument(
        "--scratch",
        type=Path,
        default=Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "imgscore-bench",
        help="where to write temporary files; a folder on a real disk",
    )
    parser.add_argument(
        "--quick", action="store_true", help="measure less; do not write RESULTS.md"
    )
    options = parser.parse_args()
    unknown = set(options.names) - set(BENCHES)
    if unknown:
        parser.error(f"no such benchmark: {', '.join(sorted(unknown))}")
    if options.corpus is not None and not options.corpus.is_dir():
        parser.error(f"{options.corpus} is not a folder")
    return options


def _find_corpus(folder: Path | None, scratch: Path) -> tuple[tuple[Path, ...], str]:
    """The images and a description of their source; draws images if `folder` is None."""
    if folder is not None:
        images = list_images(folder)
        return images, f"{len(images)} images of --corpus {folder.name}"
    from imgscore.demo.pictures import draw_all, save

    drawn = scratch / "pictures"
    drawn.mkdir()
    for number, (name, image) in enumerate(draw_all(DEMO_IMAGES)):
        save(image, drawn / name, (1_700_000_000 + number) * 10**9)
    return list_images(drawn), f"{DEMO_IMAGES} images drawn by imgscore.demo"


def _print_figure(figure: Figure) -> None:
    verdict = {True: "met", False: "MISSED", None: ""}[figure.met]
    baseline = f"   baseline {figure.baseline}" if figure.baseline else ""
    ratio = f"   ratio {figure.ratio:.2f}" if figure.ratio is not None else ""
    target = f"   target {figure.target} {verdict}" if figure.target else ""
    print(f"  {figure.name}: {figure.figure}{baseline}{ratio}{target}", flush=True)


def _compile() -> None:
    """Write the bytecode of imgscore, as installers do.

    Without it, and with PYTHONDONTWRITEBYTECODE, each process would compile its modules again.
    """
    for package in ("imgscore", "imgscored"):
        spec = importlib.util.find_spec(package)
        assert spec is not None
        for folder in spec.submodule_search_locations or ():
            compileall.compile_dir(folder, quiet=1)


def main() -> int:
    """Run the benchmarks; returns the exit code, which is 1 if a target is missed."""
    options = _parse_options()
    _compile()
    options.scratch.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix="run-", dir=options.scratch))
    missed = False
    try:
        corpus, source = _find_corpus(options.corpus, work)
        print(f"{describe_machine()}\n{source}", flush=True)
        for name in options.names or BENCHES:
            print(f"{name}:", flush=True)
            folder = work / name
            folder.mkdir()
            bench = importlib.import_module(f"bench.{name}")
            figures: list[Figure] = []
            for figure in bench.measure(Setting(corpus, options.quick, folder)):
                _print_figure(figure)
                figures.append(figure)
                missed |= figure.met is False
            shutil.rmtree(folder)
            if not options.quick:
                _write_results(name, figures, source)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return int(missed)


def _write_results(name: str, figures: list[Figure], source: str) -> None:
    """Replace the rows of one benchmark; called after each, so that an interrupted run counts."""
    when = f"{datetime.now(UTC):%Y-%m-%d} {describe_commit()}"
    head = (
        "# Results\n`make bench` writes this table; a rerun of a benchmark replaces its rows. "
        "The baseline and the figure of a row were measured in the same run.\n\n"
        f"Last run: {describe_machine()}; {source}."
    )
    before = RESULTS.read_text(encoding="utf-8") if RESULTS.exists() else ""
    rows = {name: [format_row(name, figure, when) for figure in figures]}
    RESULTS.write_text(merge_rows(before, rows, head, BENCHES), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
