"""Worker processes: they embed, score, train, plan and answer queries.

pool.py is the parent's side and imports nothing heavy. worker.py is the child's side.
"""
