"""Padding that a layer attends to is refused, by what its mask leaves visible."""

import pytest
import torch
from transformers import AttentionInterface

from headscore.errors import InputError
from headscore.model import hook
from headscore.model.sights import read_checked

LAYER = torch.nn.Identity()
NONE, RIGHT, LEFT = ([[1, 1, 1], each] for each in ([1, 1, 1], [1, 1, 0], [0, 1, 1]))


@pytest.mark.parametrize(
    ("causal", "real", "refused"),
    [
        (False, NONE, False),
        (False, RIGHT, True),
        (False, LEFT, True),
        (True, NONE, False),
        (True, RIGHT, False),  # later keys are never visible
        (True, LEFT, True),
    ],
)
def test_padding_without_a_mask_is_refused_where_it_is_attended_to(causal, real, refused):
    real = torch.tensor(real).bool()
    if refused:
        with pytest.raises(InputError, match=r"padding that is attended to.*Identity has it"):
            read_checked(LAYER, None, real, causal=causal)
    else:
        assert read_checked(LAYER, None, real, causal=causal).visibility.causal == causal


def test_a_mask_must_hide_just_the_padding():
    right, left = (torch.tensor(each).bool() for each in (RIGHT, LEFT))
    sight = read_checked(LAYER, right[:, None, None], right, causal=False)
    assert torch.equal(sight.real, right)
    with pytest.raises(InputError, match="padding that is attended to"):
        read_checked(LAYER, right[:, None, None], left, causal=False)


@pytest.mark.parametrize(
    ("queries", "options"),
    [
        (1, {}),  # keys of a cache
        (3, {"position_bias": torch.zeros(1, 1, 3, 3)}),
    ],
)
def test_logits_that_are_capped_must_be_of_whole_sequences(queries, options):
    query, key = torch.randn(1, 2, queries, 4), torch.randn(1, 2, 3, 4)
    with pytest.raises(InputError, match=r"attention of Identity must be of whole sequences"):
        AttentionInterface()[hook.NAME](LAYER, query, key, key, None, softcap=5.0, **options)
