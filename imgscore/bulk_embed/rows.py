"""The rows that `imgscore embed` prints. This module does not import Dask."""

import msgspec


class FailedFile(msgspec.Struct):
    """A row about a file that could not be embedded, or about a folder that could not be listed."""

    path: str
    """the file or folder"""
    error: str
    """what is wrong, and what you can do"""


class FolderEmbedded(msgspec.Struct):
    """The last row, which counts the files of the whole run."""

    files: int
    """number of images in the folder"""
    embedded: int
    """number of images that this run embedded"""
    known: int
    """number of images that already had an embedding"""
    failed: int
    """number of files that could not be embedded; each of these files has its own row"""
    error: str | None = None
    """always null"""


Response = FailedFile | FolderEmbedded
