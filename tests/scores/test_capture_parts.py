"""Capture of parts of models: decoders, cross-attention, towers of multimodal models."""

import dataclasses

import numpy as np
import pytest
import torch
import transformers
from helpers import families, places
from helpers.batches import relative

import headscore as hs
from headscore.errors import InputError, UsageError

PAIRED = {family.kind: family for family in families.DECODERS + families.MORE_DECODERS}


def paired(kind):
    return PAIRED[kind].network().eval()


def texts(queries, keys, seed=0):
    """A batch of two text pairs, padded on the right in source and target."""
    draw = torch.Generator().manual_seed(seed)
    source = torch.randint(5, 60, (2, keys), generator=draw)
    target = torch.randint(5, 60, (2, queries), generator=draw)
    return {
        "input_ids": source,
        "attention_mask": (torch.arange(keys) < torch.tensor([[keys], [keys - 3]])).long(),
        "decoder_input_ids": target,
        "decoder_attention_mask": (
            torch.arange(queries) < torch.tensor([[queries - 2], [queries]])
        ).long(),
    }


def eager(network, batch, name):
    network.set_attn_implementation("eager")
    with torch.no_grad():
        return getattr(network(**batch, output_attentions=True), f"{name}_attentions")


def captured(network, batch, roles, part):
    """The scores of a captured pass, which leaves the output as it is."""
    with torch.no_grad():
        before = network(**batch)[0]
        with hs.capture(network, roles, part=part) as run:
            after = network(**batch)[0]
    real = batch["decoder_attention_mask"].bool()
    torch.testing.assert_close(after[real], before[real], atol=1e-5, rtol=1e-4)
    return run.scores()


ROLES = "previous,sink,local,duplicate"


@pytest.mark.parametrize("keys", [9, 6])
@pytest.mark.parametrize("name", list(PAIRED))
def test_decoder_scores_equal_those_of_eager_attention(name, keys):
    network, batch = paired(name), texts(6, keys)
    scores = captured(network, batch, ROLES, "decoder")
    ids, lengths = batch["decoder_input_ids"], batch["decoder_attention_mask"].sum(1)
    encoded = hs.Encoded.from_arrays(ids, lengths)
    want = hs.score_attentions(eager(network, batch, "decoder"), encoded, ROLES, causal=True)
    assert scores.values.shape == (2, 4, 3, 4)
    assert relative(scores.values, want.values) <= 1e-4
    assert dict(scores.facts)["part"] == "decoder"


def test_the_target_may_come_from_labels():
    network, batch = paired("marian"), texts(6, 6)
    labels = batch["decoder_input_ids"]
    inputs = {name: batch[name] for name in ("input_ids", "attention_mask")}
    with torch.no_grad(), hs.capture(network, ROLES, part="decoder") as run:
        network(**inputs, labels=labels)
        network(**inputs, decoder_input_ids=network.prepare_decoder_input_ids_from_labels(labels))
    values = run.scores().values
    np.testing.assert_array_equal(values[:2], values[2:])


@pytest.mark.parametrize("part", ["decoder", "cross"])
def test_source_and_target_of_a_speech_model_may_be_equally_long(part):
    family = next(each for each in places.ALL if each.name == f"whisper {part}")
    inputs = {**family.inputs, "decoder_input_ids": (2, 15)}  # 15 frames too
    worst, scores = places.difference(dataclasses.replace(family, inputs=inputs))
    assert worst <= 1e-4
    assert scores.lengths.tolist() == [15, 15]


def test_generation_is_no_pass_over_whole_sequences():
    network = paired("marian")
    ids = texts(6, 6)["input_ids"]
    got = pytest.raises(InputError, match="must read whole sequences, got past_key_values")
    with hs.capture(network, "previous", part="decoder"), got:
        network.generate(ids, max_new_tokens=3)


def test_weights_that_the_whole_model_returns_raise():
    network = paired("bart")
    got = pytest.raises(InputError, match="output_attentions must be off")
    with hs.capture(network, "previous", part="decoder"), got:
        network(**texts(6, 9), output_attentions=True)


def test_an_unknown_part_raises():
    with pytest.raises(InputError, match="has the parts encoder, decoder, cross"):
        hs.capture(paired("bart"), "local", part="vision").__enter__()


def clip():
    torch.manual_seed(0)
    sizes = {**places.SIZES, "num_hidden_layers": 2}
    text = {**sizes, "vocab_size": 60, "max_position_embeddings": 20, "eos_token_id": 2,
            "bos_token_id": 1, "pad_token_id": 3}  # fmt: skip
    vision = {**sizes, "num_hidden_layers": 3, "image_size": 24, "patch_size": 8}
    config = transformers.CLIPConfig(text_config=text, vision_config=vision, projection_dim=16)
    return transformers.CLIPModel(config).eval()


@pytest.mark.parametrize("part", ["text", "vision"])
def test_towers_are_captured_while_the_whole_model_runs(part):
    network = clip()
    ids = torch.randint(5, 60, (2, 7), generator=torch.Generator().manual_seed(0))
    pixels = torch.randn(2, 3, 24, 24, generator=torch.Generator().manual_seed(0))
    tower = network.text_model if part == "text" else network.vision_model
    roles = "local,sink" if part == "text" else "local,sink,grid:1"
    with torch.no_grad():
        with hs.capture(tower, roles) as alone:
            tower(ids if part == "text" else pixels)
        with hs.capture(network, roles, part=part) as run:
            network(input_ids=ids, pixel_values=pixels)
    scores = run.scores()
    assert scores.values.shape[2] == (2 if part == "text" else 3)
    np.testing.assert_allclose(scores.values, alone.scores().values, rtol=1e-5)
    assert np.isfinite(scores.values).all()


CROSS = "diagonal:1,sink,diagonal:3"


def cross_scores(network, batch, roles=CROSS, pairs=None):
    """Scores of the eager model's cross-attention, padding of the source on the right."""
    attentions = eager(network, batch, "cross")
    keys = attentions[0].shape[3]
    mask = batch.get("attention_mask")
    source = hs.Encoded.from_arrays(
        batch.get("input_ids", torch.zeros(2, keys, dtype=torch.int64)),
        None if mask is None else mask.sum(1),
    )
    target_mask = batch.get("decoder_attention_mask")
    encoded = hs.Encoded.from_arrays(
        batch["decoder_input_ids"],
        None if target_mask is None else target_mask.sum(1),
        source=source,
        pairs=pairs,
    )
    return encoded, hs.score_attentions(attentions, encoded, roles)


@pytest.mark.parametrize("keys", [9, 6])
@pytest.mark.parametrize("name", list(PAIRED))
def test_cross_attention_scores_equal_those_of_eager_attention(name, keys):
    network, batch = paired(name), texts(6, keys)
    scores = captured(network, batch, CROSS, "cross")
    _, want = cross_scores(network, batch)
    assert scores.values.shape == (2, 3, 3, 4)
    assert relative(scores.values, want.values) <= 1e-4
    assert np.isfinite(scores.values).all()


def left_padded(batch):
    """The second source, which is 3 tokens shorter, padded on the left."""
    left = dict(batch)
    for name in ("input_ids", "attention_mask"):
        left[name] = batch[name].clone()
        left[name][1] = batch[name][1].roll(3)
    assert left["attention_mask"][1, :3].sum() == 0
    return left


@pytest.mark.parametrize("name", ["bart", "nllb-moe", "mvp"])
def test_padding_of_a_source_on_the_left_is_left_out(name):
    network, batch = paired(name), texts(6, 9)
    left = left_padded(batch)
    with torch.no_grad(), hs.capture(network, CROSS, part="cross") as run:
        network(**left)
    attentions = [each.clone() for each in eager(network, left, "cross")]
    for each in attentions:
        each[1] = each[1].roll(-3, dims=-1)
    source = hs.Encoded.from_arrays(batch["input_ids"], batch["attention_mask"].sum(1))
    lengths = batch["decoder_attention_mask"].sum(1)
    encoded = hs.Encoded.from_arrays(batch["decoder_input_ids"], lengths, source=source)
    want = hs.score_attentions(attentions, encoded, CROSS)
    assert relative(run.scores().values, want.values) <= 1e-4


def test_a_source_may_be_padded_on_the_left():
    network, batch = paired("t5"), texts(6, 9)
    left = left_padded(batch)
    with torch.no_grad(), hs.capture(network, CROSS, part="cross") as run:
        network(**batch)
        network(**left)  # T5 has relative positions: the same attention
    values = run.scores().values
    np.testing.assert_allclose(values[2:], values[:2], rtol=1e-3)


def test_alignments_between_both_texts_are_word_pairs():
    network, batch = paired("bart"), texts(6, 9)
    pairs = {"aligned": [[([1], [2, 3]), ([2, 3], [0])], [([5], [5])]]}
    encoded, want = cross_scores(network, batch, "aligned,sink", pairs)
    network = paired("bart")
    with torch.no_grad(), hs.capture(network, "aligned,sink", part="cross") as run:
        run.expect(encoded)
        network(**batch)
    assert relative(run.scores().values, want.values) <= 1e-4
    assert np.isfinite(run.scores().values).all()


def test_roles_of_one_text_raise_for_cross_attention():
    network = paired("bart")
    with hs.capture(network, "local", part="cross"), pytest.raises(UsageError, match="one text"):
        network(**texts(6, 9))


def test_a_decoder_without_a_source_raises():
    network = paired("bart")
    got = pytest.raises(InputError, match="must be called with encoder_hidden_states")
    with hs.capture(network, "sink", part="cross"), got:
        network.get_decoder()(texts(6, 9)["decoder_input_ids"])


def test_a_decoder_called_alone_has_a_source_without_ids():
    network, batch = paired("bart"), texts(6, 9)
    with torch.no_grad(), hs.capture(network, "sink", part="cross") as run:
        states = network(**batch).encoder_last_hidden_state
        network.get_decoder()(batch["decoder_input_ids"], encoder_hidden_states=states)
    whole, alone = run.encoded()
    assert (whole.source.input_ids >= 0).all()
    assert (alone.source.input_ids == -1).all()
