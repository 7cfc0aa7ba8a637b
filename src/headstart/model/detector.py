"""`Detector`: normal running learned without labels, and the score above which a window of a stream raises an alarm."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from headstart.decisions.alarm_rate import AlarmRate, fit_alarm_rate
from headstart.errors import BundleError, DataError, HeadstartError, plural
from headstart.heads.one_class import MIN_ROWS, OneClassHead, fit_one_class
from headstart.model.bundle import BACKBONE
from headstart.model.window_features import STATISTICS, WindowFeatures
from headstart.signals.recipe import SignalRecipe
from headstart.signals.recording import NORMAL
from headstart.signals.standardise import standardised
from headstart.signals.units import typical_sizes
from headstart.storage import (
    file_bytes,
    hash_bytes,
    hash_file,
    json_bytes,
    parsed_json,
    replacing,
    write_bytes,
    write_json,
)
from headstart.version import __version__

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from headstart.signals.windows import Windows

DESCRIPTION: Final = "detector.json"
ARRAYS: Final = "detector.safetensors"
FORMAT: Final = 2  # of a detector that knows windows by a network
_PLAIN_FORMAT: Final = 1
N_FOLDS: Final = 5
"""Parts of normal running, each scored by a head that was fitted on the others."""
MIN_BLOCK_S: Final = 600.0
"""Shortest block of the rate of alarms, so that a disturbance of some minutes counts once."""
_MISSHAPEN: Final = (KeyError, TypeError, ValueError, AttributeError, OverflowError)


@dataclass(frozen=True, eq=False)
class Detector:
    """Distance of windows from normal running, with the threshold of an alarm.

    Attributes
    ----------
    recipe : SignalRecipe
        How a stream is cut, standardised and drawn.
    head : OneClassHead
    rate : AlarmRate
    centre, spread : ndarray of shape (n_channels,)
        Of the standardised samples of normal running, by which channels are named in an alarm.
    sizes : tuple of float
        Typical size of every channel as measured, by which changed units are noticed.
    n_windows : int
        Windows of normal running that were learned from.
    seen : WindowFeatures
        What the head sees of a window.
    """

    recipe: SignalRecipe
    head: OneClassHead
    rate: AlarmRate
    centre: NDArray[np.float64]
    spread: NDArray[np.float64]
    sizes: tuple[float, ...]
    n_windows: int
    seen: WindowFeatures = STATISTICS

    def scores(self, windows: NDArray[np.float32]) -> NDArray[np.float64]:
        """Distance from normal running of standardised windows (n, length, n_channels); shape (n,)."""
        return self.head.distances(self.seen.of(windows))

    @functools.cached_property
    def identity(self) -> str:
        """Hash of everything that a score or an alarm depends on, wherever the network runs."""
        described = self._description()
        described.get("network", {}).pop("engine", None)
        return hash_bytes(json_bytes(described) + self._tensors())

    def save(self, folder: Path) -> None:
        """Write the detector; its description, which knows the hash of the arrays, comes last.

        Raises
        ------
        StorageError
            When the disk refuses.
        """
        hashes, tensors = dict[str, str](), self.seen.tensors()
        if tensors is not None:
            from safetensors.torch import save

            write_bytes(folder / BACKBONE, save(dict(tensors)))
            hashes["network_file"] = hash_file(folder / BACKBONE)
        with replacing(folder / ARRAYS) as handle:
            handle.write(self._tensors())
        write_json(folder / DESCRIPTION, {**self._description(), **hashes, "arrays": hash_file(folder / ARRAYS)})

    def _description(self) -> dict[str, Any]:
        network = self.seen.to_json()
        return {
            **({} if network is None else {"network": network}),
            "format": _PLAIN_FORMAT if network is None else FORMAT,
            "headstart": __version__,
            "recipe": self.recipe.to_json(),
            "head": self.head.kind,
            "rate": self.rate.to_json(),
            "centre": self.centre.tolist(),
            "spread": self.spread.tolist(),
            "sizes": list(self.sizes),
            "n_windows": self.n_windows,
        }

    def _tensors(self) -> bytes:
        from safetensors.numpy import save

        return bytes(save(self.head.to_tensors()))


def fit_detector(
    windows: Windows,
    recipe: SignalRecipe,
    *,
    kind: str = "mahalanobis",
    per_day: float | None = None,
    block_s: float | None = None,
    seen: WindowFeatures = STATISTICS,
) -> Detector:
    """Detector from windows of normal running.

    The threshold comes from scores that heads fitted on other parts of the running gave; the detector's own head is
    fitted on all of it.

    Parameters
    ----------
    windows : Windows
        Where they have labels, those that are not normal are left out.
    recipe : SignalRecipe
    kind : str
        One of `headstart.heads.one_class.ONE_CLASS_KINDS`.
    per_day : float > 0, optional
        Alarms per day to keep to; see `fit_alarm_rate`.
    block_s : float > 0, optional
        Length of the blocks of time that the rate is counted in. Default: ten minutes, or a window if that is longer.
    seen : WindowFeatures
        What the head sees of a window. What is learned for that is learned anew for every part that is left out.

    Raises
    ------
    InputError, DataError
        When there is too little normal running, or it is constant.
    """
    normal = windows.take(normal_rows(windows))
    values = standardised(normal, recipe.standardise)
    if len(values) < 2 * MIN_ROWS:
        raise DataError(
            f"Normal running gives {plural(len(values), 'window')}; at least {2 * MIN_ROWS} are needed. Give more of "
            "it, or take a shorter stride."
        )
    own = seen.fitted(values)
    features = own.of(values)
    rate = fit_alarm_rate(
        _left_out_anew(seen, values, normal, kind) if seen.learns else left_out_scores(features, normal, kind),
        normal.start * normal.period_s,
        block_s=block_s or max(MIN_BLOCK_S, recipe.window_s),
        per_day=per_day,
        recordings=normal.recording,
    )
    samples = values.reshape(-1, values.shape[2]).astype(np.float64)
    spread = samples.std(axis=0)
    return Detector(
        recipe=recipe,
        head=fit_one_class(kind, features),
        rate=rate,
        centre=samples.mean(axis=0),
        spread=np.where(spread > 0, spread, 1.0),
        sizes=tuple(typical_sizes(np.concatenate([one.values for one in windows.recordings]))),
        n_windows=len(normal),
        seen=own,
    )


def normal_rows(windows: Windows) -> NDArray[np.int64]:
    """Rows of the windows of normal running: all where there are no labels.

    Raises
    ------
    DataError
        When none is normal.
    """
    if windows.labels is None:
        return np.arange(len(windows))
    rows = np.flatnonzero(np.array(windows.labels) == NORMAL)
    if len(rows) == 0:
        raise DataError(
            f"No window is {NORMAL!r}: labels are {', '.join(sorted(set(windows.labels)))}. Give normal running."
        )
    return rows


def left_out_scores(features: NDArray[np.float32], windows: Windows, kind: str) -> NDArray[np.float64]:
    """Score of every window by a head that was fitted on other recordings, or on other stretches of time.

    Parameters
    ----------
    features : ndarray of shape (n, d), float32
    windows : Windows
        Of normal running, in the order of the features. No head scores a window that
        shares samples with those it was fitted on.
    kind : str
    """
    scores = np.empty(len(features))
    for own, others in _parts(windows):
        scores[own] = fit_one_class(kind, features[others]).distances(features[own])
    return scores


def _left_out_anew(
    seen: WindowFeatures, values: NDArray[np.float32], windows: Windows, kind: str
) -> NDArray[np.float64]:
    """The same where features learn something: of the windows that the head is fitted on, and no others."""
    scores = np.empty(len(values))
    for own, others in _parts(windows):
        of_others = seen.fitted(values[others])
        scores[own] = fit_one_class(kind, of_others.of(values[others])).distances(of_others.of(values[own]))
    return scores


def _parts(windows: Windows) -> Iterator[tuple[NDArray[np.bool_], NDArray[np.bool_]]]:
    """Windows of every part of normal running, and those that share no sample with it."""
    folds = _folds(windows.recording)
    for fold in range(N_FOLDS):
        own = folds == fold
        yield own, ~own & ~_near(windows, own)


def _folds(recording: NDArray[np.int64]) -> NDArray[np.int64]:
    """Fold of every window: whole recordings where there are enough, else stretches of time."""
    names, numbers = np.unique(recording, return_inverse=True)
    if len(names) >= N_FOLDS:
        return np.asarray(numbers * N_FOLDS // len(names))
    return np.arange(len(recording)) * N_FOLDS // len(recording)


def _near(windows: Windows, own: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Whether every window lies less than its length from one of a stretch of time."""
    near = np.zeros(len(own), dtype=bool)
    for place in np.unique(windows.recording[own]).tolist():
        here = windows.recording == place
        starts = windows.start[own & here]
        near |= here & (windows.start > starts.min() - windows.length) & (windows.start < starts.max() + windows.length)
    return near


def is_detector(folder: Path) -> bool:
    """Whether a folder holds a detector."""
    return (folder / DESCRIPTION).is_file()


def load_detector(folder: Path) -> Detector:
    """The detector that `Detector.save` wrote.

    Raises
    ------
    BundleError
        When a file is missing, changed or from a newer version; said with the file's name.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    path = folder / DESCRIPTION
    try:
        stored = parsed_json(file_bytes(path))
        if stored["format"] > FORMAT:
            raise BundleError(f"made by headstart {stored['headstart']}, which is newer; install a newer headstart")
        tensors = file_bytes(folder / ARRAYS)
        if hash_bytes(tensors) != stored["arrays"]:
            raise BundleError(f"{ARRAYS} was changed or damaged")
        return _restored(folder, stored, OneClassHead.from_tensors(str(stored["head"]), load(tensors)))
    except (*_MISSHAPEN, OSError, SafetensorError, RecursionError, HeadstartError) as error:
        raise BundleError(
            f"{path}: cannot be used ({error}). Learn normal running again or take a whole copy."
        ) from error


def _restored(folder: Path, stored: Mapping[str, Any], head: OneClassHead) -> Detector:
    recipe = SignalRecipe.from_json(stored["recipe"])
    columns = [np.array(stored[name], dtype=np.float64) for name in ("centre", "spread", "sizes")]
    n_channels = len(recipe.channels)
    if any(one.shape != (n_channels,) or not np.isfinite(one).all() for one in columns):
        raise BundleError(f"centre, spread and sizes are not those of {n_channels} channels")
    seen = _restored_features(folder, stored, recipe)
    n_features = seen.of(np.zeros((1, recipe.length, n_channels), dtype=np.float32)).shape[1]
    if head.n_features != n_features:
        raise BundleError(f"the head takes {head.n_features} features, windows have {n_features}")
    centre, spread, sizes = columns
    rate = AlarmRate.from_json(stored["rate"])
    return Detector(recipe, head, rate, centre, spread, tuple(sizes.tolist()), int(stored["n_windows"]), seen)


def _restored_features(folder: Path, stored: Mapping[str, Any], recipe: SignalRecipe) -> WindowFeatures:
    """What the head sees of a window."""
    if "network" not in stored:
        return STATISTICS
    from headstart.model.window_network import restored_network

    if hash_file(folder / BACKBONE) != stored["network_file"]:
        raise BundleError(f"{BACKBONE} was changed or damaged")
    return restored_network(folder, BACKBONE, recipe, stored["network"])
