"""The loop: AdamW over views of the training images, with checkpoints; the same bytes however often it is killed."""

from __future__ import annotations

import contextlib
import copy
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import torch
from torch import nn

from headstart.augment import View
from headstart.errors import InputError
from headstart.pretraining.batches import ImageBatches
from headstart.pretraining.checkpoint import load_checkpoint, save_checkpoint
from headstart.pretraining.settings import PretrainSettings, learning_rate_at
from headstart.progress import Progress
from headstart.runtime.threads import torch_threads

if TYPE_CHECKING:
    from numpy.typing import NDArray

CHECKPOINT_S: Final = 60.0
_SHARE_OF_SAVING: Final = 0.05  # of the time, that checkpoints may take
_LARGEST_GRADIENT: Final = 1.0  # norm of the whole gradient, beyond which it is scaled down
_TRIED_STEPS: Final = 3


class DivergedError(InputError):
    """The training loss is no number any more."""


@dataclass(frozen=True)
class Machine:
    """Device, precision and threads of a training; decided once, kept on resume.

    Attributes
    ----------
    device : str
    precision : {"fp32", "bf16"}
        Precision of the products of the forward and backward pass; parameters are fp32 always.
    n_threads : int
    """

    device: str
    precision: str
    n_threads: int


@dataclass(frozen=True, eq=False)
class PretrainingTask:
    """Images that a pretraining learns from, with their targets and weights.

    Attributes
    ----------
    images : ImageBatches
    rows : ndarray of shape (n,), int64
        Training rows of the data set.
    targets : ndarray of shape (n_images, n_classes), float32
        Share of every class in every label.
    weights : ndarray of shape (n_images,), float32
    mean, std : tuple of float
        Normalisation of pixel values scaled to 0..1.
    """

    images: ImageBatches
    rows: NDArray[np.int64]
    targets: NDArray[np.float32]
    weights: NDArray[np.float32]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    def n_batches(self, settings: PretrainSettings) -> int:
        """Steps of an epoch: a last batch that is not full is left out, another one in every epoch."""
        return max(1, len(self.rows) // settings.batch_size)

    def batches(self, settings: PretrainSettings, epoch: int) -> list[NDArray[np.int64]]:
        """Rows of every step of an epoch, in an order of its own."""
        order = np.random.default_rng([settings.seed, epoch]).permutation(self.rows)
        size = min(settings.batch_size, len(order))
        return [order[at * size : (at + 1) * size] for at in range(self.n_batches(settings))]


def train(
    network: nn.Module,
    task: PretrainingTask,
    settings: PretrainSettings,
    machine: Machine,
    *,
    checkpoint: Path,
    progress: Progress,
    every_s: float | None = None,
) -> list[float]:
    """Train all parameters of a network; a checkpoint that is there is gone on from.

    Parameters
    ----------
    network : torch.nn.Module
        Changed in place; left in evaluation mode.
    task : PretrainingTask
    settings : PretrainSettings
    machine : Machine
    checkpoint : Path
    progress : Progress
    every_s : float, optional
        Seconds between checkpoints, at least; more where saving takes long. Default: a minute.

    Returns
    -------
    list of float
        Mean training loss of every epoch.

    Raises
    ------
    DivergedError
        When the loss is no number any more: the rate is too high for this network and task.
    ImageError, StorageError
    """
    n_steps = task.n_batches(settings)
    with arithmetic(machine):
        learner = _Learner(network.to(machine.device), task, settings, machine, n_steps * settings.epochs)
        losses = learner.resume(checkpoint)
        saving = _Saving(lambda: learner.save(checkpoint, losses), CHECKPOINT_S if every_s is None else every_s)
        first, size = int(losses.shape[0]), len(task.batches(settings, 0)[0])
        with progress.task("Training", n_steps * settings.epochs * size, "images") as advance:
            advance(first * size)
            for epoch in range(first // n_steps, settings.epochs):
                done = len(losses) - epoch * n_steps
                for loss in learner.epoch(epoch, done):
                    losses = torch.cat([losses, loss.reshape(1)])
                    advance(size)
                    saving.perhaps()
        network.eval()
    return [float(one) for one in losses.reshape(settings.epochs, n_steps).mean(dim=1)]


class _Saving:
    """Saves now and then: no sooner than asked for, and so that saving takes a small share of the time."""

    def __init__(self, save: Callable[[], None], every_s: float) -> None:
        self._save, self._every_s = save, every_s
        self._next = time.monotonic() + every_s

    def perhaps(self) -> None:
        start = time.monotonic()
        if start >= self._next:
            self._save()
            took = time.monotonic() - start
            self._next = time.monotonic() + max(self._every_s, took / _SHARE_OF_SAVING)


class _Learner:
    """A network with its optimizer, step by step."""

    def __init__(
        self, network: nn.Module, task: PretrainingTask, settings: PretrainSettings, machine: Machine, n_steps: int
    ) -> None:
        self.network, self.task, self.settings, self.machine = network, task, settings, machine
        self.n_steps = n_steps
        self.views = settings.fixed_views()
        kinds = {True: [], False: []}  # type: dict[bool, list[nn.Parameter]]
        for parameter in network.parameters():
            kinds[parameter.ndim > 1].append(parameter)
        decays = {True: settings.weight_decay, False: 0.0}
        groups = [{"params": kinds[kind], "weight_decay": decays[kind]} for kind in (True, False) if kinds[kind]]
        fused = machine.device.partition(":")[0] in ("cpu", "cuda")  # a tenth of the time of the update on a CPU
        self.optimizer = torch.optim.AdamW(groups, lr=settings.learning_rate, fused=fused)
        self.mean = torch.tensor(task.mean, device=machine.device).view(1, 3, 1, 1) * 255
        self.std = torch.tensor(task.std, device=machine.device).view(1, 3, 1, 1) * 255

    def resume(self, checkpoint: Path) -> torch.Tensor:
        """Losses of the steps that a checkpoint holds; none where there is no checkpoint."""
        record = load_checkpoint(checkpoint, self.network, self.optimizer)
        return torch.zeros(0) if record is None else record["losses"]

    def save(self, checkpoint: Path, losses: torch.Tensor) -> None:
        """Write the state after the steps whose losses are given."""
        save_checkpoint(checkpoint, self.network, self.optimizer, {"losses": losses})

    def epoch(self, epoch: int, done: int) -> Iterator[torch.Tensor]:
        """Loss of every step of an epoch from step `done` on."""
        batches = self.task.batches(self.settings, epoch)[done:]
        seen = [[(int(row), self._view(int(row), epoch)) for row in rows] for rows in batches]
        self.network.train()
        first = epoch * self.task.n_batches(self.settings) + done
        for number, pixels in enumerate(self.task.images.batches(seen)):
            loss = self.step(first + number, pixels, batches[number])
            if not bool(loss.isfinite()):
                raise DivergedError(
                    f"The training loss is no number any more in epoch {epoch + 1} of {self.settings.epochs}. Use a "
                    f"learning rate below {self.settings.learning_rate:g}, a longer warm-up or larger batches."
                )
            yield loss

    def _view(self, row: int, epoch: int) -> View:
        """Epochs go through the views of an image in turn; images begin at different ones."""
        return self.views[(row + epoch) % len(self.views)]

    def step(self, step: int, pixels: NDArray[np.uint8], rows: NDArray[np.int64]) -> torch.Tensor:
        """One update; its loss."""
        device = self.machine.device
        images = torch.from_numpy(pixels).to(device).permute(0, 3, 1, 2).float()
        images = ((images - self.mean) / self.std).contiguous(memory_format=torch.channels_last)
        targets = torch.from_numpy(self.task.targets[rows]).to(device)
        weights = torch.from_numpy(self.task.weights[rows]).to(device)
        rate = learning_rate_at(step, self.n_steps, self.settings)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        with _seeded(self.settings.seed, step, device):
            with _precision(self.machine):
                logits = self.network(images)
            loss = smoothed_loss(logits.float(), targets, weights, self.settings.label_smoothing)
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.network.parameters(), _LARGEST_GRADIENT)
        self.optimizer.step()
        return loss.detach().cpu()


def smoothed_loss(logits: torch.Tensor, targets: torch.Tensor, weights: torch.Tensor, smoothing: float) -> torch.Tensor:
    """Weighted mean cross-entropy against targets of which a share is spread over all classes."""
    spread = targets * (1 - smoothing) + smoothing / targets.shape[1]
    losses = -(spread * torch.log_softmax(logits, dim=1)).sum(dim=1)
    return (losses * weights).sum() / weights.sum().clamp_min(1e-12)


def predict(
    network: nn.Module, task: PretrainingTask, rows: NDArray[np.int64], machine: Machine
) -> NDArray[np.float64]:
    """Probabilities (n, n_classes) of some rows as they are, in fp32."""
    size = 64
    batches = [rows[at : at + size] for at in range(0, len(rows), size)]
    found = []
    with arithmetic(machine), torch.inference_mode():
        network.to(machine.device).eval()
        mean = torch.tensor(task.mean, device=machine.device).view(1, 3, 1, 1) * 255
        std = torch.tensor(task.std, device=machine.device).view(1, 3, 1, 1) * 255
        for pixels in task.images.batches([[(int(row), None) for row in batch] for batch in batches]):
            images = torch.from_numpy(pixels).to(machine.device).permute(0, 3, 1, 2).float()
            logits = network(((images - mean) / std).contiguous(memory_format=torch.channels_last))
            found.append(torch.softmax(logits.double(), dim=1).cpu().numpy())
    return np.concatenate(found)


def faster_machine(
    network: nn.Module, task: PretrainingTask, settings: PretrainSettings, machines: list[Machine]
) -> tuple[Machine, dict[str, float]]:
    """The machine that trains fastest by a few steps on a copy, and images per second of each."""
    rows = task.batches(settings, 0)[0]
    pixels = next(iter(task.images.batches([[(int(row), None) for row in rows]])))
    speeds = {}
    for machine in machines:
        with arithmetic(machine):
            learner = _Learner(copy.deepcopy(network).to(machine.device), task, settings, machine, 100)
            learner.network.train()
            learner.step(0, pixels, rows)
            start = time.perf_counter()
            for step in range(_TRIED_STEPS):
                learner.step(step, pixels, rows)
            speeds[machine.precision] = len(rows) * _TRIED_STEPS / (time.perf_counter() - start)
    return max(machines, key=lambda machine: speeds[machine.precision]), speeds


@contextlib.contextmanager
def arithmetic(machine: Machine) -> Iterator[None]:
    """Threads and deterministic kernels for the length of a block."""
    cudnn = torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False)
    with torch_threads(machine.n_threads), cudnn:
        yield


def _precision(machine: Machine) -> contextlib.AbstractContextManager[object]:
    enabled = machine.precision == "bf16"
    return torch.autocast(machine.device.partition(":")[0], dtype=torch.bfloat16, enabled=enabled)


@contextlib.contextmanager
def _seeded(seed: int, step: int, device: str) -> Iterator[None]:
    """Dropout of a step drawn by seed and step, so that a resumed step draws the same; torch's generator stays."""
    devices = [torch.cuda.current_device()] if device.startswith("cuda") else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(int(np.random.SeedSequence([seed, step]).generate_state(1, np.uint64)[0] >> np.uint64(1)))
        yield
