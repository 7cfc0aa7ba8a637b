"""A whole pretraining: the split of the source images, training, the score of those held out, the file of weights."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from headstart.backbones.registry import find_entry
from headstart.backbones.weights import WeightsSource
from headstart.backbones.weights.hub_config import with_hub_config
from headstart.backbones.weights.provenance import FORMAT, header_of, image_marks_text
from headstart.data import ImageDataset, ImageResize
from headstart.data.split.task import SplitTask
from headstart.engines.capabilities import torch_precisions, training_precision
from headstart.engines.engine import resolve_device
from headstart.errors import InputError
from headstart.metrics import OutOfFold, evaluate
from headstart.pretraining.batches import ImageBatches
from headstart.pretraining.checkpoint import CHECKPOINT_FILE
from headstart.pretraining.network import build_network, pixels_for
from headstart.pretraining.settings import PRECISIONS, PretrainSettings
from headstart.pretraining.train import Machine, PretrainingTask, faster_machine, predict, train
from headstart.progress import Progress
from headstart.runtime.machine import available_processors
from headstart.storage import file_bytes, parsed_json, storage_error, write_bytes, write_json
from headstart.version import __version__

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

    from headstart.backbones.entry import Pixels

    Rows = NDArray[np.int64]

MACHINE_FILE: Final = "machine.json"
MAX_MARKS: Final = 500_000
"""Source images of which the file keeps marks, so that a fit on the same images is warned of."""
_SCORES: Final = ("accuracy", "balanced_accuracy", "log_loss")


@dataclass(frozen=True)
class PretrainingPlan:
    """Network, preparation, share held out, training settings and machine of a pretraining.

    Attributes
    ----------
    backbone : str
    weights : str or None
        A file to start from; None or ``random``: weights drawn by the seed.
    input_size : int or None
        Side of the square input in pixels. None: the network's own.
    resize : {"squash", "crop", "pad"}
    white_level : int
        The 16-bit value shown as white.
    holdout : float in (0, 0.5]
        Share of the images that is kept out of training for the score.
    domain : str
        What the source images show, in words.
    settings : PretrainSettings
    precision : {"auto", "fp32", "bf16", "measure"}
    device : {"auto", "cpu", "cuda", "mps"}
    threads : int or None
        None: all processors.
    offline : bool
        Never touch the network.
    """

    backbone: str
    weights: str | None
    input_size: int | None
    resize: str
    white_level: int
    holdout: float
    domain: str
    settings: PretrainSettings
    precision: str
    device: str
    threads: int | None
    offline: bool


@dataclass(frozen=True, eq=False)
class PreparedPretraining:
    """A network to be trained, the weights it starts from, its input, and the rows on both sides of the split."""

    network: torch.nn.Module
    start: WeightsSource
    pixels: Pixels
    training: Rows
    heldout: Rows


@dataclass(frozen=True, eq=False)
class PretrainingRun:
    """One pretraining in hand.

    Attributes
    ----------
    plan : PretrainingPlan
    dataset : ImageDataset
        The readable images, exact copies joined to groups.
    data_sha256 : str
        Fingerprint of the data as they were given.
    identity_sha256 : str
        Hash of everything that decides the weights.
    folder : Path
        Where unfinished work lies.
    progress : Progress
    """

    plan: PretrainingPlan
    dataset: ImageDataset
    data_sha256: str
    identity_sha256: str
    folder: Path
    progress: Progress

    def prepare(self) -> PreparedPretraining:
        """The split and the network; nothing is written.

        Raises
        ------
        InputError, SplitError, WeightsError
            When settings, images, weights and network do not fit together.
        """
        plan, settings = self.plan, self.plan.settings
        training, heldout = divided(self.dataset, plan.holdout, settings.seed)
        if len(training) < settings.batch_size:
            raise InputError(
                f"A batch is of {settings.batch_size} images, but there are {len(training):,} training images. Use "
                f"--batch-size {len(training)} or less, or add images."
            )
        entry = with_hub_config(find_entry(plan.backbone), offline=plan.offline)
        network, start = build_network(
            entry,
            len(self.dataset.classes),
            weights=plan.weights,
            seed=settings.seed,
            offline=plan.offline,
            progress=self.progress,
        )
        pixels = pixels_for(entry, network, plan.input_size)
        for view in settings.fixed_views():
            view.check_takes(pixels.input_size)
        return PreparedPretraining(network, start, pixels, training, heldout)

    def train(self, prepared: PreparedPretraining, path: Path) -> dict[str, Any]:
        """Train the network, score the held-out images, and write the weights last.

        Parameters
        ----------
        prepared : PreparedPretraining
        path : Path
            File of weights to write.

        Returns
        -------
        dict
            What the file says of its pretraining.
        """
        task = self._task(prepared)
        machine = self._machine(prepared.network, task)
        checkpoint = self.folder / CHECKPOINT_FILE
        losses = train(
            prepared.network, task, self.plan.settings, machine, checkpoint=checkpoint, progress=self.progress
        )
        score = self._score(prepared.heldout, predict(prepared.network, task, prepared.heldout, machine))
        found = self._description(prepared, machine, losses[-1]) | {"heldout": score}
        self._write(prepared.network, found, path)
        return found

    def _task(self, prepared: PreparedPretraining) -> PretrainingTask:
        dataset, pixels = self.dataset, prepared.pixels
        preparation = ImageResize(
            pixels.input_size,
            resize=self.plan.resize,
            interpolation=pixels.interpolation,
            white_level=self.plan.white_level,
        )
        images = ImageBatches(dataset, preparation, self.folder, self.plan.threads or available_processors())
        images.store(self.progress)
        certain = np.eye(len(dataset.classes))[dataset.training_labels()]
        targets = certain if dataset.soft is None else dataset.soft
        weights = np.ones(len(dataset)) if dataset.weights is None else dataset.weights / dataset.weights.mean()
        return PretrainingTask(
            images, prepared.training, targets.astype(np.float32), weights.astype(np.float32), pixels.mean, pixels.std
        )

    def _machine(self, network: torch.nn.Module, task: PretrainingTask) -> Machine:
        """Device, precision and threads: decided once, before the first step, and kept on resume."""
        path, plan = self.folder / MACHINE_FILE, self.plan
        if (stored := _stored_machine(path)) is not None:
            return stored
        device = resolve_device(plan.device)
        n_threads = plan.threads or available_processors()
        machines = [Machine(device, name, n_threads) for name in _precisions(plan.precision, device)]
        chosen, speeds = faster_machine(network, task, plan.settings, machines)
        self.progress.note(self._plan_words(task, chosen, speeds))
        write_json(path, asdict(chosen))
        return chosen

    def _plan_words(self, task: PretrainingTask, machine: Machine, speeds: dict[str, float]) -> str:
        settings = self.plan.settings
        n_images = settings.epochs * task.n_batches(settings) * settings.batch_size
        minutes = n_images / speeds[machine.precision] / 60
        tried = ", ".join(f"{name} {speed:,.0f}" for name, speed in speeds.items())
        return (
            f"Plan: {settings.epochs:,} epochs of {len(task.rows):,} images in {machine.precision} (images per "
            f"second: {tried}): about {minutes:,.1f} minutes."
        )

    def _score(self, rows: Rows, probabilities: NDArray[np.float64]) -> dict[str, Any]:
        """Scores of the held-out images with 95 % intervals that speak of these very weights."""
        dataset = self.dataset
        oof = OutOfFold.from_test_set(
            dataset.training_labels()[rows],
            probabilities,
            classes=dataset.classes,
            weights=None if dataset.weights is None else dataset.weights[rows],
            groups=None if dataset.groups is None else dataset.groups[rows],
        )
        seed = self.plan.settings.seed
        found = evaluate(oof, metrics=_SCORES, per_class=False, correction="none", seed=seed).metrics
        scores = {name: estimate.to_json() for name, estimate in found.items()}
        kept = {name: {key: scores[name][key] for key in ("value", "ci95")} for name in _SCORES}
        return {"n_images": len(rows), "share": self.plan.holdout, "metrics": kept}

    def _description(self, prepared: PreparedPretraining, machine: Machine, loss: float) -> dict[str, Any]:
        """Source images, settings and machine, as the file of weights holds them beside the score."""
        dataset, plan = self.dataset, self.plan
        counts = np.bincount(dataset.training_labels(), minlength=len(dataset.classes)).tolist()
        return {
            "format": FORMAT,
            "headstart": __version__,
            "backbone": find_entry(plan.backbone).name,
            "input_size": list(prepared.pixels.input_size),
            "resize": plan.resize,
            "source": {
                "domain": plan.domain,
                "classes": list(dataset.classes),
                "class_counts": counts,
                "n_images": len(dataset),
                "n_training": len(prepared.training),
                "data_sha256": self.data_sha256,
            },
            "start": prepared.start.to_json(),
            "settings": plan.settings.described(),
            "machine": asdict(machine),
            "training_loss": loss,
            "identity_sha256": self.identity_sha256,
        }

    def _write(self, network: torch.nn.Module, found: dict[str, Any], path: Path) -> None:
        """Into the folder first, so that a killed process leaves nothing beside the weights."""
        from safetensors.torch import save

        hashes, whole = self.dataset.hashes or (), self.folder / "weights.safetensors"
        marks = image_marks_text(hashes) if len(hashes) <= MAX_MARKS else ""
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
        write_bytes(whole, save(tensors, metadata=header_of(found, marks)))
        try:
            os.replace(whole, path)
        except OSError as error:
            raise storage_error(path, error) from error


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
        value = parsed_json(file_bytes(path).decode())
        return Machine(str(value["device"]), str(value["precision"]), int(value["n_threads"]))
    except (OSError, ValueError, KeyError, TypeError, OverflowError):
        return None
