"""The state that a worker keeps between tasks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from imgscore.config import UseFilename
from imgscore.embedders import registry
from imgscore.errors import ImgscoreError, ModelError
from imgscore.heads.base import OnProgress, no_progress
from imgscore.images import memory
from imgscore.images.version import DECODER_VERSION
from imgscore.paths import head_file, library_file
from imgscore.store.store import Store

if TYPE_CHECKING:
    from imgscore.embedders.base import Preprocessor, StagedEmbedder
    from imgscore.embedders.filenames import NameEncoder
    from imgscore.embedders.text_encoder import TextEncoder
    from imgscore.heads.base import Head
    from imgscore.heads.library_cache import LibraryCache
    from imgscore.workers.order_planner import OrderPlanner


class Context:
    """The store, the embedder and the heads of a worker.

    Each of them is loaded when a task first uses it.
    """

    def __init__(
        self,
        store: Path,
        heads: Path,
        model: str,
        device: str,
        embedder: str | None = None,
        *,
        use_filename: UseFilename = False,
        low_memory: int = 0,
    ) -> None:
        """Raise ImgscoreError if the id of `model` differs from `embedder`.

        A different id means that the files of the model have changed.

        `low_memory`: the largest number of bytes that one image may use in this worker. 0 means no
        limit. A worker with a limit does not process larger images. The pool sends larger images to
        the worker that has no limit.
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
        """The notices for the user about this machine: a dict from the subject to the text. A
        notice is removed when it is sent."""
        self.on_progress: OnProgress = no_progress
        """the function that sends the progress of the current task to the parent process"""
        self._store: Store | None = None
        self._planner: OrderPlanner | None = None
        self._preprocessor: Preprocessor | None = None
        self._embedder: StagedEmbedder | None = None
        self._name_encoder: NameEncoder | None = None
        self._text_encoder: TextEncoder | None = None
        self._heads: dict[str, tuple[str, Head]] = {}
        """The loaded heads: a dict from the taste to (version, head). Only the version that was
        loaded last is kept, because a head uses 15 MB."""

    @property
    def store(self) -> Store:
        """Return the store, opened as read-only."""
        if self._store is None:
            self._store = Store(self.store_folder, readonly=True)
        return self._store

    @property
    def planner(self) -> OrderPlanner:
        """Return the planner of large inboxes, with what it has loaded for earlier tasks."""
        if self._planner is None:
            from imgscore.workers.order_planner import OrderPlanner

            self._planner = OrderPlanner(self.store, self.spec)
        return self._planner

    @property
    def library_cache(self) -> LibraryCache:
        """Return the cached nodes of the library for the embedder in use."""
        from imgscore.heads.library_cache import LibraryCache

        # Traits are numbers of the decoded image, and names are columns behind them.
        key = f"{self.spec.id} {DECODER_VERSION} {self.spec.measures_names}"
        return LibraryCache(library_file(), key)

    @property
    def preprocessor(self) -> Preprocessor:
        """Return the embedder's preprocessor. Raises ModelError if the model is unusable.

        The network is not loaded for it.
        """
        if self._preprocessor is None:
            try:
                self._preprocessor = registry.preprocessor(self.model)
            except ImgscoreError as error:
                raise ModelError(error.message, error.remedy) from error
            if self._preprocessor.id != self.spec.image_embedder:
                raise ModelError(f"the files of {self.model} have changed", "restart imgscored")
        return self._preprocessor

    @property
    def embedder(self) -> StagedEmbedder:
        """Return the embedder. Raises ModelError if the embedder cannot be loaded."""
        if self._embedder is None:
            try:
                with memory.uncounted(self.low_memory):
                    embedder = registry.load(
                        self.model, self.device, lambda note: self.notes.update(device=note)
                    )
            except ImgscoreError as error:
                raise ModelError(error.message, error.remedy) from error
            # The store must not mix the vectors of two embedders. Therefore reject an embedder
            # whose id differs from the id that the model had when this worker started.
            if embedder.id != self.spec.image_embedder:
                raise ModelError(f"the files of {self.model} have changed", "restart imgscored")
            self._embedder = embedder
        return self._embedder

    @property
    def name_encoder(self) -> NameEncoder:
        """Return the encoder of file names. Raises ModelError if the encoder cannot be loaded."""
        if self._name_encoder is None:
            from imgscore.embedders.filenames import text_encoder

            try:
                with memory.uncounted(self.low_memory):
                    self._name_encoder = text_encoder(registry.open_model(self.model))
            except ImgscoreError as error:
                raise ModelError(error.message, error.remedy) from error
        return self._name_encoder

    @property
    def text_encoder(self) -> TextEncoder:
        """Return the encoder of search words. Raises ModelError if it cannot be loaded."""
        if self._text_encoder is None:
            from imgscore.embedders import text_encoder

            try:
                with memory.uncounted(self.low_memory):
                    self._text_encoder = text_encoder.load(registry.open_model(self.model))
            except ImgscoreError as error:
                raise ModelError(error.message, error.remedy) from error
        return self._text_encoder

    def head(self, taste: str, version: str) -> Head:
        """Return the head of `taste` that has this version.

        Raises ImgscoreError if the head cannot be loaded.
        """
        from imgscore.heads import files

        loaded, head = self._heads.get(taste, (None, None))
        if head is None or loaded != version:
            head = files.load(head_file(self.heads_folder, taste, version))
            self._heads[taste] = version, head
        return head
