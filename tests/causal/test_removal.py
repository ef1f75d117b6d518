"""Which entries of a batch are removed, against full matrices."""

import numpy as np
import pytest
import torch
from helpers import tiny
from helpers.masked_eager import entries_of

from headscore.causal.removal import Removal
from headscore.errors import InputError
from headscore.roles.specs import parse_roles
from headscore.sieves.plan import SievePlan

ROLES = parse_roles("local,block,previous,induction,nsubj,sink,offset:3,delimiter,same_word")


def encoded(seed=0):
    return tiny.encode(tiny.load("bert"), tiny.sequences(5, seed, longest=8))


def drawn_real(lengths, tokens, rng, *, gaps):
    """Bool (batch, T): the real tokens of sequences, at random places or in one run."""
    real = torch.zeros(len(lengths), tokens, dtype=torch.bool)
    for row, length in enumerate(lengths.tolist()):
        start = int(rng.integers(0, tokens - length + 1))
        places = rng.permutation(tokens)[:length] if gaps else range(start, start + length)
        real[row, list(places)] = True
    return real


@pytest.mark.parametrize("gaps", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_blocks_hold_the_union_of_the_sieves(seed, gaps):
    rng = np.random.default_rng(seed)
    batch = encoded(seed)
    tokens = batch.tokens + int(rng.integers(0, 6))
    real = drawn_real(batch.lengths, tokens, rng, gaps=gaps)
    roles = tuple(ROLES[n] for n in rng.choice(len(ROLES), rng.integers(1, 5), replace=False))
    removal = Removal.of_sieves(SievePlan.unchecked(roles, batch), real)
    want = entries_of(roles, batch, real)
    for _ in range(20):
        rows, keys = (slice(*sorted(rng.integers(0, tokens + 1, 2).tolist())) for _ in range(2))
        assert torch.equal(removal.entries(rows, keys), want[:, rows, keys])


def test_edges_in_no_order_and_twice_are_entries():
    rng = np.random.default_rng(0)
    lengths = np.array([5, 1, 9])
    real = drawn_real(lengths, 12, rng, gaps=True)
    sequence = rng.integers(0, 3, 40)
    query, key = (rng.integers(0, lengths[sequence]) for _ in range(2))
    found = Removal.of_edges(real, sequence, query, key).entries(slice(0, 12), slice(0, 12))
    want = torch.zeros_like(found)
    for s, i, j in zip(sequence, query, key, strict=True):
        places = real[s].nonzero()[:, 0]
        want[s, places[i], places[j]] = True
    assert torch.equal(found, want)


def test_no_edges_remove_nothing():
    none = np.empty(0, np.int64)
    removal = Removal.of_edges(torch.ones(2, 4, dtype=torch.bool), none, none, none)
    assert not removal.entries(slice(0, 4), slice(1, 3)).any()


def test_real_tokens_of_another_number_raise():
    batch = encoded()
    plan = SievePlan.unchecked(ROLES[:1], batch)
    real = torch.ones(len(batch), batch.tokens, dtype=torch.bool)
    with pytest.raises(InputError, match="real must have as many tokens as the plan"):
        Removal.of_sieves(plan, real)
