"""A program that learns your taste in images.

It sets the file dates so that a folder sorted by date shows the best images first.
"""

# The version is defined only here. pyproject.toml and the man pages read it from this line.
__version__ = "0.1.0"
