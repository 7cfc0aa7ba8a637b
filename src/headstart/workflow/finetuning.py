"""Costly candidates of a fit: which there are, about how long they take, and what a budget leaves of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from headstart.augment import IDENTITY, View
from headstart.backbones.backbone import Backbone, load_backbone
from headstart.backbones.weights import RANDOM
from headstart.engines.capabilities import torch_precisions, training_precision
from headstart.errors import InputError, unknown_name
from headstart.features.extractor import Extractor
from headstart.finetuning import FROM_SCRATCH, FineTuneSpec, Maps, frozen_stage, open_maps
from headstart.finetuning.cost import step_seconds
from headstart.storage import hash_json, write_json
from headstart.study.finetuning import FineTuningStudy
from headstart.study.folds import HOLDOUT, final_fold, outer_folds

if TYPE_CHECKING:
    from headstart.data import ImageDataset
    from headstart.data.split.split import Split
    from headstart.features.cache import FeatureCache
    from headstart.workflow.job import Job
    from headstart.workflow.options.fit import FitOptions
    from headstart.workflow.sources import FeatureSource

FEATURE_EXTRACTION: Final = "feature-extraction"
FINE_TUNE: Final = "fine-tune"
SCRATCH: Final = "scratch"
STRATEGIES: Final = (FEATURE_EXTRACTION, FINE_TUNE, SCRATCH)

DECIDED_FILE: Final = "fine-tuning.json"
MIN_EPOCHS: Final = 3
_SHARE: Final = 0.5  # of the parameters: as many last stages as hold it are unlocked where nothing is said


def requested_specs(options: FitOptions) -> tuple[FineTuneSpec, ...]:
    """The costly candidates that the options ask for, with ``unlock`` 0 where its depth is left open; perhaps none.

    Raises
    ------
    InputError
        For an unknown strategy or setting, or settings of a fine-tuning that is not requested.
    """
    asked = [name.strip() for name in options.strategy.split(",")]
    for name in asked:
        if name not in STRATEGIES:
            raise InputError(unknown_name("strategy", name, STRATEGIES))
    if FINE_TUNE not in asked:
        named: dict[str, Any] = {"--unlock": options.unlock, "--fine-tuning": options.fine_tuning}
        named |= {} if SCRATCH in asked else {"--budget": options.budget}
        given = [name for name, value in named.items() if value is not None]
        if given:
            raise InputError(f"{given[0]} belongs to fine-tuning. Add --strategy fine-tune, or leave it out.")
        return (FROM_SCRATCH,) if SCRATCH in asked else ()
    settings = parse_settings(options.fine_tuning)
    depths = [None] if options.unlock is None else [_depth(part) for part in str(options.unlock).split(",")]
    if len(set(depths)) < len(depths):
        raise InputError(f"--unlock {options.unlock} names a depth twice.")
    found = [FineTuneSpec(**{**settings, **({} if depth is None else {"unlock": depth})}) for depth in depths]
    scratch = SCRATCH in asked or (options.budget is not None and options.baselines)  # trimmed first where too long
    return (*found, FROM_SCRATCH) if scratch else tuple(found)


def parse_settings(given: Any) -> dict[str, Any]:
    """Settings of a fine-tuning from ``epochs=20,mix=mixup`` or a mapping.

    Raises
    ------
    InputError
        For what is no ``name=value``, an unknown name or a value out of range.

    Examples
    --------
    >>> parse_settings("epochs=20, learning_rate=1e-3,mix=mixup")
    {'epochs': 20, 'learning_rate': 0.001, 'mix': 'mixup'}
    """
    if given is None:
        return {}
    if isinstance(given, str):
        pairs = [part.partition("=") for part in given.split(",")]
        if not all(name.strip() and sign and value.strip() for name, sign, value in pairs):
            raise InputError(f"--fine-tuning {given!r} should read name=value,name=value, such as epochs=20,mix=mixup.")
        names = [name.strip() for name, _, _ in pairs]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise InputError(f"--fine-tuning {given!r} gives {twice} twice. Give it once.")
        given = {name.strip(): _value(value.strip()) for name, _, value in pairs}
    settings = dict(given)
    if "unlock" in settings:
        raise InputError("The depth of a fine-tuning is given by --unlock, not among its settings.")
    FineTuneSpec.from_json(settings)
    return settings


def _value(text: str) -> Any:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _depth(text: str) -> int | str:
    text = text.strip()
    return int(text) if text.isdigit() else text


def default_unlock(source: FeatureSource) -> int:
    """The fewest last stages that hold half of a backbone's parameters."""
    staged = source.extractor.backbone.staged
    sizes = [sum(parameter.numel() for parameter in stage.module.parameters()) for stage in staged.stages]
    held = np.cumsum(sizes[::-1]) / max(sum(sizes), 1)
    return int(np.argmax(held >= _SHARE)) + 1


def open_depth(sources: Sequence[FeatureSource]) -> int:
    """The depth where none is asked for: the least default of the sources, so that each has as many stages."""
    return min(default_unlock(source) for source in sources)


def check_tuning(options: FitOptions, sources: Sequence[FeatureSource]) -> None:
    """Refuse what cannot be unlocked, before anything is written.

    Raises
    ------
    InputError
        When more stages are to be unlocked than there are, or the engine gives no stage maps.
    """
    for spec in requested_specs(options):
        for source in sources:
            extractor = source.extractor
            if options.unlock is not None or spec.start == "random":
                frozen_stage(spec.unlock, extractor.backbone.staged.names, backbone=extractor.backbone.name)
            if extractor.engine.precision == "int8":
                raise InputError(
                    "Fine-tuning needs the maps of a stage, which int8 does not give: the network is quantised as a "
                    "whole. Use another --precision."
                )


def tuning_views(job: Job) -> tuple[View, ...]:
    """The views that are trained on: of the first policy that the search names, or the images alone."""
    policies = job.views.of_policy
    return next(iter(policies.values())) if policies else (IDENTITY,)


def decide_tuning(
    job: Job, dataset: ImageDataset, split: Split, cache: FeatureCache, folder: Path
) -> FineTuningStudy | None:
    """The costly candidates of a run, within its budget; None where there are none.

    What a trial on this machine decides (precision, what the budget leaves) is written down before it is used, so a
    run that is resumed goes on with it.

    Parameters
    ----------
    job : Job
    dataset : ImageDataset
    split : Split
    cache : FeatureCache
    folder : Path
        Unfinished work of the run.
    """
    asked_for = requested_specs(job.options)
    if not asked_for:
        return None
    path = folder / DECIDED_FILE
    asked = hash_json([spec.to_json() for spec in asked_for])
    decided = _read_decided(path, asked)
    if decided is None:
        specs, notes, _ = plan_tuning(job, split)
        decided = {"asked": asked, "specs": [spec.to_json() for spec in specs], "notes": notes}
        write_json(path, decided)
    for note in decided["notes"]:
        job.progress.note(note)
    kept = tuple(FineTuneSpec.from_json(spec) for spec in decided["specs"])
    if not kept:
        return None
    views = tuning_views(job)

    def opened_maps(source: int, stage: str | None) -> Maps:
        extractor = staged_extractor(job.sources[source].extractor, stage)
        return open_maps(dataset, extractor, views, cache=cache, progress=job.progress)

    engine = job.sources[0].extractor.engine
    backbones = tuple(source.extractor.backbone for source in job.sources)
    random = _random_backbones(job) if any(spec.start == "random" for spec in kept) else ()
    return FineTuningStudy(kept, backbones, opened_maps, random, n_threads=engine.n_threads, device=engine.device)


def plan_tuning(job: Job, split: Split) -> tuple[tuple[FineTuneSpec, ...], list[str], float]:
    """The costly candidates that fit the budget, what is to be said of them, and their seconds at most.

    Each is tried for a few steps on blank maps; nothing is written.

    Parameters
    ----------
    job : Job
    split : Split
    """
    specs = requested_specs(job.options)
    if not specs:
        return (), [], 0.0
    if job.options.unlock is None:
        depth = open_depth(job.sources)
        specs = tuple(spec if spec.start == "random" else replace(spec, unlock=depth) for spec in specs)
    estimate = _Estimate(job, split)
    specs = tuple(replace(spec, precision=estimate.precision(spec)) for spec in specs)
    specs, notes = within_budget(specs, estimate.seconds, job.options.budget)
    return specs, notes, estimate.seconds(specs) if specs else 0.0


def _random_backbones(job: Job) -> tuple[Backbone, ...]:
    names = [source.extractor.backbone.name for source in job.sources]
    return tuple(load_backbone(name, weights=RANDOM, offline=True, seed=job.options.seed) for name in names)


def staged_extractor(extractor: Extractor, stage: str | None) -> Extractor:
    """An extractor of the maps of a stage, on the same engine."""
    if stage is None:
        return Extractor(extractor.backbone, extractor.preparation, extractor.engine)
    return Extractor(
        extractor.backbone, extractor.preparation, extractor.engine, stage=stage, network_cache=extractor.network_cache
    )


def _read_decided(path: Path, asked: str) -> dict[str, Any] | None:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and found.get("asked") == asked else None


def within_budget(
    specs: Sequence[FineTuneSpec], seconds: Callable[[Sequence[FineTuneSpec]], float], minutes: float | None
) -> tuple[tuple[FineTuneSpec, ...], list[str]]:
    """What a budget leaves of the costly candidates, and in words what was trimmed and about how long the rest takes.

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


class _Estimate:
    """About how long trainings take at most, from a few steps on blank maps.

    A fold trains the network that its frozen features chose, which is not known yet: the slowest counts.
    """

    def __init__(self, job: Job, split: Split) -> None:
        self.job = job
        self.folds = [*outer_folds(split), final_fold(split)]
        self._trials: dict[tuple[int | str, int, str, str], tuple[float, float]] = {}

    def precision(self, spec: FineTuneSpec) -> str:
        """The one asked for, or that of the rule; with ``--engine measure`` the faster by a trial of this very step."""
        if spec.precision != "auto":
            return spec.precision
        device = self.job.sources[0].extractor.engine.device
        if self.job.options.engine != "measure" or "bf16" not in torch_precisions(device):
            return training_precision(device)
        return min(("fp32", "bf16"), key=lambda name: self._trial(replace(spec, precision=name))[0])

    def seconds(self, specs: Sequence[FineTuneSpec]) -> float:
        """Seconds of all trainings of some candidates at most, their maps and predictions."""
        total = 0.0
        n_views = len(tuning_views(self.job))
        for spec in specs:
            train, forward = self._trial(spec)
            for fold in self.folds:
                n_train, n_valid = (len(rows) for rows in fold.inner[HOLDOUT])
                total += n_train * spec.epochs * train + n_valid * (spec.epochs + n_views) * forward
        train, forward = max((self._trial(spec) for spec in specs), default=(0.0, 0.0))
        epochs = max((spec.epochs for spec in specs), default=0)
        total += sum(len(fold.train) * epochs * train + len(fold.test) * n_views * forward for fold in self.folds)
        judged_alone = [spec for spec in specs if spec.start == "random" and self.job.options.baselines]
        for spec in judged_alone:  # a rival in every outer fold, chosen or not, without a refit
            train, forward = self._trial(spec)
            each = [len(f.train) * spec.epochs * train + len(f.test) * n_views * forward for f in self.folds[:-1]]
            total += sum(each)
        n_images = len(self.job.audited.dataset)
        return total + n_images * n_views * self._trunk_seconds() * len(specs)

    def _trunk_seconds(self) -> float:
        """Seconds per image and view for the maps of all networks, each of which some fold may choose."""
        return sum(source.rough_seconds_per_image for source in self.job.sources)

    def _trial(self, spec: FineTuneSpec) -> tuple[float, float]:
        """Seconds of training and of predicting, per image, of the network that takes longest."""
        name = (spec.unlock, spec.batch_size, spec.precision, spec.norms)
        if name not in self._trials:
            n_classes = len(self.job.audited.dataset.classes)
            each = [step_seconds(source.extractor, spec, n_classes) for source in self.job.sources]
            self._trials[name] = max(each, key=sum)
        return self._trials[name]
