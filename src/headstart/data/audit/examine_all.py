"""Facts about every image of a data set, gathered side by side."""

from __future__ import annotations

import threading
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, nullcontext, suppress
from dataclasses import dataclass, replace
from typing import Final

from headstart.data.audit.examine import ImageFacts, examine, examine_image
from headstart.data.dataset import ImageDataset
from headstart.data.images.bounds import LargeClaimError, claims_up_to
from headstart.data.images.files import FilePixels, note_damage
from headstart.data.images.formats import image_formats
from headstart.data.images.free_memory import PILLOW_BLOCKS
from headstart.errors import WorkerError
from headstart.progress import Progress
from headstart.runtime.processes import done_in_processes

_CHUNK: Final = 32  # images per task of a thread
_SMALL_PIXELS: Final = 1 << 14
"""Pixels of a picture up to which threads that read such pictures side by side wait for one another most."""
_MIN_IMAGES: Final = 10_000
"""Images from which on processes, which take a second to start, take less time for small pictures than one thread."""
_FIRST: Final = 256  # images by which it is judged whether they are small
_PART: Final = 128  # images per task of a process
_WORKER_BYTES: Final = 1 << 26
"""Memory for one picture in a worker process; what takes more is left to the main process, which has all in sight."""


def examine_all(
    dataset: ImageDataset,
    max_pixels: int,
    channels: Sequence[str] | None,
    *,
    n_threads: int,
    progress: Progress,
) -> list[ImageFacts]:
    """Facts about each image, in the order of the data set, whatever the number of threads.

    Small pictures take their time in Python itself, which runs one thread at a time: many of them are examined in as
    many processes instead. Where one of these is ended from outside, threads go on.

    Parameters
    ----------
    dataset : ImageDataset
    max_pixels : int
    channels : sequence of str or None
        As for `headstart.data.audit.audit.audit_dataset`.
    n_threads : int
        Threads, or processes.
    progress : Progress
    """
    n_images = len(dataset)
    records: list[ImageFacts] = []
    with progress.task("Audit", n_images, "images") as done, PILLOW_BLOCKS:

        def take(parts: Generator[list[ImageFacts], None, None]) -> None:
            with closing(parts):  # else the work goes on while an interruption is reported
                for found in parts:
                    records.extend(found)
                    done(len(found))

        take(_in_threads(dataset, range(min(_FIRST, n_images)), max_pixels, channels, n_threads))
        if n_threads > 1 and n_images >= _MIN_IMAGES and _are_small(records) and _can_be_sent(dataset):
            with suppress(WorkerError):
                take(_in_processes(dataset, range(len(records), n_images), max_pixels, channels, n_threads))
        take(_in_threads(dataset, range(len(records), n_images), max_pixels, channels, n_threads))
    return records


def _is_small(facts: ImageFacts) -> bool:
    """Whether an image is so small that another thread had better wait."""
    return facts.header is not None and facts.header.width * facts.header.height <= _SMALL_PIXELS


def _are_small(records: Sequence[ImageFacts]) -> bool:
    """Whether most of the images that could be read are small."""
    readable = [facts for facts in records if facts.header is not None]
    return 2 * sum(map(_is_small, readable)) > len(readable)


def _can_be_sent(dataset: ImageDataset) -> bool:
    """Whether other processes can read the images: files, in formats that they know too."""
    known = all(one.open.__module__.startswith("headstart.") for one in image_formats())
    return known and type(dataset.pixels) is FilePixels


def _in_threads(
    dataset: ImageDataset, rows: range, max_pixels: int, channels: Sequence[str] | None, n_threads: int
) -> Generator[list[ImageFacts], None, None]:
    one_at_a_time = threading.Lock()

    def examine_chunk(chunk: range) -> list[ImageFacts]:
        found = [examine(dataset, chunk[0], max_pixels, channels)]
        for row in chunk[1:]:  # an image is mostly as large as the one before
            with one_at_a_time if _is_small(found[-1]) else nullcontext():
                found.append(examine(dataset, row, max_pixels, channels))
        return found

    with ThreadPoolExecutor(n_threads) as pool:
        yield from pool.map(examine_chunk, _parts(rows, _CHUNK))


def _parts(rows: range, n_rows: int) -> list[range]:
    return [rows[start : start + n_rows] for start in range(0, len(rows), n_rows)]


@dataclass(frozen=True)
class _Part:
    """Some images for another process."""

    pixels: FilePixels
    names: tuple[str, ...]
    max_pixels: int
    channels: Sequence[str] | None
    max_bytes: int


def _in_processes(
    dataset: ImageDataset, rows: range, max_pixels: int, channels: Sequence[str] | None, n_processes: int
) -> Generator[list[ImageFacts], None, None]:
    assert isinstance(dataset.pixels, FilePixels)
    pixels = replace(dataset.pixels, damage=None if dataset.pixels.damage is None else {}, proposal=None)
    parts = _parts(rows, _PART)
    names = (tuple(dataset.names[part.start : part.stop]) for part in parts)
    waiting = (_Part(pixels, some, max_pixels, channels, _WORKER_BYTES) for some in names)
    for part, found in zip(parts, done_in_processes(_examine_part, waiting, n_processes), strict=True):
        for row, facts in zip(part, found, strict=True):
            if facts is not None and facts.damage is not None:
                note_damage(dataset.pixels, dataset.names[row], facts.damage)
        yield [
            examine(dataset, row, max_pixels, channels) if facts is None else facts
            for row, facts in zip(part, found, strict=True)
        ]


def _examine_part(part: _Part) -> list[ImageFacts | None]:
    """Facts about each image; None for one that takes much memory."""
    with PILLOW_BLOCKS:
        return [_examine_unless_large(part, row, name) for row, name in enumerate(part.names)]


def _examine_unless_large(part: _Part, row: int, name: str) -> ImageFacts | None:
    with claims_up_to(part.max_bytes) as refused:
        try:
            facts = examine_image(part.pixels, row, name, part.max_pixels, part.channels)
        except LargeClaimError:
            return None
    return None if refused else facts  # whoever decodes may have taken the refusal for damage
