"""Options of `lesions`: how metadata are read, and what a fit on lesions sees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final, Literal, get_args

from headstart.errors import InputError
from headstart.workflow.options.option import Option, Options, option

if TYPE_CHECKING:
    from headstart.lesions.reading.data import LesionData
    from headstart.lesions.reading.settings import ReadingSettings

ClassesBy = Literal["auto", "thickness", "label"]
InSitu = Literal["drop", "class"]
_COLUMNS: Final[Mapping[str, Option]] = {
    role: Option(help=f"Column of the {words}.", flag=f"--{role.replace('_', '-')}-column", unset=unset)
    for role, words, unset in (
        ("image", "image", "isic_id, image, ..."),
        ("thickness", "Breslow thickness in millimetres", "mel_thick_mm, ..."),
        ("label", "class, where it is no thickness", "label, diagnosis, ..."),
        ("patient", "patient", "patient_id, ..."),
        ("lesion", "lesion", "lesion_id, ..."),
        ("age", "age", "age_approx, ..."),
        ("sex", "sex", "sex"),
        ("site", "site on the body", "anatom_site_general, ..."),
        ("skin_tone", "skin tone, which results are divided by", "fitzpatrick_skin_type, ..."),
    )
}


@dataclass(frozen=True)
class LesionReadingOptions(Options):
    """How a folder of dermoscopic images and its table become a data set.

    Attributes
    ----------
    metadata, images : str or None
        Table and folder of images, where they do not lie together.
    classes_by, edges, in_situ, columns, classes
        As for `headstart.lesions.reading.read.ReadingSettings`; edges in millimetres, as text.
    """

    group: ClassVar[str] = "Data"

    metadata: str | None = field(
        default=None,
        metadata=option(
            "Table of the images (CSV, Parquet, PH2_dataset.txt).",
            is_path=True,
            by_hand="where metadata are read from",
            unset="the one in DATA",
            matters=True,
        ),
    )
    images: str | None = field(
        default=None,
        metadata=option(
            "Folder of the images.",
            flag="--images-folder",
            is_path=True,
            by_hand="where images are read from",
            unset="that of the table",
            matters=True,
        ),
    )
    classes_by: ClassesBy = field(
        default="auto",
        metadata=option(
            "What makes the classes; auto: thickness where the table has it.",
            choices=get_args(ClassesBy),
            matters=True,
        ),
    )
    edges: tuple[str, ...] | None = field(
        default=None,
        metadata=option(
            "Edges between the classes of thickness in mm; a value on the lowest is of the class above, on another of "
            "that below.",
            metavar="MM,MM...",
            unset="0.75,1.5",
            matters=True,
        ),
    )
    in_situ: InSitu = field(
        default="drop",
        metadata=option("Melanoma in situ, which has no thickness: left out, or a class.", choices=get_args(InSitu)),
    )
    columns: dict[str, str] | None = field(default=None, metadata=option("Columns of the table.", parts=_COLUMNS))
    classes: tuple[str, ...] | None = field(
        default=None, metadata=option("Labels in their order.", metavar="NAME,NAME...", unset="natural order")
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        _ = self.settings()

    def settings(self) -> ReadingSettings:
        """The same as the reader takes it.

        Raises
        ------
        InputError
            When the edges are no rising numbers.
        """
        from headstart.lesions.reading.settings import ReadingSettings
        from headstart.lesions.reading.thickness import ThicknessClasses

        edges = None if self.edges is None else _millimetres(self.edges)
        if edges is not None:
            ThicknessClasses(edges)
        return ReadingSettings(self.classes_by, edges, self.in_situ, self.columns or {}, self.classes)

    def read(self, data: Path) -> LesionData:
        """Lesions of a folder or a table; see `headstart.lesions.reading.read.read_lesions` for the errors."""
        from headstart.lesions.reading.read import read_lesions

        named = (None if path is None else Path(path) for path in (self.metadata, self.images))
        metadata, images = named
        return read_lesions(data, self.settings(), metadata=metadata, images=images)


def _millimetres(texts: Sequence[str]) -> tuple[float, ...]:
    try:
        return tuple(float(text) for text in texts)
    except ValueError:
        raise InputError(f"Edges {','.join(texts)!r} should be millimetres, as in 0.75,1.5.") from None


@dataclass(frozen=True)
class LesionFitOptions(LesionReadingOptions):
    """What a fit on lesions sees beside the pictures.

    Attributes
    ----------
    patient_columns : bool
        Whether age, sex and site stand beside the pictures.
    """

    patient_columns: bool = field(
        default=True,
        metadata=option("Show heads neither age nor sex nor site.", flag="--no-patient-columns", matters=True),
    )
