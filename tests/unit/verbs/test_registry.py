"""The verbs as the package lists them, and requests and rows between two versions."""

import json
import subprocess
import sys
from typing import get_args

import msgspec
import pytest

from imgscore import protocol
from imgscore.errors import ImgscoreError, UsageError
from imgscore.messages import BaseRequest, Result
from imgscore.verbs import explain, registry, scan, status, undo, watch_log
from tests.support.statuses import make_status


@pytest.mark.parametrize("name", registry.names())
def test_find_each_verb_has_request_response_and_run(name: str) -> None:
    verb = registry.find(name)
    assert issubclass(verb.Request, BaseRequest) and callable(verb.run)
    (base,) = verb.Request.__orig_bases__
    assert get_args(base) == (verb.Response,)
    for kind in get_args(verb.Response) or (verb.Response,):
        assert issubclass(kind, msgspec.Struct)


def test_names_list_the_files_of_verbs_and_no_helpers() -> None:
    names = registry.names()
    assert {"import", "import-labels", "restore-times", "status"} <= set(names)
    assert not {"base", "queries", "registry"} & set(names)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [("status", {}), ("import", {"file": "/a"}), ("import-labels", {}), ("restore-times", {})],
)
def test_name_of_request_is_the_name_of_its_verb(name: str, arguments: dict[str, str]) -> None:
    assert registry.name_of(registry.parse(name, arguments)) == name


def test_import_of_a_verb_loads_neither_engine_nor_numpy() -> None:
    code = (
        "import sys\n"
        "from imgscore.verbs import registry\n"
        "for name in registry.names(): registry.find(name)\n"
        "heavy = {'imgscore.engine.engine', 'imgscore.workers.pool', 'numpy', 'PIL'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize(
    ("verb", "arguments", "named"),
    [("no-such", {}, "no-such"), ("base", {}, "base"), ("status", {"new": 1}, "new")],
)
def test_parse_unknown_verb_or_field_says_what_to_do(
    verb: str, arguments: dict[str, int], named: str
) -> None:
    with pytest.raises(UsageError, match=named) as caught:
        registry.parse(verb, arguments)
    assert "imgscore stop" in caught.value.remedy


def test_row_of_newer_daemon_with_more_fields_is_read() -> None:
    row = msgspec.to_builtins(make_status()) | {"new": 1}
    assert registry.row_of(status.Request(), row) == make_status()


def test_row_of_older_daemon_with_fewer_fields_says_what_to_do() -> None:
    row = msgspec.to_builtins(make_status())
    del row["hint"]
    with pytest.raises(ImgscoreError, match="hint") as caught:
        registry.row_of(status.Request(), row)
    assert "imgscore stop" in caught.value.remedy


@pytest.mark.parametrize(
    ("request_", "row"),
    [
        (scan.Request(), scan.ChangedFile("/in/\udcff", "new")),
        (scan.Request(), scan.Scanned(1, 2, 3, 4)),
        (undo.Request("label"), undo.RestoredLabel("/a", "00", None, "keep", 0)),
        (undo.Request("order"), undo.TouchedFile("/a", 1, 2)),
        (explain.Request("/a"), explain.Unexplained("/a", "default", None, "lite0", "no head")),
        (watch_log.Request(), watch_log.events.Paused()),
    ],
)
def test_row_of_each_kind_of_row_survives_the_socket(
    request_: BaseRequest[msgspec.Struct], row: msgspec.Struct
) -> None:
    line = protocol.encode(protocol.message_line(Result(row)))
    assert registry.row_of(request_, json.loads(line)["result"]) == row
