"""Scores of tiny models of every family against eager attention."""

from dataclasses import replace

import numpy as np
import torch

from headscore import backends
from headscore.backends.contract import Visibility
from headscore.backends.results import mark_absent
from headscore.corpus.sequence_table import SequenceTable
from headscore.encoding.source_target import Target, encode_source_target
from headscore.model.decoder_start import decoder_start
from headscore.model.hook import can_route
from headscore.model.load import load_model
from headscore.model.parts import part_of
from headscore.options import LoadOptions, RunOptions
from headscore.roles.specs import parse_roles
from headscore.scores.batches import inputs, run_batches
from headscore.sieves.plan import SievePlan
from helpers import tiny
from helpers.batches import relative

ROLES = parse_roles(tiny.ROLES)
ACROSS = parse_roles("diagonal:1,delimiter,delimiter_sep,sink")  # of a target to its source


SEQUENCES = 10


def load(family):
    options = LoadOptions(tokenizer=tiny.tokenizer(family.tokenizer), part=family.part)
    return load_model(family.network().eval(), options, paired=True)


def roles_of(family):
    return ACROSS if family.part == "cross" else ROLES


def encode(family, loaded):
    """Random sequences as the model reads them; text pairs for a part with source and target."""
    if not family.paired:
        return tiny.encode(loaded, tiny.sequences(SEQUENCES))
    pairs = [each for each in tiny.sequences(2 * SEQUENCES) if each.is_pair]
    target = Target(decoder_start(loaded.network), loaded.route.cross)
    limit = loaded.max_length
    return encode_source_target(SequenceTable.of(pairs), loaded.tokenizer, target, max_length=limit)


def eager_attentions(family, loaded, encoded):
    """Attention of each layer with attention, from the eager model; rows sum to 1 in float64."""
    network = family.network().eval()
    if not family.paired:
        network = part_of(network, family.part).network
    if can_route(network):
        network.set_attn_implementation("eager")
    else:
        network.config._attn_implementation = "eager"
    with torch.inference_mode():
        out = network(**inputs(loaded, encoded), output_attentions=True)
    field = f"{family.part}_attentions" if family.paired else "attentions"
    shown = [each.double() for each in getattr(out, field) if each is not None]
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
    plan = SievePlan.compile(roles_of(family), encoded)
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
    encoded = encode(family, loaded)
    scored = run_batches(loaded, encoded, roles_of(family), RunOptions(batch_tokens=200))
    attentions = eager_attentions(family, loaded, encoded)
    there = [n for n, layer in enumerate(family.layers) if layer is not None]
    if not loaded.route.cross:
        encoded = replace(encoded, source=None)
    want = by_definition(attentions, encoded, family)
    return relative(scored.values[:, :, there], want), scored, attentions, encoded
