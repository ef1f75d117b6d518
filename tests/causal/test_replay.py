"""Layers that are replayed give what computing them gives, and the model comes back as it was."""

from contextlib import contextmanager

import pytest
import torch
from helpers.families import THROUGH_INTERFACE

from headscore.causal.replay import Replay, find_replay

BY_NAME = {family.name: family for family in THROUGH_INTERFACE}


def made(name):
    network = BY_NAME[name].network().eval()
    ids = torch.randint(4, 100, (3, 11), generator=torch.manual_seed(1))
    return network, {"input_ids": ids, "attention_mask": torch.ones_like(ids)}


def spoiled(layer):
    """A hook that changes what a layer receives, as an arm does."""
    return layer.register_forward_pre_hook(lambda _, given: (given[0] * 1.5, *given[1:]))


@contextmanager
def calls(layers):
    """The linear modules of some layers that are called."""
    called = []
    hooks = [
        module.register_forward_hook(lambda module, *_: called.append(module))
        for layer in layers
        for module in layer.modules()
        if isinstance(module, torch.nn.Linear)
    ]
    yield called
    for hook in hooks:
        hook.remove()


@pytest.fixture(autouse=True)
def _no_gradients():
    with torch.inference_mode():
        yield


@pytest.mark.parametrize("name", sorted(BY_NAME))
def test_replayed_layers_give_the_same_bits_in_every_family(name):
    network, inputs = made(name)
    depth = len(BY_NAME[name].layers)
    forwards = {module: vars(module).get("forward") for module in network.modules()}
    replay = find_replay(network, depth, inputs, range(depth))
    if name == "albert":  # its layers share their weights
        assert not replay.layers
        return
    for first in range(depth):
        with replay.keeping([first]):
            network(**inputs)
        hook = spoiled(replay.layers[first])
        whole = network(**inputs)[0]
        for _ in range(2):  # what is kept stays as it is
            with replay.replaying(first), calls(replay.layers[:first]) as called:
                assert torch.equal(network(**inputs)[0], whole)
            assert not called
        hook.remove()
    assert {module: vars(module).get("forward") for module in network.modules()} == forwards


def test_layers_come_back_after_an_exception():
    network, inputs = made("gpt2")
    replay = find_replay(network, 3, inputs, [2])
    with replay.keeping([2]):
        before = network(**inputs)[0]
    with pytest.raises(KeyError), replay.replaying(2):
        raise KeyError
    assert all("forward" not in vars(layer) for layer in replay.layers)
    replay.forget()
    network.wte.weight.mul_(2)
    assert not torch.equal(network(**inputs)[0], before)


def test_a_model_that_reads_more_than_the_last_layer_is_not_replayed():
    class Skipping(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = torch.nn.ModuleList(torch.nn.Linear(4, 4) for _ in range(3))

        def forward(self, x):
            states = [x]
            for layer in self.layers:
                states.append(layer(states[-1]))
            return states[-1] + states[1]

    model, inputs = Skipping(), {"x": torch.ones(2, 4)}
    assert find_replay(model, 3, inputs, [1]).layers  # the output of layer 0 is all it reads
    assert not find_replay(model, 3, inputs, [2]).layers


def test_nothing_is_replayed_before_the_first_layer():
    network, inputs = made("bert")
    assert find_replay(network, 3, inputs, [0]) == Replay()
