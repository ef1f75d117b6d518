"""Reports, comparisons, effects and examples as one self-contained HTML page each."""

from headscore.report.html.comparison import comparison_page
from headscore.report.html.effect import effect_page
from headscore.report.html.examples import examples_page
from headscore.report.html.power_curve import power_page
from headscore.report.html.report import report_page
from headscore.report.html.snippet import effect_snippet, power_snippet, report_snippet

__all__ = [
    "comparison_page",
    "effect_page",
    "effect_snippet",
    "examples_page",
    "power_page",
    "power_snippet",
    "report_page",
    "report_snippet",
]
