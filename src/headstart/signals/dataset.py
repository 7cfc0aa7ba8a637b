"""`read`: recordings as a data set of pictures of their windows."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from headstart.data.dataset import ImageDataset
from headstart.data.table.column import TableColumn
from headstart.signals.baselines import window_statistics
from headstart.signals.choices import GapPolicy, LabelRule, Standardising
from headstart.signals.notes import notes_on
from headstart.signals.place import place_of
from headstart.signals.readers.format import RecordingFormat
from headstart.signals.readers.read import read_recordings
from headstart.signals.recipe import SignalRecipe
from headstart.signals.recording import Recording
from headstart.signals.source import WindowPictures
from headstart.signals.span import Span
from headstart.signals.statistics import statistic_names
from headstart.signals.windows import Windowing, Windows, cut_windows

if TYPE_CHECKING:
    SpanLike = str | float | Span


def read(
    path: str | os.PathLike[str],
    *,
    window: SpanLike,
    stride: SpanLike | None = None,
    reference: SpanLike | None = None,
    standardise: Standardising | None = None,
    image: str = "level",
    statistics: bool = False,
    rule: LabelRule = "any",
    gaps: GapPolicy = "skip",
    random_start: SpanLike = "0s",
    parts: int = 0,
    purge: SpanLike | None = None,
    seed: int = 0,
    intervals: str | os.PathLike[str] | None = None,
    form: RecordingFormat | None = None,
) -> ImageDataset:
    """Data set of the windows of recordings, each as a picture, grouped by recording.

    Parameters
    ----------
    path : path
        A recording (CSV, Parquet, ``.npz``, ``.ts``), or a folder of them.
    window, stride : text, number or Span
        Length of a window and from the start of one to that of the next: ``"60s"``, or a number of samples. Default of
        the stride: half of a window.
    reference : text, number or Span, optional
        Stretch at the start of every recording by which it is standardised, and which is never judged.
    standardise : {"reference", "robust", "window", "training"}, optional
        See `headstart.signals.standardise.standardised`. Default: ``reference`` where there is one, else ``training``.
    image : str
        How a window is drawn: a name in `headstart.signals.imaging.IMAGINGS`.
    statistics : bool
        Put statistics of every channel beside the picture, as table columns.
    rule, gaps, random_start, parts, purge, seed
        See `headstart.signals.windows.Windowing`.
    intervals : path, optional
        Table of labelled intervals; see `headstart.signals.readers.intervals.with_intervals`.
    form : RecordingFormat, optional
        What the files do not tell themselves.

    Raises
    ------
    DataError, InputError
        When the recordings cannot be read, or cannot be cut so.

    Examples
    --------
    >>> from headstart import signals
    >>> dataset = signals.read("ring/", window="60s", reference="10min")  # doctest: +SKIP
    """
    recordings = read_recordings(path, form, intervals=intervals)
    how = Windowing(
        length=_span(window, "window"),
        stride=_span(stride, "stride") if stride is not None else _half(window, recordings[0].period_s),
        rule=rule,
        reference=Span(0.0) if reference is None else _span(reference, "reference"),
        gaps=gaps,
        random_start=_span(random_start, "random_start"),
        parts=parts,
        purge=None if purge is None else _span(purge, "purge"),
        seed=seed,
    )
    dataset = window_dataset(recordings, how, standardise=standardise, image=image, with_statistics=statistics)
    pixels = dataset.pixels
    if isinstance(pixels, WindowPictures):
        place = place_of(path, how, pixels.recipe, intervals=intervals, form=form)
        dataset = replace(dataset, pixels=replace(pixels, place=place))
    return dataset


def window_dataset(
    recordings: Sequence[Recording],
    how: Windowing,
    *,
    standardise: Standardising | None = None,
    image: str = "level",
    with_statistics: bool = False,
) -> ImageDataset:
    """Data set of the windows of recordings that are read already; see `read`."""
    windows = cut_windows(recordings, how)
    recipe = recipe_of(windows, how, standardise=standardise, image=image, with_statistics=with_statistics)
    pixels = WindowPictures(windows, recipe)
    columns = statistic_columns(windows, recipe.standardise) if with_statistics else ()
    dataset = ImageDataset.from_source(pixels, windows.names, windows.labels, table=columns)
    return replace(dataset, notes=(*notes_on(recordings), *windows.notes, *dataset.notes))


def recipe_of(
    windows: Windows, how: Windowing, *, standardise: Standardising | None, image: str, with_statistics: bool
) -> SignalRecipe:
    """The recipe by which these windows become pictures."""
    has_reference = how.reference.amount > 0
    return SignalRecipe(
        channels=windows.channels,
        period_s=windows.period_s,
        length=windows.length,
        stride=how.stride.samples(windows.period_s),
        reference=how.reference.samples(windows.period_s),
        standardise=standardise or ("reference" if has_reference else "training"),
        image=image,
        statistics=with_statistics,
        rule=how.rule,
        gaps=how.gaps,
    )


def statistic_columns(windows: Windows, standardise: Standardising) -> tuple[TableColumn, ...]:
    """Statistics of every window as table columns."""
    found = window_statistics(windows, standardise)
    return tuple(
        TableColumn(name, column) for name, column in zip(statistic_names(windows.channels), found.T, strict=True)
    )


def _span(value: SpanLike, noun: str) -> Span:
    return value if isinstance(value, Span) else Span.parse(value, noun)


def _half(window: SpanLike, period_s: float) -> Span:
    return Span(max(1, _span(window, "window").samples(period_s) // 2), in_samples=True)
