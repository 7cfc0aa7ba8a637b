"""`DatasetTable`: the columns of a data set as readers hand them over, without pixels."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from headstart.data.categorical import Categorical, encode_texts, recode_labels
from headstart.data.labels.raters import Ratings
from headstart.data.table.column import TableColumn
from headstart.errors import DataError, plural

if TYPE_CHECKING:
    from headstart.data.images.source import GroupProposal

SPLIT_PARTS: Final = ("train", "validation", "test")
"""Parts of a split that the data bring; a part is stored as its place here."""
GROUPS_NAMED_BY: Final = "--group-from or a group column, of lesions by --patient-column"
"""Options that name what belongs together, for warnings that end with ``by`` them."""


@dataclass(frozen=True, eq=False)
class DatasetTable:
    """Columns of a data set, of equal length; see `headstart.data.dataset.ImageDataset` for their meaning.

    `soft` has a column, and `ratings` a code, for every name of `labels`. `source` begins messages about the columns:
    ``"table.csv: "``.
    """

    names: Sequence[str]
    labels: Categorical | None = None
    groups: Categorical | None = None
    weights: NDArray[np.float64] | None = None
    folds: NDArray[Any] | None = None
    notes: tuple[str, ...] = ()
    soft: NDArray[np.float64] | None = None
    ratings: Ratings | None = None
    source: str = ""
    columns: tuple[TableColumn, ...] = ()
    parts: NDArray[np.int64] | None = None

    def in_classes(self, classes: Sequence[str] | None) -> DatasetTable:
        """Table with labels, soft labels and ratings in the given classes; unchanged for None.

        Raises
        ------
        DataError
            When a label is none of the classes.
        """
        if self.labels is None or classes is None:
            return self
        ordered = recode_labels(self.labels, classes, source=self.source)
        position = np.array([ordered.names.index(name) for name in self.labels.names], dtype=np.int64)
        soft = None if self.soft is None else np.zeros((len(self.soft), len(ordered.names)))
        if soft is not None:
            soft[:, position] = self.soft
        ratings = None if self.ratings is None else self.ratings.recoded(position)
        return replace(self, labels=ordered, soft=soft, ratings=ratings)

    def grouped(self, pattern: str | None) -> DatasetTable:
        """Table with groups taken from the names; unchanged without a pattern.

        Raises
        ------
        DataError
            When the pattern is no regular expression, has no parenthesis, misses a name, or groups exist already.
        """
        if pattern is None:
            return self
        if self.groups is not None:
            raise DataError("Groups come from a column and from --group-from; use one of the two.")
        return replace(self, groups=groups_from_names(self.names, pattern))

    def with_proposed_groups(self, proposal: GroupProposal | None) -> DatasetTable:
        """Table with the groups that its source of pixels proposes, and a note of it; unchanged where it has groups.

        Raises
        ------
        DataError
            When there is not one for every row.
        """
        if proposal is None or self.groups is not None:
            return self
        if len(proposal.groups) != len(self.names):
            raise DataError(
                f"The source proposes {len(proposal.groups):,} groups, by {proposal.origin}, for {len(self.names):,} "
                "images; expected one for each."
            )
        groups = encode_texts([str(group) for group in proposal.groups])
        note = (
            f"No groups were named, so the images are grouped by {proposal.origin}, as their source proposes: "
            f"{plural(len(groups.names), 'group')}. Name groups of your own to divide them otherwise."
        )
        return replace(self, groups=groups, notes=(*self.notes, note))


def groups_from_names(names: Sequence[str], pattern: str) -> Categorical:
    """Group of every name: what the parenthesis called ``group``, or else the first one, matches.

    Raises
    ------
    DataError
        When the pattern is no regular expression, has no parenthesis or misses a name.

    Examples
    --------
    >>> groups_from_names(["nevus/p12_a.png", "nevus/p7_b.png"], r"/(p[0-9]+)_").names
    ('p7', 'p12')
    """
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise DataError(f"--group-from {pattern!r} is not a regular expression: {error}.") from error
    if expression.groups == 0:
        raise DataError(f"--group-from {pattern!r} has no parenthesis; put one around the group, as in '(p[0-9]+)_'.")
    which = "group" if "group" in expression.groupindex else 1
    found = [_captured(expression, name, which) for name in names]
    missed = [name for name, group in zip(names, found, strict=True) if not group]
    if missed:
        raise DataError(
            f"--group-from {pattern!r} finds no group in {len(missed):,} of {len(names):,} names, such as "
            f"{missed[0]!r}. The pattern is searched in the path as written there."
        )
    return encode_texts([group for group in found if group])


def _captured(expression: re.Pattern[str], name: str, which: str | int) -> str | None:
    match = expression.search(name)
    return match.group(which) if match else None
