"""Tiny checkpoints in the layouts that people publish, made by the libraries that define them.

The weights are random. The graphs have the input and output names of optimum and of immich.
"""

import json
import sys
import types
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from PIL import Image

SIDE = 32
DIM = 24
WORDS = ("cat", "dog", "sun", "text", "moon", "over", "a", "the", "shrine", "full")


def clip(
    folder: Path,
    *,
    seed: int = 0,
    side: int = SIDE,
    dim: int = DIM,
    lessons: "Sequence[tuple[Image.Image, str]]" = (),
) -> Path:
    """Write a CLIP model in the layout of transformers, with a text side.

    `lessons`: images with their words. The model is trained on them, so that it can search.
    """
    transformers = import_transformers()
    import torch

    torch.manual_seed(seed)
    config = transformers.CLIPConfig(
        text_config={**_tower(), "vocab_size": 512, "max_position_embeddings": 16}
        | {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 2},
        vision_config={**_tower(), "image_size": side, "patch_size": 8},
        projection_dim=dim,
    )
    model = transformers.CLIPModel(config).eval()
    processor = transformers.models.clip.image_processing_pil_clip.CLIPImageProcessorPil(
        size={"shortest_edge": side}, crop_size={"height": side, "width": side}
    )
    vision = transformers.CLIPVisionModelWithProjection(config.vision_config).eval()
    vision.vision_model, vision.visual_projection = model.vision_model, model.visual_projection
    text = transformers.CLIPTextModelWithProjection(config.text_config).eval()
    text.text_model, text.text_projection = model.text_model, model.text_projection
    _save(folder, config, processor)
    _tokenizer(folder, 16)
    if lessons:
        _teach(model, processor, folder, lessons)
    _export(
        vision,
        {"pixel_values": torch.zeros(1, 3, side, side)},
        ["image_embeds", "last_hidden_state"],
        folder / "onnx" / "vision_model.onnx",
    )
    tokens = torch.tensor([[1, 5, 2]])
    _export(
        text,
        {"input_ids": tokens, "attention_mask": torch.ones_like(tokens)},
        ["text_embeds", "last_hidden_state"],
        folder / "onnx" / "text_model.onnx",
    )
    return folder


def clip_in_one_file(folder: Path, *, seed: int = 0) -> Path:
    """Write a CLIP model as optimum exports it: one graph for images and texts."""
    transformers = import_transformers()
    import torch

    torch.manual_seed(seed)
    config = transformers.CLIPConfig(
        text_config={**_tower(), "vocab_size": 512, "max_position_embeddings": 16}
        | {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 2},
        vision_config={**_tower(), "image_size": SIDE, "patch_size": 8},
        projection_dim=DIM,
    )
    model = transformers.CLIPModel(config).eval()
    processor = transformers.models.clip.image_processing_pil_clip.CLIPImageProcessorPil(
        size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE}
    )
    _save(folder, config, processor)
    tokens = torch.tensor([[1, 5, 2]])
    _export(
        model,
        {
            "input_ids": tokens,
            "pixel_values": torch.zeros(1, 3, SIDE, SIDE),
            "attention_mask": torch.ones_like(tokens),
        },
        ["logits_per_image", "logits_per_text", "text_embeds", "image_embeds"],
        folder / "model.onnx",
    )
    _tokenizer(folder, 16)
    return folder


def siglip(folder: Path, *, seed: int = 0) -> Path:
    """Write a SigLIP model in the layout of transformers, with a text side."""
    transformers = import_transformers()
    import torch

    torch.manual_seed(seed)
    config = transformers.SiglipConfig(
        text_config={**_tower(), "vocab_size": 512, "max_position_embeddings": 16},
        vision_config={**_tower(), "image_size": SIDE, "patch_size": 8},
    )
    model = transformers.SiglipModel(config).eval()
    processor = transformers.models.siglip.image_processing_pil_siglip.SiglipImageProcessorPil(
        size={"height": SIDE, "width": SIDE}
    )
    _save(folder, config, processor)
    outputs = ["last_hidden_state", "pooler_output"]
    _export(
        model.vision_model,
        {"pixel_values": torch.zeros(1, 3, SIDE, SIDE)},
        outputs,
        folder / "onnx" / "vision_model.onnx",
    )
    tokens = torch.ones(1, 16, dtype=torch.int64)
    _export(model.text_model, {"input_ids": tokens}, outputs, folder / "onnx" / "text_model.onnx")
    _tokenizer(folder, 16)
    return folder


def dino(folder: Path, *, registers: int = 0, seed: int = 0) -> Path:
    """Write a DINOv2 model in the layout of transformers. Its only output is one row a token."""
    transformers = import_transformers()
    import torch

    torch.manual_seed(seed)
    kind = "Dinov2WithRegisters" if registers else "Dinov2"
    extra = {"num_register_tokens": registers} if registers else {}
    config = getattr(transformers, f"{kind}Config")(
        **_tower(), image_size=SIDE, patch_size=8, **extra
    )
    model = getattr(transformers, f"{kind}Model")(config).eval()
    # The exporter cannot trace the resampling of positions, which this size does not need.
    positions = model.embeddings.position_embeddings
    model.embeddings.interpolate_pos_encoding = lambda *_: positions
    processor = transformers.models.bit.image_processing_pil_bit.BitImageProcessorPil(
        size={"shortest_edge": SIDE + 8},
        crop_size={"height": SIDE, "width": SIDE},
        image_mean=[0.485, 0.456, 0.406],
        image_std=[0.229, 0.224, 0.225],
    )
    _save(folder, config, processor)
    _export(
        model,
        {"pixel_values": torch.zeros(1, 3, SIDE, SIDE)},
        ["last_hidden_state"],
        folder / "onnx" / "model.onnx",
    )
    return folder


def open_clip(
    folder: Path, *, resize_mode: str = "shortest", seed: int = 0, clean: str | None = None
) -> Path:
    """Write a model of open_clip in the layout of immich, with a text side."""
    library = import_open_clip()
    import torch

    torch.manual_seed(seed)
    vision = {"image_size": SIDE, "layers": 2, "width": 32, "head_width": 16, "patch_size": 8}
    text = {"context_length": 16, "vocab_size": 512, "width": 32, "heads": 2, "layers": 2}
    model = library.CLIP(embed_dim=DIM, vision_cfg=vision, text_cfg=text).eval()
    (folder / "visual").mkdir(parents=True)
    (folder / "textual").mkdir()
    if clean:
        text = {**text, "tokenizer_kwargs": {"clean": clean}}
    config = {"embed_dim": DIM, "vision_cfg": vision, "text_cfg": text}
    (folder / "config.json").write_text(json.dumps(config))
    preprocess = library.transform.PreprocessCfg(size=SIDE, resize_mode=resize_mode)
    from dataclasses import asdict

    (folder / "visual" / "preprocess_cfg.json").write_text(json.dumps(asdict(preprocess)))
    _export(
        model,
        {"image": torch.zeros(1, 3, SIDE, SIDE)},
        ["embedding"],
        folder / "visual" / "model.onnx",
        method="encode_image",
    )
    _export(
        model,
        {"text": torch.ones(1, 16, dtype=torch.int32)},
        ["embedding"],
        folder / "textual" / "model.onnx",
        method="encode_text",
    )
    _tokenizer(folder / "textual", 16)
    return folder


def import_open_clip() -> Any:
    """Return open_clip. Skips if it is not installed."""
    _mend_torchvision()
    return pytest.importorskip("open_clip", reason="pip install open_clip_torch")


def _mend_torchvision() -> None:
    """Make torchvision importable beside a CPU build of torch.

    The published torchvision needs CUDA for its compiled operators. The transforms need no compiled
    operator, so the registration of the operators is left out.
    """
    pytest.importorskip("torch", reason="pip install torch")
    name = "torchvision._meta_registrations"
    sys.modules.setdefault(name, types.ModuleType(name))


def import_transformers() -> Any:
    """Return transformers, with its image processors on Pillow. Skips if it is not installed."""
    _mend_torchvision()
    pytest.importorskip("onnx", reason="pip install onnx")
    library = pytest.importorskip("transformers", reason="pip install transformers")
    for module in ("clip", "siglip", "bit"):
        __import__(f"transformers.models.{module}.image_processing_pil_{module}")
    return library


def _tower() -> dict[str, Any]:
    """Return the sizes of a small transformer."""
    return {
        "hidden_size": DIM,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
    }


def _save(folder: Path, config: Any, processor: Any) -> None:
    folder.mkdir(parents=True)
    config.save_pretrained(folder)
    processor.save_pretrained(folder)


def _teach(
    model: Any, processor: Any, folder: Path, lessons: "Sequence[tuple[Image.Image, str]]"
) -> None:
    """Train a CLIP model until its vectors of images fit the vectors of their words."""
    import torch
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    words = sorted({word for _, word in lessons})
    tokenizer.enable_padding(pad_id=2)
    pixels = processor(images=[image for image, _ in lessons], return_tensors="pt")["pixel_values"]
    ids = torch.tensor([encoded.ids for encoded in tokenizer.encode_batch(words)])
    answers = torch.tensor([words.index(word) for _, word in lessons])
    optimiser = torch.optim.Adam(model.parameters(), lr=2e-3)
    model.train()
    for _ in range(60):
        outputs = model(pixel_values=pixels, input_ids=ids)
        loss = torch.nn.functional.cross_entropy(outputs.logits_per_image, answers)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    model.eval()
    for part in model.modules():
        part.spread = True


def _spread(model: Any) -> None:
    """Enlarge the weights. With the initial scales, the vectors of all inputs are almost equal."""
    import torch

    for parameter in model.parameters():
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=0.3)


def _export(
    model: Any,
    inputs: dict[str, Any],
    outputs: list[str],
    target: Path,
    method: str | None = None,
) -> None:
    """Export a model. `method`: the method to call; None means the model itself, by keywords."""
    import torch

    class Named(torch.nn.Module):
        """A module whose outputs have the wanted names and order."""

        def __init__(self) -> None:
            super().__init__()
            self.inner = model

        def forward(self, *values: Any) -> Any:
            if method is not None:
                return getattr(self.inner, method)(*values)
            result = self.inner(**dict(zip(inputs, values, strict=True)))
            return tuple(getattr(result, name) for name in outputs)

    if not any(getattr(part, "spread", False) for part in model.modules()):
        _spread(model)
        model.spread = True
    target.parent.mkdir(parents=True, exist_ok=True)
    # The exporter has no rule for the fused operator of attention.
    torch.backends.mha.set_fastpath_enabled(False)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        axes = {name: {0: "batch"} for name in (*inputs, *outputs)}
        for name in inputs:
            if name in ("input_ids", "attention_mask"):
                axes[name][1] = "sequence"
        torch.onnx.export(
            Named().eval(),
            tuple(inputs.values()),
            str(target),
            input_names=list(inputs),
            output_names=outputs,
            dynamic_axes=axes,
            opset_version=17,
            dynamo=False,
        )


def _tokenizer(folder: Path, length: int) -> None:
    """Write a byte-level BPE tokenizer, trained on a few words, with the tokens of CLIP."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

    start, end = "<|startoftext|>", "<|endoftext|>"
    tokenizer = Tokenizer(models.BPE(unk_token=end))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<pad>", start, end],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    tokenizer.train_from_iterator([" ".join(WORDS)] * 5, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{start} $A {end}", special_tokens=[(start, 1), (end, 2)]
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": length,
        "bos_token": start,
        "eos_token": end,
        "pad_token": "<pad>",
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
