"""The stage that records the identities of the label folders.

With these records, imgscore recognises a label folder that was renamed. A new folder with the old
name is recorded only after the files of the old folder were compared with the store.
"""

from imgscore.engine.context import EngineContext
from imgscore.engine.stage import AnyStage, Conditions, Effects
from imgscore.store import label_folders
from imgscore.store.label_folders import Identity
from imgscore.store.transaction import Txn


class FolderRecorder(AnyStage):
    """The stage, with the identities that the store contains."""

    def __init__(self, ctx: EngineContext, txn: Txn) -> None:
        self.ctx = ctx
        self._folders = [folder for watch in ctx.watches.all for folder, _ in watch.label_folders()]
        self._known = {folder: label_folders.get(txn, folder) for folder in self._folders}
        self._due = True

    def receive(self, effects: Effects) -> None:
        """Schedule the recording, because files or folders have changed."""
        self._due = True

    def advance(self, conditions: Conditions) -> None:
        """Record the folders that have changed since the last recording.

        A folder without a record is recorded at once. Other folders are recorded when all files are
        compared with the store.
        """
        if not self._due:
            return
        new: dict[bytes, Identity] = {}
        for folder in self._folders:
            known = self._known[folder]
            if known is None or conditions.reconciled:
                identity = label_folders.identity(folder)
                if identity is not None and identity != known:
                    new[folder] = identity

        def record(txn: Txn) -> None:
            for folder, identity in new.items():
                label_folders.record(txn, folder, identity)

        if new:
            self.ctx.store.commit(record)
        self._known |= new
        self._due = not conditions.reconciled
