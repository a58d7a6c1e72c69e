"""Benchmarks: `python -m bench` runs them and writes RESULTS.md. Each module is one benchmark."""
