"""Scores of several corpora, or of parts of one, are as those of one corpus."""

from dataclasses import replace

import numpy as np
import pytest
from helpers.matched import made as matched_scores
from helpers.selections import CHOICES, ROLES, N, assert_same, scores_of, sums_of
from hypothesis import given
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

import headscore as hs
from headscore.errors import InputError, UsageError
from headscore.scores.matched_rows import MATCHED


def in_order(scores, ids):
    """Scores with their sequences in the order of some ids."""
    at = np.array([scores.sequence_ids.index(name) for name in ids])
    return scores.take(at, np.arange(len(scores.roles)))


@given(CHOICES.filter(lambda chosen: not all(chosen)), st.booleans())
def test_the_two_parts_of_a_corpus_make_the_whole(chosen, matched):
    whole = matched_scores() if matched else scores_of()
    there = np.array(chosen)
    both = hs.concat([whole.select(where=there), whole.select(where=~there)])
    assert_same(in_order(both, whole.sequence_ids), whole)
    for how in ({}, {"clusters": None}):
        found, wanted = hs.test(both, **how), hs.test(whole, **how)
        assert_frame_equal(found.table, wanted.table, rtol=1e-9, atol=1e-12)
        assert found.facts["unit"] == wanted.facts["unit"]


def test_sums_and_counts_of_whole_corpora_add_up():
    first = replace(scores_of(), **sums_of(), counts={"truncated": 3, "skipped": 1})
    other = replace(scores_of(seed=1), **sums_of(), counts={"truncated": 4})
    both = hs.concat({"a": first, "b": other.select(roles="obj,nsubj,local")})
    assert both.roles == ROLES
    for name, array in sums_of().items():
        np.testing.assert_array_equal(getattr(both, name), 2 * array)
    assert both.counts == {"skipped": 1, "truncated": 7}
    assert hs.concat([first, replace(other, sequence_ids=both.sequence_ids[N:])]).roles == ROLES


def test_names_tell_sequences_and_documents_apart():
    scores = scores_of()
    both = hs.concat({"en": scores, "pt": replace(scores_of(seed=1), documents=None)})
    assert both.sequence_ids[:2] == ("en/s0", "en/s1")
    assert both.sequence_ids[N:][:2] == ("pt/s0", "pt/s1")
    assert both.documents[:1] + both.documents[N:][:1] == ("en/d0", None)
    # Documents of one name are one in a list, and two in a mapping.
    other = replace(scores, sequence_ids=tuple(f"t{n}" for n in range(N)))
    assert hs.test(hs.concat([scores, other])).facts["unit"] == "15 documents"
    assert hs.test(hs.concat({"a": scores, "b": other})).facts["unit"] == "30 documents"


def test_facts_that_differ_are_joined():
    facts = [{"model": "m", "corpus": each, "weights": "w"} for each in ("x", "y", "x")]
    parts = [replace(scores_of(), facts=each) for each in facts]
    both = hs.concat(dict(zip("abc", parts, strict=True)))
    assert both.facts == {"model": "m", "corpus": "x+y", "weights": "w"}


def test_what_one_part_lacks_the_whole_lacks():
    lacking = replace(scores_of(seed=1), lengths=None, excess=None)
    both = hs.concat({"a": scores_of(), "b": lacking})
    assert both.lengths is both.excess is None
    assert both.attainable is not None
    without = replace(matched_scores(), **dict.fromkeys(MATCHED))
    assert hs.concat({"a": matched_scores(), "b": without}).matched is None


def test_repeated_sequences_are_counted_once_more(caplog):
    tokens = np.arange(N, dtype=np.uint64) // 2
    scores = replace(scores_of(), tokens=tokens, counts={"duplicate_sequences": 30})
    both = hs.concat({"a": scores, "b": scores})
    assert both.counts == {"duplicate_sequences": 90}
    assert "90 of 120 sequences repeat an earlier one" in caplog.text


def test_a_concatenation_is_saved_and_loaded(tmp_path):
    both = hs.concat({"a": matched_scores(), "b": matched_scores(1)})
    both.save(tmp_path / "both.hs")
    loaded = hs.load(tmp_path / "both.hs")
    assert_same(loaded, both)
    assert loaded.signature == both.signature
    assert hs.test(loaded).table.equals(hs.test(both).table)


def scored(**facts):
    return replace(scores_of(), facts=facts)


@pytest.mark.parametrize(
    ("scores", "error", "sentence"),
    [
        ([], UsageError, "at least one HeadScores, got none"),
        (3, UsageError, "a list or a mapping, got int"),
        (scores_of(), UsageError, "a list or a mapping, got HeadScores"),
        (["run.hs"], UsageError, "must be HeadScores, got 'run.hs' for 0"),
        ({1: scores_of()}, UsageError, "texts that are not empty, got 1"),
        ([scores_of()] * 2, InputError, "got 's0' in both: a mapping from names"),
        ({"a": scores_of(), "b": scores_of(roles=[0])}, InputError, "a and b must have the same"),
        (
            {"a": scored(weights="1"), "b": scored(weights="2")},
            InputError,
            "a and b must be scores of the same model, got weights 1 and 2",
        ),
        ({"a": scored(part="text"), "b": scored(part="vision")}, InputError, "the same part"),
        ({"a": scored(looks="5")}, InputError, "a must be scores of a whole run"),
    ],
)
def test_scores_that_do_not_fit_together_raise(scores, error, sentence):
    with pytest.raises(error, match=sentence):
        hs.concat(scores)


def test_models_that_are_unknown_are_not_compared():
    assert len(hs.concat({"a": scored(weights="unknown"), "b": scored(weights="2")})) == 2 * N
