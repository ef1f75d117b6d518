"""Decoders of encoder-decoders, scored on text pairs."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers import families, tiny
from helpers.batches import relative
from helpers.eager import ACROSS, ROLES

import headscore as hs
from headscore.corpus.sequence_table import SequenceTable
from headscore.encoding.source_target import Target, encode_source_target
from headscore.errors import InputError, UsageError

FAMILY = {family.kind: family for family in families.DECODERS}
NAMES = {"decoder": [role.name for role in ROLES], "cross": [role.name for role in ACROSS]}
TOKENIZER = tiny.tokenizer("roberta")
PAIRS = [each for each in tiny.sequences(24, seed=3) if each.is_pair]


def bart():
    return FAMILY["bart"].network().eval()


def score(network, corpus=PAIRS, roles=tiny.ROLES, part="decoder", **options):
    return hs.score(network, corpus, roles=roles, part=part, tokenizer=TOKENIZER, **options)


def one_by_one(network, part):
    """Scores of each pair in a pass of its own, by plain loops over the eager attention."""
    network.set_attn_implementation("eager")
    found = []
    for pair in PAIRS:
        source = TOKENIZER(pair.segments[0].text, return_tensors="pt").input_ids
        labels = TOKENIZER(text_target=pair.segments[1].text, return_tensors="pt").input_ids
        decoder = network.prepare_decoder_input_ids_from_labels(labels)
        with torch.inference_mode():
            out = network(source, decoder_input_ids=decoder, output_attentions=True)
        start = int(decoder[0, 0])
        table = SequenceTable.of([pair])
        target = Target(start, part == "cross")
        encoded = encode_source_target(table, TOKENIZER, target, max_length=128)
        assert encoded.input_ids.tolist() == decoder[0].tolist()
        causal = not target.cross
        if causal:
            encoded = replace(encoded, source=None)
        shown = out[f"{part}_attentions"]
        found.append(tiny.loop_scores(shown, encoded, 0, NAMES[part], causal=causal))
    return np.stack(found)


@pytest.mark.parametrize("part", NAMES)
@pytest.mark.parametrize("kind", FAMILY)
def test_scores_equal_those_of_pairs_passed_alone(kind, part):
    network = FAMILY[kind].network().eval()
    got = score(network, roles=",".join(NAMES[part]), part=part, batch_tokens=100)
    assert got.facts["part"] == part
    assert relative(got.values, one_by_one(network, part)) <= 1e-4


def test_relations_of_cross_attention_are_refused():
    with pytest.raises(InputError, match="no word pair joins target and source, so nsubj has no"):
        score(bart(), roles="nsubj,sink", part="cross")
    with pytest.raises(UsageError, match="got local, whose queries and keys are of one text"):
        score(bart(), roles="local", part="cross")


def test_host_workers_chunks_and_shards_change_nothing(tmp_path):
    network = bart()
    network.save_pretrained(tmp_path)
    TOKENIZER.save_pretrained(tmp_path)
    loaded = score(network, roles="previous,nsubj")
    named = score(str(tmp_path), roles="previous,nsubj", chunk=5, host_workers=1)
    np.testing.assert_array_equal(loaded.tokens, named.tokens)
    np.testing.assert_allclose(loaded.values, named.values, atol=1e-5)
    assert loaded.facts["weights"] == named.facts["weights"]


def test_the_source_is_part_of_what_is_scored():
    network = bart()
    swapped = [type(each)(each.id, each.segments[::-1]) for each in PAIRS]
    one, other = (score(network, corpus, roles="sink") for corpus in (PAIRS, swapped))
    assert (one.tokens != other.tokens).all()
    assert one.facts["corpus"] != other.facts["corpus"]


def test_norms_and_dropped_special_tokens_of_a_decoder():
    network = bart()
    plain = score(network, roles="offset:-1")
    for options in ({"weights": "norm"}, {"special": "drop"}):
        other = score(network, roles="offset:-1", **options)
        assert np.isfinite(other.values[~np.isnan(plain.values)]).any()
        assert not np.allclose(other.values, plain.values, equal_nan=True)


def test_parts_are_not_compared_with_each_other():
    network = FAMILY["bart"].network().eval()
    one, other = score(network, roles="sink"), score(network, roles="sink")
    other.facts["part"] = "cross"
    with pytest.raises(InputError, match="with the same part, got decoder and cross"):
        hs.compare(one, other)


def test_single_texts_and_encoded_corpora_are_refused():
    with pytest.raises(InputError, match=r"text pairs.*got a single text in sequence '0'"):
        score(bart(), ["bat dal"], roles="sink")
    encoded = hs.encode(PAIRS, TOKENIZER, max_length=128)
    with pytest.raises(InputError, match=r"text pairs.*got an encoded one"):
        score(bart(), encoded, roles="sink")
    with pytest.raises(UsageError, match="special must be 'keep' with part 'cross', got 'drop'"):
        score(bart(), PAIRS, part="cross", special="drop")
