"""How to predict with the model that the run left."""

from __future__ import annotations

import shlex

from headstart.report.context import ReportContext
from headstart.report.document import Section, Text, Verbatim
from headstart.report.sections import Drawn, register_section
from headstart.report.text import format as text
from headstart.report.text.methods import MethodsPart, MethodsSentence
from headstart.report.text.next_command import command_of_run
from headstart.results.models.table import TableFacts


def model_sentences(context: ReportContext) -> tuple[MethodsSentence, ...]:
    """Sentence of the methods on the final model."""
    label = context.record.results.final_model.label
    return (MethodsSentence(MethodsPart.MODEL, f"The final model ({label}) was then trained on all images."),)


@register_section("predict", after="methods", methods=model_sentences)
def predict_section(context: ReportContext, drawn: Drawn) -> Section:
    """The commands that use the model."""
    record = context.record
    run = shlex.quote(record.folder.resolve().name)
    final = Text(
        f"The final model was trained on all images: {record.results.final_model.label}. It lies in {run}/model."
    )
    title = "How to predict with this model"
    if command := command_of_run(record.folder, record.folder.resolve().name):
        where = Text("Type this in the folder that holds the run.", tone="note")
        return Section("predict", title, (final, Verbatim(command, "Command"), where))
    array = " --feature-array ARRAY" if _takes_array(record.results.table) else ""
    lines = (
        f"headstart predict {run}/model IMAGES{array} -o predictions.csv\n"
        f"headstart evaluate {run}/model LABELLED_IMAGES{array}"
    )
    where = Text(f"Type these in the folder that holds the run; {_images(record.results.table)}.", tone="note")
    return Section("predict", title, (final, Verbatim(lines, "Commands"), where))


def _images(table: TableFacts | None) -> str:
    """Word for the images in a command that the report shows."""
    named = [] if table is None else [column.name for column in table.columns if column.kind != "array"]
    array = "; ARRAY is an .npy or .npz with the user's own features of these images" if _takes_array(table) else ""
    if not named:
        return f"IMAGES is a file, a folder or a pattern{array}"
    columns = text.listed(["image", *named], limit=20)
    return f"IMAGES is a CSV or Parquet table with the columns {columns}; LABELLED_IMAGES has a label too{array}"


def _takes_array(table: TableFacts | None) -> bool:
    return table is not None and any(column.kind == "array" for column in table.columns)
