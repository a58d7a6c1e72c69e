"""The decoder's version, without the decoder: the idle daemon compares it with old failures."""

DECODER_VERSION = 2
"""Raise it when a file that failed may now decode, or pixels change."""
