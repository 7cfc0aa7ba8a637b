"""``results.json``: what was asked, tried and found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.metrics.label_issues import find_label_issues
from headstart.results.agreement import agreement_document
from headstart.results.labels import labels_document
from headstart.study.decided import decisions_document
from headstart.study.decisions import decision_notes
from headstart.study.out_of_fold import candidate_rows, described, fold_rows, headline, optimism, training_set_rows
from headstart.study.run import StudyResult
from headstart.version import __version__
from headstart.workflow.finetuning_document import (
    budget_warnings,
    divergence_warnings,
    final_words,
    frozen_scores,
    tuning_document,
    with_tuned,
)
from headstart.workflow.job import Job
from headstart.workflow.near_duplicates import NearDuplicates
from headstart.workflow.options.training_set import left_out_notes
from headstart.workflow.sources import FeatureSource
from headstart.workflow.time_estimate import search_notes

if TYPE_CHECKING:
    from headstart.data import ImageDataset
    from headstart.data.audit.audit import Audit
    from headstart.data.split.split import Split
    from headstart.study.fold_result import FoldResult

RESULTS_FORMAT = 1


def results_document(
    job: Job, dataset: ImageDataset, twins: NearDuplicates, split: Split, study: StudyResult
) -> dict[str, Any]:
    """Content of ``results.json``: the same bytes for the same input, seed and machine kind."""
    found = study.evaluation.to_json()
    n_groups = None if dataset.groups is None else len(np.unique(dataset.groups))
    final = final_source(job, study)
    return {
        "format": RESULTS_FORMAT,
        "headstart": __version__,
        "headline": headline(study.evaluation, _size(job, dataset), random_weights=_is_random(final)),
        "task": _task(job, dataset, n_groups),
        "protocol": {
            "scheme": split.scheme,
            "own_folds": split.own_folds,
            "repeats": split.repeats,
            "choose_by": job.options.metric,
            "seed": job.options.seed,
            "split_hash": split.hash,
            "interval": found["interval"],
        },
        "backbone": _backbone(final),
        "engine": final.record,
        "sources": [_source(source, study) for source in job.sources],
        "search": _search(job, dataset, split, study),
        "metrics": found["metrics"],
        "per_class": found["per_class"],
        "confusion": found["confusion"],
        "folds": with_tuned(fold_rows(study.data, study.folds, study.plan), study),
        "candidates": candidate_rows(study.folds, study.plan),
        "audit": {
            **audit_document(job.audited.audit, twins, confirmed_by=job.sources[0].spec.label),
            "agreement": agreement_document(dataset, seed=job.options.seed),
        },
        "labels": labels_document(dataset, find_label_issues(study.oof)),
        "fine_tuning": tuning_document(job, study),
        "optimism": optimism(study.folds, frozen_scores(job, study), study.plan),
        "decisions": _decisions(job, study),
        "final_model": {
            **described(study.plan, study.final.chosen),
            **final_words(study),
            "inner_score": float(study.final.inner_scores[study.final.chosen]),
        },
        "leakage_tax": study.tax,
        "transfer": None,
        "warnings": _warnings(
            job.audited.warnings,
            split.notes,
            _random_among(job),
            budget_warnings(job, study),
            divergence_warnings(study),
            _decision_warnings(study),
        ),
    }


def with_transfer(results: dict[str, Any], transfer: dict[str, Any]) -> dict[str, Any]:
    """The results with the verdict whether transfer helped, in the headline too."""
    headline = results["headline"]
    if transfer["verdict"] is not None:
        headline = {**headline, "text": f"{headline['text']} {transfer['brief']}", "verdict": transfer["verdict"]}
    return {**results, "headline": headline, "transfer": transfer}


def _decisions(job: Job, study: StudyResult) -> dict[str, Any]:
    options = job.options
    return decisions_document(
        options.decision_rules, study.judged, study.decisions, study.final_decisions, seed=options.seed
    )


def _decision_warnings(study: StudyResult) -> list[str]:
    return decision_notes([*study.decisions, study.final_decisions], study.oof.classes)


def final_source(job: Job, study: StudyResult) -> FeatureSource:
    """What the features of the final model come from."""
    return job.sources[study.plan.source_of(study.final.chosen)]


def _is_random(source: FeatureSource) -> bool:
    return source.extractor.backbone.weights.is_random


def _random_among(job: Job) -> list[str]:
    """A warning where random weights compete with pretrained ones."""
    names = [source.spec.label for source in job.sources if _is_random(source)]
    if not names or len(names) == len(job.sources):
        return []
    return [f"Random weights compete, a baseline ({'; '.join(names)}); where they are chosen, nothing is transferred."]


def _size(job: Job, dataset: ImageDataset) -> str:
    """Number of images and groups in words."""
    if dataset.groups is None:
        return f"{len(dataset):,} images"
    n_groups = len(np.unique(dataset.groups))
    if job.audited.dataset.groups is None:
        return f"{len(dataset):,} images (twins joined to {n_groups:,} groups)"
    return f"{len(dataset):,} images in {n_groups:,} groups"


def _task(job: Job, dataset: ImageDataset, n_groups: int | None) -> dict[str, Any]:
    positive = job.positive
    counts = np.bincount(np.asarray(dataset.labels), minlength=len(dataset.classes)).tolist()
    return {
        "classes": list(dataset.classes),
        "positive": None if positive.code is None else dataset.classes[positive.code],
        "positive_reason": positive.reason,
        "n_images": len(dataset),
        "n_groups": n_groups,
        "class_counts": dict(zip(dataset.classes, counts, strict=True)),
        "weighted": dataset.weights is not None,
        "data_sha256": job.audited.dataset.fingerprint(),
    }


def _backbone(source: FeatureSource) -> dict[str, Any]:
    extractor = source.extractor
    backbone = extractor.backbone
    return {
        "name": backbone.name,
        "weights": backbone.weights.to_json(),
        "stage": backbone.stage,
        "feature_width": backbone.feature_width,
        "preparation": extractor.preparation.settings(),
        "normalisation": {"mean": list(backbone.mean), "std": list(backbone.std)},
        "trained_at": {"input_size": list(backbone.input_size), "crop_fraction": backbone.crop_fraction},
        **extractor.engine.to_json(),
    }


def source_document(source: FeatureSource) -> dict[str, Any]:
    """What features come from, so that they can be computed again: its label, backbone, weights and preparation."""
    extractor = source.extractor
    return {
        "label": source.spec.label,
        "number": source.number,
        "backbone": extractor.backbone.name,
        "weights": extractor.backbone.weights.to_json(),
        "stage": extractor.backbone.stage,
        "preparation": extractor.preparation.settings(),
        "engine": extractor.engine.to_json(),
    }


def _source(source: FeatureSource, study: StudyResult) -> dict[str, Any]:
    """One source: how its engine was chosen, and in how many outer folds one of its candidates was."""
    chosen = [study.plan.source_of(result.chosen) for result in study.folds]
    return {
        **source_document(source),
        "feature_width": source.extractor.backbone.feature_width,
        "engine_record": source.record,
        "times_chosen": chosen.count(source.number),
    }


def _search(job: Job, dataset: ImageDataset, split: Split, study: StudyResult) -> dict[str, Any]:
    """What was searched, in numbers; ``candidates.parquet`` has every candidate."""
    space = job.space
    return {
        "space": space.name.removeprefix("grid ").strip("'") if job.options.study is None else "study",
        "n_candidates": len(study.plan.candidates),
        "n_points": space.n_points(),
        "kinds": sorted({head.kind for head in study.plan.heads}),
        "method": "all" if space.halving is None else "halving",
        "halving": halving_words(study.folds),
        "notes": [*search_notes(study.plan, split, dataset), *left_out_notes(space, job.views, len(dataset))],
        "treatments": training_set_rows(study.plan, study.folds),
        "views": job.views.to_json(),
    }


def halving_words(folds: Sequence[FoldResult]) -> str | None:
    """One sentence on what successive halving saved in all outer folds; None where it was not used."""
    halved = [result.record.halved for result in folds if result.record.halved is not None]
    if not halved:
        return None
    fits, epochs = (np.sum([getattr(one, name) for one in halved], axis=0).tolist() for name in ("fits", "epochs"))
    with_epochs = f", {epochs[0]:,} of {epochs[1]:,} epochs" if epochs[1] else ""
    kept = [len(one.kept) for one in halved]
    came = f"{min(kept):,}" if min(kept) == max(kept) else f"{min(kept):,} to {max(kept):,}"
    return (
        f"Successive halving: {fits[0]:,} of {fits[1]:,} fits{with_epochs}; {came} of {len(halved[0].rung):,} "
        "candidates came to the end of each choice."
    )


def audit_document(audit: Audit, twins: NearDuplicates, *, confirmed_by: str) -> dict[str, Any]:
    """The audit as kept in results.json: near duplicates that were confirmed, and by which features."""
    found = audit.to_json()
    for name in ("near_duplicate_candidates", "near_duplicate_candidates_cut", "warnings", "notes"):
        del found[name]
    return {**found, "twins": {**twins.to_json(), "features_of": confirmed_by}}


def _warnings(*sources: Sequence[str]) -> list[str]:
    """All warnings, each once, in order."""
    return list(dict.fromkeys(text for source in sources for text in source))
