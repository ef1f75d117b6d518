"""Tiny models that read no token ids: pictures and sound."""

from dataclasses import dataclass

import numpy as np
import torch
import transformers

import headscore as hs
from helpers.batches import relative

SIZES = {
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 64,
}
PICTURE = {"image_size": (16, 24), "patch_size": 8}


@dataclass(frozen=True)
class PlaceFamily:
    """A model of random weights that reads no token ids.

    `grid` is (rows, columns, leading tokens) of its patches, or None; `part` the part that is
    captured while the whole model runs.
    """

    name: str
    model: str
    config: str
    options: dict
    inputs: dict
    grid: tuple = None
    part: str = "auto"
    note: str = "called with pictures"
    lengths: tuple = ()  # tokens of each sequence that are no padding; () for all
    layers: tuple = ((False, None),) * 3
    returned: bool = False

    @property
    def visibilities(self):
        """(causal, window) of each layer."""
        return list(self.layers)

    @property
    def roles(self):
        if self.part == "cross":
            return "diagonal:1,sink,diagonal:3"
        return "local,sink,offset:-2" + (",grid:1" if self.grid else "")

    def network(self, seed=0):
        torch.manual_seed(seed)
        config = getattr(transformers, self.config)(**self.options)
        network = getattr(transformers, self.model)(config).eval()
        for weight in network.parameters():
            if weight.ndim > 1 and weight.std() < 0.1:
                torch.nn.init.normal_(weight, std=0.3)
        return network

    def batch(self, seed=0):
        """Inputs of two sequences."""
        draw = torch.Generator().manual_seed(seed)
        batch = {name: torch.randn(shape, generator=draw) for name, shape in self.inputs.items()}
        if "decoder_input_ids" in batch:
            shape = self.inputs["decoder_input_ids"]
            batch["decoder_input_ids"] = torch.randint(5, 60, shape, generator=draw)
        if self.lengths:
            batch["attention_mask"] = torch.arange(400) < torch.tensor([[400], [260]])
        return batch


def _picture(name, model, config, leading, square=False, **options):
    sizes = {**SIZES, **PICTURE, **options}
    high, wide = (24, 24) if square else (16, 24)
    if square:
        sizes["image_size"] = 24
    inputs = {"pixel_values": (2, 3, high, wide)}
    return PlaceFamily(name, model, config, sizes, inputs, (high // 8, wide // 8, leading))


_WHISPER = {
    "d_model": 32, "encoder_layers": 3, "decoder_layers": 3, "encoder_attention_heads": 4,
    "decoder_attention_heads": 4, "encoder_ffn_dim": 64, "decoder_ffn_dim": 64, "num_mel_bins": 8,
    "max_source_positions": 15, "max_target_positions": 20, "vocab_size": 60, "pad_token_id": 3,
    "bos_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 1,
}  # fmt: skip


def _speech(part, **options):
    inputs = {"input_features": (2, 8, 30), "decoder_input_ids": (2, 6)}
    name, note = f"whisper {part}", "called with sound"
    return PlaceFamily(
        name, "WhisperModel", "WhisperConfig", _WHISPER, inputs, part=part, note=note, **options
    )


ALL = (
    _picture("vit", "ViTModel", "ViTConfig", 1),
    _picture("deit", "DeiTModel", "DeiTConfig", 2),
    _picture(
        "dinov2 with registers",
        "Dinov2WithRegistersModel",
        "Dinov2WithRegistersConfig",
        4,
        square=True,
        num_register_tokens=3,
    ),
    _picture("clip vision", "CLIPVisionModel", "CLIPVisionConfig", 1, square=True),
    _picture("siglip vision", "SiglipVisionModel", "SiglipVisionConfig", 0, square=True),
    _picture("yolos", "YolosModel", "YolosConfig", 1, num_detection_tokens=4),
    _speech("encoder"),
    _speech("decoder", layers=((True, None),) * 3),
    _speech("cross"),
    PlaceFamily(
        "wav2vec2",
        "Wav2Vec2Model",
        "Wav2Vec2Config",
        {
            **SIZES, "conv_dim": (16, 16), "conv_stride": (4, 2), "conv_kernel": (8, 3),
            "num_conv_pos_embeddings": 4, "num_conv_pos_embedding_groups": 2,
            "feat_extract_norm": "layer", "num_feat_extract_layers": 2,
        },
        {"input_values": (2, 400)},
        note="called with sound",
        lengths=(49, 31),
    ),
    PlaceFamily(
        "audio spectrogram transformer",
        "ASTModel",
        "ASTConfig",
        {**SIZES, "patch_size": 4, "frequency_stride": 4, "time_stride": 4, "max_length": 16,
         "num_mel_bins": 12},
        {"input_values": (2, 16, 12)},
        note="called with sound",
    ),
)  # fmt: skip


def _encoded(family, batch, shape):
    """The batch by places, for attention of (queries, keys)."""
    queries, keys = shape
    columns = None
    if family.grid is not None:
        rows, width, leading = family.grid
        place = np.full((2, 2, queries), -1)
        places = np.divmod(np.arange(rows * width), width)
        place[:, :, leading : leading + rows * width] = np.array(places)[:, None]
        columns = {"row": place[0], "column": place[1]}
    source = None
    if family.part == "cross":
        source = hs.Encoded.from_arrays(np.zeros((2, keys), int))
    ids = np.zeros((2, queries), int)
    if family.part in ("decoder", "cross"):
        ids = batch["decoder_input_ids"]
    return hs.Encoded.from_arrays(ids, family.lengths or None, columns=columns, source=source)


def eager_scores(family, network, batch):
    """Scores of the attention that the eager model returns."""
    network.set_attn_implementation("eager")
    with torch.no_grad():
        output = network(**batch, output_attentions=True)
    kind = "" if family.part == "auto" else f"{family.part}_"
    attentions = output[f"{kind}attentions"]
    encoded = _encoded(family, batch, attentions[0].shape[2:])
    causal = family.layers[0][0]
    return hs.score_attentions(attentions, encoded, family.roles, causal=causal)


def difference(family):
    """Largest relative difference of captured scores to those of eager attention; the scores."""
    network, batch = family.network(), family.batch()
    with torch.no_grad():
        before = network(**batch).last_hidden_state
        with hs.capture(network, family.roles, part=family.part) as run:
            after = network(**batch).last_hidden_state
    scores, want = run.scores(), eager_scores(family, network, batch)
    torch.testing.assert_close(after, before, atol=1e-5, rtol=1e-4)
    assert scores.lengths.tolist() == want.lengths.tolist()
    return relative(scores.values, want.values), scores
