"""Saved models of a fit: the bundle, and the small heads of the outer folds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headstart.augment import IDENTITY
from headstart.data.preparation import learned
from headstart.engines.engine import Engine
from headstart.finetuning import tuned_backbone
from headstart.model import FeatureRecipe, Model, Unlocked, image_marks
from headstart.storage import hash_bytes, write_bytes, write_json
from headstart.study.run import StudyResult
from headstart.workflow.job.environment import versions
from headstart.workflow.job.finetuning import fine_tuning_views
from headstart.workflow.job.job import Job
from headstart.workflow.job.sources import FeatureSource

if TYPE_CHECKING:
    from headstart.data import ImageDataset
    from headstart.data.preparation import Preparation
    from headstart.features.extractor import Extractor
    from headstart.results import RunResults
    from headstart.workflow.job.fold_extractors import FoldExtractors


def final_model(
    job: Job, dataset: ImageDataset, study: StudyResult, results: RunResults, extractor: Extractor
) -> Model:
    """The bundle of a run, from its refit on all images.

    Parameters
    ----------
    job : Job
    dataset : ImageDataset
    study : StudyResult
    results : RunResults
        Content of ``results.json``, parts of which the bundle repeats.
    extractor : Extractor
        What computes the features of the final model; its preparation was fitted on all images, where it is fitted.
    """
    training_set = study.plan.candidates[study.final.chosen].training_set
    facts = {
        **results.model_dump(mode="json", include={"headline", "metrics", "protocol"}),
        "positive": results.task.positive,
        "n_images": len(dataset),
        "data_sha256": results.task.data_sha256,
        "images_sha256": sorted(set(image_marks(dataset))),
        "versions": versions(),
    }
    if study.final.fine_tuned is not None and study.final.fine_tuned.fitted is not None:
        return _tuned_model(job, study, facts, extractor)
    return Model(
        backbone=extractor.backbone,
        preparation=extractor.preparation,
        engine=extractor.engine,
        head=study.final.head,
        classes=dataset.classes,
        facts=facts,
        network=extractor.network,
        views=training_set.predicted_views(job.views.of_policy.get(training_set.augment, ())),
        decisions=study.final_decisions.fitted,
        table=None if study.data.columns is None else study.data.columns.encoding(study.final.outer),
        features=FeatureRecipe.of(extractor),
    )


def _tuned_model(job: Job, study: StudyResult, facts: dict[str, Any], extractor: Extractor) -> Model:
    """The bundle where stages were unlocked: it predicts from the maps of the last frozen stage, as it was judged."""
    tuned = study.final.fine_tuned
    if tuned is None or tuned.fitted is None or study.fine_tuning is None or tuned.chosen is None:
        raise ValueError("no fine-tuning candidate was chosen")
    fitted = tuned.fitted
    views, engine = fine_tuning_views(job), extractor.engine
    spec = study.fine_tuning.specs[tuned.chosen]
    if tuned.stage is None:  # nothing is left of the network that the engine was tried on
        engine = Engine(device=engine.device, n_threads=engine.n_threads)
    unlocked = Unlocked(tuned.stage, spec.to_json(), fitted.best_epoch)
    return Model(
        backbone=tuned_backbone(study.fine_tuning.backbone(tuned.source, spec), tuned.stage, fitted.arrays),
        preparation=extractor.preparation,
        engine=engine,
        head=fitted.head,
        classes=job.audited.dataset.classes,
        facts=facts,
        views=() if views == (IDENTITY,) else views,
        decisions=study.final_decisions.fitted,
        unlocked=unlocked,
    )


def save_fold_heads(
    folder: Path, sources: Sequence[FeatureSource], extractors: FoldExtractors, study: StudyResult
) -> None:
    """The small heads of the outer folds, for explanations and checks, each with what its features come from."""
    from safetensors.numpy import save

    entries = []
    for result, decided in zip(study.folds, study.decisions, strict=True):
        content = bytes(save(result.head.to_tensors()))
        name = f"{result.outer.key}.safetensors"
        write_bytes(folder / name, content)
        place = {"repeat": result.outer.repeat, "fold": result.outer.fold}
        source = sources[study.plan.source_of(result.chosen)]
        preparation = extractors.preparation(result.outer, source.number)
        head = {"file": name, "sha256": hash_bytes(content), "head": result.head.spec.to_json()}
        fitted = {"decisions": decided.fitted.to_json()}
        if study.data.columns is not None:
            fitted["table"] = study.data.columns.encoding(result.outer).to_json()
        entries.append({**place, **head, **fitted, "source": _source(source, preparation)})
    write_json(folder / "heads.json", {"format": 2, "heads": entries})
    if len(sources) > 1:  # the bundle holds the quantised network of one source only
        for source in sources:
            source.save_network(folder)


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
