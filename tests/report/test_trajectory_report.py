"""Trajectory: steps, counts, files, sentences, the terminal, pages, and invalid input."""

from dataclasses import replace

import numpy as np
import pytest
from helpers.browser import opened
from pandas.testing import assert_frame_equal

import headscore as hs
from headscore.errors import InputError, UsageError
from headscore.report.terminal.style import Style
from headscore.report.terminal.trajectory import render_trajectory
from headscore.report.trajectory import Trajectory
from headscore.report.trajectory_sentences import answer, of_role

EVIL = "<script>window.evil=1</script>\"'&\u202egnp\x1b[31m</style>{{ 7*7 }}"
STEPS = (0, 10, 100, 1000)
# (role, layer, head): mean at each step; all other cells stay around 1.
MEANS = {
    (0, 0, 1): (1, 6, 6, 6),  # from 10 on
    (0, 1, 2): (1, 6, 1, 6),  # from 1000 on, with an interruption
    (1, 0, 0): (6, 6, 6, 6),  # always
    (1, 1, 1): (1, 6, 6, 1),  # lost
    (1, 1, 0): (1, 1, 3, 6),  # from 1000 on, undecided at 100
}


def scores_at(number, *, roles=("local", "nsubj"), seed=0, n=60):
    rng = np.random.default_rng([seed, number])
    means = np.ones((2, 2, 3))
    for cell, of_steps in MEANS.items():
        means[cell] = of_steps[number]
    document = np.random.default_rng(7).normal(0, 0.2, (n // 3, 1, 1, 1)).repeat(3, axis=0)
    values = np.clip(means + document + rng.normal(0, 0.3, (n, 2, 2, 3)), 0, None)
    return hs.HeadScores.from_arrays(
        values.astype(np.float32), roles, documents=[f"d{at // 3}" for at in range(n)]
    )


@pytest.fixture(scope="module")
def run():
    return {step: scores_at(number) for number, step in enumerate(STEPS)}


@pytest.fixture(scope="module")
def found(run):
    return hs.trajectory(run)


def test_the_steps_of_planted_cells(found):
    rows = found.table.set_index(["role", "layer", "head"])
    nan = np.nan
    expected = {
        ("local", 0, 1): (10, 0, False),
        ("local", 1, 2): (1000, 0, False),
        ("nsubj", 0, 0): (0, nan, False),
        ("nsubj", 1, 1): (nan, 0, True),
        ("nsubj", 1, 0): (1000, 10, False),
        ("nsubj", 0, 2): (nan, 1000, False),
    }
    for cell, (has_from, absent_until, lost) in expected.items():
        row = rows.loc[cell]
        np.testing.assert_equal((row["has_from"], row["absent_until"]), (has_from, absent_until))
        assert row["lost"] == lost
    assert rows["lost"].sum() == 1
    assert rows["has_from"].notna().sum() == 4
    assert found.heads("nsubj")["head"].tolist() == [0, 0]
    assert found.lost()["layer"].tolist() == [1]


def test_labels_and_means_are_those_of_each_report(run, found):
    for number, scores in enumerate(run.values()):
        report = hs.test(scores)
        np.testing.assert_array_equal(found.labels[number], report.array("label"))
        np.testing.assert_array_equal(found.means[number], report.array("mean"))
    last = hs.test(run[1000])
    assert (found.table["has_from"].notna() <= last.table["label"]).all()


def test_counts_by_step(found):
    counts = found.by_step().set_index(["role", "step"])
    assert counts.loc["local", "has"].tolist() == [0, 1, 1, 2]
    assert counts.loc["local", "label"].tolist() == [0, 2, 1, 2]
    assert counts.loc["nsubj", "has"].tolist() == [1, 1, 1, 2]
    assert (counts[["has", "has_not", "undecided"]].sum(axis=1) == 6).all()
    assert counts.loc["local", "has_not"].tolist() == [6, 4, 4, 4]


def test_steps_are_sorted_and_files_are_read(run, found, tmp_path):
    for step, scores in run.items():
        scores.save(tmp_path / f"{step}.hs")
    backwards = {step: tmp_path / f"{step}.hs" for step in reversed(STEPS)}
    assert_frame_equal(hs.trajectory(backwards).table, found.table)


def test_roles_in_another_order_and_other_corpora(run, found):
    last = run[1000]
    turned = replace(last, roles=last.roles[::-1], values=last.values[:, ::-1].copy())
    assert_frame_equal(hs.trajectory({**run, 1000: turned}).table, found.table)
    fewer = hs.HeadScores.from_arrays(run[0].values[:30], run[0].roles)
    mixed = hs.trajectory({**run, 0: fewer})
    assert mixed.counts == {"steps": 4, "sequences_first": 30, "sequences_last": 60}
    assert mixed.facts["first unit"] == "sequences (no documents are known)"
    assert "sequences (no documents are known) and 20 documents" in mixed.summary()


def test_beyond_position_needs_both_and_is_denied_by_either(run):
    # nsubj 0.0: excess above 0 at the last two steps only; local has no pairs.
    excess = {number: np.full((60, 2, 2, 3), np.nan, np.float32) for number in range(len(STEPS))}
    noise = np.random.default_rng(1).normal(0, 0.1, (60, 2, 3))
    with_excess = {}
    for number, (step, scores) in enumerate(run.items()):
        excess[number][:, 1] = (1 if number >= 2 else -1) + noise
        with_excess[step] = replace(scores, excess=excess[number])
    table = hs.trajectory(with_excess, label="beyond_position").table
    rows = table.set_index(["role", "layer", "head"])
    assert rows.loc[("nsubj", 0, 0), "has_from"] == 100
    assert rows.loc[("nsubj", 0, 0), "absent_until"] == 10  # position explains it
    assert rows.loc[("local", 0, 1), "has_from"] == 10
    without = hs.trajectory(run, label="beyond_position").table
    assert_frame_equal(without, hs.trajectory(run).table)


def test_a_saved_trajectory_comes_back(found, tmp_path):
    found.save(tmp_path / "t.hs")
    for again in (hs.load(tmp_path / "t.hs"), Trajectory.load(tmp_path / "t.hs")):
        assert isinstance(again, hs.Trajectory)
        assert_frame_equal(again.table, found.table)
        assert_frame_equal(again.by_step(), found.by_step())
        assert again.signature == found.signature
        assert again.summary() == found.summary()
    found.to_csv(tmp_path / "t.csv")
    lines = (tmp_path / "t.csv").read_text(encoding="utf-8").splitlines()
    assert lines[0] == ",".join(found.table)
    assert len(lines) == 1 + len(found.table)


def test_sentences_bound_what_is_not_shown(found):
    text = answer(found)
    assert text.startswith("Among 6 heads at 4 checkpoints, 4 roles of heads are shown to be there")
    assert "The earliest: 0.0 in nsubj, from step 0 on" in text
    assert text.endswith("1 role is shown to be lost at the last one.")
    assert of_role(found, "local") == (
        "2 shown to have it at the end (half of these from step 10 on), at most 2 have it; at "
        "first at most 0"
    )
    assert of_role(found, "nsubj").endswith("; 1 shown to be lost")
    none = hs.trajectory({0: scores_at(0, seed=1), 1: scores_at(0, seed=2)}, tau=9)
    assert "no role is shown to be there from some checkpoint to the last" in answer(none)
    assert "no roles are shown to be lost" in answer(none).lower()


def test_heads_of_one_step_come_with_the_largest_mean_first():
    means = {1: [1.0, 1.0, 1.0], 2: [6.0, 9.0, 1.0], 3: [6.0, 9.0, 12.0]}
    rng = np.random.default_rng(0)
    made = {
        # The first head varies least: its p-value is the smallest.
        step: rng.normal(of_step, (0.1, 1.0, 0.1), (40, 1, 1, 3)).astype(np.float32)
        for step, of_step in means.items()
    }
    found = hs.trajectory(
        {step: hs.HeadScores.from_arrays(values, ["local"]) for step, values in made.items()}
    )
    assert found.heads("local")["head"].tolist() == [1, 0, 2]
    lines = [line.split() for line in render_trajectory(found, Style(), saved=None).splitlines()]
    assert [line[1] for line in lines if line[:1] == ["local"] and "." in line[1]] == [
        *("0.1", "0.0", "0.2")
    ]


def test_the_terminal_fits_its_width(found):
    for width in (50, 60, 75, 80):
        lines = render_trajectory(found, Style(width=width), saved="t.hs").splitlines()
        text = [line for line in lines if not line.startswith("signature")]
        assert max(map(len, text)) <= width
    assert "Heads that have a role from a step on: 4" in lines
    assert any(line.split() == ["nsubj", "1.0", "10", "to", "1000", *line.split()[-3:]]
               for line in lines)  # fmt: skip
    many = {step: scores_at(min(step, 3)) for step in range(30)}
    text = render_trajectory(hs.trajectory(many), Style(width=80), saved=None)
    assert "24 steps left out" in text


@pytest.mark.parametrize(("width", "dark"), [(1200, False), (1200, True), (390, False)])
def test_a_page_opens_without_errors_and_is_accessible(browser, found, tmp_path, width, dark):
    from axe_playwright_python.sync_playwright import Axe

    found.to_html(tmp_path / "t.html")
    with opened(browser, tmp_path / "t.html", width=width, dark=dark) as page:
        assert page.complaints == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert page.locator("#steps figure svg").count() == 2
        page.check("#filter-label")
        assert page.locator("#all tbody tr:visible").count() == 4
        violations = Axe().run(page).response["violations"]
    assert [(each["id"], each["nodes"][0]["html"]) for each in violations] == []


def test_a_role_that_is_tested_nowhere_is_shown_to_lack_nothing():
    values = np.random.default_rng(0).uniform(0, 9, (30, 2, 1, 2))
    values[:, 1] = np.nan
    scores = hs.HeadScores.from_arrays(values.astype(np.float32), ["local", "nsubj"])
    found = hs.trajectory({1: scores, 2: scores})
    assert of_role(found, "nsubj") == "not tested (no_sieve)"
    lines = [line.split() for line in render_trajectory(found, Style(), saved=None).splitlines()]
    assert lines[lines.index(["nsubj", "shown", "0", "0"]) + 1] == ["at", "most", "-", "-"]
    values[:] = np.nan
    nothing = hs.HeadScores.from_arrays(values.astype(np.float32), ["local", "nsubj"])
    alone = hs.trajectory({1: nothing, 2: nothing})
    assert answer(alone) == "No head could be tested in any role."


def test_one_head_has_its_role_from_its_own_step_on():
    values = np.ones((30, 1, 1, 1), np.float32) * [[[[6]]]]
    scores = hs.HeadScores.from_arrays(values.astype(np.float32), ["local"])
    found = hs.trajectory({1: scores, 2: scores})
    assert of_role(found, "local").startswith("1 shown to have it at the end (from step 1 on),")


def test_steps_that_no_number_can_hold_raise(run):
    with pytest.raises(UsageError, match="steps must be finite numbers"):
        hs.trajectory({0: run[0], 10**400: run[10]})
    with pytest.raises(UsageError, match="steps must differ as numbers of 64 bits"):
        hs.trajectory({2**60: run[0], 2**60 + 1: run[10]})
    with pytest.raises(UsageError, match="adjust must be one of holm, bh, by, none, got 'maxt'"):
        hs.trajectory(run, adjust="maxt")


def test_names_are_shown_as_they_are(tmp_path):
    roles = ("local", EVIL)
    found = hs.trajectory({step: scores_at(step, roles=roles) for step in (0, 3)})
    found.to_html(tmp_path / "t.html")
    text = (tmp_path / "t.html").read_text(encoding="utf-8")
    assert "<script>window.evil" not in text
    assert "\x1b" not in render_trajectory(found, Style(), saved=None)
    assert "<script>" not in found._repr_html_()


def test_invalid_input(run, tmp_path):
    with pytest.raises(UsageError, match="scores must map steps to HeadScores, got list"):
        hs.trajectory([run[0], run[10]])
    with pytest.raises(UsageError, match="scores must hold at least 2 steps, got 1"):
        hs.trajectory({0: run[0]})
    for step in ("0", True, float("nan")):
        with pytest.raises(UsageError, match="steps must be finite numbers, got"):
            hs.trajectory({step: run[0], 10: run[10]})
    with pytest.raises(UsageError, match="got Report for step 10"):
        hs.trajectory({0: run[0], 10: hs.test(run[10])})
    with pytest.raises(
        InputError,
        match="step 0 and step 10 must have the same roles, got 'nsubj' only in step 0",
    ):
        hs.trajectory({0: run[0], 10: scores_at(1, roles=("local", "obj"))})
    smaller = hs.HeadScores.from_arrays(run[0].values[..., :2], run[0].roles)
    with pytest.raises(InputError, match="must have the same layers and heads, got 2 x 3 and 2 x"):
        hs.trajectory({0: run[0], 10: smaller})
    with pytest.raises(UsageError, match="label must be one of label, beyond_position, got"):
        hs.trajectory(run, label="label_unadjusted")
    found = hs.trajectory(run)
    with pytest.raises(UsageError, match="role must be one of the trajectory, got 'locol'"):
        found.heads("locol")
    with pytest.raises(InputError, match="steps must increase"):
        replace(found, steps=found.steps[::-1])
    with pytest.raises(UsageError, match="adjust must be one of holm, bh, by, none, got 'maxt'"):
        hs.trajectory(run, adjust="maxt")
