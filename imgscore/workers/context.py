"""The state that a worker keeps between tasks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from imgscore.embedders import registry
from imgscore.errors import ImgscoreError, ModelError
from imgscore.images import memory
from imgscore.paths import head_file
from imgscore.store.store import Store

if TYPE_CHECKING:
    from imgscore.embedders.base import Embedder
    from imgscore.embedders.filenames import NameEncoder
    from imgscore.heads.base import Head


class Context:
    """The store, the embedder and the heads of a worker. Each is loaded on its first use."""

    def __init__(
        self,
        store: Path,
        heads: Path,
        model: str,
        device: str,
        embedder: str | None = None,
        *,
        use_filename: bool = False,
        low_memory: int = 0,
    ) -> None:
        """Raises ImgscoreError if the id of `model` is not `embedder`: its files have changed.

        `low_memory`: bytes that an image may take in this worker; 0 for no limit. With a limit, a
        larger image is left to the worker without one.
        """
        self.store_folder = store
        self.heads_folder = heads
        self.model = model
        self.device = device
        self.low_memory = low_memory
        self.spec = registry.spec(model, use_filename=use_filename)
        if embedder is not None and self.spec.id != embedder:
            raise ImgscoreError(f"the files of the model {model} have changed", "restart imgscored")
        self.notes: dict[str, str] = {}
        """notices for the user about this machine, by subject; removed when sent"""
        self._store: Store | None = None
        self._embedder: Embedder | None = None
        self._name_encoder: NameEncoder | None = None
        self._heads: dict[str, tuple[str, Head]] = {}
        """(version, head) by taste, only the last version: a head takes 15 MB"""

    @property
    def store(self) -> Store:
        """The store, read-only."""
        if self._store is None:
            self._store = Store(self.store_folder, readonly=True)
        return self._store

    @property
    def embedder(self) -> Embedder:
        """The embedder. Raises ModelError if it cannot be loaded."""
        if self._embedder is None:
            try:
                with memory.uncounted(self.low_memory):
                    embedder = registry.load(
                        self.model, self.device, lambda note: self.notes.update(device=note)
                    )
            except ImgscoreError as error:
                raise ModelError(error.message, error.remedy) from error
            if embedder.id != self.spec.image_embedder:  # vectors of two embedders never mix
                raise ModelError(f"the files of {self.model} have changed", "restart imgscored")
            self._embedder = embedder
        return self._embedder

    @property
    def name_encoder(self) -> NameEncoder:
        """The encoder of file names. Raises ModelError if it cannot be loaded."""
        if self._name_encoder is None:
            from imgscore.embedders.filenames import uform_encoder

            try:
                with memory.uncounted(self.low_memory):
                    self._name_encoder = uform_encoder(registry.uform_folder(self.model))
            except ImgscoreError as error:
                raise ModelError(error.message, error.remedy) from error
        return self._name_encoder

    def head(self, taste: str, version: str) -> Head:
        """The head of a taste in this version. Raises ImgscoreError if it cannot be loaded."""
        from imgscore.heads import files

        loaded, head = self._heads.get(taste, (None, None))
        if head is None or loaded != version:
            head = files.load(head_file(self.heads_folder, taste, version))
            self._heads[taste] = version, head
        return head
