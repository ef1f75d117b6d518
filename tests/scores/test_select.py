"""Some sequences and roles of scores are as if nothing else had been scored."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from helpers import tiny
from helpers.matched import made as matched_scores
from helpers.selections import CHOICES, ROLES, N, assert_same, scores_of, sums_of
from hypothesis import given
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

import headscore as hs
from headscore.errors import InputError, UsageError
from headscore.scores.head_scores import SUMS
from headscore.scores.repeats import REPEATS

ORDERS = st.lists(st.sampled_from(range(3)), min_size=1, max_size=3, unique=True)


@given(CHOICES, ORDERS)
def test_a_selection_is_what_its_part_alone_would_be(chosen, roles):
    names = [ROLES[r] for r in roles]
    found = scores_of().select(where=chosen, roles=names)
    wanted = scores_of(np.flatnonzero(chosen), roles)
    assert_same(found, wanted)
    assert_frame_equal(hs.test(found).table, hs.test(wanted).table)
    for how in ({}, {"clusters": None}, {"criterion": "attained", "tau": 0.3}):
        tested = hs.test(scores_of(), where=chosen, roles=names, **how).table
        assert_frame_equal(tested, hs.test(wanted, **how).table)


@given(CHOICES, ORDERS, st.integers(0, 3))
def test_a_selection_with_a_matched_control_is_tested_as_its_part(chosen, roles, seed):
    whole = matched_scores(seed)
    found = whole.select(where=chosen, roles=[ROLES[r] for r in roles])
    kept, rows = np.flatnonzero(chosen), []
    for row in range(len(whole.matched)):
        sequence, role = whole.matched_sequence[row], whole.matched_role[row]
        if chosen[sequence] and (role == -1 or role in roles):
            place = -1 if role == -1 else roles.index(role)
            rows.append((list(kept).index(sequence), place, whole.matched_stratum[row], row))
    rows.sort()
    at = [each[3] for each in rows]
    wanted = hs.HeadScores.from_arrays(
        whole.values[kept][:, roles],
        [ROLES[r] for r in roles],
        sequence_ids=[str(s) for s in kept],
        documents=[whole.documents[s] for s in kept],
        matched=whole.matched[at],
        matched_weight=whole.matched_weight[at],
        matched_sequence=np.array([each[0] for each in rows], np.int64),
        matched_role=np.array([each[1] for each in rows], np.int32),
        matched_stratum=whole.matched_stratum[at],
    )
    assert_same(found, wanted)
    assert_frame_equal(hs.test(found).table, hs.test(wanted).table)


CAUSAL = f"{tiny.ROLES},next,duplicate"  # a causal model sees no next token


@pytest.fixture(scope="module")
def scored():
    """A function that scores sequences by a causal model."""
    network, tokenizer = tiny.network("gpt2").eval(), tiny.tokenizer("gpt2")
    return lambda sequences: hs.score(network, sequences, tokenizer=tokenizer, roles=CAUSAL)


def test_overlap_and_counts_of_a_selection_are_those_of_its_sequences_alone(scored):
    sequences = tiny.sequences(12, longest=9)
    sequences += [replace(each, id=f"again {each.id}") for each in sequences[:4]]
    whole = scored(sequences)
    assert whole.hidden.any()
    for seed in range(8):
        chosen = np.random.default_rng(seed).random(16) < 0.5
        found = whole.select(where=chosen)
        alone = scored([each for each, kept in zip(sequences, chosen, strict=True) if kept])
        for name in ("entries", "invisible", "overlap", "hidden"):
            np.testing.assert_array_equal(getattr(found, name), getattr(alone, name), name)
        assert found.counts.get(REPEATS) == alone.counts.get(REPEATS)
        shared, wanted = (hs.test(each, tau=1.0).colocation() for each in (found, alone))
        assert_frame_equal(shared, wanted)
        some = found.select(roles="next,local,block")
        places = [found.roles.index(role) for role in some.roles]
        np.testing.assert_array_equal(some.overlap, found.overlap[np.ix_(places, places)])
        few = some.select(ids=some.sequence_ids[:2])
        np.testing.assert_array_equal(few.entries, some.entries[:2])


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"entries": np.zeros((N, 5), np.int64)}, r"entries must be int64 of shape \(60, 6\)"),
        ({"entries": -np.ones((N, 6), np.int64)}, "entries must lie in 0"),
        ({"entries": np.tile([3, 2, 0, 1, 0, 5], (N, 1))}, "either role, got more for sequence 0"),
        ({"invisible": np.zeros((N, 3, 4), bool)}, "invisible must be bool"),
        (
            {"entries": np.full((N, 6), 2), "overlap": np.full((3, 3), 2)},
            "overlap must be the sum of entries",
        ),
        (
            {"invisible": np.ones((N, 3, 2), bool), "hidden": np.zeros((3, 2), np.int64)},
            "hidden must be the sum of invisible",
        ),
    ],
)
def test_counts_that_do_not_fit_are_refused(changed, sentence):
    with pytest.raises(InputError, match=sentence):
        replace(scores_of(), **changed)


def test_sums_over_the_corpus_are_known_of_roles_but_not_of_sequences():
    whole = replace(scores_of(), **sums_of(), counts={"truncated": 3})
    found = whole.select(roles="obj,local")
    np.testing.assert_array_equal(found.overlap, [[3, 1], [1, 1]])
    np.testing.assert_array_equal(found.hidden, [[4, 5], [0, 1]])
    np.testing.assert_array_equal(found.position_sums, whole.position_sums[:, [2, 0]])
    assert found.counts == {"truncated": 3}
    part = whole.select(where=np.arange(N) > 0, roles="obj,local")
    assert [getattr(part, name) for name in SUMS] == [None] * 3
    assert part.counts == {}
    assert whole.select(where=np.ones(N, bool), roles=ROLES) is whole


def test_conditions_are_met_together():
    scores = scores_of()
    assert len(scores) == scores.n_sequences == N
    assert scores.select(ids=["s9", "s3"]).sequence_ids == ("s3", "s9")
    assert scores.select(ids="s3").sequence_ids == ("s3",)
    assert scores.select(documents="d1").sequence_ids == ("s4", "s5", "s6", "s7")
    long = scores.select(where=scores.lengths > 20)
    assert (long.lengths > 20).all()
    assert len(long) == (scores.lengths > 20).sum()
    found = scores.select(
        where=lambda name: name.endswith("5"), documents=["d1", "d3"], ids=(f"s{n}" for n in "1567")
    )
    assert found.sequence_ids == ("s5",)
    by_series = scores.select(where=pd.Series(scores.lengths, index=range(100, 100 + N)) > 20)
    assert by_series.sequence_ids == long.sequence_ids


def test_the_signature_says_what_was_selected():
    scores = scores_of()
    part = scores.select(where=lambda name: name in ("s3", "s9"), roles=["obj"])
    assert part.facts["roles"] == "obj"
    assert part.facts["selected"].startswith("2 sequences@")
    again = scores.select(documents=["d0", "d2"]).select(ids=["s3", "s9"], roles="obj")
    assert again.signature == part.signature
    assert scores.select(ids="s3").facts["selected"].startswith("1 sequence@")
    assert "selected" not in scores.select(roles="obj").facts
    assert hs.test(scores, where=lambda name: name > "s3").facts["selected"]


def test_a_selection_is_saved_and_loaded(tmp_path):
    whole = matched_scores()
    part = whole.select(where=np.arange(60) % 2 == 1, roles="obj,nsubj")
    part.save(tmp_path / "part.hs")
    loaded = hs.load(tmp_path / "part.hs")
    assert_same(loaded, part)
    assert loaded.signature == part.signature


def test_only_the_roles_that_are_asked_for_are_adjusted_for():
    scores = scores_of()
    whole, alone = hs.test(scores).table, hs.test(scores, roles="nsubj").table
    rows = whole[whole["role"] == "nsubj"].reset_index(drop=True)
    pd.testing.assert_series_equal(rows["pvalue"], alone["pvalue"])
    unadjusted = alone["pvalue_adj"] < rows["pvalue_adj"]
    assert unadjusted[(rows["pvalue_adj"] < 1) & (alone["pvalue"] > 0)].all()
    assert unadjusted.any()


def test_cluster_ids_are_those_of_the_whole():
    scores, ids = scores_of(), [n % 12 for n in range(N)]
    chosen = np.arange(N) % 5 > 0
    found = hs.test(scores, where=chosen, clusters=iter(ids))
    kept = [each for each, is_in in zip(ids, chosen, strict=True) if is_in]
    wanted = hs.test(scores.select(where=chosen), clusters=kept)
    assert_frame_equal(found.table, wanted.table)
    assert found.facts == wanted.facts
    with pytest.raises(InputError, match="one id for each of 60 sequences, got 48"):
        hs.test(scores, where=chosen, clusters=kept)


@pytest.mark.parametrize(
    ("asked", "error", "sentence"),
    [
        ({"where": [True]}, UsageError, "each of 60 sequences, .* got 1 values"),
        ({"where": [1] * N}, UsageError, "must be True or False .* got 1 for 's0'"),
        ({"where": lambda name: name == "s1" or None}, UsageError, "got None for 's0'"),
        ({"where": {"s0": True}}, UsageError, "must be True or False .* got {'s0': True}"),
        ({"where": 3}, UsageError, "must be True or False"),
        ({"where": lambda name: name}, UsageError, "must be True or False"),
        ({"where": lambda _: False}, InputError, "where must choose at least one sequence"),
        ({"ids": "s3", "documents": "d5"}, InputError, "ids and documents must choose"),
        ({"ids": ["s3", "x"]}, UsageError, "ids must be of the scores, got 'x'"),
        ({"ids": 3}, UsageError, "ids must be a list of texts, got 3"),
        ({"ids": [["s3"]]}, UsageError, r"ids must be of the scores, got \['s3'\]"),
        ({"ids": "?"}, UsageError, "got '\\?'; they are such as: 's0', 's1', 's10'"),
        ({"documents": [None]}, UsageError, "documents must be of the scores, got None"),
        ({"documents": ["d99"]}, UsageError, "got 'd99'; nearest: 'd9'"),
        ({"roles": "nsbj"}, UsageError, "roles must be of the scores, got 'nsbj'; nearest: 'nsubj"),
        ({"roles": ["obj", "obj"]}, UsageError, "must differ from one another, got 'obj' twice"),
        ({"roles": []}, UsageError, "at least one role, got none"),
        ({"roles": 3}, UsageError, "must be a text or a Role, got int"),
    ],
)
def test_a_wrong_condition_raises(asked, error, sentence):
    with pytest.raises(error, match=sentence):
        scores_of().select(**asked)


def test_documents_are_chosen_only_where_they_are_known():
    with pytest.raises(InputError, match="scores with documents only"):
        replace(scores_of(), documents=None).select(documents="d1")
    some = replace(scores_of(), documents=("a", *[None] * (N - 1)))
    assert some.select(documents="a").sequence_ids == ("s0",)
    assert some.select(where=np.arange(N) > 0).documents is None


def test_a_role_may_get_another_name():
    whole = scores_of()
    found = whole.select(roles={"head": "obj", "nsubj": "local"})
    assert found.roles == ("head", "nsubj")
    assert found.facts["roles"] == "head,nsubj"
    np.testing.assert_array_equal(found.values, whole.values[:, [2, 0]])
    assert whole.select(roles={role: role for role in ROLES}) is whole
    near, far = (whole.select(roles={"pair": role}) for role in ("nsubj", "obj"))
    change = hs.compare(near, far).table
    assert change["role"].unique().tolist() == ["pair"]
    with pytest.raises(UsageError, match="got 'nsbj'; nearest: 'nsubj'"):
        whole.select(roles={"pair": "nsbj"})
    with pytest.raises(UsageError, match=r"names of roles must be texts .* got 3"):
        whole.select(roles={3: "obj"})


def test_roles_may_have_any_name():
    scores = hs.HeadScores.from_arrays(np.ones((9, 2, 1, 1)), ["a,b", "Local 2"])
    assert scores.select(roles="a,b").roles == ("a,b",)
    assert scores.select(roles=["Local 2"]).roles == ("Local 2",)


def test_the_frame_has_a_row_for_each_score():
    scores = scores_of()
    frame = scores.to_frame()
    assert list(frame) == ["id", "document", "role", "layer", "head", "score"]
    there = np.argwhere(~np.isnan(scores.values))
    assert len(frame) == len(there)
    for number in (0, 17, len(there) - 1):
        s, r, layer, head = there[number]
        row = frame.iloc[number]
        assert (row["id"], row["document"]) == (f"s{s}", f"d{s // 4}")
        assert (row["role"], row["layer"], row["head"]) == (ROLES[r], layer, head)
        assert row["score"] == scores.values[s, r, layer, head]
    means = frame.groupby(["role", "layer", "head"], observed=True)["score"].mean()
    table = hs.test(scores).table.set_index(["role", "layer", "head"])["mean"].dropna()
    np.testing.assert_allclose(means.loc[table.index], table, rtol=1e-5)


def test_the_frame_of_scores_without_documents_has_none():
    scores = replace(scores_of(), documents=None)
    assert scores.to_frame()["document"].isna().all()
