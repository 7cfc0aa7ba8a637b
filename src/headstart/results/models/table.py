"""The table columns that heads were shown beside the pictures."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from headstart.results.models.base import Count, Part, Share


class TableColumnFacts(Part):
    """One column or array: what it holds, what it alone tells of the class, and what the final model makes of it."""

    name: str
    kind: Literal["number", "category", "array"]
    n_missing: Count
    missing_share: Share
    n_distinct: Count
    balanced_accuracy: Share | None
    encoded_as: tuple[str, ...]


class TableFacts(Part):
    """All table columns, and the summed variance of a block of them in units of that of a network's features."""

    columns: Annotated[tuple[TableColumnFacts, ...], Field(min_length=1)]
    variance_share: Annotated[float, Field(gt=0, le=1)]
