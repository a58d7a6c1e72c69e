"""Crash tests: real daemons that are killed, lack resources, get bad files or miss events.

Each test counts the data that imgscore lost. CRASH.md has the results.
"""
