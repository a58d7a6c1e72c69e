"""A sandbox for crash tests, with reads of the store and of the files that check the result."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

from imgscore import config, testing
from imgscore.embedders import registry
from imgscore.errors import ImgscoreError
from imgscore.store import labels, vectors
from imgscore.store.store import Store
from imgscore.testing import FAST, Completed


class Fault(NamedTuple):
    """The result of one kind of fault. No losses: the test passed."""

    name: str
    tries: int
    losses: list[str]
    """one message a loss"""
    note: str = ""


class LostError(Exception):
    """imgscore lost data, or did not do what the documentation promises."""


LOSSES = (LostError, ImgscoreError, AssertionError, TimeoutError, subprocess.TimeoutExpired)
"""Exceptions that count as a loss; unexpected errors and timeouts are among them."""


class Sandbox(testing.Sandbox):
    """A sandbox that kills its daemon and deletes its folder at the end of a `with` block."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.remove()

    def configure(self, *inboxes: Path, **daemon: float | str) -> None:
        """Create all folders and write config.toml; `daemon` overrides FAST."""
        super().configure(*inboxes, **{**FAST, "free_mb": 0, **daemon})
        # The groups depend on the sequence in which images are compared, and so on the kills. An
        # order without groups depends on the scores alone, and can be compared.
        text = self.config_file.read_text(encoding="utf-8")
        text = text.replace("[[watch]]\n", '[[watch]]\ngroups = "off"\n')
        self.config_file.write_text(text, encoding="utf-8")

    def launch(self, *options: str, prefix: Sequence[str] = (), **environment: str) -> None:
        """Start a daemon that logs each file it embeds; return before its socket exists."""
        super().launch("--verbose", *options, prefix=prefix, **environment)

    def run_checked(self, *arguments: str | Path) -> Completed:
        """Run `imgscore`. Raises LostError unless it exits with 0."""
        done = self.run(*arguments)
        if done.code:
            raise LostError(f"imgscore {' '.join(map(str, arguments))}: {done.code}: {done.err}")
        return done

    def embedded_digests(self) -> set[str]:
        """Digests with a committed vector of the model in use.

        Call this only while no daemon runs.
        """
        embedder = registry.spec(config.load(self.config_file).model).image_embedder
        with Store(self.store_folder, readonly=True) as store, store.read() as txn:
            block = b"".join(names for names, _ in vectors.blocks(txn, embedder))
            return {block[at : at + 32].hex() for at in range(0, len(block), 32)}

    def labels(self) -> dict[str, str]:
        """digest → label; call it only while no daemon runs."""
        with Store(self.store_folder, readonly=True) as store, store.read() as txn:
            rows = labels.iter_all(txn, "default")
            return {digest.hex(): label.label for digest, label in rows}

    def files(self) -> list[Path]:
        """All files under the inbox, keep/ and trash/ included."""
        return sorted(path for path in self.inbox.rglob("*") if path.is_file())

    def newest_first(self) -> list[str]:
        """Names of the unlabelled files, in the order in which an image viewer lists them."""
        ordered = [path for path in self.files() if path.parent.name not in ("keep", "trash")]
        return [path.name for path in sorted(ordered, key=lambda path: -path.stat().st_mtime_ns)]
