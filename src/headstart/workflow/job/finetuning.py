"""Fine-tuning in a fit: which candidates there are, on which stages, and what its budget leaves of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from headstart.augment import IDENTITY, View
from headstart.backbones.backbone import Backbone, load_backbone
from headstart.backbones.feature_block import LAST
from headstart.backbones.weights import RANDOM
from headstart.errors import InputError
from headstart.features.extractor import Extractor
from headstart.finetuning import FineTuneSpec, Maps, frozen_stage, open_maps
from headstart.storage import file_bytes, hash_json, parsed_json, write_json
from headstart.study.finetuning.budget import FineTuningTime, within_budget
from headstart.study.finetuning.fits import FineTuningStudy
from headstart.study.folds import OuterFold, final_fold, outer_folds
from headstart.study.search.candidate import FeatureSourceSpec
from headstart.workflow.job.sources import extract_all
from headstart.workflow.job.time_estimate import n_extractions
from headstart.workflow.options.finetuning import requested_specs

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from headstart.data.split.split import Split
    from headstart.workflow.job.fold_extractors import FoldExtractors
    from headstart.workflow.job.job import Job
    from headstart.workflow.job.sources import FeatureSource
    from headstart.workflow.options.fit import FitOptions

DECIDED_FILE: Final = "fine-tuning.json"
_SHARE: Final = 0.5  # of the parameters: as many last stages as hold it are unlocked by default


def default_unlock(source: FeatureSource) -> int:
    """The fewest last stages that hold half of a backbone's parameters."""
    staged = source.extractor.backbone.staged
    sizes = [sum(parameter.numel() for parameter in stage.module.parameters()) for stage in staged.stages]
    held = np.cumsum(sizes[::-1]) / max(sum(sizes), 1)
    return int(np.argmax(held >= _SHARE)) + 1


def open_depth(sources: Sequence[FeatureSource]) -> int:
    """The depth where none is requested: the least default of the sources, so that each has as many stages."""
    return min(default_unlock(source) for source in sources)


def check_fine_tuning(options: FitOptions, sources: Sequence[FeatureSource]) -> None:
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


def fine_tuning_views(job: Job) -> tuple[View, ...]:
    """The views that are trained on: of the first policy that the search names, or the images alone."""
    policies = job.views.of_policy
    return next(iter(policies.values())) if policies else (IDENTITY,)


def fine_tuning_study(job: Job, split: Split, extractors: FoldExtractors, folder: Path) -> FineTuningStudy | None:
    """The fine-tuning candidates of a run, within its budget; None where there are none.

    What a trial on this machine decides (precision, what the budget leaves) is written down before it is used, so a
    run that is resumed goes on with it.

    Parameters
    ----------
    job : Job
    split : Split
    extractors : FoldExtractors
        What is fitted for the features in a fold prepares its stage maps too.
    folder : Path
        Unfinished work of the run.
    """
    requested = requested_specs(job.options)
    if not requested:
        return None
    path = folder / DECIDED_FILE
    request = hash_json([spec.to_json() for spec in requested])
    decided = _read_decided(path, request)
    if decided is None:
        specs, notes, seconds = plan_fine_tuning(job, split)
        decided = {
            "requested": request,
            "specs": [spec.to_json() for spec in specs],
            "notes": notes,
            "seconds": seconds,
        }
        write_json(path, decided)
    for note in decided["notes"]:
        job.progress.note(note)
    kept = tuple(FineTuneSpec.from_json(spec) for spec in decided["specs"])
    if not kept:
        return None
    views = fine_tuning_views(job)

    def opened_maps(fold: OuterFold, source: int, stage: str | None) -> Maps:
        extractor = staged_extractor(extractors.extractor(fold, source), stage)
        return open_maps(extractors.dataset, extractor, views, cache=extractors.cache, progress=job.progress)

    engine = job.sources[0].extractor.engine
    backbones = tuple(source.extractor.backbone for source in job.sources)
    random = _random_backbones(job) if any(spec.start == "random" for spec in kept) else ()
    return FineTuningStudy(
        kept,
        backbones,
        opened_maps,
        random,
        n_threads=engine.n_threads,
        device=engine.device,
        is_fitted=extractors.is_fitted,
        seconds=decided.get("seconds"),
        start_features=_start_features(job, extractors),
    )


def _start_features(job: Job, extractors: FoldExtractors) -> Callable[[OuterFold, int], NDArray[np.float32] | None]:
    """Pooled output of the last stage by outer fold and source, for `FineTuningStudy.start_features`."""
    kept: dict[tuple[str, int], NDArray[np.float32]] = {}

    def start_features(fold: OuterFold, source: int) -> NDArray[np.float32] | None:
        extractor = extractors.extractor(fold, source)
        if extractor.blocks == (LAST,) and not extractor.averaged:
            return None  # they are those of the study
        of_fold = fold.key if extractors.is_fitted else ""
        if (of_fold, source) not in kept:
            for other in [other for other in kept if other[0] != of_fold]:
                del kept[other]
            last = extractor.with_blocks((LAST,), beside=extractor.computed)
            (kept[of_fold, source],) = extract_all(
                extractors.dataset, [last], extractors.cache, job.progress, fold=of_fold
            )
        return kept[of_fold, source]

    return start_features


def plan_fine_tuning(job: Job, split: Split) -> tuple[tuple[FineTuneSpec, ...], list[str], float]:
    """The fine-tuning candidates that fit the budget, notes on them for the user, and their seconds at most.

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
    time = _time(job, split)
    specs = tuple(replace(spec, precision=time.precision(spec)) for spec in specs)
    specs, notes = within_budget(specs, time.seconds, job.options.budget)
    return specs, notes, time.seconds(specs) if specs else 0.0


def _time(job: Job, split: Split) -> FineTuningTime:
    networks: dict[FeatureSourceSpec, FeatureSource] = {}
    for source in job.sources:  # of several sets of features on one network the first stands for all
        networks.setdefault(replace(source.spec, features=None), source)
    return FineTuningTime(
        extractors=tuple(source.extractor for source in networks.values()),
        maps_s=sum(source.rough_seconds_per_image for source in networks.values()) * n_extractions(job, split),
        folds=(*outer_folds(split), final_fold(split)),
        n_images=len(job.audited.dataset),
        n_classes=len(job.audited.dataset.classes),
        n_views=len(fine_tuning_views(job)),
        scratch_is_baseline=job.options.baselines,
        is_measured=job.options.engine == "measure",
        refits_all=job.options.ensemble,
    )


def _random_backbones(job: Job) -> tuple[Backbone, ...]:
    trained = [source.extractor.backbone for source in job.sources]
    return tuple(
        load_backbone(one.name, weights=RANDOM, offline=True, seed=job.options.seed, n_channels=one.n_channels)
        for one in trained
    )


def staged_extractor(extractor: Extractor, stage: str | None) -> Extractor:
    """An extractor of the maps of a stage, on the same engine."""
    if stage is None:
        return Extractor(extractor.backbone, extractor.preparation, extractor.engine)
    return Extractor(
        extractor.backbone, extractor.preparation, extractor.engine, stage=stage, network_cache=extractor.network_cache
    )


def _read_decided(path: Path, request: str) -> dict[str, Any] | None:
    try:
        found = parsed_json(file_bytes(path).decode())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and found.get("requested", found.get("asked")) == request else None
