"""Reports that people read: one offline HTML file about a run, and one about a comparison of policies.

Rule of this package: it reads run directories and computed comparisons, never a simulator's state; the page loads
nothing from anywhere.
"""

from scenarios.report.comparison_report import write_comparison_report
from scenarios.report.run_report import write_report

__all__ = ["write_comparison_report", "write_report"]
