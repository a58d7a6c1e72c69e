"""What a worker is told at its start, and holds between tasks."""

from pathlib import Path

from imgscore.embedders import registry
from imgscore.errors import ImgscoreError
from imgscore.store.store import Store


class Context:
    """What a worker holds between tasks; the heavy parts are loaded when first needed."""

    def __init__(
        self,
        store: Path,
        heads: Path,
        model: str,
        device: str,
        embedder: str = "",
        *,
        use_filename: bool = False,
        low_memory: int = 0,
    ) -> None:
        """Raises ImgscoreError where `model` is not what it was when `embedder` was its id.

        `modest`: the bytes that images may take here, where another worker may take more; else 0.
        """
        self.store_folder = store
        self.heads_folder = heads
        self.model = model
        self.device = device
        self.low_memory = low_memory
        self.spec = registry.spec(model, use_filename=use_filename)
        if embedder and self.spec.id != embedder:
            raise ImgscoreError(f"the files of the model {model} have changed", "restart imgscored")
        self.notes: dict[str, str] = {}
        """what the user should know of the machine, by subject; taken out when it is said"""
        self._store: Store | None = None

    @property
    def store(self) -> Store:
        """The store, read-only."""
        if self._store is None:
            self._store = Store(self.store_folder, readonly=True)
        return self._store
