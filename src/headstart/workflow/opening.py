"""The backbone of a job with the engine that runs it: chosen once per run, kept on resume."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from headstart.data import ImageDataset
from headstart.errors import EngineError, RunError
from headstart.features.cache import FeatureCache
from headstart.features.choose import Chooser, Wish
from headstart.features.engine import Engine, resolve_device
from headstart.features.extractor import Extractor
from headstart.features.runners.kept import NetworkStore
from headstart.features.runners.machine import runs_on, what_lacks
from headstart.progress import Progress, Silent
from headstart.storage import storage_error, write_bytes
from headstart.study import run_folder as files
from headstart.workflow.inspect import open_cache, open_extractor
from headstart.workflow.options import FitOptions

NETWORK_FILE = "network.safetensors"


@dataclass(frozen=True, eq=False)
class Opened:
    """A backbone ready to run.

    Attributes
    ----------
    extractor : Extractor
    record : dict
        How its engine was chosen, for results.json.
    speeds : dict
        Images per second of the engines that were timed; for timings.json.
    """

    extractor: Extractor
    record: dict[str, Any]
    speeds: dict[str, float]

    def keep_network(self, folder: Path) -> None:
        """Write the quantised network, if there is one, into the unfinished work of a run, for its resumption.

        Raises
        ------
        StorageError
            When the disk refuses.
        """
        path = folder / files.WORK_FOLDER / NETWORK_FILE
        if self.extractor.network is not None and not path.is_file():
            write_bytes(path, self.extractor.network)


def open_for(
    options: FitOptions, dataset: ImageDataset, *, folder: Path | None = None, progress: Progress | None = None
) -> Opened:
    """Backbone, preparation and engine for a data set; a run that is resumed keeps the engine it began with.

    Parameters
    ----------
    options : FitOptions
    dataset : ImageDataset
        Readable images with their hashes: some of them show which engine is fast and right.
    folder : Path, optional
        The run folder, which may hold a run to be resumed.
    progress : Progress, optional
        Told of a download, of the engine chosen and of what was not used.

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
    plain = open_extractor(options, progress=progress)
    cache = open_cache(options.cache, limit=options.cache_limit, progress=progress)
    stored = None if folder is None else files.stored_engine(folder)
    if folder is not None and stored is not None:
        return _resumed(plain, options, stored, folder, _Remaking(dataset, cache, progress))
    device = runs_on(plain.backbone, plain.engine.device, plain.preparation.size, progress=progress)
    wish = Wish(
        library=options.engine,
        precision=options.precision,
        device=device,
        n_threads=plain.engine.n_threads,
        batch_size=options.batch_size,
        seed=options.seed,
    )
    chooser = Chooser(
        plain.backbone, plain.preparation, dataset, wish, cache=cache, folder=cache.folder, progress=progress
    )
    choice = chooser.choose()
    return Opened(chooser.extractor(choice.engine), choice.record, choice.speeds)


@dataclass(frozen=True, eq=False)
class _Remaking:
    """What a quantised network is made from again, where that of a run is lost."""

    dataset: ImageDataset
    cache: FeatureCache
    progress: Progress


def _resumed(plain: Extractor, options: FitOptions, stored: Engine, folder: Path, remaking: _Remaking) -> Opened:
    """The engine that a run began with; what the options name explicitly still has its say, and then differs."""
    record = files.stored_record(folder)
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
    network = _stored_network(folder, engine)
    if network is None and engine.network_sha256:
        network = _made_again(plain, options, stored, folder, remaking)
    store = NetworkStore(remaking.cache.folder)
    extractor = Extractor(plain.backbone, plain.preparation, engine, network=network, store=store)
    return Opened(extractor, record, {})


def _refuse_other(folder: Path, name: str, asked: str, known: set[Any]) -> None:
    if asked != "auto" and asked not in known:
        begun = " or ".join(sorted(str(value) for value in known if value not in (None, "auto")))
        raise RunError(
            f"{folder} holds another run, which is never overwritten. It differs in: {name} is {begun} there, {asked} "
            "here. Give another folder, or the same data and options to go on with that run."
        )


def _stored_network(folder: Path, engine: Engine) -> bytes | None:
    """The quantised network of a run: in its unfinished work, or in the bundle; None where it is in neither."""
    for place in (files.WORK_FOLDER, files.MODEL_FOLDER):
        path = folder / place / NETWORK_FILE
        if engine.network_sha256 and path.is_file():
            try:
                return path.read_bytes()
            except OSError as error:
                raise storage_error(path, error, action="read") from error
    return None


def _made_again(plain: Extractor, options: FitOptions, stored: Engine, folder: Path, remaking: _Remaking) -> bytes:
    """The network of a run that was stopped, by a full disk say, before it could be written: the same bytes again."""
    wish = Wish(precision=stored.precision, n_threads=stored.n_threads, batch_size=stored.batch_size, seed=options.seed)
    cache = remaking.cache
    chooser = Chooser(
        plain.backbone,
        plain.preparation,
        remaking.dataset,
        wish,
        cache=cache,
        folder=cache.folder,
        progress=remaking.progress,
    )
    choice = chooser.choose()
    if choice.network is None or choice.engine.network_sha256 != stored.network_sha256:
        raise EngineError(
            f"{folder / files.WORK_FOLDER / NETWORK_FILE} is missing: the quantised network that this run began with, "
            "and these images and options make another one. Remove the folder and run `headstart fit` again."
        )
    return choice.network
