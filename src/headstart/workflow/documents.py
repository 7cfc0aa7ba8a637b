"""``results.json``: what was asked, tried and found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from headstart.backbones.weights import RANDOM
from headstart.study.results import candidate_rows, fold_rows, headline, optimism
from headstart.version import __version__
from headstart.workflow.inspect import Twins
from headstart.workflow.job import Job, Studied

if TYPE_CHECKING:
    from headstart.data import ImageDataset
    from headstart.data.audit import Audit
    from headstart.data.split import Split

RESULTS_FORMAT = 1


def results_document(job: Job, dataset: ImageDataset, twins: Twins, split: Split, study: Studied) -> dict[str, Any]:
    """Content of ``results.json``: the same bytes for the same input, seed and machine kind."""
    found = study.evaluation.to_json()
    n_groups = None if dataset.groups is None else len(np.unique(dataset.groups))
    random_weights = job.options.weights == RANDOM
    final = study.plan.specs[study.final.chosen]
    return {
        "format": RESULTS_FORMAT,
        "headstart": __version__,
        "headline": headline(study.evaluation, _size(job, dataset), random_weights=random_weights),
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
        "backbone": _backbone(job),
        "engine": job.engine_record,
        "metrics": found["metrics"],
        "per_class": found["per_class"],
        "confusion": found["confusion"],
        "folds": fold_rows(study.data, study.folds, study.plan),
        "candidates": candidate_rows(study.folds, study.plan),
        "optimism": optimism(study.folds, study.evaluation, study.plan),
        "audit": audit_document(job.inspected.audit, twins),
        "final_model": {
            **final.to_json(),
            "label": final.label,
            "inner_score": float(study.final.inner_scores[study.final.chosen]),
        },
        "leakage_tax": study.tax,
        "warnings": _warnings(job.inspected.warnings, split.notes),
    }


def _size(job: Job, dataset: ImageDataset) -> str:
    """Number of images and groups in words."""
    if dataset.groups is None:
        return f"{len(dataset):,} images"
    n_groups = len(np.unique(dataset.groups))
    if job.inspected.dataset.groups is None:
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
        "data_sha256": job.inspected.dataset.fingerprint(),
    }


def _backbone(job: Job) -> dict[str, Any]:
    backbone = job.extractor.backbone
    return {
        "name": backbone.name,
        "weights": backbone.weights.to_json(),
        "stage": backbone.stage,
        "feature_width": backbone.feature_width,
        "preparation": job.extractor.preparation.settings(),
        "normalisation": {"mean": list(backbone.mean), "std": list(backbone.std)},
        "trained_at": {"input_size": list(backbone.input_size), "crop_fraction": backbone.crop_fraction},
        **job.extractor.engine.to_json(),
    }


def audit_document(audit: Audit, twins: Twins) -> dict[str, Any]:
    """The audit as kept in results.json: near duplicates that were confirmed instead of every candidate."""
    found = audit.to_json()
    for name in ("near_duplicate_candidates", "near_duplicate_candidates_cut", "warnings", "notes"):
        del found[name]
    return {**found, "twins": twins.to_json()}


def _warnings(*sources: Sequence[str]) -> list[str]:
    """All warnings, each once, in order."""
    return list(dict.fromkeys(text for source in sources for text in source))
