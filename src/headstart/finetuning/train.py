"""Training of the last stages of a backbone, from the best frozen head on."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from torch import nn

from headstart.errors import InputError
from headstart.finetuning.averaging import Average
from headstart.finetuning.checkpoint import restore_training, training_state
from headstart.finetuning.mixup import mixed
from headstart.finetuning.network import UnlockedNetwork
from headstart.finetuning.optimizer import make_optimizer
from headstart.finetuning.predict import features_of, probabilities_of
from headstart.finetuning.result import FineTuned, History
from headstart.finetuning.schedule import epoch_batches, epoch_views, n_batches, rate_factor
from headstart.finetuning.task import TrainingContext, TrainingTask
from headstart.heads import fit_heads
from headstart.runtime.precision import full_precision
from headstart.runtime.threads import torch_threads

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from headstart.finetuning.spec import FineTuneSpec

    Integers = NDArray[np.int64]

LOWERED: Final = 0.1
"""The learning rate of the second try, as a share of the first, where training diverges."""

_CHECKPOINT_S: Final = 20.0
_DIVERGED: Final = 10.0  # times the loss of a guess by chance


def fine_tune(task: TrainingTask, spec: FineTuneSpec, context: TrainingContext) -> FineTuned:
    """Train the unlocked stages and the head.

    With validation rows the weights of the epoch with the lowest log loss on them are given back (perhaps those of the
    start); without, the last ones. Interrupted and called again with the same arguments and store it goes on from its
    last checkpoint, with the same result to the last bit.

    Parameters
    ----------
    task : TrainingTask
    spec : FineTuneSpec
    context : TrainingContext

    Returns
    -------
    FineTuned

    Raises
    ------
    InputError
        When there is no training row, or single images would have to give batch normalisation its statistics.
    """
    rows = task.train if task.weights is None else task.train[task.weights[task.train] > 0]
    if len(rows) == 0:
        raise InputError("Fine-tuning needs at least one training image with a positive weight.")
    if spec.norms == "adapt" and len(rows) < 2:
        raise InputError(
            "Batch normalisation takes no statistics of a single image: 1 training images. Give more images, or "
            "norms = 'keep'."
        )
    task = replace(task, train=rows)
    with torch_threads(context.n_threads), torch.random.fork_rng(devices=[]), full_precision():
        for number, rate in enumerate((spec.learning_rate, spec.learning_rate * LOWERED)):
            tried = _Training(task, replace(spec, learning_rate=rate), context, attempt=number).run()
            if tried is not None:
                return tried
    lost = np.full(1, np.nan)
    return FineTuned({}, context.head, History(lost, lost, lost), spec.learning_rate * LOWERED, failed=True)


class _Training:
    """One training in hand; `attempt` counts from 0 and tells the checkpoints of two learning rates apart."""

    def __init__(self, task: TrainingTask, spec: FineTuneSpec, context: TrainingContext, *, attempt: int) -> None:
        self.task, self.spec, self.context = task, spec, context
        self.key = f"{context.key}-attempt{attempt}"
        self.device = torch.device(context.device)
        self.least = 2 if spec.norms == "adapt" else 1  # one image alone has no statistics
        self.n_steps_each = n_batches(len(task.train), spec.batch_size, least=self.least)
        self.network = UnlockedNetwork(
            context.backbone, context.stage, context.head, adapt_norms=spec.norms == "adapt", device=self.device
        )
        self.network.fold(self._maps(task.train[:2], np.zeros(len(task.train[:2]), dtype=np.int64)))
        self.optimizer, self.factors = make_optimizer(self.network, spec, self.device)
        self.average = Average(self.network.live(), spec, self.n_steps_each)
        self.epoch = 0
        self.columns: dict[str, list[float]] = {"train_loss": [], "valid_loss": [], "rate": []}
        self.best: dict[str, NDArray[np.float32]] | None = None
        present = context.head.arrays["present"]
        self.targets = task.targets[:, present]
        self.mean_weight = 1.0 if task.weights is None else float(task.weights[task.train].mean())

    def run(self) -> FineTuned | None:
        """Train to the end; None where the loss diverges."""
        if not self._resume():
            self._begin()
        last = self.context.stop_after if self.context.stop_after is not None else self.spec.epochs
        saved = time.monotonic()
        while self.epoch < last and not self._is_enough():
            if not self._one_epoch():
                return None
            if time.monotonic() - saved > _CHECKPOINT_S and self.epoch < last:
                self._checkpoint()
                saved = time.monotonic()
        return self._result()

    def _begin(self) -> None:
        if self.spec.norms == "adapt":
            self._adapt()
        self._note(math.nan, self._validate(), self._rate(0))
        self._keep_best()

    def _adapt(self) -> None:
        """Statistics of the training images in place of the pretraining's, and a head on the features they give.

        A head that was fitted on features with the old statistics would start out worse than a guess.
        """
        norms = [
            layer for layer in self.network.trained.modules() if isinstance(layer, nn.modules.batchnorm._BatchNorm)
        ]
        momenta = [layer.momentum for layer in norms]
        for layer in norms:
            layer.reset_running_stats()
            layer.momentum = None  # the plain mean over the batches
        rows, size = self.task.train, self.spec.batch_size
        batches = epoch_batches(len(rows), size, np.random.default_rng([self.context.seed, 2]), least=self.least)
        self.network.train()
        with torch.no_grad():
            for batch in batches:
                self.network.features(self._maps(rows[batch], np.zeros(len(batch), dtype=np.int64)))
        for layer, momentum in zip(norms, momenta, strict=True):
            layer.momentum = momentum
        self.network.eval()
        maps = self.task.maps
        parts = [
            features_of(self.network, maps.take(rows[at : at + 256], 0), device=self.device)
            for at in range(0, len(rows), 256)
        ]
        head = self.context.head
        places, labels = np.nonzero(self.task.targets[rows] > 0)  # a soft label counts as one row for each share
        shares = self.task.targets[rows[places], labels]
        weights = shares if self.task.weights is None else shares * self.task.weights[rows[places]]
        (fitted,) = fit_heads(
            [head.spec],
            np.concatenate(parts)[places],
            labels,
            n_classes=head.n_classes,
            weights=None if (weights == 1).all() else weights,
            seed=self.context.seed,
        )
        self.network.start_from(fitted)
        self.average = Average(self.network.live(), self.spec, self.n_steps_each)

    def _one_epoch(self) -> bool:
        """One pass; false where the loss is not finite any more, or after the first epoch far worse than a guess."""
        task, spec = self.task, self.spec
        generator = np.random.default_rng([self.context.seed, 1, self.epoch])
        torch.manual_seed(int(generator.integers(2**62)))  # of dropout: the same whether resumed or not
        views = epoch_views(len(task.train), task.maps.n_views, self.epoch, self.context.seed)
        self.network.train()
        losses = []
        for number, batch in enumerate(epoch_batches(len(task.train), spec.batch_size, generator, least=self.least)):
            step = self.epoch * self.n_steps_each + number
            losses.append(self._one_step(step, task.train[batch], views[batch], generator))
            if not math.isfinite(losses[-1]):
                return False
            self.context.on_step(len(batch))
        if self.epoch > 0 and np.mean(losses) > _DIVERGED * math.log(max(self.targets.shape[1], 2)):
            return False  # the first epoch may start high, where batch normalisation turns to new statistics
        if self.epoch == 0:
            self.columns["train_loss"][0] = losses[0]
        self.average.after_epoch(self.epoch)
        self.epoch += 1
        self._note(float(np.mean(losses)), self._validate(), self._rate(self.epoch * self.n_steps_each))
        self._keep_best()
        return True

    def _one_step(self, step: int, rows: Integers, views: Integers, generator: np.random.Generator) -> float:
        rate = self._rate(step)
        for group, factor in zip(self.optimizer.param_groups, self.factors, strict=True):
            group["lr"] = rate * factor
        maps, targets = mixed(self._maps(rows, views), self._targets(rows), self.spec, generator)
        with self._precision():
            logits = self.network(maps)
        loss = nn.functional.cross_entropy(logits.float(), targets)
        value = float(loss.detach())
        if not math.isfinite(value):
            return value
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        if self.spec.clip_norm > 0:
            nn.utils.clip_grad_norm_(list(self.network.parameters()), self.spec.clip_norm, foreach=True)
        self.optimizer.step()
        self.average.after_step(step)
        return value

    def _targets(self, rows: Integers) -> torch.Tensor:
        """Smoothed shares of the classes times the weight of the image, so that mixed images bring their own weights.

        Cross-entropy is linear in them.
        """
        smoothing = self.spec.label_smoothing
        shares = self.targets[rows] * (1 - smoothing) + smoothing / self.targets.shape[1]
        if self.task.weights is not None:
            shares = shares * (self.task.weights[rows, None] / self.mean_weight)
        return torch.from_numpy(shares).float().to(self.device)

    def _maps(self, rows: Integers, views: Integers) -> torch.Tensor:
        maps = torch.from_numpy(self.task.maps.take(rows, views)).to(self.device).float()
        return maps.contiguous(memory_format=torch.channels_last) if maps.ndim == 4 else maps

    def _precision(self) -> Any:
        kind = self.device.type
        if self.spec.precision == "bf16":
            return torch.autocast(kind, dtype=torch.bfloat16)
        return torch.autocast(kind, enabled=False)

    def _rate(self, step: int) -> float:
        n_warmup = round(self.spec.warmup_epochs * self.n_steps_each)
        n_steps = self.spec.epochs * self.n_steps_each
        return self.spec.learning_rate * rate_factor(step, n_steps=n_steps, n_warmup=n_warmup)

    def _validate(self) -> float:
        """Log loss of the validation rows as they are, by the weights that would be kept."""
        rows = self.task.valid
        if len(rows) == 0:
            return math.nan
        with self.average.in_place():
            head, maps = self.network.head(), self.task.maps  # one view: eight would cost as much as the training
            found = probabilities_of(self.network, head, maps, rows, device=self.device, n_views=1)
        each = -(self.task.targets[rows] * np.log(found)).sum(axis=1)
        weights = np.ones(len(rows)) if self.task.weights is None else self.task.weights[rows]
        return float(np.average(each, weights=weights))

    def _note(self, train: float, valid: float, rate: float) -> None:
        for name, value in (("train_loss", train), ("valid_loss", valid), ("rate", rate)):
            self.columns[name].append(value)

    def _history(self) -> History:
        return History(*(np.array(self.columns[name]) for name in ("train_loss", "valid_loss", "rate")))

    def _keep_best(self) -> None:
        history = self._history()
        if len(self.task.valid) and history.best_epoch == self.epoch:
            with self.average.in_place():
                self.best = self.network.to_arrays()

    def _is_enough(self) -> bool:
        """Whether validation has not become better for as many epochs as patience goes."""
        waited = self.epoch - self._history().best_epoch
        return bool(self.spec.patience) and len(self.task.valid) > 0 and waited >= self.spec.patience

    def _result(self) -> FineTuned:
        if self.best is None:
            with self.average.in_place():
                self.best = self.network.to_arrays()
        self.network.load(self.best)
        return FineTuned(self.best, self.network.head(), self._history(), self.spec.learning_rate)

    def _checkpoint(self) -> None:
        if self.context.store is not None:
            state = training_state(self.network, self.average, self.optimizer, best=self.best, columns=self.columns)
            self.context.store.put(self.key, state)

    def _resume(self) -> bool:
        """Take up the last checkpoint; false where there is none."""
        state = None if self.context.store is None else self.context.store.get(self.key)
        if state is None:
            return False
        self.columns = {name: state[f"column.{name}"].tolist() for name in self.columns}
        self.epoch = len(self.columns["rate"]) - 1
        self.best = restore_training(state, self.network, self.average, self.optimizer, device=self.device)
        self.context.on_step(self.epoch * len(self.task.train))
        return True
