"""`pretrain`: a network trained on a source task of the user's own, written as weights that later fits take."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from headstart.backbones.entry import Pixels
from headstart.backbones.registry import find_entry
from headstart.backbones.weights import WeightsSource
from headstart.backbones.weights.hub_config import with_hub_config
from headstart.backbones.weights.provenance import FORMAT, header_of, image_marks_text, in_words, read_pretraining
from headstart.data import ImageDataset, ImageResize
from headstart.data.split.make import SplitTask
from headstart.engines.capabilities import torch_precisions, training_precision
from headstart.engines.engine import available_processors, resolve_device
from headstart.errors import InputError, RunError, WeightsError
from headstart.metrics import OutOfFold, evaluate
from headstart.pretraining.batches import ImageBatches
from headstart.pretraining.checkpoint import CHECKPOINT_FILE
from headstart.pretraining.network import build_network, pixels_for
from headstart.pretraining.train import DivergedError, Machine, PretrainingTask, faster_machine, predict, train
from headstart.progress import Progress, Silent
from headstart.results.models.pretraining import HeldOut
from headstart.storage import canonical_json, hash_json, storage_error, write_bytes, write_json
from headstart.study.execution import run_folder as files
from headstart.version import __version__
from headstart.workflow.job.audit import AuditedDataset, Data, audit_data
from headstart.workflow.job.near_duplicates import join_exact
from headstart.workflow.options.data import as_source
from headstart.workflow.options.pretrain import PRECISIONS, PretrainOptions
from headstart.workflow.options.verbs import GivenOptions
from headstart.workflow.preflight import check_outside

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

    Rows = NDArray[np.int64]

MACHINE_FILE: Final = "machine.json"
MAX_MARKS: Final = 500_000
"""Source images of which the file keeps marks, so that a fit on the same images is warned of."""
_SCORES: Final = ("accuracy", "balanced_accuracy", "log_loss")


@dataclass(frozen=True)
class Pretrained:
    """Finished weights.

    Attributes
    ----------
    path : Path
    results : dict
        What the file says of itself: source, settings, held-out score.
    """

    path: Path
    results: dict[str, Any]

    @property
    def heldout(self) -> HeldOut:
        """Scores of the images that took no part."""
        return HeldOut.model_validate(self.results["heldout"])

    @property
    def headline(self) -> str:
        """Source, task and score in one sentence."""
        return f"{self.results['backbone']}, {in_words(self.results)}."


def pretrain(
    data: Data,
    output: str | os.PathLike[str],
    options: PretrainOptions | None = None,
    *,
    progress: Progress | None = None,
    **given: Any,
) -> Pretrained:
    """Train a whole network on labelled images of a source task, and write its weights.

    A share of the images, groups whole, is held out and judged once, after the last epoch. Called again with the same
    arguments after an interruption it goes on where it stopped, with the same bytes.

    Parameters
    ----------
    data : path, DataSource or ImageDataset
    output : path
        File to write, ending with ``.safetensors``; unfinished work lies beside it, in a folder ending with ``.work``.
    options : PretrainOptions, optional
    progress : Progress, optional
    **given
        Options of `PretrainOptions`, `PretrainSettings` and `DataSource` by name, such as ``epochs=20``; they go before
        those of `options`. The backbone must be named, here or there.

    Returns
    -------
    Pretrained

    Raises
    ------
    DataError, ImageError, SplitError, WeightsError, InputError
        When the input cannot be used, or the training diverges.
    RunError
        When `output` holds something else.
    StorageError
        When the disk refuses.

    Examples
    --------
    >>> import headstart
    >>> made = headstart.pretrain(
    ...     "clothes/", "clothes.safetensors", backbone="resnet18", input_size=64, epochs=20
    ... )  # doctest: +SKIP
    """
    named, progress = GivenOptions.of("pretrain", given), progress or Silent()
    data, options = named.data(data), named.options(PretrainOptions, options)
    path = _output_file(output)
    check_outside(data, path)
    work = path.with_name(f"{path.name}.work")
    find_entry(options.backbone)
    deciding = options.identity()  # a file of weights that is missing is refused here
    audited = audit_data(data, skip_unreadable=options.skip_unreadable, n_threads=options.threads, progress=progress)
    domain = options.domain or _domain(data)
    identity = _identity(audited, {**deciding, "domain": domain})
    if path.exists():
        found = _finished(path, identity, progress)
        shutil.rmtree(work, ignore_errors=True)  # left by a process killed right after it wrote the weights
        return Pretrained(path, found)
    job = _Job(path, work, audited, replace(options, domain=domain), identity, progress)
    try:
        found = job.run()
    except DivergedError:  # with these settings there is nothing to go on with
        shutil.rmtree(work, ignore_errors=True)
        raise
    shutil.rmtree(work, ignore_errors=True)
    return Pretrained(path, found)


def _identity(audited: AuditedDataset, options: dict[str, Any]) -> dict[str, Any]:
    """Everything that decides the weights, as it will be read again."""
    identity = {"headstart": __version__, "data": audited.dataset.fingerprint(), "options": options}
    return dict(json.loads(canonical_json(identity)))


def _output_file(output: str | os.PathLike[str]) -> Path:
    path = Path(output)
    if path.suffix != ".safetensors":
        raise RunError(f"{path or 'The output'} does not end with .safetensors, as files of weights do. Name it so.")
    if path.is_dir():
        raise RunError(f"{path} is a folder. Name a file to write.")
    return path


def _domain(data: Data) -> str:
    return "images in memory" if isinstance(data, ImageDataset) else Path(as_source(data).path).resolve().stem


def _finished(path: Path, identity: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """What a file that is there says, if these very arguments made it."""
    try:
        found = read_pretraining(path)
    except WeightsError:  # no file of ours, or a damaged one: not to be overwritten either
        found = None
    if found is None or found["identity_sha256"] != hash_json(identity):
        raise RunError(
            f"{path} exists already and was not made from these data and options; weights are never overwritten. "
            "Name another file, or remove it."
        )
    progress.note(f"{path} is complete; nothing is left to do.")
    return found


@dataclass(frozen=True, eq=False)
class _Job:
    """One pretraining in hand."""

    path: Path
    work: Path
    audited: AuditedDataset
    options: PretrainOptions
    identity: dict[str, Any]
    progress: Progress

    @property
    def dataset(self) -> ImageDataset:
        """The readable images, exact copies joined to groups."""
        return join_exact(self.audited)

    def run(self) -> dict[str, Any]:
        """Pixels, training, the score of the held-out images; the file of weights is written last."""
        options, settings = self.options, self.options.settings
        dataset = self.dataset
        training, heldout = divided(dataset, options.holdout, settings.seed)
        if len(training) < settings.batch_size:
            raise InputError(
                f"A batch is of {settings.batch_size} images, but there are {len(training):,} training images. Use "
                f"--batch-size {len(training)} or less, or add images."
            )
        entry = with_hub_config(find_entry(options.backbone), offline=options.offline)
        network, start = build_network(
            entry,
            len(dataset.classes),
            weights=options.weights,
            seed=settings.seed,
            offline=options.offline,
            progress=self.progress,
        )
        pixels = pixels_for(entry, network, options.input_size)
        for view in settings.fixed_views():
            view.check_takes(pixels.input_size)
        with files.claimed(self.work, self.identity, {}, images=False):
            task = self._task(dataset, training, pixels)
            machine = self._machine(network, task)
            checkpoint = self.work / CHECKPOINT_FILE
            losses = train(network, task, settings, machine, checkpoint=checkpoint, progress=self.progress)
            score = self._score(dataset, heldout, predict(network, task, heldout, machine))
            found = self._about(pixels, start, machine, losses, len(training)) | {"heldout": score}
            self._write(network, found)
        return found

    def _task(self, dataset: ImageDataset, rows: Rows, pixels: Pixels) -> PretrainingTask:
        options = self.options
        preparation = ImageResize(
            pixels.input_size,
            resize=options.resize,
            interpolation=pixels.interpolation,
            white_level=options.white_level,
        )
        n_threads = options.threads or available_processors()
        images = ImageBatches(dataset, preparation, self.work, n_threads)
        images.store(self.progress)
        certain = np.eye(len(dataset.classes))[dataset.training_labels()]
        targets = certain if dataset.soft is None else dataset.soft
        weights = np.ones(len(dataset)) if dataset.weights is None else dataset.weights / dataset.weights.mean()
        return PretrainingTask(
            images, rows, targets.astype(np.float32), weights.astype(np.float32), pixels.mean, pixels.std
        )

    def _machine(self, network: torch.nn.Module, task: PretrainingTask) -> Machine:
        """Device, precision and threads: decided once, before the first step, and kept on resume."""
        path, options = self.work / MACHINE_FILE, self.options
        if (stored := _stored_machine(path)) is not None:
            return stored
        device = resolve_device(options.device)
        n_threads = options.threads or available_processors()
        machines = [Machine(device, name, n_threads) for name in _precisions(options.precision, device)]
        chosen, speeds = faster_machine(network, task, options.settings, machines)
        self.progress.note(self._plan(task, chosen, speeds))
        write_json(path, asdict(chosen))
        return chosen

    def _plan(self, task: PretrainingTask, machine: Machine, speeds: dict[str, float]) -> str:
        settings = self.options.settings
        n_images = settings.epochs * task.n_batches(settings) * settings.batch_size
        minutes = n_images / speeds[machine.precision] / 60
        tried = ", ".join(f"{name} {speed:,.0f}" for name, speed in speeds.items())
        return (
            f"Plan: {settings.epochs:,} epochs of {len(task.rows):,} images in {machine.precision} (images per "
            f"second: {tried}): about {minutes:,.1f} minutes."
        )

    def _score(self, dataset: ImageDataset, rows: Rows, probabilities: NDArray[np.float64]) -> dict[str, Any]:
        """Scores of the held-out images with 95 % intervals that speak of these very weights."""
        oof = OutOfFold.from_test_set(
            dataset.training_labels()[rows],
            probabilities,
            classes=dataset.classes,
            weights=None if dataset.weights is None else dataset.weights[rows],
            groups=None if dataset.groups is None else dataset.groups[rows],
        )
        seed = self.options.settings.seed
        found = evaluate(oof, metrics=_SCORES, per_class=False, correction="none", seed=seed).metrics
        scores = {name: estimate.to_json() for name, estimate in found.items()}
        kept = {name: {key: scores[name][key] for key in ("value", "ci95")} for name in _SCORES}
        return {"n_images": len(rows), "share": self.options.holdout, "metrics": kept}

    def _about(
        self, pixels: Pixels, start: WeightsSource, machine: Machine, losses: Sequence[float], n_training: int
    ) -> dict[str, Any]:
        """What the file says of itself, but for the score."""
        dataset, options = self.audited.dataset, self.options
        counts = np.bincount(dataset.training_labels(), minlength=len(dataset.classes)).tolist()
        return {
            "format": FORMAT,
            "headstart": __version__,
            "backbone": find_entry(options.backbone).name,
            "input_size": list(pixels.input_size),
            "resize": options.resize,
            "source": {
                "domain": options.domain,
                "classes": list(dataset.classes),
                "class_counts": counts,
                "n_images": len(dataset),
                "n_training": n_training,
                "data_sha256": dataset.fingerprint(),
            },
            "start": start.to_json(),
            "settings": options.settings.described(),
            "machine": asdict(machine),
            "training_loss": losses[-1],
            "identity_sha256": hash_json(self.identity),
        }

    def _write(self, network: torch.nn.Module, found: dict[str, Any]) -> None:
        """Into the work folder first, so that a killed process leaves nothing beside the weights."""
        from safetensors.torch import save

        hashes, whole = self.audited.dataset.hashes or (), self.work / "weights.safetensors"
        marks = image_marks_text(hashes) if len(hashes) <= MAX_MARKS else ""
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
        write_bytes(whole, save(tensors, metadata=header_of(found, marks)))
        try:
            os.replace(whole, self.path)
        except OSError as error:
            raise storage_error(self.path, error) from error


def divided(dataset: ImageDataset, share: float, seed: int) -> tuple[Rows, Rows]:
    """Training and held-out rows, stratified, groups whole, every class on both sides.

    Raises
    ------
    SplitError
        When the groups, or too few images of a class, do not allow it.
    """
    task = SplitTask.of(
        dataset.training_labels(),
        groups=dataset.groups,
        weights=dataset.weights,
        strata=None,
        names=dataset.names,
        classes=dataset.classes,
    )
    seeds = np.random.SeedSequence([seed, len(dataset)])
    part = task.draw(np.arange(len(dataset)), (1 - share, share), seeds, "held-out")
    return np.sort(task.order[part == 0]), np.sort(task.order[part == 1])


def _precisions(requested: str, device: str) -> list[str]:
    """Precisions to train in: one, or all that the hardware has where they are to be measured."""
    if requested == "auto":
        return [training_precision(device)]
    if requested != "measure":
        return [requested]
    return [name for name in torch_precisions(device.partition(":")[0]) if name in PRECISIONS]


def _stored_machine(path: Path) -> Machine | None:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        return Machine(str(value["device"]), str(value["precision"]), int(value["n_threads"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
