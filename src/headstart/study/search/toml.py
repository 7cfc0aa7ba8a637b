"""Reading ``study.toml``: a search space as a file, every mistake said with its table and key."""

from __future__ import annotations

import math
import sys
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from headstart.backbones.feature_block import parse_features
from headstart.errors import InputError, unknown_name
from headstart.heads import grid, searchable_kinds
from headstart.heads.spec import KINDS
from headstart.lesions.cleaning.clean_up import parse_clean_up
from headstart.study.search.builtin import tables_of
from headstart.study.search.candidate import FeatureSourceSpec
from headstart.study.search.halving.plan import HalvingPlan
from headstart.study.search.schema import SourceTable, TrainingTable, keys_of, schema_bytes, study_file
from headstart.study.search.space import HeadTable, Sample, Space, expanded_sources
from headstart.study.training_set.spec import PLAIN, TrainingSetSpec, training_set_specs

MAX_SOURCES = 1000
_MAX_SHOWN = 5


def read_space(
    path: Path,
    *,
    source: FeatureSourceSpec | None = None,
    halving: HalvingPlan | None = None,
    ordered: bool = False,
) -> Space:
    """The search space that a file describes.

    Parameters
    ----------
    path : Path
        A TOML file; docs/search.md describes it.
    source : FeatureSourceSpec, optional
        Source of features when the file names none. Default: the default backbone.
    halving : HalvingPlan, optional
        How the weaker candidates are dropped when the file has no ``[halving]`` table. Default: all go to the end.
    ordered : bool
        Whether the classes are ordered, so that a built-in grid has heads of ordered classes too.

    Raises
    ------
    InputError
        When the file is missing or no TOML, a key or value is wrong (every mistake with its table and key), or the
        space is empty or too large.
    """
    content = _parsed(path)
    try:
        file = study_file().model_validate(content)
    except ValidationError as error:
        raise InputError(_refusal(path, error, content)) from error
    sources = [made for number, table in enumerate(file.source, 1) for made in _sources(path, number, table)]
    tables = [HeadTable.of(table.kind, table.model_dump(exclude_none=True, exclude={"kind"})) for table in file.head]
    if file.grid is not None:
        tables = [*tables_of(grid(file.grid, ordered=ordered)), *tables]
    return Space(
        tuple(sources) or (source or FeatureSourceSpec(),),
        tuple(tables),
        _training_sets(path, file.training),
        sample=None if file.sample is None else Sample(file.sample.n, file.sample.seed),
        halving=halving if file.halving is None else _halving(path, file.halving.model_dump()),
        name=str(path),
    )


def _parsed(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 text. Save it as UTF-8.") from error
    except (ValueError, RecursionError) as error:  # numbers of thousands of digits and deep nesting are no TOML errors
        raise InputError(f"{path} is no valid TOML: {error}. docs/search.md shows an example.") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}). Give the path of a study.toml.") from error


def _training_sets(path: Path, table: TrainingTable | None) -> tuple[TrainingSetSpec, ...]:
    if table is None:
        return (PLAIN,)
    try:
        return training_set_specs(table.balance, table.augment, table.tta)
    except InputError as error:
        raise InputError(f"{path}: [training]: {error}") from error


def _halving(path: Path, values: Mapping[str, Any]) -> HalvingPlan:
    try:
        return HalvingPlan(**{**values, "folds": tuple(values["folds"])})
    except InputError as error:
        raise InputError(f"{path}: [halving]: {error}") from error


def _sources(path: Path, number: int, table: SourceTable) -> tuple[FeatureSourceSpec, ...]:
    given = table.model_dump(exclude_none=True)
    values = {name: value if isinstance(value, list) else [value] for name, value in given.items()}
    named = values.get("backbone", [""])
    if table.weights not in (None, "random") and len(named) > 1:
        raise InputError(
            f"{path}: [[source]] number {number}: one file of weights cannot fit {len(named)} backbones. Write a "
            "[[source]] table for each backbone."
        )
    _check_features(path, number, values.get("features", []))
    _check_clean_ups(path, number, values.get("clean_up", []))
    n_sources = math.prod(map(len, values.values()))
    if n_sources > MAX_SOURCES:
        raise InputError(
            f"{path}: [[source]] number {number} stands for {n_sources:,} sources of features, each to be computed for "
            f"all images; at most {MAX_SOURCES:,} are taken. List fewer values."
        )
    return expanded_sources(values)


def _check_features(path: Path, number: int, listed: Sequence[str]) -> None:
    """Refuse features that are not understood; whether a network has such stages is seen when it is loaded."""
    for text in listed:
        try:
            parse_features(text)
        except InputError as error:
            raise InputError(f"{path}: [[source]] number {number}: {error}") from error


def _check_clean_ups(path: Path, number: int, listed: Sequence[str]) -> None:
    """Refuse a clean-up with a step that is unknown."""
    for text in listed:
        try:
            parse_clean_up(text)
        except InputError as error:
            raise InputError(f"{path}: [[source]] number {number}: {error}") from error


def _refusal(path: Path, error: ValidationError, content: Mapping[str, Any]) -> str:
    """Every mistake in words, one for each place."""
    found: dict[tuple[Any, ...], str] = {}
    for details in error.errors():
        place = _place(details)
        found.setdefault(place, f"{path}: {_worded(place, details, content)}")
    shown = list(found.values())
    more = [f"{len(shown) - _MAX_SHOWN} more mistakes."] if len(shown) > _MAX_SHOWN else []
    return "\n".join([*shown[:_MAX_SHOWN], *more])


def _place(details: ErrorDetails) -> tuple[Any, ...]:
    """Table, number of the table, key and number of the value, as far as they are known."""
    steps = [step for step in details["loc"] if not (isinstance(step, str) and _is_branch(step))]
    if len(steps) > 2 and steps[0] == "head" and steps[2] in searchable_kinds():
        del steps[2]
    return tuple(steps)


def _is_branch(step: str) -> bool:
    """Whether pydantic, not the user, gave this name: the branch of a union that was tried."""
    return "[" in step or step in ("constrained-float", "constrained-int", "constrained-str")


def _worded(place: tuple[Any, ...], details: ErrorDetails, content: Mapping[str, Any]) -> str:
    table = str(place[0]) if place and place[0] in keys_of("") else ""
    kind = _kind(place, content) if table == "head" else ""
    where, key = _where(place, table, kind)
    text = _structural(details, key) or _of_value(details, key, kind)
    if details["type"] == "extra_forbidden":
        known = [name for name in keys_of(table if where else "", kind) if name != "kind"]
        text = unknown_name("key", str(place[-1]), known)
    return f"{where}: {text}" if where else text[0].upper() + text[1:]


def _structural(details: ErrorDetails, key: str) -> str:
    """A key that is missing or empty, a kind that is unknown; else empty."""
    match details["type"]:
        case "union_tag_invalid":
            return unknown_name("kind of head", str(details["input"].get("kind")), searchable_kinds())
        case "union_tag_not_found":
            return f"key 'kind' is missing. Expected one of {', '.join(searchable_kinds())}."
        case "missing":
            return f"key {key!r} is missing."
        case "too_short":
            return f"key {key!r} lists no value. Give at least one, or leave the key out."
        case "twice":
            return f"key {key!r} {details['msg']}."
    return ""


def _of_value(details: ErrorDetails, key: str, kind: str) -> str:
    """A value of the wrong type or out of its range; those of heads as `HeadSpec` says them."""
    if kind and key in KINDS[kind].settings:
        return f"key {key!r} must be {KINDS[kind].settings[key].expected}, not {details['input']!r}."
    subject = f"key {key!r}: " if key else ""
    return f"{subject}{details['msg']}, not {details['input']!r:.80}."


def _where(place: Sequence[Any], table: str, kind: str) -> tuple[str, str]:
    """The table in words, and the key within it; both empty where the mistake is above them."""
    rest = list(place[1:])
    if table in ("head", "source") and rest and isinstance(rest[0], int):
        of_kind = f" ({kind})" if kind else ""
        where = f"[[{table}]] number {rest.pop(0) + 1}{of_kind}"
    elif table in ("training", "sample", "halving") and rest:
        where = f"[{table}]"
    else:
        return "", str(place[0]) if place else ""
    return where, str(rest[0]) if rest else ""


def _kind(place: Sequence[Any], content: Mapping[str, Any]) -> str:
    """Kind of the head's table that a place lies in; empty where it has none."""
    heads = content.get("head")
    if len(place) < 2 or not isinstance(heads, list) or not isinstance(heads[place[1]], dict):
        return ""
    kind = heads[place[1]].get("kind")
    return kind if kind in searchable_kinds() else ""


def main() -> None:
    """Print the JSON schema of the file, with every kind of head: ``python -m headstart.study.search.toml``."""
    sys.stdout.write(schema_bytes().decode())


if __name__ == "__main__":
    main()
