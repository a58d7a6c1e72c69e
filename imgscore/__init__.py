"""Learns your taste in images, and sorts folders by it through the file date."""

__version__ = "0.1.0"  # the only place: pyproject.toml and the man pages read it here
