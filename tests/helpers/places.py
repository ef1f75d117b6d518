"""Tiny models that read no token ids: pictures and sound."""

from dataclasses import dataclass, field

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
_SPEECH = {"conv_dim": (16, 16), "conv_stride": (4, 2), "conv_kernel": (8, 3)}


@dataclass(frozen=True)
class PlaceFamily:
    """A model of random weights without token ids.

    `grid` is (rows, columns, leading tokens) of its patches, or None; `name` its line in tables.
    """

    name: str
    model: str
    config: str
    options: dict
    inputs: dict
    grid: tuple = None
    parts: dict = field(default_factory=dict)

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
        if "input_values" in self.inputs and self.grid is None and len(self.lengths) == 2:
            batch["attention_mask"] = torch.arange(400) < torch.tensor([[400], [260]])
        return batch

    @property
    def lengths(self):
        """Tokens of each sequence that are no padding; () for all."""
        return (49, 31) if self.config == "Wav2Vec2Config" else ()


def _picture(name, model, config, leading, square=False, **options):
    sizes = {**SIZES, **PICTURE, **options}
    high, wide = (24, 24) if square else (16, 24)
    if square:
        sizes["image_size"] = 24
    inputs = {"pixel_values": (2, 3, high, wide)}
    return PlaceFamily(name, model, config, sizes, inputs, (high // 8, wide // 8, leading))


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
    _picture("clip (vision)", "CLIPVisionModel", "CLIPVisionConfig", 1, square=True),
    _picture("siglip (vision)", "SiglipVisionModel", "SiglipVisionConfig", 0, square=True),
    _picture("yolos", "YolosModel", "YolosConfig", 1, num_detection_tokens=4),
    PlaceFamily(
        "whisper (encoder)",
        "WhisperModel",
        "WhisperConfig",
        {
            "d_model": 32, "encoder_layers": 3, "decoder_layers": 2,
            "encoder_attention_heads": 4, "decoder_attention_heads": 4, "encoder_ffn_dim": 64,
            "decoder_ffn_dim": 64, "num_mel_bins": 8, "max_source_positions": 15,
            "max_target_positions": 20, "vocab_size": 60, "pad_token_id": 3, "bos_token_id": 1,
            "eos_token_id": 2, "decoder_start_token_id": 1,
        },
        {"input_features": (2, 8, 30)},
    ),
    PlaceFamily(
        "wav2vec2",
        "Wav2Vec2Model",
        "Wav2Vec2Config",
        {
            **SIZES, **_SPEECH, "num_conv_pos_embeddings": 4, "num_conv_pos_embedding_groups": 2,
            "feat_extract_norm": "layer", "num_feat_extract_layers": 2,
        },
        {"input_values": (2, 400)},
    ),
    PlaceFamily(
        "audio spectrogram transformer",
        "ASTModel",
        "ASTConfig",
        {**SIZES, "patch_size": 4, "frequency_stride": 4, "time_stride": 4, "max_length": 16,
         "num_mel_bins": 12},
        {"input_values": (2, 16, 12)},
    ),
)  # fmt: skip
ROLES = "local,sink,offset:-2"


def eager_scores(family, network, batch, roles):
    """Scores of the attention that the eager model returns."""
    network.set_attn_implementation("eager")
    with torch.no_grad():
        attentions = network(**batch, output_attentions=True).attentions
    tokens = attentions[0].shape[-1]
    columns = None
    if family.grid is not None:
        rows, width, leading = family.grid
        place = np.full((2, 2, tokens), -1)
        place[:, :, leading : leading + rows * width] = np.array(
            np.divmod(np.arange(rows * width), width)
        )[:, None]
        columns = {"row": place[0], "column": place[1]}
    encoded = hs.Encoded.from_arrays(
        np.zeros((2, tokens), int), family.lengths or None, columns=columns
    )
    return hs.score_attentions(attentions, encoded, roles)


def difference(family):
    """Largest relative difference of captured scores to those of eager attention."""
    network, batch = family.network(), family.batch()
    if family.name.startswith("whisper"):
        network = network.get_encoder()
    roles = ROLES if family.grid is None else f"{ROLES},grid:1"
    with torch.no_grad():
        before = network(**batch).last_hidden_state
        with hs.capture(network, roles) as run:
            after = network(**batch).last_hidden_state
    scores, want = run.scores(), eager_scores(family, network, batch, roles)
    torch.testing.assert_close(after, before, atol=1e-5, rtol=1e-4)
    assert scores.lengths.tolist() == want.lengths.tolist()
    return relative(scores.values, want.values), scores
