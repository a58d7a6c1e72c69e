"""Keep libraries out of the daemon that it never uses. `main` imports this module first.

OpenSSL, asyncio and the modules that they import take 8 MB of the daemon's memory. The daemon opens
no network connection, and Python has the hashes without OpenSSL, too.
"""

import inspect
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from types import ModuleType

OPENSSL = ("_hashlib", "ssl")
"""The modules that load OpenSSL. Each module of Python that imports them can do without them."""
_HASHES = ("_md5", "_sha1", "_sha3", "_blake2")
_SHA2 = (("_sha2",), ("_sha256", "_sha512"))
"""The names of the modules of SHA-2: from Python 3.12 on, and before."""
_PROGRAMS = ("/imgscored", "/imgscored/main.py")


def is_daemon(program: str) -> bool:
    """Return whether `program`, from sys.argv[0], is the daemon. Tests import its modules, too."""
    return f"/{program}".endswith(_PROGRAMS)


def block_openssl() -> bool:
    """Let later imports of OpenSSL fail if Python has the hashes. Return whether it has them."""
    if not all(map(find_spec, _HASHES)) or not any(all(map(find_spec, names)) for names in _SHA2):
        return False
    for name in OPENSSL:
        # Python raises ImportError for a module that is None here.
        sys.modules.setdefault(name, None)  # type: ignore[arg-type]
    return True


@contextmanager
def without_asyncio() -> Iterator[None]:
    """Let the block import APScheduler without asyncio. APScheduler uses one function of asyncio.

    With Python 3.14, APScheduler itself takes this function from `inspect`.
    """
    if "asyncio" in sys.modules:
        yield
        return
    module = ModuleType("asyncio")
    module.iscoroutinefunction = inspect.iscoroutinefunction  # type: ignore[attr-defined]
    sys.modules["asyncio"] = module
    try:
        yield
    finally:
        del sys.modules["asyncio"]


if is_daemon(sys.argv[0]):
    block_openssl()
