"""The engine of a run that is resumed: the one it began with, its quantised network read or made again."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from headstart.data import ImageDataset
from headstart.engines.engine import Engine, resolve_device
from headstart.engines.fallback import what_lacks
from headstart.engines.network_cache import NetworkCache
from headstart.errors import EngineError, RunError
from headstart.features.cache import FeatureCache
from headstart.features.engine_selection.request import EngineRequest
from headstart.features.engine_selection.select import EngineSelector
from headstart.features.extractor import Extractor
from headstart.progress import Progress
from headstart.storage import file_bytes, hash_file, storage_error
from headstart.study.execution import run_folder as files
from headstart.workflow.options.fit import FitOptions

NETWORK_FILE: Final = "network.safetensors"


def network_file(number: int) -> str:
    """Name of the quantised network of a source."""
    return NETWORK_FILE if number == 0 else f"network-{number}.safetensors"


@dataclass(frozen=True, eq=False)
class Remaking:
    """Images and cache that a lost quantised network of a run is made from again, and the number of its source."""

    dataset: ImageDataset
    cache: FeatureCache
    progress: Progress
    number: int


def resumed(
    plain: Extractor, options: FitOptions, stored: Engine, folder: Path, remaking: Remaking
) -> tuple[Extractor, dict[str, Any]]:
    """The engine that a run began with, but for the device, threads and batch size that the options name."""
    record = files.stored_record(folder, remaking.number)
    request = record.get("requested") or record.get("asked", {})  # format 1 of a record says asked
    _refuse_other(folder, "engine", options.engine, {request.get("engine"), stored.name})
    _refuse_other(folder, "precision", options.precision, {request.get("precision"), stored.precision})
    if lacking := what_lacks(stored):
        raise EngineError(
            f"{folder} was begun with the engine {stored.label}. {lacking}. Go on where it was begun, or give another "
            "folder to begin anew."
        )
    n_threads = options.threads or stored.n_threads
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
    network_cache = NetworkCache(remaking.cache.folder)
    return plain.with_engine(engine, network=network, network_cache=network_cache), record


def _refuse_other(folder: Path, name: str, requested: str, known: set[Any]) -> None:
    if requested != "auto" and requested not in known:
        begun = " or ".join(sorted(str(value) for value in known if value not in (None, "auto")))
        raise RunError(
            f"{folder} holds another run, which is never overwritten. It differs in: {name} is {begun} there, "
            f"{requested} here. Give another folder, or the same data and options to go on with that run."
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
                return file_bytes(path)
        except OSError as error:
            raise storage_error(path, error, action="read") from error
    return None


def _made_again(plain: Extractor, options: FitOptions, stored: Engine, folder: Path, remaking: Remaking) -> bytes:
    """The network of a run that was stopped, by a full disk say, before it could be written: the same bytes again."""
    request = EngineRequest(
        precision=stored.precision,
        n_threads=stored.n_threads,
        batch_size=stored.batch_size,
        seed=options.seed,
        floats=options.normalise == "training",
    )
    selector = EngineSelector(
        plain.backbone,
        plain.preparation,
        remaking.dataset,
        request,
        blocks=plain.blocks,
        beside=plain.beside,
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
