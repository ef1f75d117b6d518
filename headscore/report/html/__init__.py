"""Pages of reports, comparisons, effects, examples, seeds and trajectories, each self-contained."""

from headscore.report.html.comparison import comparison_page
from headscore.report.html.effect import effect_page
from headscore.report.html.examples import examples_page
from headscore.report.html.power_curve import power_page
from headscore.report.html.replication import replication_page
from headscore.report.html.report import report_page
from headscore.report.html.seeds import seeds_page
from headscore.report.html.snippet import (
    effect_snippet,
    power_snippet,
    replication_snippet,
    report_snippet,
    seeds_snippet,
    trajectory_snippet,
)
from headscore.report.html.trajectory import trajectory_page

__all__ = [
    "comparison_page",
    "effect_page",
    "effect_snippet",
    "examples_page",
    "power_page",
    "power_snippet",
    "replication_page",
    "replication_snippet",
    "report_page",
    "report_snippet",
    "seeds_page",
    "seeds_snippet",
    "trajectory_page",
    "trajectory_snippet",
]
