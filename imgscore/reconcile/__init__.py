"""This package compares the files on the disk with the store.

If they differ, the store is changed to match the disk. An event is only a hint: the path is then
checked on the disk.
"""
