"""The daemon does not load libraries that it never uses."""

import hashlib
import sys
from pathlib import Path

import pytest
from imgscored import light_imports

from imgscore.store.schema import path_key
from imgscore.testing import Sandbox, run

UNWANTED = ("_hashlib", "_ssl", "ssl", "asyncio", "html", "numpy", "PIL", "onnxruntime", "torch")
LIST = """
import sys; sys.argv[0] = "imgscored"
import imgscored.main
from imgscored.schedule import BackgroundScheduler
print(*sorted(name for name, module in sys.modules.items() if module is not None))
from imgscore.store.schema import path_key
import asyncio, hashlib
asyncio.run(asyncio.sleep(0))
print(path_key(b"x").hex(), hashlib.sha256(b"x").hexdigest())
"""


@pytest.mark.parametrize(
    ("program", "expected"),
    [
        ("imgscored", True),
        ("/usr/bin/imgscored", True),
        ("/opt/imgscored/main.py", True),
        ("/opt/imgscore/cli/main.py", False),
        ("pytest", False),
        ("", False),
    ],
)
def test_is_daemon_recognises_the_program(program: str, expected: bool) -> None:
    assert light_imports.is_daemon(program) is expected


def test_daemon_modules_load_no_openssl_and_no_asyncio() -> None:
    done = run([sys.executable, "-c", LIST])
    assert done.code == 0, done.err
    modules, hashes = done.out.splitlines()
    assert set(UNWANTED).isdisjoint(modules.split())
    # OpenSSL, which this process has loaded, computes the same hashes.
    assert hashes.split() == [path_key(b"x").hex(), hashlib.sha256(b"x").hexdigest()]


def test_running_daemon_maps_no_openssl(tmp_path: Path) -> None:
    with Sandbox(tmp_path) as sandbox:
        sandbox.configure()
        sandbox.start()
        maps = Path(f"/proc/{sandbox.pid}/maps").read_text()
        assert "libcrypto" not in maps and "libssl" not in maps
        assert "liblmdb" in maps or "lmdb" in maps
