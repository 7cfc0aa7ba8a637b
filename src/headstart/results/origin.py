"""Where a run came from: its data, the command that began it, and when."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

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
    command : str
        Command line, absolute paths cut to their last part.
    begun : str
        Day and time of day, such as ``2026-11-30 11:32 UTC``.
    """

    data: str = ""
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
    return RunOrigin(
        _data_name(content.get("source")), _command(words if isinstance(words, list) else []), _day(content)
    )


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
