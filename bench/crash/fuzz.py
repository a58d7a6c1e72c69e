"""The decode path fed with mutated pictures of every format that can be written here.

Decoding runs in a process of its own, as in a worker, so that a crash of a decoder is seen, and
costs the mutation that did it. `python -m bench.crash.fuzz SEED FORMAT COUNT` is that process.
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
FILE_SECONDS = 60
PILLOW = (
    "PNG", "JPEG", "WEBP", "GIF", "TIFF", "BMP", "AVIF", "ICO", "JPEG2000", "PPM", "QOI", "TGA",
    "PCX", "DDS", "SGI", "ICNS", "MSP", "XBM", "SPIDER", "IM",
)  # fmt: skip
MODES = ("RGB", "L", "P", "RGBA", "CMYK", "I;16", "1", "LA")
STRANGE = (b"\0" * 4, b"\xff" * 4, b"\x7f\xff\xff\xff", b"\x80\0\0\0", b"\xff\xff\xff\x7f")


def seeds(kind: str) -> list[bytes]:
    """Pictures of a format, in each mode that it can hold, with EXIF and an ICC profile."""
    from PIL import Image, ImageCms

    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    plain = Image.effect_mandelbrot((96, 72), (-2, -1.5, 1, 1.5), 40)
    exif = Image.Exif()
    exif[0x0110], exif[0x0112] = "A camera", 6
    exif.get_ifd(0x8769)[0x9003] = "2021:02:03 04:05:06"
    found = []
    for mode in MODES:
        image = (
            plain.convert("RGB").convert("L").convert(mode)
            if mode == "I;16"
            else (plain.convert("RGB").convert(mode))
        )
        for about in ({"exif": exif, "icc_profile": profile}, {}):
            stream = io.BytesIO()
            try:
                image.save(stream, kind, **about)
            except (OSError, ValueError, KeyError, TypeError, SystemError):
                continue
            found.append(stream.getvalue())
            break
    return found


def extra_seeds(kind: str) -> list[bytes]:
    """HEIC and a DNG for the decoders that are extras, where they are installed."""
    if kind == "RAW":
        return [dng(96, 72)] if find_spec("rawpy") else []
    if not find_spec("pillow_heif"):
        return []
    import pillow_heif
    from PIL import Image

    pillow_heif.register_heif_opener()
    stream = io.BytesIO()
    Image.effect_mandelbrot((96, 72), (-2, -1.5, 1, 1.5), 40).convert("RGB").save(stream, "HEIF")
    return [stream.getvalue()]


def dng(width: int, height: int) -> bytes:
    """The least that is a raw photograph: a TIFF with a thumbnail, and a Bayer pattern below it."""
    matrix = struct.pack("<18i", *(value for n in range(9) for value in (int(n % 4 == 0), 1)))
    size = {254: (4, 0), 256: (4, width), 257: (4, height), 259: (3, 1), 277: (3, 1)}
    below = _folder(
        8,
        size
        | {
            258: (3, 16), 262: (3, 32803), 278: (4, height), 33421: (3, b"\2\0\2\0"),
            33422: (1, b"\0\1\1\2"),
        },
        bytes((7 * n) % 251 for n in range(2 * width * height)),
    )  # fmt: skip
    above = _folder(
        8 + len(below),
        size
        | {
            254: (4, 1), 256: (4, 8), 257: (4, 8), 258: (3, 8), 262: (3, 1), 278: (4, 8),
            271: (2, b"cam\0"), 272: (2, b"cam\0"), 330: (4, 8), 50706: (1, b"\1\4\0\0"),
            50708: (2, b"cam\0"), 50721: (10, matrix),
        },
        bytes(range(64)),
    )  # fmt: skip
    return struct.pack("<2sHI", b"II", 42, 8 + len(below)) + below + above


def _folder(start: int, tags: dict[int, tuple[int, int | bytes]], strip: bytes) -> bytes:
    """A TIFF directory at `start`, and behind it what its tags and its one strip hold."""
    whole = dict(sorted((tags | {273: (4, 0), 279: (4, len(strip))}).items()))
    behind = start + 2 + 12 * len(whole) + 4
    reap_idle, folder = strip, struct.pack("<H", len(whole))
    whole[273] = (4, behind)
    for tag, (form, value) in whole.items():
        if isinstance(value, int):
            folder += struct.pack("<HHII", tag, form, 1, value)
            continue
        count = len(value) // {3: 2, 10: 8}.get(form, 1)
        folder += struct.pack("<HHI", tag, form, count)
        if len(value) <= 4:
            folder += value.ljust(4, b"\0")
        else:
            folder += struct.pack("<I", behind + len(reap_idle))
            reap_idle += value
    return folder + bytes(4) + reap_idle


def mutated(data: bytes, chance: random.Random) -> bytes:
    """Some bytes changed, a piece lost or doubled, a number made extreme, the end cut off."""
    damaged = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 4, 16))):
        at = chance.randrange(len(damaged) or 1)
        match chance.randrange(6):
            case 0 | 1:
                damaged[at : at + 1] = bytes([chance.randrange(256)])
            case 2:
                damaged[at : at + 4] = chance.choice(STRANGE)
            case 3:
                del damaged[at : at + chance.randrange(1, 400)]
            case 4:
                damaged[at:at] = damaged[at : at + chance.randrange(1, 400)]
            case 5:
                del damaged[at + 1 :]
    return bytes(damaged)


def decode_many(kind: str, seed: int, start: int, count: int) -> None:
    """In a process of its own: says the number of each mutation before it is decoded."""
    from imgscore.errors import ImageError
    from imgscore.images.decode import decode

    found = seeds(kind) if kind in PILLOW else extra_seeds(kind)
    for number in range(start, start + count) if found else ():
        chance = random.Random(f"{kind} {seed} {number}")
        data = mutated(found[number % len(found)], chance)
        os.write(1, b"%d\n" % number)
        signal.alarm(FILE_SECONDS)
        try:
            picture = decode(data)
        except (ImageError, MemoryError):
            continue
        assert picture.pixels.ndim == 3 and min(picture.pixels.shape) >= 1
    os.write(1, b"done\n" if found else b"none\n")


def run(kind: str, seed: int, count: int) -> Fault:
    """A decoder that crashes costs a worker, and is no loss; an error that nobody expects is."""
    losses, crashes, start = [], 0, 0
    while start < count:
        about = (kind, str(seed), str(start), str(count - start))
        command = [sys.executable, "-m", "bench.crash.fuzz", *about]
        done = subprocess.run(command, capture_output=True, check=False)
        said = done.stdout.decode().split()
        if said[-1:] == ["none"]:
            return Fault(f"fuzzed {kind}", 0, [], "no seed here: its decoder is not installed")
        if said[-1:] == ["done"]:
            break
        last = int(said[-1]) if said else count
        if done.returncode < 0:
            crashes += 1  # the kernel ended it: in a worker, that costs the file
        else:
            why = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
            losses.append(f"{kind} {seed} {last}: {why}")
        start = last + 1
    note = f"{crashes} ended the process by a signal: each costs that file" if crashes else ""
    return Fault(f"fuzzed {kind}", count, losses, note)


def all_of(count: int) -> Iterator[Fault]:
    """So many mutations, over all formats together."""
    kinds = (*PILLOW, "HEIC", "RAW")
    for kind in kinds:
        yield run(kind, 1, count // len(kinds))


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_BYTES, MEMORY_BYTES))
    decode_many(sys.argv[1], *map(int, sys.argv[2:]))
