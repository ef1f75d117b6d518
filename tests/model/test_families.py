"""Every family of models: scores equal those of the attention that the model itself computes."""

import logging

import numpy as np
import pytest
import torch
from helpers import families, tiny
from helpers.batches import relative
from helpers.eager import SEQUENCES, difference, load, roles_of

from headscore.model import forward

TOLERANCE = 1e-4


def ids(cases):
    return [family.name for family in cases]


@pytest.mark.parametrize("family", families.ALL, ids=ids(families.ALL))
def test_scores_equal_those_of_eager_attention(family):
    worst, scored, attentions, encoded = difference(family)
    names = [role.name for role in roles_of(family)]
    assert worst <= TOLERANCE
    assert scored.values.shape == (SEQUENCES, len(names), len(family.layers), 4)
    there = [n for n, layer in enumerate(family.layers) if layer is not None]
    absent = [n for n, layer in enumerate(family.layers) if layer is None]
    assert np.isnan(scored.values[:, :, absent]).all()
    assert np.isnan(scored.attainable[:, :, absent]).all()
    some = int(np.argsort(encoded.lengths)[SEQUENCES // 3])  # longer than the windows
    assert encoded.lengths[some] > 12
    for number, layer in enumerate(there):
        causal, window = family.layers[layer]
        want = tiny.loop_scores(
            attentions,
            encoded,
            some,
            names,
            causal=causal,
            window=window,
            layers=[number],
            heads=range(family.heads_per_layer[layer]),
        )
        heads = want.shape[2]
        assert relative(scored.values[some][:, [layer], :heads], want) <= TOLERANCE
        assert np.isnan(scored.values[:, :, layer, heads:]).all()
    assert np.nanstd(scored.values[:, 0]) > 0.05  # far from uniform


PADDED = families.THROUGH_INTERFACE + families.WITH_BIAS


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("family", PADDED, ids=ids(PADDED))
def test_attached_hooks_do_not_change_the_output(family, side):
    loaded = load(family)
    network = loaded.network
    words = torch.randint(5, 60, (3, 20), generator=torch.Generator().manual_seed(0))
    mask = torch.arange(20) < torch.tensor([[20], [13], [1]])
    mask = (mask if side == "right" else mask.flip(1)).long()
    network.config._attn_implementation = "eager"
    with torch.inference_mode():
        want = network(words, attention_mask=mask).last_hidden_state
        with forward.attached(network, loaded.route):
            got = network(words, attention_mask=mask).last_hidden_state
    torch.testing.assert_close(got[mask.bool()], want[mask.bool()], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("family", families.RETURNED, ids=ids(families.RETURNED))
def test_a_model_scored_from_returned_attention_warns(family, caplog):
    with caplog.at_level(logging.WARNING, "headscore"):
        loaded = load(family)
    assert loaded.route.returned
    name = type(loaded.network).__name__
    assert f"the attention of {name} does not pass through transformers'" in caplog.text
    assert "T x T weights of one layer at a time" in caplog.text


@pytest.mark.parametrize("family", families.HYBRID, ids=ids(families.HYBRID))
def test_a_layer_without_attention_is_listed(family, caplog):
    with caplog.at_level(logging.WARNING, "headscore"):
        loaded = load(family)
    absent = tuple(n for n, layer in enumerate(family.layers) if layer is None)
    assert loaded.route.absent == absent
    assert f"no attention in layers {', '.join(map(str, absent))} of" in caplog.text
