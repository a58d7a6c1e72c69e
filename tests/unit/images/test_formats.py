"""Which names are taken for images, and that asking costs no import."""

import subprocess
import sys

import pytest

from imgscore.images.formats import is_image_name


@pytest.mark.parametrize(
    "name",
    [
        b"a.jpg",
        b"A.JPEG",
        b"\xff\xfe.png",
        b"x.y.webp",
        b"photo.HEIC",
        b"raw.cr2",
        b"two words.gif",
    ],
)
def test_images(name: bytes) -> None:
    assert is_image_name(name)


@pytest.mark.parametrize(
    "name",
    [
        b"",
        b"jpg",
        b".jpg",
        b".hidden.jpg",
        b"a.txt",
        b"a.jpg.part",
        b"a.jpg.crdownload",
        b"a.png.download",
        b"a.gif.tmp",
        b"a.jpg~",
        b"a.",
    ],
)
def test_others(name: bytes) -> None:
    assert not is_image_name(name)


def test_light_modules_import_nothing_heavy() -> None:
    """The idle daemon asks for names and embedder ids; it must not pay for Pillow or numpy."""
    code = (
        "import sys, imgscore.images.formats, imgscore.embedders.base,"
        "imgscore.embedders.lite0_spec as spec, imgscore.embedders.onnx_session;"
        "assert spec.ID and spec.DIM and spec.SECTIONS;"
        "print([m for m in ('PIL', 'numpy', 'onnxruntime', 'torch') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
