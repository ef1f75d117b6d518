"""Output projections are found, and what they read is checked."""

import pytest
import torch
from helpers import families, tiny
from helpers.eager import load

from headscore.errors import InputError
from headscore.model.projections import Search, projections, width_of
from headscore.model.route import discover

FOUND = [each for each in families.ALL if each.name != "xlnet" and not each.paired]


@pytest.mark.parametrize("family", FOUND, ids=[family.name for family in FOUND])
def test_every_attention_has_its_projection(family):
    network = load(family).network
    before = network.config._attn_implementation
    found = projections(network, discover(network))
    assert network.config._attn_implementation == before
    counts = [(n, count) for n, count in enumerate(family.heads_per_layer) if count]
    assert [(each.layer, each.heads) for each in found] == counts
    assert all(width_of(each.module) == each.heads * each.size for each in found)
    shared = family.note == "shared weights"
    assert len({id(each.module) for each in found}) == (1 if shared else len(found))


@pytest.mark.parametrize(
    ("module", "width"),
    [
        (torch.nn.Linear(3, 5), 3),
        (tiny.network("gpt2").h[0].mlp.c_fc, 32),  # Conv1D, from 32 to 128
        (torch.nn.Embedding(3, 5), 5),
        (torch.nn.LayerNorm(3), None),
        (torch.nn.Dropout(), None),
        (None, None),
    ],
)
def test_the_width_of_a_module_is_its_input_size(module, width):
    assert width_of(module) == width


def test_a_packed_weight_has_the_width_that_it_declares():
    packed = torch.nn.Module()
    packed.in_features, packed.weight = 8, torch.nn.Parameter(torch.zeros(32, 1))
    attention = torch.nn.Module()
    attention.o_proj = packed
    assert Search(attention).of(attention, lambda width: width == 8) is packed
    assert Search(attention).of(attention, lambda width: width == 1) is None


def test_a_projection_that_is_not_found_raises():
    network = tiny.network("bert")
    for layer in network.encoder.layer:
        layer.attention.output.dense = torch.nn.Sequential(layer.attention.output.dense)
    with pytest.raises(InputError, match=r"projection of layer 0 .* BertSelfAttention has none"):
        projections(network, discover(network))


def reorder(module, order):
    """Let a module receive its input in another order of columns."""
    return module.register_forward_pre_hook(lambda _, given: (order(given[0]),))


@pytest.mark.parametrize(
    "order",
    [
        lambda given: given.unflatten(-1, (4, 8)).transpose(-1, -2).flatten(-2),
        lambda given: given.roll(8, -1),
        lambda given: given - given.mean(-1, keepdim=True),
    ],
    ids=["interleaved", "shifted", "centred"],
)
def test_heads_that_are_mixed_before_the_projection_raise(order):
    network = tiny.network("llama")
    with (
        reorder(network.layers[1].self_attn.o_proj, order),
        pytest.raises(InputError, match="heads of layer 1 must reach the output projection"),
    ):
        projections(network, discover(network))


def test_a_gate_before_the_projection_is_no_obstacle():
    network = tiny.network("llama")
    with reorder(network.layers[1].self_attn.o_proj, lambda given: given * torch.rand(32)):
        assert len(projections(network, discover(network))) == 3


def test_another_shape_than_batch_and_tokens_raises():
    network = tiny.network("bert")
    with (
        reorder(network.encoder.layer[2].attention.output.dense, lambda given: given[0]),
        pytest.raises(InputError, match=r"a tensor \(2, 7, 32\) in a trial run, got \(7, 32"),
    ):
        projections(network, discover(network))


def test_a_projection_that_is_not_called_raises():
    network = tiny.network("gpt2")
    attention = network.h[1].attn
    projection = attention.c_proj

    class Called(torch.nn.Module):
        weight, bias = projection.weight, projection.bias

        def forward(self, given):
            return given @ self.weight + self.bias

    attention.o_proj = projection  # looked for first, never called
    attention.c_proj = Called()
    with pytest.raises(InputError, match=r"projection once a pass, in their order, got 2 calls"):
        projections(network, discover(network))
