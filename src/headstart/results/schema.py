"""What the files of a run must hold for a report to be made of them, and how a damaged one is refused."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn, TypeAlias

from headstart.errors import RunError
from headstart.results.damage import damaged, read_text

Schema: TypeAlias = Mapping[str, tuple[type, ...]]

FORMAT = 1
_NUMBER = (int, float)
_OPTIONAL_NUMBER = (int, float, type(None))
_OPTIONAL_TEXT = (str, type(None))

# What the report relies on; "[]" stands for every item of a list, "{}" for every value of an object.
RESULTS: Schema = {
    "headstart": (str,),
    "headline.metric": (str,),
    "headline.value": _NUMBER,
    "headline.text": (str,),
    "task.classes": (list,),
    "task.classes[]": (str,),
    "task.positive": _OPTIONAL_TEXT,
    "task.n_images": (int,),
    "task.class_counts": (dict,),
    "task.class_counts{}": _NUMBER,
    "task.weighted": (bool,),
    "protocol.scheme": (str,),
    "protocol.repeats": (int,),
    "protocol.choose_by": (str,),
    "protocol.seed": (int,),
    "protocol.split_hash": (str,),
    "protocol.interval.method": (str,),
    "protocol.interval.speaks_of": (str,),
    "protocol.interval.reference": (str,),
    "backbone.name": (str,),
    "backbone.weights": (dict,),
    "sources[]": (dict,),
    "sources[].label": (str,),
    "sources[].weights": (dict,),
    "sources[].stage": (str,),
    "sources[].feature_width": (int,),
    "sources[].preparation.size[]": (int,),
    "sources[].engine_record": (dict,),
    "sources[].times_chosen": (int,),
    "search.n_candidates": (int,),
    "search.kinds[]": (str,),
    "search.halving": _OPTIONAL_TEXT,
    "search.notes[]": (str,),
    "engine.label": (str,),
    "engine.used": (dict,),
    "engine.parity": (dict, type(None)),
    "engine.tried[].engine": (str,),
    "engine.tried[].within": (bool,),
    "engine.tried[].parity.n_images": (int,),
    "engine.tried[].parity.relative_error": _OPTIONAL_NUMBER,
    "engine.tried[].parity.agreement": _OPTIONAL_NUMBER,
    "engine.tried[].tolerance.relative_error": _NUMBER,
    "engine.tried[].tolerance.agreement": _NUMBER,
    "engine.notes[]": (str,),
    "metrics{}": (dict,),
    "metrics{}.value": _OPTIONAL_NUMBER,
    "per_class{}": (dict,),
    "per_class{}.support": _NUMBER,
    "confusion[]": (list,),
    "confusion[][]": _NUMBER,
    "folds[]": (dict,),
    "folds[].repeat": (int,),
    "folds[].fold": (int,),
    "folds[].n_train": (int,),
    "folds[].n_test": (int,),
    "folds[].inner_log_loss": _OPTIONAL_NUMBER,
    "folds[].chosen.label": (str,),
    "folds[].metrics{}": _OPTIONAL_NUMBER,
    "candidates[]": (dict,),
    "candidates[].kind": (str,),
    "candidates[].label": (str,),
    "candidates[].settings": (dict,),
    "candidates[].inner_log_loss": _OPTIONAL_NUMBER,
    "candidates[].times_chosen": (int,),
    "optimism": (dict,),
    "audit.n_images": (int,),
    "audit.class_counts": (dict,),
    "audit.unreadable[].image": (str,),
    "audit.unreadable[].reason": (str,),
    "audit.duplicates[][]": (str,),
    "audit.label_conflicts[][]": (str,),
    "final_model.label": (str,),
    "leakage_tax": (dict, type(None)),
    "warnings[]": (str,),
}
DECISIONS: Schema = {
    "decisions.asked.calibrate": (str,),
    "decisions.asked.operating_point": _OPTIONAL_TEXT,
    "decisions.asked.conformal": _OPTIONAL_NUMBER,
    "decisions.calibration.scores.log_loss.before.value": _OPTIONAL_NUMBER,
    "decisions.calibration.scores{}.before.value": _OPTIONAL_NUMBER,
    "decisions.calibration.scores{}.after.value": _OPTIONAL_NUMBER,
    **{
        f"decisions.calibration.bins.{key}.{name}[]": _NUMBER
        for key in ("before", "after")
        for name in ("probability", "frequency", "low", "high")
    },
    "decisions.operating_point": (dict, type(None)),
    "decisions.conformal": (dict, type(None)),
    "decisions.abstention.area": _NUMBER,
    "decisions.abstention.points[].answered": _NUMBER,
    "decisions.abstention.points[].certainty": _NUMBER,
    "decisions.abstention.points[].accuracy.value": _OPTIONAL_NUMBER,
    "decisions.folds[].repeat": (int,),
    "decisions.folds[].fold": (int,),
    "decisions.folds[].n_calibration": (int,),
    "decisions.folds[].reason": (str,),
    "decisions.folds[].calibrator.kind": (str,),
    "decisions.final.n_calibration": (int,),
    "decisions.final.reason": (str,),
    "decisions.final.calibrator.kind": (str,),
}
"""Of runs that say how they decide."""
OPERATING_POINT: Schema = {
    "decisions.operating_point.metrics{}.value": _OPTIONAL_NUMBER,
    "decisions.operating_point.metrics{}.ci95": (list, type(None)),
    "decisions.folds[].operating_point.threshold": _NUMBER,
    "decisions.final.operating_point.threshold": _NUMBER,
}
CONFORMAL: Schema = {
    "decisions.conformal.level": _NUMBER,
    "decisions.conformal.least_images": (int,),
    "decisions.conformal.n_folds": (int,),
    "decisions.conformal.mean_size": _NUMBER,
    "decisions.conformal.share_of_size[]": _NUMBER,
    "decisions.conformal.coverage.value": _OPTIONAL_NUMBER,
    "decisions.conformal.per_class{}.coverage.value": _OPTIONAL_NUMBER,
    "decisions.conformal.per_class{}.n_calibration_least": (int,),
    "decisions.conformal.per_class{}.uninformative_folds": (int,),
}
TRANSFER: Schema = {
    "transfer.verdict": _OPTIONAL_TEXT,
    "transfer.decided_by": (str,),
    "transfer.text": (str,),
    "transfer.notes[]": (str,),
    "transfer.gains{}.gain": _OPTIONAL_NUMBER,
    "transfer.gains{}.ci95": (list, type(None)),
    "transfer.gains{}.p": _OPTIONAL_NUMBER,
    "transfer.best_rival{}.value": _OPTIONAL_NUMBER,
    "transfer.rivals[].title": (str,),
    "transfer.rivals[].times_best": (int,),
    "transfer.rivals[].metrics{}.value": _OPTIONAL_NUMBER,
}
"""Of runs that judged simple rivals."""
SPLIT: Schema = {
    "hash": (str,),
    "images": (list,),
    "images[]": (str,),
    "groups": (list, type(None)),
    "notes": (list,),
    "notes[]": (str,),
}
TIMINGS: Schema = {"seconds": (dict,), "seconds{}": _OPTIONAL_NUMBER, "versions": (dict,)}


def read_json(path: Path, schema: Schema) -> dict[str, Any]:
    """The JSON object of a file of the run, everything the schema names present and of its type.

    Raises
    ------
    RunError
        When it is not; the message says where.
    """
    text = read_text(path)
    try:
        value = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        damaged(path, f"it is not valid JSON ({error})")
    if not isinstance(value, dict):
        damaged(path, "it holds no JSON object")
    _check_format(path, value)
    check(path, value, schema)
    return value


def check(path: Path, value: Mapping[str, Any], schema: Schema) -> None:
    """Refuse a file without something that the schema names.

    Raises
    ------
    RunError
        Saying where.
    """
    for dotted, types in schema.items():
        for where, item in _reach(path, value, dotted):
            _check_type(path, where, item, types)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def _check_format(path: Path, value: Mapping[str, Any]) -> None:
    found = value.get("format", FORMAT)
    if found != FORMAT:
        raise RunError(
            f"{path} has format {found!r}, but this headstart reads format {FORMAT}. "
            "Install the version of headstart that wrote the run, or run `headstart fit` again into a new folder."
        )


def _check_type(path: Path, where: str, item: object, types: tuple[type, ...]) -> None:
    if not isinstance(item, types) or (isinstance(item, bool) and bool not in types):
        expected = " or ".join("null" if kind is type(None) else kind.__name__ for kind in types)
        damaged(path, f"{where} should be {expected} but is {type(item).__name__}")


def _reach(path: Path, value: Any, dotted: str) -> Iterator[tuple[str, Any]]:
    """Every (address, item) that a schema path such as ``folds[].chosen.label`` stands for."""
    found = [("", value)]
    for step in dotted.replace("[]", ".[]").replace("{}", ".{}").split("."):
        found = [pair for where, item in found for pair in _children(path, where, item, step)]
    yield from found


def _children(path: Path, where: str, item: Any, step: str) -> list[tuple[str, Any]]:
    if step == "[]":
        _check_type(path, where, item, (list,))
        return [(f"{where}[{i}]", child) for i, child in enumerate(item)]
    _check_type(path, where or "the file", item, (dict,))
    if step == "{}":
        return [(f"{where}.{key}", child) for key, child in item.items()]
    address = f"{where}.{step}".lstrip(".")
    if step not in item:
        damaged(path, f"{address} is missing")
    return [(address, item[step])]
