"""Tiny models with a language-model head and random weights."""

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForMaskedLM

from headscore.model.load import load_model
from headscore.options import LoadOptions
from helpers import tiny

HEADS = {"gpt2": AutoModelForCausalLM, "bert": AutoModelForMaskedLM}


def with_head(family, seed=0):
    torch.manual_seed(seed)
    config = AutoConfig.for_model(family, **{**tiny.CONFIGS[family], "pad_token_id": 3})
    network = HEADS[family].from_config(config).eval()
    return load_model(network, LoadOptions(tokenizer=tiny.tokenizer(family)))
