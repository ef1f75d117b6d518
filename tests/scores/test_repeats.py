"""Repeats are counted exactly, in memory and on disk."""

from pathlib import Path

import numpy as np
import pytest

from headscore.scores import repeats
from headscore.scores.repeats import Repeats


def counted(parts):
    found = Repeats()
    for part in parts:
        found.add(part)
    return found.counts().get("duplicate_sequences", 0)


@pytest.mark.parametrize("run", [1, 7, 64, 1000])
@pytest.mark.parametrize("seed", range(4))
def test_repeats_are_counted_in_runs_of_any_length(monkeypatch, run, seed):
    monkeypatch.setattr(repeats, "_RUN", run)
    rng = np.random.default_rng(seed)
    few = rng.integers(0, 2**64 - 1, 150, np.uint64, endpoint=True)
    ends = np.array([0, 2**64 - 1, 2**56, 2**56 - 1], np.uint64)
    tokens = rng.choice(np.concatenate([few, ends]), 300)
    before = tokens.copy()
    parts = np.split(tokens, np.sort(rng.integers(0, 301, 5)))
    assert counted(parts) == 300 - len(set(tokens.tolist()))
    np.testing.assert_array_equal(tokens, before)


def n_open():
    """Number of open files."""
    return len(list(Path("/proc/self/fd").iterdir()))


def test_many_repeats_are_counted_on_disk_and_the_file_is_closed():
    before = n_open()
    rng = np.random.default_rng(0)
    tokens = rng.integers(0, 2**64 - 1, 300_000, np.uint64)
    found = Repeats()
    for part in np.array_split(np.concatenate([tokens, tokens[::1000]]), 300):
        found.add(part)
    assert n_open() == before + 1
    assert found.counts() == {"duplicate_sequences": 300}
    assert found.counts() == {"duplicate_sequences": 300}
    found.add(tokens[:1])
    assert found.counts() == {"duplicate_sequences": 301}
    del found
    assert n_open() == before


def test_no_sequences_have_no_repeats():
    assert counted([]) == counted([np.empty(0, np.uint64)]) == 0
