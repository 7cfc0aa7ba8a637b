"""How long the fine-tuning candidates take, and what a budget leaves of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from headstart.engines.capabilities import torch_precisions, training_precision
from headstart.features.extractor import Extractor
from headstart.finetuning import FineTuneSpec
from headstart.finetuning.cost import step_seconds
from headstart.finetuning.spec import Precision
from headstart.study.folds import HOLDOUT, OuterFold

MIN_EPOCHS: Final = 3


@dataclass(frozen=True, eq=False)
class FineTuningTime:
    """About how long trainings take at most, from a few steps on blank maps.

    A fold trains the network that its frozen features chose, which is not known yet: the slowest counts.

    Attributes
    ----------
    extractors : tuple of Extractor
        Networks that a fold may choose.
    maps_s : float
        Seconds per image and view of the frozen stages of all networks.
    folds : tuple of OuterFold
        The outer folds, and the refit on all images last.
    n_images, n_classes : int
    n_views : int
        Number of views of each image that is trained on.
    scratch_is_baseline : bool
        Training from scratch is judged on its own in every outer fold, chosen or not.
    refits_all : bool
        Every candidate may be trained on all training rows, as a member of an ensemble; else the chosen one is.
    is_measured : bool
        The precision of training is the faster by a trial, not that of the rule.
    """

    extractors: tuple[Extractor, ...]
    maps_s: float
    folds: tuple[OuterFold, ...]
    n_images: int
    n_classes: int
    n_views: int
    scratch_is_baseline: bool
    is_measured: bool
    refits_all: bool = False
    _trials: dict[tuple[int | str, int, str, str], tuple[float, float]] = field(default_factory=dict)

    def precision(self, spec: FineTuneSpec) -> Precision:
        """The requested one, or that of the rule; where it is measured the faster by a trial of this very step."""
        if spec.precision != "auto":
            return spec.precision
        device = self.extractors[0].engine.device
        if not self.is_measured or "bf16" not in torch_precisions(device):
            return training_precision(device)
        both: tuple[Precision, ...] = ("fp32", "bf16")
        return min(both, key=lambda name: self._trial(replace(spec, precision=name))[0])

    def seconds(self, specs: Sequence[FineTuneSpec]) -> float:
        """Seconds of all trainings of some candidates at most, their maps and predictions."""
        total = 0.0
        for spec in specs:
            train, forward = self._trial(spec)
            for fold in self.folds:
                n_train, n_valid = (len(rows) for rows in fold.inner[HOLDOUT])
                total += n_train * spec.epochs * train + n_valid * (spec.epochs + self.n_views) * forward
        if self.refits_all:
            total += sum(self._refits(self.folds, spec.epochs, *self._trial(spec)) for spec in specs)
        else:
            train, forward = max((self._trial(spec) for spec in specs), default=(0.0, 0.0))
            epochs = max((spec.epochs for spec in specs), default=0)
            total += self._refits(self.folds, epochs, train, forward)
        for spec in specs:
            if spec.start == "random" and self.scratch_is_baseline:  # without a refit on all images
                total += self._refits(self.folds[:-1], spec.epochs, *self._trial(spec))
        return total + self.n_images * self.n_views * self.maps_s * len(specs)

    def _refits(self, folds: Sequence[OuterFold], epochs: int, train: float, forward: float) -> float:
        """Seconds of one training on all training images of every fold, and of the predictions of its test images."""
        return sum(len(fold.train) * epochs * train + len(fold.test) * self.n_views * forward for fold in folds)

    def _trial(self, spec: FineTuneSpec) -> tuple[float, float]:
        """Seconds of training and of predicting, per image, of the network that takes longest."""
        name = (spec.unlock, spec.batch_size, spec.precision, spec.norms)
        if name not in self._trials:
            each = [step_seconds(extractor, spec, self.n_classes) for extractor in self.extractors]
            self._trials[name] = max(each, key=sum)
        return self._trials[name]


def within_budget(
    specs: Sequence[FineTuneSpec], seconds: Callable[[Sequence[FineTuneSpec]], float], minutes: float | None
) -> tuple[tuple[FineTuneSpec, ...], list[str]]:
    """Fine-tuning candidates within a budget, and in words what was trimmed and how long the rest takes.

    Parameters
    ----------
    specs : sequence of FineTuneSpec
    seconds : callable
        About how long some candidates take.
    minutes : float or None
        The budget; None: as long as it takes.

    Notes
    -----
    Training from scratch goes first, then the candidates that take longest, then epochs of the last one left, down to
    3; then that one goes too.
    """
    kept, notes = list(specs), []
    limit = np.inf if minutes is None else minutes * 60
    while kept and seconds(kept) > limit:
        if len(kept) > 1:
            worst = max(kept, key=lambda spec: (spec.start == "random", seconds([spec])))
            kept.remove(worst)
            notes.append(f"Budget of {minutes:g} minutes: left out is {worst.label}.")
        elif kept[0].epochs > MIN_EPOCHS:
            fewer = max(MIN_EPOCHS, kept[0].epochs * 2 // 3)
            kept[0] = replace(kept[0], epochs=fewer, warmup_epochs=min(kept[0].warmup_epochs, fewer / 3))
        else:
            notes.append(
                f"Budget of {minutes:g} minutes: nothing is fine-tuned, since {MIN_EPOCHS} epochs take about "
                f"{seconds(kept) / 60:.2g} minutes."
            )
            kept.clear()
    if kept and kept[0].epochs < specs[0].epochs and len(kept) == 1:
        longer = next(spec for spec in specs if spec.unlock == kept[0].unlock)
        if longer.epochs > kept[0].epochs:
            notes.append(f"Budget of {minutes:g} minutes: {kept[0].epochs} epochs instead of {longer.epochs}.")
    if kept:
        listed = "; ".join(spec.label for spec in kept)
        notes.insert(0, f"Fine-tuning ({listed}): about {seconds(kept) / 60:.1f} minutes at most.")
    return tuple(kept), notes
