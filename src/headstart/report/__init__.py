"""The report of a run: one HTML file that opens offline, and its figures."""

from headstart.report.write import write_report

__all__ = ["write_report"]
