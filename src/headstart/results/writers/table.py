"""The table columns of a run, as ``table`` of ``results.json``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headstart.results.models.table import TableColumnFacts, TableFacts
from headstart.study.table_block import BLOCK_SHARE

if TYPE_CHECKING:
    from headstart.data.audit.audit import Audit
    from headstart.study.run import StudyResult


def table_facts(audit: Audit, study: StudyResult) -> TableFacts | None:
    """Audit of every column, and how the refit on all images encodes it; None without columns."""
    if study.data.columns is None:
        return None
    encoding = study.data.columns.encoding(study.final.outer)
    columns = [
        TableColumnFacts(
            **found.to_json(),
            missing_share=found.n_missing / audit.n_images,
            encoded_as=column.outputs,
        )
        for found, column in zip(audit.columns, encoding.columns, strict=True)
    ]
    return TableFacts(columns=tuple(columns), variance_share=BLOCK_SHARE)
