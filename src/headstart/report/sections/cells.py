"""Single cells: how they were found in micrographs and cut out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from headstart.report.context import ReportContext, recipe_of_cells
from headstart.report.document import ReportTable, Section
from headstart.report.sections import Drawn, register_section
from headstart.report.text import format as text
from headstart.report.text.methods import MethodsPart, MethodsSentence

_FOUND_BY: Final = {
    "local": "thresholds above the local background, a watershed, pieces joined and halos trimmed",
    "otsu": "Otsu's threshold and a watershed from peaks of the distance transform",
    "adaptive": "a threshold above the mean around and a watershed",
}


def cell_sentences(context: ReportContext) -> list[MethodsSentence]:
    """How cells were found and cut out; nothing for images that are no cells of micrographs."""
    told = context.once(recipe_of_cells)
    if told is None:
        return []
    words = f"The images are single cells cut out of micrographs. {_found(told)}. {_cut(told['recipe'])}."
    return [MethodsSentence(MethodsPart.DATA, words)]


@register_section("cells", after="audit", methods=cell_sentences)
def cells_section(context: ReportContext, drawn: Drawn) -> Section | None:
    """How cells were found and cut out, as a table; None for images that are no cells of micrographs."""
    told = context.once(recipe_of_cells)
    if told is None:
        return None
    finding, recipe = told["finding"], told["recipe"]
    facts = {
        "Cells found by": _found(told),
        "Channel": finding.get("channel") or "the first",
        "Plane in depth": finding.get("plane") or "the brightest value of all",
        "Diameter asked for": finding.get("diameter") or "estimated",
        "Pictures": _cut(recipe),
        "Shown as white": text.listed([text.score(level) for level in recipe["white"]]),
        "Measurements beside the picture": "yes" if told.get("measured") else "no",
        "Kept together in every split": f"cells of one {told.get('group_by', 'micrograph')}",
    }
    rows = tuple((name, str(value)) for name, value in facts.items())
    table = ReportTable("From micrographs to pictures of single cells", ("Item", "Value"), rows, frozenset({1}))
    return Section("cells", "How the cells were found", (table,))


def _found(told: Mapping[str, Any]) -> str:
    """What found the cells, in words."""
    if told.get("masks"):
        return "Cells are those of label images given with the micrographs"
    method = str(told["finding"].get("method"))
    return f"Cells were found by {_FOUND_BY.get(method, method)} (method {method!r})"


def _cut(recipe: Mapping[str, Any]) -> str:
    side = f"{recipe['side']} pixels"
    if recipe["side_um"] is not None:
        side += f" or {recipe['side_um']:.3g} micrometres"
    masked = ", everything but the cell black" if recipe["masked"] else ""
    names = recipe["channels"]
    channels = f"channel{'' if len(names) == 1 else 's'} {text.listed([str(name) for name in names])}"
    return f"Each was cut out as a square of {side} a side{masked}, from {channels}"
