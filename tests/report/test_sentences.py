"""Sentences: what is shown, and that what is not significant is not worded as a finding."""

import numpy as np

import headscore as hs
from headscore.report import sentences


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
