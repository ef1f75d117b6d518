"""Prepare batches on the host: plans and model inputs, as one buffer that goes to the device.

Nothing here needs the model or its device, so that any process can do it, ahead of the pass.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import torch

from headscore import backends
from headscore.arrays import Array, Bools
from headscore.backends.contract import Visibility
from headscore.backends.transfer import Packed
from headscore.encoding.encoded import Encoded
from headscore.model import forward
from headscore.model.masks import simplest
from headscore.options import RunOptions
from headscore.roles.role import Role
from headscore.sieves.batch_plan import BatchPlan


@dataclass(frozen=True)
class Facts:
    """What is needed of a model to prepare batches for it.

    Attributes
    ----------
    pad
        Token id that pads.
    token_types
        Whether the model reads token types.
    device
        Type of its device.
    backend
        Name of the backend that was chosen, not "auto".
    visibilities
        The distinct visibilities of its layers, as far as they are known; windows as in long
        batches.
    cross
        Whether its cross-attention is scored.
    """

    pad: int
    token_types: bool
    device: str
    backend: str
    visibilities: tuple[Visibility, ...] = ()
    cross: bool = False


@dataclass(frozen=True, eq=False)
class Prepared:
    """A batch, ready to run; plain data that can be pickled.

    Attributes
    ----------
    plan
        The sieves, under `visibilities` computed already.
    arrays
        What the device reads: the inputs of the model by name; "real" and "order", see
        `headscore.model.forward.Pass`; for visibility n the arrays "n plan ..." that the backend
        derives, and "n compared ..." where it compares with position itself. In one buffer, except
        for a model on the CPU, where nothing is copied.
    visibilities
        The visibilities whose arrays are there.
    real
        Bool (batch, T of the model), the tokens that are not padding; for cross-attention those of
        the source.
    chosen
        Bool (batch, T of the model), the tokens that the plan covers; None: all real ones.
    """

    plan: BatchPlan
    arrays: Packed | dict[str, Array]
    visibilities: tuple[Visibility, ...]
    real: Bools
    chosen: Bools | None


def prepare(facts: Facts, roles: tuple[Role, ...], options: RunOptions, batch: Encoded) -> Prepared:
    """Make plan and inputs of a batch.

    Parameters
    ----------
    facts
        Of the model, with the visibilities that are known so far. Any other is computed when the
        pass meets it.
    roles, options
        Of the run.
    batch
        Its sequences.
    """
    drops = options.special == "drop"
    arrays = input_arrays(facts.pad, batch, token_types=facts.token_types)
    scored = batch if facts.cross else replace(batch, source=None)
    real = scored.keyed.real
    chosen = batch.real & ~batch.grid(batch.special, fill=True) if drops else None
    # The model reads all tokens; the plan is of the kept ones, and `chosen` selects their rows and
    # columns of the attention.
    scored = scored.without_special() if drops else scored
    known = tuple(dict.fromkeys(simplest(each, batch.tokens) for each in facts.visibilities))
    compared = options.position and not facts.cross
    plan = BatchPlan.of(roles, scored, compared=compared, under=known)
    arrays["real"] = real
    if chosen is not None:
        arrays["order"] = forward.order_of(torch.from_numpy(chosen), plan.tokens).numpy()
    for number, visibility in enumerate(known):
        read = backends.derive(facts.backend, plan, visibility)
        arrays |= {f"{number} plan {name}": array for name, array in read.items()}
        if backends.controls(facts.backend):
            control = compared_arrays(plan, visibility)
            arrays |= {f"{number} compared {name}": each for name, each in control.items()}
    return Prepared(
        plan=plan,
        arrays=arrays if facts.device == "cpu" else Packed.of(arrays),
        visibilities=known,
        real=real,
        chosen=chosen,
    )


def compared_arrays(plan: BatchPlan, visibility: Visibility) -> dict[str, Array]:
    """Return the arrays of a comparison by name."""
    comparison = plan.under(visibility).comparison
    return {each.name: getattr(comparison, each.name) for each in fields(comparison)}


def named(arrays: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """Return those arrays whose names begin with a word, without it."""
    start = f"{prefix} "
    return {k.removeprefix(start): v for k, v in arrays.items() if k.startswith(start)}


def input_arrays(pad: int, batch: Encoded, *, token_types: bool) -> dict[str, Array]:
    """Return the inputs of a model for a batch, padded on the right.

    A batch with a source is what the decoder reads.
    """
    if batch.source is not None:
        target = input_arrays(pad, replace(batch, source=None), token_types=False)
        read = input_arrays(pad, batch.source, token_types=token_types)
        return read | {f"decoder_{name}": array for name, array in target.items()}
    arrays = {
        "input_ids": batch.grid(batch.input_ids, pad),
        "attention_mask": batch.real.astype(np.int64),
    }
    if token_types and batch.token_types is not None:
        arrays["token_type_ids"] = batch.grid(batch.token_types, 0)
    return arrays
