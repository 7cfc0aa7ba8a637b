"""Saved models of a fit: the bundle, and the small heads of the outer folds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from headstart.augment import IDENTITY
from headstart.backbones.feature_block import HANDCRAFTED
from headstart.data.preparation import learned
from headstart.decisions import AS_THEY_ARE
from headstart.engines.engine import Engine
from headstart.errors import EngineError
from headstart.finetuning import tuned_backbone
from headstart.model import FeatureRecipe, Model, NoveltyDetector, Unlocked, image_marks
from headstart.model.batch_of_one import BatchOfOne, takes_one
from headstart.model.passes import Price, price_of
from headstart.progress import Progress, Silent
from headstart.results.writers.ensemble import member_label
from headstart.storage import hash_bytes, write_bytes, write_json
from headstart.study.run import StudyResult
from headstart.workflow.job.environment import versions
from headstart.workflow.job.finetuning import fine_tuning_views
from headstart.workflow.job.job import Job
from headstart.workflow.job.sources import FeatureSource

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from headstart.data import ImageDataset
    from headstart.data.preparation import Preparation
    from headstart.features.cache import FeatureCache
    from headstart.features.extractor import Extractor
    from headstart.finetuning import FineTuned
    from headstart.heads import FittedHead
    from headstart.results import RunResults
    from headstart.study.fold_result import EnsembleMember, FoldResult
    from headstart.study.novelty import NoveltyStudy
    from headstart.workflow.job.fold_extractors import FoldExtractors

_N_TRIED: Final = 4
"""Training images on which single pictures are compared with whole batches."""
_AS_A_BATCH: Final = "A prediction for one picture will cost as much as for a whole batch"


def final_members(
    job: Job, study: StudyResult, extractors: FoldExtractors, *, novelty: NoveltyStudy | None = None
) -> tuple[Model, ...]:
    """Heads of the refit on all images with what gives their features: one, or the members of an ensemble.

    Where unlike images are told, one of them tells them. If none reads the features that distances are measured in, as
    a fine-tuned network does not, the best head on frozen features stands behind the others, without a vote.
    """
    final = study.final
    if final.ensemble is not None and final.ensemble.is_kept:
        members = [_ensemble_member(job, study, final, one, extractors) for one in final.ensemble.members]
        sources = [None if one.is_tuned else study.plan.source_of(one.number) for one in final.ensemble.members]
    else:
        members = [_single_member(job, study, final, extractors)]
        sources = [None if members[0].unlocked is not None else study.plan.source_of(final.chosen)]
    if novelty is None:
        return tuple(members)
    if novelty.final.source not in sources:
        extractor = extractors.extractor(final.outer, novelty.final.source)
        members.append(_frozen_member(job, study, final.chosen, final.head, extractor))
        sources.append(novelty.final.source)
    place = sources.index(novelty.final.source)
    detector = NoveltyDetector(novelty.final.distance, novelty.final.threshold)
    return (*members[:place], replace(members[place], novelty=detector), *members[place + 1 :])


def fold_model(
    job: Job, study: StudyResult, result: FoldResult, extractors: FoldExtractors, *, batch_size: int
) -> Model:
    """The model of an outer fold as it was judged, on torch in fp32, for explanations of images that it never saw.

    Of an ensemble it is the member of the largest weight among those that see the network.

    Parameters
    ----------
    job : Job
    study : StudyResult
    result : FoldResult
    extractors : FoldExtractors
    batch_size : int
        Images of one forward pass.
    """
    weightiest = _weightiest(job, study, result)
    if weightiest is None:
        model = _single_member(job, study, result, extractors)
    else:
        model = _ensemble_member(job, study, result, weightiest, extractors)
    return replace(
        model,
        engine=Engine(device=model.engine.device, n_threads=model.engine.n_threads, batch_size=batch_size),
        network=None,
        views=(),
        decisions=AS_THEY_ARE if result.decisions is None else result.decisions.fitted,
        table=None if study.data.columns is None else study.data.columns.encoding(result.outer),
    )


def fold_model_source(job: Job, study: StudyResult, result: FoldResult) -> int:
    """Number of the source of the features that the head of `fold_model` takes."""
    weightiest = _weightiest(job, study, result)
    frozen = result.chosen if weightiest is None or weightiest.is_tuned else weightiest.number
    return study.plan.source_of(frozen)


def _weightiest(job: Job, study: StudyResult, result: FoldResult) -> EnsembleMember | None:
    """The member of the largest weight; None where no ensemble was kept.

    Members on descriptors alone, which know no places of an image, are passed over where another one sees the network.
    """
    if result.ensemble is None or not result.ensemble.is_kept:
        return None
    members = result.ensemble.members
    seeing = [one for one in members if one.is_tuned or _sees_network(job.sources[study.plan.source_of(one.number)])]
    return max(seeing or members, key=lambda one: one.weight)


def _sees_network(source: FeatureSource) -> bool:
    return any(block not in HANDCRAFTED for block in source.extractor.blocks)


def _ensemble_member(
    job: Job, study: StudyResult, result: FoldResult, one: EnsembleMember, extractors: FoldExtractors
) -> Model:
    if one.fitted is None:
        extractor = extractors.extractor(result.outer, study.plan.source_of(one.number))
        return _frozen_member(job, study, one.number, one.head, extractor)
    return _tuned_member(job, study, result, (one.number, one.fitted), extractors)


def _single_member(job: Job, study: StudyResult, result: FoldResult, extractors: FoldExtractors) -> Model:
    """The best candidate, or the fine-tuned one that took its place."""
    tuned = result.fine_tuned
    if tuned is not None and tuned.fitted is not None and tuned.chosen is not None:
        return _tuned_member(job, study, result, (tuned.chosen, tuned.fitted), extractors)
    extractor = extractors.extractor(result.outer, study.plan.source_of(result.chosen))
    return _frozen_member(job, study, result.chosen, result.head, extractor)


def members_price(members: Sequence[Model]) -> Price | None:
    """Price of a prediction by an ensemble; None for a model of one head."""
    return price_of([one.reader() for one in members]) if len(members) > 1 else None


def final_model(
    members: Sequence[Model],
    dataset: ImageDataset,
    study: StudyResult,
    results: RunResults,
) -> Model:
    """The bundle of a run, from its refit on all images.

    Parameters
    ----------
    members : sequence of Model
        What `final_members` gave.
    dataset : ImageDataset
    study : StudyResult
    results : RunResults
        Content of ``results.json``, parts of which the bundle repeats.
    """
    facts = {
        **results.model_dump(mode="json", include={"headline", "metrics", "protocol"}),
        "positive": results.task.positive,
        **({"ordered": True} if results.task.ordered else {}),
        "n_images": len(dataset),
        "data_sha256": results.task.data_sha256,
        "images_sha256": sorted(set(image_marks(dataset))),
        "versions": versions(),
    }
    ensemble = study.final.ensemble
    votes = (1.0,) if ensemble is None or not ensemble.is_kept else tuple(one.weight for one in ensemble.members)
    silent = (0.0,) * (len(members) - len(votes))
    return replace(
        members[0],
        facts=facts,
        decisions=study.final_decisions.fitted,
        table=None if study.data.columns is None else study.data.columns.encoding(study.final.outer),
        others=tuple(members[1:]),
        weights=(*votes, *silent) if len(members) > 1 else (),
    )


def with_batch_of_one(model: Model, dataset: ImageDataset, cache: FeatureCache, progress: Progress) -> Model:
    """A model that takes a few pictures one by one, where on training images that agrees with whole batches.

    Parameters
    ----------
    model : Model
    dataset : ImageDataset
        The training images; a few of them are predicted both ways.
    cache : FeatureCache
        Has their features by whole batches; one by one they are computed and kept there.
    progress : Progress
        Told where a few pictures will cost as much as a whole batch.
    """
    engines = [one.engine for one in (model, *model.others)]
    if not all(map(takes_one, engines)):
        return model
    rows = np.unique(np.linspace(0, len(dataset) - 1, _N_TRIED).round().astype(np.int64))
    tried, cached = dataset.subset(rows), model.on_machine(cache=cache)
    try:
        batched, single = (_probabilities(one, tried) for one in (cached, cached.on_machine(batch_size=1)))
    except EngineError as error:  # not every network that OpenVINO can express, it can express for one picture
        progress.note(f"{_AS_A_BATCH}: the engine does not take one alone ({error})")
        return model
    found = BatchOfOne.measured(engines, batched, single)
    if found is None:
        progress.note(f"{_AS_A_BATCH}: training images tried one by one did not confirm their probabilities.")
    return replace(model, batch_of_one=found)


def _probabilities(model: Model, dataset: ImageDataset) -> NDArray[np.float64]:
    """Probabilities of the images that can still be read, (n, n_classes)."""
    found = [one.probabilities for one in model.predict_each(dataset, progress=Silent()) if one.error is None]
    return np.array(found, dtype=np.float64).reshape(len(found), len(model.classes))


def _frozen_member(job: Job, study: StudyResult, number: int, head: FittedHead, extractor: Extractor) -> Model:
    """A head on frozen features."""
    training_set = study.plan.candidates[number].training_set
    return Model(
        backbone=extractor.backbone,
        preparation=extractor.preparation,
        engine=extractor.engine,
        head=head,
        classes=job.audited.dataset.classes,
        network=extractor.network,
        views=training_set.predicted_views(job.views.of_policy.get(training_set.augment, ())),
        features=FeatureRecipe.of(extractor),
    )


def _tuned_member(
    job: Job, study: StudyResult, result: FoldResult, trained: tuple[int, FineTuned], extractors: FoldExtractors
) -> Model:
    """A network whose stages were unlocked: it predicts from the maps of the last frozen stage, as it was judged."""
    (number, fitted), tuned, fine_tuning = trained, result.fine_tuned, study.fine_tuning
    if tuned is None or fine_tuning is None:
        raise ValueError("nothing was fine-tuned")
    extractor = extractors.extractor(result.outer, tuned.source)
    spec, views, engine = fine_tuning.specs[number], fine_tuning_views(job), extractor.engine
    stage = fine_tuning.stage(tuned.source, spec)
    if stage is None:  # nothing is left of the network that the engine was tried on
        engine = Engine(device=engine.device, n_threads=engine.n_threads)
    return Model(
        backbone=tuned_backbone(fine_tuning.backbone(tuned.source, spec), stage, fitted.arrays),
        preparation=extractor.preparation,
        engine=engine,
        head=fitted.head,
        classes=job.audited.dataset.classes,
        views=() if views == (IDENTITY,) else views,
        unlocked=Unlocked(stage, spec.to_json(), fitted.best_epoch),
    )


def save_fold_heads(
    folder: Path, sources: Sequence[FeatureSource], extractors: FoldExtractors, study: StudyResult
) -> None:
    """The small heads of the outer folds, for explanations and checks, each with what its features come from."""

    def stored(name: str, head: FittedHead, result: FoldResult, number: int) -> dict[str, Any]:
        content = bytes(save(head.to_tensors()))
        write_bytes(folder / name, content)
        source = sources[study.plan.source_of(number)]
        described = _source(source, extractors.preparation(result.outer, source.number))
        return {"file": name, "sha256": hash_bytes(content), "head": head.spec.to_json(), "source": described}

    from safetensors.numpy import save

    entries = []
    for result, decided in zip(study.folds, study.decisions, strict=True):
        place = {"repeat": result.outer.repeat, "fold": result.outer.fold}
        fitted = {"decisions": decided.fitted.to_json()}
        if study.data.columns is not None:
            fitted["table"] = study.data.columns.encoding(result.outer).to_json()
        head = stored(f"{result.outer.key}.safetensors", result.head, result, result.chosen)
        entries.append({**place, **head, **fitted, **_members(study, result, stored)})
    write_json(folder / "heads.json", {"format": 2, "heads": entries})
    if len(sources) > 1:  # the bundle holds the quantised network of one source only
        for source in sources:
            source.save_network(folder)


def _members(
    study: StudyResult, result: FoldResult, stored: Callable[[str, FittedHead, FoldResult, int], dict[str, Any]]
) -> dict[str, Any]:
    """Members of a fold's ensemble with their weights; nothing of the trained stages of a network is in these files."""
    if result.ensemble is None or not result.ensemble.is_kept:
        return {}
    entries = []
    for number, one in enumerate(result.ensemble.members):
        name = f"{result.outer.key}-member{number}.safetensors"
        head = {} if one.is_tuned else stored(name, one.head, result, one.number)
        entries.append({"label": member_label(study, one), "weight": one.weight, **head})
    return {"ensemble": entries}


def _source(source: FeatureSource, preparation: Preparation) -> dict[str, Any]:
    """A source of features, so that they can be computed again: its label, backbone, weights and preparation."""
    extractor = source.extractor
    found = {
        "label": source.spec.label,
        "number": source.number,
        "backbone": extractor.backbone.name,
        "weights": extractor.backbone.weights.to_json(),
        "stage": extractor.backbone.stage,
        "preparation": preparation.settings(),
        "engine": extractor.engine.to_json(),
    }
    state = {name: values.tolist() for name, values in learned(preparation).items()}
    if not extractor.is_plain or extractor.averaged:
        found["features"] = FeatureRecipe.of(extractor).to_json()
    return {**found, "preparation_state": state} if state else found
