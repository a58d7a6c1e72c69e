"""The fixtures of tests that run the installed commands."""

from tests.support.commands import inbox, start

__all__ = ["inbox", "start"]
