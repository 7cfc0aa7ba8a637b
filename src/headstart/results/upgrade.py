"""From an older format of a run's files to the next: dictionaries in, dictionaries out.

A damaged document passes through with its damage, which the model of the new format then refuses; `names_of_format_1`
puts the refusal into the keys that stand in the file.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Any, Final

_TIED: Final = ("chosen", "cheapest_tied", "best_of_sources.*")
_RENAMED: Final = {
    "leakage_tax": "optimism_from_ignored_groups",
    "engine.asked": "requested",
    "sources.*.engine_record.asked": "requested",
    "search.treatments": "training_sets",
    **{f"folds.*.{one}.treatment": "training_set" for one in _TIED},
    "candidates.*.treatment": "training_set",
    "final_model.treatment": "training_set",
    "audit.twins": "near_duplicates",
    "labels.doubtful": "issues",
    "decisions.asked": "requested",
    "decisions.abstention.points.*.asked": "requested",
    "decisions.conformal.least_images": "min_calibration_size",
    "decisions.conformal.per_class.*.n_calibration_least": "min_n_calibration",
    "decisions.folds.*.conformal.floors": "thresholds",
    "decisions.final.conformal.floors": "thresholds",
    "transfer.rivals": "baselines",
    "transfer.best_rival": "best_baseline",
    "transfer.gains.*.rival": "baseline",
    "transferability.settings.most_rows": "max_rows",
}
"""Name of a key in format 2, by its place in format 1; ``*`` stands for every entry of a list or mapping."""

_LATER_PARTS: Final = ("labels", "fine_tuning", "decisions", "leakage_tax", "transfer", "transferability")
_NO_FILE: Final = {"file": "", "layout": "", "note": ""}
_NO_CALIBRATION: Final = {"accuracy_cost": None, "n_calibration": None}
_ADDED: Final[Mapping[str, Mapping[str, Any]]] = {
    "": dict.fromkeys(_LATER_PARTS),
    "headline": {"ci95": None, "verdict": None},
    "engine": _NO_CALIBRATION,
    "sources.*.engine_record": _NO_CALIBRATION,
    "audit": {"agreement": None},
    "labels.doubtful.top.*": {"votes": None},
    "final_model": {"fine_tuning": None},
}
"""Keys that format 1 leaves out where they are empty, by the place of the part that they are missing from."""

_OF_ENGINE: Final = (
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


def upgrade_results(old: Mapping[str, Any]) -> dict[str, Any]:
    """``results.json`` of format 1 as format 2.

    Format 2 has the words of the field for what format 1 called rivals, twins, treatments and doubtful labels; scores
    of a class stand under ``metrics``, the engine of the backbone under ``engine``; and what was left out where it was
    empty is there. Parts that the first runs did not write yet are filled with what they would have held.
    """
    new: Any = dict(old)
    for place, added in _ADDED.items():
        new = _changed(new, place, partial(_filled, added=added))
    for place, name in _RENAMED.items():
        part, _, key = place.rpartition(".")
        new = _changed(new, part, partial(_renamed, key=key, name=name))
    for place in ("backbone.weights", "sources.*.weights"):
        new = _changed(new, place, upgrade_weights)
    new = _changed(new, "backbone", _backbone)
    new = _changed(new, "per_class.*", _class_scores)
    return {**new, "format": 2}


def upgrade_curve(old: Mapping[str, Any]) -> dict[str, Any]:
    """``curve.json`` of format 1 as format 2, which names how the engine was chosen as ``results.json`` does."""
    return {**_changed(old, "engine", upgrade_engine_record), "format": 2}


def upgrade_engine_record(old: Mapping[str, Any]) -> dict[str, Any]:
    """How an engine was chosen, from format 1."""
    return _renamed(_filled(old, _NO_CALIBRATION), "asked", "requested")


def upgrade_weights(old: Mapping[str, Any]) -> dict[str, Any]:
    """Source of weights from format 1, with the keys that are left out where empty."""
    return {**_changed(_filled(old, {**_NO_FILE, "pretraining": None}), "pretraining", upgrade_pretraining)}


def upgrade_pretraining(old: Mapping[str, Any]) -> dict[str, Any]:
    """Description of a pretraining, and of the one it went on from, with the keys that are left out where empty."""
    return {**_changed(old, "start", upgrade_weights)}


def names_of_format_1(words: str) -> str:
    """A sentence on a document of format 2 with its places named as in format 1.

    >>> names_of_format_1("decisions.abstention.points[2].requested is missing")
    'decisions.abstention.points[2].asked is missing'
    """
    for pattern, name in _name_patterns():
        words = pattern.sub(rf"\g<1>{name}", words)
    return words


@cache
def _name_patterns() -> tuple[tuple[re.Pattern[str], str], ...]:
    """A place in format 2, up to its last key as a group of its own, with what stands for that key in format 1."""
    start, entry = r"(?<![\w.\]])", r"(?:\[\d+\]|\..+?)"
    patterns = [(rf"{start}(backbone)\.engine(?=\.)", ""), (rf"{start}(per_class{entry})\.metrics(?=\.)", "")]
    for place, name in _RENAMED.items():
        part, dot, key = place.rpartition(".")
        before = re.escape(part + dot).replace(r"\.\*", entry)
        patterns.append((rf"{start}({before}){name}(?!\w)", key))
    return tuple((re.compile(pattern), key) for pattern, key in patterns)


def _changed(content: Any, place: str, change: Callable[[Mapping[str, Any]], dict[str, Any]]) -> Any:
    """The content with the mappings in a place changed; where something else stands, or nothing, it stays."""
    if not place:
        return change(content) if isinstance(content, dict) else content
    step, _, rest = place.partition(".")
    if step == "*" and isinstance(content, list):
        return [_changed(entry, rest, change) for entry in content]
    if not isinstance(content, dict):
        return content
    within = content if step == "*" else {step} & content.keys()
    return {**content, **{key: _changed(content[key], rest, change) for key in within}}


def _filled(old: Mapping[str, Any], added: Mapping[str, Any]) -> dict[str, Any]:
    return {**added, **old}


def _renamed(old: Mapping[str, Any], key: str, name: str) -> dict[str, Any]:
    """The mapping with one key renamed, and all values as they are."""
    return {name if one == key else one: value for one, value in old.items()}


def _backbone(old: Mapping[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in old.items() if key not in _OF_ENGINE}
    return {**kept, "engine": {key: old[key] for key in _OF_ENGINE if key in old}}


def _class_scores(old: Mapping[str, Any]) -> dict[str, Any]:
    support = {"support": old["support"]} if "support" in old else {}
    return {**support, "metrics": {key: value for key, value in old.items() if key != "support"}}
