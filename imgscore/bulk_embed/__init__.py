"""Embedding an archive on many processes or machines, by Dask.

part.py is what runs there, spread.py what hands out the work and takes it in. Only the `embed`
command imports this: neither the daemon nor its workers know of Dask.
"""
