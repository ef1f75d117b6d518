"""Effects: every row against scipy, documents, adjustment, bounds, ranks, and the level."""

import numpy as np
import pytest
from helpers.effects import arm_of, made, noise, values_of
from scipy import stats
from statsmodels.stats.multitest import multipletests

from headscore.causal.values import ARMS, HEADS, KEEP, KNOCKOUT, MATCHED, PLACEBO
from headscore.options import EffectOptions
from headscore.statistics.arm_rows import BEYOND, ROWS
from headscore.statistics.clusters import clusters_of
from headscore.statistics.effects import COLUMNS, effect_table, used


def table_of(values, **options):
    chosen = EffectOptions(**options)
    return effect_table(values, clusters_of(values, chosen.clusters), chosen)


def rows_of(table, role):
    return table[table["role"] == role].set_index("arm")


def delta_of(values, role, row):
    """What each sequence loses in a row of the table."""
    found = [each.delta for each in values.arms if (each.role, each.arm) == (role, row)]
    if row == BEYOND:
        return delta_of(values, role, KNOCKOUT) - delta_of(values, role, PLACEBO)
    return np.mean(found, axis=0)


def test_every_role_has_every_row_in_order():
    table = table_of(made())
    assert list(table) == list(COLUMNS.dtypes)
    assert table["role"].tolist() == ["induction"] * 6 + ["previous"] * 6
    assert table["arm"].tolist() == [*ROWS, *ROWS]


@pytest.mark.parametrize("alpha", [0.05, 0.2])
def test_every_row_against_scipy(alpha):
    values = made(skewed=False, icc=0)
    table = table_of(values, clusters=None, alpha=alpha)
    for row in table.to_dict("records"):
        delta = delta_of(values, row["role"], row["arm"])
        test = stats.ttest_1samp(delta, 0, alternative="greater")
        assert (row["n"], row["n_clusters"], row["df"]) == (200, 200, 199)
        assert row["delta"] == pytest.approx(delta.mean(), rel=1e-12)
        assert row["sd"] == pytest.approx(delta.std(ddof=1), rel=1e-12)
        assert row["statistic"] == pytest.approx(test.statistic, rel=1e-6)
        assert row["pvalue"] == pytest.approx(test.pvalue, rel=1e-5, abs=1e-300)
        # scores that are not skewed: nearly the bounds of the t-test, and never inside them
        low = test.confidence_interval(1 - alpha).low
        high = stats.ttest_1samp(delta, 0, alternative="less").confidence_interval(1 - alpha).high
        width = high - low
        assert low - width / 5 < row["ci_low"] <= low + 1e-6
        assert high - 1e-6 <= row["ci_high"] < high + width / 5


def test_of_both_tests_the_weaker_counts_and_bounds_agree_with_it():
    for seed in range(40):
        table = table_of(made({"a": {}}, n=30, documents=30, sets=0, seed=seed), adjust="none")
        tested = table[table["status"] == "ok"]
        largest = np.maximum(tested["pvalue"], tested["pvalue_skew"])
        np.testing.assert_array_equal(tested["pvalue_adj"], largest)
        assert ((tested["ci_low"] > 0) == (largest < 0.05)).all()
        assert (tested["verdict"] == np.where(largest <= 0.05, "loses", "not shown")).all()


def test_sequences_of_a_document_are_no_independent_units():
    values = made({"a": {}}, n=400, documents=20, icc=0.5, skewed=False)
    by_document, alone = table_of(values), table_of(values, clusters=None)
    assert by_document["n_clusters"].iloc[0] == 20
    assert by_document["df"].iloc[0] == pytest.approx(19)
    means = delta_of(values, "a", KNOCKOUT).reshape(20, 20).mean(axis=1)
    assert by_document["statistic"].iloc[0] == pytest.approx(
        stats.ttest_1samp(means, 0).statistic, rel=1e-6
    )
    wide = (by_document["ci_high"] - by_document["ci_low"]).iloc[0]
    assert wide > 2 * (alone["ci_high"] - alone["ci_low"]).iloc[0]


@pytest.mark.parametrize(("adjust", "method"), [("holm", "holm"), ("bh", "fdr_bh")])
def test_p_values_are_adjusted_over_the_roles_of_an_arm(adjust, method):
    values = made({name: {KNOCKOUT: 0.02 * at} for at, name in enumerate("abcde")})
    table = table_of(values, adjust=adjust)
    for arm in ROWS:
        rows = table[table["arm"] == arm]
        largest = np.maximum(rows["pvalue"], rows["pvalue_skew"])
        np.testing.assert_allclose(
            rows["pvalue_adj"], multipletests(largest, method=method)[1], rtol=1e-12
        )


def test_beyond_placebo_is_paired():
    rng = np.random.default_rng(0)
    common = rng.normal(1, 1, 100)
    knockout, placebo = common + 0.05 + rng.normal(0, 0.01, 100), common
    values = values_of([arm_of("a", KNOCKOUT, knockout), arm_of("a", PLACEBO, placebo)], ["a"])
    beyond = rows_of(table_of(values), "a").loc[BEYOND]
    assert beyond["delta"] == pytest.approx((knockout - placebo).mean())
    assert (beyond["verdict"], beyond["n_heads"], beyond["edges"]) == ("loses", 2, 0)


def test_sequences_without_a_prediction_take_no_part():
    whole = made()
    part = np.arange(200) % 4 > 0
    holes = [
        arm_of(each.role, each.arm, np.where(part, each.delta, np.nan), number=each.number)
        for each in whole.arms
    ]
    fewer = [
        arm_of(each.role, each.arm, each.delta[part], number=each.number) for each in whole.arms
    ]
    documents = tuple(np.array(whole.documents)[part])
    found = table_of(values_of(holes, whole.roles, documents=whole.documents))
    expected = table_of(values_of(fewer, whole.roles, documents=documents))
    assert (found["n"] == 150).all()
    for name in ("delta", "sd", "ci_low", "ci_high", "pvalue", "at_rows", "p_sets"):
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-9, err_msg=name)


def test_predictions_that_stay_show_nothing():
    values = made()
    same = [arm_of(each.role, each.arm, np.zeros(200), number=each.number) for each in values.arms]
    table = table_of(values_of(same, values.roles))
    assert (table["status"] == "zero_variance").all()
    assert (table["statistic"] == 0).all()
    assert (table["pvalue_adj"] == 1).all()
    assert (table[["ci_low", "ci_high"]] == 0).all(axis=None)
    assert (table["verdict"] == "not shown").all()


def test_rounding_shows_nothing():
    rng = np.random.default_rng(0)
    tiny = 1e-7 * (1 + rng.normal(0, 0.1, 500))
    rows = rows_of(table_of(values_of([arm_of("a", KNOCKOUT, tiny)], ["a"])), "a")
    assert rows.loc[KNOCKOUT, "verdict"] == "not shown"
    larger = rows_of(table_of(values_of([arm_of("a", KNOCKOUT, 1e3 * tiny)], ["a"])), "a")
    assert larger.loc[KNOCKOUT, "verdict"] == "loses"


def test_arms_that_were_not_tried_and_too_few_sequences():
    values = values_of([arm_of("a", KNOCKOUT, [0.1] * 6 + [0.2])], ["a", "b"])
    table = table_of(values)
    assert table["status"].tolist() == ["insufficient_n", *["not_tried"] * 11]
    assert (table["verdict"] == "not tested").all()
    assert table["pvalue"].isna().all()
    assert (table["n"].iloc[1:] == 0).all()
    assert used(table, EffectOptions())["verdict"].tolist() == ["not tested"] * 2
    nothing = table_of(values_of([arm_of("a", KNOCKOUT, np.full(20, np.nan))], ["a"]))
    assert nothing["status"].iloc[0] == "no_prediction"


def test_a_role_is_used_where_it_costs_more_than_its_placebo():
    values = made(
        {
            "both": {KNOCKOUT: 0.3},
            "placebo as well": {KNOCKOUT: 0.3, PLACEBO: 0.3},
            "neither": {},
        }
    )
    table = table_of(values)
    verdicts = used(table, EffectOptions()).set_index("role")
    assert verdicts["verdict"].tolist() == ["used", "not shown", "not shown"]
    assert rows_of(table, "placebo as well").loc[KNOCKOUT, "verdict"] == "loses"
    largest = [
        rows_of(table, role).loc[[KNOCKOUT, BEYOND], ["pvalue", "pvalue_skew"]].max(axis=None)
        for role in values.roles
    ]
    np.testing.assert_allclose(verdicts["pvalue_adj"], multipletests(largest, method="holm")[1])


def test_the_rank_among_matched_sets():
    n = 20
    matched = [
        arm_of("a", MATCHED, np.full(n, each), number=at) for at, each in enumerate([1, 2, 3.0])
    ]
    for own, rank in ((0.5, 4), (2, 3), (2.5, 2), (9, 1)):
        table = table_of(values_of([arm_of("a", HEADS, np.full(n, own)), *matched], ["a"]))
        rows = rows_of(table, "a")
        assert rows.loc[HEADS, "p_sets"] == rank / 4
        assert (rows["sets"] == [0, 0, 0, 0, 3, 3]).all()
        assert rows["p_sets"].notna().sum() == 1
    assert rows.loc[MATCHED, "delta"] == 2
    assert rows.loc[MATCHED, "norm_ratio"] == pytest.approx(1.01)


def test_the_explained_share_and_its_bounds():
    rng = np.random.default_rng(0)
    heads = rng.gamma(2, 1, 300)
    keep = 0.25 * heads + rng.gamma(1, 0.1, 300)
    arms = [
        arm_of("a", KEEP, keep, divergence=keep),
        arm_of("a", HEADS, heads, divergence=heads),
        arm_of("b", KEEP, keep, divergence=np.full(300, np.nan)),
        arm_of("b", HEADS, heads, divergence=np.full(300, np.nan)),
        arm_of("c", HEADS, heads, divergence=np.zeros(300)),
    ]
    table = table_of(values_of(arms, ["a", "b", "c"]))
    row = rows_of(table, "a").loc[KEEP]
    assert row["explained"] == pytest.approx(1 - keep.mean() / heads.mean())
    draws = rng.integers(0, 300, (4000, 300))
    resampled = 1 - keep[draws].mean(axis=1) / heads[draws].mean(axis=1)
    low, high = np.quantile(resampled, [0.05, 0.95])
    assert row["explained_low"] == pytest.approx(low, abs=0.005)
    assert row["explained_high"] == pytest.approx(high, abs=0.005)
    assert table["explained"].notna().sum() == 1


@pytest.mark.parametrize("icc", [0.0, 0.1])
def test_false_findings_are_as_rare_as_promised(icc):
    rng, studies, roles = np.random.default_rng(7), 100, 3
    false = {"knockout": 0, "beyond": 0, "used": 0}
    for _ in range(studies):
        names = [f"r{at}" for at in range(roles)]
        arms = []
        for at, name in enumerate(names):
            common = noise(rng, 250, 50, icc=icc)
            # of the first role the placebo costs as much: knock-out is no null there
            shift = 0.5 if at == 0 else 0.0
            for arm in (KNOCKOUT, PLACEBO):
                arms.append(arm_of(name, arm, shift + common + noise(rng, 250, 50, icc=icc)))
        documents = tuple(f"d{at // 5}" for at in range(250))
        table = table_of(values_of(arms, names, documents=documents))
        loses = table[table["verdict"] == "loses"]
        false["knockout"] += ((loses["arm"] == KNOCKOUT) & (loses["role"] != "r0")).any()
        false["beyond"] += (loses["arm"] == BEYOND).any()
        false["used"] += (used(table, EffectOptions())["verdict"] == "used").any()
    for count in false.values():
        assert stats.binomtest(int(count), studies, 0.05, alternative="greater").pvalue > 0.001


def test_the_rows_of_an_arm_are_those_of_the_experiment():
    assert set(ARMS) | {BEYOND} == set(ROWS)
