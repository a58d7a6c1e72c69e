"""What is known of the embedded EfficientNet-Lite0 without loading it: id, sections, checksum.

The idle daemon imports this: nothing but constants. `tools/make_lite0.py` makes the model.
"""

from pathlib import Path

from imgscore.embedders.base import sections_of

MODEL = Path(__file__).parent / "data" / "efficientnet-lite0.onnx"
MODEL_SHA256 = "2478aad77062767fcd42f889235a92637410c292f8d012a988a6cef94ba4f333"
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
