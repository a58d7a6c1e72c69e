"""The version of the decoder, in a separate module without imports.

The idle daemon reads the version and must not import Pillow.
"""

DECODER_VERSION = 3
"""The version of the decoder. Increase the version if a change allows files to be decoded that
failed before, or if the decoded pixels of files change."""
