"""Self-contained pages about one run, or about several runs side by side. They load nothing from the network."""

from discogan.report.comparison import comparison, write_comparison
from discogan.report.page import write_report

__all__ = ["comparison", "write_comparison", "write_report"]
