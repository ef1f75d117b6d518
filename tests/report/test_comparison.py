"""Comparison: paired tests, outcomes, several checkpoints, files, and invalid input."""

import re
from dataclasses import replace

import numpy as np
import pytest
from helpers.cells import compare, reordered
from hypothesis import given
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests

import headscore as hs
from headscore import files
from headscore.errors import InputError, UsageError
from headscore.options import CompareOptions
from headscore.report.change_table import ChangeTable
from headscore.report.comparison import Comparison
from headscore.statistics.change import COLUMNS

ROLES = ("local", "nsubj", "block")
IDS = tuple(f"s{n}" for n in (7, 3, 11, 0, 5, *range(20, 75)))
SHAPE = (len(IDS), 3, 2, 4)
# (role, layer, head): before, after; all other cells lie around 2 on both sides.
MEANS = {
    (0, 0, 1): (5.0, 2.0),  # lost
    (0, 1, 3): (5.0, 5.5),  # kept, and changed
    (1, 0, 2): (2.0, 4.0),  # gained
    (1, 1, 0): (2.0, 5.0),  # gained, by more
    (1, 1, 1): (2.2, 2.6),  # absent, and changed
}


def made(side, seed=0, shift=0.0, **parts):
    """Scores of one side: differences are less noisy than scores, as sequences differ."""
    sequence = np.random.default_rng(100).normal(0, 0.3, SHAPE)
    noise = np.random.default_rng([seed, side]).normal(0, 0.2, SHAPE)
    values = 2 + sequence + noise + shift
    for cell, means in MEANS.items():
        values[(slice(None), *cell)] += means[side] - 2
    values[::4, 1] = np.nan
    scores = hs.HeadScores.from_arrays(values, ROLES, sequence_ids=IDS)
    facts = {"headscore": "1", "model": ("base", "tuned")[side], "corpus": "abc"}
    tokens = np.arange(len(IDS), dtype=np.uint64)
    return replace(scores, **{"facts": facts, "tokens": tokens, **parts})


@pytest.fixture(scope="module")
def sides():
    return made(0), made(1)


@pytest.fixture(scope="module")
def change(sides):
    return hs.compare(*sides)


def cell(comparison, role, layer, head):
    return comparison.table.set_index(["role", "layer", "head"]).loc[(role, layer, head)]


def test_columns_and_order_of_rows(change):
    assert list(change.table) == list(COLUMNS.dtypes)
    expected = [(role, layer, head) for role in ROLES for layer in range(2) for head in range(4)]
    table = change.table
    assert list(zip(table["role"], table["layer"], table["head"], strict=True)) == expected


@pytest.mark.parametrize("alpha", [0.05, 0.2])
def test_every_cell_against_scipy(sides, alpha):
    table = hs.compare(*sides, alpha=alpha).table
    for (role, layer, head), row in table.set_index(["role", "layer", "head"]).iterrows():
        at = (slice(None), ROLES.index(role), layer, head)
        before, after = (side.values[at].astype(float) for side in sides)
        part = ~np.isnan(before)
        before, after = before[part], after[part]
        test = stats.ttest_rel(after, before)
        interval = test.confidence_interval(1 - alpha)
        d = after - before
        assert (row["n"], row["df"]) == (len(d), len(d) - 1)
        assert row["mean_before"] == pytest.approx(before.mean(), rel=1e-12)
        assert row["mean_after"] == pytest.approx(after.mean(), rel=1e-12)
        assert row["change"] == pytest.approx(d.mean(), rel=1e-9)
        assert row["sd"] == pytest.approx(d.std(ddof=1), rel=1e-12)
        assert row["d_z"] == pytest.approx(d.mean() / d.std(ddof=1), rel=1e-9)
        assert row["share_up"] == (d > 0).mean()
        assert row["statistic"] == pytest.approx(test.statistic, rel=1e-7)
        assert row["pvalue"] == pytest.approx(test.pvalue, rel=1e-6)
        limits = (row["ci_low"], row["ci_high"])
        assert limits == pytest.approx(tuple(interval), rel=1e-7, abs=1e-9)


@pytest.mark.parametrize(
    ("adjust", "method"), [("holm", "holm"), ("bh", "fdr_bh"), ("by", "fdr_by")]
)
def test_adjustment_against_statsmodels(sides, adjust, method):
    table = hs.compare(*sides, adjust=adjust).table
    largest = table[["pvalue", "pvalue_skew", "pvalue_cautious"]].max(axis=1)
    expected = multipletests(largest, method=method)[1]
    np.testing.assert_allclose(table["pvalue_adj"], expected, rtol=1e-12)


def test_labels_are_those_of_the_test_of_each_side(sides):
    options = {"tau": {"local": 4, "nsubj": 2.5, "block": 1}, "alpha": 0.01, "adjust": "bh"}
    table = hs.compare(*sides, **options).table
    for side, name in zip(sides, ("label_before", "label_after"), strict=True):
        assert table[name].tolist() == hs.test(side, **options).table["label"].tolist()
    assert 0 < table["label_before"].sum() < len(table)


def test_outcomes_follow_the_change_and_both_labels(change):
    assert [cell(change, ROLES[role], *at)["outcome"] for role, *at in MEANS] == [
        "lost",
        "kept",
        "gained",
        "gained",
        "absent",
    ]
    assert (change.table["outcome"] == "absent").sum() == 24 - 4
    for at in ((ROLES[0], 1, 3), (ROLES[1], 1, 1)):  # a change that no label shows
        assert cell(change, *at)["pvalue_adj"] < 1e-6


def test_heads_of_an_outcome_come_with_the_largest_change_first(change):
    gained = change.heads("gained")
    assert gained[["layer", "head"]].to_numpy().tolist() == [[1, 0], [0, 2]]
    assert change.heads("lost")["role"].tolist() == ["local"]
    assert len(change.heads("unclear")) == 0
    assert list(gained) == list(COLUMNS.dtypes)
    with pytest.raises(UsageError, match="of gained, appeared, lost, vanished, kept, absent"):
        change.heads("won")


def test_equal_scores_show_no_change(sides):
    change = hs.compare(sides[0], sides[0])
    assert (change.table["change"] == 0).all()
    assert (change.table["pvalue"] == 1).all()
    assert set(change.table["outcome"]) == {"kept", "absent"}
    assert (change.mcnemar()["pvalue"] == 1).all()


def test_sequences_scored_on_one_side_only_are_left_out(sides):
    values = sides[1].values.copy()
    values[5:25, 0] = np.nan
    row = cell(hs.compare(sides[0], replace(sides[1], values=values)), "local", 0, 1)
    assert row["n"] == len(IDS) - 20
    kept = np.r_[0:5, 25 : len(IDS)]
    assert row["mean_before"] == pytest.approx(sides[0].values[kept, 0, 0, 1].mean(dtype=float))


def test_swapping_the_sides_negates_every_change(sides, change):
    back = hs.compare(*reversed(sides)).table
    table = change.table
    np.testing.assert_allclose(back["change"], -table["change"], rtol=1e-12)
    np.testing.assert_allclose(back["pvalue"], table["pvalue"], rtol=1e-9)
    np.testing.assert_allclose(back["ci_low"], -table["ci_high"], rtol=1e-9)
    swapped = table["outcome"].replace({"gained": "lost", "lost": "gained"})
    assert back["outcome"].tolist() == swapped.tolist()


# --- layers and labels


def test_layers_count_labels_before_and_after(change):
    layers = change.layers()
    assert layers.index.tolist() == [0, 1]
    assert layers.columns.tolist() == [
        (role, what) for role in ROLES for what in ("before", "after", "change")
    ]
    assert layers["local"].to_numpy().tolist() == [[1, 0, -1], [1, 1, 0]]
    assert layers["nsubj"].to_numpy().tolist() == [[0, 1, 1], [0, 1, 1]]
    assert (layers["block"] == 0).all(axis=None)


@given(b=st.integers(0, 40), c=st.integers(0, 40))
def test_mcnemar_agrees_with_statsmodels_and_scipy(b, c):
    before = np.repeat([5.0, 1.0, 5.0, 1.0], [b, c, 3, 4])
    after = np.repeat([1.0, 5.0, 5.0, 1.0], [b, c, 3, 4])
    row = compare(np.tile(before, (40, 1)), np.tile(after, (40, 1))).mcnemar().iloc[0]
    assert row["role"] == "a"
    assert row.to_list()[1:5] == [b + 3, c + 3, b, c]
    if b + c == 0:
        assert row["pvalue"] == 1
        return
    theirs = mcnemar([[3, b], [c, 4]], exact=True).pvalue
    assert row["pvalue"] == pytest.approx(min(theirs, 1), rel=1e-9)
    binomial = stats.binomtest(min(b, c), b + c).pvalue
    assert row["pvalue"] == pytest.approx(binomial, rel=1e-9)


def test_summary_counts_gained_lost_and_unclear(change):
    lost, kept = cell(change, "local", 0, 1), cell(change, "local", 1, 3)
    largest = ", ".join(
        f"{role} {at[0]}.{at[1]} {row['change']:+.3g} ({row['pvalue_adj']:.3g})"
        for role, *at in (
            ("local", 0, 1),
            ("nsubj", 1, 0),
            ("nsubj", 0, 2),
            ("local", 1, 3),
            ("nsubj", 1, 1),
        )
        for row in [cell(change, role, *at)]
    )
    assert change.summary().splitlines() == [
        "60 sequences, 8 heads in 2 layers; tau 3, alpha 0.05, adjust holm; "
        "paired by id and tokens",
        "1.0 and 0.2 gained nsubj. 0.1 lost local. The largest change of these, among 8 heads: "
        "0.1 in local, "
        f"{lost['mean_before']:.3g} to {lost['mean_after']:.3g} (adjusted p "
        f"{lost['pvalue_adj']:.3g}). 2 other cells changed significantly without a change of the "
        f"label, most of all: 1.3 in local, {kept['mean_before']:.3g} to {kept['mean_after']:.3g} "
        f"(adjusted p {kept['pvalue_adj']:.3g}).",
        "sequences that take part: local 60, nsubj 45, block 60",
        "heads with a role, before and after: local 2 and 1, nsubj 0 and 2, block 0 and 0",
        "significant changes: 5 of 24 cells, 4 of heads that have the role on a side; these, with "
        f"adjusted p: {largest}",
        "gained: 2 (nsubj 1.0, 0.2)",
        "appeared: 0",
        "lost: 1 (local 0.1)",
        "vanished: 0",
        "unclear: 0",
        "McNemar p of the labels, as a description: local 1, nsubj 0.5, block 1",
    ]


def test_summary_counts_untested_cells():
    nothing = np.full((8, 2), np.nan)
    nothing[:, 1] = 1
    text = compare(nothing, nothing).summary()
    assert text.splitlines()[-1] == "not tested: 1 of 2 cells (no_sieve 1)"


def test_signature_names_both_sides(change):
    assert change.signature == (
        "headscore:1|before model:base|after model:tuned|corpus:abc|criterion:mean|tau:3|"
        "clusters:none|unit:sequences (no documents are known)|alpha:0.05|adjust:holm|ddof:1|"
        "paired_by:id and tokens"
    )
    assert repr(change) == f"Comparison(24 cells, {change.signature})"


# --- several checkpoints


def test_checkpoints_are_averaged_on_each_sequence():
    before = [made(0, seed) for seed in (1, 2, 3)]
    after = [made(1, seed) for seed in (4, 5)]
    change = hs.compare(before, tuple(after))
    means = [
        np.mean([each.values.astype(float) for each in side], axis=0) for side in (before, after)
    ]
    for role, layer, head in MEANS:
        b, a = (mean[:, role, layer, head] for mean in means)
        part = ~np.isnan(b)
        row = cell(change, ROLES[role], layer, head)
        expected = stats.ttest_rel(a[part], b[part])
        assert row["statistic"] == pytest.approx(expected.statistic, rel=1e-5)
        for name, side in (("spread_before", before), ("spread_after", after)):
            own = [np.nanmean(each.values[:, role, layer, head].astype(float)) for each in side]
            assert row[name] == pytest.approx(np.std(own, ddof=1), rel=1e-9)
    assert (change.counts["checkpoints_before"], change.counts["checkpoints_after"]) == (3, 2)
    assert change.facts["before model"] == "base"


def test_spread_is_the_deviation_between_checkpoints():
    before = made(0)
    after = [made(1, 1, shift=-2.0), made(1, 1, shift=2.3)]
    change = hs.compare(before, after)
    row = cell(change, "block", 0, 0)
    assert row["spread_after"] == pytest.approx(4.3 / np.sqrt(2), abs=1e-4)
    assert np.isnan(row["spread_before"])
    assert row["pvalue"] < 0.05  # and yet far less than the spread
    assert change.summary().splitlines()[-1] == (
        "checkpoints: 1 before, 2 after; 2 of 3 changed scores moved by no more than the spread "
        "(sd of the means) of a side's checkpoints"
    )


def test_spread_is_compared_also_where_some_cells_are_untested():
    before, after = made(0), [made(1, 1), made(1, 2)]
    for each in (before, *after):
        each.values[:, 2, 1, 3] = np.nan
    change = hs.compare(before, after)
    assert change.table["spread_after"].isna().sum() == 1
    assert change.summary().splitlines()[-2].startswith("checkpoints: 1 before, 2 after; ")
    assert "spread" not in hs.compare(before, after[0]).summary()


def test_a_change_as_large_as_the_spread_is_within_it():
    change = hs.compare(made(0), [made(1, 1), made(1, 2)])
    changed = change.table["outcome"].isin(("gained", "lost"))
    table = change.table.assign(spread_after=change.table["change"].abs())
    said = replace(change, table=table).summary().splitlines()[-1]
    assert changed.sum() > 0
    assert f"{changed.sum()} of {changed.sum()} changed scores moved by no more" in said


def test_alpha_of_a_comparison_is_that_of_compare():
    before, after = made(0), made(1)
    table = ChangeTable.from_scores([before], [after], CompareOptions())
    assert table.facts == hs.compare(before, after).facts
    assert table.facts["alpha"] == "0.05"


def test_a_sequence_takes_part_where_it_does_in_all_checkpoints():
    one, two = made(0, 1), made(0, 2)
    values = one.values.copy()
    values[:10, 2] = np.nan
    change = hs.compare([replace(one, values=values), two], made(1))
    assert cell(change, "block", 0, 0)["n"] == len(IDS) - 10


def test_a_list_of_one_checkpoint_equals_the_checkpoint(sides, change):
    assert_frame_equal(hs.compare([sides[0]], [sides[1]]).table, change.table)


def test_attainable_limits_labels_only_if_every_checkpoint_has_it():
    attainable = np.full((len(IDS), 3, 2), 2.5, np.float32)  # below tau: no label is possible
    values = np.nan_to_num(made(0).values, nan=2)
    full = replace(made(0), values=values, attainable=attainable)
    change = hs.compare([full, full], [full, replace(full, attainable=None)])
    assert not change.table["label_before"].any()
    assert change.table["label_after"].sum() == 2


# --- what is paired with what


@given(st.randoms(use_true_random=False))
def test_sequences_are_paired_by_id_and_roles_by_name(random):
    before, after = made(0), made(1)
    order = random.sample(range(len(IDS)), len(IDS))
    roles = random.sample(range(3), 3)
    other = reordered(
        after,
        order,
        roles,
        tokens=after.tokens[order],
        facts={**after.facts, "corpus": f"in the order {order}"},
    )
    if order == sorted(order):
        other = replace(other, facts=after.facts)
    assert_frame_equal(hs.compare(before, other).table, hs.compare(before, after).table)


def test_inputs_are_not_changed(sides):
    copies = [side.values.tobytes() for side in sides]
    hs.compare(*sides)
    assert [side.values.tobytes() for side in sides] == copies


def renamed(number, name):
    ids = list(IDS)
    ids[number] = name
    return tuple(ids)


def other_tokens(*numbers):
    tokens = np.arange(len(IDS), dtype=np.uint64)
    tokens[list(numbers)] += 1000
    return tokens


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (
            {"sequence_ids": renamed(2, "new")},
            "before and after must have the same sequences, got 's11' only in before",
        ),
        (
            {"tokens": other_tokens(3, 9)},
            "before and after must have the same tokens, got others for sequence 's0' "
            "(another text, tokenizer or max_length; 2 of 60 differ)",
        ),
        (
            {"roles": ("local", "obj", "block")},
            "before and after must have the same roles, got 'nsubj' only in before",
        ),
        (
            {"facts": {"corpus": "xyz"}},
            "before and after must be scored on the same corpus, segments and word pairs "
            "included, got the corpus hashes abc and xyz",
        ),
    ],
)
def test_sides_that_do_not_match_raise(sides, parts, message):
    with pytest.raises(InputError, match=re.escape(message)):
        hs.compare(sides[0], replace(sides[1], **parts))


def test_sides_of_different_sizes_raise(sides):
    before, after = sides
    more = hs.HeadScores.from_arrays(
        np.ones((len(IDS) + 1, *SHAPE[1:])), ROLES, sequence_ids=[*IDS, "s99"]
    )
    with pytest.raises(InputError, match="same sequences, got 's99' only in after"):
        hs.compare(before, more)
    fewer = hs.HeadScores.from_arrays(after.values[:, :2], ROLES[:2], sequence_ids=IDS)
    with pytest.raises(InputError, match="same roles, got 'block' only in before"):
        hs.compare(before, fewer)
    with pytest.raises(InputError, match="same roles, got 'block' only in after"):
        hs.compare(fewer, before)
    deeper = hs.HeadScores.from_arrays(np.ones((len(IDS), 3, 4, 2)), ROLES, sequence_ids=IDS)
    message = "before and after must have the same layers and heads, got 2 x 4 and 4 x 2"
    with pytest.raises(InputError, match=message):
        hs.compare(before, deeper)


def test_the_error_names_the_checkpoint_that_does_not_match(sides):
    wrong = replace(sides[1], tokens=other_tokens(0))
    with pytest.raises(
        InputError, match=re.escape("before[0] and after[1] must have the same tok")
    ):
        hs.compare([sides[0], sides[0]], [sides[1], wrong])
    with pytest.raises(InputError, match=re.escape("before[0] and before[1] must have the same")):
        hs.compare([sides[0], wrong], sides[1])


def test_sides_without_tokens_are_paired_by_id(sides):
    change = hs.compare(sides[0], replace(sides[1], tokens=None))
    assert change.signature.endswith("|paired_by:id")
    assert "paired by id\n" in change.summary()


@pytest.mark.parametrize("side", ["before", "after"])
@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ([], "must hold at least one HeadScores, got none"),
        ((), "must hold at least one HeadScores, got none"),
        ("a.hs", "must be HeadScores or a list of them, got 'a'"),
        (None, "must be HeadScores or a list of them, got None"),
        ([made(0), "b.hs"], "must be HeadScores or a list of them, got 'b.hs'"),
    ],
)
def test_sides_that_are_not_scores_raise(sides, side, wrong, message):
    given = {"before": sides[0], "after": sides[1], side: wrong}
    with pytest.raises(UsageError, match=re.escape(f"{side} {message}")):
        hs.compare(**given)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"tau": 0}, "tau must be a finite number above 0, got 0"),
        ({"tau": {"locl": 1}}, "tau must name roles of the scores, got 'locl'; nearest: 'local'"),
        ({"alpha": 0}, "alpha must lie between 0 and 1, got 0"),
        (
            {"adjust": "bonferroni"},
            "adjust must be one of holm, bh, by, maxt, none, got 'bonferroni'",
        ),
        ({"ddof": 2}, "ddof must be 0 or 1, got 2"),
    ],
)
def test_invalid_options_raise(sides, option, message):
    with pytest.raises(UsageError, match=re.escape(message)):
        hs.compare(*sides, **option)


# --- files


def test_load_returns_the_saved_comparison(tmp_path):
    change = hs.compare([made(0, 1), made(0, 2)], made(1))
    change.save(tmp_path / "c.hs")
    for loaded in (Comparison.load(tmp_path / "c.hs"), hs.load(tmp_path / "c.hs")):
        assert isinstance(loaded, hs.Comparison)
        assert_frame_equal(loaded.table, change.table, check_exact=True)
        assert (loaded.roles, loaded.facts, loaded.counts) == (
            change.roles,
            change.facts,
            change.counts,
        )
        assert loaded.summary() == change.summary()


def test_file_of_another_kind_raises(change, sides, tmp_path):
    sides[0].save(tmp_path / "s.hs")
    with pytest.raises(InputError, match=r"s\.hs: must hold comparison, got 'headscores'"):
        Comparison.load(tmp_path / "s.hs")
    change.save(tmp_path / "c.hs")
    with pytest.raises(InputError, match=r"c\.hs: must hold headscores, got 'comparison'"):
        hs.HeadScores.load(tmp_path / "c.hs")


@pytest.mark.parametrize("reader", [hs.load, Comparison.load])
def test_file_with_a_table_that_does_not_match_raises(change, tmp_path, reader):
    path = tmp_path / "c.hs"
    change.save(path)
    stored = files.read(path, Comparison.layouts())
    files.write(path, replace(stored, roles=ROLES[::-1]))
    with pytest.raises(InputError, match=r"c\.hs: table must have the rows of"):
        reader(path)
    short = {**stored.arrays, "outcome": files.pack(["kept"])}
    files.write(path, replace(stored, arrays=short))
    with pytest.raises(InputError, match=r"c\.hs: column outcome must have 24 entries, got 1"):
        reader(path)
    damaged = bytearray(path.read_bytes())
    damaged[-50] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(InputError, match=r"c\.hs: damaged: array"):
        reader(path)


def test_table_with_other_columns_raises(change):
    with pytest.raises(InputError, match="table must have the columns"):
        replace(change, table=change.table.drop(columns="sd"))


@pytest.mark.parametrize(
    ("fact", "option", "usual", "other"),
    [("weighted_by", "weights", "attention", "norm"), ("special", "special", "keep", "drop")],
)
def test_scores_of_another_quantity_raise(fact, option, usual, other):
    plain = hs.HeadScores.from_arrays(np.ones((30, 1, 2, 2)), ["local"])
    chosen = replace(plain, facts={**plain.facts, fact: other})
    message = f"before and after must be scored with the same {option}, got {usual} and {other}"
    with pytest.raises(InputError, match=message):
        hs.compare(plain, chosen)
    assert hs.compare(chosen, chosen).facts[fact] == other
