"""The report of a run: one HTML file that opens offline, and its figures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from headstart.report.write import write_report

__all__ = ["write_report"]


def __getattr__(name: str) -> Any:
    """Import the writer when it is first asked for: it brings pydantic and matplotlib along."""
    if name != "write_report":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from headstart.report.write import write_report

    return write_report
