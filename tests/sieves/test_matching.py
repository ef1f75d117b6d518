"""The matched control: sampled entries and summed rows, against loops over every entry."""

import numpy as np
import pytest
from helpers.batches import random_batch
from helpers.matching import (
    check_sample,
    free_of,
    labelled,
    named_rows,
    sampled,
    wanted_rows,
)
from scores.test_attentions import attention_of

import headscore as hs
from headscore.encoding.encoded import Encoded
from headscore.errors import InputError, UsageError
from headscore.roles.specs import parse_roles
from headscore.sieves import sampling
from headscore.sieves.sampling import CONTROLS, with_controls
from headscore.sieves.strata import band_of, label_hashes, mix, stratum_of, text_hash

ROLES = ("local", "nsubj", "obj", "amod@both", "advmod@head2dep", "syntactic")
PAIRED = ROLES[1:]
VISIBILITIES = [(False, None), (True, None), (False, 3), (True, 3)]


def controlled(encoded, roles=ROLES, columns=("upos",)):
    return with_controls(encoded, parse_roles(roles), columns)


@pytest.mark.parametrize("most", [1, 2, CONTROLS])
@pytest.mark.parametrize("words", [False, True])
@pytest.mark.parametrize("seed", [0, 1])
def test_the_sample_is_what_the_loops_allow(monkeypatch, seed, words, most):
    monkeypatch.setattr(sampling, "CONTROLS", most)
    batch = random_batch(seed, lengths=[23, 24, 25, 3, 24, 30])
    encoded, upos, word = labelled(batch, seed, labels=("NOUN", "NOUN", ""), words=words)
    found = sampled(controlled(encoded))
    wanted, free = check_sample(batch, PAIRED, upos, word, found, most)
    assert wanted
    assert 0 < len(found) < len(free)


@pytest.mark.parametrize("visibility", VISIBILITIES)
@pytest.mark.parametrize("seed", [0, 2])
def test_rows_agree_with_the_loops(seed, visibility):
    causal, window = visibility
    batch = random_batch(seed, lengths=[23, 24, 16, 24, 21, 22, 9, 12, 10, 13, 11, 8])
    encoded, upos, word = labelled(batch, seed, labels=("NOUN", "DET", "DET", ""))
    attentions = attention_of(batch, layers=2, heads=3, causal=causal)
    if window is not None:
        gap = np.subtract.outer(*[np.arange(batch.shape[1])] * 2)
        for layer in attentions:
            layer[..., np.abs(gap) > window - causal] = 0
            layer /= np.maximum(layer.sum(axis=-1, keepdims=True), 1e-9)  # padding: 0
    scores = hs.score_attentions(
        attentions, encoded, ROLES, causal=causal, window=window, control="offset,upos"
    )
    controls = sampled(controlled(encoded))
    assert controls
    roles = ["none", *PAIRED]  # local lists no pairs
    for layer, attention in enumerate(attentions):
        want = wanted_rows(batch, roles, upos, word, controls, attention, causal, window)
        got = named_rows(scores, batch, encoded, upos, word, layer)
        assert got.keys() == want.keys()
        for key, (weight, sums) in want.items():
            np.testing.assert_allclose(got[key][0], weight, rtol=1e-6)
            np.testing.assert_allclose(got[key][1], sums, rtol=2e-5, atol=1e-7)
    assert {role for _, role, _ in got} == {-1, 1, 2, 3, 4, 5}
    assert len({weight for weight, _ in want.values()}) > 2  # words of several pieces


@pytest.mark.parametrize("causal", [False, True])
def test_the_control_changes_no_other_bit(causal):
    batch = random_batch(3, batch=6, tokens=30)
    encoded = labelled(batch, 3)[0]
    attentions = attention_of(batch, layers=2, heads=2, causal=causal)
    plain, more = (
        hs.score_attentions(attentions, encoded, ROLES, causal=causal, control=control)
        for control in ("offset", "offset,upos")
    )
    for name in ("values", "attainable", "excess", "position_sums", "overlap", "hidden"):
        assert getattr(plain, name).tobytes() == getattr(more, name).tobytes()
    assert plain.matched is None
    assert "control" not in plain.facts
    assert more.facts["control"] == "offset,upos"


def test_missing_layers_and_heads_are_nan():
    batch = random_batch(4, batch=4, tokens=20)
    encoded = labelled(batch, 4)[0]
    two, one = attention_of(batch, layers=2, heads=2)
    scores = hs.score_attentions(
        [two, None, one[:, :1]], encoded, ROLES, causal=False, control="offset,upos"
    )
    missing = np.isnan(scores.matched).all(axis=0)
    assert missing.tolist() == [[False, False], [True, True], [False, True]]
    assert not np.isnan(scores.matched[:, ~missing]).any()
    assert (scores.matched_weight[:, 1] == 0).all()


def test_rows_of_other_controls_are_other_strata():
    batch = random_batch(5, lengths=[24] * 6)
    rng = np.random.default_rng(5)
    columns = {
        "upos": np.full(batch.shape, "NOUN"),
        "number": rng.choice(["1", "2"], batch.shape),
    }
    encoded = Encoded.from_arrays(
        np.ones(batch.shape, int),
        batch.lengths,
        batch.special,
        batch.segments,
        batch.pairs,
        columns,
    )
    attentions = attention_of(batch, layers=1, heads=1)
    one, both = (
        hs.score_attentions(attentions, encoded, ROLES, causal=False, control=control)
        for control in ("offset,upos", "offset,upos,number")
    )
    strata = [set(scores.matched_stratum[scores.matched_role >= 0]) for scores in (one, both)]
    assert len(strata[1]) > len(strata[0])
    assert not (strata[0] - {0}) & strata[1]


@pytest.mark.parametrize("seed", [0, 2])
def test_other_roles_of_the_parse_free_no_entry_and_hold_none(seed):
    batch = random_batch(seed, lengths=[24] * 6)
    encoded, upos, word = labelled(batch, seed, labels=("DET", ""))
    few = set(sampled(controlled(encoded, ("nsubj",))))
    many = set(sampled(controlled(encoded, ("nsubj", "obj", "det"))))
    assert few
    assert few != many
    assert few | many <= set(free_of(batch, ("nsubj",), upos, word))


@pytest.mark.parametrize("most", [1, 4, 600])
def test_controls_that_the_hashes_rule_out_need_no_sort(monkeypatch, most):
    monkeypatch.setattr(sampling, "CONTROLS", most)
    batch = random_batch(9, lengths=[300, 280, 290])
    encoded = labelled(batch, 9, labels=("NOUN",))[0]
    low, shares = sampling._low, []

    def noted(*given):
        shares.append(low(*given).mean() if len(given[0]) else 1)
        return low(*given)

    monkeypatch.setattr(sampling, "_low", noted)
    found = sampled(controlled(encoded))
    monkeypatch.setattr(sampling, "_low", lambda drawn, *_: np.ones(len(drawn), bool))
    assert sampled(controlled(encoded)) == found
    assert (min(shares) < 0.5) == (most < 600)


def test_hashes_that_happen_to_be_high_are_all_sorted():
    drawn = np.array([2**64 - 1] * 100 + [5] * 100, np.uint64)
    which, here = np.repeat([0, 1], 100), np.zeros(200, bool)
    low = sampling._low(drawn, which, np.array([4, 4]), here)
    assert low.all()
    here[:4] = True  # enough without any other
    assert (
        sampling._low(drawn, which, np.array([4, 4]), here).tolist() == [False] * 100 + [True] * 100
    )


def test_the_sample_does_not_depend_on_the_order_of_sequences():
    batch = random_batch(7, batch=8, tokens=24)
    encoded = labelled(batch, 7)[0]
    order = np.random.default_rng(7).permutation(8)
    moved = controlled(encoded.take(order))
    assert sampled(controlled(encoded).take(order)) == sampled(moved)


def test_texts_without_an_arc_or_word_pair_supply_nothing():
    pairs = {"nsubj": [[([0], [2])], []]}
    encoded = Encoded.from_arrays(
        np.ones((2, 9), int), pairs=pairs, columns={"upos": np.full((2, 9), "X")}
    )
    assert {s for s, _, _ in sampled(controlled(encoded, ("nsubj",)))} == {0}


def test_a_batch_without_any_entry_to_compare_has_no_rows():
    encoded = Encoded.from_arrays(
        np.ones((1, 9), int), pairs={"nsubj": [[]]}, columns={"upos": np.full((1, 9), "X")}
    )
    attention = np.full((1, 1, 9, 9), 1 / 9, np.float32)
    scores = hs.score_attentions([attention], encoded, "nsubj,local", control="offset,upos")
    assert not scores.matched.size
    assert np.isfinite(scores.values[:, 1]).all()


def test_listed_pairs_without_a_parse_are_compared():
    role = hs.roles.from_pairs("listed", {"0": [([1], [4])], "1": [([6], [3])]})
    encoded = Encoded.from_arrays(np.ones((2, 9), int), columns={"upos": np.full((2, 9), "X")})
    found = sampled(controlled(encoded, (role,)))
    assert len(found) == 2 * CONTROLS
    assert {j - i for _, i, j in found} == {3, -3}
    assert not {(0, 1, 4), (0, 4, 1), (1, 6, 3), (1, 3, 6)} & set(found)


def test_dropping_special_tokens_moves_the_controls():
    batch = random_batch(8, batch=5, tokens=24)
    encoded = labelled(batch, 8)[0]
    whole = controlled(encoded)
    kept = whole.without_special()
    place = np.cumsum(~batch.special, axis=1) - 1
    want = [(s, int(place[s, i]), int(place[s, j])) for s, i, j in sampled(whole)]
    assert sampled(kept) == want
    assert want
    labels = label_hashes(kept, ("upos",))
    assert (labels[kept.offsets[0] :] == label_hashes(whole, ("upos",))[~whole.special]).all()


def test_a_control_without_such_a_column_raises():
    batch = random_batch(0, lengths=[20] * 4)
    encoded = labelled(batch, 0)[0]
    for control, got in (("offset,upos,xpos", "xpos"), ("offset,word", "word")):
        with pytest.raises(InputError, match=f"whose columns are upos, got '{got}'"):
            hs.score_attentions(
                attention_of(batch, 1, 1), encoded, PAIRED, causal=False, control=control
            )
    with pytest.raises(InputError, match="whose columns are none, got 'upos'"):
        controlled(batch.encoded())
    assert sampled(controlled(batch.encoded(), ("local",))) == []


@pytest.mark.parametrize("control", ["upos", "offset,", "offset,a b", "offset,upos,upos", None, 3])
def test_other_controls_raise(control):
    with pytest.raises(UsageError, match="control must be offset, or offset and names of columns"):
        hs.score_attentions([], None, "nsubj", control=control)


def test_a_batch_with_a_source_raises():
    encoded = Encoded.from_arrays(
        np.ones((1, 3), int), source=Encoded.from_arrays(np.ones((1, 3), int))
    )
    with pytest.raises(UsageError, match="must be 'offset' for a batch with a source"):
        hs.score_attentions([np.ones((1, 1, 3, 3)) / 3], encoded, "sink", control="offset,upos")


def test_hashes_are_the_same_in_every_run():
    # Computed once with this code; another value would not merge with rows that files hold.
    assert text_hash("NOUN") == HASHES[0]
    assert mix(np.array([1]), np.array([2])).tolist() == [HASHES[1]]
    assert mix(np.array([2]), np.array([1])).tolist() != [HASHES[1]]
    noun, verb = (np.array([text_hash(name)], np.uint64) for name in ("NOUN", "VERB"))
    place = np.array([-3]), np.array([30]), np.array([5])
    assert stratum_of(place[0], noun, verb, *place[1:]).tolist() == [HASHES[2]]
    assert stratum_of(place[0], noun, noun * 0, *place[1:]).tolist() == [0]


HASHES = (2670796518821385503, 18112911516470036441, 16085942571109792964)


def test_bands_are_halves_of_doublings():
    counts = np.arange(1, 5000)
    bands = band_of(counts)
    # 2**b <= n**2 < 2**(b + 1), in whole numbers.
    assert all(
        2**b <= n * n < 2 ** (b + 1) for n, b in zip(counts.tolist(), bands.tolist(), strict=True)
    )
