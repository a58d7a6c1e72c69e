"""The fixtures of tests that run the commands."""

from tests.support.commands import inbox, start
from tests.support.reviews import labelled_inbox

__all__ = ["inbox", "labelled_inbox", "start"]
