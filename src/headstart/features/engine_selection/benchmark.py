"""How fast the engines are here, by a short trial that is remembered for this machine and network."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from headstart.engines.engine import Engine
from headstart.errors import EngineError, StorageError
from headstart.features.extractor import Extractor
from headstart.storage import file_bytes, hash_json, parsed_json, write_json

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CLEARLY_FASTER: Final = 1.25
_HOPELESS: Final = 3.0
_SMALL_BATCH: Final = 4
_ROUND_S: Final = 0.3
_MIN_ROUNDS: Final = 3  # one round alone may meet another program
_MAX_ROUNDS: Final = 5
_KEY_LENGTH: Final = 40


class Speeds:
    """Measured images per second, kept on disk so that a second run on this machine chooses as the first did.

    Parameters
    ----------
    folder : Path or None
        Cache folder; None keeps nothing.
    settings : Mapping
        Machine kind, versions, network and input size: what the speeds depend on.
    labels : sequence of str
        Labels of the engines that were or will be measured.
    """

    def __init__(self, folder: Path | None, settings: Mapping[str, Any], labels: Sequence[str]) -> None:
        self._settings = dict(settings)
        self._labels = list(labels)
        self._path = None if folder is None else folder / "speeds" / f"{hash_json(self._settings)[:_KEY_LENGTH]}.json"

    def load(self) -> dict[str, float]:
        """Images per second by the label of the engine; empty when they are not kept for every engine, or damaged."""
        if self._path is None:
            return {}
        try:
            found = parsed_json(file_bytes(self._path).decode())["images_per_second"]
            speeds = {label: float(found[label]) for label in self._labels}
        except (OSError, ValueError, KeyError, TypeError, OverflowError):
            return {}
        return speeds if all(0 < speed < math.inf for speed in speeds.values()) else {}

    def store(self, speeds: Mapping[str, float]) -> None:
        """Store what was measured; a folder that refuses is left alone, and the next run tries again."""
        if self._path is None:
            return
        try:
            write_json(self._path, {"settings": self._settings, "images_per_second": dict(speeds)})
        except (StorageError, OSError):
            return


def measure_engines(
    engines: Sequence[Engine],
    make: Callable[[Engine], Extractor],
    pixels: NDArray[np.uint8],
    *,
    clock: Callable[[], float] = time.perf_counter,
    advance: Callable[[int], None] = lambda n: None,
) -> tuple[dict[str, float], dict[str, str]]:
    """Images per second of every engine, in the order of preference.

    Parameters
    ----------
    engines : sequence of Engine
    make : callable
        An extractor for an engine; it converts and compiles on first use, which is not counted.
    pixels : ndarray of shape (n_images, height, width, 3), uint8
        Some of the user's images, as prepared.
    clock : callable
        Seconds.
    advance : callable
        Called with 1 when the trial of an engine is over.

    Returns
    -------
    speeds, refusals : dict
        Images per second, and why an engine could not run, by the engine's label.
    """
    speeds: dict[str, float] = {}
    refusals: dict[str, str] = {}
    for engine in engines:
        try:
            speeds[engine.label] = _speed(make(_for_trial(engine)), pixels, max(speeds.values(), default=0.0), clock)
        except EngineError as error:
            refusals[engine.label] = str(error)
        advance(1)
    return speeds, refusals


def _for_trial(engine: Engine) -> Engine:
    """The engine on small batches where these show its speed: a GPU is not busy with a few images."""
    if engine.n_streams > 1 or engine.device != "cpu":
        return engine
    return replace(engine, batch_size=min(engine.batch_size, _SMALL_BATCH))


def _speed(extractor: Extractor, pixels: NDArray[np.uint8], best: float, clock: Callable[[], float]) -> float:
    """Images per second with all streams busy; the first batch is not counted unless it shows that there is no hope."""
    batch = pixels[: extractor.engine.batch_size]
    extractor.compute(batch)  # converts and compiles
    n_images = extractor.n_streams * extractor.engine.batch_size
    fastest = float("inf")
    with ThreadPoolExecutor(extractor.n_streams) as pool:
        begun = clock()
        for n_done in range(1, _MAX_ROUNDS + 1):
            start = clock()
            for done in [pool.submit(extractor.compute, batch) for _ in range(extractor.n_streams)]:
                done.result()
            fastest = min(fastest, clock() - start)
            hopeless = n_images / max(fastest, 1e-9) * _HOPELESS < best
            if hopeless or (n_done >= _MIN_ROUNDS and clock() - begun > _ROUND_S):
                break
    return round(n_images / max(fastest, 1e-9), 3)


def fastest(engines: Sequence[Engine], speeds: Mapping[str, float]) -> Engine:
    """The engine to take: the first in order of preference, unless a later one is clearly faster.

    Timing is noisy, and the same input on the same machine must give the same bytes; so a later engine has to be
    `CLEARLY_FASTER`.
    """
    chosen = engines[0]
    for engine in engines[1:]:
        if speeds[engine.label] >= CLEARLY_FASTER * speeds[chosen.label]:
            chosen = engine
    return chosen
