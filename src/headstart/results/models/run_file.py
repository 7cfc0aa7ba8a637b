"""A file of a run as a model: read whole, brought up to date and checked, or refused in words; written whole."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, NoReturn, Self

from pydantic import ValidationError

from headstart.errors import RunError
from headstart.results.damage import damaged, first_problem, read_text
from headstart.results.models.base import Part
from headstart.storage import file_bytes, json_bytes, parsed_json, write_bytes


@dataclass(frozen=True)
class Upgrade:
    """The way from one format to the next.

    Parameters
    ----------
    content : callable
        From the content of the one format to that of the next; damage passes through, for the model to refuse.
    older_names : callable
        From a sentence on the content of the next format to the same with the keys of the one before.
    """

    content: Callable[[dict[str, Any]], dict[str, Any]]
    older_names: Callable[[str], str]


class RunFile(Part):
    """A JSON file of a run; its field ``format`` is a Literal of the one format that this version writes.

    Attributes
    ----------
    file_name : str
        Name of the file in the folder of the run.
    command : str
        What writes the file again.
    upgrades : mapping of int to Upgrade
        For each older format that is still read, what makes the next one of it.
    """

    file_name: ClassVar[str]
    command: ClassVar[str] = "headstart fit DATA"
    upgrades: ClassVar[Mapping[int, Upgrade]] = {}

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Self:
        """The document in a file; of an older format brought up to date.

        Raises
        ------
        RunError
            When the file is missing, damaged, or of a format that is not read; the message names file and field.
        """
        file = Path(path)
        return cls.from_text(read_text(file, command=cls.command), file)

    @classmethod
    def from_text(cls, text: str, file: Path) -> Self:
        """The document in a text; `file` is what errors name."""
        content = _parsed(text, file, cls.command)
        found = content.get("format", cls.current_format())
        if type(found) is not int or found not in (*cls.upgrades, cls.current_format()):
            cls._refuse_format(found, file)
        steps = [cls.upgrades[number] for number in range(found, cls.current_format())]
        for step in steps:
            content = step.content(content)
        try:
            return cls.model_validate_json(json.dumps(content) if steps else text, strict=True)
        except ValidationError as error:
            reason = first_problem(error, content)
            for step in reversed(steps):
                reason = step.older_names(reason)
            damaged(file, reason, command=cls.command)

    @classmethod
    def format_in(cls, path: Path) -> int | None:
        """Format that a file says it has; None where it says none."""
        try:
            found = parsed_json(file_bytes(path).decode()).get("format", 1)
        except (OSError, ValueError, AttributeError):
            return None
        return found if type(found) is int else None

    @classmethod
    def current_format(cls) -> int:
        """The format that this version writes."""
        (number,) = cls.model_fields["format"].annotation.__args__  # type: ignore[union-attr]  # a Literal
        return int(number)

    @classmethod
    def _refuse_format(cls, found: object, file: Path) -> NoReturn:
        raise RunError(
            f"{file} has format {found!r}, but this headstart reads format {cls.current_format()}. Install the "
            f"version of headstart that wrote it, or run `{cls.command}` again into a new folder."
        )

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write the document, whole or not at all; equal documents give equal bytes.

        Raises
        ------
        StorageError
            When the disk refuses.
        """
        write_bytes(Path(path), json_bytes(self.to_json()))


def _parsed(text: str, file: Path, command: str) -> dict[str, Any]:
    try:
        content = parsed_json(text, parse_constant=_refuse_constant)
    except ValueError as error:
        damaged(file, f"it is not valid JSON ({error})", command=command)
    if not isinstance(content, dict):
        damaged(file, "it holds no JSON object", command=command)
    return content


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")
