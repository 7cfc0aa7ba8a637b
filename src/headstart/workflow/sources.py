"""The backbones of a job with the engines that run them: chosen once per run, kept on resume."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from headstart.backbones.backbone import Backbone
from headstart.data import ImageDataset
from headstart.engines.engine import Engine, resolve_device
from headstart.engines.fallback import what_lacks
from headstart.engines.network_cache import NetworkCache
from headstart.errors import EngineError, RunError, WeightsError
from headstart.features.cache import FeatureCache
from headstart.features.engine_selection.request import EngineRequest
from headstart.features.engine_selection.select import EngineSelector
from headstart.features.extractor import Extractor
from headstart.features.open import open_extractor, select_engine
from headstart.progress import Progress, Silent
from headstart.storage import hash_file, storage_error, write_bytes
from headstart.study.execution import run_folder as files
from headstart.study.search.candidate import FeatureSourceSpec
from headstart.study.search.space import Space
from headstart.workflow.options.fit import FitOptions
from headstart.workflow.options.search_space import source_options
from headstart.workflow.preflight import extraction_settings, open_cache

NETWORK_FILE = "network.safetensors"


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
    """

    extractor: Extractor
    record: dict[str, Any]
    speeds: dict[str, float]
    spec: FeatureSourceSpec = field(default_factory=FeatureSourceSpec)
    number: int = 0

    @property
    def rough_seconds_per_image(self) -> float:
        """Seconds of the forward pass by its multiply-adds at 30 GFLOP/s, as other costs of a candidate are counted.

        Never measured: the cheapest of the tied must be the same when a run is resumed or made again.
        """
        stages = self.extractor.backbone.staged.describe(self.extractor.preparation.size)
        return 2 * sum(stage.multiply_adds for stage in stages) / 30e9

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


def network_file(number: int) -> str:
    """Name of the quantised network of a source."""
    return NETWORK_FILE if number == 0 else f"network-{number}.safetensors"


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
    plain = _load_all(requested, space, progress)
    names = [extractor.backbone.name for extractor in plain]
    named = tuple(replace(spec, backbone=name) for spec, name in zip(space.sources, names, strict=True))
    replace(space, sources=named)  # refuses the default backbone beside its own name
    found = []
    for number, (one, spec, given) in enumerate(zip(requested, named, plain, strict=True)):
        source = open_for(one, dataset, folder=folder, progress=progress, plain=given, number=number)
        found.append(replace(source, spec=spec))
    return tuple(found)


def named_space(space: Space, sources: Sequence[FeatureSource]) -> Space:
    """The space with the sources that were source for it, named in full."""
    return replace(space, sources=tuple(source.spec for source in sources))


def _load_all(wanted: Sequence[FitOptions], space: Space, progress: Progress | None) -> list[Extractor]:
    """Backbone and preparation of every source; what is wrong with the weights of several is said at once."""
    loaded: dict[tuple[str, str | None], Backbone] = {}  # sources may differ in the view alone
    found, refusals = [], {}
    for asked, source in zip(wanted, space.sources, strict=True):
        settings = extraction_settings(asked)
        named = settings.backbone, settings.weights
        try:
            extractor = open_extractor(settings, backbone=loaded.get(named), progress=progress)
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
        Of one source.
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
        When the run in `folder` was begun with another engine than the one asked for.
    """
    progress = progress or Silent()
    plain = plain or open_extractor(extraction_settings(options), progress=progress)
    cache = open_cache(options.cache, limit=options.cache_limit, progress=progress)
    stored = None if folder is None else files.stored_engine(folder, number)
    if folder is not None and stored is not None:
        return _resumed(plain, options, stored, folder, _Remaking(dataset, cache, progress, number))
    choice = select_engine(plain, extraction_settings(options), dataset, cache=cache, progress=progress)
    return FeatureSource(choice.extractor, choice.record, choice.speeds, number=number)


@dataclass(frozen=True, eq=False)
class _Remaking:
    """What a quantised network is made from again, where that of a run is lost, and the number of its source."""

    dataset: ImageDataset
    cache: FeatureCache
    progress: Progress
    number: int


def _resumed(plain: Extractor, options: FitOptions, stored: Engine, folder: Path, remaking: _Remaking) -> FeatureSource:
    """The engine that a run began with; what the options name explicitly still has its say, and then differs."""
    record = files.stored_record(folder, remaking.number)
    asked = record.get("asked", {})
    _refuse_other(folder, "engine", options.engine, {asked.get("engine"), stored.name})
    _refuse_other(folder, "precision", options.precision, {asked.get("precision"), stored.precision})
    if lacking := what_lacks(stored):
        raise EngineError(
            f"{folder} was begun with the engine {stored.label}. {lacking}. Go on where it was begun, or give another "
            "folder to begin anew."
        )
    n_threads = options.n_threads or stored.n_threads
    engine = replace(
        stored,
        device=resolve_device(stored.device) if options.device == "auto" else plain.engine.device,
        n_threads=n_threads,
        n_streams=stored.n_streams if n_threads == stored.n_threads else min(stored.n_streams, n_threads),
        batch_size=options.batch_size or stored.batch_size,
    )
    network = _stored_network(folder, engine, remaking.number)
    if network is None and engine.network_sha256:
        network = _made_again(plain, options, stored, folder, remaking)
    store = NetworkCache(remaking.cache.folder)
    extractor = Extractor(plain.backbone, plain.preparation, engine, network=network, store=store)
    return FeatureSource(extractor, record, {}, number=remaking.number)


def _refuse_other(folder: Path, name: str, asked: str, known: set[Any]) -> None:
    if asked != "auto" and asked not in known:
        begun = " or ".join(sorted(str(value) for value in known if value not in (None, "auto")))
        raise RunError(
            f"{folder} holds another run, which is never overwritten. It differs in: {name} is {begun} there, {asked} "
            "here. Give another folder, or the same data and options to go on with that run."
        )


def _stored_network(folder: Path, engine: Engine, number: int) -> bytes | None:
    """The quantised network of a source: in the unfinished work of its run, beside the fold heads, or in the bundle.

    None where it is in none of them, or was damaged.
    """
    if not engine.network_sha256:
        return None
    places = [folder / name / network_file(number) for name in (files.WORK_FOLDER, files.FOLDS_FOLDER)]
    for path in (*places, folder / files.MODEL_FOLDER / NETWORK_FILE):
        try:
            if path.is_file() and hash_file(path) == engine.network_sha256:
                return path.read_bytes()
        except OSError as error:
            raise storage_error(path, error, action="read") from error
    return None


def _made_again(plain: Extractor, options: FitOptions, stored: Engine, folder: Path, remaking: _Remaking) -> bytes:
    """The network of a run that was stopped, by a full disk say, before it could be written: the same bytes again."""
    request = EngineRequest(
        precision=stored.precision, n_threads=stored.n_threads, batch_size=stored.batch_size, seed=options.seed
    )
    selector = EngineSelector(
        plain.backbone,
        plain.preparation,
        remaking.dataset,
        request,
        cache=remaking.cache,
        progress=remaking.progress,
    )
    extractor = selector.select().extractor
    if extractor.network is None or extractor.engine.network_sha256 != stored.network_sha256:
        path = folder / files.WORK_FOLDER / network_file(remaking.number)
        raise EngineError(
            f"{path} is missing: the quantised network that this run began with, and these images and options make "
            "another one. Remove the folder and run `headstart fit` again."
        )
    return extractor.network
