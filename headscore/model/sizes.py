"""Check the size of the network that a config.json describes, before it takes memory."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from headscore.errors import InputError

# Numbers of a config that each stand for modules of the network. The deepest one published has 1000
# layers (Wang et al., DeepNet: Scaling Transformers to 1,000 Layers, 2022), the widest 2048 experts
# (Fedus et al., Switch Transformers, 2022: Switch-C).
_COUNTS = re.compile(r"(layers?|blocks?|groups?|experts?)$")
_MOST = 2048
# A weight takes half a byte at least; some of a network may be missing, such as its pooler.
_PER_BYTE = 4


def check_size(name: str, loader: Any) -> None:
    """Raise InputError for a config.json that describes far more than the weight files hold.

    transformers draws the weights that are missing or of another shape, so that a number too large
    would fill the memory before it is found.

    Parameters
    ----------
    name
        Hub id or local folder. The weights of a hub id may not be downloaded yet, or some of them:
        they are not compared.
    loader
        The class of transformers that loads it.
    """
    from transformers import AutoConfig

    try:
        config = AutoConfig.from_pretrained(name, trust_remote_code=False)
    except OSError:  # the loader says what is missing, or an adapter names its own network
        return
    for key, value in _integers(config.to_dict()):
        if _COUNTS.search(key) and value > _MOST:
            raise InputError(f"{key} of its config.json must be at most {_MOST}, got {value}")
    if not Path(name).is_dir():
        return
    stored = sum(path.stat().st_size for path in Path(name).glob("*.safetensors"))
    if not stored:
        return
    with torch.device("meta"):  # shapes without memory
        network = loader.from_config(config, trust_remote_code=False)
    described = sum(weight.numel() for weight in network.parameters())
    if described > _PER_BYTE * stored:
        raise InputError(
            f"its config.json must describe the weights that are there, {stored} bytes, "
            f"got a network of {described} weights"
        )


def _integers(settings: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    for key, value in settings.items():
        if isinstance(value, int):
            yield key, value
        elif isinstance(value, Mapping):
            yield from _integers(value)
