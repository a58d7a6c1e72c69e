"""Folders of links to the best images: the choice of the images, the names, and the folder on disk.

The command `links` and a worker of the daemon use this package. It does not print.
"""
