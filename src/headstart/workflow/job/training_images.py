"""The training images of a finished run with their features, for explanations of new ones."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from headstart.errors import HeadstartError, ImageError
from headstart.explain.neighbours import nearest
from headstart.features.extract import extract_features, with_content_hashes
from headstart.results.models.explanations import NeighbourFacts
from headstart.results.models.split import RunSplit
from headstart.study.execution import run_folder as files
from headstart.workflow.job.run_images import reopen_pictures
from headstart.workflow.job.sources import open_cache

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL import Image

    from headstart.data import ImageDataset
    from headstart.model import Model
    from headstart.progress import Progress

_DIGITS: Final = 6


@dataclass(frozen=True, eq=False)
class TrainingImages:
    """Training images of a run with their features.

    Attributes
    ----------
    model : Model
    dataset : ImageDataset
        With content hashes.
    labels : tuple of str
        Label of every image.
    features : ndarray of shape (n_training, n_features), float32
    """

    model: Model
    dataset: ImageDataset
    labels: tuple[str, ...]
    features: NDArray[np.float32]

    @classmethod
    def of_run(cls, path: Path, model: Model, progress: Progress) -> TrainingImages | str:
        """Training images of the run at a path; where they are not at hand, the reason in words."""
        if not (path / files.RUN_FILE).is_file():
            return "a bundle does not hold its training images. Give the run in its place."
        if model.unlocked is not None:
            return "the model was fine-tuned, and no features of its training images are kept."
        split = RunSplit.read(path / files.SPLIT_FILE)
        try:
            dataset = reopen_pictures((files.read_run(path).get("source") or {}).get("data"), split.images)
            labels = dict(zip(split.images, split.labels or (), strict=True))
            kept = with_content_hashes(dataset.subset([n for n, name in enumerate(dataset.names) if name in labels]))
            features = extract_features(kept, model.extractor, cache=open_cache("default"), progress=progress)
        except (HeadstartError, ValueError) as error:
            return str(error)
        return cls(model, kept, tuple(labels[name] for name in kept.names), features)

    def near(self, dataset: ImageDataset, progress: Progress) -> list[tuple[NeighbourFacts, ...]]:
        """The nearest training images of each image; the image itself is none of them."""
        asked = with_content_hashes(dataset)
        features = extract_features(asked, self.model.extractor, progress=progress)
        same = np.array(asked.hashes or ())[:, None] == np.array(self.dataset.hashes or ())[None, :]
        found = nearest(features, self.features, left_out=same)
        return [
            tuple(
                NeighbourFacts(image=self.dataset.names[row], label=self.labels[row], distance=round(distance, _DIGITS))
                for row, distance in zip(of_image.tolist(), distances.tolist(), strict=True)
                if np.isfinite(distance)
            )
            for of_image, distances in zip(found.rows, found.distances, strict=True)
        ]

    def picture(self, name: str) -> Image.Image | None:
        """Picture of a training image as the network takes it; None where it can no longer be read."""
        from headstart.data.images.samples import preview

        try:
            return preview(self.dataset.prepared(self.dataset.names.index(name), self.model.preparation))
        except ImageError:
            return None
