"""The escape sequences that draw an image: decoded, they give the image again."""

import base64
import io
import os
import re
from pathlib import Path

import pytest
from PIL import Image

from imgscore.cli.terminal import Protocol
from imgscore.cli.terminal_images import LINES, PAYLOAD_BYTES, _strip, encode


@pytest.fixture
def image() -> Image.Image:
    return Image.effect_noise((90, 70), 64).convert("RGBA")


def decoded(data: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(data)))


def test_encode_for_kitty_sends_the_image_in_chunks(image: Image.Image) -> None:
    parts = re.findall(r"\x1b_G([^;]*);([^\x1b]*)\x1b\\", encode(image, Protocol.KITTY))
    assert len(parts) > 1 and all(len(data) <= PAYLOAD_BYTES for _, data in parts)
    assert [keys.endswith("m=1") for keys, _ in parts] == [True] * (len(parts) - 1) + [False]
    assert f"r={LINES}," in parts[0][0]
    sent = decoded("".join(data for _, data in parts))
    assert sent.tobytes() == image.tobytes()


def test_encode_for_iterm_sends_the_image_at_once(image: Image.Image) -> None:
    (keys, data) = re.findall(
        r"\x1b\]1337;File=([^:]*):([^\x07]*)\x07", encode(image, Protocol.ITERM)
    )[0]
    assert f"height={LINES}" in keys and "inline=1" in keys
    assert decoded(data).tobytes() == image.tobytes()


def test_encode_for_sixel_sends_every_opaque_pixel(image: Image.Image) -> None:
    image.paste((0, 0, 0, 0), (0, 0, 20, 7))
    sent = unsixel(encode(image, Protocol.SIXEL), image.size)
    for x in range(image.width):
        for y in range(image.height):
            wanted = image.getpixel((x, y))
            assert isinstance(wanted, tuple)
            if wanted[3] == 0:
                assert (x, y) not in sent
            else:
                assert max(abs(a - b) for a, b in zip(sent[x, y], wanted[:3], strict=True)) <= 40


def unsixel(text: str, size: tuple[int, int]) -> dict[tuple[int, int], tuple[int, ...]]:
    """The colours of the pixels that a VT340 would draw. Sixel gives colours in percent."""
    body = re.fullmatch(rf'\x1bP0;1q"1;1;{size[0]};{size[1]}(.*)\x1b\\', text, re.DOTALL)
    assert body is not None
    colours: dict[str, tuple[int, ...]] = {}
    pixels: dict[tuple[int, int], tuple[int, ...]] = {}
    x = top = 0
    colour = ""
    for token in re.finditer(r"#(\d+);2;(\d+);(\d+);(\d+)|#(\d+)|!(\d+)(.)|([$-])", body[1]):
        if token[1]:
            colours[token[1]] = tuple(round(int(part) * 2.55) for part in token.groups()[1:4])
        elif token[5]:
            colour = token[5]
        elif token[6]:
            bits = ord(token[7]) - 63
            for column in range(x, x + int(token[6])):
                for row in range(6):
                    if bits >> row & 1:
                        assert (column, top + row) not in pixels
                        pixels[column, top + row] = colours[colour]
            x += int(token[6])
        else:
            x, top = 0, top + 6 * (token[8] == "-")
    return pixels


def test_strip_holds_as_many_images_as_fit(tmp_path: Path) -> None:
    wide, high, damaged = (os.fspath(tmp_path / f"{name}.webp") for name in ("w", "h", "d"))
    Image.new("RGB", (300, 100), "red").save(wide)
    Image.new("RGB", (50, 100), "blue").save(high)
    Path(damaged).write_bytes(b"no image")
    strip = _strip([wide, damaged, high], 1000, 100)
    assert strip is not None and strip.size == (150 + 10 + 50, 100)
    assert strip.getpixel((0, 99)) == (0, 0, 0, 0)
    narrow = _strip([wide, high], 200, 100)
    assert narrow is not None and narrow.size == (150, 100)
    assert _strip([damaged, "/nothing"], 1000, 100) is None


def test_strip_of_a_file_that_is_not_webp_is_none(tmp_path: Path) -> None:
    planted = os.fspath(tmp_path / "planted.webp")
    Image.new("RGB", (50, 100), "red").save(planted, "TIFF")
    assert _strip([planted], 1000, 100) is None
