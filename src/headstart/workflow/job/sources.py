"""Sources of a job's features: backbones with the engines that run them, chosen once per run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headstart.backbones.backbone import Backbone
from headstart.backbones.feature_block import default_features, parse_features
from headstart.backbones.registry import DEFAULT_BACKBONE
from headstart.data import ImageDataset
from headstart.data.preparation import FittablePreparation, own_preparation
from headstart.errors import WeightsError
from headstart.features.cache import CacheLimit, FeatureCache, named_limit, parse_size
from headstart.features.extract import extract_features, extract_views
from headstart.features.extractor import Extractor
from headstart.features.open import ExtractionSettings, open_extractor, select_engine
from headstart.progress import Progress, Silent
from headstart.results.writers.sources import weights_facts
from headstart.storage import default_cache_folder, write_bytes
from headstart.study.execution import run_folder as files
from headstart.study.search.candidate import FeatureSourceSpec
from headstart.study.search.space import Space
from headstart.workflow.job.resume import Remaking, network_file, resumed
from headstart.workflow.options.fit import FitOptions
from headstart.workflow.options.search_space import source_options
from headstart.workflow.options.training_set import Views

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class FeatureSource:
    """A source ready to run.

    Attributes
    ----------
    extractor : Extractor
    record : dict
        How its engine was chosen, for results.json.
    speeds : dict
        Images per second of the engines that were timed; for timings.json.
    spec : FeatureSourceSpec
        With the name of its backbone filled in.
    number : int
        Its place among the sources of the run, from 0.
    normalise : {"weights", "training"}
        Whether the channels are normalised as the weights expect, or by the training images of every outer fold.
    own_preparation : FittablePreparation or None
        A preparation of the data set's own that is fitted in every outer fold: it standardises recordings, say.
    """

    extractor: Extractor
    record: dict[str, Any]
    speeds: dict[str, float]
    spec: FeatureSourceSpec = field(default_factory=FeatureSourceSpec)
    number: int = 0
    normalise: str = "weights"
    own_preparation: FittablePreparation | None = None

    @property
    def is_fitted(self) -> bool:
        """Whether its preparation is fitted on the training images of every outer fold."""
        return self.normalise == "training" or self.own_preparation is not None

    @property
    def rough_seconds_per_image(self) -> float:
        """Seconds of the forward pass by its multiply-adds at 30 GFLOP/s, as other costs of a candidate are counted.

        Never measured: the cheapest of the tied must be the same when a run is resumed or made again.
        """
        stages = self.extractor.backbone.staged.describe(self.extractor.preparation.size)
        return 2 * sum(stage.multiply_adds for stage in stages) / 30e9

    def identity(self) -> dict[str, Any]:
        """Weights, settings and engine: all that decides the features of the source."""
        extractor = self.extractor
        found = {
            "weights": extractor.backbone.weights.to_json(),
            "features": extractor.settings(),
            "engine": extractor.engine.to_json(),
        }
        return {**found, "normalise": self.normalise} if self.is_fitted else found

    def save_network(self, folder: Path) -> None:
        """Write the quantised network, if there is one, into a folder, for the resumption of its run.

        Raises
        ------
        StorageError
            When the disk refuses.
        """
        path = folder / network_file(self.number)
        if self.extractor.network is not None and not path.is_file():
            write_bytes(path, self.extractor.network)


def extraction_settings(options: FitOptions, dataset: ImageDataset) -> ExtractionSettings:
    """Settings of feature extraction by the options of one source; the default backbone is never downloaded.

    Floating-point images keep their steps on the way to the network.
    """
    side = options.input_size
    return ExtractionSettings(
        backbone=options.backbone or DEFAULT_BACKBONE,
        weights=options.weights,
        input_size=None if not side else (side, side),
        resize=options.resize,
        clean_up=options.clean_up,
        white_level=options.white_level,
        decode=options.decode,
        channels=options.channels,
        pixels="float32" if dataset.has_float_pixels(options.channels) else "uint8",
        device=options.device,
        n_threads=options.threads,
        engine=options.engine,
        precision=options.precision,
        batch_size=options.batch_size,
        offline=options.offline or options.backbone is None,
        seed=options.seed,
        normalise=options.normalise,
        features=options.features or default_features(options.backbone),
        image_kind=options.image_kind,
    )


def open_cache(
    name: str | None, *, fallback: Path | None = None, limit: str | None = None, progress: Progress | None = None
) -> FeatureCache:
    """The feature cache: the user's default one, a folder, or (for None) the fallback; see `FitOptions.cache_limit`."""
    folder = fallback if name is None else default_cache_folder() if name == "default" else Path(name)
    size = named_limit() if limit is None else CacheLimit(parse_size(limit))  # a limit that is none is refused at once
    return FeatureCache(folder, limit=size, progress=progress)


def open_sources(
    options: FitOptions,
    space: Space,
    dataset: ImageDataset,
    *,
    folder: Path | None = None,
    progress: Progress | None = None,
) -> tuple[FeatureSource, ...]:
    """Every source of a search space, each with an engine of its own; weights are loaded before any engine is tried.

    Parameters
    ----------
    options, dataset, folder, progress
        As for `open_for`.
    space : Space

    Raises
    ------
    InputError
        Also when two sources give the same features.
    WeightsError
        When weights are missing or do not fit; those of several backbones are named together.
    EngineError, RunError
        As for `open_for`.
    """
    requested = [source_options(options, spec) for spec in space.sources]
    plain = _load_all(requested, space, dataset, progress)
    names = [extractor.backbone.name for extractor in plain]
    named = tuple(replace(spec, backbone=name) for spec, name in zip(space.sources, names, strict=True))
    replace(space, sources=named)  # refuses the default backbone beside its own name
    _note_unaveraged(named, plain, progress or Silent())
    found: list[FeatureSource] = []
    for number, (one, spec, given) in enumerate(zip(requested, named, plain, strict=True)):
        passed = [other for other, theirs in zip(plain, named, strict=True) if _of_one_pass(spec, theirs)]
        union = tuple(dict.fromkeys(block for other in passed for block in other.blocks))
        begun = next((other for other in found if _of_one_pass(spec, other.spec)), None)
        if begun is None:
            whole = given if len(passed) == 1 else given.with_blocks(union)
            begun = open_for(one, dataset, folder=folder, progress=progress, plain=whole, number=number)
        beside = union if len(passed) > 1 else ()
        own = begun.extractor.with_blocks(given.blocks, beside=beside, averaged=given.averaged)
        found.append(replace(begun, extractor=own, spec=spec, number=number))
    return tuple(found)


def _of_one_pass(spec: FeatureSourceSpec, other: FeatureSourceSpec) -> bool:
    """Whether the features of two sources come from one forward pass: their engine is chosen for both at once."""
    return replace(spec, features=other.features) == other


def _note_unaveraged(specs: Sequence[FeatureSourceSpec], extractors: Sequence[Extractor], progress: Progress) -> None:
    """Say where ``best`` is nothing but ``multi``."""
    requested = [parse_features(one.features or default_features(one.backbone)) for one in specs]
    if any(one.is_averaged and not given.averaged for one, given in zip(requested, extractors, strict=True)):
        progress.note(
            "Features best are those of multi here: images of this kind may not be mirrored or turned, so there are no "
            "views to average over."
        )


def named_space(space: Space, sources: Sequence[FeatureSource]) -> Space:
    """The space with the sources that were source for it, named in full."""
    return replace(space, sources=tuple(source.spec for source in sources))


def _load_all(
    requested: Sequence[FitOptions], space: Space, dataset: ImageDataset, progress: Progress | None
) -> list[Extractor]:
    """Backbone and preparation of every source; what is wrong with the weights of several is told at once."""
    loaded: dict[tuple[str, str | None], Backbone] = {}  # sources may differ in the view alone
    found, refusals = [], {}
    for one, source in zip(requested, space.sources, strict=True):
        settings = extraction_settings(one, dataset)
        named = settings.backbone, settings.weights
        try:
            extractor = open_extractor(settings, backbone=loaded.get(named), progress=progress)
            weights_facts(extractor.backbone.weights)  # results hold them: what they cannot is refused at once
            loaded[named] = extractor.backbone
            found.append(extractor)
        except WeightsError as error:
            refusals[source.backbone] = error
    if len(refusals) > 1:
        reasons = "\n".join(str(error) for error in refusals.values())
        raise WeightsError(f"Weights of {len(refusals)} backbones cannot be used.\n{reasons}")
    if refusals:
        raise next(iter(refusals.values()))
    return found


def open_for(
    options: FitOptions,
    dataset: ImageDataset,
    *,
    folder: Path | None = None,
    progress: Progress | None = None,
    plain: Extractor | None = None,
    number: int = 0,
) -> FeatureSource:
    """Backbone, preparation and engine for a data set; a run that is resumed keeps the engine it began with.

    Parameters
    ----------
    options : FitOptions
        Options of one source.
    dataset : ImageDataset
        Readable images with their hashes: some of them show which engine is fast and right.
    folder : Path, optional
        The run folder, which may hold a run to be resumed.
    progress : Progress, optional
        Told of a download, of the engine chosen and of what was not used.
    plain : Extractor, optional
        What `open_extractor` gave for these options.
    number : int
        Place of the source in the run, from 0.

    Raises
    ------
    InputError
        When the backbone, a setting or the device is unknown, or the device is not there.
    WeightsError
        When the weights are missing or do not fit.
    EngineError
        When int8 cannot be made here, or a run's engine is not there any more.
    RunError
        When the run in `folder` was begun with another engine than the requested one.
    """
    progress = progress or Silent()
    plain = plain or open_extractor(extraction_settings(options, dataset), progress=progress)
    cache = open_cache(options.cache, limit=options.cache_limit, progress=progress)
    stored = None if folder is None else files.stored_engine(folder, number)
    if folder is not None and stored is not None:
        extractor, record = resumed(plain, options, stored, folder, Remaking(dataset, cache, progress, number))
        return _with_preparation(FeatureSource(extractor, record, {}, number=number), options, dataset)
    choice = select_engine(plain, extraction_settings(options, dataset), dataset, cache=cache, progress=progress)
    return _with_preparation(
        FeatureSource(choice.extractor, choice.record, choice.speeds, number=number), options, dataset
    )


def _with_preparation(source: FeatureSource, options: FitOptions, dataset: ImageDataset) -> FeatureSource:
    """The source with what is fitted before its features, by the options or by the data set itself."""
    own = own_preparation(dataset.pixels, source.extractor.preparation)
    return replace(source, normalise=options.normalise, own_preparation=own)


def extract_all(
    dataset: ImageDataset,
    extractors: Sequence[Extractor],
    cache: FeatureCache,
    progress: Progress,
    *,
    fold: str = "",
) -> tuple[NDArray[np.float32], ...]:
    """Features of every source, one after the other; a network is released when its features are computed.

    `fold` is the name of the outer fold that they are for, where they differ from fold to fold.
    """
    found = []
    for extractor in extractors:
        found.append(extract_features(dataset, extractor, cache=cache, progress=progress, fold=fold))
        extractor.release()
    return tuple(found)


def extract_all_views(
    dataset: ImageDataset,
    extractors: Sequence[Extractor],
    views: Views,
    cache: FeatureCache,
    progress: Progress,
    *,
    fold: str = "",
) -> tuple[dict[str, NDArray[np.float32]], ...]:
    """Features of the views of every policy, for every source; nothing where nothing is augmented."""
    every = views.all()
    if not every:
        return ()
    place = {str(view.settings()): number for number, view in enumerate(every)}
    found = []
    for extractor in extractors:
        rows = extract_views(dataset, extractor, every, cache=cache, progress=progress, fold=fold)
        extractor.release()
        of_policy = {name: [place[str(view.settings())] for view in listed] for name, listed in views.of_policy.items()}
        found.append({name: _some_views(rows, numbers) for name, numbers in of_policy.items()})
    return tuple(found)


def _some_views(rows: NDArray[np.float32], numbers: list[int]) -> NDArray[np.float32]:
    """Views of one policy, as a slice where they lie side by side: large arrays stay in their file."""
    if numbers == list(range(numbers[0], numbers[0] + len(numbers))):
        return rows[:, numbers[0] : numbers[0] + len(numbers)]
    return rows[:, numbers]
