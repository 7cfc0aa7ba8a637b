"""`Windows`: short stretches of recordings, each with the label of its samples and the group it belongs to."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from headstart.errors import DataError, InputError, unknown_name
from headstart.signals.choices import GAP_POLICIES, LABEL_RULES, GapPolicy, LabelRule
from headstart.signals.recording import NORMAL, Recording
from headstart.signals.span import Span

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Integers = NDArray[np.int64]

NOTHING: Final = Span(0.0)
PARTS: Final = 10
"""Parts that one long recording is divided into, where there are no others to judge by."""


@dataclass(frozen=True)
class Windowing:
    """How recordings are cut into windows.

    Attributes
    ----------
    length, stride : Span
        Length of a window, and from the start of one to that of the next.
    rule : {"any", "majority", "centre"}
        Class of a window: that of any sample which is not normal (of several the most frequent), of most samples, or
        of the sample in the middle.
    reference : Span
        Stretch at the start of every recording that windows never touch; 0 for none.
    gaps : {"skip", "fill", "refuse"}
        Windows that touch a gap are left out, or the gap is filled by a straight line, or the recording is refused.
    random_start : Span
        Longest stretch cut off the start of each recording, drawn at random by `seed`: a benchmark's measure against
        recordings in which everything happens at the same time.
    parts : int
        Parts that a recording is divided into, each a group of its own; 0: as many as `PARTS` where there is one
        recording alone, else none.
    purge : Span or None
        Stretch left out between two parts. None: the length of a window.
    seed : int
    """

    length: Span
    stride: Span
    rule: LabelRule = "any"
    reference: Span = NOTHING
    gaps: GapPolicy = "skip"
    random_start: Span = NOTHING
    parts: int = 0
    purge: Span | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.rule not in LABEL_RULES:
            raise InputError(unknown_name("label rule", self.rule, LABEL_RULES))
        if self.gaps not in GAP_POLICIES:
            raise InputError(unknown_name("gap policy", self.gaps, GAP_POLICIES))
        if self.length.amount <= 0 or self.stride.amount <= 0:
            raise InputError("window and stride should be longer than nothing, as in 60s and 10s.")


@dataclass(frozen=True, eq=False)
class Windows:
    """Windows of recordings, in the order of time of each recording.

    Attributes
    ----------
    recordings : tuple of Recording
    recording, start : ndarray of shape (n_windows,), int64
        Number of each window's recording, and its first sample there.
    length : int
        Samples in a window.
    reference : ndarray of shape (n_recordings, 2), int64
        First sample of each recording's reference stretch, and the first one behind it.
    labels : tuple of str or None
        Class of every window.
    groups : tuple of str
        Recording of every window, or the part of one, which stays on one side of every split.
    notes : tuple of str
    """

    recordings: tuple[Recording, ...]
    recording: Integers
    start: Integers
    length: int
    reference: Integers
    labels: tuple[str, ...] | None
    groups: tuple[str, ...]
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.start)

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of the channels."""
        return self.recordings[0].channels

    @property
    def period_s(self) -> float:
        """Seconds from one sample to the next."""
        return self.recordings[0].period_s

    @property
    def names(self) -> list[str]:
        """Unique name of every window: its recording, and the seconds from the recording's start to its own."""
        offsets = (self.start * self.period_s).tolist()
        return [
            f"{self.recordings[place].name}@{offset:.10g}s"
            for place, offset in zip(self.recording.tolist(), offsets, strict=True)
        ]

    def values(self, rows: Integers | Sequence[int] | None = None) -> NDArray[np.float64]:
        """Samples of windows, shape (n_rows, length, n_channels)."""
        chosen = np.arange(len(self)) if rows is None else np.asarray(rows, dtype=np.int64)
        each = [
            self.recordings[place].values[start : start + self.length]
            for place, start in zip(self.recording[chosen].tolist(), self.start[chosen].tolist(), strict=True)
        ]
        return np.stack(each) if each else np.zeros((0, self.length, len(self.channels)))

    def take(self, rows: Integers) -> Windows:
        """Some of the windows."""
        return replace(
            self,
            recording=self.recording[rows],
            start=self.start[rows],
            labels=None if self.labels is None else tuple(self.labels[row] for row in rows.tolist()),
            groups=tuple(self.groups[row] for row in rows.tolist()),
        )


def cut_windows(recordings: Sequence[Recording], how: Windowing) -> Windows:
    """Windows of all recordings, none of which touches a reference stretch.

    Parameters
    ----------
    recordings : sequence of Recording
        Of one sampling rate and with the same channels.
    how : Windowing

    Raises
    ------
    DataError
        When a window is longer than what a recording has behind its reference, or a gap is refused.
    """
    period = recordings[0].period_s
    length, stride = how.length.samples(period), how.stride.samples(period)
    if min(length, stride) < 1:
        raise InputError(f"A window of {how.length} every {how.stride} is less than one sample of {period:g} s.")
    crops = _random_crops(len(recordings), how, period)
    reference = np.stack([crops, crops + how.reference.samples(period)], axis=1)
    parts = how.parts or (PARTS if len(recordings) == 1 else 1)
    purge = length if how.purge is None else how.purge.samples(period)
    filled, notes = [], []
    for one in recordings:
        whole, note = _without_gaps(one, how.gaps)
        filled.append(whole)
        notes += note
    places, starts, groups = [], [], []
    for place, one in enumerate(filled):
        bounds = _parts(one, int(reference[place, 1]), length, parts, purge)
        for number, (first, stop) in enumerate(bounds):
            found = np.arange(first, stop - length + 1, stride)
            found = found[~_touches_gap(one, length)[found]]
            places.append(np.full(len(found), place))
            starts.append(found)
            groups += [one.name if parts == 1 else f"{one.name} part {number + 1}"] * len(found)
    if parts > 1:
        notes.append(
            f"Recordings are divided into {parts} parts, {purge * period:g} s left out between two of them: a part is "
            "judged by the others. Parts of one recording are more alike than recordings are, so scores may flatter."
        )
    windows = Windows(
        tuple(filled), np.concatenate(places), np.concatenate(starts), length, reference, None, tuple(groups)
    )
    if not len(windows):
        raise DataError(
            "No window is left: every one touches a gap. Take shorter windows; `headstart signals fit` fills gaps with "
            "--gaps fill."
        )
    n_gaps = sum(int(_touches_gap(one, length).sum()) > 0 for one in filled)
    if n_gaps:
        notes.append(f"Windows that touch a gap were left out in {n_gaps} of {len(filled)} recordings.")
    return replace(windows, labels=_labels(windows, how.rule), notes=tuple(notes))


def _random_crops(n_recordings: int, how: Windowing, period: float) -> Integers:
    longest = how.random_start.samples(period)
    return np.random.default_rng(how.seed).integers(0, longest, size=n_recordings, endpoint=True)


def _parts(one: Recording, first: int, length: int, parts: int, purge: int) -> list[tuple[int, int]]:
    """Stretches (first sample, stop) of a recording behind its reference, with a purge between two of them."""
    room = len(one) - first - purge * (parts - 1)
    if room < parts * length:
        behind = "" if first == 0 else f" behind the first {first * one.period_s:g} s"
        each = "" if parts == 1 else f" for each of {parts} parts with {purge * one.period_s:g} s between them"
        raise DataError(
            f"{one.name}: {length * one.period_s:g} s of a window do not fit into its {one.duration_s:g} s{behind}"
            f"{each}. Take a shorter window or reference, or leave the recording out."
        )
    edges = first + np.floor(np.linspace(0, room, parts + 1)).astype(int)
    return [(int(edges[n]) + n * purge, int(edges[n + 1]) + n * purge) for n in range(parts)]


def _without_gaps(one: Recording, policy: GapPolicy) -> tuple[Recording, list[str]]:
    """The recording with its gaps filled, where that is asked for."""
    missing = np.isnan(one.values)
    if policy == "skip" or not missing.any():
        return one, []
    if policy == "refuse":
        sample = int(np.flatnonzero(missing.any(axis=1))[0])
        raise DataError(
            f"{one.name} has a gap at {one.time_text(sample)}, and the windows were asked for without gaps. Fit with "
            "--gaps skip, which leaves out the windows that touch one, or with --gaps fill."
        )
    grid = np.arange(len(one))
    columns = [np.interp(grid, grid[~gap], column[~gap]) for column, gap in zip(one.values.T, missing.T, strict=True)]
    share = missing.any(axis=1).mean()
    return replace(one, values=np.stack(columns, axis=1)), [f"{one.name}: gaps, {share:.1%} of its time, were filled."]


def _touches_gap(one: Recording, length: int) -> NDArray[np.bool_]:
    """Whether the window that starts at each sample touches a gap; as long as there are such windows."""
    missing = np.concatenate([[0], np.cumsum(np.isnan(one.values).any(axis=1))])
    return np.asarray(missing[length:] > missing[:-length])


def _labels(windows: Windows, rule: LabelRule) -> tuple[str, ...] | None:
    """Class of every window by the classes of its samples; None without labels."""
    if any(one.labels is None for one in windows.recordings):
        return None
    found: list[str] = [NORMAL] * len(windows)
    for place, one in enumerate(windows.recordings):
        classes = sorted(set(one.labels or ()) | {NORMAL})
        codes = np.array([classes.index(label) for label in one.labels or ()])
        rows = np.flatnonzero(windows.recording == place)
        starts = windows.start[rows]
        for row, code in zip(rows.tolist(), _codes(codes, starts, windows.length, classes, rule).tolist(), strict=True):
            found[row] = classes[code]
    return tuple(found)


def _codes(codes: Integers, starts: Integers, length: int, classes: Sequence[str], rule: LabelRule) -> Integers:
    """Code of every window's class."""
    if rule == "centre":
        return np.asarray(codes[starts + length // 2])
    sums = np.cumsum(np.eye(len(classes), dtype=np.int64)[codes], axis=0)
    sums = np.concatenate([np.zeros((1, len(classes)), dtype=np.int64), sums])
    counts = sums[starts + length] - sums[starts]  # (windows, classes)
    normal = classes.index(NORMAL)
    if rule == "any":
        counts[:, normal] = np.where(counts.sum(axis=1) == counts[:, normal], counts[:, normal], 0)
    return np.asarray(counts.argmax(axis=1))
