"""Tiny models of every family that is checked, and who sees whom in each of their layers."""

from dataclasses import dataclass, field

import torch
from transformers import AutoConfig, AutoModel, AutoModelForSeq2SeqLM, T5EncoderModel

from helpers import tiny

GQA = {"num_key_value_heads": 2, "head_dim": 8}
FULL, CAUSAL = (False, None), (True, None)
_WINDOWED = {"num_hidden_layers": 4, "sliding_window": 6, **GQA}


@dataclass(frozen=True)
class Family:
    """A model of random weights.

    `layers` holds for each layer (causal, window), or None where it has no attention; `heads` how
    many heads each has, () for 4. `part` is the part that is scored.
    """

    name: str
    layers: tuple
    config: dict = field(default_factory=dict)
    encoder: bool = False
    returned: bool = False
    note: str = ""
    model_type: str = ""
    heads: tuple = ()
    part: str = "auto"

    @property
    def paired(self):
        return self.part in ("decoder", "cross")

    @property
    def kind(self):
        return self.model_type or self.name

    @property
    def tokenizer(self):
        if self.paired:
            return "roberta"
        if not self.encoder:
            return "gpt2"
        return "roberta" if self.config.get("type_vocab_size") == 1 else "bert"

    @property
    def heads_per_layer(self):
        return self.heads or tuple(4 * (layer is not None) for layer in self.layers)

    @property
    def visibilities(self):
        """(causal, window) of each layer with attention."""
        return [layer for layer in self.layers if layer is not None]

    def network(self, seed=0):
        torch.manual_seed(seed)
        kind = self.kind
        sizes = {**tiny.SIZES, "pad_token_id": 3}
        if kind in tiny.CONFIGS:
            sizes = {**tiny.CONFIGS[kind], "pad_token_id": 3}
        if "text_config" in self.config:
            sizes = {}
        config = AutoConfig.for_model(kind, **{**sizes, **self.config})
        if self.paired:
            model = AutoModelForSeq2SeqLM.from_config(config)
        else:
            model = T5EncoderModel(config) if kind == "t5" else AutoModel.from_config(config)
        for weight in model.parameters():  # some families draw all but nothing
            if weight.ndim > 1 and weight.std() < 0.1:
                torch.nn.init.normal_(weight, std=0.3)
        return model


def _encoder(name, n_layers=3, **options):
    return Family(name, (FULL,) * n_layers, encoder=True, **options)


def _decoder(name, n_layers=3, **options):
    return Family(name, (CAUSAL,) * n_layers, **options)


THROUGH_INTERFACE = (
    _encoder("bert"),
    _encoder("roberta", config={"type_vocab_size": 1}),
    _encoder("xlm-roberta", config={"type_vocab_size": 1}),
    _encoder("camembert", config={"type_vocab_size": 1}),
    _encoder("distilbert", 2),
    _encoder("electra"),
    _encoder("albert", note="shared weights"),
    _encoder("ernie"),
    _encoder(
        "esm",
        config={"position_embedding_type": "rotary", "token_dropout": True, "mask_token_id": 4,
                "type_vocab_size": 1},
        note="proteins",
    ),
    Family(
        "modernbert",
        (FULL, (False, 4), (False, 4), FULL),
        {"num_hidden_layers": 4, "local_attention": 8, "cls_token_id": 1, "sep_token_id": 2,
         "bos_token_id": 1, "eos_token_id": 2},
        encoder=True,
        note="local and global layers",
    ),
    _encoder(
        "bart",
        config={"d_model": 32, "encoder_layers": 3, "decoder_layers": 1, "encoder_ffn_dim": 64,
                "decoder_ffn_dim": 64, "encoder_attention_heads": 4,
                "decoder_attention_heads": 4, "init_std": 0.3},
        note="its encoder",
    ),
    _decoder("gpt2"),
    _decoder(
        "gpt2 scaled by layer",
        model_type="gpt2",
        config={"scale_attn_by_inverse_layer_idx": True},
        note="1 / (layer + 1) in the scale",
    ),
    _decoder("gpt_neox"),
    _decoder("opt", config={"ffn_dim": 64, "word_embed_proj_dim": 32}),
    _decoder("llama", config=GQA, note="grouped keys"),
    Family("mistral", ((True, 6),) * 3, {**GQA, "sliding_window": 6}, note="sliding window"),
    Family(
        "qwen3",
        (CAUSAL, CAUSAL, (True, 6), (True, 6)),
        {**_WINDOWED, "use_sliding_window": True, "max_window_layers": 2},
        note="full and sliding layers",
    ),
    Family(
        "gemma2",
        ((True, 6), CAUSAL) * 2,
        {**_WINDOWED, "query_pre_attn_scalar": 8, "attn_logit_softcapping": 2.0},
        note="capped logits; full and sliding layers",
    ),
    Family(
        "gemma3_text",
        ((True, 6), (True, 6), CAUSAL, (True, 6)),
        {**_WINDOWED, "query_pre_attn_scalar": 8,
         "layer_types": ["sliding_attention", "sliding_attention", "full_attention",
                         "sliding_attention"]},
        note="full and sliding layers",
    ),
    Family(
        "gpt_oss",
        ((True, 6), CAUSAL) * 2,
        {**_WINDOWED, "num_local_experts": 2, "num_experts_per_tok": 1},
        note="sinks; full and sliding layers",
    ),
)  # fmt: skip

HYBRID = (
    Family(
        "jamba",
        (None, CAUSAL, None, CAUSAL),
        {"num_hidden_layers": 4, "attn_layer_period": 2, "attn_layer_offset": 1,
         "num_key_value_heads": 2, "num_experts": 2, "num_experts_per_tok": 1,
         "mamba_d_state": 4, "mamba_dt_rank": 4, "use_mamba_kernels": False},
        note="state space layers",
    ),
    Family(
        "qwen3_next",
        (None, None, None, CAUSAL),
        {"num_hidden_layers": 4, **GQA, "linear_num_key_heads": 2, "linear_num_value_heads": 2,
         "linear_key_head_dim": 8, "linear_value_head_dim": 8, "num_experts": 2,
         "num_experts_per_tok": 1, "moe_intermediate_size": 32,
         "shared_expert_intermediate_size": 32,
         "layer_types": ["linear_attention"] * 3 + ["full_attention"]},
        note="linear attention layers",
    ),
    Family(
        "lfm2",
        (None, CAUSAL, None),
        {"num_key_value_heads": 2, "layer_types": ["conv", "full_attention", "conv"]},
        note="convolution layers",
    ),
    Family(
        "bamba",
        (None, CAUSAL, None),
        {"num_key_value_heads": 2, "attn_layer_indices": [1], "mamba_n_heads": 4,
         "mamba_d_head": 16, "mamba_d_state": 4, "mamba_n_groups": 1},
        note="state space layers",
    ),
)  # fmt: skip

UNEVEN = (
    Family(
        "laguna",
        (CAUSAL, (True, 6), CAUSAL, (True, 6)),
        {**_WINDOWED, "num_attention_heads_per_layer": [2, 4, 2, 4], "num_experts": 2,
         "num_experts_per_tok": 1, "moe_intermediate_size": 32,
         "shared_expert_intermediate_size": 32,
         "layer_types": ["full_attention", "sliding_attention"] * 2},
        heads=(2, 4, 2, 4),
        note="2 or 4 heads in a layer; full and sliding layers",
    ),
)  # fmt: skip

RETURNED = (
    _encoder("deberta-v2", returned=True,
             config={"relative_attention": True, "pos_att_type": ["p2c", "c2p"],
                     "position_buckets": 8, "max_relative_positions": 128,
                     "norm_rel_ebd": "layer_norm"}),
    _encoder("deberta", returned=True),
    _encoder("mpnet", returned=True),
    _encoder("roformer", returned=True),
    _encoder("xlnet", returned=True),
    _decoder("bloom", returned=True, config={"n_layer": 3, "n_head": 4, "hidden_size": 32}),
    _decoder("gptj", returned=True,
             config={"n_embd": 32, "n_layer": 3, "n_head": 4, "rotary_dim": 4}),
    Family("gpt_neo", (CAUSAL, (True, 6), CAUSAL, (True, 6)),
           {"num_hidden_layers": 4, "window_size": 6,
            "attention_types": [[["global", "local"], 2]]},
           returned=True, note="full and sliding layers"),
    _decoder("falcon", returned=True),
    _decoder("falcon with ALiBi", returned=True, model_type="falcon", config={"alibi": True}),
    _decoder("mpt", returned=True, config={"d_model": 32, "n_heads": 4, "n_layers": 3}),
    _decoder("codegen", returned=True,
             config={"n_embd": 32, "n_layer": 3, "n_head": 4, "rotary_dim": 4}),
)  # fmt: skip

WITH_BIAS = (
    _encoder(
        "t5",
        config={"d_model": 32, "d_kv": 8, "d_ff": 64, "num_layers": 3, "num_heads": 4},
        note="position bias; its encoder",
    ),
)

_VISION = {
    "hidden_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "image_size": 32,
    "patch_size": 8,
}
_TEXT = {**tiny.SIZES, **GQA, "pad_token_id": 3}

MULTIMODAL = (
    Family(
        "gemma3",
        ((True, 6), (True, 6), CAUSAL, (True, 6)),
        {"text_config": {**_TEXT, **_WINDOWED, "query_pre_attn_scalar": 8,
                         "layer_types": ["sliding_attention", "sliding_attention",
                                         "full_attention", "sliding_attention"]},
         "vision_config": _VISION, "mm_tokens_per_image": 4, "image_token_index": 199},
        note="its text part; full and sliding layers",
    ),
    Family(
        "qwen3_5",
        (None, None, None, CAUSAL),
        {"text_config": {**_TEXT, "num_hidden_layers": 4, "linear_num_key_heads": 2,
                         "linear_num_value_heads": 2, "linear_key_head_dim": 8,
                         "linear_value_head_dim": 8,
                         "layer_types": ["linear_attention"] * 3 + ["full_attention"]},
         "vision_config": {"depth": 1, "hidden_size": 32, "intermediate_size": 64, "num_heads": 4,
                           "out_hidden_size": 32, "num_position_embeddings": 16}},
        note="its text part; linear attention layers",
    ),
    Family(
        "mistral3",
        (CAUSAL,) * 3,
        {"text_config": {**_TEXT, "model_type": "mistral", "sliding_window": None},
         "vision_config": {**_VISION, "model_type": "pixtral", "head_dim": 8}},
        note="its text part",
    ),
    Family(
        "llava",
        (CAUSAL,) * 3,
        {"text_config": {**_TEXT, "model_type": "llama"},
         "vision_config": {**_VISION, "model_type": "clip_vision_model"}},
        note="its text part",
    ),
    Family(
        "clip",
        (CAUSAL,) * 3,
        {"text_config": {**tiny.SIZES, "pad_token_id": 3, "bos_token_id": 1, "eos_token_id": 2},
         "vision_config": _VISION, "projection_dim": 16},
        note="its text part",
    ),
)  # fmt: skip

_BOTH = {"d_model": 32, "encoder_layers": 2, "decoder_layers": 3, "encoder_ffn_dim": 64,
         "decoder_ffn_dim": 64, "encoder_attention_heads": 4, "decoder_attention_heads": 4,
         "decoder_start_token_id": 2, "init_std": 0.3}  # fmt: skip
_SEQ2SEQ = {
    "bart": _BOTH,
    "mbart": _BOTH,
    "marian": {**_BOTH, "scale_embedding": True, "eos_token_id": 2,
               "share_encoder_decoder_embeddings": True},
    "t5": {"d_model": 32, "d_kv": 8, "d_ff": 64, "num_layers": 2, "num_decoder_layers": 3,
           "num_heads": 4, "decoder_start_token_id": 3},
}  # fmt: skip
# Their decoders do not say that they are causal, and read masks; that of mvp returns its weights.
_MASKED = {
    "pegasus_x": {**_BOTH, "block_size": 4},
    "nllb-moe": {**_BOTH, "num_experts": 2},
    "bigbird_pegasus": {**_BOTH, "attention_type": "original_full"},
    "mvp": _BOTH,
}


def _part(kind, part):
    config, seen = {**_SEQ2SEQ, **_MASKED}[kind], CAUSAL if part == "decoder" else FULL
    note = "its decoder" if part == "decoder" else "its cross-attention"
    return Family(f"{kind} {part}", (seen,) * 3, config, model_type=kind, part=part, note=note)


DECODERS = tuple(_part(kind, "decoder") for kind in _SEQ2SEQ)
CROSS = tuple(_part(kind, "cross") for kind in _SEQ2SEQ)
MORE_DECODERS = tuple(_part(kind, "decoder") for kind in _MASKED)

ALL = THROUGH_INTERFACE + WITH_BIAS + UNEVEN + HYBRID + RETURNED + MULTIMODAL + DECODERS + CROSS
# Those of one stack: the others read a source and a target.
ONE_STACK = tuple(family for family in ALL if not family.paired)
