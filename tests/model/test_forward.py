"""The hook: scores from q and k equal those of the attention that the model returns."""

import numpy as np
import pytest
import torch
from helpers import tiny
from helpers.batches import relative
from helpers.memory import largest_allocation
from transformers import (
    BertForSequenceClassification,
    Llama4TextConfig,
    Llama4TextModel,
)

from headscore.corpus import Sequence, read
from headscore.demo import demo_corpus
from headscore.errors import InputError
from headscore.model.forward import order_of
from headscore.model.load import load_model
from headscore.options import LoadOptions, ReadOptions, RunOptions
from headscore.roles.specs import parse_roles
from headscore.scores import batches as running
from headscore.scores.attentions import score_attentions
from headscore.scores.batches import run_batches

TOLERANCE = 1e-4
ROLES = parse_roles(tiny.ROLES)
NAMES = [role.name for role in ROLES]
GQA = {"num_key_value_heads": 2, "head_dim": 8}


@pytest.mark.parametrize("family", ["bert", "llama"])
def test_roles_score_only_sequences_with_a_sieve(family):
    loaded = tiny.load(family)
    encoded = tiny.encode(loaded, tiny.sequences(14))
    scores = run_batches(loaded, encoded, ROLES).values
    pairs = [n for n, role in enumerate(NAMES) if role.startswith("block")]
    special = [n for n, role in enumerate(NAMES) if role.startswith("delimiter")]
    takes_part = ~np.isnan(scores).any((2, 3))
    assert (takes_part[:, pairs].all(1) == (np.arange(14) % 2 == 1)).all()
    assert takes_part[:, special].all() == (family == "bert")
    assert takes_part[:, special].any() == (family == "bert")
    assert takes_part.any(0).sum() == len(NAMES) - (0 if family == "bert" else len(special))


def test_layers_that_share_weights_are_scored_one_by_one():
    loaded = tiny.load("albert")
    scores = run_batches(loaded, tiny.encode(loaded, tiny.sequences(3)), ROLES[:1]).values
    assert (scores[:, :, 0] != scores[:, :, 1]).all()
    assert (scores[:, :, 1] != scores[:, :, 2]).all()


def test_every_layer_of_a_group_is_scored():
    loaded = tiny.load("albert", inner_group_num=2)
    encoded = tiny.encode(loaded, tiny.sequences(3))
    values = run_batches(loaded, encoded, ROLES[:1]).values
    attentions = tiny.eager_attentions(loaded.network, running.inputs(loaded, encoded))
    assert values.shape[2] == loaded.layers == len(attentions) == 6
    want = score_attentions(attentions, encoded, ROLES[:1], backend="reference").values
    np.testing.assert_allclose(values, want, rtol=1e-4)


def state_of(network):
    """What a run must not change."""
    weights = {name: weight.clone() for name, weight in network.state_dict().items()}
    modes = [module.training for module in network.modules()]
    return weights, modes, network.config._attn_implementation, network.dtype, network.device


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
@pytest.mark.parametrize("spoiled", [False, True])
def test_scoring_does_not_change_the_model(attention, spoiled):
    network = tiny.network("bert").bfloat16()
    network.set_attn_implementation(attention)
    network.train()
    network.encoder.layer[0].eval()  # a part frozen by its user
    if spoiled:
        network.encoder.layer[1].attention.self.query.weight.data[:] = torch.inf
    weights, *rest = state_of(network)
    loaded = load_model(network, LoadOptions(tokenizer=tiny.tokenizer()))
    encoded = tiny.encode(loaded, tiny.sequences(3))
    if spoiled:
        with pytest.raises(InputError, match="layer 1, head 0 holds NaN or Inf"):
            run_batches(loaded, encoded, ROLES)
    else:
        run_batches(loaded, encoded, ROLES)
    after, *rest_after = state_of(network)
    assert rest_after == rest
    assert all(torch.equal(after[name], weight) for name, weight in weights.items())
    assert network(torch.tensor([[1, 7, 2]])).last_hidden_state.requires_grad


def test_an_error_in_the_model_is_raised_and_the_model_is_restored():
    loaded = tiny.load("gpt2")
    encoded = tiny.encode(loaded, tiny.sequences(2))
    handle = loaded.network.h[1].register_forward_pre_hook(lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        run_batches(loaded, encoded, ROLES[:1])
    handle.remove()
    assert loaded.network.config._attn_implementation == "sdpa"
    assert loaded.network(torch.tensor([[7, 8]])).last_hidden_state.isfinite().all()
    assert np.isfinite(run_batches(loaded, encoded, ROLES[:1]).values).all()


def test_dropout_is_off_and_a_classification_head_is_ignored():
    plain = tiny.load("bert")
    encoded = tiny.encode(plain, tiny.sequences(4))
    torch.manual_seed(1)
    whole = BertForSequenceClassification(plain.network.config).train()
    whole.bert.load_state_dict(plain.network.state_dict())
    loaded = load_model(whole, LoadOptions(tokenizer=plain.tokenizer))
    got = run_batches(loaded, encoded, ROLES).values
    np.testing.assert_array_equal(got, run_batches(plain, encoded, ROLES).values)
    assert whole.training


@pytest.mark.parametrize(
    ("family", "changes"),
    [
        ("bert", {"max_position_embeddings": 4096}),
        ("gpt2", {"n_positions": 4096}),
        ("llama", {"max_position_embeddings": 4096}),
    ],
)
def test_no_t_by_t_array_is_allocated(family, changes):
    tokenizer = tiny.tokenizer(family)
    tokenizer.model_max_length = 4096
    loaded = load_model(tiny.network(family, **changes), LoadOptions(tokenizer=tokenizer))
    long = Sequence("long", (tiny.segment(np.random.default_rng(0), 1600, reach=10),))
    encoded = tiny.encode(loaded, [long, *tiny.sequences(1)])
    tokens = int(encoded.lengths.max())
    assert tokens >= 3000
    run = largest_allocation(
        lambda: run_batches(loaded, encoded, ROLES, RunOptions(batch_tokens=2 * tokens))
    )
    assert max(run) < tokens * tokens  # in bytes: not even a T x T mask of bool
    inputs = running.inputs(loaded, encoded.take(np.array([0])))
    eager, _ = largest_allocation(lambda: tiny.eager_attentions(loaded.network, inputs))
    assert eager >= 4 * tokens * tokens  # the measure sees what the model does eagerly


def bidirectional_llama():
    network = tiny.network("llama")
    network.config.is_causal = False
    return network


def test_a_bidirectional_decoder_is_scored_as_bidirectional():
    loaded = load_model(bidirectional_llama(), LoadOptions(tokenizer=tiny.tokenizer("llama")))
    encoded = tiny.encode(loaded, tiny.sequences(5))
    attentions = tiny.eager_attentions(loaded.network, running.inputs(loaded, encoded))
    assert (attentions[0][0, :, 0, 1:] > 0).any()
    want = score_attentions(attentions, encoded, ROLES).values
    assert relative(run_batches(loaded, encoded, ROLES).values, want) <= TOLERANCE


def chunked_llama4():
    config = Llama4TextConfig(
        **tiny.SIZES,
        **GQA,
        pad_token_id=3,
        attention_chunk_size=8,
        num_local_experts=2,
        intermediate_size_mlp=64,
    )
    return Llama4TextModel(config)


def deaf_bert():
    """It does not listen to the padding mask."""
    network = tiny.network("bert")
    hear = network.forward
    network.forward = lambda attention_mask=None, **inputs: hear(**inputs)
    return network


def deeper_on_paper():
    network = tiny.network("bert")
    network.config.num_hidden_layers = 5
    return network


def load_and_run(network):
    loaded = load_model(network, LoadOptions(tokenizer=tiny.tokenizer()))
    return run_batches(loaded, tiny.encode(loaded, tiny.sequences(6)), parse_roles("local"))


@pytest.mark.parametrize(
    ("make", "parts"),
    [
        (chunked_llama4, ["neither causal, full nor a window", "Llama4TextAttention"]),
        (deaf_bert, ["padding that is attended to", "BertSelfAttention"]),
        (deeper_on_paper, ["all 5 layers of BertModel", "got 3 layers that pass through"]),
    ],
)
def test_unsupported_attention_raises(make, parts):
    network = make()
    with pytest.raises(InputError) as caught:
        load_and_run(network)
    for part in parts:
        assert part in str(caught.value)


def test_a_sequence_without_padding_needs_no_mask():
    loaded = load_model(deaf_bert(), LoadOptions(tokenizer=tiny.tokenizer()))
    encoded = tiny.encode(loaded, tiny.sequences(1))
    want = run_batches(tiny.load("bert"), encoded, ROLES).values
    np.testing.assert_array_equal(run_batches(loaded, encoded, ROLES).values, want)


@pytest.mark.model
@pytest.mark.slow
def test_minilm_agrees_with_the_loops(minilm, record_testsuite_property):
    sequences = list(read(demo_corpus(), ReadOptions(pairs="consecutive")))[:50]
    assert sum(each.is_pair for each in sequences) >= 40
    roles = parse_roles("paper")
    encoded = tiny.encode(minilm, sequences)
    scores = run_batches(minilm, encoded, roles).values
    attentions = tiny.eager_attentions(minilm.network, running.inputs(minilm, encoded))
    layers, heads = (0, 3, 5), (0, 5, 11)
    want = [
        tiny.loop_scores(
            attentions, encoded, s, [role.name for role in roles], layers=layers, heads=heads
        )
        for s in range(len(sequences))
    ]
    difference = relative(scores[:, :, layers][..., heads], want)
    record_testsuite_property("largest_relative_difference", f"{difference:.1e}")
    assert difference <= TOLERANCE


def test_chosen_tokens_are_ordered_by_their_places():
    chosen = torch.tensor([[0, 1, 1, 0, 1], [1, 0, 0, 0, 0], [0, 0, 0, 0, 0]]).bool()
    assert order_of(chosen, 4).tolist() == [[1, 2, 4, -1], [0, -1, -1, -1], [-1] * 4]
    assert order_of(chosen, 9).tolist() == [[1, 2, 4, -1, -1], [0, -1, -1, -1, -1], [-1] * 5]
