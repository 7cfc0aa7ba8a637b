"""One fit in hand: its data, what it tries, where features come from, and where finished work is kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from headstart.decisions import DecisionRules
from headstart.progress import Progress
from headstart.study.execution.journal import Journal
from headstart.study.plan import StudyPlan
from headstart.study.positive_class import PositiveClass
from headstart.study.search.space import Space
from headstart.workflow.job.audit import AuditedDataset
from headstart.workflow.job.sources import FeatureSource
from headstart.workflow.options.fit import FitOptions
from headstart.workflow.options.training_set import Views, requested_views, too_many_rows


@dataclass(frozen=True, eq=False)
class Job:
    """One fit in hand.

    Attributes
    ----------
    audited : AuditedDataset
    space : Space
        What is tried; its sources are named in full.
    sources : tuple of FeatureSource
        Where features come from, in the order of the space.
    options : FitOptions
    positive : PositiveClass
    plan : StudyPlan
        What the study tries, and how it chooses.
    views : Views
        The views that the search needs.
    journal : Journal
        Finished work items.
    progress : Progress
    """

    audited: AuditedDataset
    space: Space
    sources: tuple[FeatureSource, ...]
    options: FitOptions
    positive: PositiveClass
    plan: StudyPlan
    views: Views
    journal: Journal
    progress: Progress

    @property
    def decision_rules(self) -> DecisionRules:
        """The requested decisions, costs in the order of the classes."""
        return self.options.decision_rules.for_classes(self.audited.dataset.classes)

    @property
    def source_labels(self) -> list[str]:
        """Name of every source of features, in order."""
        return [source.spec.label for source in self.sources]

    @classmethod
    def of(
        cls,
        audited: AuditedDataset,
        space: Space,
        sources: tuple[FeatureSource, ...],
        options: FitOptions,
        *,
        positive: PositiveClass,
        progress: Progress,
    ) -> Job:
        """A job whose plan is made of its data, space, sources and options; nothing of it is kept on disk."""
        views = requested_views(space, options)
        plan = study_plan(space, sources, options, views, positive.code, n_images=len(audited.dataset))
        return cls(audited, space, sources, options, positive, plan, views, Journal(None), progress)


def study_plan(
    space: Space,
    sources: Sequence[FeatureSource],
    options: FitOptions,
    views: Views,
    positive: int | None,
    *,
    n_images: int,
) -> StudyPlan:
    """The candidates of a space as a plan of a study.

    Parameters
    ----------
    space : Space
        Its sources in the order of `sources`.
    sources : sequence of FeatureSource
    options : FitOptions
    views : Views
    positive : int or None
        Positive class of a two-class task.
    n_images : int
        Heads that hold all rows are left out where views make too many.
    """
    n_views = {name: len(listed) for name, listed in views.of_policy.items()}
    return StudyPlan(
        tuple(
            one for one in space.candidates() if not too_many_rows(one.training_set, one.head.kind, n_views, n_images)
        ),
        space.sources,
        choose_by=options.metric,
        positive=positive,
        seed=options.seed,
        n_jobs=1 if options.quick else options.n_worker_processes,  # one head is fitted before processes have begun
        halving=space.halving,
        seconds_per_image=tuple(source.rough_seconds_per_image for source in sources),
        n_views=n_views,
        ensemble=options.ensemble,
    )
