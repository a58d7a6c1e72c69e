"""Embed the images of a large folder in many processes or on many machines, with Dask.

`job.py` runs on the Dask workers. `spread.py` sends the files to the Dask workers and stores the
results. Only the command `imgscore embed` imports this package: the daemon and its workers do not
need Dask.
"""
