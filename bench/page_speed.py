"""Measures the page with many images in Chromium: the first paint, scrolling, and memory.

`python -m bench.page_speed [IMAGES]`. Times are CPU time of the page's main thread, so a busy
machine does not change them; 60 frames a second leave 16.7 ms for each frame.
"""

import argparse
import bisect
import json
import random
import shutil
import sys
import tempfile
from pathlib import Path

from PIL import Image as Picture
from playwright.sync_api import CDPSession, Page, sync_playwright

from imgscore.report.data import Images, WatchFolders
from imgscore.report.page import page, page_data
from tests.unit.report.samples import report_data

THUMBNAILS = 500
"""Different thumbnails. The images share them, so that the files need no gigabyte."""
FRAMES = 120
"""Frames that are scrolled at each speed: two seconds."""
SPEEDS = {"slow": 40, "brisk": 190, "fast": 400, "flinging": 4000}
"""CSS pixels a frame."""
CATEGORIES = ["toplevel", "devtools.timeline", "disabled-by-default-devtools.timeline"]
"""The events that Chromium traces: each task of a thread, with its CPU time, and each frame."""


def make(folder: Path, count: int) -> Path:
    """Write a page with `count` images, and return its path."""
    chance = random.Random(0)
    thumbnails = folder / "thumbnails"
    thumbnails.mkdir()
    digests = [f"{chance.getrandbits(256):064x}" for _ in range(THUMBNAILS)]
    for digest in digests:
        noise = Picture.frombytes("RGB", (12, 8), chance.randbytes(12 * 8 * 3))
        noise.resize((360, 240)).save(thumbnails / f"{digest}.webp", quality=72)
    data = report_data()
    data.images = Images(
        names="/".join(f"IMG_{number:06d}.jpg" for number in range(count)),
        folders=[number % 300 for number in range(count)],
        sha256="".join(chance.choice(digests) for _ in range(count)),
        scores=[chance.randrange(10_000) for _ in range(count)],
        deviations=[1000] * count,
        places=[0] * count,
        widths=[chance.choice([4000, 3000]) for _ in range(count)],
        heights=[chance.choice([4000, 3000]) for _ in range(count)],
        bytes=[3_000_000] * count,
        taken="/".join(["2024-05-06T12:34:56"] * count),
        cameras=[0] * count,
        blurs="".join(f"{chance.getrandbits(32):08x}" for _ in range(count)),
        grades={number: chance.choice([0.0, 1.0]) for number in range(0, count, 10)},
    )
    data.folders = [f"/home/someone/Pictures/2024/trip {number}" for number in range(300)]
    data.cameras = ["Nikon Z 6"]
    watch = WatchFolders("/home/someone/Pictures", None, None)
    file = folder / "page.html"
    file.write_text(page(page_data(data, [watch], "thumbnails", review=False)))
    return file


def metrics(session: CDPSession) -> dict[str, float]:
    """Chromium's counters of the page."""
    answer = session.send("Performance.getMetrics")
    return {row["name"]: row["value"] for row in answer["metrics"]}


def renderer_mb(view: Page) -> int:
    """Private memory of the process that shows the page, in MB: of several, the largest one's."""
    browser = view.context.browser
    assert browser is not None
    session = browser.new_browser_cdp_session()
    rows = session.send("SystemInfo.getProcessInfo")["processInfo"]
    session.detach()
    found = [0]
    for row in rows:
        if row["type"] == "renderer":
            lines = Path(f"/proc/{row['id']}/smaps_rollup").read_text().splitlines()
            found.append(sum(int(x.split()[1]) for x in lines if x.startswith("Private_")))
    return round(max(found) * 1024 / 1e6)


def scroll_through(view: Page) -> None:
    """Scroll from the top to the end, one jump a frame."""
    view.evaluate(
        "(step) => new Promise((done) => { scrollTo(0, 0); const next = () => { scrollBy(0, step);"
        " const end = document.documentElement.scrollHeight - innerHeight;"
        " if (scrollY < end - 1) requestAnimationFrame(next); else done(); }; next(); })",
        SPEEDS["flinging"],
    )


def scroll(view: Page, step: int) -> dict[str, float]:
    """Scroll, and return the work of the main thread for a frame in ms: mean, 95 %, longest."""
    browser = view.context.browser
    assert browser is not None
    browser.start_tracing(page=view, categories=CATEGORIES)
    view.evaluate(
        "([step, frames]) => new Promise((done) => { const next = () => { scrollBy(0, step);"
        " if (frames--) requestAnimationFrame(next); else done(); }; next(); })",
        [step, FRAMES],
    )
    events = json.loads(browser.stop_tracing())["traceEvents"]
    frames = [e for e in events if e["name"] == "FireAnimationFrame"]
    main = {(e["pid"], e["tid"]) for e in frames}.pop()
    # Several functions can run in one frame: all of them are in one task.
    tasks = sorted(
        e["ts"] for e in events if e["name"] == "RunTask" and (e["pid"], e["tid"]) == main
    )
    starts = sorted({tasks[bisect.bisect_right(tasks, e["ts"]) - 1] for e in frames})
    spent = [0.0] * len(starts)
    for event in events:
        if event["name"] == "RunTask" and (event["pid"], event["tid"]) == main:
            at = bisect.bisect_right(starts, event["ts"] + event.get("dur", 0)) - 1
            if at >= 0:
                spent[at] += event.get("tdur", 0) / 1000
    spent.sort()
    return {
        "frames": len(spent),
        "mean_ms": round(sum(spent) / len(spent), 2),
        "p95_ms": round(spent[int(0.95 * len(spent))], 2),
        "max_ms": round(spent[-1], 2),
        "over_16_ms": sum(ms > 1000 / 60 for ms in spent),
    }


def measure(view: Page, file: Path) -> dict[str, object]:
    """Open the page and scroll it."""
    session = view.context.new_cdp_session(view)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})
    view.goto(file.as_uri())
    view.wait_for_selector("#list .tile")
    paints = view.evaluate(
        "Object.fromEntries(performance.getEntriesByType('paint').map(e => [e.name, e.startTime]))"
    )
    loaded = metrics(session)
    session.send("HeapProfiler.enable")
    session.send("HeapProfiler.collectGarbage")
    heap = metrics(session)["JSHeapUsedSize"]
    result: dict[str, object] = {
        "page_mb": round(file.stat().st_size / 1e6, 1),
        "first_contentful_paint_ms_wall": round(paints.get("first-contentful-paint", 0)),
        "load_cpu_ms": round(1000 * loaded["TaskDuration"]),
        "script_cpu_ms": round(1000 * loaded["ScriptDuration"]),
        "layout_cpu_ms": round(1000 * (loaded["LayoutDuration"] + loaded["RecalcStyleDuration"])),
        "heap_mb": round(heap / 1e6),
        "renderer_mb_loaded": renderer_mb(view),
        "scroll": {name: scroll(view, step) for name, step in SPEEDS.items()},
    }
    view.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
    view.wait_for_timeout(500)
    result["scroll_at_the_end"] = scroll(view, -400)
    result["renderer_mb_before"] = renderer_mb(view)
    scroll_through(view)
    result["renderer_mb_after_all"] = renderer_mb(view)
    before = metrics(session)["TaskDuration"]
    view.fill("#name", "777")
    view.wait_for_timeout(1000)
    result["filter_cpu_ms"] = round(1000 * (metrics(session)["TaskDuration"] - before))
    view.fill("#name", "")
    session.send("HeapProfiler.collectGarbage")
    result["heap_after_mb"] = round(metrics(session)["JSHeapUsedSize"] / 1e6)
    return result


def memory(view: Page, file: Path) -> dict[str, int]:
    """Private memory in MB when the page is loaded, after all images, and 4 s later.

    Nothing is traced: tracing takes memory.
    """
    view.goto(file.as_uri())
    view.wait_for_selector("#list .tile")
    view.wait_for_timeout(1500)
    found = {"loaded": renderer_mb(view)}
    scroll_through(view)
    found["after_all"] = renderer_mb(view)
    view.wait_for_timeout(4000)
    found["later"] = renderer_mb(view)
    return found


def main() -> None:
    """Print the measurements as JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("images", type=int, nargs="?", default=100_000)
    count = parser.parse_args().images
    chromium = shutil.which("chromium")
    if chromium is None:
        sys.exit("chromium is missing: apt install chromium")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        file = make(Path(folder), count)
        result: dict[str, object] = {"images": count}
        for name, act in (("renderer_mb_untraced", memory), ("traced", measure)):
            browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            view = browser.new_page(viewport={"width": 1280, "height": 800})
            result[name] = act(view, file)
            browser.close()
        print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
