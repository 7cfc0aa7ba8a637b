"""The table columns that stood beside the pictures: what they hold, and how a head was shown them."""

from __future__ import annotations

from collections.abc import Sequence

from headstart.errors import plural
from headstart.report.context import ReportContext
from headstart.report.document import ReportTable, Section, Text
from headstart.report.locale.messages import tr
from headstart.report.sections import Drawn, register_section
from headstart.report.text import format as text
from headstart.report.text.methods import MethodsPart, MethodsSentence
from headstart.results.models.table import TableColumnFacts, TableFacts

MULTI_BLOCK = (
    "J. A. Westerhuis, T. Kourti, J. F. MacGregor. Analysis of multiblock and hierarchical PCA and PLS models. Journal "
    "of Chemometrics 12(5), 301-321, 1998. DOI 10.1002/(SICI)1099-128X(199809/10)12:5<301::AID-CEM515>3.0.CO;2-S."
)
_HOW = (
    "In every outer fold the columns were encoded by what its training images hold, without their labels: numbers are "
    "standardised, a missing one is the median and, where training has gaps, flagged; each category is a column of its "
    "own, as is a missing one; a category that training does not hold is none of them."
)


def table_sentences(context: ReportContext) -> list[MethodsSentence]:
    """Which columns joined the features, and how; nothing for pictures alone."""
    table = context.record.results.table
    if table is None:
        return []
    columns = [column for column in table.columns if column.kind != "array"]
    arrays = [column for column in table.columns if column.kind == "array"]
    seen, encoded = [], []
    if any(column.kind != "category" for column in table.columns):
        encoded.append("numbers standardised")
    if columns:
        seen.append(_columns_in_words(columns))
    if any(column.n_missing for column in columns if column.kind == "number"):
        encoded.append("missing ones replaced by the median and flagged")
    if any(column.kind == "category" for column in columns):
        encoded.append("categories as indicators")
    seen += [
        f"an array of {plural(len(column.encoded_as), 'number')} for each image, made by the user ({column.name})"
        for column in arrays
    ]
    words = (
        f"Beside the features of the picture, heads saw {' and '.join(seen)}, "
        f"encoded within each training fold: {', '.join(encoded)}. {_weight(table)}."
    )
    return [MethodsSentence(MethodsPart.COLUMNS, words, (MULTI_BLOCK,))]


@register_section("table", after="audit", methods=table_sentences)
def table_section(context: ReportContext, drawn: Drawn) -> Section | None:
    """One line for every column; None for pictures alone."""
    table = context.record.results.table
    if table is None:
        return None
    columns = (
        tr("Column"),
        tr("Kind"),
        tr("Missing"),
        tr("Values"),
        tr("Balanced accuracy by it alone"),
        tr("Encoded as"),
    )
    rows = tuple(
        (
            column.name,
            column.kind,
            f"{text.count(column.n_missing)} ({text.percent(column.missing_share)})",
            text.count(column.n_distinct) + (" columns that vary" if column.kind == "array" else ""),
            text.score(column.balanced_accuracy),
            text.listed(column.encoded_as, limit=12),
        )
        for column in table.columns
    )
    blocks = (
        ReportTable(tr("Table columns beside the pictures"), columns, rows, frozenset({5})),
        Text(f"{_HOW} {_weight(table)}.{_of_arrays(table)}", tone="note"),
    )
    return Section("table", tr("Table columns"), blocks)


def _columns_in_words(columns: Sequence[TableColumnFacts]) -> str:
    """Number of columns, and each with its kind; of numbers without gaps their names alone."""
    kinds = {_held(column) for column in columns}
    plain = kinds == {"number"}
    named = [column.name if plain else f"{column.name} ({_held(column)})" for column in columns]
    of_numbers = " of numbers" if plain else ""
    return f"{plural(len(columns), 'table column')}{of_numbers} ({text.listed(named, limit=20)})"


def _held(column: TableColumnFacts) -> str:
    missing = f", {text.percent(column.missing_share)} missing" if column.n_missing else ""
    return f"{column.kind}{missing}"


def _of_arrays(table: TableFacts) -> str:
    """Sentences on a feature array, which the table has no column for."""
    if all(column.kind != "array" for column in table.columns):
        return ""
    return (
        " An array is one block: the balanced accuracy is that of its most telling column. How the user made it is not "
        "known here; features learned with these labels would flatter every score."
    )


def _weight(table: TableFacts) -> str:
    share = f"1/{round(1 / table.variance_share)}"
    kinds = {column.kind == "array" for column in table.columns}
    together = "The columns together, and the array, were each given" if len(kinds) > 1 else "Together they were given"
    return (
        f"{together} {share} of the variance of the picture's features, at least that of one feature "
        "each, so that few columns do not drown in many features; a random forest does not heed it"
    )
