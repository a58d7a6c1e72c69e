"""File names that count as images, and the imports that the check may need."""

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
        b"stereo.MPO",
        b"a.jxl",
        b"a.tga",
        b"saved.jpg?w=1200",
        b"saved.jpg?name=x.txt&w=1",
        b"tweet.jpg_large",
        b"tweet.jpg:large",
        b"tweet.png_4096x4096",
        b"page.webp#top",
        b"wget.jpg.2",
        b"copy.jpg (3)",
    ],
)
def test_is_image_name_image_suffix_is_true(name: bytes) -> None:
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
        b"a.jpg_original",
        b"a.jpg_exiftool_tmp",
        b"a.jpg?w=1.crdownload",
        b"a.jpg.001",
        b"a.jpg.txt",
        b".a.jpg_large",
        b"photo",
        b"a.",
    ],
)
def test_is_image_name_other_name_is_false(name: bytes) -> None:
    assert not is_image_name(name)


@pytest.mark.parametrize(
    "module",
    [
        "images.formats",
        "images.traits",
        "images.version",
        "embedders.base",
        "embedders.filename_spec",
        "embedders.lite0_spec",
        "embedders.onnx_session",
        "embedders.registry",
        "embedders.uform_spec",
        "heads.results",
    ],
)
def test_light_module_on_import_loads_nothing_heavy(module: str) -> None:
    """The idle daemon imports these modules; Pillow and numpy would cost it memory."""
    code = (
        f"import sys, imgscore.{module};"
        "print([m for m in ('PIL', 'numpy', 'onnxruntime', 'torch') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
