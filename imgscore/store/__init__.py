"""This package stores all records of imgscore in one LMDB environment.

Each kind of record has its own module. Only this package opens the database and builds the keys of
the tables.
"""
