"""From metadata and a folder of images to a data set of lesions, with an account of what was left out and why."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from headstart.data.categorical import encode_texts
from headstart.data.dataset import ImageDataset
from headstart.data.images.files import FilePixels
from headstart.data.readers.table import DatasetTable
from headstart.data.table.column import CATEGORY, NUMBER, TableColumn, column_from_texts
from headstart.errors import DataError, InputError, first_few
from headstart.lesions.reading.files import ImageFolder
from headstart.lesions.reading.table import IMPORT, PH2_ORDER, TABLE, LesionTable, find_table, read_table
from headstart.lesions.reading.thickness import EDGES_MM, Thickness, ThicknessClasses, parse_thickness

if TYPE_CHECKING:
    from headstart.data.categorical import Categorical

InSitu = Literal["drop", "class"]
ClassesBy = Literal["auto", "thickness", "label"]
IN_SITU: Final = "in situ"
DERMOSCOPIC: Final = "dermoscopic"
PATIENT_COLUMNS: Final[Mapping[str, str]] = {"age": NUMBER, "sex": CATEGORY, "site": CATEGORY}
"""Columns about the patient that heads may see, with their kinds."""
DESCRIBING: Final = (*PATIENT_COLUMNS, "skin_tone")
"""Columns that results are divided by, none of which has to be shown to a head."""


@dataclass(frozen=True)
class ReadingSettings:
    """How a table of lesions becomes a data set.

    Attributes
    ----------
    classes_by : {"auto", "thickness", "label"}
        ``auto``: thickness where the table has a column of it, else the label.
    edges_mm : tuple of float
        See `ThicknessClasses`.
    in_situ : {"drop", "class"}
        A melanoma in situ has no thickness: left out, or a class below all others.
    columns : mapping of str to str
        Columns of roles, where their names are not among the known ones.
    classes : tuple of str or None
        Labels in their order.
    """

    classes_by: ClassesBy = "auto"
    edges_mm: tuple[float, ...] = EDGES_MM
    in_situ: InSitu = "drop"
    columns: Mapping[str, str] = field(default_factory=dict)
    classes: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Lesion:
    """One image that is kept.

    Attributes
    ----------
    image : str
        Path relative to the folder of the images.
    label : str
    group : str
    thickness_mm : float or None
    about : mapping of str to str
        What the table says of age, sex, site and skin tone; empty texts for gaps.
    """

    image: str
    label: str
    group: str
    thickness_mm: float | None
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
        return ImageDataset.from_table(table, FilePixels(self.root.resolve()), classes=self.classes)

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


def read_lesions(
    data: Path, settings: ReadingSettings | None = None, *, metadata: Path | None = None, images: Path | None = None
) -> LesionData:
    """Lesions of a folder of images with its table, or of a table with the images beside it.

    Parameters
    ----------
    data : Path
        Folder of images with a table in it (ISIC's ``metadata.csv``, PH2's folders, an import), or the table.
    settings : ReadingSettings, optional
    metadata : Path, optional
        The table, where it lies elsewhere.
    images : Path, optional
        Folder of the images. Default: that of the table.

    Raises
    ------
    DataError
        When table or folder cannot be read, a lesion has two patients or two classes, one image is listed twice with
        different values, or nothing is left.
    InputError
        When the settings cannot be used.
    """
    settings = settings or ReadingSettings()
    imported: tuple[str, ...] = ()
    path = metadata or (find_table(data) if data.is_dir() else data)
    root = images or (data if data.is_dir() else data.parent)
    if path.name == TABLE and settings.classes_by == "auto" and settings.edges_mm == EDGES_MM:
        settings, imported = _as_imported(path.parent / IMPORT, settings)
    table = read_table(path, settings.columns)
    found = _Reading(table, ImageFolder.of(root), settings).read()
    return replace(found, notes=tuple(dict.fromkeys([*imported, *found.notes])))


def _as_imported(account: Path, settings: ReadingSettings) -> tuple[ReadingSettings, tuple[str, ...]]:
    """The settings with the classes that an import wrote, and its notes, so that its folder is read as it was written.

    Raises
    ------
    DataError
        When its account is damaged.
    """
    if not account.is_file():
        return settings, ()
    try:
        found = json.loads(account.read_text(encoding="utf-8"))
        classes = tuple(str(name) for name in found["order"]) if found["order"] else None
        notes = tuple(str(note) for note in found["notes"])
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise DataError(f"{account} is damaged ({error!r}). Run `headstart lesions import` again.") from error
    return replace(settings, classes_by="label", classes=settings.classes or classes), notes


class _Reading:
    """One reading: every row is kept, or left out for one reason."""

    def __init__(self, table: LesionTable, folder: ImageFolder, settings: ReadingSettings) -> None:
        self.table, self.folder, self.settings = table, folder, settings
        self.by_thickness = self._is_by_thickness()
        self.thickness_classes = ThicknessClasses(settings.edges_mm)
        self.left_out: list[tuple[str, str]] = []
        self.named: set[str] = set()  # every file that a row names
        self.labels: dict[int, str] = {}
        self.thickness: dict[int, Thickness] = {}

    def read(self) -> LesionData:
        self._check_repeats()
        paths = self._paths()
        rows = [row for row in paths if self._is_dermoscopic(row) and self._has_class(row)]
        if not rows:
            reasons = Counter(reason for _, reason in self.left_out).most_common()
            listed = "; ".join(f"{count:,}: {reason}" for reason, count in reasons)
            raise DataError(f"{self.table.path} leaves no image to train on. Left out: {listed}.")
        groups = self._groups(rows)
        about = {role: self.table.texts(role) for role in DESCRIBING}
        lesions = [
            Lesion(
                paths[row],
                self.labels[row],
                groups[row],
                self.thickness[row].value if row in self.thickness else None,
                {role: texts[row] for role, texts in about.items()},
            )
            for row in rows
        ]
        lesions.sort(key=lambda one: one.image)
        classes, is_ordered = self._classes(lesions)
        unlisted = [path for path in self.folder.paths if path not in self.named]
        self.left_out += [(path, "image without a row of metadata") for path in unlisted]
        return LesionData(
            self.folder.root, tuple(lesions), classes, is_ordered, tuple(self.left_out), tuple(self._notes(lesions))
        )

    def _is_by_thickness(self) -> bool:
        has = {role: role in self.table.columns for role in ("thickness", "label")}
        by = self.settings.classes_by
        if by != "auto" and not has[by]:
            raise InputError(f"{self.table.path} has no column of the {by}. Name it with --{by}-column.")
        if not any(has.values()):
            raise DataError(
                f"{self.table.path} has no column of thickness (mel_thick_mm) and none of a label or diagnosis. Name "
                "one with --thickness-column or --label-column."
            )
        by_thickness = by == "thickness" or (by == "auto" and any(self.table.texts("thickness")))
        if by_thickness and self.settings.classes is not None:
            raise InputError(
                f"--classes names labels, but the classes of {self.table.path} are made of its thickness. Add "
                "--classes-by label, or leave --classes out."
            )
        return by_thickness

    def _check_repeats(self) -> None:
        """One image may be listed again with the same values, not with others."""
        names = self.table.texts("image")
        files = self.folder.by_name(names)
        others = [texts for role, texts in self.table.columns.items() if role != "image"]
        first: dict[str, int] = {}
        differing = []
        for row, name in enumerate(names):
            seen = first.setdefault(files[name][0] if len(files[name]) == 1 else name, row)
            if name and any(texts[seen] != texts[row] for texts in others):
                differing.append(name)
        if differing:
            raise DataError(
                f"{self.table.path} lists {len(set(differing)):,} images more than once, with different values: "
                f"{first_few(dict.fromkeys(differing))}. Keep one row for each image."
            )

    def _paths(self) -> dict[int, str]:
        """Path of the image of every row that has one."""
        names = self.table.texts("image")
        found = self.folder.by_name(names)
        paths: dict[int, str] = {}
        taken: set[str] = set()
        for row, name in enumerate(names):
            fitting = found[name]
            self.named.update(fitting)
            if not name:
                self.left_out.append((f"row {row + 1}", "row that names no image"))
            elif not fitting:
                self.left_out.append((name, "metadata without an image"))
            elif len(fitting) > 1:
                self.left_out.append((name, "several image files of this name"))
            elif fitting[0] in taken:
                self.left_out.append((fitting[0], "row that repeats another one"))
            else:
                paths[row] = fitting[0]
                taken.add(fitting[0])
        if not paths:
            raise DataError(
                f"None of the {len(names):,} images that {self.table.path} names lies in {self.folder.root} "
                f"({len(self.folder.paths):,} images there). They are called {first_few(names, 3)} in the table. Name "
                "the folder of the images with --images-folder."
            )
        return paths

    def _is_dermoscopic(self, row: int) -> bool:
        kind = self.table.texts("image_type")[row]
        if not kind or kind.lower().startswith(DERMOSCOPIC):
            return True
        self._leave_out(row, f"no dermoscopic image: {kind}")
        return False

    def _has_class(self, row: int) -> bool:
        if not self.by_thickness:
            label = self.table.texts("label")[row]
            if label:
                self.labels[row] = label
            else:
                self._leave_out(row, "no label")
            return bool(label)
        text = self.table.texts("thickness")[row]
        if _is_in_situ(f"{self.table.diagnoses[row]} {text}"):
            if self.settings.in_situ == "class":
                self.labels[row] = IN_SITU
                return True
            self._leave_out(row, "melanoma in situ, which has no thickness")
            return False
        return self._has_thickness(row, text)

    def _has_thickness(self, row: int, text: str) -> bool:
        if not text:
            self._leave_out(row, "no thickness")
            return False
        try:
            thickness = parse_thickness(text)
        except InputError as error:
            self._leave_out(row, str(error))
            return False
        label = self.thickness_classes.class_of(thickness)
        if label is None:
            self._leave_out(row, "bound of a thickness that lies in more than one class")
            return False
        self.thickness[row], self.labels[row] = thickness, label
        return True

    def _leave_out(self, row: int, reason: str) -> None:
        self.left_out.append((self.table.texts("image")[row], reason))

    def _groups(self, rows: Sequence[int]) -> dict[int, str]:
        """Group of every row: its patient, else its lesion, else the image alone.

        Raises
        ------
        DataError
            When a lesion has two patients or two classes.
        """
        patients, lesions, images = (self.table.texts(role) for role in ("patient", "lesion", "image"))
        of_lesion: dict[str, str] = {}
        for row in rows:
            lesion, patient = lesions[row], patients[row]
            if lesion and patient and of_lesion.setdefault(lesion, patient) != patient:
                raise DataError(
                    f"{self.table.path}: lesion {lesion!r} has two patients, {of_lesion[lesion]!r} and {patient!r}. A "
                    "lesion belongs to one; mend the table."
                )
        for lesion, patient in zip(lesions, patients, strict=True):
            if lesion and patient:  # of a row that is left out, too: it tells whose the others are
                of_lesion.setdefault(lesion, patient)
        self._check_one_class(rows, lesions)
        found = {}
        for row in rows:
            patient = patients[row] or of_lesion.get(lesions[row], "")
            if patient:
                found[row] = patient if "lesion" not in self.table.columns else f"patient {patient}"
            else:
                found[row] = f"lesion {lesions[row]}" if lesions[row] else f"image {images[row]}"
        return found

    def _check_one_class(self, rows: Sequence[int], lesions: Sequence[str]) -> None:
        label_of: dict[str, str] = {}
        differing = [row for row in rows if lesions[row] and self._differs(label_of, lesions[row], row)]
        if differing:
            named = first_few(dict.fromkeys(lesions[row] for row in differing))
            raise DataError(
                f"{self.table.path}: {len({lesions[row] for row in differing}):,} lesions are of two classes: {named}. "
                "Images of one lesion share its class; mend the table."
            )

    def _differs(self, label_of: dict[str, str], lesion: str, row: int) -> bool:
        return label_of.setdefault(lesion, self.labels[row]) != self.labels[row]

    def _classes(self, lesions: Sequence[Lesion]) -> tuple[tuple[str, ...], bool]:
        """Classes in their order, and whether that is known."""
        present = {one.label for one in lesions}
        if self.by_thickness:
            known = ((IN_SITU,) if self.settings.in_situ == "class" else ()) + self.thickness_classes.names
            return tuple(name for name in known if name in present), True
        if self.settings.classes is not None:
            strange = sorted(present - set(self.settings.classes))
            if strange:
                raise InputError(f"{self.table.path} has labels that --classes does not name: {first_few(strange)}.")
            absent = [name for name in self.settings.classes if name not in present]
            if absent:
                raise InputError(
                    f"{self.table.path} leaves no image of {first_few(map(repr, absent))}, which --classes or the "
                    f"import names. Its labels: {first_few(sorted(present), 20)}."
                )
            return self.settings.classes, True
        spoken = {name.replace("_", " ").lower(): name for name in present}
        if set(spoken) == set(PH2_ORDER):
            return tuple(spoken[name] for name in PH2_ORDER), True
        return encode_texts(sorted(present)).names, False

    def _notes(self, lesions: Sequence[Lesion]) -> list[str]:
        """What a user should know of the reading."""
        notes = []
        counts = Counter(reason for _, reason in self.left_out)
        if counts:
            listed = "; ".join(f"{count:,}: {reason}" for reason, count in counts.most_common())
            notes.append(f"{sum(counts.values()):,} images or rows are left out. {listed}.")
        groups: dict[str, set[str]] = {}
        for one in lesions:
            groups.setdefault(one.group, set()).add(one.label)
        n_mixed = sum(len(labels) > 1 for labels in groups.values())
        if n_mixed:
            notes.append(f"{n_mixed:,} groups hold lesions of more than one class; each stays on one side of a split.")
        if len(groups) < len(lesions):
            notes.append(
                f"{len(lesions):,} images in {len(groups):,} groups: images of a patient or lesion stay together."
            )
        if not any(self.table.texts("patient")):
            notes.append(
                "The table names no patients, so two lesions of one patient may stand on both sides of a split."
            )
        if self.by_thickness:
            names = ", ".join(self.thickness_classes.names)
            rule = "A value on the lowest edge is of the class above, on another edge of the class below."
            notes.append(f"Classes of thickness: {names}. {rule}")
        return notes


def _is_in_situ(text: str) -> bool:
    """Whether a diagnosis says a melanoma in situ, and not a carcinoma.

    >>> [_is_in_situ(text) for text in ("Melanoma in-situ", "Squamous cell carcinoma in situ", "Melanoma Invasive")]
    [True, False, False]
    """
    said = text.lower().replace("-", " ")
    return IN_SITU in said and "carcinoma" not in said
