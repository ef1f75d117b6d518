"""Knock-out of entries against eager attention with these entries masked."""

import numpy as np
import pytest
import torch
from helpers import families, tiny
from helpers.batches import relative
from helpers.eager import load
from helpers.masked_eager import entries_of, masked
from transformers import AutoConfig, AutoModel

import headscore as hs
from headscore.causal import knockout as knocked_out
from headscore.causal.knockout import knocking
from headscore.causal.removal import Removal
from headscore.causal.selection import heads_by_layer
from headscore.errors import InputError, UsageError
from headscore.model import attention_output, hook
from headscore.model.load import load_model
from headscore.model.route import discover
from headscore.options import LoadOptions
from headscore.roles.specs import parse_roles
from headscore.scores.batches import run_batches
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


def states(network, batch):
    """Last hidden states of the real tokens."""
    return network(**batch).last_hidden_state[batch["attention_mask"].bool()]


def eager_states(network, spec, heads, encoded, batch, *, keep=False):
    """The same by eager attention without the entries of roles, and the rows left alone."""
    route, real = discover(network), batch["attention_mask"].bool()
    entries = entries_of(parse_roles(spec), encoded, real)
    with masked(network, route, entries, heads_by_layer(heads, route), keep=keep) as run:
        return states(network, batch), run.left_alone


@pytest.mark.parametrize("keep", [False, True], ids=["knockout", "keep"])
@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("family", ROUTED, ids=lambda family: family.name)
def test_a_pass_equals_eager_attention_without_the_entries(family, side, keep, record_property):
    loaded = load(family)
    network = loaded.network
    encoded = tiny.encode(loaded, tiny.sequences(4, longest=10))
    batch = batch_of(encoded, side)
    before, route = network.config._attn_implementation, discover(network)
    worst = 0.0
    with torch.inference_mode():
        plain = states(network, batch)
        for number, spec in enumerate(ROLES):
            heads = some_heads(route, number) if number % 2 else None
            want, left_alone = eager_states(network, spec, heads, encoded, batch, keep=keep)
            with hs.knockout(network, spec, heads, keep=keep) as run:
                run.expect(encoded)
                got = states(network, batch)
            worst = max(worst, float(((got - want).abs() / want.abs().clamp_min(1)).max()))
            assert run.left_alone == left_alone
            assert (plain - want).abs().max() > 1e-3
    record_property("difference", worst)
    assert worst <= 1e-5
    assert network.config._attn_implementation == before


def test_logits_without_a_scale_are_divided_by_the_root_of_the_head_size():
    assert attention_output.Softmax.of_layer(16, None, {}).scale == 0.25
    assert attention_output.Softmax.of_layer(16, 0.5, {}).scale == 0.5


def test_some_heads_as_many_as_a_head_has_numbers():
    config = AutoConfig.for_model("bert", **{**tiny.SIZES, "num_attention_heads": 8})
    torch.manual_seed(0)
    made = AutoModel.from_config(config).eval()
    loaded = load_model(made, LoadOptions(tokenizer=tiny.tokenizer()))
    encoded, network = tiny.encode(loaded, tiny.sequences(3)), loaded.network
    heads = [(1, head) for head in (6, 0, 3, 1)]
    assert len(heads) == config.hidden_size // config.num_attention_heads
    batch = batch_of(encoded, "right")
    with torch.inference_mode():
        want, _ = eager_states(network, "local", heads, encoded, batch)
        with hs.knockout(network, "local", heads) as run:
            run.expect(encoded)
            torch.testing.assert_close(states(network, batch), want, atol=1e-5, rtol=1e-5)


# torch multiplies the weights of their experts in at most float32.
NO_FLOAT64 = ("gpt_oss", "laguna", "jamba", "qwen3_next")


@pytest.mark.parametrize("family", ROUTED, ids=lambda family: family.name)
def test_differences_are_rounding_errors(family):
    if family.name in NO_FLOAT64:
        pytest.skip(f"{family.name} does not run in float64")
    loaded = load(family)
    network = loaded.network.double()
    encoded = tiny.encode(loaded, tiny.sequences(4, longest=10))
    batch = batch_of(encoded, "right")
    with torch.inference_mode():
        want, _ = eager_states(network, "local,nsubj", None, encoded, batch)
        with hs.knockout(network, "local,nsubj") as run:
            run.expect(encoded)
            got = states(network, batch)
    assert (got - want).abs().max() <= 1e-12


SOME = ("bert", "gpt2", "mistral", "gemma2", "gpt_oss", "t5", "modernbert")


@pytest.mark.parametrize("name", SOME)
def test_blocks_of_queries_give_the_same(name, monkeypatch):
    loaded = load(FAMILIES[name])
    encoded = tiny.encode(loaded, tiny.sequences(3, longest=25))
    batch = batch_of(encoded, "right")
    assert batch["input_ids"].shape[1] > 32  # more than two blocks of 16 rows

    def run():
        with torch.inference_mode(), hs.knockout(loaded.network, "block,previous,nsubj") as run:
            run.expect(encoded)
            return states(loaded.network, batch), run.left_alone

    whole, alone = run()
    monkeypatch.setattr(attention_output, "_BLOCK_ENTRIES", 1)
    monkeypatch.setattr(knocked_out, "_KEPT_ENTRIES", 0)
    in_blocks, also_alone = run()
    torch.testing.assert_close(in_blocks, whole, atol=1e-5, rtol=1e-5)
    assert also_alone == alone


@pytest.mark.parametrize("name", ["bert", "llama", "gemma2", "gpt_oss"])
def test_half_precision_is_as_close_as_eager_attention(name):
    loaded = load(FAMILIES[name])
    network = loaded.network
    encoded = tiny.encode(loaded, tiny.sequences(4))
    batch = batch_of(encoded, "right")

    def run():
        with hs.knockout(network, "local,sink") as run:
            run.expect(encoded)
            return states(network, batch).double()

    with torch.inference_mode():
        exact = run()
        network.to(torch.bfloat16)
        got = run()
        eager = eager_states(network, "local,sink", None, encoded, batch)[0].double()
    assert (got - exact).norm() <= 1.3 * (eager - exact).norm()


@pytest.mark.parametrize("name", ["bert", "llama", "gemma2", "t5"])
def test_gradients_are_those_of_eager_attention(name):
    loaded = load(FAMILIES[name])
    network = loaded.network
    encoded = tiny.encode(loaded, tiny.sequences(3, longest=8))
    batch = batch_of(encoded, "left")
    heads = some_heads(discover(network), 0)

    def gradients(hidden):
        network.zero_grad()
        hidden.square().sum().backward()
        return [each.grad.clone() for each in network.parameters() if each.grad is not None]

    with hs.knockout(network, "local,offset:0,sink", heads, tokenizer=loaded.tokenizer) as run:
        run.expect(encoded)
        got = gradients(states(network, batch))
    want = gradients(eager_states(network, "local,offset:0,sink", heads, encoded, batch)[0])
    assert len(got) == len(want)
    for mine, eager in zip(got, want, strict=True):
        torch.testing.assert_close(mine, eager, atol=1e-4, rtol=1e-3)


def small(name="gpt2"):
    return load(FAMILIES[name]).network


def test_rows_that_would_see_nothing_stay_and_are_counted():
    network = small()
    with torch.inference_mode(), hs.knockout(network, "offset:0", [(1, 2)]) as run:
        network(IDS.expand(3, -1))
        assert run.left_alone == 3  # the first row of each sequence sees itself alone
        network(IDS)
        assert run.left_alone == 4
    with torch.inference_mode():
        plain = network(IDS[:, :1]).last_hidden_state
        with hs.knockout(network, "sink") as run:
            assert torch.equal(network(IDS[:, :1]).last_hidden_state, plain)
        assert run.left_alone == 12


def test_knockouts_of_different_heads_nest():
    loaded = load(FAMILIES["llama"])
    network = loaded.network
    encoded = tiny.encode(loaded, tiny.sequences(3))
    batch = batch_of(encoded, "right")
    heads = [(0, 1), (1, 0), (1, 3)], [(0, 0), (2, 1)]
    with torch.inference_mode():
        with hs.knockout(network, "previous", heads[0]), hs.knockout(network, "previous", heads[1]):
            both = states(network, batch)
        want, _ = eager_states(network, "previous", heads[0] + heads[1], encoded, batch)
        plain = states(network, batch)
    torch.testing.assert_close(both, want, atol=1e-5, rtol=1e-5)
    assert not torch.allclose(plain, want, atol=1e-3)


def test_knockout_and_ablation_of_different_heads_nest():
    loaded = load(FAMILIES["llama"])
    network = loaded.network
    encoded = tiny.encode(loaded, tiny.sequences(3))
    batch = batch_of(encoded, "left")
    with torch.inference_mode():
        with hs.knockout(network, "sink", [(0, 1), (2, 0)]), hs.ablate(network, [(0, 0), (1, 3)]):
            got = states(network, batch)
        with hs.ablate(network, [(0, 0), (1, 3)]), hs.knockout(network, "sink", [(0, 1), (2, 0)]):
            also = states(network, batch)
        for layer, head in [(0, 0), (1, 3)]:  # 8 columns of the output projection for each head
            network.layers[layer].self_attn.o_proj.weight[:, 8 * head : 8 * head + 8] = 0
        want, _ = eager_states(network, "sink", [(0, 1), (2, 0)], encoded, batch)
    torch.testing.assert_close(got, want, atol=1e-5, rtol=1e-5)
    assert torch.equal(got, also)


@pytest.mark.parametrize("name", ["gpt2", "modernbert"])
def test_knockout_nests_with_capture_on_either_side(name):
    loaded = load(FAMILIES[name])
    network, last = loaded.network, len(FAMILIES[name].layers) - 1
    encoded = tiny.encode(loaded, tiny.sequences(3))
    batch = batch_of(encoded, "left")
    spec = "local,duplicate"
    with torch.inference_mode():
        with hs.knockout(network, "local"):
            want = states(network, batch)
            with hs.capture(network, spec) as inside:
                assert torch.equal(states(network, batch), want)
        with hs.capture(network, spec) as around:
            with hs.knockout(network, "local"):
                assert torch.equal(states(network, batch), want)
            states(network, batch)
        with hs.capture(network, spec) as plain:
            states(network, batch)
    inside, around, plain = (each.scores().values for each in (inside, around, plain))
    np.testing.assert_array_equal(around, np.concatenate([inside, plain]))
    # The first layer reads what nothing has changed yet, and is scored as the model computes it.
    np.testing.assert_array_equal(inside[:, :, 0], plain[:, :, 0])
    assert relative(inside[:, :, last], plain[:, :, last]) > 1e-3


def test_a_knocked_out_model_is_scored():
    loaded = load(FAMILIES["llama"])
    encoded = tiny.encode(loaded, tiny.sequences(4))
    roles = parse_roles("local,previous")
    plain = run_batches(loaded, encoded, roles).values
    with hs.knockout(loaded.network, "previous", [(0, 0), (0, 1)]):
        changed = run_batches(loaded, encoded, roles).values
    np.testing.assert_array_equal(changed[:, :, 0], plain[:, :, 0])
    assert relative(changed[:, :, 1], plain[:, :, 1]) > 1e-3


def test_another_model_inside_the_block_stays_as_it_is():
    network, other = small(), small("bert")
    with torch.inference_mode():
        with hs.capture(other, "local") as run:
            plain = other(IDS).last_hidden_state
        with hs.knockout(network, "local"), hs.capture(other, "local") as also:
            assert torch.equal(other(IDS).last_hidden_state, plain)
    np.testing.assert_array_equal(run.scores().values, also.scores().values)


def _fail(*_):
    if not hook.in_trial():
        raise ZeroDivisionError


def test_an_error_in_the_model_leaves_it_as_it_was():
    network = small()
    with torch.inference_mode():
        plain = network(IDS).last_hidden_state
        handle = network.h[1].attn.c_proj.register_forward_pre_hook(_fail)
        with pytest.raises(ZeroDivisionError), hs.knockout(network, "local"):
            network(IDS)
        handle.remove()
        assert torch.equal(network(IDS).last_hidden_state, plain)
    assert network.config._attn_implementation == "sdpa"
    assert not network._forward_hooks
    assert not network._forward_pre_hooks
    assert not hook._changers.get()


@pytest.mark.parametrize(
    ("call", "part"),
    [
        (lambda model: model.train()(IDS), "must be in eval mode, got one in train mode"),
        (lambda model: model(attention_mask=torch.ones(1, 4)), "called with input_ids"),
        (lambda model: model(IDS, output_attentions=True), "output_attentions must be off"),
        (lambda model: model(IDS, attention_mask=torch.zeros(1, 7)), "got one that is all padding"),
        (lambda model: model(IDS[:, :1], past_key_values=model(IDS).past_key_values),
         "must read whole sequences, got past_key_values"),
        (lambda model: model.h[0](torch.ones(1, 4, 32)), "must be called itself, got a call of"),
    ],
)  # fmt: skip
def test_unsupported_calls_raise(call, part):
    network = small()
    with hs.knockout(network, "local"):
        with pytest.raises(InputError) as caught:
            call(network)
        network.eval()(IDS)
    assert part in str(caught.value)


@pytest.mark.parametrize(
    ("family", "roles", "heads", "error", "part"),
    [
        ("mpnet", "local", None, InputError, "knockout needs queries and keys, which MPNetModel"),
        ("gpt2", "local", [(0, 4)], InputError, "heads of layer 0 must lie in 0..3, got (0, 4)"),
        ("gpt2", "local:x", None, UsageError, "local must come as local:NUMBER"),
        ("bart", "local", None, InputError, "use knockout on model.get_encoder()"),
    ],
)
def test_unsupported_knockouts_raise(family, roles, heads, error, part):
    network = FAMILIES[family].network().eval()
    with pytest.raises(error) as caught, hs.knockout(network, roles, heads):
        pass
    assert part in str(caught.value)


def test_a_relation_without_expect_raises():
    network = small()
    with hs.knockout(network, "nsubj") as run:
        with pytest.raises(InputError, match=r"so nsubj has no sieve.*to Knockout\.expect before"):
            network(IDS)
        run.expect(hs.Encoded.from_arrays(IDS, pairs={"nsubj": [[([0], [1])]]}))
        network(IDS)


def test_a_pass_that_skips_layers_is_refused():
    network = small()
    with hs.knockout(network, "local"):
        network.h[2].attn.forward = lambda hidden, *_, **__: (hidden, None)
        with pytest.raises(InputError, match="must compute the attention of 3 layers, got 2"):
            network(IDS)


def test_listed_edges_are_removed_like_a_sieve_also_from_a_later_layer_on():
    network = small()
    encoded = hs.Encoded.from_arrays(IDS)
    route, real = discover(network), torch.ones_like(IDS, dtype=torch.bool)
    sieve = Removal.of_sieves(SievePlan.compile("previous", encoded), real)
    rows = np.arange(1, IDS.shape[1])
    edges = Removal.of_edges(real, np.zeros_like(rows), rows, rows - 1)
    heads = {1: (0, 2), 2: (1,)}
    block = network.h[0].forward
    with torch.inference_mode(), hook.routed(network, scored=False):
        with knocking(network, route, sieve, heads) as run:
            want = network(IDS).last_hidden_state
        assert run.left_alone == 0
        with knocking(network, route, edges, heads):
            assert torch.equal(network(IDS).last_hidden_state, want)
        kept = network(IDS, output_hidden_states=True).hidden_states[1]
        network.h[0].forward = lambda *_, **__: kept
        with knocking(network, route, edges, heads, first_layer=1):
            assert torch.equal(network(IDS).last_hidden_state, want)
        network.h[0].forward = block
        with (
            pytest.raises(InputError, match="attention must be of 1 sequences of 7 tokens"),
            knocking(network, route, edges, heads),
        ):
            network(IDS[:, :5])
