"""Checksums of the records that cannot be computed again. This module does not access the database.

The stored value of such a record is the record, followed by a checksum of four bytes. The checksum
covers the name of the table, the key and the record. CRC-32 finds each change of one bit, and takes
0.2 µs for a record. Records that imgscore can compute again from the images have no checksum: a
scan compares the stored bytes of these records with the files, and each vector has 2.5 kB.
"""

from zlib import crc32

from imgscore.errors import StoreError

TABLES = frozenset(
    {
        "meta",
        "label_log",
        "labels",
        "originals",
        "journal",
        "heads",
        "deletions",
        "foreign_dates",
        "shifts",
        "comparison_log",
        "comparisons",
        "written_ratings",
    },
)
"""The tables whose records have checksums."""
SIZE = 4
"""The number of bytes of a checksum."""
_RESIDUE = 0x2144DF1C
"""The CRC-32 of any bytes that are followed by their own CRC-32, lowest byte first."""
REMEDY = (
    "to list all damaged records: imgscore db check; to restore the newest automatic backup: "
    "imgscore stop, then imgscore db restore"
)


class DamagedRecordError(StoreError):
    """The error raised if a record does not match its checksum. The record must not be used."""

    def __init__(self, table: str, key: bytes) -> None:
        """`table`, `key`: the place of the damaged record."""
        super().__init__(
            f"the store is damaged: a record in the table {table} does not match its checksum "
            f"(key {key.hex()})",
            REMEDY,
        )


class Seal:
    """Adds the checksums to the records of one table, and verifies them."""

    def __init__(self, table: str, *, strict: bool) -> None:
        """`strict`: whether each record must have a checksum.

        A store of an older schema contains records without checksums.
        """
        self.table = table
        self.strict = strict
        self.damaged: set[bytes] = set()
        """the keys of the damaged records that `Table.scan_undamaged` has left out"""
        self._start = crc32(table.encode())

    def add(self, key: bytes, record: bytes) -> bytes:
        """Return the stored value of a record."""
        # The length of the key is part of the checksum, because the key and the record are
        # neighbours in the file.
        checksum = crc32(key + record, self._start ^ len(key))
        return record + checksum.to_bytes(SIZE, "little")

    def verify(self, key: bytes, value: bytes) -> bytes:
        """Return the record in a stored value.

        Raises DamagedRecordError if the record does not match its checksum.
        """
        if crc32(key + value, self._start ^ len(key)) == _RESIDUE:  # as in `is_sealed`
            return value[:-SIZE]
        if self.strict:
            raise DamagedRecordError(self.table, key)
        return value

    def is_sealed(self, key: bytes, value: bytes) -> bool:
        """Return whether a stored value ends with the checksum of its record."""
        return crc32(key + value, self._start ^ len(key)) == _RESIDUE
