"""Share of one class among the cells of every micrograph and every well."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from headstart.cells.micrographs.plate import PlatePosition
from headstart.metrics.prevalence import (
    NOTHING_KNOWN,
    ErrorRates,
    Likeness,
    Share,
    called_share,
    corrected_share,
    counted_share,
    likeness,
)

NO_CELLS: Final = "no cells"
ASSUMED: Final = Likeness(0.1, 0)
"""Likeness of the cells of one field where neither the wells counted nor those of the run have several fields."""


@dataclass(frozen=True)
class FieldCount:
    """Cells of one micrograph.

    Attributes
    ----------
    name : str
    position : PlatePosition
    n : int
        Cells that were found.
    counted : int
        Cells that were called of the class.
    """

    name: str
    position: PlatePosition
    n: int
    counted: int

    @property
    def well(self) -> tuple[str, str]:
        """Plate and well; a micrograph whose name tells of no well belongs to the folder as a whole."""
        return self.position.plate, self.position.well


@dataclass(frozen=True)
class CountedCells:
    """Cells of a micrograph, or of all micrographs of a well, and the share that is of the class.

    Attributes
    ----------
    name : str
        Of the micrograph; empty for a well.
    position : PlatePosition
    n_fields, n, counted : int
    called : Share or None
        Share as the classifier called it; its interval speaks of the well that the cells are a sample of. None without
        cells.
    corrected : Share or None
        The same, corrected for the classifier's errors. None without cells, or where the errors are not known.
    of_these : Share or None
        Share of the class among these very cells, corrected; of a micrograph only.
    """

    name: str
    position: PlatePosition
    n_fields: int
    n: int
    counted: int
    called: Share | None = None
    corrected: Share | None = None
    of_these: Share | None = None

    def row(self) -> dict[str, Any]:
        """Values of a table, shares in per cent; None where there is none."""
        position = self.position
        where = {"plate": position.plate, "well": position.well}
        about = (
            {"image": self.name, **where, "field": position.field}
            if self.name
            else {**where, "n_fields": self.n_fields}
        )
        return {
            **about,
            "n_cells": self.n,
            "n_counted": self.counted,
            **_percents("percent", self.called),
            **_percents("corrected_percent", self.corrected),
            **(_percents("these_cells_percent", self.of_these) if self.name else {}),
        }


@dataclass(frozen=True)
class ClassCount:
    """Count of one class.

    Attributes
    ----------
    images, wells : tuple of CountedCells
        Wells in the order of plate and name.
    alike : Likeness
        How alike the calls of one field are, over all wells, or as earlier ones were, or as is assumed.
    rates : ErrorRates or None
        Errors of the classifier; None: not known, or too many for a correction.
    notes : tuple of str
        Sentences on what is doubtful.
    """

    images: tuple[CountedCells, ...]
    wells: tuple[CountedCells, ...]
    alike: Likeness
    rates: ErrorRates | None
    notes: tuple[str, ...] = ()


def count_class(
    fields: Sequence[FieldCount], rates: ErrorRates | None = None, alike_before: Likeness = NOTHING_KNOWN
) -> ClassCount:
    """Share of a class in every micrograph and every well.

    Parameters
    ----------
    fields : sequence of FieldCount
    rates : ErrorRates, optional
        Sensitivity and specificity for the class; None corrects nothing.
    alike_before : Likeness
        Of earlier fields, those of the model's run: taken where every well has one field, which cannot tell. Default:
        none is known, and `ASSUMED` is taken.

    Examples
    --------
    >>> fields = [FieldCount(f"B02_f{number}", PlatePosition("", "B02", str(number)), 20, 5) for number in (1, 2)]
    >>> [well] = count_class(fields).wells
    >>> well.n, well.called.value
    (40, 0.25)
    """
    notes = []
    if rates is not None and not rates.can_correct:
        found, wrong = rates.sensitivity.observed, 1 - rates.specificity.observed
        notes.append(
            f"the model finds {found:.0%} of the class and calls {wrong:.0%} of the others so: it hardly tells them "
            "apart, so shares are not corrected"
        )
        rates = None
    wells = sorted({field.well for field in fields})
    place = {well: number for number, well in enumerate(wells)}
    alike = likeness(
        [field.counted for field in fields], [field.n for field in fields], [place[field.well] for field in fields]
    )
    if not alike.freedom:
        alike = alike_before if alike_before.freedom else ASSUMED
        notes += _unknown_likeness(fields, len(wells), alike)
    by_well = [[field for field in fields if field.well == well] for well in wells]
    return ClassCount(
        images=tuple(_counted([field], alike, rates) for field in fields),
        wells=tuple(_counted(members, alike, rates, is_well=True) for members in by_well),
        alike=alike,
        rates=rates,
        notes=tuple(notes),
    )


def _unknown_likeness(fields: Sequence[FieldCount], n_wells: int, alike: Likeness) -> list[str]:
    """What is said where the wells cannot tell how alike cells of a field are; nothing where there are no cells."""
    sizes = [field.n for field in fields if field.n]
    if not sizes:
        return []
    remedy = ""
    if len(fields) == n_wells:
        why, remedy = "one field in every well", "; photograph several fields of a well to know it"
    elif max(sizes) == 1:
        why = "one cell in every field"
    else:
        why = "in no well do the calls of several fields differ"
    correlation = f"an intracluster correlation of {alike.correlation:.2f}"
    if alike.freedom:
        source = f"{correlation} is taken from the wells that the model was fitted on"
    else:
        source = f"unknown, and {correlation} is assumed{remedy}"
    return [f"{why}, so how alike cells of a field are does not show: {source}"]


def _counted(
    fields: Sequence[FieldCount], alike: Likeness, rates: ErrorRates | None, *, is_well: bool = False
) -> CountedCells:
    hits, sizes = [field.counted for field in fields], [field.n for field in fields]
    n, counted, position = sum(sizes), sum(hits), fields[0].position
    return CountedCells(
        name="" if is_well else fields[0].name,
        position=PlatePosition(position.plate, position.well) if is_well else position,
        n_fields=len(fields),
        n=n,
        counted=counted,
        called=called_share(hits, sizes, alike) if n else None,
        corrected=corrected_share(hits, sizes, alike, rates) if n and rates is not None else None,
        of_these=counted_share(counted, n, rates) if n and rates is not None and not is_well else None,
    )


def _percents(name: str, share: Share | None) -> dict[str, float | None]:
    values = (None, None, None) if share is None else (100 * share.value, 100 * share.low, 100 * share.high)
    return dict(zip((name, f"{name}_low", f"{name}_high"), values, strict=True))
