"""``results.json`` of a fit, put together: what was asked, tried and found."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from headstart.data.channel_normalisation import FittedChannelNormalisation
from headstart.metrics.label_issues import find_label_issues
from headstart.results.models.audit import AuditFacts, NearDuplicateFacts
from headstart.results.models.candidates import FinalModel, SearchFacts, ViewSettings
from headstart.results.models.run_results import RESULTS_FORMAT, ProtocolFacts, RunResults, TaskFacts
from headstart.results.models.sources import SourceFacts
from headstart.results.models.transfer import TransferResults
from headstart.results.writers.agreement import agreement_facts
from headstart.results.writers.audit import audit_facts
from headstart.results.writers.candidates import (
    candidate_facts,
    candidate_rows,
    fold_rows,
    halving_words,
    ignored_groups,
    optimism,
    training_set_rows,
)
from headstart.results.writers.decisions import decision_results
from headstart.results.writers.ensemble import ensemble_results, final_ensemble, with_ensembles
from headstart.results.writers.estimates import class_scores, confusion_rows, estimates, interval_facts
from headstart.results.writers.finetuning import (
    final_fine_tuning,
    finetuning_results,
    frozen_scores,
    with_fine_tuning,
)
from headstart.results.writers.headline import headline
from headstart.results.writers.label_issues import label_facts
from headstart.results.writers.novelty import novelty_notes, novelty_results
from headstart.results.writers.ordinal import ordinal_results
from headstart.results.writers.sources import backbone_facts, engine_record, source_facts
from headstart.results.writers.table import table_facts
from headstart.study.decisions import decision_notes
from headstart.study.novelty import NoveltyStudy
from headstart.study.run import StudyResult
from headstart.version import __version__
from headstart.workflow.job.finetuning import fine_tuning_views
from headstart.workflow.job.finetuning_warnings import budget_warnings, divergence_warnings
from headstart.workflow.job.job import Job
from headstart.workflow.job.near_duplicates import NearDuplicates
from headstart.workflow.job.result_warnings import (
    audit_judged_on,
    label_issue_warnings,
    near_duplicate_warnings,
    never_predicted_warnings,
)
from headstart.workflow.job.sources import FeatureSource
from headstart.workflow.job.time_estimate import search_notes
from headstart.workflow.options.quick import PROVISIONAL
from headstart.workflow.options.training_set import left_out_notes

if TYPE_CHECKING:
    from headstart.data import ImageDataset
    from headstart.data.audit.audit import Audit
    from headstart.data.split.split import Split
    from headstart.features.extractor import Extractor
    from headstart.model.passes import Price
    from headstart.results.models.transferability import TransferabilityResults


def results_document(
    job: Job,
    dataset: ImageDataset,
    near_duplicates: NearDuplicates,
    split: Split,
    study: StudyResult,
    *,
    extractor: Extractor,
    price: Price | None = None,
    novelty: NoveltyStudy | None = None,
    transferability: TransferabilityResults | None = None,
) -> RunResults:
    """Content of ``results.json``: the same bytes for the same input, seed and machine kind.

    `extractor` computes the features of the final model, or of the best candidate of its ensemble; `price` is that of
    a prediction by an ensemble.
    """
    found, options, final = study.evaluation, job.options, final_source(job, study)
    audit = audit_judged_on(split, job.audited.audit, dataset)
    labels = label_facts(dataset, find_label_issues(study.oof))
    confusion = confusion_rows(found)
    return RunResults(
        format=RESULTS_FORMAT,
        headstart=__version__,
        provisional=options.quick,
        headline=headline(
            found,
            _size(job, dataset, study),
            random_weights=_is_random(final),
            has_network=not final.extractor.backbone.is_absent,
            provisional=options.quick,
        ),
        task=_task(job, dataset),
        protocol=_protocol(job, split, study),
        backbone=backbone_facts(extractor, final.spec.features),
        engine=engine_record(final.record, final.extractor.engine),
        sources=tuple(_source(source, study) for source in job.sources),
        search=_search(job, dataset, split, study),
        metrics=estimates(found.metrics),
        per_class=class_scores(found),
        confusion=confusion,
        folds=tuple(with_ensembles(with_fine_tuning(fold_rows(study.data, study.folds, study.plan), study), study)),
        candidates=tuple(candidate_rows(study.folds, study.plan)),
        audit=_audit(job, audit, dataset, near_duplicates),
        table=table_facts(job.audited.audit, study),
        ordinal=ordinal_results(study.oof, seed=options.seed),
        labels=labels,
        ensemble=ensemble_results(study, price),
        fine_tuning=finetuning_results(study, n_views=len(fine_tuning_views(job))),
        optimism=optimism(study.folds, frozen_scores(study), study.plan),
        decisions=decision_results(
            job.decision_rules, study.judged, study.decisions, study.final_decisions, seed=options.seed
        ),
        novelty=None if novelty is None else novelty_results(dataset, novelty, study.oof, seed=options.seed),
        final_model=final_ensemble(_final_model(study), study),
        optimism_from_ignored_groups=None if study.tax is None else ignored_groups(*study.tax),
        transfer=None,
        transferability=transferability,
        warnings=_warnings(
            [PROVISIONAL] if options.quick else [],
            job.audited.warnings,
            audit.warnings,
            near_duplicate_warnings(
                near_duplicates.near, len(dataset), groups_given=job.audited.dataset.groups is not None
            ),
            split.notes,
            never_predicted_warnings(dataset.classes, confusion),
            label_issue_warnings(labels.issues),
            _random_among(job),
            budget_warnings(job.options, study),
            divergence_warnings(study),
            _constant_channels(extractor),
            decision_notes([*study.decisions, study.final_decisions], study.oof.classes),
            [] if novelty is None else novelty_notes(novelty),
        ),
    )


def with_transfer(results: RunResults, transfer: TransferResults) -> RunResults:
    """The results with the verdict whether transfer helped, in the headline too."""
    headline = results.headline
    if transfer.verdict is not None:
        text = f"{headline.text} {transfer.brief}"
        headline = headline.model_copy(update={"text": text, "verdict": transfer.verdict})
    return results.model_copy(update={"headline": headline, "transfer": transfer})


def final_source(job: Job, study: StudyResult) -> FeatureSource:
    """Source of the final model's features."""
    return job.sources[study.plan.source_of(study.final.chosen)]


def _is_random(source: FeatureSource) -> bool:
    return source.extractor.backbone.weights.is_random


def _random_among(job: Job) -> list[str]:
    """A warning where random weights compete with pretrained ones."""
    names = [source.spec.label for source in job.sources if _is_random(source)]
    if not names or len(names) == len(job.sources):
        return []
    return [f"Random weights compete, a baseline ({'; '.join(names)}); where they are chosen, nothing is transferred."]


def _constant_channels(extractor: Extractor) -> list[str]:
    """A warning where a channel has nothing to be normalised by."""
    found = extractor.preparation
    if not isinstance(found, FittedChannelNormalisation) or not found.constant:
        return []
    names = found.base.channels or ("red", "green", "blue")
    named = " and ".join(names[number] for number in found.constant if names[number] != "none")
    if not named:
        return []
    return [f"All images have the same value in {named}: there it is shifted to the weights' mean, and not scaled."]


def _n_groups(dataset: ImageDataset) -> int | None:
    return None if dataset.groups is None else len(np.unique(dataset.groups))


def _size(job: Job, dataset: ImageDataset, study: StudyResult) -> str:
    """Number of images and groups in words, and of the judged ones where they are not all."""
    n_groups, n_judged = _n_groups(dataset), int(study.oof.judged.sum())
    size = f"{len(dataset):,} images"
    if n_groups is not None and job.audited.dataset.groups is None:
        size = f"{size} (near-duplicates joined to {n_groups:,} groups)"
    elif n_groups is not None:
        size = f"{size} in {n_groups:,} groups"
    return size if n_judged == len(dataset) else f"{size}, {n_judged:,} of them judged"


def _task(job: Job, dataset: ImageDataset) -> TaskFacts:
    positive = job.positive
    counts = np.bincount(np.asarray(dataset.labels), minlength=len(dataset.classes)).tolist()
    return TaskFacts(
        classes=tuple(dataset.classes),
        positive=None if positive.code is None else dataset.classes[positive.code],
        positive_reason=positive.reason,
        n_images=len(dataset),
        n_groups=_n_groups(dataset),
        class_counts=dict(zip(dataset.classes, counts, strict=True)),
        weighted=dataset.weights is not None,
        data_sha256=job.audited.dataset.fingerprint(),
        ordered=dataset.ordered,
        groups_given=job.audited.dataset.groups is not None,
    )


def _protocol(job: Job, split: Split, study: StudyResult) -> ProtocolFacts:
    return ProtocolFacts(
        scheme=split.scheme,
        own_folds=split.own_folds,
        repeats=split.repeats,
        choose_by=job.options.metric,
        seed=job.options.seed,
        split_hash=split.hash,
        interval=interval_facts(study.evaluation.interval),
        split_rule=split.rule,
    )


def _audit(job: Job, audit: Audit, dataset: ImageDataset, near_duplicates: NearDuplicates) -> AuditFacts:
    first = job.sources[0]
    confirmed_by = "handcrafted descriptors" if first.extractor.backbone.is_absent else first.spec.label
    return audit_facts(
        audit,
        NearDuplicateFacts(**near_duplicates.to_json(), features_of=confirmed_by),
        agreement_facts(dataset, seed=job.options.seed),
    )


def _source(source: FeatureSource, study: StudyResult) -> SourceFacts:
    """One source: how its engine was chosen, and in how many outer folds one of its candidates was."""
    chosen = [study.plan.source_of(result.chosen) for result in study.folds]
    return source_facts(
        source.extractor,
        source.record,
        label=source.spec.label,
        number=source.number,
        times_chosen=chosen.count(source.number),
        requested=source.spec.features,
    )


def _search(job: Job, dataset: ImageDataset, split: Split, study: StudyResult) -> SearchFacts:
    """The search in numbers; ``candidates.parquet`` has every candidate."""
    space, plan = job.space, study.plan
    views = {name: tuple(ViewSettings(**view) for view in listed) for name, listed in job.views.to_json().items()}
    return SearchFacts(
        space=space.name.removeprefix("grid ").strip("'") if job.options.study is None else "study",
        n_candidates=len(plan.candidates),
        n_points=space.n_points(),
        kinds=tuple(sorted({head.kind for head in plan.heads})),
        method="all" if space.halving is None else "halving",
        halving=halving_words(study.folds),
        notes=(*search_notes(plan, split, dataset), *left_out_notes(space, job.views, len(dataset))),
        training_sets=tuple(training_set_rows(plan, study.folds)),
        views=views,
    )


def _final_model(study: StudyResult) -> FinalModel:
    facts = candidate_facts(study.plan, study.final.chosen)
    label, fine_tuning = final_fine_tuning(facts, study)
    inner_score = float(study.final.inner_scores[study.final.chosen])
    return FinalModel(**{**dict(facts), "label": label}, fine_tuning=fine_tuning, inner_score=inner_score)


def _warnings(*sources: Sequence[str]) -> tuple[str, ...]:
    """All warnings, each once, in order."""
    return tuple(dict.fromkeys(text for source in sources for text in source))
