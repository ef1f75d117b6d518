"""Seeds: counts, intervals, files, sentences, the terminal, pages, and invalid input."""

from dataclasses import replace

import numpy as np
import pytest
from helpers.browser import opened
from pandas.testing import assert_frame_equal

import headscore as hs
from headscore.errors import InputError, UsageError
from headscore.options import TestOptions
from headscore.report.seeds import Seeds
from headscore.report.seeds_sentences import answer, of_role
from headscore.report.terminal.seeds import render_seeds
from headscore.report.terminal.style import Style
from headscore.statistics.clusters import clusters_of
from headscore.statistics.criterion import criterion_of
from headscore.statistics.seed_counts import DRAWS, seed_counts

EVIL = "<script>window.evil=1</script>\"'&\u202egnp\x1b[31m</style>{{ 7*7 }}"
ROLES = ("previous", "induction", "block")
N, LAYERS, HEADS = 60, 3, 4


def scores_of(number, *, roles=ROLES, moved=True, extra=0):
    """Two previous heads in layer 0, one or two induction heads in layer 2, none of block."""
    rng = np.random.default_rng([3, number])
    means = np.ones((3, LAYERS, HEADS)) * np.exp(rng.normal(0, 0.2, (3, LAYERS, HEADS)))
    means[0, 0, :2] = 6
    means[1, 2, : 1 + number % 2 + extra] = 5
    if moved:
        for layer in range(LAYERS):
            means[:, layer] = means[:, layer, rng.permutation(HEADS)]
    documents = np.exp(np.random.default_rng(7).normal(0, 0.2, (N // 3, 1, 1, 1)).repeat(3, 0))
    values = means * documents * np.exp(rng.normal(0, 0.3, (N, 3, LAYERS, HEADS)))
    return hs.HeadScores.from_arrays(
        values.astype(np.float32), roles, documents=[f"d{at // 3}" for at in range(N)]
    )


def seeds_of(scores, **options):
    return Seeds.from_scores(scores, TestOptions(**options))


@pytest.fixture(scope="module")
def run():
    return {f"seed-{number}": scores_of(number) for number in range(6)}


@pytest.fixture(scope="module")
def found(run):
    return seeds_of(run)


def test_labels_are_those_of_each_report(run, found):
    table = found.table.set_index(["seed", "role"])
    for name, scores in run.items():
        report = hs.test(scores)
        for role in ROLES:
            row = table.loc[(name, role)]
            rows = report.table[report.table["role"] == role]
            assert row["labels"] == len(report.heads(role))
            assert row["above"] == (rows["mean"] > 3).sum()
            depth = rows["layer"][rows["mean"] > 3].mean() / (LAYERS - 1)
            np.testing.assert_allclose(row["depth"], depth)
    assert (table["share"] == table["labels"] / 12).all()
    np.testing.assert_array_equal(found.means[2], hs.test(run["seed-2"]).array("mean"))


def test_intervals_of_heads_share_and_depth(found):
    rows = found.intervals.set_index(["role", "what"])
    previous = rows.loc[("previous", "heads")]
    assert (previous["mean"], previous["n_seeds"]) == (2, 6)
    assert previous["high"] - 2 == pytest.approx(1 - 0.05 ** (1 / 6))  # equal in all seeds
    induction = rows.loc[("induction", "heads")]
    assert induction["mean"] == 1.5
    assert induction["low"] < 1.2 < 1.8 < induction["high"]
    for what in ("mean", "low", "high", "sd_seeds", "se_documents"):
        assert rows.loc[("induction", "share"), what] == pytest.approx(induction[what] / 12)
    assert rows.loc[("induction", "depth"), "mean"] == 1
    assert rows.loc[("block", "depth"), "n_seeds"] == 0
    assert np.isnan(rows.loc[("block", "depth"), "low"])


def test_counts_of_resampled_documents_against_a_plain_loop(run):
    scores = next(iter(run.values()))
    clusters = clusters_of(scores, "document")
    criterion = criterion_of(TestOptions(tau=5.0), scores.roles, None)
    counts = seed_counts(scores, criterion, clusters, seed=4)
    assert counts.drawn_heads.shape == (DRAWS, 3)
    again = seed_counts(scores, criterion, clusters, seed=4)
    np.testing.assert_array_equal(counts.drawn_heads, again.drawn_heads)
    rng, heads = np.random.default_rng(5), []
    for _ in range(DRAWS):
        chosen = rng.integers(0, 20, 20)
        rows = np.concatenate([np.flatnonzero(clusters.codes == each) for each in chosen])
        heads.append((scores.values[rows].mean(axis=0) > 5).sum(axis=(1, 2)))
    expected = np.array(heads)
    np.testing.assert_allclose(
        counts.drawn_heads.mean(axis=0), expected.mean(axis=0), atol=4 * 0.5 / np.sqrt(DRAWS)
    )


def test_a_criterion_of_attained_counts_heads_above_the_fraction():
    rng = np.random.default_rng(0)
    values = rng.gamma(9, 0.5, (N, 3, LAYERS, HEADS)).astype(np.float32)
    attainable = rng.uniform(8, 20, (N, 3))
    scores = hs.HeadScores.from_arrays(values, ROLES, attainable=attainable)
    run = {"a": scores, "b": replace(scores, values=values[..., ::-1].copy())}
    found = seeds_of(run, criterion="attained", tau=0.27)
    for name, each in run.items():
        report = hs.test(each, criterion="attained", tau=0.27)
        above = (report.array("attained") > 0.27).sum(axis=(1, 2))
        assert found.table.loc[found.table["seed"] == name, "above"].tolist() == above.tolist()


def test_heads_that_move_and_heads_that_stay(found):
    tests = found.tests.set_index("heads")["pvalue"]
    assert tests["same index"] > 0.05
    stay = seeds_of({f"{n}": scores_of(n, moved=False) for n in range(4)})
    assert stay.tests["pvalue"][0] < 0.01
    assert len(found.pairs) == 15
    assert stay.pairs["same_index"].mean() > found.pairs["same_index"].mean()


def test_matches_of_two_seeds(found):
    matches = found.matches("seed-1", "seed-3")
    assert (matches["layer"] == matches["to_layer"]).all()
    assert matches.groupby("to_layer")["to_head"].apply(sorted).tolist() == [[0, 1, 2, 3]] * 3
    means = found.means[1][0, 0], found.means[3][0, 0]  # previous, layer 0
    first = matches[matches["layer"] == 0]
    assert ((means[0][first["head"]] > 3) == (means[1][first["to_head"]] > 3)).all()
    with pytest.raises(UsageError, match="seed must be one of the seeds, got 'seed-9'"):
        found.matches("seed-1", "seed-9")


def test_sequences_in_another_order_are_aligned(run, found):
    order = np.random.default_rng(0).permutation(N)
    last = run["seed-5"]
    turned = replace(
        last,
        values=last.values[order],
        sequence_ids=tuple(last.sequence_ids[at] for at in order),
        documents=None,
    )
    assert_frame_equal(seeds_of({**run, "seed-5": turned}).table, found.table)


def test_saved_seeds_come_back(found, tmp_path):
    found.save(tmp_path / "s.hs")
    for again in (hs.load(tmp_path / "s.hs"), Seeds.load(tmp_path / "s.hs")):
        assert isinstance(again, hs.Seeds)
        for name in ("table", "intervals", "pairs", "tests"):
            assert_frame_equal(getattr(again, name), getattr(found, name))
        assert again.signature == found.signature
        assert again.summary() == found.summary()
        assert_frame_equal(again.matches("seed-0", "seed-1"), found.matches("seed-0", "seed-1"))
    found.to_csv(tmp_path / "s.csv")
    assert len((tmp_path / "s.csv").read_text(encoding="utf-8").splitlines()) == 19


def test_sentences_name_what_is_not_shown(found):
    assert answer(found).startswith(
        "In 6 seeds, it is not shown that heads of the same layer and number are alike (p "
    )
    assert of_role(found, "previous").startswith(
        "labels 2 in a seed; heads above tau 2 (1.61 to 2.39)"
    )
    assert "mean depth" not in of_role(found, "block")
    stay = seeds_of({f"{n}": scores_of(n, moved=False) for n in range(4)})
    assert "heads of the same layer and number are shown to be alike (p 0.0001)" in answer(stay)


def test_the_terminal_fits_its_width(run, found):
    for width in (50, 60, 75, 80):
        lines = render_seeds(found, Style(width=width), saved="s.hs").splitlines()
        text = [line for line in lines if not line.startswith("signature")]
        assert max(map(len, text)) <= width
    assert "  previous   2  2  2  2  2  2" in lines
    many = seeds_of({f"a long name of a seed {n}": scores_of(n) for n in range(10)})
    text = render_seeds(many, Style(width=80), saved=None)
    assert "2 seeds left out" in " ".join(text.split())


@pytest.mark.parametrize(("width", "dark"), [(1200, False), (1200, True), (390, False)])
def test_a_page_opens_without_errors_and_is_accessible(browser, found, tmp_path, width, dark):
    from axe_playwright_python.sync_playwright import Axe

    found.to_html(tmp_path / "s.html")
    with opened(browser, tmp_path / "s.html", width=width, dark=dark) as page:
        assert page.complaints == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert page.locator("circle.seed").count() == 18
        violations = Axe().run(page).response["violations"]
    assert [(each["id"], each["nodes"][0]["html"]) for each in violations] == []


def test_names_are_shown_as_they_are(tmp_path):
    found = seeds_of({name: scores_of(0, roles=(EVIL, "b", "c")) for name in (EVIL, "other and")})
    found.to_html(tmp_path / "s.html")
    assert "<script>window.evil" not in (tmp_path / "s.html").read_text(encoding="utf-8")
    assert "\x1b" not in render_seeds(found, Style(), saved=None)
    assert "<script>" not in found._repr_html_()


def test_invalid_input(run):
    first = run["seed-0"]
    with pytest.raises(UsageError, match="scores must map names of seeds to HeadScores, got list"):
        seeds_of([first, first])
    with pytest.raises(UsageError, match="scores must hold at least 2 seeds, got 1"):
        seeds_of({"a": first})
    with pytest.raises(UsageError, match="names of seeds must be texts that are not empty, got 1"):
        seeds_of({1: first, "b": first})
    with pytest.raises(UsageError, match="got Report for 'b'"):
        seeds_of({"a": first, "b": hs.test(first)})
    other = replace(first, sequence_ids=(*first.sequence_ids[1:], "new"))
    with pytest.raises(InputError, match="a and b must have the same sequences, got '0' only in a"):
        seeds_of({"a": first, "b": other})
    with pytest.raises(InputError, match="a and b must have the same roles"):
        seeds_of({"a": first, "b": scores_of(0, roles=("previous", "induction", "sink"))})
    found = seeds_of({"a": first, "b": run["seed-1"]})
    with pytest.raises(InputError, match="table must have the row of"):
        replace(found, table=found.table.iloc[1:])


def test_a_role_without_sequences_is_not_tested(run, browser, tmp_path):
    def without(scores, role):
        values = scores.values.copy()
        values[:, role] = np.nan
        return replace(scores, values=values)

    found = seeds_of({name: without(scores, 2) for name, scores in run.items()})
    assert found.interval("block", "heads")["n_seeds"] == 0
    assert np.isnan(found.interval("block", "heads")["high"])
    assert of_role(found, "block") == "not tested (no sequence takes part)"
    lines = [line.split() for line in render_seeds(found, Style(), saved=None).splitlines()]
    assert ["block", *["-"] * 6] in lines
    # In one seed of two only: there is a number, and no interval.
    two = dict(list(run.items())[:2])
    part = seeds_of({**two, "seed-1": without(two["seed-1"], 0)})
    assert part.interval("previous", "heads")["n_seeds"] == 1
    for name, each in (("all", found), ("part", part)):
        path = tmp_path / f"{name}.html"
        each.to_html(path)
        assert "nan" not in path.read_text().partition("<svg")[2].partition("</svg>")[0]
        with opened(browser, path) as page:
            assert not page.complaints
