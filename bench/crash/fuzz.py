"""Decodes mutated images of every format that Pillow can write, and of HEIC and RAW.

Decoding runs in a child process, as in a worker, so that the parent can count decoder crashes.
`python -m bench.crash.fuzz FORMAT SEED START COUNT` is that child process.
"""

from __future__ import annotations

import io
import os
import random
import resource
import signal
import struct
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec

from bench.crash.sandbox import Fault

MEMORY_BYTES = 3 * 2**30
"""bytes: the memory limit of the child, the same as that of a worker for huge images"""
FILE_SECONDS = 60
"""s: SIGALRM ends the child when one image takes longer"""
PILLOW_FORMATS = (
    "PNG", "JPEG", "WEBP", "GIF", "TIFF", "BMP", "AVIF", "ICO", "JPEG2000", "PPM", "QOI", "TGA",
    "PCX", "DDS", "SGI", "ICNS", "MSP", "XBM", "SPIDER", "IM",
)  # fmt: skip
MODES = ("RGB", "L", "P", "RGBA", "CMYK", "I;16", "1", "LA")
EXTREMES = (b"\0" * 4, b"\xff" * 4, b"\x7f\xff\xff\xff", b"\x80\0\0\0", b"\xff\xff\xff\x7f")
"""32-bit integers in either byte order: 0, -1 or the unsigned maximum, the signed limits"""


def make_images(kind: str) -> list[bytes]:
    """Images of a format, in each mode that it can store, with EXIF and an ICC profile."""
    from PIL import Image, ImageCms

    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    plain = Image.effect_mandelbrot((96, 72), (-2, -1.5, 1, 1.5), 40)
    exif = Image.Exif()
    exif[0x0110], exif[0x0112] = "A camera", 6
    exif.get_ifd(0x8769)[0x9003] = "2021:02:03 04:05:06"
    images = []
    for mode in MODES:
        image = plain.convert("RGB")
        image = image.convert("L").convert(mode) if mode == "I;16" else image.convert(mode)
        for metadata in ({"exif": exif, "icc_profile": profile}, {}):
            stream = io.BytesIO()
            try:
                image.save(stream, kind, **metadata)
            except (OSError, ValueError, KeyError, TypeError, SystemError):
                continue
            images.append(stream.getvalue())
            break
    return images


def make_extra_images(kind: str) -> list[bytes]:
    """A HEIC or DNG image; an empty list if the decoder, an extra, is not installed."""
    if kind == "RAW":
        return [make_dng(96, 72)] if find_spec("rawpy") else []
    if not find_spec("pillow_heif"):
        return []
    import pillow_heif
    from PIL import Image

    pillow_heif.register_heif_opener()
    stream = io.BytesIO()
    Image.effect_mandelbrot((96, 72), (-2, -1.5, 1, 1.5), 40).convert("RGB").save(stream, "HEIF")
    return [stream.getvalue()]


def make_dng(width: int, height: int) -> bytes:
    """A minimal DNG: a TIFF whose main directory has a thumbnail, and a sub-IFD with Bayer data."""
    matrix = struct.pack("<18i", *(value for n in range(9) for value in (int(n % 4 == 0), 1)))
    size = {254: (4, 0), 256: (4, width), 257: (4, height), 259: (3, 1), 277: (3, 1)}
    raw = _make_ifd(
        8,
        size
        | {
            258: (3, 16), 262: (3, 32803), 278: (4, height), 33421: (3, b"\2\0\2\0"),
            33422: (1, b"\0\1\1\2"),
        },
        bytes((7 * n) % 251 for n in range(2 * width * height)),
    )  # fmt: skip
    main = _make_ifd(
        8 + len(raw),
        size
        | {
            254: (4, 1), 256: (4, 8), 257: (4, 8), 258: (3, 8), 262: (3, 1), 278: (4, 8),
            271: (2, b"cam\0"), 272: (2, b"cam\0"), 330: (4, 8), 50706: (1, b"\1\4\0\0"),
            50708: (2, b"cam\0"), 50721: (10, matrix),
        },
        bytes(range(64)),
    )  # fmt: skip
    return struct.pack("<2sHI", b"II", 42, 8 + len(raw)) + raw + main


def _make_ifd(start: int, tags: dict[int, tuple[int, int | bytes]], strip: bytes) -> bytes:
    """A TIFF image file directory at offset `start`, followed by its strip and its long values.

    `tags`: tag → (TIFF type, value).
    """
    entries = dict(sorted((tags | {273: (4, 0), 279: (4, len(strip))}).items()))
    data_offset = start + 2 + 12 * len(entries) + 4
    data, directory = strip, struct.pack("<H", len(entries))
    entries[273] = (4, data_offset)
    for tag, (form, value) in entries.items():
        if isinstance(value, int):
            directory += struct.pack("<HHII", tag, form, 1, value)
            continue
        count = len(value) // {3: 2, 10: 8}.get(form, 1)
        directory += struct.pack("<HHI", tag, form, count)
        if len(value) <= 4:
            directory += value.ljust(4, b"\0")
        else:
            directory += struct.pack("<I", data_offset + len(data))
            data += value
    return directory + bytes(4) + data


def mutate(data: bytes, chance: random.Random) -> bytes:
    """Change bytes, set an extreme integer, delete or duplicate a part, or truncate the data."""
    damaged = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 4, 16))):
        at = chance.randrange(len(damaged) or 1)
        match chance.randrange(6):
            case 0 | 1:
                damaged[at : at + 1] = bytes([chance.randrange(256)])
            case 2:
                damaged[at : at + 4] = chance.choice(EXTREMES)
            case 3:
                del damaged[at : at + chance.randrange(1, 400)]
            case 4:
                damaged[at:at] = damaged[at : at + chance.randrange(1, 400)]
            case 5:
                del damaged[at + 1 :]
    return bytes(damaged)


def decode_many(kind: str, seed: int, start: int, count: int) -> None:
    """Decode mutations in the child process; prints the number of each before it is decoded."""
    from imgscore.errors import ImageError
    from imgscore.images.decode import decode

    images = make_images(kind) if kind in PILLOW_FORMATS else make_extra_images(kind)
    for number in range(start, start + count) if images else ():
        chance = random.Random(f"{kind} {seed} {number}")
        data = mutate(images[number % len(images)], chance)
        os.write(1, b"%d\n" % number)
        signal.alarm(FILE_SECONDS)
        try:
            picture = decode(data)
        except (ImageError, MemoryError):
            continue
        assert picture.pixels.ndim == 3 and min(picture.pixels.shape) >= 1
    os.write(1, b"done\n" if images else b"none\n")


def run(kind: str, seed: int, count: int) -> Fault:
    """Decode `count` mutations of a format. An unexpected exception is a loss.

    A decoder that ends its process is not: it costs the daemon one worker, not the worker's data.
    """
    losses, crashes, start = [], 0, 0
    while start < count:
        arguments = (kind, str(seed), str(start), str(count - start))
        command = [sys.executable, "-m", "bench.crash.fuzz", *arguments]
        done = subprocess.run(command, capture_output=True, check=False)
        output = done.stdout.decode().split()
        if output[-1:] == ["none"]:
            return Fault(f"fuzzed {kind}", 0, [], "not run: the decoder is not installed")
        if output[-1:] == ["done"]:
            break
        last = int(output[-1]) if output else count
        if done.returncode < 0:
            crashes += 1
        else:
            error = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
            losses.append(f"{kind} {seed} {last}: {error}")
        start = last + 1
    note = f"{crashes} mutations ended the process by a signal" if crashes else ""
    return Fault(f"fuzzed {kind}", count, losses, note)


def run_all(count: int) -> Iterator[Fault]:
    """Decode `count` mutations, distributed over all formats."""
    kinds = (*PILLOW_FORMATS, "HEIC", "RAW")
    for kind in kinds:
        yield run(kind, 1, count // len(kinds))


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_BYTES, MEMORY_BYTES))
    decode_many(sys.argv[1], *map(int, sys.argv[2:]))
