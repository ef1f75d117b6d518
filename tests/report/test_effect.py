"""Effect: queries, sentences, files, pages, the terminal, and invalid input."""

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from helpers.browser import opened
from helpers.effects import arm_of, made, values_of
from pandas.testing import assert_frame_equal

import headscore as hs
from headscore.causal.values import HEADS, KEEP, KNOCKOUT, MATCHED, PLACEBO
from headscore.errors import InputError
from headscore.options import EffectOptions
from headscore.report.effect import Effect
from headscore.report.effect_sentences import answer, of_role, signed, summary
from headscore.report.html.effect_bars import panels, ticks
from headscore.report.terminal.effect import render_effect
from headscore.report.terminal.style import Style

EVIL = "<script>window.evil=1</script>\"'&\u202egnp\x1b[31m</style>{{ 7*7 }}"
PLANTED = {
    "induction": {KNOCKOUT: 0.3, PLACEBO: 0.01, KEEP: 0.1, HEADS: 0.4, MATCHED: 0.05},
    "placebo too": {KNOCKOUT: 0.3, PLACEBO: 0.3},
    "previous": {},
}


def effect_of(values, **options):
    return Effect.from_values(values, EffectOptions(**options))


@pytest.fixture(scope="module")
def values():
    reasons = {"nsubj": "no head has the role", "previous: keep": "attention is returned"}
    return made(PLANTED, sets=19, not_tried=reasons)


@pytest.fixture(scope="module")
def effect(values):
    return effect_of(values)


def test_facts_are_those_of_the_run_and_of_the_tests(effect):
    facts = {"clusters": "document", "unit": "40 documents", "alpha": "0.05", "adjust": "holm"}
    assert facts.items() <= effect.facts.items()
    assert effect.signature.startswith("headscore:1|model:some/model|metric:nll|")
    assert repr(effect) == f"Effect(3 roles, {effect.signature})"
    assert effect.counts == {"passes": 7, "sequences": 200}


def test_queries(effect):
    assert effect.used()["verdict"].tolist() == ["used", "not shown", "not shown"]
    arms = effect.arms("placebo too")
    assert arms["verdict"][KNOCKOUT] == arms["verdict"][PLACEBO] == "loses"
    sets = effect.sets()
    assert sets.groupby("role").size().tolist() == [19, 19, 19]
    assert arms["delta"][MATCHED] == pytest.approx(
        sets["delta"][sets["role"] == "placebo too"].mean()
    )
    with pytest.raises(hs.UsageError, match="role must be one of the effect, got 'sinck'"):
        effect.arms("sinck")


@pytest.mark.parametrize("documents", [True, False])
def test_a_saved_effect_comes_back(effect, values, tmp_path, documents):
    if not documents:
        effect = effect_of(replace(values, documents=None))
    effect.save(tmp_path / "effect.hs")
    for found in (hs.load(tmp_path / "effect.hs"), Effect.load(tmp_path / "effect.hs")):
        assert isinstance(found, Effect)
        assert_frame_equal(found.table, effect.table)
        assert found.signature == effect.signature
        assert found.counts == effect.counts
        assert found.values.not_tried == effect.values.not_tried
        assert found.values.documents == effect.values.documents
        assert summary(found) == summary(effect)
    again = Effect.from_values(found.values, EffectOptions())
    assert_frame_equal(again.table, effect.table)
    assert again.signature == effect.signature
    for own, other in zip(found.values.arms, effect.values.arms, strict=True):
        assert (own.role, own.arm, own.number, own.heads) == (
            *(other.role, other.arm, other.number),
            other.heads,
        )
        np.testing.assert_array_equal(own.elsewhere, other.elsewhere)
        np.testing.assert_array_equal(own.edges, other.edges)
        np.testing.assert_array_equal(own.same_offset, other.same_offset)


def test_arms_with_other_numbers_of_heads_come_back(tmp_path):
    arms = [
        arm_of("a", KNOCKOUT, np.arange(9.0), heads=((0, 0), (3, 1), (3, 2))),
        arm_of("b", KNOCKOUT, np.arange(9.0), heads=((1, 1),)),
        arm_of("b", HEADS, np.arange(9.0), heads=()),
    ]
    effect_of(values_of(arms, ["a", "b"])).save(tmp_path / "e.hs")
    found = hs.load(tmp_path / "e.hs").values.arms
    assert [each.heads for each in found] == [each.heads for each in arms]


def test_the_answer_counts_roles_and_bounds_what_is_not_shown(effect):
    text = answer(effect)
    assert text.startswith("The loss is shown to depend on the edges of 1 of 3 roles: it grows ")
    previous, other = effect.arms("previous"), effect.arms("placebo too")
    assert f"not shown: at most {previous['ci_high'][KNOCKOUT]:.3g} nats a token more" in text
    assert f"at most {other['ci_high']['beyond placebo']:.3g} nats a token more" in text


def test_readings_bound_what_is_not_shown_and_never_deny_an_effect(effect):
    readings = {role: of_role(effect, role) for role in effect.roles}
    arms = effect.arms("induction")
    assert readings["induction"].startswith("The loss depends on these edges: without the edges ")
    assert f"(at least {arms['ci_low'][KNOCKOUT]:.3g})" in readings["induction"]
    assert "(90% of them at the same offsets)" in readings["induction"]
    assert "(rank p 0.05)" in readings["induction"]
    assert f"explain {arms['explained'][KEEP]:.0%} of what the heads do" in readings["induction"]
    assert "Not shown beyond this placebo: at " in readings["placebo too"]
    assert readings["previous"].startswith("Not shown: without the edges at most ")
    assert "explain" not in readings["previous"]
    whole = " ".join([summary(effect), *readings.values()])
    assert "no effect" not in whole.lower()
    for line in ("a lower bound", "not what a head is for", "not tried: nsubj: no head has"):
        assert line in whole


def test_a_loss_that_falls_and_predictions_that_stay():
    n = 40
    rng = np.random.default_rng(0)
    arms = [
        arm_of("falls", KNOCKOUT, rng.normal(-0.5, 0.1, n)),
        arm_of("stays", KNOCKOUT, np.zeros(n)),
        arm_of("short", KNOCKOUT, [0.1, 0.2, *[np.nan] * (n - 2)]),
    ]
    effect = effect_of(values_of(arms, ["falls", "stays", "short"]))
    bound = -effect.arms("falls")["ci_high"][KNOCKOUT]
    assert f"at least {bound:.3g} nats a token less (upper bound)" in of_role(effect, "falls")
    assert "no difference in any of 40 sequences" in of_role(effect, "stays")
    assert of_role(effect, "short") == "Not tested: knock-out: fewer than 8 independent units."
    assert answer(effect).startswith("The loss is not shown to depend on the edges of any of 3 ")
    assert answer(effect).endswith("none could be tested.")


@pytest.mark.parametrize(
    ("metric", "subject"),
    [("nll", "The loss"), ("kl", "The model's prediction"), ("cosine", "The model's output")],
)
def test_sentences_name_what_was_measured(metric, subject):
    facts = {"model": "m", "metric": metric}
    effect = effect_of(made(PLANTED, facts=facts, clean=np.zeros(200), unit="u"))
    assert answer(effect).startswith(f"{subject} is shown to depend on the edges of 1 of 3 roles")
    assert ("only the difference from the placebo is a test" in summary(effect)) == (
        metric != "nll"
    )


def test_of_the_cosine_distance_no_clean_value_is_shown():
    parts = {"facts": {"metric": "cosine"}, "clean": np.zeros(200), "unit": "1 - cosine"}
    text = summary(effect_of(made(PLANTED, **parts)))
    assert "metric cosine, in 1 - cosine from the model as it is;" in text
    assert re.search(r"not shown: at most \d\.\d+ of cosine distance more \(upper bound\)", text)


def test_signs_of_numbers():
    assert [signed(each) for each in (0.25, -0.25, 0.0, np.nan)] == ["+0.25", "-0.25", "0", "-"]


def test_the_terminal_shows_every_arm_within_its_width(effect):
    for width in (50, 60, 75, 80):
        lines = render_effect(effect, Style(width=width), saved="x.hs").splitlines()
        assert max(len(line) for line in lines if not line.startswith("signature")) <= width
    text = render_effect(effect, Style(width=100), saved="x.hs")
    lines = text.splitlines()
    assert lines[0] == "some/model"
    assert max(len(line) for line in lines if not line.startswith("signature")) <= 100
    arms = next(n for n, line in enumerate(lines) if line.startswith("All arms"))
    assert len(re.findall(r"(?:loses|not shown)$", "\n".join(lines[arms:]), re.M)) == 18
    assert "saved: x.hs" in lines


def test_the_table_as_csv(effect, tmp_path):
    effect.to_csv(tmp_path / "effect.csv")
    found = pd.read_csv(tmp_path / "effect.csv")
    assert found["arm"].tolist() == effect.table["arm"].tolist()
    np.testing.assert_allclose(found["delta"], effect.table["delta"])


def test_a_notebook_shows_the_answer_escaped():
    values = made({EVIL: {KNOCKOUT: 0.3}}, sets=0)
    text = effect_of(values)._repr_html_()
    assert "<script" not in text
    assert "&lt;script&gt;" in text


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 0.4, ["0", "0.1", "0.2", "0.3", "0.4"]),
        (-0.03, 0.05, ["-0.02", "0", "0.02", "0.04"]),
        (0, 7e-6, ["0", "2e-06", "4e-06", "6e-06"]),
        (0, 4000, ["0", "1000", "2000", "3000", "4000"]),
    ],
)
def test_ticks_are_round_numbers(low, high, expected):
    assert [text for _, text in ticks(low, high)] == expected


def test_bars_lie_on_one_scale(effect):
    panel = panels(effect)[0]
    arms = effect.arms("induction")
    (zero, _), (end, text) = panel["ticks"][0], panel["ticks"][-1]
    assert panel["ticks"][0][1] == "0"
    for bar in panel["bars"]:
        if bar["arm"] != MATCHED:
            expected = zero + arms["ci_high"][bar["arm"]] / float(text) * (end - zero)
            assert bar["high"] == pytest.approx(expected, abs=0.2)
    assert len(panel["dots"]) == 19


@pytest.fixture(scope="module")
def pages(effect, tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    effect.to_html(folder / "effect.html")
    values = np.random.default_rng(0).gamma(4, 1, (40, 2, 3, 4))
    report = hs.test(hs.HeadScores.from_arrays(values, ["induction", "previous"]))
    report.to_html(folder / "report.html", effect)
    return {name: folder / f"{name}.html" for name in ("effect", "report")}


@pytest.mark.parametrize("name", ["effect", "report"])
@pytest.mark.parametrize(("width", "dark"), [(1200, False), (1200, True), (390, False)])
def test_a_page_opens_without_errors_and_is_accessible(browser, pages, name, width, dark):
    from axe_playwright_python.sync_playwright import Axe

    with opened(browser, pages[name], width=width, dark=dark) as page:
        assert page.complaints == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert page.locator(".bars figure svg").count() == 3
        assert page.locator("circle.set").count() == 3 * 19 + 1
        found = Axe().run(page).response["violations"]
    assert [(each["id"], each["nodes"][0]["html"]) for each in found] == []


def test_the_page_of_a_report_says_what_the_model_uses(browser, pages, effect):
    with opened(browser, pages["report"]) as page:
        first = page.inner_text(".answer")
        assert first.endswith("The loss is shown to depend on the edges of 1 of 3 roles.")
        assert page.inner_text("#used-title") == "Used by the model?"
        assert of_role(effect, "previous") in page.inner_text("#used")
        assert page.locator("nav a[href='#used']").count() == 1


def test_without_an_effect_the_page_of_a_report_is_as_before(tmp_path):
    values = np.random.default_rng(0).gamma(4, 1, (40, 2, 3, 4))
    hs.test(hs.HeadScores.from_arrays(values, ["a", "b"])).to_html(tmp_path / "r.html")
    text = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert "Used by the model?" not in text
    assert 'class="bars"' not in text


def test_names_are_shown_as_they_are(browser, tmp_path):
    reasons = {f"{EVIL}: keep": EVIL}
    values = made({EVIL: {KNOCKOUT: 0.3}}, sets=2, not_tried=reasons, unit=EVIL)
    effect_of(values).to_html(tmp_path / "e.html")
    with opened(browser, tmp_path / "e.html") as page:
        assert page.complaints == []
        assert page.evaluate("window.evil") is None
        assert page.inner_text("h3").startswith("<script>window.evil=1</script>")


def test_invalid_input(effect, values, tmp_path):
    with pytest.raises(hs.InputError, match="values must have at least one role, got none"):
        effect_of(replace(values, roles=(), arms=()))
    with pytest.raises(hs.InputError, match="clusters must have one id for each of 200 sequences"):
        effect_of(values, clusters=["a"])
    with pytest.raises(hs.InputError, match="table must have the rows"):
        Effect(effect.table.iloc[1:], effect.values, effect.facts)
    with pytest.raises(hs.InputError, match="cannot be written"):
        effect.to_html(tmp_path / "no" / "e.html")
    scores = hs.HeadScores.from_arrays(np.ones((9, 1, 1, 1)), ["a"])
    report = hs.test(replace(scores, facts={**scores.facts, "model": "other"}))
    with pytest.raises(hs.InputError, match="effect must be of the model of the report, other"):
        report.to_html(tmp_path / "r.html", effect)
    scores.save(tmp_path / "s.hs")
    with pytest.raises(hs.InputError, match="must hold effect, got 'headscores'"):
        Effect.load(tmp_path / "s.hs")


def test_a_page_takes_an_effect_and_nothing_else(tmp_path):
    report = hs.test(hs.HeadScores.from_arrays(np.ones((9, 1, 2, 2), np.float32), ["sink"]))
    with pytest.raises(InputError, match="effect must be an Effect, got str"):
        report.to_html(tmp_path / "page.html", effect="effect.hs")
