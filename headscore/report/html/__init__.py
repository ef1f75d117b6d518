"""Pages of reports, comparisons, effects, examples, seeds and trajectories, each self-contained."""

from headscore.report.html.comparison import comparison_page
from headscore.report.html.effect import effect_page
from headscore.report.html.examples import examples_page
from headscore.report.html.power_curve import power_page
from headscore.report.html.replication import replication_page
from headscore.report.html.report import report_page
from headscore.report.html.seeds import seeds_page
from headscore.report.html.trajectory import trajectory_page

__all__ = [
    "comparison_page",
    "effect_page",
    "examples_page",
    "power_page",
    "replication_page",
    "report_page",
    "seeds_page",
    "trajectory_page",
]
