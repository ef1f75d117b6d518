"""Ablated heads against eager attention without them, in every family."""

import copy
from contextlib import contextmanager
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
import torch
from helpers import families, tiny
from helpers.eager import load
from transformers import AutoConfig, AutoModelForCausalLM

import headscore as hs
from headscore.causal.ablate import ablating
from headscore.errors import InputError, UsageError
from headscore.model import arguments, route
from headscore.model.projections import projections

FAMILIES = {family.name: family for family in families.ALL}
# Not XLNet, whose projection is no module.
ABLATED = [family for family in families.ONE_STACK if family.name != "xlnet"]
LENGTHS = (11, 7, 9)
SIDES = ("right", "left")


def batch(side="right", lengths=LENGTHS, seed=0):
    """Token ids and a mask, padded on one side, without the pad id among the real tokens."""
    rng = np.random.default_rng(seed)
    ids = torch.full((len(lengths), max(lengths)), 3)
    mask = torch.zeros_like(ids)
    for row, length in enumerate(lengths):
        here = slice(0, length) if side == "right" else slice(max(lengths) - length, None)
        ids[row, here] = torch.from_numpy(rng.integers(4, 200, length))
        mask[row, here] = 1
    return {"input_ids": ids, "attention_mask": mask}


def last(network, inputs):
    """Last hidden state of the real tokens, (token, D)."""
    extra = arguments.forward_options(network, use_cache=False)
    with torch.no_grad():
        return network(**inputs, **extra).last_hidden_state[inputs["attention_mask"].bool()]


@contextmanager
def eager_without(network, family, heads, monkeypatch):
    """Run a model eagerly with the attention weights of some heads set to 0 after the softmax."""
    softmax, called = torch.nn.functional.softmax, []
    places = [n for n, layer in enumerate(family.layers) if layer is not None]

    def without(logits, *arguments, **options):
        weights = softmax(logits, *arguments, **options)
        if logits.ndim != 4:
            return weights  # of a router
        layer = places[len(called)]
        called.append(layer)
        for at, head in heads:
            if at == layer:
                weights = weights.index_fill(1, torch.tensor([head]), 0.0)
        return weights

    before = network.config._attn_implementation
    with monkeypatch.context() as patch:
        patch.setattr(torch.nn.functional, "softmax", without)
        network.config._attn_implementation = "eager"
        yield
        network.config._attn_implementation = before
    assert called == places


def some_heads(family):
    """The first head of the first layer that has any, and the last two of the last one."""
    counts = [(n, count) for n, count in enumerate(family.heads_per_layer) if count]
    (first, _), (layer, count) = counts[0], counts[-1]
    return [(first, 0), (layer, count - 2), (layer, count - 1)]


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("family", ABLATED, ids=[family.name for family in ABLATED])
def test_zeroed_heads_equal_eager_attention_without_them(
    family, side, monkeypatch, record_testsuite_property
):
    network, inputs, heads = load(family).network, batch(side), some_heads(family)
    # SDPA and eager attention differ in Falcon with ALiBi itself, and by the softcap of Gemma 2 in
    # transformers before 5.21.
    if family.returned or family.name == "gemma2":
        network.config._attn_implementation = "eager"
    plain, implementation = last(network, inputs), network.config._attn_implementation
    with hs.ablate(network, heads) as run:
        got = last(network, inputs)
        assert network.config._attn_implementation == implementation
    with eager_without(network, family, heads, monkeypatch):
        want = last(network, inputs)
    difference = float((got - want).abs().max())
    record_testsuite_property(f"ablate_{family.name}_{side}", difference)
    assert difference <= 1e-5
    assert {(layer, head) for layer, chosen in run.heads.items() for head in chosen} == set(heads)
    assert (got - plain).abs().max() > 1e-3
    assert torch.equal(last(network, inputs), plain)


# One family for each place of a projection: beside the module, Conv1D, in it, shared by layers,
# uneven heads, layers without attention, attention that modules return.
PLACES = ("bert", "gpt2", "llama", "albert", "laguna", "jamba", "gptj")


def by_hand(network, heads, replacement):
    """Hooks of plain torch: what each projection reads, changed by `replacement(z__bthd)`."""
    found = projections(network, route.discover(network))
    calls = iter(found)

    def change(_, arguments):
        place = next(calls)
        output = arguments[0].unflatten(-1, (place.heads, place.size))
        new = replacement(output)
        for layer, head in heads:
            if layer == place.layer:
                output = output.clone()
                output[:, :, head] = new[:, :, head]
        return (output.flatten(-2),)

    return [each.register_forward_pre_hook(change) for each in {each.module for each in found}]


def mean_by_loops(mask):
    def replacement(output):
        new = torch.zeros_like(output)
        for head in range(output.shape[2]):
            rows = [output[s, t, head] for s, t in mask.nonzero().tolist()]
            new[:, :, head] = torch.stack(rows).mean(0)
        return new

    return replacement


def resampled_by_loops(mask):
    real = [np.flatnonzero(row).tolist() for row in mask.numpy()]

    def replacement(output):
        new = output.clone()
        for s, places in enumerate(real):
            for position, t in enumerate(places):
                for step in range(1, len(real)):
                    other = (s + step) % len(real)
                    if position < len(real[other]):
                        new[s, t] = output[other, real[other][position]]
                        break
        return new

    return replacement


@pytest.mark.parametrize(
    ("how", "make"), [("mean", mean_by_loops), ("resample", resampled_by_loops)]
)
@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("name", PLACES)
def test_means_and_resampling_equal_plain_loops(name, side, how, make):
    network, inputs, heads = load(FAMILIES[name]).network, batch(side), some_heads(FAMILIES[name])
    plain = last(network, inputs)
    with hs.ablate(network, heads, how):
        got = last(network, inputs)
    handles = by_hand(network, heads, make(inputs["attention_mask"]))
    want = last(network, inputs)
    for handle in handles:
        handle.remove()
    assert (got - want).abs().max() <= 1e-5
    assert (got - plain).abs().max() > 1e-3


@pytest.mark.parametrize("how", ["mean", "resample"])
def test_results_do_not_depend_on_the_side_of_the_padding(how):
    network = tiny.network("llama").eval()
    with hs.ablate(network, [(0, 1), (1, 2)], how):
        left, right = (last(network, batch(side)) for side in SIDES)
    assert (left - right).abs().max() <= 1e-5


@pytest.mark.parametrize("how", ["mean", "resample"])
def test_without_a_mask_all_tokens_are_real(how):
    network, inputs = tiny.network("bert").eval(), batch(lengths=(8, 8))
    with hs.ablate(network, [(1, 1)], how), torch.no_grad():
        got = network(inputs["input_ids"]).last_hidden_state
        assert torch.equal(got.flatten(0, 1), last(network, inputs))


def test_given_means_take_the_place_of_the_output():
    network, inputs = tiny.network("gpt2").eval(), batch()
    means = {layer: torch.randn(4, 8) for layer in range(3)}
    heads = [(0, 3), (2, 1)]
    with hs.ablate(network, heads, "mean", means=means):
        got = last(network, inputs)
    biased = copy.deepcopy(network)
    with torch.no_grad():
        for layer, head in heads:  # a constant output: no columns, and W m in the bias
            rows = slice(8 * head, 8 * head + 8)
            projection = biased.h[layer].attn.c_proj
            projection.bias += means[layer][head] @ projection.weight[rows]
            projection.weight[rows] = 0
    assert (got - last(biased, inputs)).abs().max() <= 1e-5


@pytest.mark.parametrize("name", PLACES)
def test_zeroed_heads_equal_a_projection_without_their_columns(name):
    network, inputs = load(FAMILIES[name]).network, batch()
    found = projections(network, route.discover(network))
    module, size = found[-1].module, found[-1].size
    with hs.ablate(network, [(each.layer, 1) for each in found if each.module is module]):
        got = last(network, inputs)
    weight = module.weight.data.T if name == "gpt2" else module.weight.data
    weight[:, size : 2 * size] = 0
    assert (got - last(network, inputs)).abs().max() <= 1e-5


def test_one_layer_of_shared_weights_is_ablated_alone():
    network, inputs = tiny.network("albert").eval(), batch()
    outputs = []
    for layer in range(3):
        with hs.ablate(network, [(layer, 0)]):
            outputs.append(last(network, inputs))
            assert torch.equal(outputs[-1], last(network, inputs))  # calls are counted anew
    for one, other in pairwise(outputs):
        assert (one - other).abs().max() > 1e-3


@pytest.mark.parametrize("kind", ["bfloat16", "float16"])
@pytest.mark.parametrize("how", ["zero", "mean", "resample"])
def test_half_precision_is_close_to_single(kind, how):
    network, inputs = tiny.network("llama").eval(), batch()
    with hs.ablate(network, [(0, 1), (1, 2)], how):
        want = last(network, inputs)
    half = network.to(getattr(torch, kind))
    with hs.ablate(half, [(0, 1), (1, 2)], how):
        got = last(half, inputs)
    assert got.dtype == getattr(torch, kind)
    assert (got.float() - want).abs().mean() < 0.05


def test_padding_that_is_nan_does_not_reach_the_mean():
    network, inputs = tiny.network("gpt2").eval(), batch()
    found = projections(network, route.discover(network))
    real = inputs["attention_mask"].bool()

    def spoil(_, arguments):
        if len(arguments[0]) == len(real):  # not in a trial run
            return (arguments[0].masked_fill(~real[..., None], torch.nan),)
        return None

    with found[-1].module.register_forward_pre_hook(spoil), hs.ablate(network, [(2, 0)], "mean"):
        assert last(network, inputs).isfinite().all()


@pytest.mark.parametrize("how", ["zero", "mean", "resample"])
def test_gradients_equal_finite_differences(how):
    network, inputs = tiny.network("bert").double().eval(), batch(lengths=(4, 3))
    words = network.get_input_embeddings()(inputs["input_ids"]).detach()
    mask = inputs["attention_mask"]

    def loss(words):
        hidden = network(inputs_embeds=words, attention_mask=mask).last_hidden_state
        return hidden[mask.bool()].square().sum(0)[:3]

    with hs.ablate(network, [(0, 0), (1, 3)], how):
        assert torch.autograd.gradcheck(loss, words.requires_grad_(), fast_mode=True)


def test_a_model_in_training_stays_so_and_learns():
    network, inputs = tiny.network("gpt2").train(), batch()
    with hs.ablate(network, [(1, 2)], "mean"):
        assert network.training
        network(**inputs).last_hidden_state.square().sum().backward()
    assert network.h[1].attn.c_proj.weight.grad.abs().sum() > 0
    assert network.h[0].attn.c_attn.weight.grad.abs().sum() > 0


def test_gradient_checkpointing_raises():
    network = tiny.network("gpt2").train()
    enable = "activation_checkpointing_enable"  # its newer name
    getattr(network, enable, network.gradient_checkpointing_enable)()
    with hs.ablate(network, [(1, 2)]), pytest.raises(InputError, match="checkpointing must be off"):
        network(**batch(), use_cache=False)


def causal_lm():
    torch.manual_seed(0)
    sizes = {**tiny.SIZES, "pad_token_id": 3, "bos_token_id": 1, "eos_token_id": 2}
    return AutoModelForCausalLM.from_config(AutoConfig.for_model("llama", **sizes)).eval()


@pytest.mark.parametrize(("how", "means"), [("zero", None), ("mean", {0: torch.ones(4, 8)})])
def test_generation_with_a_cache_equals_one_without(how, means):
    network, inputs = causal_lm(), batch("left")
    options = {"max_new_tokens": 6, "min_new_tokens": 6, "do_sample": False}
    with hs.ablate(network, [(0, 1), (0, 2)], how, means=means):
        cached = network.generate(**inputs, **options)
        whole = network.generate(**inputs, **options, use_cache=False)
    assert torch.equal(cached, whole)
    assert not torch.equal(cached, network.generate(**inputs, **options))


@pytest.mark.parametrize("how", ["mean", "resample"])
def test_generation_with_a_cache_raises_where_the_batch_is_read(how):
    network = causal_lm()
    with hs.ablate(network, [(0, 1)], how), pytest.raises(InputError, match="got past_key_values"):
        network.generate(**batch("left"), max_new_tokens=2)


def test_a_part_of_the_model_can_be_called_where_no_batch_is_read():
    network, inputs = causal_lm(), batch()
    with hs.ablate(network, [(0, 1)]):
        ablated = last(network.model, inputs)
    assert (ablated - last(network.model, inputs)).abs().max() > 1e-3
    with (
        hs.ablate(network, [(0, 1)], "mean"),
        pytest.raises(InputError, match="got a call of a part of it"),
    ):
        last(network.model, inputs)


def test_nested_ablations_hold_together_and_end_with_their_block():
    network, inputs = tiny.network("bert").eval(), batch()
    plain = last(network, inputs)
    with hs.ablate(network, [(0, 1), (1, 2)]):
        both = last(network, inputs)
    with hs.ablate(network, [(0, 1)]):
        outer = last(network, inputs)
        with hs.ablate(network, [(1, 2)]):
            assert torch.equal(last(network, inputs), both)
        assert torch.equal(last(network, inputs), outer)
    assert torch.equal(last(network, inputs), plain)


def test_the_inner_of_two_ablations_of_one_head_wins():
    network, inputs = tiny.network("bert").eval(), batch()
    means = {0: torch.ones(4, 8)}
    with hs.ablate(network, [(0, 1)], "mean", means=means):
        want = last(network, inputs)
    with hs.ablate(network, [(0, 1)]), hs.ablate(network, [(0, 1)], "mean", means=means):
        assert torch.equal(last(network, inputs), want)


def test_after_an_exception_the_model_is_as_it_was():
    network, inputs = tiny.network("bert").eval(), batch()
    plain, hooks = last(network, inputs), sum(len(m._forward_pre_hooks) for m in network.modules())
    state = {name: value.clone() for name, value in network.state_dict().items()}
    wrong = {**inputs, "attention_mask": inputs["attention_mask"][:, :-1]}
    with pytest.raises(Exception, match="size"), hs.ablate(network, [(0, 1)], "mean"):
        last(network, wrong)
    assert torch.equal(last(network, inputs), plain)
    assert sum(len(m._forward_pre_hooks) for m in network.modules()) == hooks
    assert all(torch.equal(state[name], value) for name, value in network.state_dict().items())


@pytest.mark.parametrize("name", ["bert", "gptj"])
def test_a_capture_inside_or_around_scores_the_ablated_model(name):
    network, inputs = load(FAMILIES[name]).network, batch()
    with hs.capture(network, "local") as plain:
        last(network, inputs)
    with hs.ablate(network, [(0, 1)], "mean"), hs.capture(network, "local") as inside:
        last(network, inputs)
    with hs.capture(network, "local") as around, hs.ablate(network, [(0, 1)], "mean"):
        last(network, inputs)
    whole, *ablated = [run.scores().values for run in (plain, inside, around)]
    assert np.array_equal(*ablated)
    assert len(ablated[0]) == len(LENGTHS)  # trial runs are no passes
    assert np.array_equal(ablated[0][:, :, 0], whole[:, :, 0])  # nothing before it has changed
    assert not np.array_equal(ablated[0][:, :, 1], whole[:, :, 1])


def test_heads_come_from_a_data_frame():
    network, inputs = tiny.network("bert").eval(), batch()
    table = pd.DataFrame({"role": "local", "layer": [1, 0], "head": [2, 1]})
    with hs.ablate(network, [(0, 1), (1, 2)]):
        want = last(network, inputs)
    with hs.ablate(network, table) as run:
        assert torch.equal(last(network, inputs), want)
    assert run.heads == {0: (1,), 1: (2,)}


def test_real_tokens_can_be_given_instead_of_read():
    network, inputs = tiny.network("bert").eval(), batch()
    with hs.ablate(network, [(0, 1)], "mean"):
        want = last(network, inputs)
    found = projections(network, route.discover(network))
    with ablating(network, found, {0: (1,)}, "mean", None, inputs["attention_mask"].bool()):
        assert torch.equal(last(network, inputs), want)


@pytest.mark.parametrize(
    ("error", "sentence", "heads", "options"),
    [
        (UsageError, "how must be one of zero, mean, resample, got 'means'", [(0, 0)],
         {"how": "means"}),
        (UsageError, "means are of how='mean', got them with how='zero'", [(0, 0)],
         {"means": {0: torch.ones(4, 8)}}),
        (UsageError, r"means of layer 1 must be a tensor \(4, 8\), got none", [(1, 0)],
         {"how": "mean", "means": {0: torch.ones(4, 8)}}),
        (UsageError, r"means of layer 0 must be a tensor \(4, 8\), got \(8,\)", [(0, 0)],
         {"how": "mean", "means": {0: torch.ones(8)}}),
        (InputError, r"heads of layer 0 must lie in 0..3, got \(0, 4\)", [(0, 4)], {}),
    ],
)  # fmt: skip
def test_a_wrong_argument_raises(error, sentence, heads, options):
    with pytest.raises(error, match=sentence), hs.ablate(tiny.network("bert"), heads, **options):
        pass


def test_resampling_a_single_sequence_raises():
    network = tiny.network("bert").eval()
    with (
        hs.ablate(network, [(0, 0)], "resample"),
        pytest.raises(InputError, match="needs a batch of at least 2 sequences, got 1"),
    ):
        last(network, batch(lengths=(5,)))


def test_a_mask_of_another_kind_raises():
    network, inputs = tiny.network("bert").eval(), batch()
    mask = inputs["attention_mask"][:, None, None].expand(-1, 1, 11, -1).bool()
    with hs.ablate(network, [(0, 0)], "mean"), pytest.raises(InputError, match="got \\(3, 1, 11"):
        network(input_ids=inputs["input_ids"], attention_mask=mask)


def test_a_projection_that_is_no_module_raises():
    network = load(FAMILIES["xlnet"]).network
    with (
        pytest.raises(InputError, match="XLNetRelativeAttention has none"),
        hs.ablate(network, [(0, 0)]),
    ):
        pass


@pytest.mark.parametrize("model", ["gpt2", None, torch.nn.Linear(2, 2)])
def test_what_is_no_model_raises(model):
    for changed in (hs.ablate(model, [(0, 0)]), hs.knockout(model, "sink")):
        with pytest.raises(InputError, match="model must be a transformers model, got"), changed:
            pass


@pytest.mark.parametrize(
    ("means", "part"),
    [
        ([torch.zeros(4, 8)], "means must map layers to tensors, got list"),
        (torch.zeros(3, 4, 8), "means must map layers to tensors, got Tensor"),
        ({0: np.zeros((4, 8))}, "means of layer 0 must be a tensor, got ndarray"),
    ],
)
def test_means_of_another_kind_raise(means, part):
    network = tiny.network("gpt2")
    with pytest.raises(UsageError, match=part), hs.ablate(network, [(0, 0)], "mean", means=means):
        pass


def test_a_tokenizer_by_name_raises():
    network = tiny.network("gpt2")
    changed = hs.knockout(network, "delimiter", tokenizer="gpt2")
    with pytest.raises(InputError, match="must be a transformers tokenizer, got str"), changed:
        pass


def test_an_encoder_with_a_decoder_raises():
    network = FAMILIES["bart"].network()
    with (
        pytest.raises(InputError, match=r"ablate model.get_encoder\(\)"),
        hs.ablate(network, [(0, 0)]),
    ):
        pass
