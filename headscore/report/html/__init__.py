"""Reports, comparisons and examples as one self-contained HTML page each."""

from headscore.report.html.comparison import comparison_page
from headscore.report.html.examples import examples_page
from headscore.report.html.report import report_page
from headscore.report.html.snippet import report_snippet

__all__ = ["comparison_page", "examples_page", "report_page", "report_snippet"]
