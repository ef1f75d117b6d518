"""Capture of models without token ids: pictures, sound and embeddings."""

import numpy as np
import pytest
import torch
import transformers
from helpers import places

import headscore as hs
from headscore.errors import InputError

BY_NAME = {family.name: family for family in places.ALL}


@pytest.mark.parametrize("family", places.ALL, ids=[each.name for each in places.ALL])
def test_scores_equal_those_of_eager_attention(family):
    worst, scores = places.difference(family)
    assert worst <= 1e-4
    assert np.isfinite(scores.values).all()
    assert np.std(scores.values[:, 0]) > 0.01  # far from uniform


def test_an_encoder_may_have_other_layers_than_the_decoder():
    sizes = {
        "vocab_size": 60, "hidden_size": 32, "intermediate_size": 64, "pad_token_id": 3,
        "encoder_num_hidden_layers": 2, "decoder_num_hidden_layers": 3,
        "encoder_num_attention_heads": 4, "decoder_num_attention_heads": 4,
    }  # fmt: skip
    inputs = {"input_values": (2, 6000), "decoder_input_ids": (2, 6)}
    family = places.PlaceFamily(
        "moonshine", "MoonshineModel", "MoonshineConfig", sizes, inputs, part="encoder"
    )
    worst, scores = places.difference(family)
    assert worst <= 1e-4
    assert scores.values.shape[2] == 2


def test_pictures_of_several_sizes_have_grids_of_their_own():
    network = BY_NAME["clip vision"].network()
    pictures = [torch.randn(1, 3, high, wide) for high, wide in ((16, 24), (32, 16), (16, 24))]
    with torch.no_grad(), hs.capture(network, "grid:1,local") as run:
        for each in pictures:
            network(each, interpolate_pos_encoding=True)
    scores = run.scores()
    assert scores.lengths.tolist() == [7, 9, 7]
    for n, each in enumerate(pictures):
        with torch.no_grad(), hs.capture(network, "grid:1,local") as alone:
            network(each, interpolate_pos_encoding=True)
        np.testing.assert_array_equal(alone.scores().values[0], scores.values[n])


def test_patches_are_found_though_pictures_of_a_batch_round_differently():
    family = BY_NAME["vit"]
    network = family.network()
    network.embeddings.register_forward_hook(
        lambda *call: call[-1] * (1 + 1e-6 * torch.arange(len(call[-1]))[:, None, None])
    )
    with torch.no_grad(), hs.capture(network, "grid:1") as run:
        network(**family.batch())
    assert np.isfinite(run.scores().values).all()


def test_roles_of_words_have_no_score_and_a_sentence(caplog):
    family = BY_NAME["vit"]
    network = family.network()
    with torch.no_grad(), hs.capture(network, "grid:1,duplicate,delimiter") as run:
        network(**family.batch())
    scores = run.scores()
    assert np.isnan(scores.values[:, 1:]).all()
    assert "duplicate has no sieve: the model is called without token ids" in caplog.text
    assert "delimiter has no sieve" in caplog.text


def test_a_grid_that_is_not_known_raises():
    family = BY_NAME["wav2vec2"]
    network = family.network()
    with torch.no_grad(), hs.capture(network, "grid:1") as run:
        network(**family.batch())
    with pytest.raises(InputError, match="the place of each patch is not known"):
        run.scores()


def test_expect_names_pictures_and_places_their_tokens():
    family = BY_NAME["clip vision"]
    network = family.network()
    columns = {"row": np.tile(np.arange(10), (2, 1)), "column": np.zeros((2, 10), int)}
    encoded = hs.Encoded.from_arrays(np.zeros((2, 10), int), columns=columns)
    with torch.no_grad(), hs.capture(network, "grid:2,local") as run:
        run.expect(encoded)
        network(**family.batch())
    values = run.scores().values  # a column of ten patches, all in one line
    np.testing.assert_allclose(values[:, 0], values[:, 1], rtol=1e-5)
    with torch.no_grad(), hs.capture(network, "local") as run:
        run.expect(encoded.take(np.array([0])))
        with pytest.raises(InputError, match="must be the one that was expected, of"):
            network(**family.batch())


def test_roles_may_be_drawn_as_masks():
    family = BY_NAME["vit"]
    network, batch = family.network(), family.batch()
    mask = np.zeros((7, 7), bool)
    mask[:, 0] = True
    drawn = hs.roles.from_masks("first", {"0": mask, "1": mask})
    with torch.no_grad(), hs.capture(network, ["sink", drawn]) as run:
        network(**batch)
    values = run.scores().values
    np.testing.assert_allclose(values[:, 1], values[:, 0], rtol=1e-6)


def test_attention_over_parts_of_a_picture_raises():
    sizes = {"image_size": 16, "patch_size": 2, "embed_dim": 8, "depths": [2, 2], "window_size": 4}
    network = transformers.SwinModel(transformers.SwinConfig(num_heads=[2, 2], **sizes)).eval()
    with hs.capture(network, "local") as run, pytest.raises(InputError):
        network(torch.randn(2, 3, 16, 16))
    with pytest.raises(InputError, match="at least one forward pass"):
        run.scores()


def test_the_same_pictures_have_the_same_hash():
    family = BY_NAME["vit"]
    network, batch = family.network(), family.batch()
    with torch.no_grad(), hs.capture(network, "local") as run:
        network(**batch)
        network(pixel_values=batch["pixel_values"][:1])
    first, second, again = run.scores().tokens
    assert first == again != second
