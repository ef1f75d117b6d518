"""Compiled models are changed as the models that were compiled."""

import pytest
import torch
from helpers import tiny

import headscore as hs

IDS = torch.arange(4, 22).reshape(2, 9)
CHANGES = {
    "ablate": lambda model: hs.ablate(model, [(1, 1)]),
    "knockout": lambda model: hs.knockout(model, "sink", [(1, 1)]),
}


def compiled(network):
    """A model that is compiled, and has run."""
    found = torch.compile(network, backend="eager")
    found(IDS)
    return found


def compiled_in_place(network):
    network.compile(backend="eager")
    network(IDS)
    return network


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("make", [compiled, compiled_in_place])
def test_a_compiled_model_is_changed(make, change):
    network, plain = (tiny.network("llama").eval() for _ in range(2))
    with torch.no_grad():
        with change(plain):
            want = plain(IDS).last_hidden_state
        before = plain(IDS).last_hidden_state
        model = make(network)
        for given in (model, network):  # what is changed may be the model inside
            with change(given):
                got = model(IDS).last_hidden_state
            torch.testing.assert_close(got, want, atol=1e-6, rtol=0)
            torch.testing.assert_close(model(IDS).last_hidden_state, before, atol=1e-5, rtol=0)
    assert (want - before).abs().max() > 1e-3
