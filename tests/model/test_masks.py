"""Masks that a model made itself: which pattern is read from them, and which have none."""

import pytest
import torch

from headscore.backends.contract import Visibility
from headscore.model.masks import Expected, read

PATTERNS = (
    Visibility(),
    Visibility(causal=True),
    *(Visibility(causal=True, window=w) for w in (1, 2, 4)),
    *(Visibility(causal=False, window=w) for w in (1, 3)),  # 0 is the causal window of 1
)
REAL = {
    "none": [[1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 1, 1]],
    "right": [[1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 1, 0]],
    "left": [[1, 1, 1, 1, 1, 1], [0, 1, 1, 1, 1, 1]],
}


def square(visibility, real, rows_of_padding=False):
    """The bool mask (batch, 1, q, k) of a pattern; padded queries see nothing, or all there is."""
    place = torch.arange(real.shape[1])
    distance = place - place[:, None]
    allowed = distance <= 0 if visibility.causal else torch.ones_like(distance, dtype=torch.bool)
    if visibility.window is not None:
        near = -distance < visibility.window
        allowed &= near if visibility.causal else distance.abs() <= visibility.window
    mask = (allowed & real[:, None])[:, None]
    return mask | ~real[:, None, :, None] & real[:, None, None, :] if rows_of_padding else mask


def added(mask, masked=float("-inf")):
    return torch.zeros(mask.shape).masked_fill(~mask, masked)


@pytest.mark.parametrize("visibility", PATTERNS, ids=str)
@pytest.mark.parametrize("padding", REAL)
@pytest.mark.parametrize("rows_of_padding", [False, True])
@pytest.mark.parametrize("kind", [lambda mask: mask, added])
def test_every_pattern_is_read_from_a_square_mask(visibility, padding, rows_of_padding, kind):
    real = torch.tensor(REAL[padding]).bool()
    sight = read(kind(square(visibility, real, rows_of_padding)), causal=False)
    assert sight.visibility == visibility
    assert torch.equal(sight.real, real)


@pytest.mark.parametrize("masked", [float("-inf"), torch.finfo(torch.float32).min, -1e4])
def test_numbers_added_to_logits_are_read_where_they_only_mask(masked):
    real = torch.tensor(REAL["right"]).bool()
    mask = added(square(Visibility(causal=True), real), masked)
    assert read(mask, causal=False).visibility == Visibility(causal=True)


@pytest.mark.parametrize("number", [0.5, -0.5, -9e3])
def test_numbers_that_change_the_logits_have_no_pattern(number):
    mask = added(square(Visibility(causal=True), torch.tensor(REAL["right"]).bool()))
    for place in ((0, 0, 3, 1), (0, 0, 1, 3)):  # a visible key, a later one
        biased = mask.clone()
        biased[place] = number
        assert read(biased, causal=False) is None
    assert read(torch.full((1, 1, 4, 4), number), causal=False) is None


def test_a_mask_that_differs_between_heads_has_no_pattern():
    real = torch.tensor(REAL["none"]).bool()
    full, causal = (square(Visibility(causal=each), real) for each in (False, True))
    assert read(torch.cat([causal, causal], dim=1), causal=False).visibility.causal
    for heads in ([causal, full], [full, causal], [full, full, causal]):
        assert read(torch.cat(heads, dim=1), causal=False) is None


def test_a_mask_that_is_not_square_is_read_where_all_queries_see_the_same():
    keys = torch.tensor([[1, 1, 1, 0], [1, 1, 0, 0]]).bool()
    mask = keys[:, None, None].expand(2, 1, 3, 4)
    sight = read(mask, causal=False)
    assert sight.visibility == Visibility()
    assert torch.equal(sight.real, keys)
    other = mask.clone()
    other[1, 0, 2, 2] = True
    assert read(other, causal=False) is None
    assert read(torch.cat([mask, ~mask], dim=1), causal=False) is None


def test_other_square_masks_have_no_pattern():
    real = torch.tensor(REAL["none"]).bool()
    for query, key in ((0, 5), (5, 0), (3, 2)):
        mask = square(Visibility(causal=True), real)
        mask[0, 0, query, key] ^= True
        assert read(mask, causal=False) is None


@pytest.mark.parametrize("causal", [False, True])
def test_without_a_mask_the_layer_decides(causal):
    assert read(None, causal=causal) == (Visibility(causal=causal), None)


@pytest.mark.parametrize("shape", [(2, 6), (2, 6, 6), (1, 2, 1, 6, 6)])
def test_a_mask_of_other_axes_has_no_pattern(shape):
    assert read(torch.ones(shape, dtype=torch.bool), causal=False) is None


def test_a_mask_that_shows_padding_to_other_tokens_has_no_pattern():
    mask = square(Visibility(), torch.tensor(REAL["right"]).bool())
    mask[1, 0, 2, 5] = True  # the last token is seen, though not by itself
    assert read(mask, causal=False) is None


@pytest.mark.parametrize("shape", [(2, 6), (2, 1, 6), (3, 1, 1, 6), (2, 1, 6, 5), (2, 1, 1, 5)])
def test_a_mask_of_other_axes_than_those_of_the_batch_is_read(shape):
    real = torch.tensor(REAL["right"]).bool()
    expected = Expected(real, padded=True, visibilities={0: Visibility()})
    assert expected.sight(torch.ones(shape, dtype=torch.bool), 0, causal=False) is None
    # Without a pattern of its own, bytes are no mask that is known.
    assert expected.sight(real[:, None, None].to(torch.uint8), 0, causal=False) is None
    assert not expected.doubts
    assert expected.sight(real[:, None, None], 0, causal=False).visibility == Visibility()


@pytest.mark.parametrize(("more", "doubted"), [(0.0, False), (0.5, True)])
def test_a_float_mask_is_doubted_where_it_adds_to_visible_logits(more, doubted):
    real = torch.tensor(REAL["right"]).bool()
    expected = Expected(real, padded=True, visibilities={0: Visibility()})
    mask = added(real[:, None, None])
    mask[0, 0, 0, 0] = more
    assert expected.sight(mask, 0, causal=False).visibility == Visibility()
    assert [bool(each) for each in expected.doubts] == [doubted]
