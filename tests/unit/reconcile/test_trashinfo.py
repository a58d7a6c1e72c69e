"""The origin of a trashed file, from the text of its .trashinfo."""

import os
from urllib.parse import quote_from_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgscore.reconcile.trashinfo import origin

PARTS = st.lists(
    st.binary(min_size=1, max_size=20)
    .map(lambda part: part.replace(b"/", b"_").replace(b"\0", b"_"))
    .filter(lambda part: part not in (b".", b"..")),
    min_size=1,
    max_size=5,
)


def info(path: bytes) -> bytes:
    return f"[Trash Info]\nPath={quote_from_bytes(path)}\nDeletionDate=2026-11-22T11:33:32".encode()


@given(PARTS, PARTS)
def test_origin_of_any_encoded_path_is_that_path(above: list[bytes], below: list[bytes]) -> None:
    base, relative = b"/" + b"/".join(above), b"/".join(below)
    assert origin(info(base), b"/elsewhere") == base
    assert origin(info(relative), base) == base + b"/" + relative


@given(st.one_of(st.binary(), st.binary().map(lambda end: b"[Trash Info]\nPath=" + end)))
def test_origin_of_any_text_is_a_normal_absolute_path_or_none(text: bytes) -> None:
    path = origin(text, b"/base")
    if path is not None:
        assert path.startswith(b"/") and path == os.path.normpath(path) and b"\0" not in path
        assert not path.startswith(b"//") and b".." not in path.split(b"/")


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("[Trash Info]\nPath=/a%20b\n", b"/a b"),
        ("[Trash Info]\r\nPath = /a\r\n", b"/a"),
        ("[Trash Info]\nDeletionDate=x\nPath=/1\nPath=/2\n", b"/1"),
        ("[Trash Info]\nPath=/a%0A%ff%zz", b"/a\n\xff%zz"),
        ("[Trash Info]\nPath=a/./b/", b"/base/a/b"),
        ("[Trash Info]\nPath=", None),
        ("[Trash Info]\nPath=../a", None),
        ("[Trash Info]\nPath=/a%2F..%2Fb", None),
        ("[Trash Info]\nPath=/a%00b", None),
        ("[Trash Info]\n[Other]\nPath=/a", None),
        ("Path=/a", None),
        ("", None),
    ],
)
def test_origin_of_example_texts_is_as_the_specification_says(
    text: str, path: bytes | None
) -> None:
    assert origin(text.encode(), b"/base") == path
