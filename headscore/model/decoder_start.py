"""Find the token that the decoder of an encoder-decoder reads before the target."""

from __future__ import annotations

from typing import Any

import torch

from headscore.errors import InputError, one_line
from headscore.model.devices import device_of


def decoder_start(model: Any) -> int | None:
    """Return the id of the token before the target; None: the last token of the target (mBART).

    The model's own function shows it: what makes decoder inputs of labels in training.

    Raises
    ------
    InputError
        The model has no such function and no start token, or it does not move labels one place on.
    """
    config = model.config
    start = getattr(config, "decoder_start_token_id", None)
    shift = getattr(model, "prepare_decoder_input_ids_from_labels", None)
    shift = shift or getattr(model, "_shift_right", None)
    name = type(model).__name__
    if shift is None:
        if not isinstance(start, int):
            raise InputError(
                f"{name} must have a decoder_start_token_id in its config, got {start!r}: pass the "
                "model with its language-model head"
            )
        return start
    taken = (start, getattr(config, "pad_token_id", None))
    labels = [word for word in range(5) if word not in taken][:3]
    try:
        first, *others = shift(torch.tensor([labels], device=device_of(model)))[0].tolist()
    except Exception as error:  # of any kind: the model's own code runs
        raise InputError(f"{name} must make decoder inputs of labels: {one_line(error)}") from error
    if others != labels[:-1]:
        raise InputError(
            f"{name} must move labels one place on to make decoder inputs, got {[first, *others]} "
            f"of {labels}"
        )
    return None if first == labels[-1] else int(first)
