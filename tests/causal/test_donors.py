"""Which token of which other sequence a token takes an output from."""

import pytest
import torch

from headscore.causal.donors import donors
from headscore.errors import InputError


def taken(words):
    """Write in place of every letter the one that it takes from, "." is padding."""
    real = torch.tensor([[letter != "." for letter in word] for word in words])
    sequence, place = donors(real)
    return [
        "".join(words[s][t] for s, t in zip(*row, strict=True))
        for row in zip(sequence.tolist(), place.tolist(), strict=True)
    ]


@pytest.mark.parametrize(
    ("words", "want"),
    [
        (["abc.", ".def", "gh.."], ["def.", ".ghc", "ab.."]),
        (["ab", "cd"], ["cd", "ab"]),
        (["abcd", "e...", "..fg"], ["egcd", "f...", "..ab"]),  # no other has a third token
        (["a.b.", ".cd."], ["c.d.", ".ab."]),
    ],
)
def test_the_next_sequence_with_a_token_at_the_position_gives_it(words, want):
    assert taken(words) == want


def test_a_single_sequence_raises():
    with pytest.raises(InputError, match="at least 2 sequences, got 1"):
        donors(torch.ones(1, 3, dtype=torch.bool))
