"""An audit in a line, and as a notebook shows it."""

from __future__ import annotations

from typing import Any

from headstart.errors import first_few
from headstart.runtime.notebook import html_card


class ShownAudit:
    """Line and notebook card of an `Audit`."""

    n_images: int
    class_counts: dict[str, int]
    unreadable: tuple[tuple[int, str, str], ...]
    formats: dict[str, int]
    widths: tuple[int, int, int]
    heights: tuple[int, int, int]
    duplicates: tuple[tuple[int, ...], ...]
    conflicts: tuple[tuple[int, ...], ...]
    candidates: list[Any]
    warnings: tuple[str, ...]

    def __repr__(self) -> str:
        found = {
            "unreadable": len(self.unreadable),
            "exact duplicates": sum(map(len, self.duplicates)),
            "near-duplicate candidates": len(self.candidates),
            "warnings": len(self.warnings),
        }
        return f"<Audit: {self.n_images:,} images, {', '.join(f'{count:,} {name}' for name, count in found.items())}>"

    def _repr_html_(self) -> str:
        sizes = zip(("smallest", "median", "largest"), self.widths, self.heights, strict=True)
        facts = {
            "classes": first_few([f"{name} {count:,}" for name, count in self.class_counts.items()], 20) or None,
            "width x height": ", ".join(f"{name} {width} x {height}" for name, width, height in sizes),
            "formats": first_few([f"{name} {count:,}" for name, count in self.formats.items()]),
            "unreadable": first_few([name for _, name, _ in self.unreadable]) or None,
            "sets of exact duplicates": len(self.duplicates) or None,
            "of them with different labels": len(self.conflicts) or None,
            "near-duplicate candidates": len(self.candidates) or None,
            "warnings": " ".join(self.warnings) or None,
        }
        return html_card(f"Audit: {self.n_images:,} images", facts)
