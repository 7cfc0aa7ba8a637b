"""``results.json``: what a fit tried and what came out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, ClassVar, Final, Literal, Self

from pydantic import Field, model_validator

from headstart.results.models.audit import AuditFacts
from headstart.results.models.base import Count, Ends, Matrix, Part, Positive, Sha256, SparePart
from headstart.results.models.candidates import (
    CandidateSummary,
    FinalModel,
    FoldFacts,
    IgnoredGroups,
    Optimism,
    SearchFacts,
)
from headstart.results.models.decisions import DecisionResults
from headstart.results.models.ensemble import EnsembleResults
from headstart.results.models.estimates import ClassScores, Estimates, IntervalFacts
from headstart.results.models.finetuning import FineTuningResults
from headstart.results.models.label_issues import LabelFacts
from headstart.results.models.novelty import NoveltyResults
from headstart.results.models.ordinal import OrdinalResults
from headstart.results.models.run_file import RunFile, Upgrade
from headstart.results.models.sources import BackboneFacts, EngineRecord, SourceFacts
from headstart.results.models.table import TableFacts
from headstart.results.models.transfer import TransferResults, Verdict
from headstart.results.models.transferability import TransferabilityResults
from headstart.results.upgrade import names_of_format_1, upgrade_results

RESULTS_FORMAT: Final = 2


class HeadlineFacts(Part):
    """The result in one sentence, the number it stands on, and the verdict whether transfer helped."""

    metric: str
    value: float | None
    ci95: Ends | None
    text: str
    verdict: Verdict | None


class TaskFacts(SparePart):
    """The classes, the positive one of two with the reason why it is that one, and the images of each.

    Attributes
    ----------
    ordered : bool
        Whether the classes stand in their order, the lowest first.
    groups_given : bool or None
        Whether the data said which images belong together; None in runs that did not record it.
    """

    left_out: ClassVar = ("ordered", "groups_given")

    classes: tuple[str, ...]
    positive: str | None
    positive_reason: str
    n_images: Positive
    n_groups: Positive | None
    class_counts: dict[str, Count]
    weighted: bool
    data_sha256: str
    ordered: bool = False
    groups_given: bool | None = None


class ProtocolFacts(SparePart):
    """How images were split, by which score candidates were chosen, and how intervals were made.

    Attributes
    ----------
    split_rule : str
        Rule by which the scheme was taken, in words; empty where it was asked for.
    """

    left_out: ClassVar = ("split_rule",)

    scheme: str
    own_folds: bool
    repeats: Positive
    choose_by: str
    seed: int
    split_hash: Sha256
    interval: IntervalFacts
    split_rule: str = ""


class RunResults(RunFile, SparePart):
    """Everything that a fit found.

    Attributes
    ----------
    provisional : bool
        Whether this is a first answer of one head on one holdout, which the whole job replaces.
    decisions, labels : DecisionResults, LabelFacts, or None
        None where the run is older than these parts.
    table, ordinal, novelty, ensemble, fine_tuning, optimism_from_ignored_groups, transfer, transferability
        None where that was not asked for, or there is nothing to tell.

    Examples
    --------
    >>> from headstart.results import RunResults
    >>> results = RunResults.read("runs/first/results.json")  # doctest: +SKIP
    >>> results.metrics["accuracy"].value  # doctest: +SKIP
    0.861
    """

    file_name: ClassVar[str] = "results.json"
    left_out: ClassVar = ("ordinal", "provisional")
    upgrades: ClassVar = {1: Upgrade(upgrade_results, names_of_format_1)}

    format: Literal[2]
    headstart: str
    provisional: bool = False
    headline: HeadlineFacts
    task: TaskFacts
    protocol: ProtocolFacts
    backbone: BackboneFacts
    engine: EngineRecord
    sources: Annotated[tuple[SourceFacts, ...], Field(min_length=1)]
    search: SearchFacts
    metrics: Estimates
    per_class: dict[str, ClassScores]
    confusion: Matrix
    folds: Annotated[tuple[FoldFacts, ...], Field(min_length=1)]
    candidates: Annotated[tuple[CandidateSummary, ...], Field(min_length=1)]
    audit: AuditFacts
    table: TableFacts | None = None
    ensemble: EnsembleResults | None = None
    ordinal: OrdinalResults | None = None
    labels: LabelFacts | None
    fine_tuning: FineTuningResults | None
    optimism: Optimism
    decisions: DecisionResults | None
    novelty: NoveltyResults | None = None
    final_model: FinalModel
    optimism_from_ignored_groups: dict[str, IgnoredGroups] | None
    transfer: TransferResults | None
    transferability: TransferabilityResults | None
    warnings: tuple[str, ...]

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Self:
        """Refuse a document whose parts do not belong together."""
        for problem in (*_class_problems(self), *_metric_problems(self), *_number_problems(self)):
            raise ValueError(problem)
        return self


def _class_problems(found: RunResults) -> Iterator[str]:
    """Problems of tables that should have one entry for every class."""
    classes = found.task.classes
    if len(classes) < 2 or len(set(classes)) != len(classes):
        yield "task.classes should list two or more different names"
    if found.task.positive not in (None, *classes):
        yield f"task.positive {found.task.positive!r} is none of the classes"
    for name, table in _tables_of_classes(found).items():
        if set(table) != set(classes):
            yield f"{name} should have one entry for every class"
    yield from (f"audit.class_counts.{name} is missing" for name in classes if name not in found.audit.class_counts)
    for name, matrix in _matrices(found).items():
        if [len(row) for row in matrix] != [len(classes)] * len(classes):
            yield f"{name} should be {len(classes)} x {len(classes)}"


def _tables_of_classes(found: RunResults) -> dict[str, Mapping[str, object]]:
    tables: dict[str, Mapping[str, object]] = {
        "per_class": found.per_class,
        "task.class_counts": found.task.class_counts,
    }
    if found.labels is not None:
        tables["labels.issues.thresholds"] = found.labels.issues.thresholds
    if found.decisions is not None:
        tables |= {f"decisions.{place}": table for place, table in found.decisions.class_tables.items()}
    return tables


def _matrices(found: RunResults) -> dict[str, tuple[tuple[float, ...], ...]]:
    matrices: dict[str, tuple[tuple[float, ...], ...]] = {"confusion": found.confusion}
    if found.labels is not None:
        matrices["labels.issues.confident_joint"] = found.labels.issues.confident_joint
    if found.decisions is not None:
        matrices |= {f"decisions.{place}": matrix for place, matrix in found.decisions.matrices.items()}
    return matrices


def _metric_problems(found: RunResults) -> Iterator[str]:
    """Problems of tables that should have one entry for every metric."""
    for place, fold in enumerate(found.folds):
        for name in sorted(set(fold.metrics) ^ set(found.metrics)):
            yield f"{f'folds[{place}].metrics' if name in found.metrics else 'metrics'}.{name} is missing"
    for where, metric in (("headline", found.headline.metric), ("protocol.choose_by", found.protocol.choose_by)):
        if metric not in found.metrics:
            yield f"metrics.{metric} is missing, which {where} speaks of"
    names = {name for scores in found.per_class.values() for name in scores.metrics}
    for label, scores in found.per_class.items():
        for name in sorted(names - set(scores.metrics)):
            yield f"per_class.{label}.metrics.{name} is missing"


def _number_problems(found: RunResults) -> Iterator[str]:
    """Which numbers point at something that is not there."""
    numbers = {source.number for source in found.sources}
    if len(numbers) != len(found.sources):
        yield "sources[].number should differ from source to source"
    for place, fold in enumerate(found.folds):
        if fold.chosen.source not in numbers:
            yield f"folds[{place}].chosen.source {fold.chosen.source} is the number of none of the sources"
    if found.final_model.source not in numbers:
        yield f"final_model.source {found.final_model.source} is the number of none of the sources"
    if found.fine_tuning is not None:
        yield from _unknown_candidates(found.fine_tuning)
    if found.decisions is not None:
        yield from (f"decisions.{place} should be an object but is null" for place in found.decisions.missing)


def _unknown_candidates(fine_tuning: FineTuningResults) -> Iterator[str]:
    """Problems of folds that speak of fine-tuning candidates which are not there."""
    n_candidates = len(fine_tuning.candidates)
    folds = {f"folds[{place}]": fold for place, fold in enumerate(fine_tuning.folds)} | {"final": fine_tuning.final}
    for place, fold in folds.items():
        if fold.chosen is not None and fold.chosen >= n_candidates:
            yield f"fine_tuning.{place}.chosen {fold.chosen} is the number of none of the {n_candidates} candidates"
        if len(fold.tried) != n_candidates:
            yield f"fine_tuning.{place}.tried should have one entry for every candidate"
