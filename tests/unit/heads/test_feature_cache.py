"""The file that stores the unit rows of images."""

import fcntl
import hashlib
import os
from pathlib import Path

import numpy as np
import pytest

from imgscore.heads import feature_cache
from imgscore.heads.extras import NAMES
from imgscore.heads.feature_cache import FeatureCache, Rows

WIDTH = 97
KEY = b"k" * 32


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "rows.bin"


def part(count: int, seed: int = 0) -> Rows:
    generator = np.random.default_rng(seed)
    digests = b"".join(hashlib.sha256(bytes([seed, row])).digest() for row in range(count))
    extras = generator.random((count, len(NAMES)), np.float32)
    extras[1] = np.nan
    rows = generator.standard_normal((count, WIDTH), np.float32).astype(np.float16)
    return Rows(digests, extras, rows)


def write(file: Path, *parts: Rows, key: bytes = KEY) -> None:
    with FeatureCache(file, key, WIDTH) as cache:
        assert cache.begin()
        assert all(cache.append(part) for part in parts)


def read(file: Path, key: bytes = KEY) -> list[Rows | None]:
    with FeatureCache(file, key, WIDTH) as cache:
        numbers = range(len(cache.digests()))
        return [cache.checked(number, cache.read(number)) for number in numbers]


def assert_equal(found: list[Rows | None], expected: list[Rows]) -> None:
    assert len(found) == len(expected)
    for own, other in zip(found, expected, strict=True):
        assert own is not None
        assert own.digests == other.digests
        assert np.array_equal(own.extras, other.extras, equal_nan=True)
        assert np.array_equal(own.rows, other.rows)


def test_append_in_two_sessions_keeps_all_parts(file):
    write(file, part(3), part(5, 1))
    write(file, part(2, 2))
    assert_equal(read(file), [part(3), part(5, 1), part(2, 2)])
    assert file.stat().st_mode & 0o777 == 0o600


def test_without_extras_returns_the_images_of_unknown_traits(file):
    write(file, part(3))
    with FeatureCache(file, KEY, WIDTH) as cache:
        assert cache.without_extras(0, cache.read(0)) == [1]
        assert cache.without_extras(0, b"") == []


def test_file_of_another_key_is_replaced(file):
    write(file, part(3), part(4, 1))
    other = b"o" * 32
    assert read(file, other) == []
    write(file, part(2), key=other)
    assert_equal(read(file, other), [part(2)])
    assert read(file) == []


@pytest.mark.parametrize("cut", [1, 100, 4096])
def test_part_that_was_not_written_to_its_end_is_replaced(file, cut):
    write(file, part(40), part(40, 1))
    os.truncate(file, file.stat().st_size - cut)
    assert_equal(read(file), [part(40)])
    write(file, part(2, 2))
    assert_equal(read(file), [part(40), part(2, 2)])


@pytest.mark.parametrize("back", [1, 4000, 40 * (32 + 48 + 2 * WIDTH) - 1])
def test_damaged_part_is_left_out(file, back):
    write(file, part(40), part(40, 1))
    data = bytearray(file.read_bytes())
    data[-back] ^= 1
    file.write_bytes(data)
    found = read(file)
    assert found[1] is None
    assert_equal(found[:1], [part(40)])


def test_row_that_is_not_finite_makes_its_part_unusable(file):
    hostile = part(3)
    hostile.rows[2, 5] = np.inf
    write(file, hostile)
    assert read(file) == [None]


@pytest.mark.parametrize(
    "content", [b"", b"imgrows\n", b"\0" * 100, b"imgrows\n" + KEY + b"\xff" * 50]
)
def test_file_with_other_content_is_replaced(file, content):
    file.parent.mkdir()
    file.write_bytes(content)
    assert read(file) == []
    write(file, part(2))
    assert_equal(read(file), [part(2)])


@pytest.mark.parametrize("kind", ["folder", "link", "fifo"])
def test_file_that_is_not_regular_stays_as_it_is(file, kind, tmp_path):
    file.parent.mkdir()
    target = tmp_path / "target"
    target.write_bytes(b"theirs")
    {
        "folder": file.mkdir,
        "link": lambda: file.symlink_to(target),
        "fifo": lambda: os.mkfifo(file),
    }[kind]()
    with FeatureCache(file, KEY, WIDTH) as cache:
        assert not cache.begin()
        assert cache.digests() == []
    assert target.read_bytes() == b"theirs"


def test_begin_on_a_disk_with_little_space_returns_false(file, monkeypatch):
    monkeypatch.setattr(feature_cache, "MIN_FREE_BYTES", 1 << 62)
    with FeatureCache(file, KEY, WIDTH) as cache:
        assert not cache.begin()
    assert file.stat().st_size == 0


def test_begin_while_another_process_writes_returns_false(file):
    write(file, part(3))
    with file.open("rb") as other, FeatureCache(file, KEY, WIDTH) as cache:
        fcntl.flock(other, fcntl.LOCK_EX)
        assert not cache.begin()
    assert_equal(read(file), [part(3)])


def test_clear_lets_begin_delete_the_content(file):
    write(file, part(3))
    with FeatureCache(file, KEY, WIDTH) as cache:
        cache.clear()
        assert cache.begin()
        assert cache.append(part(2, 1))
    assert_equal(read(file), [part(2, 1)])
