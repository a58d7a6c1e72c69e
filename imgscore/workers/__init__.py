"""The heavy work, in processes of its own: embedding, scoring, training.

pool.py is the parent's side and stays light; worker.py is the child, and only it loads the parts.
"""
