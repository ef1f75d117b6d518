"""Parts of encoder-decoders and multimodal models."""

import logging

import numpy as np
import pytest
import torch
import transformers
from helpers import families, tiny
from helpers.eager import difference

import headscore as hs
from headscore.errors import InputError, UsageError
from headscore.model.load import load_model
from headscore.model.parts import part_of
from headscore.model.route import discover
from headscore.options import LoadOptions

BY_NAME = {family.name: family for family in families.MULTIMODAL + families.DECODERS}
BOTH = BY_NAME["bart decoder"]  # an encoder of 2 layers and a decoder of 3


def seq2seq():
    return BOTH.network().eval()


@pytest.mark.parametrize("family", families.DECODERS, ids=lambda family: family.kind)
def test_an_encoder_decoder_has_three_parts(family, caplog):
    network = family.network()
    for name in ("encoder", "decoder", "cross"):
        part = part_of(network, name)
        assert part.name == name
        assert part.network is (network.get_encoder() if name == "encoder" else part.network)
        assert part.paired is (name != "encoder")
    assert not caplog.records
    assert part_of(network, "decoder").network is network.get_decoder()
    assert part_of(network) == part_of(network, "encoder")
    assert f"{type(network).__name__} has a decoder too: its encoder is scored" in caplog.text


@pytest.mark.parametrize("family", families.MULTIMODAL, ids=lambda family: family.name)
def test_the_text_part_of_a_multimodal_model_is_found(family, caplog):
    network = family.network()
    text = part_of(network)
    assert text == part_of(network, "text")
    assert isinstance(text.network.config, type(network.config.text_config))
    assert f"{type(network).__name__} has more than a text part: only that is scored" in caplog.text
    vision = part_of(network, "vision").network
    assert isinstance(vision.config, type(network.config.vision_config))
    assert vision is not network


@pytest.mark.parametrize(
    ("network", "part", "rule"),
    [
        (lambda: tiny.network("bert"), "text", "got 'text': BertModel has no parts"),
        (lambda: seq2seq().get_decoder(), "cross", "BartDecoder has no parts"),
        (
            seq2seq,
            "vision",
            "BartForConditionalGeneration has the parts encoder, decoder, cross",
        ),
        (lambda: BY_NAME["clip"].network(), "decoder", "CLIPModel has the parts text, vision"),
    ],
)
def test_a_part_that_is_not_there_raises(network, part, rule):
    with pytest.raises(InputError, match=rf"^part must be auto or one that the model has.*{rule}$"):
        part_of(network(), part)


def test_a_part_without_a_config_raises():
    network = seq2seq()
    del network.model.decoder.config
    with pytest.raises(InputError, match="the decoder of BartForConditionalGeneration must be a"):
        part_of(network, "decoder")


@pytest.mark.parametrize("part", ["vision", "audio"])
def test_a_part_without_token_ids_names_capture(part):
    with pytest.raises(UsageError, match=rf"got '{part}': headscore.capture scores it"):
        hs.score(BY_NAME["clip"].network(), ["a"], part=part, tokenizer=tiny.tokenizer())


@pytest.mark.parametrize("part", ["decoder", "cross"])
def test_a_part_with_a_source_is_refused_where_texts_are_single(part):
    for function in (hs.validate, hs.examples):
        more = {"layer": 0, "head": 0, "role": "nsubj"} if function is hs.examples else {}
        labels = () if function is hs.examples else ({"sink": [(0, 0)]},)
        with pytest.raises(
            UsageError, match=f"part must be auto, encoder or text here, got '{part}"
        ):
            function(seq2seq(), ["bat dal"], *labels, part=part, tokenizer=tiny.tokenizer(), **more)


def alone():
    """Decoders of an encoder-decoder, without their encoder."""
    network = seq2seq()
    yield network.get_decoder()
    yield transformers.BartForCausalLM(network.config).eval()
    yield BY_NAME["t5 decoder"].network().get_decoder()


@pytest.mark.parametrize("number", range(3), ids=["bart", "bart for causal lm", "t5"])
def test_a_decoder_on_its_own_has_its_own_number_of_layers(number):
    decoder = list(alone())[number]
    loaded = load_model(decoder, LoadOptions(tokenizer=tiny.tokenizer()))
    assert loaded.network is decoder
    assert loaded.layers == 3
    assert loaded.facts() == {}


@pytest.mark.parametrize("family", families.MORE_DECODERS, ids=lambda family: family.name)
def test_a_decoder_that_needs_its_causal_mask_is_scored(family):
    worst, scored, *_ = difference(family)
    assert worst <= 1e-4
    assert np.isfinite(scored.values).any()


def test_attention_that_needs_its_causal_mask_is_scored_from_returned_weights():
    config = transformers.GemmaConfig(
        **{**tiny.SIZES, "head_dim": 8, "num_key_value_heads": 2}, use_bidirectional_attention=True
    )  # as in PaliGemma: by torch's SDPA it would see all keys
    network = transformers.GemmaModel(config).eval()
    assert discover(network).returned


@pytest.mark.parametrize("length", [5, 9])
def test_cross_attention_beside_self_attention_is_not_captured(length):
    network = seq2seq()
    rng = torch.Generator().manual_seed(0)
    source, target = (torch.randint(5, 60, (2, n), generator=rng) for n in (9, length))
    with hs.capture(network.get_decoder(), "previous") as run:
        got = network(input_ids=source, decoder_input_ids=target).logits
    network.set_attn_implementation("eager")
    with torch.inference_mode():
        want = network(input_ids=source, decoder_input_ids=target, output_attentions=True)
    torch.testing.assert_close(got, want.logits, atol=1e-5, rtol=1e-4)
    encoded = hs.Encoded.from_arrays(target.numpy())
    scores = hs.score_attentions(want.decoder_attentions, encoded, "previous", causal=True)
    np.testing.assert_allclose(run.scores().values, scores.values, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("kind", ["gemma3", "clip"])
def test_a_multimodal_checkpoint_is_loaded_by_name(kind, tmp_path, caplog):
    network = BY_NAME[kind].network()
    network.save_pretrained(tmp_path)
    tiny.tokenizer("gpt2").save_pretrained(tmp_path)
    with caplog.at_level(logging.WARNING, "headscore"):
        scores = hs.score(str(tmp_path), ["bat dal", "mer"], roles="previous")
    assert caplog.text.count("has more than a text part") == 1
    assert scores.facts["part"] == "text"
    text = hs.score(
        part_of(network).network.eval(),
        ["bat dal", "mer"],
        roles="previous",
        tokenizer=tiny.tokenizer("gpt2"),
    )
    assert scores.facts["weights"] == text.facts["weights"]
    assert "part" not in text.facts
    np.testing.assert_array_equal(scores.values, text.values)


def test_the_limit_is_that_of_the_text_part():
    loaded = load_model(BY_NAME["gemma3"].network(), LoadOptions(tokenizer=tiny.tokenizer("gpt2")))
    assert loaded.max_length == tiny.SIZES["max_position_embeddings"]
