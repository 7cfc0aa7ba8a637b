"""Novelty of held-out images, as ``novelty`` of ``results.json``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from headstart.decisions import evaluate_novelty
from headstart.decisions.novelty import min_groups
from headstart.results.models.novelty import FarImage, FittedNovelty, FoldNoveltyFacts, NoveltyResults
from headstart.results.writers.estimates import estimate_facts

if TYPE_CHECKING:
    from headstart.data import ImageDataset
    from headstart.decisions import Novelty
    from headstart.metrics import OutOfFold
    from headstart.study.novelty import FoldNovelty, NoveltyStudy

N_FARTHEST: Final = 20
"""Most images that are listed as far from the others."""


def novelty_results(dataset: ImageDataset, study: NoveltyStudy, oof: OutOfFold, *, seed: int) -> NoveltyResults:
    """Thresholds, the share of held-out images flagged, and the farthest of them."""
    found = study.gathered(oof.n_repeats, oof.n_rows)
    return NoveltyResults(
        rate=study.rule.rate,
        measure=study.final.distance.measure,
        flagged=estimate_facts(evaluate_novelty(oof, found.is_novel, seed=seed)),
        min_groups=min_groups(study.rule.rate),
        holds_training_features=study.final.distance.holds_training_features,
        folds=tuple(_fold_facts(one) for one in study.folds),
        final=FittedNovelty(**_fitted(study.final)),
        farthest=_farthest(dataset, oof, found),
    )


def _fold_facts(one: FoldNovelty) -> FoldNoveltyFacts:
    flagged = {"n_flagged": int(one.test.is_novel.sum()), "n_test": len(one.outer.test)}
    return FoldNoveltyFacts(repeat=one.outer.repeat, fold=one.outer.fold, **flagged, **_fitted(one))


def _fitted(one: FoldNovelty) -> dict[str, Any]:
    threshold = one.threshold
    counted = {"n_calibration": len(threshold.distances), "n_groups": threshold.n_groups}
    return {"threshold": threshold.threshold, **counted}


def _farthest(dataset: ImageDataset, oof: OutOfFold, found: Novelty) -> tuple[FarImage, ...]:
    """Images of the smallest p values in the first repeat, the farther first where these are equal."""
    rows = oof.rows_of(0)
    order = rows[np.lexsort((rows, -found.distance[0, rows], found.p_value[0, rows]))][:N_FARTHEST]
    return tuple(
        FarImage(
            image=dataset.names[row],
            label=oof.classes[int(oof.labels[row])],
            distance=float(found.distance[0, row]),
            p_value=float(found.p_value[0, row]),
        )
        for row in order.tolist()
    )


def novelty_notes(study: NoveltyStudy) -> list[str]:
    """A warning where so few images or groups stand behind a threshold that nothing can be flagged."""
    silent = [one for one in (*study.folds, study.final) if one.threshold.is_silent]
    if not silent:
        return []
    fewest = min(one.threshold.n_groups for one in silent)
    return [
        f"Novelty at a rate of {study.rule.rate:g} needs {min_groups(study.rule.rate):,} training images (groups, "
        f"where there are any); {fewest:,} stand behind it in {_places(study, silent)}, so "
        "nothing is flagged there. Take a larger rate, such as 0.05."
    ]


def _places(study: NoveltyStudy, silent: list[FoldNovelty]) -> str:
    in_folds = sum(one is not study.final for one in silent)
    named = [f"{in_folds} of {len(study.folds)} outer folds"] if in_folds else []
    return " and ".join([*named, *(["the final model"] if study.final in silent else [])])
