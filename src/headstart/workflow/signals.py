"""Recordings fitted and shown: a reader and a preparation before the one fit."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from headstart.errors import DataError, InputError
from headstart.progress import Progress, Silent
from headstart.results.read import read_run
from headstart.results.writers.recordings import recordings_judged
from headstart.signals.dataset import read
from headstart.signals.recipe import RECIPE_FILE
from headstart.signals.recording import NORMAL
from headstart.signals.source import WindowPictures
from headstart.signals.units import typical_sizes
from headstart.storage import write_bytes, write_json
from headstart.study.execution import run_folder as files
from headstart.workflow.fit import estimate_fit, fit
from headstart.workflow.options.finetuning import requested_specs
from headstart.workflow.options.fit import FitOptions
from headstart.workflow.preflight import check_outside

if TYPE_CHECKING:
    from headstart.data import ImageDataset
    from headstart.study.execution.run_request import RunRequest
    from headstart.workflow.options.signals import SignalOptions
    from headstart.workflow.run import Run

_SHOWN: Final = 6
"""Windows of each class on a sheet."""
_TILE: Final = 160
"""Pixels on the longer side of a window on a sheet."""
_MARGIN: Final = 6


def fit_signals(
    data: str | os.PathLike[str],
    output: str | os.PathLike[str],
    signals: SignalOptions,
    options: FitOptions | None = None,
    *,
    progress: Progress | None = None,
    request: RunRequest | None = None,
) -> Run:
    """Train on recordings: their windows as pictures, judged recording by recording, in the same fit as other images.

    Parameters
    ----------
    data : path
        A recording or a folder of them.
    output : path
        The run folder.
    signals : SignalOptions
    options : FitOptions, optional
        Where it names no positive class and there are two, what is not normal is positive.
    progress : Progress, optional
    request : RunRequest, optional
        What ``run.json`` records of how the run was asked for.

    Raises
    ------
    HeadstartError
        As `headstart.signals.read` and `headstart.fit`.
    """
    options = options or FitOptions()
    _check_statistics(signals, options)
    dataset = _dataset(data, output, signals)
    pixels = window_pictures(dataset)
    return fit(
        dataset,
        output,
        _with_positive(options, dataset),
        progress=progress,
        request=request,
        before_report=lambda folder: _write_beside(folder, pixels),
    )


def _write_beside(folder: Path, pixels: WindowPictures) -> None:
    """Leave how windows are cut, in the bundle too, and what the predictions come to in every recording.

    The second only where a class is normal running.
    """
    recipe = {"recipe": pixels.recipe.to_json(), "sizes": _sizes(pixels)}
    for place in (folder, folder / files.MODEL_FOLDER):
        write_json(place / RECIPE_FILE, recipe)
    record = read_run(folder)
    if NORMAL in record.classes:
        found = recordings_judged(pixels.windows, record.predictions, record.classes.index(NORMAL))
        found.write(folder / found.file_name)


def estimate_signals(
    data: str | os.PathLike[str],
    output: str | os.PathLike[str],
    signals: SignalOptions,
    options: FitOptions | None = None,
    *,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """The plan of such a fit and its cost; see `headstart.workflow.fit.estimate_fit`. Nothing is written."""
    options = options or FitOptions()
    _check_statistics(signals, options)
    dataset = _dataset(data, output, signals)
    for note in dataset.notes:  # a fit tells them among its warnings
        (progress or Silent()).note(note)
    return estimate_fit(dataset, output, _with_positive(options, dataset), progress=progress)


def _check_statistics(signals: SignalOptions, options: FitOptions) -> None:
    """Refuse statistics of the channels beside pictures that a network is trained on: it sees the pictures alone."""
    if signals.statistics and requested_specs(options):
        raise InputError(
            f"--strategy {options.strategy}: what is fine-tuned sees pictures alone, not the statistics of the "
            "channels beside them. Add --no-statistics."
        )


def _dataset(data: str | os.PathLike[str], output: str | os.PathLike[str], signals: SignalOptions) -> ImageDataset:
    check_outside(data, Path(output))
    dataset = read(data, **signals.reading())
    if dataset.labels is None:
        raise DataError(
            f"{os.fspath(data)} tells no labels. Give a column of them (--label-column) or a table of intervals "
            "(--intervals)."
        )
    return dataset


def window_pictures(dataset: ImageDataset) -> WindowPictures:
    """The windows of a data set of recordings.

    Raises
    ------
    InputError
        When it is none.
    """
    if not isinstance(dataset.pixels, WindowPictures):
        raise InputError("This data set holds no windows of recordings. Read it with headstart.signals.read.")
    return dataset.pixels


def _with_positive(options: FitOptions, dataset: ImageDataset) -> FitOptions:
    """The options with what is not normal as the positive class, where there are two and none is named."""
    others = [name for name in dataset.classes if name != NORMAL]
    if options.positive is None and len(dataset.classes) == 2 and len(others) == 1:
        return replace(options, positive=others[0])
    return options


def _sizes(pixels: WindowPictures) -> list[float]:
    return typical_sizes(np.concatenate([one.values for one in pixels.windows.recordings]))


@dataclass(frozen=True, eq=False)
class ShownWindows:
    """What recordings hold, and a sheet of their windows.

    Attributes
    ----------
    dataset : ImageDataset
    sheet : Path
    """

    dataset: ImageDataset
    sheet: Path

    def rows(self) -> list[dict[str, Any]]:
        """Facts of every recording."""
        windows = window_pictures(self.dataset).windows
        labels = np.array(windows.labels or ["" for _ in range(len(windows))])
        return [
            {
                "recording": one.name,
                "seconds": round(one.duration_s, 3),
                "windows": int((windows.recording == place).sum()),
                "windows_not_normal": int(((windows.recording == place) & ~np.isin(labels, [NORMAL, ""])).sum()),
            }
            for place, one in enumerate(windows.recordings)
        ]

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "recipe": window_pictures(self.dataset).recipe.to_json(),
            "recordings": self.rows(),
            "notes": list(self.dataset.notes),
            "sheet": str(self.sheet),
        }


def show_signals(data: str | os.PathLike[str], output: str | os.PathLike[str], signals: SignalOptions) -> ShownWindows:
    """Windows of recordings as a network would see them, some of each class on one sheet (PNG).

    Raises
    ------
    DataError, InputError
        When the recordings cannot be read or cut so; nothing is written.
    StorageError
        When the disk refuses.
    """
    sheet = Path(output)
    if sheet.suffix.lower() != ".png":
        raise InputError(f"{sheet} is to be a picture. Name a file that ends with .png.")
    dataset = read(data, **signals.reading())
    write_bytes(sheet, _sheet(dataset))
    return ShownWindows(dataset, sheet)


def _sheet(dataset: ImageDataset) -> bytes:
    """A row of windows for every class, spread over the recordings, as PNG."""
    import io

    from PIL import Image, ImageDraw

    rows = _shown_rows(dataset)
    pictures = {row: dataset.load(row) for shown in rows.values() for row in shown}
    width, height = next(iter(pictures.values())).size
    scale = _TILE / max(width, height)
    tile = max(1, round(width * scale)), max(1, round(height * scale))
    n_columns = max(len(shown) for shown in rows.values())
    line = 16
    size = (n_columns * (tile[0] + _MARGIN) + _MARGIN, len(rows) * (tile[1] + _MARGIN + line) + _MARGIN)
    sheet = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(sheet)
    for place, (name, shown) in enumerate(rows.items()):
        top = _MARGIN + place * (tile[1] + _MARGIN + line)
        draw.text((_MARGIN, top), name, fill="black")
        for column, row in enumerate(shown):
            enlarged = pictures[row].resize(tile, Image.Resampling.NEAREST)
            sheet.paste(enlarged, (_MARGIN + column * (tile[0] + _MARGIN), top + line))
    found = io.BytesIO()
    sheet.save(found, "PNG")
    return found.getvalue()


def _shown_rows(dataset: ImageDataset) -> Mapping[str, list[int]]:
    """Rows of the windows that stand for each class."""
    if dataset.labels is None:
        return {"windows": _spread(np.arange(len(dataset)))}
    codes = dataset.labels
    return {name: _spread(np.flatnonzero(codes == code)) for code, name in enumerate(dataset.classes)}


def _spread(rows: np.ndarray[Any, Any]) -> list[int]:
    """Some of many, at equal distances."""
    return [int(row) for row in rows[np.unique(np.linspace(0, len(rows) - 1, _SHOWN).round().astype(int))]]
