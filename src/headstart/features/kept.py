"""Features in row order, as `headstart.features.pipeline` streams them: computed, or taken from the cache."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from headstart.errors import ImageError
from headstart.features.extract import extract_readable
from headstart.features.pipeline import FeatureBatch, stream_views

if TYPE_CHECKING:
    from headstart.augment import View
    from headstart.data.dataset import ImageDataset
    from headstart.features.cache import FeatureCache
    from headstart.features.extractor import Extractor

IMAGES_AT_ONCE: Final = 256
"""Images that are looked up in the cache together: few enough that progress is seen, and that a kill costs little."""


def stream_kept(
    dataset: ImageDataset,
    extractor: Extractor,
    rows: Sequence[int],
    views: Sequence[View],
    cache: FeatureCache | None,
) -> Iterator[FeatureBatch]:
    """Features of some views of every row, in row order; what the cache has is not computed, the rest is kept there.

    Stage maps are computed always: one takes more room than its picture.

    Parameters
    ----------
    dataset : ImageDataset
    extractor : Extractor
    rows : sequence of int
    views : sequence of View
    cache : FeatureCache or None
        None: nothing is looked up or kept.
    """
    if cache is None or cache.folder is None or extractor.stage is not None or extractor.row_shape == (0,):
        yield from stream_views(dataset, extractor, ((row, views) for row in rows))
        return
    for start in range(0, len(rows), IMAGES_AT_ONCE):
        yield _looked_up(dataset, extractor, rows[start : start + IMAGES_AT_ONCE], views, cache)


def _looked_up(
    dataset: ImageDataset, extractor: Extractor, rows: Sequence[int], views: Sequence[View], cache: FeatureCache
) -> FeatureBatch:
    hashes: dict[int, str] = {}
    failed: dict[int, ImageError] = {}
    for row in rows:
        try:
            hashes[row] = dataset.content_hash(row)
        except ImageError as error:
            failed[row] = error
        except MemoryError:
            failed[row] = ImageError(dataset.names[row], "reading it needs more memory than is free")
    hashed = dataset.subset(list(hashes)).with_hashes(list(hashes.values()))
    features, bad = extract_readable(hashed, extractor, views, cache)
    numbers = list(hashes)
    failed |= {numbers[place]: error for place, error in bad}
    read = [place for place, row in enumerate(numbers) if row not in failed]
    return FeatureBatch(
        [numbers[place] for place in read for _ in views],
        features[read].reshape(len(read) * len(views), *features.shape[2:]),
        [(row, failed[row]) for row in sorted(failed)],
        list(range(len(views))) * len(read),
    )
