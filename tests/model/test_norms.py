"""Attention weighted by value norms agrees with a direct computation."""

import numpy as np
import pytest
import torch
from helpers import families, tiny
from helpers.batches import relative
from helpers.eager import ROLES, load

from headscore import backends
from headscore.backends.contract import Visibility
from headscore.backends.results import mark_absent
from headscore.errors import InputError, UsageError
from headscore.model.load import load_model
from headscore.options import LoadOptions, RunOptions
from headscore.scores import batches as running
from headscore.scores.batches import run_batches
from headscore.sieves.plan import SievePlan

FAMILIES = {family.name: family for family in families.ALL}


def bert(network, hidden, layer):
    block = network.encoder.layer[layer].attention
    return block.self.value(hidden), block.output.dense.weight


def gpt2(network, hidden, layer):
    block = network.h[layer]
    return block.attn.c_attn(block.ln_1(hidden))[..., 64:], block.attn.c_proj.weight.T


def llama(network, hidden, layer):
    block = network.layers[layer]
    value = block.self_attn.v_proj(block.input_layernorm(hidden))
    halves = value.unflatten(-1, (2, 8)).repeat_interleave(2, dim=-2)  # two query heads a value
    return halves.flatten(-2), block.self_attn.o_proj.weight


def weighed_attentions(network, inputs, parts):
    """Rows of a_ij ||f(x_j)|| of every layer, made to sum to 1; T x T vectors and all."""
    network.config._attn_implementation = "eager"
    with torch.inference_mode():
        out = network(**inputs, output_attentions=True, output_hidden_states=True)
        for layer, attention in enumerate(out.attentions):
            value, weight = parts(network, out.hidden_states[layer], layer)
            heads = attention.shape[1]
            value = value.unflatten(-1, (heads, -1)).double()
            slices = weight.double().unflatten(1, (heads, -1))
            added = torch.einsum("bthd,ohd->bhto", value, slices)
            vectors = attention.double().unsqueeze(-1) * added.unsqueeze(2)
            norms = vectors.norm(dim=-1)
            yield norms / norms.sum(-1, keepdim=True)


@pytest.mark.parametrize(("name", "parts"), [("bert", bert), ("gpt2", gpt2), ("llama", llama)])
def test_norm_weights_agree_with_a_direct_computation(name, parts, record_testsuite_property):
    loaded = load(FAMILIES[name])
    encoded = tiny.encode(loaded, tiny.sequences(8))
    got = run_batches(loaded, encoded, ROLES, RunOptions(batch_tokens=200, weights="norm")).values
    plan = SievePlan.compile(ROLES, encoded)
    visibility = Visibility(*FAMILIES[name].layers[0])
    inputs = running.inputs(loaded, encoded)
    want = []
    for attention in weighed_attentions(loaded.network, inputs, parts):
        raw = backends.score_attention(attention, plan, visibility, backend="reference")
        assert not raw.faults.any()
        want.append(mark_absent(raw.scores, plan.arrays(visibility)).numpy())
    difference = relative(got, np.stack(want, axis=2))
    record_testsuite_property(f"norm_{name}", difference)
    assert difference <= 1e-4
    plain = run_batches(loaded, encoded, ROLES, RunOptions(batch_tokens=200)).values
    assert np.nanmax(np.abs(got / plain - 1)) > 0.05  # the norms did weigh


GATED = ("qwen3_next", "qwen3_5")
FOUND = [
    each
    for each in families.ALL
    if not each.returned and not each.paired and each.name not in GATED
]


@pytest.mark.parametrize("family", FOUND, ids=[family.name for family in FOUND])
def test_output_projections_are_found(family):
    loaded = load(family)
    encoded = tiny.encode(loaded, tiny.sequences(2))
    plain = run_batches(loaded, encoded, ROLES[:1]).values
    weighed = run_batches(loaded, encoded, ROLES[:1], RunOptions(weights="norm")).values
    assert (np.isnan(weighed) == np.isnan(plain)).all()
    assert np.nanmax(np.abs(weighed / plain - 1)) > 1e-3


@pytest.mark.parametrize("name", GATED)
def test_a_gate_before_the_projection_raises(name):
    loaded = load(FAMILIES[name])
    encoded = tiny.encode(loaded, tiny.sequences(2))
    with pytest.raises(InputError, match="has a gate or a normalisation between them"):
        run_batches(loaded, encoded, ROLES[:1], RunOptions(weights="norm"))


def test_norm_weights_without_access_to_the_values_raise():
    loaded = load(FAMILIES["mpnet"])
    encoded = tiny.encode(loaded, tiny.sequences(2))
    with pytest.raises(InputError, match="weights 'norm' need the values of MPNetSelfAttention"):
        run_batches(loaded, encoded, ROLES[:1], RunOptions(weights="norm"))


def test_a_missing_output_projection_raises():
    network = tiny.network("bert")
    loaded = load_model(network, LoadOptions(tokenizer=tiny.tokenizer()))
    for layer in network.encoder.layer:
        layer.attention.output.dense = torch.nn.Sequential(layer.attention.output.dense)
    encoded = tiny.encode(loaded, tiny.sequences(2))
    with pytest.raises(InputError, match="BertSelfAttention has none where it is looked for"):
        run_batches(loaded, encoded, ROLES[:1], RunOptions(weights="norm"))


@pytest.mark.parametrize("name", ["weights", "special"])
def test_unknown_weights_or_special_raise(name):
    with pytest.raises(UsageError, match=f"{name} must be one of .*, got 'values'"):
        RunOptions(**{name: "values"})


DROPPED = [(name, "attention") for name in ("bert", "roberta", "modernbert", "t5", "mpnet")]


@pytest.mark.parametrize(("name", "weights"), [*DROPPED, ("bert", "norm")])
def test_dropped_special_tokens_are_neither_queries_nor_keys(name, weights):
    family = FAMILIES[name]
    loaded = load(family)
    encoded = tiny.encode(loaded, tiny.sequences(8))
    if name == "modernbert":
        encoded = encoded.take(np.arange(0, 8, 2))  # no separator in the middle of a window
    options = {"weights": weights, "special": "drop"}
    got = run_batches(loaded, encoded, ROLES, RunOptions(batch_tokens=200, **options)).values
    inputs = running.inputs(loaded, encoded)
    if weights == "norm":
        attentions = list(weighed_attentions(loaded.network, inputs, bert))
    else:
        attentions = plain_attentions(loaded.network, inputs)
    names = [role.name for role in ROLES]
    for s in range(len(encoded)):
        start, end = encoded.offsets[s : s + 2]
        kept = np.flatnonzero(~encoded.special[start:end])
        rows = [layer[s : s + 1][:, :, kept][..., kept].double() for layer in attentions]
        rows = [each / each.sum(-1, keepdim=True) for each in rows]
        one = encoded.take(np.array([s])).without_special()
        for layer, attention in enumerate(rows):
            causal, window = family.layers[layer]
            want = tiny.loop_scores(
                [attention], one, 0, names, causal=causal, window=window, layers=[0]
            )
            assert relative(got[s][:, [layer]], want) <= 1e-4


def plain_attentions(network, inputs):
    network.config._attn_implementation = "eager"
    with torch.inference_mode():
        return network(**inputs, output_attentions=True).attentions


def test_a_window_over_dropped_tokens_raises():
    loaded = load(FAMILIES["modernbert"])
    encoded = tiny.encode(loaded, tiny.sequences(4))
    with pytest.raises(InputError, match="a sliding window over tokens that are left out"):
        run_batches(loaded, encoded, ROLES[:1], RunOptions(special="drop"))


@pytest.mark.parametrize("tokens", [600])
def test_norm_weights_allocate_no_t_by_t_array(tokens):
    from helpers.memory import largest_allocation

    tokenizer = tiny.tokenizer("llama")
    tokenizer.model_max_length = 4096
    network = tiny.network("llama", max_position_embeddings=4096)
    loaded = load_model(network, LoadOptions(tokenizer=tokenizer))
    long = tiny.Sequence("long", (tiny.segment(np.random.default_rng(0), tokens),))
    encoded = tiny.encode(loaded, [long])
    n = int(encoded.lengths[0])
    largest, _ = largest_allocation(
        lambda: run_batches(loaded, encoded, ROLES[:1], RunOptions(batch_tokens=n, weights="norm"))
    )
    assert largest < n * n
