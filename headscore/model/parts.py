"""Parts of models: the encoder, the decoder or the text part, whose attention is scored."""

from __future__ import annotations

from typing import Any, NamedTuple

from headscore.errors import InputError
from headscore.log import log

DECODER, CROSS = PAIRED = ("decoder", "cross")  # read a source and a target
_OF_SEVERAL = ("text", "vision", "audio")  # parts of a multimodal model, by their own config


class Part(NamedTuple):
    """The part of a model whose attention is scored.

    Attributes
    ----------
    network
        The module that holds the attention, with its own config.
    name
        One of encoder, decoder, cross, text, vision, audio; None: the whole of a plain model.
    """

    network: Any
    name: str | None = None

    @property
    def paired(self) -> bool:
        """Whether the whole model runs, on a source and a target."""
        return self.name in PAIRED


def part_of(model: Any, part: str = "auto") -> Part:
    """Return a part of a model.

    Parameters
    ----------
    model
        A transformers model.
    part
        Its name; auto: the encoder of an encoder-decoder, the text part of a multimodal model
        (both are logged), and any other model itself.

    Raises
    ------
    InputError
        The model does not have the part, or it is no transformers model of its own.
    """
    chosen = _chosen(model, part)
    if not hasattr(chosen.network, "config"):
        raise InputError(
            f"the {chosen.name} of {type(model).__name__} must be a transformers model with a "
            f"config, got {type(chosen.network).__name__}"
        )
    return chosen


def _chosen(model: Any, part: str) -> Part:
    found = _parts(model)
    name = type(model).__name__
    if part == "auto":
        if "encoder" in found:
            log.warning("%s has a decoder too: its encoder is scored", name)
            return Part(found["encoder"], "encoder")
        if "text" in found:
            log.warning("%s has more than a text part: only that is scored", name)
            return Part(found["text"], "text")
        return Part(model)
    if part not in found:
        has = f"{name} has the parts {', '.join(found)}" if found else f"{name} has no parts"
        raise InputError(f"part must be auto or one that the model has, got {part!r}: {has}")
    return Part(found[part], part)


def _parts(model: Any) -> dict[str, Any]:
    """Return the parts of a model by name, none for a plain model."""
    config = model.config
    # The encoder or decoder of a model, on its own, has the config of both.
    if getattr(config, "is_encoder_decoder", False) and hasattr(model, "get_encoder"):
        encoder, decoder = model.get_encoder(), model.get_decoder()
        if encoder is not model and decoder not in (model, encoder):
            return {"encoder": encoder, "decoder": decoder, "cross": decoder}
        return {}
    found = {}
    for name in _OF_SEVERAL:
        own = getattr(config, f"{name}_config", None)
        network = None if own is None else _with_config(model, type(own))
        if network is not None:
            found[name] = network
    return found


def _with_config(model: Any, kind: type) -> Any:
    """Return the first module below a model whose config is of a class; None if there is none."""
    # By its class: models copy the configs of their parts.
    return next(
        (
            module
            for module in model.modules()
            if module is not model
            and type(getattr(module, "config", None)) is kind
            and hasattr(module, "set_attn_implementation")
        ),
        None,
    )
