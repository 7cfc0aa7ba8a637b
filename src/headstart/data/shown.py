"""A data set as a notebook shows it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from headstart.errors import ImageError, first_few
from headstart.runtime.notebook import html_card, png_uri

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

    from headstart.data.table.column import TableColumn

MAX_PICTURES: Final = 6
"""Pictures that a notebook shows of a data set."""


class ShownDataset:
    """Notebook card of an `ImageDataset`: facts, and the first picture of each class, or some where there are none."""

    names: tuple[str, ...]
    classes: tuple[str, ...]
    groups: NDArray[np.int64] | None
    columns: tuple[TableColumn, ...]
    notes: tuple[str, ...]

    def load(self, row: int) -> Image.Image:
        """Picture of a row."""
        raise NotImplementedError

    def label_names(self) -> list[str]:
        """Class name of every row; empty without labels."""
        raise NotImplementedError

    def __repr__(self) -> str:
        groups = "" if self.groups is None else f", {len(set(self.groups.tolist())):,} groups"
        return f"<{type(self).__name__}: {len(self.names):,} images, {len(self.classes)} classes{groups}>"

    def _repr_html_(self) -> str:
        labels = self.label_names()
        counts = Counter(labels)
        facts = {
            "classes": first_few([f"{name} {counts[name]:,}" for name in self.classes], 20) or None,
            "groups": None if self.groups is None else f"{len(set(self.groups.tolist())):,}",
            "table columns": first_few([column.name for column in self.columns], 20) or None,
            "notes": first_few(self.notes) or None,
        }
        return html_card(f"{type(self).__name__}: {len(self.names):,} images", facts, self._pictures(labels))

    def _pictures(self, labels: list[str]) -> Iterator[tuple[str, str]]:
        """Data URI and words of some pictures; those that cannot be read are passed over."""
        row_of = {name: row for row, name in reversed(list(enumerate(labels)))}
        first = [row_of[name] for name in self.classes if name in row_of]
        for row in (first or range(len(self.names)))[:MAX_PICTURES]:
            try:
                picture = self.load(row)
            except ImageError:
                continue
            yield png_uri(picture), f"{self.names[row]}{f' ({labels[row]})' if labels else ''}"
