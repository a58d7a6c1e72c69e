"""The rows that `imgscore embed` prints. Imports no Dask."""

import msgspec


class FailedFile(msgspec.Struct):
    """A file that could not be embedded, or a folder that could not be listed."""

    path: str
    """the file or folder"""
    error: str
    """what is wrong, and what to do"""


class FolderEmbedded(msgspec.Struct):
    """The last row: what was done."""

    files: int
    """images in the folder"""
    embedded: int
    """images that were embedded now"""
    known: int
    """images that had an embedding before"""
    failed: int
    """files that failed; each has a row of its own"""
    error: str | None = None
    """always null"""


Response = FailedFile | FolderEmbedded
