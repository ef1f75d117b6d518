"""Sentences: what is shown, and that what is not significant is not worded as a finding."""

import re

import numpy as np
import pytest
from helpers.position import compared

import headscore as hs
from headscore.report import change_sentences, sentences
from headscore.report.html import report_page
from headscore.report.terminal.report import render_report
from headscore.report.terminal.style import Style


def report_of(shift, roles=("local", "sink"), **options):
    """A report of 6 layers of 8 heads; `shift` is added to the scores, (role, layer, head)."""
    values = np.random.default_rng(0).normal(1, 0.3, (40, len(roles), 6, 8))
    scores = hs.HeadScores.from_arrays((values + shift).astype(np.float32), roles)
    return hs.test(scores, **options)


def shifts(*roles):
    """Add 5 to the heads of each role, given as (layers, heads)."""
    shift = np.zeros((len(roles), 6, 8))
    for number, (layers, heads) in enumerate(roles):
        shift[number, layers, heads] = 5
    return shift


NOBODY = (slice(0), slice(0))
FIRST_LAYERS = (slice(0, 2), slice(0, 6))
EVERYWHERE = (slice(None), slice(0, 2))


def test_nothing_is_claimed_of_roles_without_heads():
    report = report_of(shifts(NOBODY, NOBODY))
    assert sentences.of_role(report, "local") == "No head is shown to have the role."
    assert sentences.of_layers(report) == "No head is shown to have a role."
    assert sentences.of_combined(report) == "No head is shown to have more than one role."
    assert sentences.of_colocation(report, report.colocation()) == (
        "No two roles are shown to share more heads than the counts in each layer let expect."
    )


def test_trends_are_those_of_the_adjusted_p_values():
    report = report_of(shifts(FIRST_LAYERS, EVERYWHERE))
    assert sentences.of_layers(report).endswith(
        " Depth matters (Holm-adjusted permutation p ≤ 0.05) for local."
    )
    depths = report.depths()
    alpha = depths["pvalue"].min() * 1.5  # below the adjusted p-value, twice the smallest
    assert (depths["pvalue_adj"] > alpha).all()
    strict = report_of(shifts(FIRST_LAYERS, EVERYWHERE), alpha=alpha)
    assert sentences.of_layers(strict).endswith(" No trend over the layers is shown.")


def test_pairs_that_share_heads_are_those_of_the_adjusted_p_values():
    report = report_of(shifts(EVERYWHERE, EVERYWHERE))
    assert sentences.of_colocation(report, report.colocation()) == (
        "1 pair of roles share more heads than the counts in each layer let expect "
        "(Holm-adjusted exact p ≤ 0.05); most: local and sink, 12 heads, 3 expected."
    )


def test_nested_roles_are_no_pair_that_shares_heads():
    report = report_of(shifts(EVERYWHERE, EVERYWHERE), roles=("syntactic", "nsubj"))
    reading = sentences.of_colocation(report, report.colocation())
    assert reading.startswith("No two roles are shown to share more heads")


def centred(*shape):
    """Noise with a mean of 0 over the sequences."""
    noise = np.random.default_rng(0).normal(0, 0.3, (40, *shape))
    return noise - noise.mean(axis=0)


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        (("local",), "1 of 6 heads has the role local"),
        (("nsubj",), "1 of 6 heads has the role nsubj; none have it beyond position"),
        (("local", "obj"), "4 of 6 heads have a role"),
        (("delimiter", "sink"), "4 of 6 heads have a role"),
        (("obj", "delimiter"), "4 of 6 heads have a role (3 only roles of special tokens)"),
        (
            ("delimiter", "nsubj", "delimiter_sep"),
            "4 of 6 heads have a role (1 only roles of special tokens); none have a role of word "
            "pairs beyond position",
        ),
    ],
)
def test_the_headline_counts_heads_by_kind_of_role(names, sentence):
    means = np.array([[6, 1, 1, 1, 1, 1], [1, 6, 6, 6, 1, 1], [6, 1, 1, 1, 1, 1]])
    odds = np.full((len(names), 1, 6), np.nan)
    if "nsubj" in names:
        odds[names.index("nsubj")] = 1
    shown = means[: len(names), None]
    report = hs.test(compared(centred(len(names), 1, 6) + shown, list(names), odds))
    assert sentences.headline(report) == sentence
    assert sentences.answer(report).startswith(f"{sentence}. A head has a role where on average")
    assert sentence in sentences.summary(report).splitlines()
    text = render_report(report, Style(width=200), seconds={}, saved=None)
    assert sentence in text.splitlines()


def test_the_answer_counts_heads_verdicts_and_labels_beyond_position():
    means = np.array([[6, 3.01, 1, 6, 6, 6], [6, 6, 6, 6, 6, 3.01]])[:, None]
    odds = np.array([[np.nan] * 6, [4, 4, 1, 1.5, 1.5, 1]])[:, None]
    report = hs.test(compared(centred(2, 1, 6) + means, ["local", "nsubj"], odds))
    assert sentences.answer(report) == (
        "6 of 6 heads have a role; 2 have a role of word pairs beyond position. A head has a role "
        "where on average the role's tokens get more than 3 times the attention that uniform "
        "attention gives (Holm-adjusted p ≤ 0.05). Of 12 tests of a head in a role, 9 show that it "
        "has the role (9 robustly), 1 that it has not, and 2 are undecided. "
        "Beyond position: 2 of 5 labels of word pairs; position explains 1; undecided 2."
    )
    assert sentences.of_role(report, "nsubj").endswith(
        " Beyond position: 2 of 5 heads; position explains 1; undecided 2."
    )
    assert sentences.decided(report) == ["verdicts: has 9, has not 1, undecided 2"]
    assert sentences.beyond_controls(report) == ["heads with a role beyond position: nsubj 2 of 5"]


@pytest.mark.parametrize(
    ("options", "roles", "meaning"),
    [
        (
            {"adjust": "bh", "tau": 2},
            ("local", "block"),
            "more than 2 times the attention that uniform attention gives (in block, times the "
            "entropy of the row; Benjamini-Hochberg-adjusted p ≤ 0.05).",
        ),
        (
            {"adjust": "none", "tau": {"local": 2, "sink": 3}},
            ("local", "sink"),
            "more than tau (local=2,sink=3) times the attention that uniform attention gives "
            "(unadjusted p ≤ 0.05).",
        ),
    ],
)
def test_the_answer_names_threshold_and_adjustment(options, roles, meaning):
    assert meaning in sentences.answer(report_of(shifts(NOBODY, NOBODY), roles, **options))


def test_position_explains_only_what_is_shown_not_to_exceed_it():
    values = centred(1, 2, 3) + 6
    for odds, expected in ((1.5, "undecided 6"), (1.0, "position explains 6")):
        report = hs.test(compared(values, ["nsubj"], odds))
        assert sentences.of_role(report, "nsubj").endswith(f": 0 of 6 heads; {expected}.")
        assert f"; {expected}." in sentences.answer(report)
    report = hs.test(compared(values, ["nsubj"], 4.0))
    assert sentences.of_role(report, "nsubj").endswith(" Beyond position: 6 of 6 heads.")


def test_what_is_not_significant_is_not_worded_as_a_finding():
    # Every mean is the threshold, every head has the odds of position that it is tested for.
    report = hs.test(compared(centred(2, 4, 3) + 3, ["nsubj", "obj"], 1.5))
    assert (report.table["verdict"] == "undecided").all()
    assert (report.table["beyond_position"] == "undecided").all()
    visible = re.sub(r"<(style|script).*?</\1>|<[^>]*>", " ", report_page(report), flags=re.S)
    text = render_report(report, Style(), seconds={}, saved=None)
    for shown in (report.summary(), text, visible, report._repr_html_()):
        assert "undecided" in shown
        assert not re.search(r"explains [1-9]|has(_| )not [1-9]|[1-9] that it has not", shown)
        assert not re.search(r"(?i)does not|do not have|\bno effect|no difference|\babsent", shown)
    assert "0 show that it has the role (0 robustly), 0 that it has not, and 24 are" in visible
    assert "where no head is shown to have a role, the one that comes nearest" in text
    assert len(report.undecided()) == 24


def test_the_answer_of_a_comparison_separates_decided_from_undecided_sides():
    before = centred(1, 1, 4) + np.array([2.0, 3.01, 5.0, 5.0])
    after = before + np.array([3.0, 2.0, -3.0, 0.5]) + 0.1 * centred(1, 1, 4)[::-1]
    sides = [hs.HeadScores.from_arrays(each, ["local"]) for each in (before, after)]
    change = hs.compare(*sides)
    pvalue, of_kept = change.table["pvalue_adj"][[0, 3]]
    assert change_sentences.answer(change) == (
        "0.0 gained local. 0.2 lost local. Open: 0.1 has local after, undecided before. The "
        f"largest change of these, among 4 heads: 0.0 in local, 2 to 5 (adjusted p {pvalue:.3g}). "
        "Another cell changed significantly without a change of the label: 0.3 in local, 5 to 5.5 "
        f"(adjusted p {of_kept:.3g})."
    )
    same = change_sentences.answer(hs.compare(sides[0], sides[0]))
    assert same == "None of 4 heads is shown to have gained or lost a role."
    named = change_sentences.answer(hs.compare(*sides, names=("base", "tuned")))
    assert named.startswith("From base to tuned: 0.0 gained local. 0.2 lost local. Open: 0.1 has")
    assert "0.1 has local in tuned, undecided in base." in named
    same = change_sentences.answer(hs.compare(sides[0], sides[0], names=("base", "tuned")))
    assert same == "None of 4 heads is shown to have gained or lost a role from base to tuned."


def test_a_comparison_of_one_head_counts_it_in_the_singular():
    values = np.random.default_rng(0).normal(1, 0.3, (40, 1, 1, 1)).astype(np.float32)
    scores = hs.HeadScores.from_arrays(values, ["local"])
    summary = hs.compare(scores, scores).summary()
    assert summary.startswith("40 sequences, 1 head in 1 layer; tau 3")
