"""The decoder's version, in a module of its own: the idle daemon reads it without Pillow."""

DECODER_VERSION = 2
"""Raise it when a file that failed may now decode, or when a file's pixels change."""
