"""Corpora drawn from a pilot: against `headscore.test` on corpora that are really drawn."""

from dataclasses import replace

import numpy as np
import pytest

import headscore as hs
from headscore.options import LEAST_SIZE, PowerOptions
from headscore.statistics.clusters import clusters_of
from headscore.statistics.criterion import criterion_of
from headscore.statistics.draws import drawn_once, drawn_twice
from headscore.statistics.power_curve import STATES, draw_corpora, sizes_of
from headscore.statistics.resampled import Resampled
from headscore.statistics.status import LEAST_UNITS, statuses
from headscore.statistics.t_test import t_test
from headscore.statistics.unit_sums import unit_sums

ROLES = ("local", "nsubj", "odd")


def pilot(n=150, *, documents=True, seed=0):
    """Skewed scores in documents of unequal sizes, with every kind of cell that has a rule."""
    rng = np.random.default_rng(seed)
    drawn = rng.choice(25, n - 25, p=rng.dirichlet(np.full(25, 1.5)))
    owner = np.sort(np.concatenate([np.arange(25), drawn]))
    means = np.array([1.0, 2.2, 2.9, 3.1, 3.3, 3.6, 4.5, 9.0])
    x = rng.gamma(4, 0.25, (n, 3, 2, 4)) * means.reshape(2, 4)
    x *= rng.gamma(20, 0.05, (25, 3, 2, 4))[owner]
    attainable = np.full((n, 3, 2), 12.0) + rng.gamma(2, 2, (n, 3, 1))
    missing = rng.random(n) < 0.3
    x[missing, 1], attainable[missing, 1] = np.nan, np.nan
    odd = x[:, 2]
    attainable[:, 2, 0] = 12.0
    odd[:, 0, 0] = 3.5  # equal scores, also less their allowance
    odd[:, 0, 1] = np.where(owner == 3, 5.0, 2.5)  # equal where one document is not drawn
    odd[:, 0, 2] += 12
    odd[owner == 5, 0, 2] = -40.0  # no e-value with this document
    odd[owner > 8, 1] = np.nan  # too few units in some draws
    attainable[owner > 8, 2, 1] = np.nan
    odd[owner == 2, 1, 3] = np.inf  # a fault
    odd[owner == 4, 1, 1] = np.nan  # missing in one head: another fault
    return hs.HeadScores.from_arrays(
        x.astype(np.float32),
        ROLES,
        attainable=attainable.astype(np.float32),
        documents=[f"d{each}" for each in owner] if documents else None,
    )


def built(scores, count):
    """The corpus of a draw, in which each unit that is drawn is a document of its own."""
    names = scores.documents or scores.sequence_ids
    units = [np.flatnonzero(np.array(names) == name) for name in dict.fromkeys(names)]
    drawn = [unit for unit, times in zip(units, count, strict=True) for _ in range(int(times))]
    rows = np.concatenate(drawn)
    return hs.HeadScores.from_arrays(
        scores.values[rows],
        scores.roles,
        attainable=scores.attainable[rows],
        documents=[str(n) for n, unit in enumerate(drawn) for _ in unit],
    )


KINDS = [
    pytest.param({}, True, id="documents"),
    pytest.param({}, False, id="sequences"),
    pytest.param({"adjust": "bh"}, True, id="bh"),
    pytest.param({"adjust": "none", "alpha": 0.6}, True, id="no adjustment"),
    pytest.param({"criterion": "attained", "tau": 0.2}, True, id="attained"),
    pytest.param({"ddof": 0}, True, id="ddof 0"),
    pytest.param({"tau": {"*": 3, "local": 2}}, False, id="tau by role"),
]


@pytest.mark.parametrize(("options", "documents"), KINDS)
def test_draws_are_tested_as_corpora_that_are_built(options, documents):
    scores, options = pilot(documents=documents), PowerOptions(resamples=20, **options)
    clusters = clusters_of(scores, options.clusters)
    criterion = criterion_of(options, scores.roles, scores.attainable)
    n_units = 25 if documents else 150
    count = drawn_once(np.random.default_rng(1), n_units, 30, 8)
    resampled = Resampled.of(
        unit_sums(scores, clusters, criterion), count, (3, 2, 4), criterion, ddof=options.ddof
    )
    chosen = {
        name: getattr(options, name) for name in ("tau", "criterion", "adjust", "alpha", "ddof")
    }
    seen, ruined = set(), 0
    for draw in range(len(count)):
        expected = hs.test(built(scores, count[draw]), clusters="document", **chosen).table
        own = resampled.criterion(draw, criterion)
        cells, units = resampled.cells(draw, own), resampled.units(draw)
        tau = own.thresholds(cells.attainable)
        status = statuses(cells, units, tau)
        tested = t_test(cells, units, status, own, alpha=options.alpha)
        assert status.ravel().tolist() == expected["status"].tolist()
        seen.update(status.ravel())
        for name, numbers in {
            "n": cells.n,
            "n_clusters": units.n,
            "mean": cells.mean,
            "tau": tau,
            "df": tested.df,
            "pvalue": tested.pvalue,
            "pvalue_skew": tested.pvalue_skew,
        }.items():
            wanted = expected[name].to_numpy(float)
            np.testing.assert_allclose(numbers.ravel(), wanted, 1e-9, 1e-300, err_msg=name)
        # An e-value of at most 1, as of every mean up to tau, shows nothing.
        above = (expected["pvalue"].notna() & (expected["mean"] > expected["tau"])).to_numpy()
        wanted = np.maximum(expected["log_evalue"].to_numpy(), 0)
        np.testing.assert_allclose(units.log_evalue.ravel()[above], wanted[above], 1e-9, 1e-9)
        ruined += int(np.isnan(wanted[above]).sum())
        if options.criterion == "mean":
            known = status.ravel() == "ok"
            np.testing.assert_allclose(
                units.deff.ravel()[known], expected["deff"].to_numpy()[known], 1e-7
            )
    assert ruined > 0
    assert {"ok", "zero_variance", "nonfinite", "insufficient_n"} <= seen


@pytest.mark.parametrize(("options", "documents"), KINDS)
def test_counts_and_power_are_those_of_corpora_that_are_built(options, documents):
    scores = pilot(documents=documents)
    options = PowerOptions(documents=[12, 40], resamples=20, seed=5, **options)
    clusters = clusters_of(scores, options.clusters)
    criterion = criterion_of(options, scores.roles, scores.attainable)
    found = draw_corpora(scores, clusters, criterion, options)
    chosen = {
        name: getattr(options, name) for name in ("tau", "criterion", "adjust", "alpha", "ddof")
    }
    n_units = 25 if documents else 150
    for number, size in enumerate((12, 40)):
        rng = np.random.default_rng([5, size])
        labels = []
        for kind, draw in (("once", drawn_once), ("twice", drawn_twice)):
            count = draw(rng, n_units, size, 20)
            tables = [
                hs.test(built(scores, each), clusters="document", **chosen).table
                for each in count[:6]
            ]
            expected = [_states(table) for table in tables]
            assert getattr(found, kind)[number, :6].tolist() == expected
            if kind == "twice":
                labels = [table["label"] for table in tables]
        assert (found.power[number].ravel() >= np.sum(labels, axis=0) / 20).all()
        assert (found.power[number].ravel() <= (np.sum(labels, axis=0) + 14) / 20).all()
    assert found.once.sum() > 0
    assert (found.power * 20 == np.rint(found.power * 20)).all()
    assert found.power.sum(axis=(2, 3)) * 20 == pytest.approx(found.twice[..., 0].sum(axis=1))


def _states(table):
    """The cells in each state, a row per role."""
    states = table["label"], table["robust"], table["verdict"] == "has_not"
    states = [*states, table["verdict"] == "undecided"]
    return [[int(each[table["role"] == role].sum()) for each in states] for role in ROLES]


def test_coverage_and_design_effect_are_means_over_the_draws():
    scores = pilot()
    curve = hs.power_curve(scores, documents=[30], resamples=20, seed=2)
    count = drawn_once(np.random.default_rng([2, 30]), 25, 30, 20)
    tables = [hs.test(built(scores, each), clusters="document").table for each in count]
    of_role = [[table[table["role"] == role] for table in tables] for role in ROLES[:2]]
    for row, each in zip(curve.table.to_dict("records"), of_role, strict=False):
        assert row["coverage"] == pytest.approx(np.mean([table["coverage"] for table in each]))
        assert row["deff"] == pytest.approx(np.nanmean([table["deff"] for table in each]))
    assert curve.totals["sequences"][0] == pytest.approx(
        np.mean([len(built(scores, each).values) for each in count])
    )


def test_units_are_drawn_uniformly_and_twice_means_twice_the_variance():
    rng = np.random.default_rng(0)
    once, twice = drawn_once(rng, 40, 40, 4000), drawn_twice(rng, 40, 40, 4000)
    numbers = rng.normal(size=40)
    for drawn in (once, twice):
        assert (drawn.sum(axis=1) == 40).all()
        assert drawn.mean(axis=0) == pytest.approx(1, abs=0.1)
    ratio = (twice @ numbers).var() / (once @ numbers).var()
    assert ratio == pytest.approx(2, abs=0.2)


def test_a_size_does_not_depend_on_the_others_and_a_seed_repeats():
    scores = pilot(60)
    both = hs.power_curve(scores, documents=[30, 10], resamples=20)
    alone = hs.power_curve(scores, documents=np.array([30]), resamples=20)
    other = hs.power_curve(scores, documents=(30,), resamples=20, seed=1)
    assert both.totals.iloc[1].tolist() == alone.totals.iloc[0].tolist()
    assert alone.totals.iloc[0].tolist() != other.totals.iloc[0].tolist()


def test_clusters_may_be_ids():
    scores = pilot(80)
    ids = iter(scores.documents)
    given = hs.power_curve(scores, documents=[20], resamples=20, clusters=ids)
    known = hs.power_curve(scores, documents=[20], resamples=20)
    assert given.totals.equals(known.totals)
    assert given.units == "clusters"


def test_more_units_give_more_labels():
    curve = hs.power_curve(replace(pilot(300), documents=None), resamples=40)
    totals = curve.totals
    assert totals["documents"].tolist() == [75, 150, 300, 600, 1200]
    assert totals["labels"].iloc[-1] > totals["labels"].iloc[0] + 1
    assert totals["robust"].iloc[-1] > totals["robust"].iloc[0] + 1
    assert curve.units == "sequences"


def test_default_sizes_are_shares_of_the_pilot_that_can_be_tested():
    assert sizes_of(PowerOptions(), 100).tolist() == [25, 50, 100, 200, 400]
    assert sizes_of(PowerOptions(), 10).tolist() == [10, 20, 40]
    assert sizes_of(PowerOptions(documents=[9, 8, 9]), 100).tolist() == [8, 9]
    assert LEAST_SIZE == LEAST_UNITS


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        ({"documents": [7]}, "documents must be a list of whole numbers of at least 8, got [7]"),
        ({"documents": []}, "documents must be a list of whole numbers"),
        ({"documents": 50}, "documents must be a list of whole numbers"),
        ({"documents": "50"}, "documents must be a list of whole numbers"),
        ({"documents": [20.5]}, "documents must be a list of whole numbers"),
        ({"documents": [True]}, "documents must be a list of whole numbers"),
        ({"resamples": 19}, "resamples must be an integer of at least 20, got 19"),
        ({"power": 1}, "power must lie between 0 and 1, got 1"),
        ({"tau": -1}, "tau must be a finite number above 0"),
    ],
)
def test_options_with_a_wrong_value_raise(options, rule):
    with pytest.raises(hs.UsageError) as raised:
        hs.power_curve(pilot(40), **options)
    assert rule in str(raised.value)


def test_a_pilot_that_cannot_be_used_raises(tmp_path):
    few = hs.HeadScores.from_arrays(np.ones((7, 1, 1, 1)), ["local"])
    with pytest.raises(hs.InputError, match=r"pilot must have at least 8 units, .* got 7"):
        hs.power_curve(few, documents=[100])
    with pytest.raises(hs.InputError, match='clusters "document" need scores with documents'):
        hs.power_curve(pilot(documents=False), clusters="document")
    report = tmp_path / "report.hs"
    hs.test(pilot(40)).save(report)
    with pytest.raises(hs.InputError, match="must hold headscores, got 'report'"):
        hs.power_curve(report)
    with pytest.raises(hs.InputError, match="there is no such file"):
        hs.power_curve(tmp_path / "none.hs")


def test_states_are_columns_of_the_table():
    table = hs.power_curve(pilot(40), documents=[10], resamples=20).table
    assert set(STATES) <= set(table)
