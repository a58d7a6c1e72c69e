"""The bridge to hydrus, against a stand-in that checks requests as the Client API does."""

import hashlib
import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from imgscore.testing import Completed, run
from tests.conftest import put
from tests.support.commands import Start, imgscore
from tests.support.http_servers import Refusal, Request, serving

BRIDGE = Path(__file__).parents[3] / "contrib/hydrus/imgscore_hydrus.py"
KEY = "0150d9c4f6a6d2082534a997f4588dcf0c56dffe1d03ffbf98472236112236ae"
LIKES, STARS, TAGS = "aa" * 32, "bb" * 32, "6c6f63616c2074616773"
SERVICES = {
    LIKES: {"name": "favourites", "type": 7, "type_pretty": "local like/dislike rating service"},
    STARS: {"name": "my stars", "type": 6, "min_stars": 0, "max_stars": 10},
    TAGS: {"name": "my tags", "type": 5, "type_pretty": "local tag service"},
    "cc" * 32: {"name": "counter", "type": 22},
    "616c6c20": {"name": "all my files", "type": 21},
}


class Hydrus:
    """The files of a hydrus client."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files: dict[int, dict[str, Any]] = {}

    def add(self, source: Path, mime: str = "image/png") -> dict[str, Any]:
        """Import a file: hydrus renames it after its sha256."""
        name = hashlib.sha256(source.read_bytes()).hexdigest()
        path = self.folder / f"f{name[:2]}" / f"{name}{source.suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, path)
        file = {"hash": name, "mime": mime, "path": str(path), "ratings": {}, "tags": []}
        self.files[len(self.files) + 101] = file
        return file

    def answer(self, request: Request) -> tuple[int, Any]:
        """Answer a request."""
        key = request.headers.get("hydrus-client-api-access-key")
        if not key:
            raise Refusal(401, "no access key")
        if key != KEY:
            raise Refusal(403, "the access key is not known")
        if (request.method, request.path) == ("POST", "/add_tags/add_tags"):
            self.add_tags(request.body)
            return 200, None
        if request.method != "GET":
            raise Refusal(404, "there is no such command")
        versions = {"version": 80, "hydrus_version": 620}
        match request.path:
            case "/get_services":
                return 200, {"services": SERVICES} | versions
            case "/get_files/search_files":
                return 200, {"file_ids": self.search(json.loads(request.query["tags"]))} | versions
            case "/get_files/file_metadata":
                ids = json.loads(request.query["file_ids"])
                assert len(ids) <= 256
                return 200, {"metadata": [self.metadata(number) for number in ids]} | versions
            case "/get_files/file_path":
                file = self.file(json.loads(request.query["file_id"]))
                if not Path(file["path"]).exists():
                    raise Refusal(404, "the file is missing")
                return 200, {"path": file["path"], "filetype": file["mime"], "size": 1} | versions
        raise Refusal(404, "there is no such command")

    def file(self, number: Any) -> dict[str, Any]:
        if not isinstance(number, int) or number not in self.files:
            raise Refusal(404, f"there is no file {number}")
        return self.files[number]

    def search(self, predicates: list[str]) -> list[int]:
        (predicate,) = predicates
        rated = {f"system:has a rating for {SERVICES[key]['name']}": key for key in (LIKES, STARS)}
        if predicate in rated:
            key = rated[predicate]
            return [n for n, file in self.files.items() if file["ratings"].get(key) is not None]
        if predicate not in ("system:inbox", "system:everything"):
            raise Refusal(400, f"this predicate cannot be parsed: {predicate}")
        return list(self.files)

    def metadata(self, number: int) -> dict[str, Any]:
        file = self.file(number)
        ratings = {LIKES: None, STARS: None} | file["ratings"]
        tags = {"storage_tags": {"0": file["tags"]} if file["tags"] else {}, "display_tags": {}}
        return {
            "file_id": number,
            "hash": file["hash"],
            "mime": file["mime"],
            "ratings": ratings,
            "tags": {TAGS: tags},
        }

    def add_tags(self, body: dict[str, Any]) -> None:
        for service, actions in body["service_keys_to_actions_to_tags"].items():
            if SERVICES.get(service, {}).get("type") != 5:
                raise Refusal(400, "this is not a tag service")
            if not set(actions) <= {"0", "1"}:
                raise Refusal(400, "a local tag service has the actions 0 and 1")
            for number in body["file_ids"]:
                tags = set(self.file(number)["tags"])
                tags = (tags | set(actions.get("0", []))) - set(actions.get("1", []))
                self.files[number]["tags"] = sorted(tags)


@pytest.fixture
def hydrus(inbox: Path, tmp_path: Path, start: Start) -> Iterator[Hydrus]:
    """A hydrus client with six pictures of each kind; a daemon has learned from others."""
    for kind, folder in (("sun", "keep"), ("text", "trash")):
        for path in put(inbox, kind, 4):
            path.rename(inbox / folder / path.name)
    start().settle()
    client = Hydrus(tmp_path / "hydrus files")
    other = tmp_path / "other"
    other.mkdir()
    for path in [*put(other, "sun", 6, first=30), *put(other, "text", 6, first=30)]:
        client.add(path, f"image/{path.suffix[1:]}")
    yield client


def bridge(url: str, *arguments: str, key: str = KEY) -> Completed:
    """Run the bridge."""
    command = ["env", f"HYDRUS_ACCESS_KEY={key}", sys.executable, "-W", "error", BRIDGE]
    return run([*command, *arguments, "--url", url])


def labels(client: Hydrus) -> dict[str, str | None]:
    """The label of each file, by its sha256."""
    rows = imgscore("score", "--json", *(file["path"] for file in client.files.values())).rows
    return {row["sha256"]: row["label"] for row in rows}


def test_ratings_of_a_like_service_become_labels(hydrus: Hydrus) -> None:
    files = list(hydrus.files.values())
    files[0]["ratings"], files[1]["ratings"] = {LIKES: True}, {LIKES: False}
    with serving(hydrus.answer) as (url, requests):
        done = bridge(url, "ratings", "favourites")
        assert done.code == 0, done.err
        assert bridge(url, "ratings", LIKES).code == 0  # by the key of the service, again
    assert {request.method for request in requests} == {"GET"}
    expected = dict.fromkeys((file["hash"] for file in files), None)
    expected |= {files[0]["hash"]: "keep", files[1]["hash"]: "trash"}
    assert labels(hydrus) == expected


def test_stars_of_a_numerical_service_become_one_to_five_stars(hydrus: Hydrus) -> None:
    files = list(hydrus.files.values())
    for file, rating in zip(files, (0, 2, 5, 8, 10), strict=False):  # of 0 to 10
        file["ratings"] = {STARS: rating}
    with serving(hydrus.answer) as (url, _):
        done = bridge(url, "ratings", "my stars")
    assert done.code == 0, done.out + done.err
    rows = imgscore("score", "--json", *(file["path"] for file in files[:6])).rows
    grades = [row["grade"] for row in rows]
    assert grades[:5] == sorted(set(grades[:5])) and grades[5] is None
    assert [row["label"] for row in rows[:5]] == ["trash", "trash", "undecided", "keep", "keep"]


def test_scores_become_tags_and_replace_earlier_ones(hydrus: Hydrus) -> None:
    first = next(iter(hydrus.files.values()))
    first["tags"] = ["imgscore:000", "blue eyes"]
    with serving(hydrus.answer) as (url, requests):
        done = bridge(url, "tags", "my tags")
        assert done.code == 0, done.err
        tags = [file["tags"] for file in hydrus.files.values()]
        sent = sum(request.method == "POST" for request in requests)
        assert sent > 0
        assert bridge(url, "tags", "my tags").code == 0  # nothing changes
        assert sum(request.method == "POST" for request in requests) == sent
        assert tags == [file["tags"] for file in hydrus.files.values()]
    assert "blue eyes" in tags[0] and len(tags[0]) == 2 and "imgscore:000" not in tags[0]
    numbers = [int(tag.rpartition(":")[2]) for names in tags for tag in names if ":" in tag]
    assert len(numbers) == 12 and min(numbers[:6]) > max(numbers[6:])


def test_missing_files_and_videos_are_left_out(hydrus: Hydrus, tmp_path: Path) -> None:
    files = list(hydrus.files.values())
    Path(files[0]["path"]).unlink()
    video = tmp_path / "video.mp4"
    video.write_bytes(b"no image")
    hydrus.add(video, "video/mp4")
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no image")
    hydrus.add(broken)
    with serving(hydrus.answer) as (url, _):
        done = bridge(url, "tags", "my tags", "--search", "system:everything")
    assert done.code == 1 and "broken" not in done.err  # the broken file fails, the others do not
    tagged = [bool(file["tags"]) for file in hydrus.files.values()]
    assert tagged == [False, *[True] * 11, False, False]


def test_files_of_another_machine_are_found_with_map(hydrus: Hydrus) -> None:
    here = str(hydrus.folder)
    file = next(iter(hydrus.files.values()))
    file["ratings"] = {LIKES: True}
    real = hydrus.answer

    def elsewhere(request: Request) -> tuple[int, Any]:
        status, content = real(request)
        if request.path == "/get_files/file_path":
            content["path"] = content["path"].replace(here, "/opt/hydrus/db/client_files")
        return status, content

    with serving(elsewhere) as (url, _):
        mapped = ["--map", "/opt/hydrus/db/client_files", here]
        done = bridge(url, "ratings", "favourites", *mapped)
    assert done.code == 0, done.out + done.err
    assert labels(hydrus)[file["hash"]] == "keep"


@pytest.mark.parametrize("key", ["", "ff" * 32])
def test_wrong_key_ends_the_bridge_with_an_error(hydrus: Hydrus, key: str) -> None:
    with serving(hydrus.answer) as (url, _):
        done = bridge(url, "ratings", "favourites", key=key)
    assert done.code == 1 and "Traceback" not in done.err
    assert ("401" if not key else "403") in done.err


def test_unknown_service_is_an_error_that_lists_the_others(hydrus: Hydrus) -> None:
    with serving(hydrus.answer) as (url, _):
        done = bridge(url, "ratings", "counter")
    assert done.code == 1 and "favourites" in done.err and "my stars" in done.err


def test_client_that_does_not_run_is_an_error(inbox: Path) -> None:
    done = bridge("http://127.0.0.1:9", "ratings", "favourites")
    assert done.code == 1 and "refused" in done.err and "Traceback" not in done.err
