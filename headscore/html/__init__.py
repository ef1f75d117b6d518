"""Reports, comparisons and examples as one self-contained HTML page each."""

from headscore.html.comparison import comparison_page
from headscore.html.examples import examples_page
from headscore.html.report import report_page
from headscore.html.snippet import report_snippet

__all__ = ["comparison_page", "examples_page", "report_page", "report_snippet"]
