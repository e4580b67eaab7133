"""One self-contained page about a run, and one that lays runs side by side. No network, no scripts from elsewhere."""

from discogan.report.comparison import comparison, write_comparison
from discogan.report.page import write_report

__all__ = ["comparison", "write_comparison", "write_report"]
