"""Co-location: its columns, its exact p-value, nested roles, and the overlap of the sieves."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from helpers.batches import ROLES, random_batch
from helpers.planning import overlap_of, visible_range
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.contingency_tables import Table2x2

import headscore as hs
from headscore.backends.contract import Visibility
from headscore.options import RunOptions
from headscore.roles.role import EVERYWHERE
from headscore.roles.specs import parse_roles
from headscore.scores.batches import run_batches
from headscore.scores.by_sequence import with_sums
from headscore.statistics.adjust import adjust
from headscore.statistics.colocation import COLUMNS, colocation, exact_pvalue
from headscore.statistics.nested import nested

# Two layers of four heads; a has 3 heads, b has 4, they share 2.
A = np.array([[1, 1, 0, 0], [0, 0, 1, 0]], bool)
B = np.array([[0, 1, 1, 0], [1, 0, 1, 0]], bool)
NOBODY, EVERYBODY = np.zeros_like(A), np.ones_like(A)


def rows(*labels, names="abcdefgh", overlap=None):
    table = colocation(np.stack(labels), list(names)[: len(labels)], overlap=overlap)
    return table.set_index(["a", "b"])


def test_columns_of_two_roles_by_hand():
    row = rows(A, B).loc[("a", "b")]
    assert (row["heads_a"], row["heads_b"], row["both"]) == (3, 4, 2)
    assert row["share_of_a"] == pytest.approx(2 / 3)
    assert row["share_of_b"] == 0.5
    assert row["jaccard"] == 2 / 5
    assert row["expected"] == 2 * 2 / 4 + 1 * 2 / 4
    assert row["odds_ratio"] == pytest.approx(Table2x2([[2.5, 1.5], [2.5, 3.5]]).oddsratio)
    assert np.isnan(row["overlap"])
    assert (*row.index,) == COLUMNS[2:]


def chance(a, b):
    """Every way to shuffle b's labels within each layer: how many heads it shares with a."""
    layers = [set(itertools.permutations(layer)) for layer in b.tolist()]
    return np.array([(a & np.array(way)).sum() for way in itertools.product(*layers)])


@given(st.integers(0, 10**6))
def test_p_values_agree_with_every_permutation(seed):
    rng = np.random.default_rng(seed)
    a, b = rng.random((2, 3, 4)) < rng.random((2, 3, 1))
    row = rows(a, b).loc[("b", "a")]
    if not (a.any() and b.any()):
        assert np.isnan(row["pvalue"])
        return
    shared = chance(a, b)
    assert row["expected"] == pytest.approx(shared.mean())
    assert row["pvalue"] == pytest.approx((shared >= (a & b).sum()).mean(), rel=1e-12)


# R 4.2.2: mantelhaen.test(tables, exact = TRUE, alternative = "greater")$p.value, where tables is
# array(rbind(both, a - both, b - both, h - a - b + both), c(2, 2, length(h))): heads of each layer
# with both roles, with a, with b, and all. The last one is the example of its help, Rabbits.
BY_R = [
    ([1, 1], [2, 1], [2, 2], [4, 4], 0.5),
    ([2, 0, 3], [3, 2, 4], [4, 3, 5], [12, 12, 12], 0.142574505384423),
    ([5, 4, 3], [5, 6, 3], [6, 5, 4], [12, 8, 16], 0.000226113172541744),
    ([6, 0, 9, 12], [7, 1, 9, 12], [7, 3, 10, 13], [16] * 4, 5.0188147735132e-07),
    ([8] * 6, [9] * 6, [9] * 6, [64] * 6, 4.61975016341927e-46),
    ([0, 0, 1], [4, 5, 6], [3, 3, 3], [12, 12, 12], 0.996318557475582),
    ([0, 3, 6, 5, 2], [0, 3, 8, 11, 7], [6, 6, 6, 6, 2], [11, 12, 12, 12, 7], 0.0199724517906336),
]


@pytest.mark.parametrize(("both", "a", "b", "heads", "pvalue"), BY_R)
def test_p_values_agree_with_r(both, a, b, heads, pvalue):
    a, b, heads = map(np.array, (a, b, heads))
    ours = exact_pvalue(a, b, heads, sum(both))
    assert ours == pytest.approx(pvalue, rel=1e-12)
    assert exact_pvalue(b, a, heads, sum(both)) == pytest.approx(ours, rel=1e-12)


def test_one_layer_is_fishers_exact_test():
    ours = exact_pvalue(np.array([5]), np.array([7]), np.array([16]), 4)
    fisher = stats.fisher_exact([[4, 1], [3, 8]], alternative="greater").pvalue
    assert ours == pytest.approx(fisher, rel=1e-12)


def test_layers_without_a_role_or_without_heads_change_nothing():
    a, b, heads = np.array([2, 0, 3, 0]), np.array([2, 3, 0, 0]), np.array([4, 4, 4, 0])
    assert exact_pvalue(a, b, heads, 1) == exact_pvalue(a[:1], b[:1], heads[:1], 1)
    assert exact_pvalue(a, b, heads, 1) == pytest.approx(5 / 6, rel=1e-12)
    assert exact_pvalue(a[1:], b[1:], heads[1:], 0) == 1


def test_p_values_of_large_models_have_no_floor():
    labels = np.zeros((2, 24, 64), bool)
    labels[:, :, :6] = True
    assert 0 < rows(*labels).loc[("a", "b"), "pvalue"] < 1e-180


def test_both_orders_of_two_roles_agree():
    table = rows(A, B, EVERYBODY)
    for one, other in (("a", "b"), ("a", "c"), ("b", "c")):
        forward, backward = table.loc[(one, other)], table.loc[(other, one)]
        same = ["both", "jaccard", "expected", "odds_ratio", "pvalue", "pvalue_adj"]
        assert forward[same].tolist() == backward[same].tolist()
        assert forward["share_of_a"] == backward["share_of_b"]
        assert forward["heads_a"] == backward["heads_b"]


def test_roles_of_no_head_are_nan_and_of_every_head_have_p_one():
    table = rows(A, NOBODY, EVERYBODY)
    nobody, everybody = table.loc[("a", "b")], table.loc[("a", "c")]
    assert nobody[["share_of_b", "pvalue", "pvalue_adj"]].isna().all()
    assert (nobody["share_of_a"], nobody["jaccard"], nobody["expected"]) == (0, 0, 0)
    assert (everybody["share_of_a"], everybody["expected"], everybody["pvalue"]) == (1, 3, 1)
    assert everybody["pvalue_adj"] == 1  # the pairs of b have no p-value and do not count


def test_p_values_are_adjusted_over_the_pairs_tested():
    rng = np.random.default_rng(0)
    labels = [*(rng.random((4, 12, 12)) < 0.3), np.zeros((12, 12), bool)]
    names = ["syntactic", "nsubj", "local", "sink", "nobody"]
    table = rows(*labels, names=names)
    tested = [
        ("syntactic", "local"),
        ("syntactic", "sink"),
        ("nsubj", "local"),
        ("nsubj", "sink"),
        ("local", "sink"),
    ]
    expected = adjust(table.loc[tested, "pvalue"].to_numpy(), "holm")
    assert table.loc[tested, "pvalue_adj"].tolist() == expected.tolist()
    assert table["pvalue_adj"].notna().sum() == 2 * len(tested)


def middle(rng, *, inside, outside):
    """Labels of two roles, drawn independently, that crowd layers 4..7 of 12 with 12 heads."""
    chance = np.where((np.arange(12) >= 4) & (np.arange(12) < 8), inside, outside)
    return rng.random((2, 12, 12)) < chance[:, None]


def test_roles_in_the_same_layers_do_not_colocate_by_chance():
    rng = np.random.default_rng(0)
    ours, fisher = [], []
    for _ in range(600):
        row = rows(*middle(rng, inside=0.7, outside=0.02)).iloc[0]
        ours.append(row["pvalue"])
        fisher.append(stats.hypergeom.sf(row["both"] - 1, 144, row["heads_a"], row["heads_b"]))
    ours, fisher = np.array(ours), np.array(fisher)
    assert (fisher <= 0.05).mean() > 0.97
    # True rate 0.02 to 0.03: below 0.05 as the number of shared heads is a whole number.
    assert 0.005 < (ours <= 0.05).mean() < 0.05
    assert 0.05 < (ours <= 0.2).mean() < 0.2 + 3 * np.sqrt(0.16 / 600)


def test_roles_that_share_heads_have_small_p_values():
    rng = np.random.default_rng(1)
    found = 0
    for _ in range(50):
        a, noise = middle(rng, inside=0.5, outside=0.05)
        b = np.where(rng.random(a.shape) < 0.7, a, noise)
        found += rows(a, b)["pvalue"].iloc[0]
    assert found / 50 < 0.02  # mean p


# --- nested roles


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ("syntactic", "nsubj", True),
        ("advmod", "syntactic", True),
        ("syntactic@dep2head", "obj", True),  # the direction of a name without one
        ("syntactic@both", "amod@both", True),
        ("syntactic@both", "amod", False),
        ("syntactic", "det", False),
        ("nsubj", "obj", False),
        ("delimiter", "delimiter_sep", True),
        ("delimiter", "delimiter_cls", True),
        ("delimiter_cls", "delimiter_sep", False),
        ("syntactic", "delimiter_sep", False),
        ("local", "syntactic", False),
    ],
)
def test_unions_and_their_parts_are_nested_by_name(a, b, expected):
    assert nested([a, b]).tolist() == [[False, expected], [expected, False]]
    apart = np.array([[9, 4], [4, 7]])
    assert nested([a, b], apart).tolist() == [[False, expected], [expected, False]]


@given(st.integers(0, 10**6))
def test_roles_are_nested_where_one_has_every_entry_of_the_other(seed):
    rng = np.random.default_rng(seed)
    entries = rng.random((5, 6)) < rng.random((5, 1))
    sets = [set(np.flatnonzero(row)) for row in entries]
    overlap = np.array([[len(one & other) for other in sets] for one in sets])
    found = nested(list("abcde"), overlap)
    for a, b in itertools.product(range(5), repeat=2):
        smaller, larger = sorted((sets[a], sets[b]), key=len)
        assert found[a, b] == (a != b and len(smaller) > 0 and smaller <= larger)


def test_nested_roles_have_counts_but_no_p_value():
    table = rows(A, B, EVERYBODY, overlap=np.array([[5, 5, 1], [5, 8, 0], [1, 0, 4]]))
    plain = rows(A, B, EVERYBODY)
    assert table["nested"].to_dict() == {pair: "c" not in pair for pair in table.index}
    assert table["nested"].dtype == bool
    assert table.loc[("a", "b"), ["pvalue", "pvalue_adj"]].isna().all()
    counts = ["heads_a", "heads_b", "both", "jaccard", "expected", "odds_ratio"]
    assert table[counts].equals(plain[counts])
    assert table.loc[("a", "c"), "pvalue"] == plain.loc[("a", "c"), "pvalue"]


# --- overlap of the sieves


def drawn_sieves(roles, encoded, visibility):
    """Bool (role, sequence, T, T): the visible entries of each role's sieve, one by one."""
    key = np.arange(encoded.tokens)
    begin, end = visible_range(encoded.lengths, encoded.tokens, visibility)
    visible = (key >= begin[..., None]) & (key < end[..., None])
    drawn = np.zeros((len(roles), *visible.shape), bool)
    for number, role in enumerate(roles):
        sieve = role.sieve(encoded)
        if isinstance(sieve, hs.Labels):
            query = sieve.query[:, :, None]
            offset = key[None, :] - key[:, None]
            near = (offset >= role.band[0]) & (offset <= role.band[1])
            drawn[number] = (query == sieve.key[:, None, :]) & (query >= 0) & near
        else:
            drawn[number][sieve.sequence, sieve.query, sieve.key] = True
    return drawn & visible


@given(
    seed=st.integers(0, 10**6),
    visibility=st.sampled_from(
        [Visibility(), Visibility(True), Visibility(True, 3), Visibility(False, 2)]
    ),
)
def test_overlap_counts_every_shared_entry(seed, visibility):
    batch = random_batch(seed)
    roles = list(parse_roles(ROLES))
    np.random.default_rng(seed).shuffle(roles)
    drawn = drawn_sieves(roles, batch.encoded(), visibility)
    expected = np.einsum("absij,cbsij->ac", *[drawn[:, None].astype(np.int64)] * 2)
    np.testing.assert_array_equal(overlap_of(roles, batch.encoded(), visibility), expected)


def test_overlap_by_hand():
    # Five tokens, amod from 3 to 4, and from 0 to 4; local is j - i in -1..1.
    encoded = hs.Encoded.from_arrays(
        np.ones((1, 5), int), pairs={"amod": [[([3], [4]), ([0], [4])]]}
    )
    roles = "local:1,amod,offset:1"
    assert overlap_of(roles, encoded).tolist() == [[13, 1, 4], [1, 2, 1], [4, 1, 4]]
    assert overlap_of(roles, encoded, Visibility(causal=True)).tolist() == [
        [9, 0, 0],
        [0] * 3,
        [0] * 3,
    ]


def test_overlap_of_large_labels_counts_every_shared_entry():
    batch = random_batch(3, batch=3, tokens=20)
    big = 2**31 - 1

    def far_apart(encoded):
        label = np.where(encoded.real, big - np.arange(encoded.tokens) % 3, -1)
        return hs.Labels(label, label)

    roles = [hs.Role("x", far_apart), hs.Role("y", far_apart, band=(-4, 4)), *parse_roles("local")]
    drawn = drawn_sieves(roles, batch.encoded(), Visibility())
    expected = np.einsum("absij,cbsij->ac", *[drawn[:, None].astype(np.int64)] * 2)
    np.testing.assert_array_equal(overlap_of(roles, batch.encoded()), expected)
    assert roles[0].band == EVERYWHERE


def test_scores_of_attention_save_the_overlap(tmp_path):
    batch = random_batch(5, lengths=[8, 8])
    attention = np.full((2, 3, 8, 8), 1.0, np.float32)
    attention /= attention.sum(-1, keepdims=True)
    scores = hs.score_attentions([attention, attention], batch.encoded(), "local,delimiter,nsubj")
    once = overlap_of("local,delimiter,nsubj", batch.encoded())
    np.testing.assert_array_equal(scores.overlap, 2 * once)
    scores.save(tmp_path / "s.hs")
    loaded = hs.load(tmp_path / "s.hs")
    np.testing.assert_array_equal(loaded.overlap, scores.overlap)
    assert loaded.overlap.dtype == np.int64
    replace(scores, overlap=None).save(tmp_path / "s.hs")
    assert hs.load(tmp_path / "s.hs").overlap is None


@pytest.mark.model
def test_overlap_of_a_run_does_not_depend_on_its_batches(minilm, demo_sequences):
    from headscore.encoding.encode import encode

    encoded = encode(iter(demo_sequences[:30]), minilm.tokenizer, max_length=512)
    roles = parse_roles("local,amod,syntactic,delimiter")
    found = run_batches(minilm, encoded, roles)
    whole = with_sums(found.entries, None, len(roles))["overlap"]
    np.testing.assert_array_equal(whole, minilm.layers * overlap_of(roles, encoded))
    np.testing.assert_array_equal(
        run_batches(minilm, encoded, roles, RunOptions(batch_tokens=40)).entries, found.entries
    )
    assert (whole[1] <= whole[2]).all()  # amod is part of syntactic


@pytest.mark.model
@pytest.mark.shared
def test_overlap_of_english_adjectives_with_local(minilm, shared):
    from headscore.corpus import read
    from headscore.encoding.encode import encode

    sequences = list(read(shared / "data" / "ud" / "en_ewt-ud-dev.conllu"))
    pairs = [
        abs(head - word)
        for sequence in sequences
        for word, (head, relation) in enumerate(
            zip(sequence.segments[0].heads, sequence.segments[0].relations, strict=True)
        )
        if relation == "amod"
    ]
    assert np.mean(np.array(pairs) <= 2) == pytest.approx(0.9118, abs=5e-5)  # words
    encoded = encode(iter(sequences), minilm.tokenizer, max_length=512)
    counts = overlap_of("local,amod", encoded)
    assert counts[1, 0] / counts[1, 1] == pytest.approx(0.8216, abs=5e-5)  # pieces of words
