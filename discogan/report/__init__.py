"""One self-contained page about a run, and one that lays runs side by side. No network, no scripts from elsewhere."""

from discogan.report.comparison import comparison, write_comparison
from discogan.report.page import write_report
from discogan.report.summary import Summary, read_evaluation, read_summary, read_verdict

__all__ = [
    "Summary",
    "comparison",
    "read_evaluation",
    "read_summary",
    "read_verdict",
    "write_comparison",
    "write_report",
]
