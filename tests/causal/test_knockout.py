"""Knock-out of entries against eager attention with these entries masked."""

import numpy as np
import pytest
import torch
from helpers import families, tiny
from helpers.eager import load
from helpers.masked_eager import entries_of, masked
from transformers import GPT2LMHeadModel

import headscore as hs
from headscore.causal.knockout import knocking
from headscore.causal.removal import Removal
from headscore.causal.selection import heads_by_layer
from headscore.errors import InputError, UsageError
from headscore.model import hook
from headscore.model.route import discover
from headscore.roles.specs import parse_roles
from headscore.sieves.plan import SievePlan

ROUTED = (
    *families.THROUGH_INTERFACE, *families.WITH_BIAS, *families.UNEVEN, *families.HYBRID
)  # fmt: skip
FAMILIES = {family.name: family for family in families.ALL}
ROLES = ("sink", "local:2", "block,induction", "previous,nsubj,duplicate", "offset:0")
IDS = torch.tensor([[5, 6, 7, 8, 9, 6, 7]])


def batch_of(encoded, side):
    """Ids and mask of a batch, padded on a side."""
    ids, mask = encoded.grid(encoded.input_ids, 3), encoded.real.astype(np.int64)
    if side == "left":
        for row, n in enumerate(encoded.lengths):
            ids[row], mask[row] = np.roll(ids[row], -n), np.roll(mask[row], -n)
    return {"input_ids": torch.from_numpy(ids), "attention_mask": torch.from_numpy(mask)}


def some_heads(route, seed):
    """A random half of the heads, and of one layer none."""
    rng = np.random.default_rng(seed)
    pairs = [(n, h) for n, heads in enumerate(route.heads_per_layer) for h in range(heads)]
    chosen = [pair for pair in pairs if rng.random() < 0.5 and pair[0] != 1] or pairs[:1]
    return [chosen[n] for n in rng.permutation(len(chosen))]


def real_states(output, batch):
    return output.last_hidden_state[batch["attention_mask"].bool()]


@pytest.mark.parametrize("keep", [False, True], ids=["knockout", "keep"])
@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("family", ROUTED, ids=lambda family: family.name)
def test_a_pass_equals_eager_attention_without_the_entries(family, side, keep, record_property):
    loaded = load(family)
    network = loaded.network
    encoded = tiny.encode(loaded, tiny.sequences(4, longest=10))
    batch = batch_of(encoded, side)
    real = batch["attention_mask"].bool()
    before = network.config._attn_implementation
    route = discover(network)
    worst = 0.0
    for number, spec in enumerate(ROLES):
        heads = some_heads(route, number) if number % 2 else None
        entries = entries_of(parse_roles(spec), encoded, real)
        by_layer = heads_by_layer(heads, route)
        with torch.inference_mode():
            with masked(network, route, entries, by_layer, keep=keep) as eager:
                want = real_states(network(**batch), batch)
            plain = real_states(network(**batch), batch)
            with hs.knockout(network, spec, heads, keep=keep) as run:
                run.expect(encoded)
                got = real_states(network(**batch), batch)
        worst = max(worst, float((got - want).abs().max()))
        assert run.left_alone == eager.left_alone
        assert (plain - want).abs().max() > 1e-3 or not entries.any(), spec
    record_property("difference", worst)
    assert worst <= 1e-5
    assert network.config._attn_implementation == before
