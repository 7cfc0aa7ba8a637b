"""Roles of the columns of a table of lesions, under the names that the ISIC archive and others give them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "image": ("isic_id", "image", "image_name", "image_id", "filename", "file"),
    "thickness": ("mel_thick_mm", "thickness_mm", "breslow_mm", "breslow", "thickness"),
    "patient": ("patient_id", "patient", "group"),
    "lesion": ("lesion_id", "lesion"),
    "label": ("label", "diagnosis", "diagnosis_3", "diagnosis_2", "diagnosis_1", "class"),
    "age": ("age_approx", "age"),
    "sex": ("sex", "gender"),
    "site": ("anatom_site_general", "anatom_site_1", "anatom_site_general_challenge", "anatom_site", "site"),
    "image_type": ("image_type",),
    "dermoscopic_type": ("dermoscopic_type",),
    "skin_tone": ("fitzpatrick_skin_type", "skin_tone", "fitzpatrick"),
}
"""For each role the column names that are taken for it, the first that is there."""
DIAGNOSES: Final = ("diagnosis", "diagnosis_1", "diagnosis_2", "diagnosis_3", "diagnosis_4", "diagnosis_5")
"""Columns that may say that a melanoma is in situ."""


def found_roles(present: Sequence[str], named: Mapping[str, str]) -> dict[str, str]:
    """Column of every role that a table has; what a user names goes first.

    >>> found_roles(["isic_id", "sex", "age_approx"], {})
    {'image': 'isic_id', 'age': 'age_approx', 'sex': 'sex'}
    """
    lower = {name.strip().lower(): name for name in reversed(present)}
    found = {}
    for role, names in NAMES.items():
        taken = next((lower[name] for name in names if name in lower), None)
        column = named.get(role) or taken
        if column is not None:
            found[role] = column
    return found
