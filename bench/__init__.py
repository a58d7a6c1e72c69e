"""Measurements: `python -m bench`, one file a bench, results kept in RESULTS.md."""
