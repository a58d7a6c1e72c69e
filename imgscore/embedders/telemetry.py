"""Keep onnxruntime from reporting to its makers."""

import os

# The name has changed between versions of onnxruntime.
VARIABLES = ("ORT_DISABLE_TELEMETRY", "ORT_TELEMETRY_DISABLED")


def disable() -> None:
    """Switch the telemetry off. Call it before `import onnxruntime`, which reads the setting."""
    for name in VARIABLES:
        os.environ[name] = "1"
