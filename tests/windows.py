"""A source of pictures that are no files: windows of one long array."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import helpers
import numpy as np

from headstart.data import ImageDataset
from headstart.data.images.arrays import ArrayImage
from headstart.data.images.source import GroupProposal, ImageSource

WIDTH = 24


@dataclass(frozen=True, eq=False)
class TraceWindows(ImageSource):
    """Windows of a trace of shape (height, length, channels), recorded in pieces of equal length."""

    trace: np.ndarray
    starts: tuple[int, ...]
    n_recordings: int = 1

    def open(self, row: int, name: str) -> ArrayImage:
        start = self.starts[row]
        return ArrayImage(name, self.trace[:, start : start + WIDTH])

    def proposed_groups(self) -> GroupProposal | None:
        length = self.trace.shape[1] // self.n_recordings
        return GroupProposal([f"recording {start // length}" for start in self.starts], "recording")


def trace_dataset(n_images: int = 48, *, n_recordings: int = 12, seed: int = 0, **columns: Any) -> ImageDataset:
    """The pictures of `helpers.write_folders` side by side in one array, as windows of it."""
    images = helpers.noise(n_images, seed=seed)
    source = TraceWindows(np.concatenate(list(images), axis=1), tuple(range(0, n_images * WIDTH, WIDTH)), n_recordings)
    names = [f"window {start}" for start in source.starts]
    return ImageDataset.from_source(source, names, helpers.labels_of(n_images), **columns)
