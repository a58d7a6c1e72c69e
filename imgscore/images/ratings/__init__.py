"""Read the ratings that other programs store in images, in sidecars and in extended attributes.

The files are untrusted, so the daemon leaves this package to its workers. Every read and every loop
has a limit.
"""
