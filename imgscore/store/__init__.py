"""All records in one LMDB environment: a module for each kind of record.

Only this package opens the database and builds its keys.
"""
