"""Worker processes, which embed, score, train, plan and answer queries.

pool.py runs in the parent process and imports nothing heavy. worker.py runs in the worker process.
"""
