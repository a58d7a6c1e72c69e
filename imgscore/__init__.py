"""Learns your taste in images, and sorts folders by it through the file date."""

import os

__version__ = "0.1.0"  # the only place: pyproject.toml and the man pages read it here

# onnxruntime reports to its makers unless told not to before it is imported, by a name that has
# changed once. Nothing leaves the machine: so it is told here, before anything can import it.
for _name in ("ORT_DISABLE_TELEMETRY", "ORT_TELEMETRY_DISABLED"):
    os.environ[_name] = "1"
