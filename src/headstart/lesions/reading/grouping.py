"""Groups of images of lesions: a patient's stay together, else a lesion's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from headstart.errors import DataError, first_few, plural

if TYPE_CHECKING:
    from headstart.lesions.reading.table import LesionTable


def groups_of(table: LesionTable, labels: Mapping[int, str]) -> dict[int, str]:
    """Group of every row that has a label: its patient, else its lesion, else the image alone.

    Parameters
    ----------
    table : LesionTable
    labels : mapping of int to str
        Labels of the rows that are kept.

    Raises
    ------
    DataError
        When a lesion has two patients or two classes.
    """
    patients, lesions, images = (table.texts(role) for role in ("patient", "lesion", "image"))
    patient_of = _patients_of_lesions(table, labels)
    _check_one_class(table, labels)
    found = {}
    for row in labels:
        patient = patients[row] or patient_of.get(lesions[row], "")
        if patient:
            found[row] = patient if "lesion" not in table.columns else f"patient {patient}"
        else:
            found[row] = f"lesion {lesions[row]}" if lesions[row] else f"image {images[row]}"
    return found


def _patients_of_lesions(table: LesionTable, labels: Mapping[int, str]) -> dict[str, str]:
    """Patient of every lesion; rows that are left out tell whose the others are, too."""
    patients, lesions = table.texts("patient"), table.texts("lesion")
    found: dict[str, str] = {}
    for row in labels:
        lesion, patient = lesions[row], patients[row]
        if lesion and patient and found.setdefault(lesion, patient) != patient:
            raise DataError(
                f"{table.path}: lesion {lesion!r} has two patients, {found[lesion]!r} and {patient!r}. A lesion "
                "belongs to one; mend the table."
            )
    for lesion, patient in zip(lesions, patients, strict=True):
        if lesion and patient:
            found.setdefault(lesion, patient)
    return found


def _check_one_class(table: LesionTable, labels: Mapping[int, str]) -> None:
    lesions, label_of = table.texts("lesion"), dict[str, str]()
    differing = [
        lesions[row]
        for row, label in labels.items()
        if lesions[row] and label_of.setdefault(lesions[row], label) != label
    ]
    if differing:
        named = dict.fromkeys(differing)
        raise DataError(
            f"{table.path}: {plural(len(named), 'lesion is', 'lesions are')} of two classes: {first_few(named)}. "
            "Images of one lesion share its class; mend the table."
        )
