"""What was found in the image files before any training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from headstart.report import text
from headstart.report.document import Block, Bullets, Section, Table, Text
from headstart.report.record import RunRecord

MAX_ROWS = 50


def audit_section(record: RunRecord) -> Section:
    """The audit: plain facts in one table, every list and count of its own below it."""
    audit = record.results["audit"]
    facts = {key: value for key, value in audit.items() if not isinstance(value, dict | list)}
    blocks: list[Block] = []
    if facts:
        blocks.append(Table("What the image files are", ("Item", "Value"), _pairs(facts), frozenset({1})))
    for key, value in audit.items():
        if isinstance(value, dict | list):
            blocks.append(_block(text.words(key), value))
    return Section("audit", "Audit of the files", tuple(blocks) or (Text("The run recorded no audit."),))


def _pairs(facts: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    return tuple((text.words(str(key)), text.plain(value)) for key, value in facts.items())


def _block(title: str, value: dict[str, Any] | list[Any]) -> Block:
    heading = title[:1].upper() + title[1:]
    if not value:
        return Text(f"{heading}: none.")
    if isinstance(value, dict):
        return Table(heading, ("Item", "Value"), _pairs(value), frozenset({1}))
    shown = tuple(f"{heading}: {text.plain(item)}" for item in value[:MAX_ROWS])
    cut = (
        (f"... and {len(value) - MAX_ROWS:,} more; all of them stand in results.json.",)
        if len(value) > MAX_ROWS
        else ()
    )
    return Bullets(shown + cut)
