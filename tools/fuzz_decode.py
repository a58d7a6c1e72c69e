"""Coverage-guided fuzzing of the decode path with Atheris, which is not installed with anything.

    pip install atheris
    python tools/fuzz_decode.py [CORPUS_FOLDER] [-max_total_time=600] …

It begins with the seeds of bench/crash/fuzz.py, and stops at the first input that makes anything
but a picture or an ImageError; that input is then a file in the current folder.
"""

import sys
import tempfile
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).parent.parent))
with atheris.instrument_imports(include=["PIL", "imgscore.images"]):
    from imgscore.images.decode import decode

from bench.crash.fuzz import PILLOW, seeds
from imgscore.errors import ImageError


def one_input(data: bytes) -> None:
    """A picture, or an ImageError with a remedy."""
    try:
        picture = decode(data)
    except ImageError as error:
        assert error.message and error.remedy
    except MemoryError:
        return
    else:
        assert picture.pixels.ndim == 3 and min(picture.pixels.shape) >= 1


def main() -> None:
    """Fuzz until something is found, or the time is over."""
    folder = Path(tempfile.mkdtemp(prefix="fuzz-decode-"))
    for kind in PILLOW:
        for number, data in enumerate(seeds(kind)):
            (folder / f"{kind}-{number}").write_bytes(data)
    atheris.Setup([*sys.argv, str(folder), "-max_len=20000", "-timeout=60"], one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
