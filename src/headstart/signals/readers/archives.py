"""Recordings in NumPy archives and in the ``.ts`` format of the time series archive."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.errors import DataError, first_few
from headstart.signals.readers.columns import labels_of
from headstart.signals.recording import RawRecording

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from headstart.signals.readers.format import RecordingFormat


def read_npz(path: Path, name: str, given: RecordingFormat) -> list[RawRecording]:
    """Recordings of an archive with ``values`` (samples, channels) or (recordings, samples, channels).

    Beside it may stand ``channels`` (their names), ``time`` (seconds), ``labels`` (of every sample, or of every
    recording) and ``rate_hz``.

    Raises
    ------
    DataError
        When the archive is damaged or its arrays do not fit.
    """
    try:
        with path.open("rb") as handle, np.load(handle, allow_pickle=False) as archive:
            entries = {key: archive[key] for key in archive.files}
        return _recordings(entries, name, given)
    except DataError:
        raise
    except Exception as error:  # whatever the library raises, the file is what it cannot read
        raise DataError(f"{name} cannot be read as a NumPy archive of plain arrays: {error}") from error


def _recordings(entries: dict[str, Any], name: str, given: RecordingFormat) -> list[RawRecording]:
    if "values" not in entries:
        raise DataError(f"{name} has no array 'values'; it holds {first_few(entries)}.")
    values = entries["values"]
    if values.dtype.kind not in "fiub" or values.ndim not in (1, 2, 3):
        raise DataError(
            f"{name}: 'values' has shape {values.shape} and type {values.dtype}; expected numbers of shape (samples, "
            "channels) or (recordings, samples, channels)."
        )
    values = values.reshape(-1, 1) if values.ndim == 1 else values
    every = values[None] if values.ndim == 2 else values
    channels = tuple(str(one) for one in entries.get("channels", [f"channel {n + 1}" for n in range(every.shape[2])]))
    if len(channels) != every.shape[2]:
        raise DataError(f"{name}: {len(channels)} channel names for {every.shape[2]} channels.")
    times = _times(name, entries, every.shape[1], given)
    found = []
    for number, one in enumerate(every.astype(np.float64)):
        own = name if len(every) == 1 else f"{name}/{number:04d}"
        labels = _labels(name, entries.get("labels"), number, one.shape[0], len(every))
        found.append(RawRecording(own, channels, one, times, False, labels, first_row=0))
    return found


def _times(name: str, entries: dict[str, Any], n_samples: int, given: RecordingFormat) -> Any:
    if given.rate_hz is not None:
        return None
    if "time" in entries:
        times = np.asarray(entries["time"], dtype=np.float64)
        if times.shape != (n_samples,):
            raise DataError(
                f"{name}: 'time' has shape {times.shape}; expected a time for each of {n_samples:,} samples."
            )
        return times
    return np.arange(n_samples) / float(entries["rate_hz"]) if "rate_hz" in entries else None


def _labels(name: str, labels: Any, number: int, n_samples: int, n_recordings: int) -> tuple[str, ...] | None:
    if labels is None:
        return None
    if labels.ndim == 1 and labels.shape[0] == n_recordings and n_recordings > 1:
        return labels_of([labels[number].item()] * n_samples, f"{name}: ", 0)
    of_samples = labels if labels.ndim == 1 else labels[number]
    if of_samples.shape != (n_samples,):
        raise DataError(f"{name}: 'labels' has shape {labels.shape}; expected one for each sample or recording.")
    return labels_of(of_samples.tolist(), f"{name}: ", 0)


def read_ts(path: Path, name: str) -> list[RawRecording]:
    """Cases of a ``.ts`` file, each a recording of its own: channels separated by ``:``, the class behind them.

    Raises
    ------
    DataError
        When it is damaged.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (UnicodeDecodeError, OSError) as error:
        raise DataError(f"{name} cannot be read as text in UTF-8: {error}") from error
    facts, cases = _ts_parts(lines)
    if facts.get("timestamps", "false") == "true":
        raise DataError(f"{name} holds time stamps in brackets, which are not read. Save it with equal steps.")
    has_classes = facts.get("classlabel", "false").split()[0] == "true"
    found = []
    for number, (line, text) in enumerate(cases):
        parts = text.split(":")
        label = parts.pop().strip() if has_classes else None
        values = _ts_values(f"{name}: line {line}", parts)
        labels = None if label is None else labels_of([label] * len(values), f"{name}: ", line)
        channels = tuple(f"channel {place + 1}" for place in range(values.shape[1]))
        found.append(RawRecording(f"{name}/{number:04d}", channels, values, labels=labels, first_row=1))
    if not found:
        raise DataError(f"{name} holds no cases behind @data.")
    return found


def _ts_parts(lines: list[str]) -> tuple[dict[str, str], list[tuple[int, str]]]:
    """What stands before ``@data``, and the numbered lines behind it."""
    numbered = ((number, line.strip()) for number, line in enumerate(lines, 1))
    told: Iterator[tuple[int, str]] = ((number, line) for number, line in numbered if line and line[0] != "#")
    facts: dict[str, str] = {}
    for _, line in told:
        key, _, value = line.lower().removeprefix("@").partition(" ")
        if key == "data":
            break
        facts[key] = value.strip() or "true"
    return facts, list(told)


def _ts_values(place: str, parts: list[str]) -> Any:
    try:
        columns = [[float("nan" if one.strip() == "?" else one) for one in part.split(",")] for part in parts]
    except ValueError as error:
        raise DataError(f"{place}: {error}; expected numbers separated by commas.") from error
    if len({len(column) for column in columns}) != 1:
        raise DataError(f"{place}: its channels have {sorted({len(column) for column in columns})} samples.")
    return np.array(columns).T
