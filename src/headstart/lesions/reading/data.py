"""Lesions that were read, and the data set that is made of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from headstart.data.categorical import encode_texts
from headstart.data.dataset import ImageDataset
from headstart.data.images.files import FilePixels
from headstart.data.readers.table import DatasetTable
from headstart.data.table.column import CATEGORY, NUMBER, TableColumn, column_from_texts
from headstart.errors import DataError

if TYPE_CHECKING:
    from headstart.data.categorical import Categorical

PATIENT_COLUMNS: Final[Mapping[str, str]] = {"age": NUMBER, "sex": CATEGORY, "site": CATEGORY}
"""Columns about the patient that heads may see, with their kinds."""
DESCRIBING: Final = (*PATIENT_COLUMNS, "skin_tone")
"""Columns that results are divided by, none of which has to be shown to a head."""


@dataclass(frozen=True)
class Lesion:
    """One image that is kept.

    Attributes
    ----------
    image : str
        Path relative to the folder of the images.
    label : str
    group : str
    thickness : str
        Millimetres as they are written into ``lesions.csv``, a bound with its sign; ``in situ`` for a class of its own;
        what the table has, if anything, where classes are labels.
    about : mapping of str to str
        What the table says of age, sex, site and skin tone; empty texts for gaps.
    """

    image: str
    label: str
    group: str
    thickness: str
    about: Mapping[str, str]


@dataclass(frozen=True, eq=False)
class LesionData:
    """Lesions that were read.

    Attributes
    ----------
    root : Path
        Folder of the images.
    lesions : tuple of Lesion
    classes : tuple of str
        In their order.
    is_ordered : bool
        Whether the classes stand for an order that is known: of thickness, of the classes of PH2, or as named.
    left_out : tuple of (str, str)
        Image or row that was left out, and why.
    notes : tuple of str
    """

    root: Path
    lesions: tuple[Lesion, ...]
    classes: tuple[str, ...]
    is_ordered: bool
    left_out: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]

    def counts(self) -> dict[str, Any]:
        """Counts of what was kept and left out, as plain JSON."""
        classes = Counter(one.label for one in self.lesions)
        return {
            "images": len(self.lesions),
            "groups": len({one.group for one in self.lesions}),
            "classes": {name: classes[name] for name in self.classes},
            "left_out": dict(Counter(reason for _, reason in self.left_out).most_common()),
        }

    def dataset(self, *, patient_columns: bool = True) -> ImageDataset:
        """The lesions as a data set; age, sex and site stand beside the pictures where they vary."""
        columns = tuple(self.columns(tuple(PATIENT_COLUMNS))) if patient_columns else ()
        groups = [one.group for one in self.lesions]
        labels: Categorical = encode_texts([one.label for one in self.lesions], self.classes)
        table = DatasetTable(
            names=[one.image for one in self.lesions],
            labels=labels,
            groups=encode_texts(groups) if len(set(groups)) < len(groups) else None,
            columns=columns,
            notes=self.notes,
        )
        pixels = FilePixels(self.root.resolve(), column_option="--patient-column")
        return ImageDataset.from_table(table, pixels, classes=self.classes)

    def columns(self, roles: Sequence[str]) -> list[TableColumn]:
        """Columns about the patient that hold at least two values."""
        found = []
        for role in roles:
            texts = [one.about[role] for one in self.lesions]
            if len({text for text in texts if text}) > 1:
                kind = PATIENT_COLUMNS.get(role, CATEGORY)
                try:
                    found.append(column_from_texts(role, texts, kind=kind))
                except DataError as error:
                    raise DataError(
                        f"{error} They are counted among the images that are kept. Or fit with --no-patient-columns."
                    ) from error
        return found
