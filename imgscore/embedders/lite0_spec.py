"""What is known of the embedded EfficientNet-Lite0 without loading it: id, sections, checksum.

The idle daemon imports this: nothing but constants. `tools/quantise_lite0.py` makes the model.
"""

from pathlib import Path

from imgscore.embedders.base import sections_of

MODEL = Path(__file__).parent / "data" / "efficientnet-lite0.onnx"
MODEL_SHA256 = "175553f138b99bd5977792ca734d91dd53dd4e0a8942e409d11e8ff3e7641829"
# Raise it when decode, views or pooling change what a picture's vector is.
PREPROCESSING_VERSION = 2
ID = f"efficientnet-lite0-{MODEL_SHA256[:12]}-p{PREPROCESSING_VERSION}"

# The classifier's features (averaged over space, each 0…6), then mean and standard deviation over
# space after the last blocks with 112, 192 and 320 channels.
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
