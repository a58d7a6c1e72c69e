"""A program that learns your taste in images, and sorts folders by this taste through the file
date.
"""

# The version is defined only here. pyproject.toml and the man pages read it from this line.
__version__ = "0.1.0"
