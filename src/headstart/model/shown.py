"""A model in a line, and as a notebook shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from headstart.errors import first_few
from headstart.runtime.notebook import html_card

if TYPE_CHECKING:
    from collections.abc import Mapping

    from headstart.backbones.backbone import Backbone
    from headstart.data.table.encoding import TableEncoding
    from headstart.decisions import Decisions
    from headstart.engines.engine import Engine
    from headstart.heads import FittedHead


class ShownModel:
    """What `Model` shows of itself."""

    backbone: Backbone
    engine: Engine
    head: FittedHead
    classes: tuple[str, ...]
    facts: Mapping[str, Any]
    decisions: Decisions
    table: TableEncoding | None
    others: tuple[Any, ...]
    weights: tuple[float, ...]

    def __repr__(self) -> str:
        return f"<Model: {self._heads()}, {len(self.classes)} classes: {first_few(self.classes)}>"

    def _repr_html_(self) -> str:
        facts = {
            "classes": first_few(self.classes, 20),
            "heads": self._heads(),
            "ordered classes": "yes" if self.facts.get("ordered") else None,
            "table columns": None if self.table is None else ", ".join(column.name for column in self.table.columns),
            "calibration": self.decisions.calibrator.kind,
            "engine": f"{self.engine.name}, {self.engine.precision}",
        }
        return html_card("Model", facts)

    def _heads(self) -> str:
        """The heads that have a vote, with the networks they stand on."""
        every = zip((self, *self.others), self.weights or (1.0,), strict=True)
        return ", ".join(f"{one.head.spec.label} on {one.backbone.name}" for one, weight in every if weight > 0)
