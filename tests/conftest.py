"""Fixtures of all tests, the marks of the four tiers, and pictures of two kinds."""

import os
import signal
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from PIL import Image, ImageDraw

from imgscore.testing import SERVICE_VARIABLES, Sandbox, eventually
from tests.support.processes import processes

TIERS = ("unit", "integration", "e2e", "desktop")
"""Folders of tests/; each test has the mark of its folder."""
MAY_SKIP = "cannot "
"""The beginning of the skip reasons that --no-skips allows; see support/needs.py."""
CACHES = {".hypothesis", ".pytest_cache", ".mypy_cache", ".ruff_cache", ".import_linter_cache"}
"""Folders that pytest's plugins, and a lint beside the tests, make in the working directory."""
END_SECONDS = 30.0
"""Seconds that the processes of a test may take to end after the test has closed their input."""

# No example and no strategy is judged by its time: the machine may be busy.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")
# .ci/run tries the same examples each time: a change must not fail because of a rare example that
# it did not cause. `make test` and `make test-properties` try random ones.
settings.register_profile("repeatable", settings.get_profile("untimed"), derandomize=True)

# Tests must not depend on how pytest was started. A shell ignores SIGINT in background jobs, and
# all child processes inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
os.umask(0o022)

_left_out: Counter[str] = Counter()


def pytest_addoption(parser: pytest.Parser) -> None:
    """--no-skips, for a machine on which everything is installed."""
    parser.addoption("--no-skips", action="store_true", help="a skipped test fails the run")


def pytest_collection_modifyitems(config: pytest.Config, items: Sequence[pytest.Item]) -> None:
    """Give each test the mark of its tier."""
    for item in items:
        item.add_marker(_tier(item))


def pytest_deselected(items: Sequence[pytest.Item]) -> None:
    """Count the tests that the options left out."""
    _left_out.update(_tier(item) for item in items)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take the counts of a worker of pytest-xdist; each worker collects all tests."""
    _left_out.update(Counter(node.workeroutput.get("left_out", {})) - _left_out)


def pytest_terminal_summary(terminalreporter: "pytest.TerminalReporter") -> None:
    """List the tests that did not run: by tier, or by the reason to skip them."""
    reasons = _skip_reasons(terminalreporter)
    if _left_out or reasons:
        terminalreporter.section("not run")
    for tier, count in _left_out.items():
        terminalreporter.line(f"{count:4} {tier}: not selected; `make test-all` runs all tests")
    for reason, count in reasons.most_common():
        terminalreporter.line(f"{count:4} skipped: {reason}")
    if reasons and terminalreporter.config.getoption("no_skips"):
        terminalreporter.line(f"--no-skips allows only reasons that begin with {MAY_SKIP!r}")


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Under --no-skips, fail if a test was skipped for another reason than MAY_SKIP."""
    output = getattr(session.config, "workeroutput", None)  # in a worker of pytest-xdist
    if output is not None:
        output["left_out"] = dict(_left_out)
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if exitstatus or reporter is None or not session.config.getoption("no_skips"):
        return
    if not all(reason.startswith(MAY_SKIP) for reason in _skip_reasons(reporter)):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _tier(item: pytest.Item) -> str:
    (tier,) = {*item.path.relative_to(Path(__file__).parent).parts} & {*TIERS}
    return tier


def _skip_reasons(reporter: "pytest.TerminalReporter") -> Counter[str]:
    reasons: Counter[str] = Counter()
    for report in reporter.stats.get("skipped", []):
        *_, reason = report.longrepr
        reasons[str(reason).removeprefix("Skipped: ")] += 1
    return reasons


@pytest.fixture
def sandbox(tmp_path: Path) -> Sandbox:
    """The test's sandbox: its inbox is tmp_path/inbox, its HOME tmp_path/home."""
    return Sandbox(tmp_path)


@pytest.fixture(autouse=True)
def clean_up(sandbox: Sandbox) -> Iterator[None]:
    """The test leaves no thread, no process, and no file in the working directory."""
    threads, files = set(threading.enumerate()), {*os.listdir()}
    yield
    new = set(threading.enumerate()) - threads
    left = [thread.name for thread in new if not thread.daemon]
    assert not left, f"threads left behind: {left}"
    home = os.fspath(sandbox.home)
    eventually(
        lambda: not processes("", home),
        seconds=END_SECONDS,
        what=lambda: f"processes left behind: {processes('', home)}",
    )
    left = [*({*os.listdir()} - files - CACHES)]
    assert not left, f"files left behind: {left}"


@pytest.fixture(autouse=True)
def environment(clean_up: None, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Path:
    """HOME, the XDG folders and TMPDIR are the sandbox's; there is no message bus."""
    sandbox.make_home()
    temporary = sandbox.home / "tmp"
    temporary.mkdir(exist_ok=True)
    for variable in SERVICE_VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    for variable, value in (sandbox.environment() | {"TMPDIR": os.fspath(temporary)}).items():
        monkeypatch.setenv(variable, value)
    monkeypatch.setattr(tempfile, "tempdir", os.fspath(temporary))
    for bus in ("SESSION", "SYSTEM"):  # a test that needs one starts its own
        monkeypatch.setenv(f"DBUS_{bus}_BUS_ADDRESS", f"unix:path={sandbox.home}/no-bus")
    return sandbox.home


def draw(kind: str, number: int) -> Image.Image:
    """A picture of a kind: "sun" (a disc over a warm gradient) or "text" (lines on white)."""
    random = np.random.default_rng([number, len(kind)])
    width, height = int(random.integers(180, 420)), int(random.integers(180, 420))
    if kind == "sun":
        down = np.linspace(0, 1, height)[:, None, None]
        top, bottom = random.integers(120, 255, 3), random.integers(0, 120, 3)
        pixels = (top * (1 - down) + bottom * down) * np.ones((1, width, 1))
        image = Image.fromarray(pixels.astype(np.uint8))
        pen = ImageDraw.Draw(image)
        x, y, r = (int(random.integers(40, 140)) for _ in range(3))
        pen.ellipse((x, y, x + r, y + r), fill=(255, 220, int(random.integers(0, 120))))
        return image
    image = Image.new("RGB", (width, height), "white")
    pen = ImageDraw.Draw(image)
    for y in range(10, height - 10, 12):
        x = 10
        while x < width - 20:
            word = int(random.integers(4, 40))
            pen.rectangle((x, y, x + word, y + 5), fill=(20, 20, 20))
            x += word + 6
    return image


def put(folder: Path, kind: str, count: int, first: int = 0) -> list[Path]:
    """Save `count` pictures of a kind into a folder; returns their paths."""
    paths = []
    for number in range(first, first + count):
        path = folder / f"{kind}-{number:03d}.{'jpg' if number % 2 else 'png'}"
        draw(kind, number).save(path)
        paths.append(path)
    return paths
