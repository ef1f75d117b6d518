"""Batches cross to the device once and back once: counted on a second device without a GPU."""

import numpy as np
import pytest
import torch
from helpers import crossings, tiny

from headscore.backends import cuda, transfer
from headscore.options import RunOptions
from headscore.roles.specs import parse_roles
from headscore.scores.batches import run_batches

ROLES = parse_roles("paper")


@pytest.fixture(autouse=True)
def _no_inference_mode(monkeypatch):
    monkeypatch.setattr(torch, "inference_mode", torch.no_grad)  # of which subclasses know nothing


@pytest.fixture
def emulated(emulated_cuda, monkeypatch):
    """The cuda backend, as "auto" chooses it for the second device."""
    monkeypatch.setattr(torch.Tensor, "is_cuda", True, raising=False)
    return emulated_cuda


def crossed(loaded, encoded, options, rounds=2):
    """Scores and counts of a run over `rounds` chunks; of the first one, then of all others."""
    found = []
    with crossings.Second() as second:
        crossings.move(loaded.network)
        for _ in range(rounds):
            second.counts.clear()
            scores = run_batches(loaded, encoded, ROLES, options)
            found.append(dict(second.counts))
    return scores, found


@pytest.mark.parametrize("special", ["keep", "drop"])
@pytest.mark.parametrize("family", ["bert", "gpt2", "llama", "mistral", "modernbert", "xlnet"])
def test_a_batch_crosses_once_each_way_and_waits_for_nothing_else(family, special, emulated_cuda):
    loaded = tiny.load(family)
    encoded = tiny.encode(loaded, tiny.sequences(9))
    options = RunOptions(batch_tokens=10**6, special=special)
    want = run_batches(loaded, encoded, ROLES, options)
    got, counts = crossed(loaded, encoded, options)
    print(counts)
    np.testing.assert_allclose(got.values, want.values, rtol=1e-4, atol=1e-6)
