"""Empty results say why, and what to do."""

import numpy as np
import pytest

import headscore as hs
from headscore.report.empty_result import why_empty


def scores(n=40, *, mean=1.5, attainable=2.75, roles=("local",)):
    rng = np.random.default_rng(0)
    values = rng.normal(mean, 0.2, (n, len(roles), 2, 3)).astype(np.float32)
    most = np.full((n, len(roles), 2), attainable, np.float32)
    return hs.HeadScores.from_arrays(values, list(roles), attainable=most)


def test_a_role_that_cannot_exceed_tau_says_what_it_can_reach():
    (line,) = why_empty(hs.test(scores()))
    assert line == (
        "local can reach at most 2.75 on these sentences: longer texts, --tau 2, or "
        "--criterion attained --tau 0.5"
    )


@pytest.mark.parametrize(
    ("attainable", "tau", "ways"),
    [
        (0.9, 3, "longer texts or --criterion attained --tau 0.5"),
        (2.0, 3, "longer texts, --tau 1, or --criterion attained --tau 0.5"),
        (34.6, 40, "longer texts, --tau 3, or --criterion attained --tau 0.5"),
        (1.5, {"local": 2}, "longer texts, --tau 1, or --criterion attained --tau 0.5"),
    ],
)
def test_the_threshold_is_a_whole_number_that_can_be_exceeded(attainable, tau, ways):
    report = hs.test(scores(attainable=attainable, mean=0.5), tau=tau)
    (line,) = [line for line in why_empty(report) if line.startswith("local")]
    assert line.endswith(ways)


def test_among_other_roles_the_threshold_is_for_this_one():
    report = hs.test(scores(roles=("local", "block")))
    assert "--tau 3,block=2" in why_empty(report)[1]
    report = hs.test(scores(roles=("local", "block")), tau={"*": 3, "local": 2.9})
    assert "a --tau of 2 for it" in why_empty(report)[1]


def test_too_few_sequences_are_counted():
    (line,) = why_empty(hs.test(scores(5, attainable=9)))
    assert line.startswith("local occurs in 5 sequences, and a test needs at least 8")


def test_a_mean_below_tau_is_named_only_where_nothing_was_found():
    low = hs.test(scores(attainable=9))
    (line,) = why_empty(low)
    assert line.startswith("no head is shown to have local: the highest mean is 1.5")
    assert line.endswith("more text or --tau 1")
    assert line in low.summary().splitlines()
    assert why_empty(hs.test(scores(mean=5, attainable=9))) == []


def test_what_runs_says_so_too(tmp_path):
    from headscore.report.terminal.report import render_report
    from headscore.report.terminal.style import Style

    text = render_report(hs.test(scores()), Style(width=200), seconds={}, saved=None)
    assert "local can reach at most 2.75 on these sentences" in text
