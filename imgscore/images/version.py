"""The version of the decoder, in a separate module without imports.

The idle daemon reads the version and must not import Pillow.
"""

DECODER_VERSION = 2
"""The version of the decoder. Increase it if a file that failed may now be decoded, or if the
pixels of a file change."""
