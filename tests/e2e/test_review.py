"""review: who is let in, labels by keys in a real browser, and files that move when asked to."""

import hashlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from imgscore import places
from imgscore.cli import moving, session
from imgscore.cli.review_server import ReviewServer
from imgscore.store import labels
from imgscore.store.store import Store
from imgscore.verbs.base import rows_of
from tests.conftest import put
from tests.e2e.conftest import BIN, Daemon, imgscore
from tests.report.conftest import browser  # noqa: F401 - a fixture

if TYPE_CHECKING:
    from playwright.sync_api import Browser

Start = Callable[..., Daemon]
OLD_NS = 1_500_000_000_123_456_789


@pytest.fixture
def taught(inbox: Path) -> Path:
    """Six suns and six texts to be labelled, after three of each were."""
    for kind, folder in (("sun", "keep"), ("text", "trash")):
        for path in put(inbox, kind, 9):
            os.utime(path, ns=(OLD_NS, OLD_NS))
            if int(path.stem[-3:]) < 3:
                path.rename(inbox / folder / path.name)
    return inbox


@contextmanager
def reviewing(*options: str) -> Iterator[str]:
    """A running `imgscore review`; gives the address that it prints."""
    shows = () if "--open" in options else ("--no-open",)
    command = [BIN / "imgscore", "review", "--json", *shows, *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stderr is not None
        try:
            line = process.stdout.readline()
            assert line, process.stderr.read()
            yield json.loads(line)["url"]
        finally:
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=30) == 0
            assert b"Traceback" not in process.stderr.read()


class Visitor:
    """Somebody who speaks HTTP, and says what he likes."""

    def __init__(self, url: str) -> None:
        split = urlsplit(url)
        self.host = split.netloc
        self.headers: dict[str, str] = {}

    def ask(
        self, path: str, body: Any = None, method: str = "", **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        """(status, headers, body) of an answer; a header named other_than_usual replaces."""
        connection = http.client.HTTPConnection(self.host, timeout=60)
        sent = self.headers | {name.replace("_", "-"): value for name, value in headers.items()}
        if body is not None:
            sent |= {"Content-Type": "application/json"} | sent
        text = None if body is None else json.dumps(body)
        connection.request(method or ("GET" if body is None else "POST"), path, text, sent)
        answer = connection.getresponse()
        found = answer.status, dict(answer.getheaders()), answer.read()
        connection.close()
        return found

    def enter(self, url: str) -> str:
        """Bring the token; gives the folder of the page."""
        status, headers, _ = self.ask(url.split(self.host)[1])
        assert status == 303, status
        self.headers["Cookie"] = headers["Set-Cookie"].partition(";")[0]
        return headers["Location"]


def test_who_is_let_in(taught: Path) -> None:
    assert imgscore("scan").code == 0
    with reviewing() as url:
        stranger, owner = Visitor(url), Visitor(url)
        token = url.split(owner.host)[1]
        origin = f"http://{owner.host}"
        assert urlsplit(url).hostname == "127.0.0.1"
        assert stranger.ask("/")[0] == 403
        assert stranger.ask("/?token=guess")[0] == 403
        for wrong in (
            {"Host": "evil.example"},
            {"Host": f"localhost:{urlsplit(url).port}"},
            {"Origin": "http://evil.example"},
            {"Origin": "null"},
            {"Sec_Fetch_Site": "cross-site"},
            {"Sec_Fetch_Site": "same-site"},
        ):
            assert stranger.ask(token, **wrong)[0] == 403, wrong  # and the token is still good
        base = owner.enter(url)
        assert stranger.ask(token)[0] == 403  # it was good once
        assert stranger.ask(base)[0] == 403
        assert stranger.ask(base, Cookie="imgscore=guess")[0] == 403

        status, headers, page = owner.ask(base)
        assert status == 200 and b"sun-003" in page
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        (held,) = page.decode().split('id="data">')[1].split("</script>")[:1]
        data = json.loads(held)
        images = {image[0]: image for image in data["images"]}
        number, digest = data["images"].index(images["sun-005.jpg"]), images["sun-005.jpg"][2]
        said = {"image": number, "sha256": digest, "label": "keep"}
        for wrong in (
            {},
            {"Origin": "http://evil.example"},
            {"Origin": f"http://localhost:{urlsplit(url).port}"},
            {"Origin": origin, "Host": "evil.example"},
            {"Origin": origin, "Sec_Fetch_Site": "cross-site"},
            {"Origin": origin, "Cookie": "imgscore=guess"},
        ):
            assert owner.ask(base + "label", said, **wrong)[0] == 403, wrong
        assert owner.ask(base + "label", said, Origin=origin, Content_Type="text/plain")[0] == 415
        assert stranger.ask(base + "label", said, Origin=origin)[0] == 403
        for body in ({}, [], {**said, "sha256": "00"}, {**said, "image": -1}, "x" * 100_000):
            assert owner.ask(base + "label", body, Origin=origin)[0] == 400, body
        assert owner.ask(base + "nonsense", said, Origin=origin)[0] == 400
        assert owner.ask(base + "label", {**said, "label": "x"}, Origin=origin)[0] == 409
        assert owner.ask(base + "label", said, "PUT", Origin=origin)[0] == 501
        assert all(row["what"] != "label" or row["source"] == "place" for row in history())

        picture = owner.ask(f"{base}image/{number}/{digest}")
        assert picture[2] == (taught / "sun-005.jpg").read_bytes()
        assert picture[1]["Content-Type"] == "image/jpeg"
        assert owner.ask(f"{base}thumbnails/{digest}.webp")[2][8:12] == b"WEBP"
        for path in (
            "thumbnails/../default.json", f"thumbnails/..%2f{digest}.webp", "thumbnails/.webp",
            f"image/{number}/{'00' * 32}", "image/x/y", "image/0", "../", "label",
        ):  # fmt: skip
            assert owner.ask(base + path)[0] in (403, 404), path
        (taught / "sun-005.jpg").unlink()
        (taught / "sun-005.jpg").symlink_to("/etc/hostname")
        assert owner.ask(f"{base}image/{number}/{digest}")[0] in (403, 404)
        assert owner.ask(base + "label", said, Origin=origin)[0] == 200
        assert history()[0]["sha256"] == digest and history()[0]["source"] == "cli"


def history() -> list[dict[str, Any]]:
    """What was done, newest first."""
    return imgscore("history", "--json").rows


@pytest.mark.parametrize("with_daemon", [False, True])
def test_keys_label(taught: Path, start: Start, browser: "Browser", with_daemon: bool) -> None:  # noqa: F811
    from playwright.sync_api import expect

    if with_daemon:
        start().settle()
    else:
        assert imgscore("scan").code == 0
    before = sorted(path.name for path in taught.rglob("*.*"))
    context = browser.new_context()
    page = context.new_page()
    with reviewing() as url:
        page.goto(url)
        first, second = (page.locator(f"#tile-{number} .name").text_content() for number in (0, 1))
        assert first and second
        page.keyboard.press("t")
        page.keyboard.press("k")
        expect(page.locator("#tile-0 .mark")).to_have_text("trash")
        expect(page.locator("#tile-1 .mark")).to_have_text("keep")
        page.keyboard.press("u")
        expect(page.locator("#said")).to_contain_text(f"Undone: {second}")
        labels = {name: imgscore("score", taught / name, "--json").row for name in (first, second)}
        assert [labels[name]["label"] for name in (first, second)] == ["trash", None]

        page.click("#tabs [value=next]")
        page.click("#begin")
        called = page.inner_text("#called")
        page.keyboard.press("k")
        expect(page.locator("#called")).not_to_have_text(called)
        page.keyboard.press("u")
        expect(page.locator("#said")).to_contain_text(f"Undone: {called}")
        page.keyboard.press("Escape")
        if with_daemon:  # which learns from them meanwhile
            page.click("#tabs [value=order]")
            page.keyboard.press("k")
            imgscore("wait", "--timeout", "120")
            page.keyboard.press("t")
            page.click("#anew", timeout=60_000)
            expect(page.locator("#said")).to_contain_text("The order is head")
    context.close()
    assert sorted(path.name for path in taught.rglob("*.*")) == before  # and no file was moved


def test_files_move_when_asked_to(taught: Path, start: Start) -> None:
    daemon = start()
    daemon.settle()
    (taught / "keep" / "sun-007.jpg").write_text("another")
    before = {path: path.stat().st_ino for path in taught.glob("*.*")}
    with reviewing("--move") as url:
        owner = Visitor(url)
        base = owner.enter(url)
        owner.headers["Origin"] = f"http://{owner.host}"
        held = owner.ask(base)[2].decode().split('id="data">')[1].split("</script>")[0]
        numbers = {image[0]: (n, image[2]) for n, image in enumerate(json.loads(held)["images"])}

        def say(what: str, name: str, **more: str) -> dict[str, Any]:
            number, digest = numbers[name]
            status, _, body = owner.ask(base + what, {"image": number, "sha256": digest, **more})
            assert status == 200, body
            found: dict[str, Any] = json.loads(body)
            return found

        kept, trashed = taught / "keep" / "sun-005.jpg", taught / "trash" / "sun-006.png"
        row = say("label", "sun-005.jpg", label="keep")
        assert row["error"] is None, row["error"]
        assert (row["path"], row["place"]) == (str(kept), "keep")
        assert kept.stat().st_ino == before[taught / kept.name]
        say("label", "sun-006.png", label="trash")
        assert trashed.exists()
        refused = say("label", "sun-007.jpg", label="keep")
        assert refused["label"] == "keep" and "is there already" in refused["error"]
        assert (taught / "sun-007.jpg").exists()
        assert (taught / "keep" / "sun-007.jpg").read_text() == "another"

        daemon.settle()
        assert kept.stat().st_mtime_ns == trashed.stat().st_mtime_ns == OLD_NS  # its own date
        assert say("undo", "sun-006.png")["place"] == "inbox"
        assert (taught / "sun-006.png").exists() and not trashed.exists()
        say("label", "sun-006.png", label="trash")  # it is where the page thinks it is
        assert trashed.exists()
    moves = [row["moved"] for row in history() if row["what"] == "label" and row["moved"]]
    assert [[str(taught / "sun-006.png"), str(trashed)]] == moves[0]

    undone = imgscore("undo", "label", "--json").row
    assert undone["label"] is None and undone["error"] is None and undone["moved"], history()[:6]
    assert (taught / "sun-006.png").exists() and not trashed.exists()
    daemon.settle()
    assert imgscore("score", taught / "sun-006.png", "--json").row["label"] is None
    # What was moved by us and is moved back by hand is cleared, as any other.
    kept.rename(taught / kept.name)
    daemon.settle()
    assert imgscore("score", taught / kept.name, "--json").row["label"] is None
    assert imgscore("db", "check").code == 0


def test_siblings_move_together(inbox: Path) -> None:
    (image,) = put(inbox, "sun", 1, first=1)
    sidecar = inbox / "sun-001.xmp"
    sidecar.write_text("<x/>")
    put(inbox, "text", 2)
    assert imgscore("scan").code == 0
    with reviewing("--move") as url:
        owner = Visitor(url)
        base = owner.enter(url)
        owner.headers["Origin"] = f"http://{owner.host}"
        held = json.loads(owner.ask(base)[2].decode().split('id="data">')[1].split("</script>")[0])
        (number,) = [n for n, one in enumerate(held["images"]) if one[0] == image.name]
        said = {"image": number, "sha256": held["images"][number][2]}
        assert owner.ask(base + "label", {**said, "label": "trash"})[0] == 200
        assert sorted(one.name for one in (inbox / "trash").iterdir()) == [image.name, sidecar.name]
        assert owner.ask(base + "undo", said)[0] == 200
        assert image.exists() and sidecar.exists()
        (inbox / "trash" / sidecar.name).write_text("another's")
        row = json.loads(owner.ask(base + "label", {**said, "label": "trash"})[2])
        assert "sun-001.xmp stays" in row["error"] and image.exists() and sidecar.exists()


def asked(**said: Any) -> dict[str, Any]:
    """The row of the verb, as the command gets it before it moves anything."""
    (row,) = rows_of(session.call("review", {"taste": "default", **said}))
    return row


@pytest.mark.parametrize("by_verb", [False, True])
@pytest.mark.parametrize("told", [False, True])
def test_a_label_holds_where_its_file_could_not_be_moved(
    taught: Path, told: bool, by_verb: bool
) -> None:
    """As when the command is killed between the log and the move; `told`: as when it fails."""
    assert imgscore("scan").code == 0
    path = taught / "sun-005.jpg"
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    row = said = asked(sha256=digest, path=str(path), label="keep", move=True)
    assert row["moved"] == [[str(path), str(taught / "keep" / path.name)]] and path.exists()
    if told:
        row = said = asked(sha256=digest, path=str(path), stayed=True)
        assert (row["path"], row["label"], row["moved"]) == (str(path), "keep", [])
        assert history()[0]["source"] == "cli" and history()[0]["path"] == str(path)
    path = path.rename(path.with_name("renamed.jpg"))  # no move back from where it never was
    assert imgscore("scan").code == 0
    assert imgscore("score", path, "--json").row["label"] == "keep"
    path = path.rename(taught / "sun-005.jpg")
    assert imgscore("scan").code == 0
    if by_verb:
        row = imgscore("undo", "label", "--json").row
    else:
        row = asked(sha256=digest, path=str(path), undo=said["number"])
    assert (row["label"], row["moved"], row["error"]) == (None, [], None)
    assert path.exists() and not (taught / "keep" / path.name).exists()


def test_undo_takes_back_what_was_said_here_and_in_its_order(taught: Path) -> None:
    assert imgscore("scan").code == 0
    known = taught / "keep" / "sun-000.png"
    with reviewing() as url:
        owner = Visitor(url)
        base = owner.enter(url)
        owner.headers["Origin"] = f"http://{owner.host}"
        images = json.loads(
            owner.ask(base)[2].decode().split('id="data">')[1].split("</script>")[0]
        )["images"]

        def say(what: str, name: str, **more: str) -> tuple[int, dict[str, Any]]:
            (number,) = [n for n, one in enumerate(images) if one[0] == name]
            said = {"image": number, "sha256": images[number][2], **more}
            status, _, body = owner.ask(base + what, said)
            return status, json.loads(body)

        # A label from before, said again, is nothing that was said now.
        assert say("label", known.name, label="keep")[1]["number"] is None
        status, answer = say("undo", known.name)
        assert status == 409 and "nothing was said" in answer["error"]
        assert imgscore("score", known, "--json").row["label"] == "keep"

        name = "sun-005.jpg"
        for label in ("keep", "trash", "keep"):
            assert say("label", name, label=label)[1]["label"] == label
        assert [say("undo", name)[1]["label"] for _ in range(3)] == ["trash", "keep", None]
        assert say("undo", name)[0] == 409

        say("label", name, label="keep")
        assert imgscore("label", "trash", taught / name).code == 0
        status, answer = say("undo", name)
        assert (status, answer["label"]) == (200, "trash") and "since" in answer["error"]
        assert imgscore("score", taught / name, "--json").row["label"] == "trash"


def test_what_another_review_has_moved_stays_there(taught: Path) -> None:
    """Nothing is moved by a review that was not told to move."""
    assert imgscore("scan").code == 0
    path, kept = taught / "sun-005.jpg", taught / "keep" / "sun-005.jpg"
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    for options in (("--move",), ()):
        with reviewing(*options) as url:
            owner = Visitor(url)
            base = owner.enter(url)
            owner.headers["Origin"] = f"http://{owner.host}"
            page = owner.ask(base)[2].decode().split('id="data">')[1].split("</script>")[0]
            (number,) = [n for n, one in enumerate(json.loads(page)["images"]) if one[2] == digest]
            said = {"image": number, "sha256": digest}
            assert owner.ask(base + "label", {**said, "label": "keep"})[0] == 200
            assert imgscore("scan").code == 0
            if not options:
                assert owner.ask(base + "undo", said)[0] == 409
            assert kept.exists() and not path.exists()


def test_a_dry_run_moves_nothing_back(taught: Path) -> None:
    assert imgscore("scan").code == 0
    path, kept = taught / "sun-005.jpg", taught / "keep" / "sun-005.jpg"
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    row = moving.label({"sha256": digest, "path": str(path), "taste": "default",
                        "label": "keep", "move": True})  # fmt: skip
    assert row["error"] is None and kept.exists()
    config = places.config_file()
    config.write_text(f"dry_run = true\n{config.read_text()}")
    undone = imgscore("undo", "label", "--json")
    assert (undone.code, undone.row["moved"]) == (1, []) and "dry_run" in undone.row["error"]
    row = asked(sha256=digest, path=str(kept), undo=row["number"])
    assert row["moved"] == [] and kept.exists() and not path.exists()


def test_it_answers_while_a_browser_holds_the_terminal(
    taught: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """webbrowser waits for browsers in a terminal to end."""
    assert imgscore("scan").code == 0
    script, got = tmp_path / "browser.py", tmp_path / "got"
    script.write_text(
        "import sys, urllib.request as one\n"
        "opener = one.build_opener(one.HTTPCookieProcessor())\n"
        f"open({str(got)!r}, 'wb').write(opener.open(sys.argv[1], timeout=30).read())\n"
    )
    os.mkfifo(got)
    monkeypatch.setenv("BROWSER", f"{sys.executable} {script} %s")
    with reviewing("--open"):
        assert b"sun-005" in got.read_bytes()


def test_it_asks_nobody_for_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getfqdn", lambda name="": pytest.fail("the resolver is asked"))
    with ReviewServer(None) as server:  # type: ignore[arg-type]
        assert server.url.startswith("http://127.0.0.1:")


def test_other_servers_cookies_do_not_lock_the_owner_out(taught: Path) -> None:
    """Cookies are shared by all ports of a machine, and not all of them are well formed."""
    assert imgscore("scan").code == 0
    with reviewing() as url:
        owner = Visitor(url)
        base = owner.enter(url)
        own = owner.headers["Cookie"]
        for others in (
            "imgscore=another's",
            "flag",
            'state={"a": [1]}',
            "=; secure; x=\xe9",
            "version",
        ):
            assert owner.ask(base, Cookie=f"{own}; {others}")[0] == 200, others
            assert owner.ask(base, Cookie=f"{others}; {own}")[0] == 200, others
        assert owner.ask(base, Cookie=f"x{own}")[0] == 403
        assert owner.ask(base, Cookie=own[:-1])[0] == 403


def test_a_sibling_gets_its_own_label_back(inbox: Path) -> None:
    """One that had another label before both got this one."""
    raw, jpeg = inbox / "pair.nef", inbox / "pair.jpg"
    first, second = put(inbox, "sun", 2)
    first.rename(raw)
    assert imgscore("scan").code in (0, 1)
    digests = [hashlib.sha256(path.read_bytes()).hexdigest() for path in (raw, second)]
    asked(sha256=digests[0], path=str(raw), label="trash")
    second.rename(jpeg)
    assert imgscore("scan").code in (0, 1)
    row = asked(sha256=digests[1], path=str(jpeg), label="keep")
    assert labels_of(digests) == ["keep", "keep"]
    asked(sha256=digests[1], path=str(jpeg), undo=row["number"])
    assert labels_of(digests) == ["trash", None]


def labels_of(digests: list[str]) -> list[str | None]:
    """The labels that hold."""
    with Store(places.store_folder(), readonly=True) as store, store.read() as txn:
        found = [labels.current(txn, "default", bytes.fromhex(one)) for one in digests]
    return [one.label if one else None for one in found]
