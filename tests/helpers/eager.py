"""Scores of tiny models of every family against eager attention."""

import numpy as np
import torch

from headscore import backends
from headscore.backends.contract import Visibility
from headscore.backends.results import mark_absent
from headscore.model.load import load_model
from headscore.options import LoadOptions, RunOptions
from headscore.roles.specs import parse_roles
from headscore.scores.batches import inputs, run_batches
from headscore.sieves.plan import SievePlan
from helpers import tiny
from helpers.batches import relative

ROLES = parse_roles(tiny.ROLES)


SEQUENCES = 10


def load(family):
    return load_model(
        family.network().eval(), LoadOptions(tokenizer=tiny.tokenizer(family.tokenizer))
    )


def eager_attentions(family, loaded, encoded):
    """Attention of each layer with attention, from the eager model; rows sum to 1 in float64."""
    network = family.network().eval()
    if loaded.network.config.is_encoder_decoder:
        network = network.get_encoder()
    network.config._attn_implementation = "eager"
    with torch.inference_mode():
        out = network(**inputs(loaded, encoded), output_attentions=True)
    shown = [each.double() for each in out.attentions if each is not None]
    return [each / each.sum(-1, keepdim=True) for each in shown]


def side_by_side(layers):
    """Scores (sequence, role, layer, head) of layers' (sequence, role, head), NaN for no head."""
    most = max(each.shape[2] for each in layers)
    wide = [(0, 0), (0, 0)]
    return np.stack(
        [
            np.pad(each, [*wide, (0, most - each.shape[2])], constant_values=np.nan)
            for each in layers
        ],
        axis=2,
    )


def by_definition(attentions, encoded, family):
    """Scores (sequence, role, layer with attention, head) by the reference, in float64."""
    plan = SievePlan.compile(ROLES, encoded)
    layers = []
    for attention, seen in zip(attentions, family.visibilities, strict=True):
        visibility = Visibility(*seen)
        raw = backends.score_attention(attention, plan, visibility, backend="reference")
        assert not raw.faults.any()
        layers.append(mark_absent(raw.scores, plan.arrays(visibility)).numpy())
    return side_by_side(layers)


def difference(family):
    """Largest relative difference to eager attention, and the scores."""
    loaded = load(family)
    encoded = tiny.encode(loaded, tiny.sequences(SEQUENCES))
    scored = run_batches(loaded, encoded, ROLES, RunOptions(batch_tokens=200))
    attentions = eager_attentions(family, loaded, encoded)
    there = [n for n, layer in enumerate(family.layers) if layer is not None]
    want = by_definition(attentions, encoded, family)
    return relative(scored.values[:, :, there], want), scored, attentions, encoded
