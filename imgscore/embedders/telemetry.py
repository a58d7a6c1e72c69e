"""Prevent onnxruntime from sending usage data to its makers."""

import os

# Different versions of onnxruntime read different variables.
VARIABLES = ("ORT_DISABLE_TELEMETRY", "ORT_TELEMETRY_DISABLED")


def disable() -> None:
    """Switch the telemetry of onnxruntime off.

    Call this before `import onnxruntime`, because onnxruntime reads the environment variables when
    it is imported.
    """
    for name in VARIABLES:
        os.environ[name] = "1"
