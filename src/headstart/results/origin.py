"""Where a run came from: its data, what made its images and groups, the command that began it, and when."""

from __future__ import annotations

import itertools
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from headstart.cells.crops.recipe import CELLS_FILE, CropRecipe
from headstart.results.damage import damaged, read_text
from headstart.signals.recipe import RECIPE_FILE, SignalRecipe
from headstart.storage import parsed_json
from headstart.study.execution.run_folder import RUN_FILE, read_run

_PLACES: Final = ("path", "root", "recordings")
_COMMON: Final = ("data", "images")
"""Names of folders that say nothing without the folder that they lie in."""


@dataclass(frozen=True)
class RunOrigin:
    """Origin of a run in words; each is empty where the run does not say.

    Attributes
    ----------
    data : str
        Name of the folder or file of the data, without the folders that it lies in.
    groups : str
        What the command took the groups from.
    command : str
        Command line, absolute paths cut to their last part.
    begun : str
        Day and time of day, such as ``2026-11-30 11:32 UTC``.
    """

    data: str = ""
    groups: str = ""
    command: str = ""
    begun: str = ""


def read_origin(folder: Path) -> RunOrigin:
    """Origin of the run in a folder, from its ``run.json``; nothing known where that is not there.

    Raises
    ------
    RunError
        When the file is damaged.
    """
    if not (folder / RUN_FILE).is_file():
        return RunOrigin()
    content = read_run(folder)
    request = content.get("request")
    words = request.get("command_line") if isinstance(request, dict) else None
    source, given = content.get("source"), words if isinstance(words, list) else []
    return RunOrigin(data=_data_name(source), groups=_groups_from(given), command=_command(given), begun=_day(content))


def signal_recipe(folder: Path) -> SignalRecipe | None:
    """How the images of a run were made of recordings; None where they were not.

    Raises
    ------
    RunError
        When the file that says so is damaged.
    DataError
        When its recipe is, or is of a newer version.
    """
    path = folder / RECIPE_FILE
    if not path.is_file():
        return None
    content = _content(path, ["recipe"], command="headstart signals fit DATA")
    return SignalRecipe.from_json(content["recipe"], source=str(path))


def cell_recipe(folder: Path) -> dict[str, Any] | None:
    """How the images of a run were found and cut out of micrographs; None where they were not.

    Raises
    ------
    RunError
        When the file that says so is damaged.
    """
    path, command = folder / CELLS_FILE, "headstart cells fit MICROGRAPHS"
    if not path.is_file():
        return None
    from headstart.cells.micrographs.segmented import CellFinding  # loads scipy, which other runs do not need

    content = _content(path, ["finding", "recipe"], command=command)
    try:
        finding, recipe = CellFinding.from_json(content["finding"]), CropRecipe.from_json(content["recipe"])
    except KeyError as error:
        damaged(path, f"{error.args[0]} is missing", command=command)
    except (ValueError, TypeError, OverflowError) as error:
        damaged(path, str(error), command=command)
    return {**content, "finding": finding.to_json(), "recipe": recipe.to_json()}


def _content(path: Path, parts: Sequence[str], *, command: str) -> dict[str, Any]:
    """Content of a recipe's file, in which these parts are."""
    try:
        content = parsed_json(read_text(path, command=command))
    except ValueError as error:
        damaged(path, str(error), command=command)
    if not isinstance(content, dict):
        damaged(path, "it holds no JSON object", command=command)
    missing = [name for name in parts if not isinstance(content.get(name), dict)]
    if missing:
        damaged(path, f"{missing[0]} is missing", command=command)
    return content


def _groups_from(words: list[Any]) -> str:
    """What groups were taken from, where the command names it: a part of the path, or a column."""
    said = dict(_asked(words))
    if pattern := said.get("--group-from"):
        return f"the paths of the files, by the expression {pattern}"
    column = said.get("--group-column")
    return f"the column {column!r} of the table" if column else ""


def _asked(words: list[Any]) -> Iterator[tuple[str, str]]:
    """Options of a command line with the word that stands behind each, or after its equals sign."""
    for word, following in itertools.pairwise([*map(str, words), ""]):
        name, is_joined, value = word.partition("=")
        if name.startswith("--"):
            yield name, value if is_joined else following


def _data_name(source: Any) -> str:
    """Last part of the path of the data, wherever `source` holds it."""
    found = source.get("data") if isinstance(source, dict) else source
    if isinstance(found, dict):
        found = next((found[name] for name in _PLACES if isinstance(found.get(name), str)), "")
    if not isinstance(found, str):
        return ""
    place = Path(found)
    return "/".join(place.parts[-2:]) if place.name in _COMMON else place.name


def _command(words: list[Any]) -> str:
    shown = (Path(str(word)).name if str(word).startswith("/") else str(word) for word in words)
    return shlex.join(shown)


def _day(content: dict[str, Any]) -> str:
    try:
        begun = datetime.fromisoformat(str(content.get("begun", "")))
    except ValueError:
        return ""
    return f"{begun:%Y-%m-%d %H:%M} UTC"
