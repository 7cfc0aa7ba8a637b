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
