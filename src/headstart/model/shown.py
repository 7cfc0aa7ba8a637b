"""What a model says of itself in a line and in a notebook."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headstart.errors import first_few
from headstart.runtime.notebook import html_card

if TYPE_CHECKING:
    from headstart.model.model import Model


def model_line(model: Model) -> str:
    """Head, network and classes of a model in a line."""
    return f"<Model: {_heads(model)}, {len(model.classes)} classes: {first_few(model.classes)}>"


def model_html(model: Model) -> str:
    """A model as a table for a notebook."""
    columns = None if model.table is None else ", ".join(column.name for column in model.table.columns)
    return html_card(
        "Model",
        {
            "classes": first_few(model.classes, 20),
            "heads": _heads(model),
            "ordered classes": "yes" if model.ordered else None,
            "fine-tuned": None if model.unlocked is None else f"after {model.unlocked.stage or 'the input'}",
            "table columns": columns,
            "calibration": model.decisions.calibrator.kind,
            "engine": f"{model.engine.name}, {model.engine.precision}",
            "unlike anything seen": "told by predict" if model.detector is not None else None,
        },
    )


def _heads(model: Model) -> str:
    members = [one for one, weight in zip((model, *model.others), model.weights or (1.0,), strict=True) if weight > 0]
    return ", ".join(f"{one.head.spec.label} on {one.backbone.name}" for one in members)
