"""From an older format of a run's files to the next: dictionaries in, dictionaries out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

_RENAMED: Final = {
    "leakage_tax": "optimism_from_ignored_groups",
}
_NO_FILE: Final = {"file": "", "layout": "", "note": ""}


def upgrade_results(old: Mapping[str, Any]) -> dict[str, Any]:
    """``results.json`` of format 1 as format 2.

    Format 2 has the words of the field for what format 1 called rivals, twins, treatments and doubtful labels; scores
    of a class stand under ``metrics``, the engine of the backbone under ``engine``; and what was left out where it was
    empty is there. Parts that the first runs did not write yet are filled with what they would have held.
    """
    new = {"optimism_from_ignored_groups": None} | {_RENAMED.get(key, key): value for key, value in old.items()}
    final = old["final_model"]
    return {
        **new,
        "format": 2,
        "headline": {"ci95": None, "verdict": None, **old["headline"]},
        "backbone": _backbone(old["backbone"]),
        "engine": upgrade_engine_record(old["engine"]),
        "sources": [_source(source) for source in old["sources"]],
        "search": _search(old["search"]),
        "per_class": {name: _class_scores(scores) for name, scores in old["per_class"].items()},
        "folds": [_fold(fold) for fold in old["folds"]],
        "candidates": [_candidate(row) for row in old["candidates"]],
        "audit": _audit(old["audit"]),
        "labels": _labels(old.get("labels")),
        "fine_tuning": old.get("fine_tuning"),
        "decisions": _decisions(old.get("decisions")),
        "final_model": {"fine_tuning": None, **_candidate(final)},
        "transfer": _transfer(old.get("transfer")),
        "transferability": _transferability(old.get("transferability")),
    }


def upgrade_curve(old: Mapping[str, Any]) -> dict[str, Any]:
    """``curve.json`` of format 1 as format 2, which names how the engine was chosen as ``results.json`` does."""
    engine = {**old["engine"], "requested": old["engine"]["asked"]}
    del engine["asked"]
    return {**old, "format": 2, "engine": upgrade_engine_record(engine)}


def upgrade_engine_record(old: Mapping[str, Any]) -> dict[str, Any]:
    """How an engine was chosen, from format 1."""
    return {"accuracy_cost": None, "n_calibration": None, **_renamed(old, asked="requested")}


def _renamed(old: Mapping[str, Any], **names: str) -> dict[str, Any]:
    """The mapping with some keys renamed, and all values as they are."""
    return {names.get(key, key): value for key, value in old.items()}


def _backbone(old: Mapping[str, Any]) -> dict[str, Any]:
    of_engine = (
        "batch_size",
        "compiled",
        "device",
        "engine",
        "folded",
        "n_streams",
        "n_threads",
        "network_sha256",
        "precision",
    )
    kept = {key: value for key, value in old.items() if key not in of_engine}
    return {**kept, "weights": upgrade_weights(old["weights"]), "engine": {key: old[key] for key in of_engine}}


def upgrade_weights(old: Mapping[str, Any]) -> dict[str, Any]:
    """Where weights came from, what was left out because it was empty being there."""
    pretraining = old.get("pretraining")
    if pretraining is not None:
        pretraining = {**pretraining, "start": {**_NO_FILE, **pretraining["start"]}}
    return {**_NO_FILE, **old, "pretraining": pretraining}


def _source(old: Mapping[str, Any]) -> dict[str, Any]:
    record = upgrade_engine_record(old["engine_record"])
    return {**old, "weights": upgrade_weights(old["weights"]), "engine_record": record}


def _search(old: Mapping[str, Any]) -> dict[str, Any]:
    return _renamed(old, treatments="training_sets")


def _candidate(old: Mapping[str, Any]) -> dict[str, Any]:
    return _renamed(old, treatment="training_set")


def _class_scores(old: Mapping[str, Any]) -> dict[str, Any]:
    return {"support": old["support"], "metrics": {key: value for key, value in old.items() if key != "support"}}


def _fold(old: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **old,
        "chosen": _candidate(old["chosen"]),
        "cheapest_tied": _candidate(old["cheapest_tied"]),
        "best_of_sources": [_candidate(best) for best in old["best_of_sources"]],
    }


def _audit(old: Mapping[str, Any]) -> dict[str, Any]:
    return {"agreement": None, **_renamed(old, twins="near_duplicates")}


def _labels(old: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if old is None:
        return None
    issues = old["doubtful"]
    return {"n_soft": old["n_soft"], "issues": {**issues, "top": [{"votes": None, **issue} for issue in issues["top"]]}}


def _decisions(old: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if old is None:
        return None
    abstention, sets = old["abstention"], old["conformal"]
    points = [_renamed(point, asked="requested") for point in abstention["points"]]
    return {
        **_renamed(old, asked="requested"),
        "conformal": None if sets is None else _conformal(sets),
        "abstention": {**abstention, "points": points},
        "folds": _fitted(old["folds"]),
        "final": _fitted([old["final"]])[0],
    }


def _conformal(old: Mapping[str, Any]) -> dict[str, Any]:
    per_class = {name: _renamed(row, n_calibration_least="min_n_calibration") for name, row in old["per_class"].items()}
    return {**_renamed(old, least_images="min_calibration_size"), "per_class": per_class}


def _fitted(old: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [
        {**one, "conformal": None if one["conformal"] is None else _renamed(one["conformal"], floors="thresholds")}
        for one in old
    ]


def _transfer(old: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if old is None:
        return None
    gains = {name: _renamed(gain, rival="baseline") for name, gain in old["gains"].items()}
    return {**_renamed(old, rivals="baselines", best_rival="best_baseline"), "gains": gains}


def _transferability(old: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if old is None:
        return None
    return {**old, "settings": _renamed(old["settings"], most_rows="max_rows")}
