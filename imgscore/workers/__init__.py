"""The worker processes of imgscore. They embed and score images, train heads, plan the order of
inboxes, and answer queries.

pool.py runs in the parent process and imports no large libraries. worker.py runs in the worker
process.
"""
