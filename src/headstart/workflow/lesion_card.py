"""The model card of a fit on lesions, and the subgroups that its results are divided by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from headstart.metrics.subgroups import Subgroups, score_subgroups
from headstart.report.model_card import model_card
from headstart.results.out_of_fold import out_of_fold
from headstart.results.read import read_run
from headstart.runtime.csv_cells import csv_bytes
from headstart.storage import write_bytes
from headstart.study.execution import run_folder as files

if TYPE_CHECKING:
    from headstart.lesions.reading.data import LesionData
    from headstart.workflow.run import Run

CARD_FILE: Final = "model_card.md"
SUBGROUPS_FILE: Final = "subgroups.csv"
_AGE_BANDS: Final = ((30, "below 30"), (45, "30 to 44"), (60, "45 to 59"), (75, "60 to 74"))
_OLDEST: Final = "75 and above"
_MEGAPIXELS: Final = ((0.5, "up to 0.5 megapixels"), (2.0, "0.5 to 2 megapixels"))
_LARGEST: Final = "above 2 megapixels"


def write_card(
    run: Run, lesions: LesionData, sizes: Mapping[str, tuple[int, int]], n_missed: int | None, *, seed: int
) -> None:
    """Write the card beside the report and into the bundle, and the subgroups as a table.

    Parameters
    ----------
    run : Run
    lesions : LesionData
        What was read.
    sizes : mapping of str to (int, int)
        Width and height of the images.
    n_missed : int or None
        Images without a lesion found; None where none was looked for.
    seed : int
        Of the test of the gaps.
    """
    subgroups = subgroups_of(run.folder, lesions, sizes, seed=seed)
    read = lesions.counts() | ({} if n_missed is None else {"no_lesion_found": n_missed})
    card = model_card(run.results, read, lesions.notes, subgroups).encode()
    for folder in (run.folder, run.folder / files.MODEL_FOLDER):
        write_bytes(folder / CARD_FILE, card)
    write_bytes(run.folder / SUBGROUPS_FILE, _subgroups_csv(subgroups))


def subgroups_of(
    folder: Path, lesions: LesionData, sizes: Mapping[str, tuple[int, int]], *, seed: int
) -> list[Subgroups]:
    """Scores of a run by sex, age band, site, skin tone and size of the image, where there are two values at least."""
    oof = out_of_fold(record := read_run(folder))
    images = sorted(set(record.predictions.images))
    about = {one.image: one.about for one in lesions.lesions}
    columns = {
        "sex": [about[name]["sex"] for name in images],
        "age": [age_band(about[name]["age"]) for name in images],
        "site": [about[name]["site"] for name in images],
        "skin tone": [about[name]["skin_tone"] for name in images],
        "image size": [_size_band(sizes.get(name)) for name in images],
    }
    n_unjudged = len(oof.labels) - len(images)
    padded = {name: [*values, *[""] * n_unjudged] for name, values in columns.items()}
    return [
        score_subgroups(oof, name, values, seed=seed)
        for name, values in padded.items()
        if len({value for value in values if value}) > 1
    ]


def age_band(text: str) -> str:
    """Band of an age; empty where it is none.

    >>> age_band("30"), age_band("85.0"), age_band("adult")
    ('30 to 44', '75 and above', '')
    """
    try:
        age = float(text)
    except ValueError:
        return ""
    return next((name for limit, name in _AGE_BANDS if age < limit), _OLDEST)


def _size_band(size: tuple[int, int] | None) -> str:
    if size is None:
        return ""
    megapixels = size[0] * size[1] / 1e6
    return next((name for limit, name in _MEGAPIXELS if megapixels <= limit), _LARGEST)


def _subgroups_csv(subgroups: Sequence[Subgroups]) -> bytes:
    rows: list[list[Any]] = [["column", "subgroup", "images", "groups", "right", "ci95_low", "ci95_high", "gap", "p"]]
    for one in subgroups:
        tested = ["" if value is None else repr(value) for value in (one.gap, one.p)]
        for score in one.scores:
            numbers = [repr(value) for value in (score.right, *score.ci95)]
            rows.append([one.column, score.name, score.n_images, score.n_groups, *numbers, *tested])
    return csv_bytes(rows)
