"""Pixels of the source images batch by batch: prepared once, views made as they are needed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from headstart.augment import View
from headstart.data import ImageDataset, ImageResize
from headstart.features.pipeline import read_prepared
from headstart.progress import Progress
from headstart.storage import replacing, storage_error

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Pixels = NDArray[np.uint8]

MAX_STORED_BYTES: Final = 4 << 30
"""Bytes of prepared pixels that are kept in the work folder; larger sources are decoded anew for every batch."""
PIXELS_FILE: Final = "pixels.bin"
_BLOCK: Final = 512
_AHEAD: Final = 3


class ImageBatches:
    """The images of a data set as the network takes them, and views of them.

    Parameters
    ----------
    dataset : ImageDataset
        With content hashes; a file that changes meanwhile is refused.
    preparation : ImageResize
    folder : Path
        Where prepared pixels are kept, for the length of the pretraining.
    n_threads : int
        Number of threads that read images and make views.
    """

    def __init__(self, dataset: ImageDataset, preparation: ImageResize, folder: Path, n_threads: int) -> None:
        self._dataset = dataset
        self._preparation = preparation
        self._path = folder / PIXELS_FILE
        self._n_threads = n_threads
        self._shape = (len(dataset), *preparation.size, 3)
        self._kept: Pixels | None = None

    def store(self, progress: Progress) -> None:
        """Prepare all images once and keep them on disk, where they are not too many; those of a stopped run are used.

        Raises
        ------
        ImageError
            When one cannot be read.
        StorageError
            When the disk refuses.
        """
        n_bytes = int(np.prod(self._shape))
        if n_bytes > MAX_STORED_BYTES:
            return
        if not (self._path.is_file() and self._path.stat().st_size == n_bytes):
            self._write(progress)
        try:
            self._kept = np.memmap(self._path, dtype=np.uint8, mode="r", shape=self._shape)
        except OSError as error:
            raise storage_error(self._path, error, action="read") from error

    def _write(self, progress: Progress) -> None:
        n_images = len(self._dataset)
        with (
            ThreadPoolExecutor(self._n_threads) as pool,
            progress.task("Pixels", n_images, "images") as advance,
            replacing(self._path) as handle,
        ):
            for start in range(0, n_images, _BLOCK):
                rows = range(start, min(start + _BLOCK, n_images))
                for pixels in pool.map(self._prepared, rows):
                    handle.write(np.ascontiguousarray(pixels).tobytes())
                advance(len(rows))

    def _prepared(self, row: int) -> Pixels:
        return read_prepared(self._dataset, row, self._preparation)[0]

    def batches(self, requested: Sequence[Sequence[tuple[int, View | None]]]) -> Iterator[Pixels]:
        """Pixels of each batch, shape (batch, height, width, 3), made by threads a few batches ahead.

        Parameters
        ----------
        requested : sequence of sequences of (row, View or None)
            None: the image as it is.
        """
        with ThreadPoolExecutor(max(1, self._n_threads)) as pool:
            try:
                waiting = [pool.submit(self._batch, batch) for batch in requested[:_AHEAD]]
                for number in range(len(requested)):
                    if number + _AHEAD < len(requested):
                        waiting.append(pool.submit(self._batch, requested[number + _AHEAD]))
                    yield waiting.pop(0).result()
            finally:
                pool.shutdown(cancel_futures=True)

    def _batch(self, requested: Sequence[tuple[int, View | None]]) -> Pixels:
        pixels = np.empty((len(requested), *self._shape[1:]), dtype=np.uint8)
        for place, (row, view) in enumerate(requested):
            one = self._prepared(row) if self._kept is None else self._kept[row]
            seen = view is None or view.is_identity
            pixels[place] = one if seen else view.apply(np.asarray(one), self._dataset.content_hash(row))  # type: ignore[union-attr]
        return pixels
