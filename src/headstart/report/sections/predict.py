"""How to predict with the model that the run left."""

from __future__ import annotations

import shlex

from headstart.report.context import ReportContext
from headstart.report.document import Section, Text, Verbatim
from headstart.report.locale.messages import tr
from headstart.report.sections import Drawn, register_section
from headstart.report.text import format as text
from headstart.report.text.methods import MethodsPart, MethodsSentence
from headstart.report.text.next_command import command_of_run
from headstart.results.models.table import TableFacts


def model_sentences(context: ReportContext) -> tuple[MethodsSentence, ...]:
    """Sentence of the methods on the final model."""
    label = context.record.results.final_model.label
    return (
        MethodsSentence(
            MethodsPart.MODEL, tr("The final model ({label}) was then trained on all images.", label=label)
        ),
    )


@register_section("predict", after="methods", methods=model_sentences)
def predict_section(context: ReportContext, drawn: Drawn) -> Section:
    """The commands that use the model."""
    record = context.record
    run = shlex.quote(record.folder.resolve().name)
    final = Text(
        tr(
            "The final model was trained on all images: {label}. It lies in {run}/model.",
            label=record.results.final_model.label,
            run=run,
        )
    )
    title = tr("How to predict with this model")
    if command := command_of_run(record.folder, record.folder.resolve().name):
        where = Text(tr("Type this in the folder that holds the run."), tone="note")
        return Section("predict", title, (final, Verbatim(command, tr("Command")), where))
    array = " --feature-array ARRAY" if _takes_array(record.results.table) else ""
    lines = (
        f"headstart predict {run}/model IMAGES{array} -o predictions.csv\n"
        f"headstart evaluate {run}/model LABELLED_IMAGES{array}"
    )
    where = Text(
        tr("Type these in the folder that holds the run; {images}.", images=_images(record.results.table)), tone="note"
    )
    return Section("predict", title, (final, Verbatim(lines, tr("Commands")), where))


def _images(table: TableFacts | None) -> str:
    """What the words in a command that the report shows stand for, as clauses of a sentence."""
    named = [] if table is None else [column.name for column in table.columns if column.kind != "array"]
    if named:
        columns = text.listed(["image", *named], limit=20)
        clauses = [
            tr("IMAGES is a CSV or Parquet table with the columns {columns}", columns=columns),
            tr("LABELLED_IMAGES has a label too"),
        ]
    else:
        clauses = [tr("IMAGES is a file, a folder or a pattern")]
    if _takes_array(table):
        clauses.append(tr("ARRAY is an .npy or .npz with the user's own features of these images"))
    return "; ".join(clauses)


def _takes_array(table: TableFacts | None) -> bool:
    return table is not None and any(column.kind == "array" for column in table.columns)
