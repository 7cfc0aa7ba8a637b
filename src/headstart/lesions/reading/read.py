"""From metadata and a folder of images to a data set of lesions, with an account of what was left out and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from headstart.data.categorical import encode_texts
from headstart.errors import DataError, InputError, first_few, plural
from headstart.lesions.reading.account import UNDECIDED, WITHOUT_THICKNESS, read_account
from headstart.lesions.reading.data import DESCRIBING, Lesion, LesionData
from headstart.lesions.reading.files import ImageFolder
from headstart.lesions.reading.grouping import groups_of
from headstart.lesions.reading.settings import ReadingSettings
from headstart.lesions.reading.table import IMPORT, PH2_ORDER, TABLE, LesionTable, find_table, read_table
from headstart.lesions.reading.thickness import EDGES_MM, ThicknessClasses, parse_thickness

IN_SITU: Final = "in situ"
DERMOSCOPIC: Final = "dermoscopic"


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
    account = read_account(path.parent / IMPORT) if path.name == TABLE else None
    if account is not None:
        as_imported = settings.classes_by == "auto" and settings.edges_mm is None
        imported = account.notes if as_imported else account.lost_to(settings)
        settings = account.settings(settings) if as_imported else settings
    table = read_table(path, settings.columns)
    found = _Reading(table, ImageFolder.of(root), settings).read()
    return replace(found, notes=tuple(dict.fromkeys([*imported, *found.notes])))


class _Reading:
    """One reading: every row is kept, or left out for one reason."""

    def __init__(self, table: LesionTable, folder: ImageFolder, settings: ReadingSettings) -> None:
        self.table, self.folder, self.settings = table, folder, settings
        self.by_thickness = self._is_by_thickness()
        self.thickness_classes = ThicknessClasses(settings.edges_mm or EDGES_MM)
        self.left_out: list[tuple[str, str]] = []
        self.named: set[str] = set()  # every file that a row names
        self.labels: dict[int, str] = {}
        self.thickness: dict[int, str] = {}

    def read(self) -> LesionData:
        self._check_repeats()
        paths = self._paths()
        rows = [row for row in paths if self._is_dermoscopic(row) and self._has_class(row)]
        if not rows:
            reasons = Counter(reason for _, reason in self.left_out).most_common()
            listed = "; ".join(f"{count:,}: {reason}" for reason, count in reasons)
            raise DataError(f"{self.table.path} leaves no image to train on. Left out: {listed}.")
        groups = groups_of(self.table, {row: self.labels[row] for row in rows})
        about = {role: self.table.texts(role) for role in DESCRIBING}
        lesions = [
            Lesion(
                paths[row],
                self.labels[row],
                groups[row],
                self.thickness[row],
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
        if not by_thickness and (self.settings.edges_mm is not None or self.settings.in_situ != "drop"):
            raise InputError(
                f"--edges and --in-situ make classes of thickness, but those of {self.table.path} are its labels. Add "
                "--classes-by thickness where it has one, give them to the import, or leave them out."
            )
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
            several = plural(len(set(differing)), "image")
            raise DataError(
                f"{self.table.path} lists {several} more than once, with different values: "
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
                f"{self.table.path} names {plural(len(names), 'image')}, and none of them lies in {self.folder.root} "
                f"({plural(len(self.folder.paths), 'image')} there). The table calls them {first_few(names, 3)}. "
                "Name the folder of the images with --images-folder."
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
                self.labels[row], self.thickness[row] = label, self.table.texts("thickness")[row]
            else:
                self._leave_out(row, "no label")
            return bool(label)
        text = self.table.texts("thickness")[row]
        if _is_in_situ(f"{self.table.diagnoses[row]} {text}"):
            if self.settings.in_situ == "class":
                self.labels[row] = self.thickness[row] = IN_SITU
                return True
            self._leave_out(row, WITHOUT_THICKNESS)
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
            self._leave_out(row, UNDECIDED)
            return False
        self.thickness[row], self.labels[row] = thickness.text, label
        return True

    def _leave_out(self, row: int, reason: str) -> None:
        self.left_out.append((self.table.texts("image")[row], reason))

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
            notes.append(f"{plural(sum(counts.values()), 'image or row is', 'images or rows are')} left out. {listed}.")
        groups: dict[str, set[str]] = {}
        for one in lesions:
            groups.setdefault(one.group, set()).add(one.label)
        n_mixed = sum(len(labels) > 1 for labels in groups.values())
        if n_mixed:
            mixed = plural(n_mixed, "group holds", "groups hold")
            notes.append(f"{mixed} lesions of more than one class; each stays on one side of a split.")
        if len(groups) < len(lesions):
            of = f"{len(lesions):,} images in {plural(len(groups), 'group')}"
            notes.append(f"{of}: images of a patient or lesion stay together.")
        if not any(self.table.texts("patient")):
            notes.append(
                "The table names no patients (--patient-column), so two lesions of one patient may stand on both sides "
                "of a split."
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
