"""How speed is measured: rounds taken in turn, the machine's own ceiling, engines kept busy, core seconds."""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from headstart.features.extractor import Extractor
from headstart.runtime.machine import available_processors

CEILING_SIDE = 2048
CEILING_REPEATS = 5


@dataclass(frozen=True)
class Spell:
    """A stretch of work.

    Attributes
    ----------
    n_images : int
    wall_s : float
    cpu_s : float
        Processor time of this process, all its threads together.
    """

    n_images: int
    wall_s: float
    cpu_s: float

    @property
    def images_per_s(self) -> float:
        """Images per second of wall time."""
        return self.n_images / self.wall_s

    @property
    def core_s(self) -> float:
        """Core seconds per image: processor time, whichever cores it was spent on."""
        return self.cpu_s / self.n_images


def spell(work: Callable[[], int]) -> Spell:
    """Time work that says how many images it did."""
    wall, cpu = time.perf_counter(), time.process_time()
    n_images = work()
    return Spell(n_images, time.perf_counter() - wall, time.process_time() - cpu)


def in_turn(actions: Mapping[str, Callable[[], Any]], n_rounds: int) -> dict[str, list[Any]]:
    """What every action gave in each round. Taken in turn, so that a machine that slows down slows all of them."""
    found: dict[str, list[Any]] = {name: [] for name in actions}
    for _ in range(n_rounds):
        for name, action in actions.items():
            found[name].append(action())
    return found


def ratio(over: Sequence[float], under: Sequence[float]) -> float:
    """Median over the rounds of one figure divided by another of the same round."""
    return statistics.median(a / b for a, b in zip(over, under, strict=True))


def spread(values: Sequence[float]) -> float:
    """Half the distance from lowest to highest, as a share of the median: how noisy the rounds were."""
    return (max(values) - min(values)) / 2 / statistics.median(values)


def ceiling(dtype: torch.dtype) -> float:
    """Multiply-adds per second, times two, of a square matrix product of side 2,048: what the machine can do at all."""
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.randn(CEILING_SIDE, CEILING_SIDE, generator=generator).to(dtype) for _ in range(2))
    torch.set_num_threads(available_processors())
    seconds = []
    for _ in range(1 + CEILING_REPEATS):
        start = time.perf_counter()
        torch.mm(a, b)
        seconds.append(time.perf_counter() - start)
    return 2 * CEILING_SIDE**3 / statistics.median(seconds[1:])


def multiply_adds(extractor: Extractor) -> int:
    """Multiply-adds of the frozen part for one image."""
    return sum(stage.multiply_adds for stage in extractor.backbone.staged.describe(extractor.preparation.size))


def noise_pixels(n_images: int, size: tuple[int, int], *, seed: int = 0) -> np.ndarray:
    """Prepared images of noise, (n_images, height, width, 3) uint8: a forward pass takes as long as for pictures."""
    return np.random.default_rng(seed).integers(0, 256, (n_images, *size, 3), dtype=np.uint8)


def keep_busy(extractor: Extractor, pixels: np.ndarray, seconds: float) -> Spell:
    """An engine alone: full batches on all its streams for at least this long, nothing decoded meanwhile.

    Streams do not end together; so that the wait for the last one counts for nothing, the rates of the streams are
    summed, and the wall time is what that rate makes of it.
    """
    size = extractor.engine.batch_size
    batches = [pixels[at : at + size] for at in range(0, len(pixels) - size + 1, size)]
    end = time.perf_counter() + seconds

    def stream(number: int) -> Spell:
        return spell(lambda: _go_round(extractor, batches, number, end))

    cpu = time.process_time()
    with ThreadPoolExecutor(extractor.n_streams) as pool:
        spells = list(pool.map(stream, range(extractor.n_streams)))
    cpu = time.process_time() - cpu
    n_images = sum(found.n_images for found in spells)
    return Spell(n_images, n_images / sum(found.images_per_s for found in spells), cpu)


def busy_speed(extractor: Extractor, pixels: np.ndarray, seconds: float) -> float:
    """Images per second of an engine alone, see `keep_busy`."""
    return keep_busy(extractor, pixels, seconds).images_per_s


def _go_round(extractor: Extractor, batches: Sequence[np.ndarray], start: int, end: float) -> int:
    n_images = 0
    for batch in itertools.islice(itertools.cycle(batches), start, None):
        n_images += len(extractor.compute(batch))
        if time.perf_counter() >= end:
            return n_images
    return n_images
