"""The base of both estimators: the options of feature extraction, and the way from images to features."""

from __future__ import annotations

import copy
import functools
import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from sklearn.base import BaseEstimator

from headstart.backbones.feature_block import ARRAY, default_features
from headstart.backbones.registry import DEFAULT_BACKBONE
from headstart.data.images.decode import WHITE_LEVEL
from headstart.data.images.samples import MAX_CHANNELS, check_choice
from headstart.errors import ArgumentError, InputError, unknown_name
from headstart.estimators.inputs import Images, image_dataset

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from sklearn.utils import Tags

    from headstart.backbones.backbone import Backbone
    from headstart.data.dataset import ImageDataset
    from headstart.features.cache import FeatureCache
    from headstart.features.extractor import Extractor
    from headstart.features.open import ExtractionSettings

AnyPath = str | os.PathLike[str]
Size = int | tuple[int, int]
NORMALISATIONS: Final = ("weights", "training")
_MAX_PLAIN: Final = 4
"""Largest number of channels of an image of which nobody chose some."""


@dataclass(eq=False, repr=False, kw_only=True)
class ImageEstimator(BaseEstimator):  # type: ignore[misc]
    """Base of the estimators: the options of feature extraction, which `FrozenFeatures` describes.

    They are declared here once; the ``__init__`` that is made from them names them all, as scikit-learn asks.
    """

    backbone: str = field(default=DEFAULT_BACKBONE, kw_only=False)
    weights: AnyPath | None = None
    input_size: Size | None = None
    resize: str = "squash"
    white_level: int = WHITE_LEVEL
    decode: str = "exact"
    normalise: str = "weights"
    channels: Sequence[str] | None = None
    device: str = "auto"
    threads: int | None = None
    engine: str = "torch"
    precision: str = "fp32"
    batch_size: int | None = None
    cache: AnyPath | None = None
    offline: bool = False
    seed: int = 0
    features: str | None = None

    def __sklearn_tags__(self) -> Tags:
        """X is a list of paths or an array of images, never a table of numbers."""
        tags = super().__sklearn_tags__()
        tags.input_tags.one_d_array = True
        tags.input_tags.two_d_array = False
        tags.input_tags.three_d_array = True
        tags.input_tags.string = True
        return tags

    def _dataset(self, X: Images) -> ImageDataset:
        return image_dataset(X, max_channels=_MAX_PLAIN if self.channels is None else MAX_CHANNELS)

    def _open_extractor(self, dataset: ImageDataset) -> Extractor:
        """Load the backbone, with every option checked, choose its engine, and fit what is fitted on these images."""
        from headstart.features.open import open_extractor, select_engine

        settings = self._settings()
        if dataset.has_float_pixels(settings.channels):
            settings = replace(settings, pixels="float32")
        backbone = own_backbone(settings)
        try:
            plain = open_extractor(settings, backbone=backbone)
        except InputError as error:
            raise ArgumentError(str(error)) from error
        extractor = select_engine(plain, settings, dataset, cache=self._cache()).extractor
        return self._normalised(extractor, dataset) if self.normalise == "training" else extractor

    def _normalised(self, extractor: Extractor, dataset: ImageDataset) -> Extractor:
        """The extractor with channels normalised by these images; one of weight 0 has no part."""
        from headstart.features.channel_sums import channel_normalisation

        fittable = channel_normalisation(extractor, dataset, cache=self._cache())
        rows = np.arange(len(dataset)) if dataset.weights is None else np.flatnonzero(dataset.weights > 0)
        return extractor.with_preparation(fittable.fit(dataset, rows))

    def _settings(self) -> ExtractionSettings:
        """Options of feature extraction, each of the right kind."""
        from headstart.features.open import ExtractionSettings

        check_name("backbone", self.backbone, example=DEFAULT_BACKBONE)
        check_name("normalise", self.normalise, example="training")
        if self.normalise not in NORMALISATIONS:
            raise ArgumentError(unknown_name("normalisation", self.normalise, NORMALISATIONS))
        if self.batch_size is not None:
            check_whole("batch_size", self.batch_size, at_least=1)
        check_whole("seed", self.seed, at_least=0)
        if self.features is not None:
            check_name("features", self.features, example="multi")
            if self.features == ARRAY:
                raise ArgumentError(
                    f"features={ARRAY!r} is for headstart.fit, which judges an array of your own without any network. "
                    "Here every estimator of scikit-learn takes the array itself; leave features out for the network's."
                )
        if self.threads is not None:
            check_whole("threads", self.threads, at_least=1)
        return ExtractionSettings(
            backbone=self.backbone,
            weights=None if self.weights is None else os.fspath(self.weights),
            input_size=height_and_width(self.input_size),
            resize=self.resize,
            white_level=self.white_level,
            decode=self.decode,
            normalise=self.normalise,
            channels=channel_names(self.channels),
            device=self.device,
            n_threads=self.threads,
            engine=self.engine,
            precision=self.precision,
            batch_size=self.batch_size,
            offline=self.offline,
            seed=self.seed,
            features=self.features or default_features(self.backbone),
        )

    def _cache(self) -> FeatureCache | None:
        """The cache that was asked for; None keeps nothing."""
        from headstart.features.cache import FeatureCache
        from headstart.storage import default_cache_folder

        if self.cache is None:
            return None
        return FeatureCache(default_cache_folder() if self.cache == "default" else Path(self.cache))

    def _extract(self, dataset: ImageDataset, extractor: Extractor) -> NDArray[np.float32]:
        """Features of every image, through the cache that was asked for."""
        from headstart.features.extract import extract_features

        return extract_features(dataset, extractor, cache=self._cache())


def own_backbone(settings: ExtractionSettings) -> Backbone:
    """A backbone of the caller's own, copied from one held in memory: a search fits the same one again and again."""
    loaded = {"offline": settings.offline, "seed": settings.seed, "n_channels": settings.n_channels}
    held = _held_backbone(settings.backbone, settings.weights, _stamp(settings.weights), **loaded)
    return replace(held, module=copy.deepcopy(held.module))


@functools.lru_cache(maxsize=2)
def _held_backbone(name: str, weights: str | None, stamp: tuple[int, int] | None, **loaded: Any) -> Backbone:
    """The last two backbones; `stamp` tells a file of weights from what it held before."""
    from headstart.backbones.backbone import load_backbone

    return load_backbone(name, weights=weights, **loaded)


def _stamp(weights: str | None) -> tuple[int, int] | None:
    """Time of change and size of a file of weights; None for weights that are no file."""
    if weights is None or not Path(weights).is_file():
        return None
    status = Path(weights).stat()
    return status.st_mtime_ns, status.st_size


def channel_names(channels: Any) -> tuple[str, ...] | None:
    """Names of the channels that make up an image.

    Raises
    ------
    ArgumentError
        When they are no list of names.
    """
    if channels is None:
        return None
    if isinstance(channels, str) or not isinstance(channels, Sequence) or not all(isinstance(n, str) for n in channels):
        raise ArgumentError(f"channels must be a list of names such as ['dapi', 'gfp', 'none'], not {channels!r:.80}.")
    try:
        check_choice(channels)
    except InputError as error:
        raise ArgumentError(str(error)) from error
    return tuple(channels)


def check_whole(name: str, value: Any, *, at_least: int) -> None:
    """Raise `ArgumentError` unless an option is a whole number, large enough."""
    if not is_whole(value) or value < at_least:
        raise ArgumentError(f"{name} must be a whole number of at least {at_least}, not {value!r:.80}.")


def check_name(name: str, value: Any, *, example: str) -> None:
    """Raise `ArgumentError` unless an option is text."""
    if not isinstance(value, str):
        raise ArgumentError(f"{name} must be a name such as {example!r}, not {value!r:.80}.")


def is_whole(value: Any) -> bool:
    """Whether the value is a whole number, of Python or of numpy.

    >>> is_whole(3), is_whole(True), is_whole(3.0)
    (True, False, False)
    """
    return isinstance(value, Integral) and not isinstance(value, bool)


def height_and_width(size: Size | None) -> tuple[int, int] | None:
    """Height and width of the network's input from what the caller gives: both, one side of a square, or neither.

    >>> height_and_width(224), height_and_width((96, 128)), height_and_width(None)
    ((224, 224), (96, 128), None)

    Raises
    ------
    ArgumentError
        When it is neither.
    """
    if size is None:
        return None
    sides = (size, size) if isinstance(size, Integral) else size
    if not isinstance(sides, Sequence) or len(sides) != 2 or not all(is_whole(side) and side >= 1 for side in sides):
        raise ArgumentError(f"input_size must be a side or (height, width) in pixels, not {size!r:.80}.")
    height, width = sides
    return height, width
