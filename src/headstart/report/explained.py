"""The explanations of a run, read and checked against it."""

from __future__ import annotations

from typing import Final

from headstart.report.context import ReportContext
from headstart.results.damage import damaged
from headstart.results.models.explanations import Explanations

FOLDER: Final = "explanations"


def explanations_of(context: ReportContext) -> Explanations | None:
    """The explanations of a run, once they are checked against it; None where there are none."""
    path = context.record.folder / FOLDER / Explanations.file_name
    if not path.is_file():
        return None
    found, record = Explanations.read(path), context.record
    classes, images = set(record.classes), set(record.split.images)
    for number, one in enumerate(found.images):
        named = {one.predicted, one.target, *filter(None, (one.label, one.against)), *(n.label for n in one.neighbours)}
        if not named <= classes or not {one.image, *(n.image for n in one.neighbours)} <= images:
            damaged(path, f"images[{number}] names a class or an image that is not the run's")
    if found.map is not None and len(found.map.points) != len(record.split.images):
        damaged(path, f"map.points holds {len(found.map.points)} points for {len(record.split.images)} images")
    return found
