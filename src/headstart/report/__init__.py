"""The report of a run: one HTML file that opens offline, and its figures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headstart.runtime.lazy import lazy_names

if TYPE_CHECKING:
    from headstart.report.write import drawn_figures, write_report

__all__ = ["drawn_figures", "write_report"]

__getattr__ = lazy_names(__name__, dict.fromkeys(__all__, "write"))
