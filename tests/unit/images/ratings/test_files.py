"""Ratings in files: written by real programs, and files that are damaged or meant to do harm."""

import contextlib
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from imgscore.images.ratings import files, xmp
from imgscore.images.ratings.files import OWN_XATTR, XATTR
from imgscore.images.ratings.values import UNRATED
from imgscore.images.ratings.window import MAX_TOTAL_BYTES
from tests.support.raters import darktable_sidecar, exiftool, exiv2

RATED = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
    'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description '
    'xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:Rating="4"/></rdf:RDF></x:xmpmeta>'
)


def image(folder: Path, name: str) -> Path:
    path = folder / name
    Image.effect_noise((64, 48), 90).convert("RGB").save(path)
    return path


def values(path: Path) -> dict[str, float | None]:
    """The value of each source of an image that has a value or a problem."""
    _, sources = files.read(os.fsencode(path))
    return {source.name: source.value for source in sources if source.value is not None}


def problems(path: Path) -> list[str]:
    return [source.problem for source in files.read(os.fsencode(path))[1] if source.problem]


# ---- files of real programs


def one_of_each_format(folder: Path) -> list[Path]:
    paths = [image(folder, f"a.{suffix}") for suffix in ("jpg", "png", "tif", "webp", "avif")]
    paths += [image(folder, "b.jp2"), image(folder, "b.tif").rename(folder / "c.dng")]
    with contextlib.suppress(ImportError):
        import pillow_heif

        pillow_heif.from_pillow(Image.new("RGB", (64, 48), "red")).save(folder / "a.heic")
        paths.append(folder / "a.heic")
    return paths


def test_rating_in_each_format_written_by_exiftool(tmp_path: Path) -> None:
    paths = one_of_each_format(tmp_path)
    assert [values(path) for path in paths] == [{}] * len(paths)
    exiftool("-XMP-xmp:Rating=4", *paths)
    assert [values(path) for path in paths] == [{"file": 0.7}] * len(paths)
    exiftool("-XMP-xmp:Rating=", *paths)
    assert [values(path) for path in paths] == [{}] * len(paths)
    exifs = paths[:5]
    exiftool("-IFD0:Rating=5", *exifs)
    assert [values(path) for path in exifs] == [{"file": 0.9}] * len(exifs)


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        ("-IFD0:RatingPercent=75", 0.7),
        ("-XMP-microsoft:RatingPercent=25", 0.3),
        ("-XMP-digiKam:PickLabel=3", 1.0),
        ("-XMP-xmp:Rating=-1", 0.0),
    ],
)
def test_other_properties_written_by_exiftool(tmp_path: Path, option: str, expected: float) -> None:
    path = image(tmp_path, "a.jpg")
    exiftool(option, path)
    assert values(path) == {"file": expected}


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif"])
def test_rating_in_a_file_written_by_exiv2(tmp_path: Path, suffix: str) -> None:
    path = image(tmp_path, f"a.{suffix}")
    exiv2("-M", "set Exif.Image.Rating 2", path)
    assert values(path) == {"file": 0.3}
    exiv2("-M", "set Xmp.xmp.Rating 5", path)
    assert values(path) == {"file": 0.9}


def test_rating_beside_a_packet_of_several_segments(tmp_path: Path) -> None:
    path = image(tmp_path, "a.jpg")
    (tmp_path / "text").write_text("long " * 60_000)
    exiftool("-XMP-xmp:Rating=4", f"-XMP-dc:Description<={tmp_path / 'text'}", path)
    assert path.read_bytes().count(b"ns.adobe.com/xmp/extension/") > 3
    assert values(path) == {"file": 0.7}


@pytest.mark.parametrize("name", ["a.jpg.xmp", "a.xmp", "a.jpg.XMP"])
def test_sidecar_written_by_exiftool(tmp_path: Path, name: str) -> None:
    path, sidecar = image(tmp_path, "a.jpg"), tmp_path / name
    exiftool("-XMP-xmp:Rating=5", "-o", tmp_path / "new.xmp", path)
    (tmp_path / "new.xmp").rename(sidecar)
    (source,) = values(path).items()
    assert source == ("stem" if name == "a.xmp" else "sidecar", 0.9)


def test_sidecar_in_the_way_of_digikam_written_by_exiv2(tmp_path: Path) -> None:
    path, sidecar = image(tmp_path, "a.jpg"), tmp_path / "a.jpg.xmp"
    exiv2("-eX", path)
    sidecar = (tmp_path / "a.xmp").rename(sidecar)
    digikam = "reg digiKam http://www.digikam.org/ns/1.0/"
    exiv2("-M", digikam, "-M", "set Xmp.xmp.Rating 4", "-M", "set Xmp.digiKam.PickLabel 0", sidecar)
    assert values(path) == {"sidecar": 0.7}
    exiv2("-M", digikam, "-M", "set Xmp.digiKam.PickLabel 1", sidecar)
    assert values(path) == {"sidecar": 0.0}


def test_sidecar_of_darktable(tmp_path: Path) -> None:
    path = image(tmp_path, "a.jpg")
    for stars, expected in ((-1, 0.0), (0, UNRATED), (3, 0.5)):
        darktable_sidecar(path, stars)
        assert values(path) == {"sidecar": expected}


# ---- which source counts


def test_sidecar_without_suffix_belongs_to_the_raw_file(tmp_path: Path) -> None:
    path = image(tmp_path, "a.jpg")
    (tmp_path / "a.xmp").write_text(RATED)
    assert values(path) == {"stem": 0.7}
    raw = tmp_path / "a.CR2"
    raw.write_bytes(b"raw")
    assert values(path) == {} and values(raw) == {"stem": 0.7}
    (tmp_path / "a.jpg.xmp").write_text(RATED.replace('"4"', '"2"'))
    assert values(path) == {"sidecar": 0.3}


def test_sidecar_that_is_a_link_or_a_folder_is_no_sidecar(tmp_path: Path) -> None:
    path, other = image(tmp_path, "a.jpg"), tmp_path / "elsewhere"
    other.write_text(RATED)
    (tmp_path / "a.jpg.xmp").symlink_to(other)
    (tmp_path / "a.xmp").mkdir()
    assert values(path) == {} and problems(path) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"8", 0.7),
        (b"10", 0.9),
        (b"7", 0.6),
        (b"0", UNRATED),
        (b"11", None),
        (b"-2", None),
        (b"", None),
    ],
)
def test_rating_in_an_extended_attribute(
    tmp_path: Path, text: bytes, expected: float | None
) -> None:
    path = image(tmp_path, "a.jpg")
    try:
        os.setxattr(path, XATTR, text)
    except OSError:
        pytest.skip("cannot set extended attributes in the temporary folder")
    assert values(path).get("xattr") == expected
    os.setxattr(path, OWN_XATTR, text)
    if text not in (b"", b"-2"):
        assert values(path) == {}


# ---- damaged and hostile files


def jpeg_with(*segments: bytes) -> bytes:
    parts = [b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body for body in segments]
    return b"\xff\xd8" + b"".join(parts) + b"\xff\xda\0\0"


def xmp_segment(text: str) -> bytes:
    return b"http://ns.adobe.com/xap/1.0/\0" + text.encode()


def png_with(*chunks: tuple[bytes, bytes]) -> bytes:
    data = b"\x89PNG\r\n\x1a\n"
    for kind, body in chunks:
        checksum = zlib.crc32(kind + body)
        data += struct.pack(">I", len(body)) + kind + body + struct.pack(">I", checksum)
    return data


def compressed(text: bytes) -> bytes:
    return b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(text, 9)


def tiff_with(*entries: tuple[int, int, int, int], order: str = "<") -> bytes:
    start = (b"II" if order == "<" else b"MM") + struct.pack(f"{order}HL", 42, 8)
    rows = [struct.pack(f"{order}HHLL", *entry) for entry in entries]
    return start + struct.pack(f"{order}H", len(entries)) + b"".join(rows) + bytes(4)


def test_rating_in_a_compressed_text_of_a_png(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(png_with((b"IDAT", b""), (b"iTXt", compressed(RATED.encode()))))
    assert values(path) == {"file": 0.7}


def test_rating_in_the_second_part_of_a_packet(tmp_path: Path) -> None:
    path, guid, more = tmp_path / "a.jpg", "0123456789ABCDEF" * 2, RATED.encode()
    note = f'xmlns:n="http://ns.adobe.com/xmp/note/" n:HasExtendedXMP="{guid}"'
    main = RATED.replace('xmp:Rating="4"', note)
    header = b"http://ns.adobe.com/xmp/extension/\0" + guid.encode()
    half = len(more) // 2
    parts = [(0, more[:half]), (half, more[half:])]
    bodies = [header + struct.pack(">II", len(more), at) + part for at, part in parts]
    path.write_bytes(jpeg_with(xmp_segment(main), *bodies))
    assert values(path) == {"file": 0.7}
    path.write_bytes(jpeg_with(xmp_segment(main.replace("0123", "3210")), *bodies))
    assert values(path) == {}


HOSTILE: dict[str, bytes] = {
    "zip bomb in a PNG": png_with((b"iTXt", compressed(b" " * (200 << 20)))),
    "damaged zip in a PNG": png_with((b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0 no zip")),
    "document type in a JPEG": jpeg_with(xmp_segment("<!DOCTYPE x []>" + RATED)),
    "huge packet in a TIFF": tiff_with((700, 7, 0x7FFFFFFF, 8)),
    "huge chunk in a WebP": b"RIFF\xff\xff\xff\xffWEBPXMP \xff\xff\xff\x7f",
    "broken XML in a JPEG": jpeg_with(xmp_segment(RATED[:-9])),
}
HARMLESS: dict[str, bytes] = {
    "huge box": b"\0\0\0\x18ftypheic" + bytes(16) + b"\0\0\0\1xml " + struct.pack(">Q", 1 << 62),
    "empty": b"",
    "one byte": b"\xff",
    "only a header": b"\xff\xd8",
    "endless fill bytes": b"\xff\xd8" + b"\xff" * 100_000,
    "many segments": jpeg_with(*[b""] * 60_000),
    "segment of size 0": b"\xff\xd8\xff\xe1\0\0",
    "many chunks": png_with(*[(b"IDAT", b"")] * 60_000),
    "page in itself": tiff_with((330, 4, 1, 8), (700, 7, 4, 0)),
    "page outside": b"II*\0\xff\xff\xff\xff",
    "endless boxes": b"\0\0\0\x18ftypheic" + bytes(16) + b"\0\0\0\x08free" * 60_000,
    "box in itself": b"\0\0\0\x18ftypheic"
    + bytes(16)
    + b"\0\0\0\x14meta"
    + bytes(4)
    + b"\0\0\0\0iinf",
    "parts that do not fit": jpeg_with(
        b"http://ns.adobe.com/xmp/extension/\0"
        + b"a" * 32
        + struct.pack(">II", 100, 90)
        + b"x" * 50,
        b"http://ns.adobe.com/xmp/extension/\0"
        + b"b" * 32
        + struct.pack(">II", 2**32 - 1, 0)
        + b"x",
    ),
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE)
def test_hostile_file_is_reported(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(data)
    assert values(path) == {} and len(problems(path)) == 1


@pytest.mark.parametrize("data", HARMLESS.values(), ids=HARMLESS)
def test_file_without_metadata_has_no_rating(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(data)
    assert values(path) == {}


def test_hostile_sidecar_does_not_hide_the_rating_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(jpeg_with(xmp_segment(RATED)))
    (tmp_path / "a.jpg.xmp").write_text("<!DOCTYPE x []>" + RATED)
    assert values(path) == {"file": 0.7} and len(problems(path)) == 1
    (tmp_path / "a.jpg.xmp").write_bytes(b" " * (xmp.MAX_BYTES + 100))
    assert values(path) == {"file": 0.7} and "too large" in problems(path)[0]


def test_rating_of_a_large_file_reads_only_the_headers(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    start = png_with((b"IDAT", b""))
    with path.open("wb") as file:
        file.write(start + struct.pack(">I4s", 1 << 30, b"IDAT"))
        file.seek((1 << 30) + 4, os.SEEK_CUR)
        file.write(png_with((b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + RATED.encode()))[8:])
    assert path.stat().st_size > 8 * MAX_TOTAL_BYTES
    assert values(path) == {"file": 0.7}


SAMPLES: list[Callable[[Path], Path]] = [
    lambda folder: image(folder, "a.jpg"),
    lambda folder: image(folder, "a.png"),
    lambda folder: image(folder, "a.tif"),
    lambda folder: image(folder, "a.webp"),
    lambda folder: image(folder, "a.avif"),
]


@pytest.mark.parametrize("make", SAMPLES)
def test_damaged_file_raises_nothing(
    make: Callable[[Path], Path], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = make(tmp_path_factory.mktemp("damaged"))
    exiftool("-XMP-xmp:Rating=4", "-IFD0:Rating=4", path)
    whole = path.read_bytes()

    @settings(max_examples=300, deadline=None, database=None)
    @given(
        st.integers(0, len(whole)),
        st.lists(
            st.tuples(st.integers(0, len(whole) - 1), st.binary(min_size=1, max_size=4)), max_size=6
        ),
    )
    def check(end: int, changes: list[tuple[int, bytes]]) -> None:
        data = bytearray(whole)
        for offset, new in changes:
            data[offset : offset + len(new)] = new
        path.write_bytes(data[:end])
        files.read(os.fsencode(path))

    check()
