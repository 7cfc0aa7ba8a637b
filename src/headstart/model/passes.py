"""Forward passes of several heads: images go through a network once for all heads that share it; what that costs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from headstart.augment import IDENTITY
from headstart.features.extract import mean_of_views
from headstart.features.kept import stream_kept
from headstart.model.novelty import of_images

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from headstart.augment import View
    from headstart.data import ImageDataset
    from headstart.decisions import Novelty
    from headstart.errors import ImageError
    from headstart.features.cache import FeatureCache
    from headstart.features.extractor import Extractor

    Floats = NDArray[np.float64]
    _Read = tuple[dict[int, Floats], Novelty | None, list[int], list[tuple[int, ImageError]]]

N_TOGETHER: Final = 64
"""Images that go through all passes before the next ones come."""
_FLOPS: Final = 30e9
"""Operations of a second, as other costs count them: never measured, so that results do not depend on a clock."""


@dataclass(frozen=True, eq=False)
class PassReader:
    """One head, and what it reads of a forward pass.

    Attributes
    ----------
    extractor : Extractor
        Features that the head takes, or the stage map that its unlocked stages take.
    views : tuple of View
        Views of an image that it sees.
    is_averaged : bool
        Features, not probabilities, are averaged over the views.
    features : callable
        From the rows of the extractor to the features of the head.
    probabilities : callable
        From features, and the numbers of their images, to probabilities (n, n_classes).
    judge : callable or None
        From features to the novelty of the images; None where this head's features do not tell it.
    cache : FeatureCache or None
        Where features are looked up and kept.
    """

    extractor: Extractor
    views: tuple[View, ...]
    is_averaged: bool
    features: Callable[[NDArray[Any]], NDArray[np.float32]]
    probabilities: Callable[[NDArray[np.float32], Sequence[int]], Floats]
    judge: Callable[[NDArray[np.float32]], Novelty] | None = None
    cache: FeatureCache | None = None

    def of_images(self, features: NDArray[np.float32], images: Sequence[int]) -> Floats:
        """Probabilities of images from the features (n_images x n_views, n_features) of their views."""
        n_views = len(self.views)
        of_views = features.reshape(len(images), n_views, -1)
        if self.is_averaged:
            return self.probabilities(mean_of_views(of_views), images)
        each = self.probabilities(features, np.repeat(images, n_views).tolist())
        mean: Floats = each.reshape(len(images), n_views, -1).mean(axis=1)
        return mean

    def novelty_of(self, features: NDArray[np.float32], n_images: int) -> Novelty | None:
        """Novelty of images from the features of their views, of which the first is the image itself."""
        if self.judge is None:
            return None
        of_views = features.reshape(n_images, len(self.views), -1)
        return self.judge(mean_of_views(of_views) if self.is_averaged else np.ascontiguousarray(of_views[:, 0]))


@dataclass(frozen=True, eq=False)
class ForwardPass:
    """One forward pass, which some heads share.

    Attributes
    ----------
    readers : tuple of (int, PassReader)
        The heads with their numbers.
    extractor : Extractor
        Gives the blocks of all of them.
    views : tuple of View
        All views that some of them see.
    """

    readers: tuple[tuple[int, PassReader], ...]
    extractor: Extractor
    views: tuple[View, ...]

    def read(self, dataset: ImageDataset, rows: range) -> _Read:
        """Probabilities by the number of the head, and novelty, of the images that could be read; and the others.

        Novelty is None where no head of this pass tells it.
        """
        found: dict[int, list[NDArray[np.float32]]] = {number: [] for number, _ in self.readers}
        read: list[int] = []
        failed: list[tuple[int, ImageError]] = []
        cache = self.readers[0][1].cache
        for batch in stream_kept(dataset, self.extractor, rows, self.views, cache):
            failed += batch.failed
            read += [row for row, view in zip(batch.rows, batch.views, strict=True) if view == 0]
            for number, reader in self.readers:
                seen = [self.views.index(_named(view)) for view in reader.views]
                taken = np.flatnonzero(np.isin(batch.views, seen))
                found[number].append(reader.features(batch.features[taken][:, self._columns(reader)]))
        if not read:
            return {}, None, read, failed
        features = {number: np.concatenate(parts) for number, parts in found.items()}
        probabilities = {number: reader.of_images(features[number], read) for number, reader in self.readers}
        judged = [reader.novelty_of(features[number], len(read)) for number, reader in self.readers]
        return probabilities, next((one for one in judged if one is not None), None), read, failed

    def _columns(self, reader: PassReader) -> slice | NDArray[np.int64]:
        """Columns of the pass that are a head's features; all where it is alone."""
        if len(self.readers) == 1 or self.extractor.blocks == reader.extractor.blocks:
            return slice(None)
        ends = np.cumsum([0, *self.extractor.block_widths])
        places = [self.extractor.blocks.index(block) for block in reader.extractor.blocks]
        return np.concatenate([np.arange(ends[place], ends[place + 1]) for place in places])


def forward_passes(readers: Sequence[PassReader]) -> tuple[ForwardPass, ...]:
    """As few forward passes as give every head what it reads."""
    shared: list[list[tuple[int, PassReader]]] = []
    for number, reader in enumerate(readers):
        home = next((one for one in shared if one[0][1].extractor.shares_pass(reader.extractor)), None)
        if home is None:
            shared.append([(number, reader)])
        else:
            home.append((number, reader))
    return tuple(_together(tuple(members)) for members in shared)


def _together(members: tuple[tuple[int, PassReader], ...]) -> ForwardPass:
    extractor = members[0][1].extractor
    views = tuple(dict.fromkeys(_named(view) for _, reader in members for view in reader.views))
    blocks = tuple(dict.fromkeys(block for _, reader in members for block in reader.extractor.blocks))
    if len(members) > 1 and blocks != extractor.blocks:
        extractor = extractor.with_blocks(blocks, beside=(*extractor.blocks, *extractor.beside))
    return ForwardPass(members, extractor, views)


def _named(view: View) -> View:
    """The view; the image itself is the same under every policy."""
    return IDENTITY if view.is_identity else view


@dataclass(frozen=True)
class Price:
    """Price of one prediction.

    Attributes
    ----------
    forward_passes : int
        Passes of one image through a network, every view counted.
    seconds : float
        Rough seconds of them on one core, by their multiply-adds at 30 GFLOP/s.
    seconds_alone : float
        The same of the first head alone.
    """

    forward_passes: int
    seconds: float
    seconds_alone: float


def price_of(readers: Sequence[PassReader]) -> Price:
    """Price of a prediction by some heads together, and by the first alone."""
    passes = forward_passes(readers)
    return Price(
        sum(len(one.views) for one in passes),
        sum(_seconds(one.extractor, len(one.views)) for one in passes),
        _seconds(readers[0].extractor, len(readers[0].views)),
    )


def _seconds(extractor: Extractor, n_views: int) -> float:
    stages = extractor.backbone.staged.describe(extractor.preparation.size)
    return n_views * 2 * sum(stage.multiply_adds for stage in stages) / _FLOPS


def mean_probabilities(
    dataset: ImageDataset, readers: Sequence[PassReader], weights: Sequence[float]
) -> Iterator[tuple[list[int], Floats, list[tuple[int, ImageError]], Novelty | None]]:
    """Numbers of images with the weighted mean of the heads' probabilities, images that cannot be read, and novelty.

    Parameters
    ----------
    dataset : ImageDataset
    readers : sequence of PassReader
    weights : sequence of float
        One for each head; they sum to 1. A head of weight 0 has no vote; its features tell how new an image is.
    """
    passes = forward_passes(readers)
    for start in range(0, len(dataset), N_TOGETHER):
        rows = range(start, min(start + N_TOGETHER, len(dataset)))
        total: dict[int, Floats] = {}
        failed: dict[int, ImageError] = {}
        novelty: tuple[Novelty, dict[int, int]] | None = None
        for one in passes:
            found, judged, read, bad = one.read(dataset, rows)
            failed |= dict(bad)
            if judged is not None:
                novelty = judged, {row: place for place, row in enumerate(read)}
            for number, probabilities in found.items():
                for row, given in zip(read, probabilities, strict=True):
                    total[row] = total.get(row, 0.0) + weights[number] * given
        whole = [row for row in total if row not in failed]
        each = [total[row] for row in whole]
        far = None if novelty is None else of_images(novelty[0], [novelty[1][row] for row in whole])
        yield whole, np.array(each).reshape(len(each), -1), list(failed.items()), far
