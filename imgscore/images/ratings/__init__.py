"""Read the ratings that other programs store in images, in sidecars and in extended attributes.

The files are untrusted, so only workers use this package. Every read and every loop has a limit.
"""
