"""Table columns by name, as a user asks for them: ``age``, ``site:category``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from headstart.data.table.column import KINDS, check_different
from headstart.errors import DataError, unknown_name


@dataclass(frozen=True)
class ColumnRequest:
    """A column that is asked for by name.

    Attributes
    ----------
    name : str
    kind : {"number", "category"} or None
        None: as its values look.
    """

    name: str
    kind: str | None = None

    @classmethod
    def parse(cls, text: str) -> ColumnRequest:
        """The request that a text such as ``site`` or ``site:category`` stands for.

        Raises
        ------
        DataError
            When the text is empty.

        Examples
        --------
        >>> ColumnRequest.parse("stage:category"), ColumnRequest.parse("p:x")
        (ColumnRequest(name='stage', kind='category'), ColumnRequest(name='p:x', kind=None))
        """
        name, colon, kind = text.rpartition(":")
        name, kind = (name.strip(), kind.strip()) if colon and kind.strip() in KINDS else (text.strip(), "")
        if not name:
            raise DataError("A table column has no name. Write --table-columns age,site or site:category.")
        return cls(name, kind or None)

    def __str__(self) -> str:
        return self.name if self.kind is None else f"{self.name}:{self.kind}"


def requested_columns(texts: Sequence[str]) -> tuple[ColumnRequest, ...]:
    """Columns that are asked for, each once.

    Raises
    ------
    DataError
        When a text is empty or a column is named twice.
    """
    found = tuple(ColumnRequest.parse(text) for text in texts)
    check_different([request.name for request in found])
    return found


def check_requests(
    requests: Sequence[ColumnRequest], present: Sequence[str], roles: Mapping[str, str], *, source: str
) -> None:
    """Refuse columns that are not there, or that have another role already.

    Parameters
    ----------
    requests : sequence of ColumnRequest
    present : sequence of str
        Columns of the table.
    roles : mapping of str to str
        What a column is used for already, such as ``"label"``, by its name.
    source : str
        Begins messages.

    Raises
    ------
    DataError
    """
    for request in requests:
        if request.name in roles:
            raise DataError(
                f"{source}the column {request.name!r} is the {roles[request.name]} column, so it cannot be a table "
                "column too. Leave it out of the table columns."
            )
        if request.name not in present:
            raise DataError(f"{source}{_unknown(request, present)}")


def _unknown(request: ColumnRequest, present: Sequence[str]) -> str:
    name, colon, kind = request.name.rpartition(":")
    if colon and name in present:
        return unknown_name(f"kind of the table column {name!r}", kind, KINDS)
    return unknown_name("table column", request.name, present)
