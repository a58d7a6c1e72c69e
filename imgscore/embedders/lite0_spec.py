"""Constants of the built-in EfficientNet-Lite0: its id, sections and checksum.

This module is separate from `lite0.py`, because the idle daemon needs the id but must not import
numpy and Pillow, as `lite0.py` does. `tools/quantise_lite0.py` makes the model file.
"""

from pathlib import Path

from imgscore.embedders import model_file
from imgscore.embedders.base import sections_of

PACKAGED_MODEL = Path(__file__).parent / "data" / "efficientnet-lite0.onnx"
"""The path at which `make model` writes the file. A distribution may move the file elsewhere."""
MODEL = model_file.find(PACKAGED_MODEL)
MISSING = (
    "install the package of your distribution that contains the model, reinstall imgscore, or set "
    f"{model_file.VARIABLE} to the folder of the file"
)
"""The remedy if the file is missing."""
MODEL_SHA256 = "175553f138b99bd5977792ca734d91dd53dd4e0a8942e409d11e8ff3e7641829"
PREPROCESSING_VERSION = 2
"""The version of the preprocessing. Increase it if a change of decode, views or pooling changes the
vector of a picture."""
ID = f"efficientnet-lite0-{MODEL_SHA256[:12]}-p{PREPROCESSING_VERSION}"

# The section "features" contains the inputs of the classifier: averages over the area of the image,
# each from 0 to 6. The other sections contain means and standard deviations over this area. They
# are computed after the last blocks with 112, 192 and 320 channels.
SECTIONS = sections_of(
    ("features", 1280),
    ("mean112", 112),
    ("deviation112", 112),
    ("mean192", 192),
    ("deviation192", 192),
    ("mean320", 320),
    ("deviation320", 320),
)
DIM = SECTIONS[-1].stop
