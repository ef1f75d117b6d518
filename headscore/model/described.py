"""How many layers and heads a config.json describes, read before torch is loaded."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from headscore import files
from headscore.errors import InputError, UsageError

# Names of the numbers in the configs of transformers. A config without them is not understood, nor
# one whose parts have configs of their own: these leave out what is usual. Of any other all numbers
# of similar names count, also those of parts that are not scored: the largest is no less than that
# of any part.
_LAYERS = ("num_hidden_layers", "n_layer", "n_layers", "num_layers", "encoder_layers")
_HEADS = ("num_attention_heads", "n_head", "n_heads", "num_heads", "encoder_attention_heads")
_LIKE_LAYERS = re.compile(r"layers?$")
_LIKE_HEADS = re.compile(r"heads?(_per_layer)?$")


def check_described(name: str, layer: int, head: int) -> None:
    """Raise UsageError for a layer or head that a model cannot have, as its config.json describes.

    Nothing is checked where the config.json is not on this machine or not understood: the model
    itself shows it later.

    Parameters
    ----------
    name
        Hub id or local folder.
    layer, head
        Numbers from 0.
    """
    config = _config(name)
    if (layers := _most(config, _LAYERS, _LIKE_LAYERS)) is not None:
        groups = config.get("inner_group_num")  # ALBERT's layers per group
        check_number("layer", layer, layers * (groups if type(groups) is int else 1))
    if (heads := _most(config, _HEADS, _LIKE_HEADS)) is not None:
        check_number("head", head, heads)


def check_number(what: str, number: int, count: int) -> None:
    """Raise UsageError for the number of a layer or head, from 0, that is not below their count."""
    if not 0 <= number < count:
        raise UsageError(f"{what} must lie in 0..{count - 1}, got {number}")


def _config(name: str) -> Mapping[str, Any]:
    """Return the config.json of a model on this machine, {} where there is none to be read."""
    path: Any = Path(name) / "config.json"
    if not Path(name).is_dir():
        from huggingface_hub import try_to_load_from_cache
        from huggingface_hub.errors import HFValidationError

        try:
            path = try_to_load_from_cache(name, "config.json")
        except HFValidationError:
            return {}
    try:
        config = files.read_json(Path(path)) if isinstance(path, str | Path) else {}
    except (InputError, ValueError, RecursionError):
        return {}
    return config if isinstance(config, Mapping) else {}


def _most(config: Mapping[str, Any], names: tuple[str, ...], like: re.Pattern[str]) -> int | None:
    """Return the largest number of names like some; None where none of those is there."""
    parts = [each for each in config.values() if isinstance(each, Mapping) and "model_type" in each]
    if parts or not any(name in config for name in names):
        return None
    lists = [
        value if isinstance(value, list) else [value]  # a number for each layer
        for key, value in config.items()
        if like.search(key)
    ]
    return max((each for values in lists for each in values if type(each) is int), default=None)
