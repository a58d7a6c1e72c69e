"""This package compares the files on the disk with the store.

If they differ, the store is changed to match the disk. An event of the file system is only a hint:
imgscore then checks the path on the disk.
"""
