"""The table columns that stood beside the pictures: what they hold, and how a head was shown them."""

from __future__ import annotations

from collections.abc import Sequence

from headstart.report.context import ReportContext
from headstart.report.document import ReportTable, Section, Text
from headstart.report.locale.messages import mark, ntr, tr
from headstart.report.sections import Drawn, register_section
from headstart.report.text import format as text
from headstart.report.text.methods import MethodsPart, MethodsSentence
from headstart.results.models.table import TableColumnFacts, TableFacts

MULTI_BLOCK = (
    "J. A. Westerhuis, T. Kourti, J. F. MacGregor. Analysis of multiblock and hierarchical PCA and PLS models. Journal "
    "of Chemometrics 12(5), 301-321, 1998. DOI 10.1002/(SICI)1099-128X(199809/10)12:5<301::AID-CEM515>3.0.CO;2-S."
)
_HOW = mark(
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
        encoded.append(tr("numbers standardised"))
    if columns:
        seen.append(_columns_in_words(columns))
    if any(column.n_missing for column in columns if column.kind == "number"):
        encoded.append(tr("missing ones replaced by the median and flagged"))
    if any(column.kind == "category" for column in columns):
        encoded.append(tr("categories as indicators"))
    seen += [
        ntr(
            "an array of {n} number for each image, made by the user ({name})",
            "an array of {n} numbers for each image, made by the user ({name})",
            len(column.encoded_as),
            name=column.name,
        )
        for column in arrays
    ]
    has_network = not context.record.results.backbone.weights.is_absent
    told = (
        mark("Beside the features of the picture, heads saw {seen}, encoded within each training fold: {encoded}.")
        if has_network
        else mark("Heads saw {seen}, encoded within each training fold: {encoded}.")
    )
    words = tr(told, seen=text.listed(seen), encoded=", ".join(encoded))
    weight = _weight(table, has_network=has_network)
    cited = (MULTI_BLOCK,) if weight else ()
    return [MethodsSentence(MethodsPart.COLUMNS, " ".join(filter(None, (words, weight))), cited)]


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
            _values(column),
            text.score(column.balanced_accuracy),
            text.listed(column.encoded_as, limit=12),
        )
        for column in table.columns
    )
    weight = _weight(table, has_network=not context.record.results.backbone.weights.is_absent)
    blocks = (
        ReportTable(tr("Table columns beside the pictures"), columns, rows, frozenset({5})),
        Text(" ".join(filter(None, (tr(_HOW), weight, _of_arrays(table)))), tone="note"),
    )
    return Section("table", tr("Table columns"), blocks)


def _columns_in_words(columns: Sequence[TableColumnFacts]) -> str:
    """Number of columns, and each with its kind; of numbers without gaps their names alone."""
    kinds = {_held(column) for column in columns}
    plain = kinds == {"number"}
    named = [column.name if plain else f"{column.name} ({_held(column)})" for column in columns]
    listed = text.listed(named, limit=20)
    if plain:
        return ntr(
            "{n} table column of numbers ({columns})",
            "{n} table columns of numbers ({columns})",
            len(columns),
            columns=listed,
        )
    return ntr("{n} table column ({columns})", "{n} table columns ({columns})", len(columns), columns=listed)


def _held(column: TableColumnFacts) -> str:
    if not column.n_missing:
        return column.kind
    return tr("{kind}, {share} missing", kind=column.kind, share=text.percent(column.missing_share))


def _values(column: TableColumnFacts) -> str:
    n_distinct = text.count(column.n_distinct)
    return tr("{n_columns} columns that vary", n_columns=n_distinct) if column.kind == "array" else n_distinct


def _of_arrays(table: TableFacts) -> str:
    """Sentences on a feature array, which the table has no column for."""
    if all(column.kind != "array" for column in table.columns):
        return ""
    return tr(
        "An array is one block: the balanced accuracy is that of its most telling column. How the user made it is not "
        "known here; features learned with these labels would flatter every score."
    )


def _weight(table: TableFacts, *, has_network: bool) -> str:
    """How the blocks of columns were weighed; nothing where one is all that heads saw."""
    share = f"1/{round(1 / table.variance_share)}"
    kinds = {column.kind == "array" for column in table.columns}
    if not has_network and len(kinds) == 1:
        return ""
    if not has_network:
        return tr(
            "The columns together, and the array, were each given at least {share} of the variance of all of them, so "
            "that few columns do not drown in many; trees do not heed it.",
            share=share,
        )
    if len(kinds) > 1:
        return tr(
            "The columns together, and the array, were each given {share} of the variance of the picture's "
            "features, at least that of one feature each, so that few columns do not drown in many features; trees "
            "do not heed it.",
            share=share,
        )
    return tr(
        "Together they were given {share} of the variance of the picture's features, at least that of one feature "
        "each, so that few columns do not drown in many features; trees do not heed it.",
        share=share,
    )
