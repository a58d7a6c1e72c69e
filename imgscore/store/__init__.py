"""What imgscore knows, in one LMDB environment: a room for each kind of record.

Nothing outside of this house opens the database or knows its keys.
"""
