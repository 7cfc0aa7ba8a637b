"""Single cells: how they were found in micrographs and cut out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from headstart.report.context import ReportContext, recipe_of_cells
from headstart.report.document import ReportTable, Section
from headstart.report.locale.messages import mark, ntr, tr
from headstart.report.sections import Drawn, register_section
from headstart.report.text import format as text
from headstart.report.text.methods import MethodsPart, MethodsSentence

_FOUND_BY: Final = {
    "local": mark("thresholds above the local background, a watershed, pieces joined and halos trimmed"),
    "otsu": mark("Otsu's threshold and a watershed from peaks of the distance transform"),
    "adaptive": mark("a threshold above the mean around and a watershed"),
}


def cell_sentences(context: ReportContext) -> list[MethodsSentence]:
    """How cells were found and cut out; nothing for images that are no cells of micrographs."""
    told = context.once(recipe_of_cells)
    if told is None:
        return []
    what = tr("The images are single cells cut out of micrographs.")
    words = f"{what} {_found(told)}. {_cut(told['recipe'])}."
    return [MethodsSentence(MethodsPart.DATA, words)]


@register_section("cells", after="audit", methods=cell_sentences)
def cells_section(context: ReportContext, drawn: Drawn) -> Section | None:
    """How cells were found and cut out, as a table; None for images that are no cells of micrographs."""
    told = context.once(recipe_of_cells)
    if told is None:
        return None
    recipe = told["recipe"]
    facts = {
        tr("Cells"): _found(told),
        **({} if told.get("masks") else _finding(told["finding"])),
        tr("Pictures"): _cut(recipe),
        tr("Shown as white"): text.listed([text.count(level) for level in recipe["white"]]),
        tr("Measurements beside the picture"): tr("yes") if told.get("measured") else tr("no"),
        tr("Kept together in every split"): tr("cells of one {unit}", unit=told.get("group_by", "micrograph")),
    }
    rows = tuple((name, str(value)) for name, value in facts.items())
    caption = tr("From micrographs to pictures of single cells")
    table = ReportTable(caption, (tr("Item"), tr("Value")), rows, frozenset({1}))
    return Section("cells", tr("How the cells were found"), (table,))


def _finding(finding: Mapping[str, Any]) -> dict[str, Any]:
    """How micrographs were read and segmented, by what a reader calls it."""
    return {
        tr("Channel"): finding.get("channel") or tr("the first"),
        tr("Plane in depth"): finding.get("plane") or tr("the brightest value of all"),
        tr("Diameter asked for"): finding.get("diameter") or tr("estimated"),
    }


def _found(told: Mapping[str, Any]) -> str:
    """What found the cells, in words."""
    if told.get("masks"):
        return tr("The cells are those of label images given with the micrographs")
    method = str(told["finding"].get("method"))
    return tr("The cells were found by {how} (method {name})", how=tr(_FOUND_BY.get(method, method)), name=method)


def _cut(recipe: Mapping[str, Any]) -> str:
    names, um = [str(name) for name in recipe["channels"]], recipe["side_um"]
    side = tr("{n_pixels} pixels", n_pixels=recipe["side"])
    if um is not None:
        side = tr("{n_pixels} pixels or {length} micrometres", n_pixels=recipe["side"], length=f"{um:.3g}")
    masked = tr(", everything but the cell black") if recipe["masked"] else ""
    return ntr(
        "Each was cut out as a square of {side} a side{masked}, from channel {names}",
        "Each was cut out as a square of {side} a side{masked}, from channels {names}",
        len(names),
        side=side,
        masked=masked,
        names=text.listed(names),
    )
