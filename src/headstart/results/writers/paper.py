"""A finished run as ``paper.json`` tells of it."""

from __future__ import annotations

from collections.abc import Iterator

from headstart.metrics import find_metric
from headstart.results.models.candidates import CandidateSummary
from headstart.results.models.paper import Application, HeadFacts, PaperRun
from headstart.results.models.run_results import RunResults


def paper_run(
    results: RunResults, *, name: str, application: Application, data: str, folder: str, command: str
) -> PaperRun:
    """Facts of a run that stand beside the paper's.

    Parameters
    ----------
    results : RunResults
    name : str
    application : {"lesions", "signals", "cells"}
    data, command : str
        In words, and as one would ask for it.
    folder : str
        Of the run, relative to the document.
    """
    return PaperRun(
        name=name,
        application=application,
        data=data,
        folder=folder,
        command=command,
        networks={source.label: source.weights for source in results.sources},
        n_images=results.task.n_images,
        n_groups=results.task.n_groups,
        n_judged=sum(scores.support for scores in results.per_class.values()),
        scheme=results.protocol.scheme,
        classes=results.task.classes,
        positive=results.task.positive,
        metrics=results.metrics,
        confusion=results.confusion,
        heads=tuple(_best_heads(results)),
    )


def _best_heads(results: RunResults) -> Iterator[HeadFacts]:
    """For every source of features the head with the best mean score in the inner folds."""
    best = max if find_metric(results.protocol.choose_by).greater_is_better else min
    for source in results.sources:
        scored = {
            number: one.inner_score
            for number, one in enumerate(results.candidates)
            if one.source == source.number and one.inner_score is not None
        }
        if scored:
            head: CandidateSummary = results.candidates[best(scored, key=scored.__getitem__)]
            yield HeadFacts(network=source.label, settings={"kind": head.kind, **head.settings})
