"""`imgscore review`: access to the server, labels by keys in a browser, and undo."""

import contextlib
import json
import os
import re
import socket
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest

from imgscore.cli.review_server import ReviewServer
from imgscore.testing import eventually, run
from tests.conftest import draw, put
from tests.support import needs, onnx_checkpoints
from tests.support.commands import Start, imgscore
from tests.support.processes import are_quiet, threads
from tests.support.reviews import Visitor, history, images_of, page_data, reviewing

if TYPE_CHECKING:
    from playwright.sync_api import Page


def test_review_server_strangers_are_refused(labelled_inbox: Path) -> None:
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
            assert stranger.ask(token, **wrong)[0] == 403, wrong  # the token stays valid
        base = owner.enter(url)
        assert stranger.ask(token)[0] == 403  # a token is valid once
        assert stranger.ask(base)[0] == 403
        assert stranger.ask(base, Cookie="imgscore=guess")[0] == 403

        status, headers, page = owner.ask(base)
        assert status == 200 and b"sun-003" in page
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        data = page_data(page)
        number, digest = images_of(data)["sun-005.jpg"]
        request = {"image": number, "sha256": digest, "label": "keep"}
        for wrong in (
            {},
            {"Origin": "http://evil.example"},
            {"Origin": f"http://localhost:{urlsplit(url).port}"},
            {"Origin": origin, "Host": "evil.example"},
            {"Origin": origin, "Sec_Fetch_Site": "cross-site"},
            {"Origin": origin, "Cookie": "imgscore=guess"},
        ):
            assert owner.ask(base + "label", request, **wrong)[0] == 403, wrong
        assert (
            owner.ask(base + "label", request, Origin=origin, Content_Type="text/plain")[0] == 415
        )
        assert stranger.ask(base + "label", request, Origin=origin)[0] == 403
        for body in ({}, [], {**request, "sha256": "00"}, {**request, "image": -1}, "x" * 100_000):
            assert owner.ask(base + "label", body, Origin=origin)[0] == 400, body
        assert owner.ask(base + "nonsense", request, Origin=origin)[0] == 400
        assert owner.ask(base + "label", {**request, "label": "x"}, Origin=origin)[0] == 409
        assert owner.ask(base + "label", request, "PUT", Origin=origin)[0] == 501
        assert all(row["what"] != "label" or row["source"] == "place" for row in history())

        picture = owner.ask(f"{base}image/{number}/{digest}")
        assert picture[2] == (labelled_inbox / "sun-005.jpg").read_bytes()
        assert picture[1]["Content-Type"] == "image/jpeg"
        thumbnail = f"{base}thumbnails/{digest}.webp"
        eventually(lambda: owner.ask(thumbnail)[2][8:12] == b"WEBP")
        for path in (
            "image/-1/", f"image/-1/{digest}", f"image/0{number}%00/{digest}", f"image/+0/{digest}",
            f"image/{'9' * 5000}/{digest}", "image/%C2%B2/x", "%00", "..%2f..%2fetc/passwd",
            f"thumbnails/{digest}.webp%00", f"thumbnails/{digest.upper()}.webp", "image//", "//",
            "thumbnails/../default.json", f"thumbnails/..%2f{digest}.webp", "thumbnails/.webp",
            "finished/", "finished/x", "finished/-1",
            f"image/{number}/{'00' * 32}", "image/x/y", "image/0", "../", "label",
        ):  # fmt: skip
            assert owner.ask(base + path)[0] in (403, 404), path
        (labelled_inbox / "sun-005.jpg").unlink()
        (labelled_inbox / "sun-005.jpg").symlink_to("/etc/hostname")
        assert owner.ask(f"{base}image/{number}/{digest}")[0] in (403, 404)
        answer = owner.ask(base + "label", request, Origin=origin)
        assert answer[0] == 200, answer[2]
        assert history()[0]["sha256"] == digest and history()[0]["source"] == "cli"


@pytest.mark.parametrize("with_daemon", [False, True])
def test_review_page_keys_label_and_undo(
    labelled_inbox: Path, start: Start, page: "Page", with_daemon: bool
) -> None:
    from playwright.sync_api import expect

    if with_daemon:
        start().settle()
    else:
        assert imgscore("scan").code == 0
    before = sorted(path.name for path in labelled_inbox.rglob("*.*"))
    with reviewing() as url:
        page.goto(url)
        first, second = (page.locator(f"#tile-{number} .name").text_content() for number in (0, 1))
        assert first and second
        page.keyboard.press("t")
        page.keyboard.press("k")
        expect(page.locator("#tile-0 .mark")).to_have_text("trash")
        expect(page.locator("#tile-1 .mark")).to_have_text("keep")
        page.keyboard.press("u")
        expect(page.locator("#status")).to_contain_text(f"Undone: {second}")
        if not with_daemon:  # A daemon soon trains on the labels.
            assert page.is_hidden("#renew")
        labels = {
            name: imgscore("score", labelled_inbox / name, "--json").row for name in (first, second)
        }
        assert [labels[name]["label"] for name in (first, second)] == ["trash", None]
        page.click("#tabs [value=next]")
        page.click("#begin")
        called = page.inner_text("#image-name")
        page.keyboard.press("k")
        expect(page.locator("#image-name")).not_to_have_text(called)
        page.keyboard.press("u")
        expect(page.locator("#status")).to_contain_text(f"Undone: {called}")
        page.keyboard.press("Escape")
        if with_daemon:  # it trains on the labels
            page.click("#tabs [value=order]")
            page.keyboard.press("k")
            expect(page.locator("#tile-2 .mark")).to_have_text("keep")
            place = page.locator("#tile-0").bounding_box()
            assert place is not None
            page.wait_for_selector("#renew:visible")  # no key was pressed
            assert page.locator("#tile-0").bounding_box() == place  # nothing moved
            # On a slow machine, the daemon trains between the labels, too.
            expect(page.locator("#offer")).to_contain_text(re.compile(r"new order, from head \d"))
            page.click("#renew")
            expect(page.locator("#status")).to_contain_text("This is the order of head")
    assert sorted(path.name for path in labelled_inbox.rglob("*.*")) == before  # no file was moved


def test_review_search_shows_fitting_images_or_the_reason(
    labelled_inbox: Path, page: "Page", tmp_path: Path
) -> None:
    from playwright.sync_api import expect

    def search(words: str) -> None:
        page.click("#tabs [value=search]")
        page.fill("#words", words)
        page.keyboard.press("Enter")

    assert imgscore("scan").code == 0
    with reviewing() as url:
        page.goto(url)
        page.click("#tabs [value=search]")
        expect(page.locator("#search .count")).to_contain_text("imgscore model download")
        search("sun")
        expect(page.locator("#search .count")).to_contain_text("imgscore model download")
    lessons = [
        (draw(kind, 500 + n).convert("RGB"), kind) for kind in ("sun", "text") for n in range(9)
    ]
    model = onnx_checkpoints.clip(tmp_path / "taught", lessons=lessons)
    assert imgscore("model", "use", model).code == 0
    assert imgscore("scan").code == 0
    with reviewing() as url:
        page.goto(url)
        page.click("#tabs [value=search]")
        expect(page.locator("#search .count")).to_have_text("")
        search("sun")
        tiles = page.locator("#results button")
        expect(tiles).to_have_count(18)
        titles = [tiles.nth(n).get_attribute("aria-label") or "" for n in range(5)]
        assert all("sun" in title for title in titles), titles
        tiles.nth(0).click()
        expect(page.locator("#image-name")).to_contain_text("sun")
        page.keyboard.press("Escape")
        search("text")
        expect(tiles.nth(0)).to_have_attribute("aria-label", re.compile("text"))


def test_review_undo_reverts_own_labels_last_first(labelled_inbox: Path) -> None:
    assert imgscore("scan").code == 0
    known = labelled_inbox / "keep" / "sun-000.png"
    with reviewing() as url:
        owner = Visitor(url)
        base, data = owner.begin(url)
        images = images_of(data)

        def say(what: str, name: str, **more: str) -> tuple[int, dict[str, Any]]:
            number, digest = images[name]
            request = {"image": number, "sha256": digest, **more}
            status, _, body = owner.ask(base + what, request)
            return status, json.loads(body)

        # To repeat an earlier label is no new label.
        assert say("label", known.name, label="keep")[1]["number"] is None
        status, answer = say("undo", known.name)
        assert status == 409 and "not labelled in this review" in answer["error"]
        assert imgscore("score", known, "--json").row["label"] == "keep"

        name = "sun-005.jpg"
        for label in ("keep", "trash", "keep"):
            assert say("label", name, label=label)[1]["label"] == label
        assert [say("undo", name)[1]["label"] for _ in range(3)] == ["trash", "keep", None]
        assert say("undo", name)[0] == 409

        say("label", name, label="keep")
        assert imgscore("label", "trash", labelled_inbox / name).code == 0
        status, answer = say("undo", name)
        assert (status, answer["label"]) == (200, "trash") and "later label" in answer["error"]
        assert imgscore("score", labelled_inbox / name, "--json").row["label"] == "trash"


def test_review_open_terminal_browser_is_served(
    labelled_inbox: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The module webbrowser waits until a browser in the terminal ends."""
    assert imgscore("scan").code == 0
    script, got = tmp_path / "browser.py", tmp_path / "got"
    script.write_text(
        "import re, sys, urllib.request as web\n"
        "opener = web.build_opener(web.HTTPCookieProcessor())\n"
        "form = opener.open(sys.argv[1]).read().decode()\n"
        "action = re.search('action=\"(.*?)/\"', form)[1]\n"
        "token = re.search('value=\"(.*?)\"', form)[1]\n"
        "answer = opener.open(action + '/', b'token=' + token.encode(), timeout=30).read()\n"
        "base = re.search('url=(.*?)\"', answer.decode())[1]\n"
        f"open({str(got)!r}, 'wb').write(opener.open(action + base, timeout=30).read())\n"
    )
    os.mkfifo(got)
    monkeypatch.setenv("BROWSER", f"{sys.executable} {script} %s")
    with reviewing("--open"):
        assert b"sun-005" in got.read_bytes()


def test_review_open_token_is_in_no_argument_and_in_a_private_file(
    labelled_inbox: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, page: "Page"
) -> None:
    """The real browser follows the page in the file, although a file has no origin."""
    from playwright.sync_api import expect

    assert imgscore("scan").code == 0
    script, got = tmp_path / "browser.sh", tmp_path / "got"
    script.write_text(
        f'#!/bin/sh\necho "$1" > {got}.part; umask > {got}.umask\nmv {got}.part {got}'
    )
    script.chmod(0o755)
    monkeypatch.setenv("BROWSER", f"{script} %s")
    with reviewing("--open") as url:
        eventually(got.exists)
        shown = got.read_text().strip()
        assert shown.startswith("file:///")
        token = parse_qs(urlsplit(url).query)["token"][0]
        file = Path(urlsplit(shown).path)
        assert token in file.read_text() and file.stat().st_mode & 0o777 == 0o600
        assert Path(f"{got}.umask").read_text().strip() == "0022"
        for process in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                assert token.encode() not in process.read_bytes(), process
        page.goto(shown)
        expect(page.locator("#tile-0 .name")).to_be_visible()
        assert urlsplit(page.url).netloc == urlsplit(url).netloc and token not in page.url
        page.close()
        assert Visitor(url).ask(url.split(urlsplit(url).netloc)[1])[0] == 403, "used already"
    assert not file.exists()


ASK = """
import os, socket, sys
from urllib.parse import parse_qs, urlsplit
os.setgid(1234), os.setuid(1234)
split = urlsplit(sys.argv[1])
family = socket.AF_INET6 if sys.argv[2] == "6" else socket.AF_INET
with socket.socket(family) as client:
    client.connect(("::ffff:" * (sys.argv[2] == "6") + split.hostname, split.port))
    target = f"{split.path}?{split.query}"
    try:
        client.sendall(f"GET {target} HTTP/1.1\\r\\nHost: {split.netloc}\\r\\n\\r\\n".encode())
        print(client.recv(100))
    except ConnectionError:
        print(b"")
"""


@pytest.mark.parametrize("version", ["4", "6"])
def test_review_server_other_user_with_the_token_is_refused(
    labelled_inbox: Path, version: str
) -> None:
    needs.root("to connect as another user")
    assert imgscore("scan").code == 0
    with reviewing() as url:
        done = run([sys.executable, "-c", ASK, url, version])
        assert done.out.strip() == "b''", done
        assert Visitor(url).enter(url), "the token is still valid for its owner"


def test_review_image_moved_behind_a_link_or_changed_is_refused(labelled_inbox: Path) -> None:
    trip = labelled_inbox / "trip"
    trip.mkdir()
    (labelled_inbox / "sun-005.jpg").rename(trip / "sun-005.jpg")
    assert imgscore("scan").code == 0
    with reviewing() as url:
        owner = Visitor(url)
        base, data = owner.begin(url)
        number, digest = images_of(data)["sun-005.jpg"]
        address = f"{base}image/{number}/{digest}"
        assert owner.ask(address)[0] == 200
        # The same bytes behind a link are refused, too: a link can be changed at any moment.
        trip.rename(labelled_inbox.parent / "outside")
        trip.symlink_to(labelled_inbox.parent / "outside")
        assert owner.ask(address)[0] in (403, 404)
        trip.unlink()
        trip.mkdir()
        (trip / "sun-005.jpg").write_bytes((labelled_inbox / "text-005.jpg").read_bytes())
        status, _, body = owner.ask(address)
        assert status == 409 and b"changed" in body


def test_review_server_start_makes_no_name_lookup(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getfqdn", lambda name="": pytest.fail("the resolver is called"))
    with ReviewServer() as server:
        assert server.url.startswith("http://127.0.0.1:")


def test_review_server_foreign_cookies_are_ignored(labelled_inbox: Path) -> None:
    """A browser sends the cookies of all servers on the machine, malformed ones too."""
    assert imgscore("scan").code == 0
    with reviewing() as url:
        owner = Visitor(url)
        base = owner.enter(url)
        own = owner.headers["Cookie"]
        for cookies in (
            "imgscore=another's",
            "flag",
            'state={"a": [1]}',
            "=; secure; x=\xe9",
            "version",
        ):
            assert owner.ask(base, Cookie=f"{own}; {cookies}")[0] == 200, cookies
            assert owner.ask(base, Cookie=f"{cookies}; {own}")[0] == 200, cookies
        assert owner.ask(base, Cookie=f"x{own}")[0] == 403
        assert owner.ask(base, Cookie=own[:-1])[0] == 403


def test_review_new_head_ends_the_wait_and_an_open_page_wakes_no_daemon(
    labelled_inbox: Path, start: Start
) -> None:
    daemon = start()
    daemon.settle()
    with reviewing() as url:
        owner = Visitor(url)
        base, data = owner.begin(url)
        answers: list[str] = []

        def wait() -> None:
            while len(set(answers)) < 2:
                answer = owner.ask(f"{base}order/{data['version']}")[2]
                answers.append(json.loads(answer)["version"])

        waiting = threading.Thread(target=wait)
        waiting.start()

        eventually(
            lambda: are_quiet(threads(daemon.pid), 3.0),
            what="no thread of the daemon wakes for three seconds",
        )
        assert set(answers) <= {data["version"]}
        put(labelled_inbox / "keep", "sun", 2, first=40)
        answers.append(data["version"])
        waiting.join(timeout=300)
        assert answers[-1] == "2-12"
        renewed = json.loads(owner.ask(base + "renew", {"groups": False})[2])
        assert renewed["version"] == "2-12"
